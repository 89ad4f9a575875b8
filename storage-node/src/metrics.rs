//! Every metric of the storage node: names, units, and the only places that touch them.

use std::time::Duration;

use hop::internal::Traffic;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use protocol::ErrorCode;

/// Bytes of batches handed to the front.
pub const PRODUCE_BYTES: &str = "storage_node_produce_bytes_total";
/// Batches handed to the front.
pub const PRODUCE_BATCHES: &str = "storage_node_produce_batches_total";
/// How long acknowledgements were held back because the front was filling up.
pub const PRODUCE_BRAKE_SECONDS: &str = "storage_node_produce_brake_seconds";
/// Bytes of batches answered from memory.
pub const HOT_FETCH_BYTES: &str = "storage_node_hot_fetch_bytes_total";
/// Fetches sent to a cold reader.
pub const COLD_REDIRECTS: &str = "storage_node_cold_redirects_total";
/// Plans made for cold readers.
pub const PLANS: &str = "storage_node_plans_total";
/// Partitions this node serves.
pub const PARTITIONS: &str = "storage_node_partitions";
/// Bytes of batches in memory.
pub const HOT_CACHE_BYTES: &str = "storage_node_hot_cache_bytes";
/// Bytes of batches in memory that are not in the object store yet.
pub const PENDING_UPLOAD_BYTES: &str = "storage_node_pending_upload_bytes";
/// Used share of the front.
pub const FRONT_USED_RATIO: &str = "storage_node_front_used_ratio";
/// Objects uploaded to the data log.
pub const UPLOADS: &str = "storage_node_uploads_total";
/// Bytes uploaded to the data log.
pub const UPLOAD_BYTES: &str = "storage_node_upload_bytes_total";
/// Uploads that did not succeed and are tried again.
pub const UPLOAD_FAILURES: &str = "storage_node_upload_failures_total";
/// How long an upload took.
pub const UPLOAD_SECONDS: &str = "storage_node_upload_seconds";
/// Partitions claimed.
pub const OPENS: &str = "storage_node_partition_opens_total";
/// Attempts to claim a partition that did not succeed.
pub const OPEN_FAILURES: &str = "storage_node_partition_open_failures_total";

/// Incarnations of other nodes that this one was asked to end, by outcome.
pub const ENDINGS: &str = "storage_node_endings_total";
/// 1 while the front makes no progress with what it accepted, or did not make any for too long.
pub const STALLED: &str = "storage_node_stalled";
/// Whether this machine's clock is too far from the object store's.
pub const CLOCK_IS_WRONG: &str = "storage_node_clock_is_wrong";
/// Final answers that were withheld because nobody knew whether this incarnation is over.
pub const NOT_PROVEN: &str = "storage_node_answers_not_proven_total";
/// Log starts moved by retention.
pub const RETENTIONS: &str = "storage_node_retentions_total";
/// Compactions committed, by outcome.
pub const COMPACTIONS: &str = "storage_node_compactions_total";
/// Bytes of compacted topics below and above the clean point, as of the last look of a compactor.
pub const CLEANABLE_BYTES: &str = "storage_node_cleanable_bytes";
/// Partitions of compacted topics that are too large to be compacted by key.
pub const CLEANING_TOO_LARGE: &str = "storage_node_cleaning_too_large";

/// Partitions of transactions that a coordinator was asked about, by outcome.
pub const TXN_VERIFICATIONS: &str = "storage_node_txn_verifications_total";
/// Markers of coordinators, by outcome.
pub const TXN_MARKERS: &str = "storage_node_txn_markers_total";

/// Partitions with a transaction that should have been ended.
pub const LATE_TRANSACTIONS: &str = "storage_node_late_transactions";

