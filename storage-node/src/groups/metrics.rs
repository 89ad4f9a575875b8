//! Metrics of the group host.

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

/// Group requests carried out.
const COMMANDS: &str = "storage_node_group_commands_total";
/// Group requests refused because the shard is loading, busy or elsewhere.
const REFUSALS: &str = "storage_node_group_refusals_total";
/// Records appended to group logs.
const RECORDS: &str = "storage_node_group_records_total";
/// How long a shard took to load.
const LOAD_SECONDS: &str = "storage_node_group_load_seconds";
/// Loads that failed and are tried again.
const LOAD_FAILURES: &str = "storage_node_group_load_failures_total";
/// How long the markers of a transaction took to reach all of its partitions.
const MARKER_SECONDS: &str = "storage_node_transaction_marker_seconds";
/// Transactions whose markers took too long.
const MARKERS_LATE: &str = "storage_node_transaction_markers_late_total";
/// Snapshots that replaced the log before them.
const SNAPSHOTS: &str = "storage_node_group_snapshots_total";

/// Describes all of them to the recorder. Repeating it changes nothing.
pub(crate) fn describe() {
    describe_counter!(COMMANDS, Unit::Count, "group requests carried out");
    describe_counter!(REFUSALS, Unit::Count, "group requests refused for now");
    describe_counter!(RECORDS, Unit::Count, "records appended to group logs");
    describe_histogram!(LOAD_SECONDS, Unit::Seconds, "duration of loading a shard of groups");
    describe_counter!(LOAD_FAILURES, Unit::Count, "failed loads of a shard of groups");
    describe_histogram!(MARKER_SECONDS, Unit::Seconds, "duration of telling an outcome to all");
    describe_counter!(MARKERS_LATE, Unit::Count, "transactions that keep readers waiting");
    describe_counter!(SNAPSHOTS, Unit::Count, "snapshots of group state");
}

pub(crate) fn carried_out(commands: usize) {
    counter!(COMMANDS).increment(commands as u64);
}

pub(crate) fn refused() {
    counter!(REFUSALS).increment(1);
}

pub(crate) fn appended(records: usize) {
    counter!(RECORDS).increment(records as u64);
}

pub(crate) fn loaded(seconds: f64) {
    histogram!(LOAD_SECONDS).record(seconds);
}

pub(crate) fn load_failed() {
    counter!(LOAD_FAILURES).increment(1);
}

pub(crate) fn transaction_ended(seconds: f64) {
    histogram!(MARKER_SECONDS).record(seconds);
}

pub(crate) fn markers_late() {
    counter!(MARKERS_LATE).increment(1);
}

pub(crate) fn snapshot_taken() {
    counter!(SNAPSHOTS).increment(1);
}