/// Smoothed rates of what this node's partitions do, as control balances by them.
pub const LOAD_BYTES: &str = "storage_node_load_bytes_per_second";
/// Batches produced and fetches answered with records, per second.
pub const LOAD_REQUESTS: &str = "storage_node_load_requests_per_second";
/// The process's share of the machine's CPU time.
pub const LOAD_CPU_RATIO: &str = "storage_node_load_cpu_ratio";
/// Resident memory of the process.
pub const LOAD_MEMORY: &str = "storage_node_load_memory_bytes";

/// Incarnations that made room for the next in the same process.
pub const ROLL_OVERS: &str = "storage_node_roll_overs_total";

/// Describes all of them to the recorder. Repeating it changes nothing.
pub fn describe() {
    describe_counter!(PRODUCE_BYTES, Unit::Bytes, "batches handed to the front");
    describe_counter!(PRODUCE_BATCHES, Unit::Count, "batches handed to the front");
    describe_histogram!(PRODUCE_BRAKE_SECONDS, Unit::Seconds, "acknowledgements held back");
    describe_counter!(HOT_FETCH_BYTES, Unit::Bytes, "batches answered from memory");
    describe_counter!(COLD_REDIRECTS, Unit::Count, "fetches sent to a cold reader");
    describe_counter!(PLANS, Unit::Count, "plans made for cold readers");
    describe_gauge!(PARTITIONS, Unit::Count, "partitions this node serves");
    describe_gauge!(HOT_CACHE_BYTES, Unit::Bytes, "batches in memory");
    describe_gauge!(PENDING_UPLOAD_BYTES, Unit::Bytes, "batches not in the object store yet");
    describe_gauge!(FRONT_USED_RATIO, "used share of the front, 0 to 1");
    describe_counter!(UPLOADS, Unit::Count, "objects uploaded to the data log");
    describe_counter!(UPLOAD_BYTES, Unit::Bytes, "bytes uploaded to the data log");
    describe_counter!(UPLOAD_FAILURES, Unit::Count, "uploads that are tried again");
    describe_histogram!(UPLOAD_SECONDS, Unit::Seconds, "duration of an upload");
    describe_counter!(OPENS, Unit::Count, "partitions claimed");
    describe_counter!(RETENTIONS, Unit::Count, "log starts moved by retention");
    describe_counter!(COMPACTIONS, Unit::Count, "compactions committed, by outcome");
    describe_gauge!(CLEANABLE_BYTES, Unit::Bytes, "of compacted topics, by part: clean, dirty");
    describe_gauge!(CLEANING_TOO_LARGE, Unit::Count, "partitions not compacted by key: too large");
    describe_counter!(TXN_VERIFICATIONS, Unit::Count, "transactions verified, by outcome");
    describe_gauge!(LATE_TRANSACTIONS, Unit::Count, "partitions whose open transaction is overdue");
    describe_counter!(TXN_MARKERS, Unit::Count, "markers of coordinators, by outcome");
    describe_gauge!(LOAD_BYTES, Unit::Bytes, "smoothed, by direction: in, out");
    describe_gauge!(LOAD_REQUESTS, Unit::Count, "smoothed produced batches and fetches");
    describe_gauge!(LOAD_CPU_RATIO, "smoothed share of the machine's CPU time, 0 to 1");
    describe_gauge!(LOAD_MEMORY, Unit::Bytes, "resident memory of the process");
    describe_counter!(OPEN_FAILURES, Unit::Count, "failed attempts to claim a partition");
    describe_counter!(ENDINGS, Unit::Count, "incarnations ended for other nodes, by outcome");
    describe_counter!(NOT_PROVEN, Unit::Count, "final answers withheld for want of proof");
    describe_counter!(ROLL_OVERS, Unit::Count, "incarnations that made room for the next");
    describe_gauge!(STALLED, "1 while this node calls itself unhealthy, else 0");
    describe_gauge!(CLOCK_IS_WRONG, "1 while this node gets no partitions for its clock, else 0");
}

pub(crate) fn produced(bytes: usize) {
    counter!(PRODUCE_BYTES).increment(bytes as u64);
    counter!(PRODUCE_BATCHES).increment(1);
}

pub(crate) fn braked(held: Duration) {
    histogram!(PRODUCE_BRAKE_SECONDS).record(held);
}

pub(crate) fn fetched_hot(bytes: usize) {
    counter!(HOT_FETCH_BYTES).increment(bytes as u64);
}

pub(crate) fn redirected_to_cold() {
    counter!(COLD_REDIRECTS).increment(1);
}

pub(crate) fn planned() {
    counter!(PLANS).increment(1);
}

pub(crate) fn uploaded(bytes: u64, seconds: f64) {
    counter!(UPLOADS).increment(1);
    counter!(UPLOAD_BYTES).increment(bytes);
    histogram!(UPLOAD_SECONDS).record(seconds);
}

pub(crate) fn upload_failed() {
    counter!(UPLOAD_FAILURES).increment(1);
}

pub(crate) fn cleanable(clean: u64, dirty: u64, too_large: u32) {
    gauge!(CLEANABLE_BYTES, "part" => "clean").set(clean as f64);
    gauge!(CLEANABLE_BYTES, "part" => "dirty").set(dirty as f64);
    gauge!(CLEANING_TOO_LARGE).set(f64::from(too_large));
}

pub(crate) fn retained() {
    counter!(RETENTIONS).increment(1);
}

pub(crate) fn compaction_committed(outcome: ErrorCode) {
    counter!(COMPACTIONS, "outcome" => outcome.name()).increment(1);
}

pub(crate) fn verified(outcome: ErrorCode) {
    counter!(TXN_VERIFICATIONS, "outcome" => outcome.name()).increment(1);
}

pub(crate) fn late_transactions(partitions: usize) {
    gauge!(LATE_TRANSACTIONS).set(partitions as f64);
}

pub(crate) fn marker_written(outcome: ErrorCode) {
    counter!(TXN_MARKERS, "outcome" => outcome.name()).increment(1);
}

pub(crate) fn opened() {
    counter!(OPENS).increment(1);
}

pub(crate) fn open_failed() {
    counter!(OPEN_FAILURES).increment(1);
}

pub(crate) fn ended_for_another(well: bool) {
    counter!(ENDINGS, "outcome" => if well { "ended" } else { "failed" }).increment(1);
}

pub(crate) fn not_proven() {
    counter!(NOT_PROVEN).increment(1);
}

pub(crate) fn rolled_over() {
    counter!(ROLL_OVERS).increment(1);
}

pub(crate) fn load(traffic: &Traffic, cpu_permille: f64, memory: u64) {
    gauge!(LOAD_BYTES, "direction" => "in").set(traffic.bytes_in as f64);
    gauge!(LOAD_BYTES, "direction" => "out").set(traffic.bytes_out as f64);
    gauge!(LOAD_REQUESTS).set(traffic.requests as f64);
    gauge!(LOAD_CPU_RATIO).set(cpu_permille / 1_000.0);
    gauge!(LOAD_MEMORY).set(memory as f64);
}

pub(crate) fn stalled(stalled: bool) {
    gauge!(STALLED).set(if stalled { 1.0 } else { 0.0 });
}

pub(crate) fn clock_is_wrong(wrong: bool) {
    gauge!(CLOCK_IS_WRONG).set(if wrong { 1.0 } else { 0.0 });
}

/// What a node looks like now; published once a second.
pub(crate) struct Levels {
    pub(crate) partitions: usize,
    pub(crate) hot_bytes: usize,
    pub(crate) pending_bytes: usize,
    pub(crate) front_used_share: f64,
}

impl Levels {
    pub(crate) fn publish(&self) {
        gauge!(PARTITIONS).set(self.partitions as f64);
        gauge!(HOT_CACHE_BYTES).set(self.hot_bytes as f64);
        gauge!(PENDING_UPLOAD_BYTES).set(self.pending_bytes as f64);
        gauge!(FRONT_USED_RATIO).set(self.front_used_share);
    }
}
