//! Counters of the role: names in one place.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const UNITS: &str = "compactor_units_total";
const READ_BYTES: &str = "compactor_read_bytes_total";
const WRITTEN_BYTES: &str = "compactor_written_bytes_total";
const OBJECTS: &str = "compactor_objects_total";
const ROUND_FAILURES: &str = "compactor_round_failures_total";
const CLEANED_RECORDS: &str = "compactor_cleaned_records_total";
const CLEANING_FAILURES: &str = "compactor_cleaning_failures_total";
const UNCLEANABLE: &str = "compactor_uncleanable_total";
const GC_DELETED: &str = "compactor_gc_deleted_total";
const GC_WAITING: &str = "compactor_gc_waiting";
const GC_CYCLES: &str = "compactor_gc_cycles_total";
const GC_FAILURES: &str = "compactor_gc_failures_total";

pub(crate) fn describe() {
    describe_counter!(UNITS, "units of work, by outcome: committed, refused");
    describe_counter!(READ_BYTES, Unit::Bytes, "bytes read to be rewritten");
    describe_counter!(WRITTEN_BYTES, Unit::Bytes, "bytes of compacted objects written");
    describe_counter!(OBJECTS, "compacted objects written, by kind: own, pack");
    describe_counter!(ROUND_FAILURES, "rounds that ended in an error");
    describe_counter!(CLEANED_RECORDS, "records compacted by key, by outcome: kept, removed");
    describe_counter!(CLEANING_FAILURES, "rounds of compaction by key that ended in an error");
    describe_counter!(UNCLEANABLE, "partitions that cannot be compacted by key: see the log");
    describe_counter!(GC_DELETED, "objects deleted, by family");
    describe_gauge!(GC_WAITING, "objects that wait for the end of their grace time");
    describe_counter!(GC_CYCLES, "looks at the whole bucket");
    describe_counter!(GC_FAILURES, "looks at the bucket that ended in an error");
}

pub(crate) fn unit(committed: bool) {
    let outcome = if committed { "committed" } else { "refused" };
    counter!(UNITS, "outcome" => outcome).increment(1);
}

pub(crate) fn read(bytes: u64) {
    counter!(READ_BYTES).increment(bytes);
}

pub(crate) fn wrote(kind: &'static str, bytes: u64) {
    counter!(OBJECTS, "kind" => kind).increment(1);
    counter!(WRITTEN_BYTES).increment(bytes);
}

pub(crate) fn round_failed() {
    counter!(ROUND_FAILURES).increment(1);
}

pub(crate) fn cleaned(before: u64, after: u64) {
    counter!(CLEANED_RECORDS, "outcome" => "kept").increment(after);
    counter!(CLEANED_RECORDS, "outcome" => "removed").increment(before.saturating_sub(after));
}

pub(crate) fn cleaning_failed() {
    counter!(CLEANING_FAILURES).increment(1);
}

pub(crate) fn uncleanable() {
    counter!(UNCLEANABLE).increment(1);
}

pub(crate) fn deleted(family: &'static str) {
    counter!(GC_DELETED, "family" => family).increment(1);
}

pub(crate) fn cycle(waiting: usize) {
    counter!(GC_CYCLES).increment(1);
    gauge!(GC_WAITING).set(waiting as f64);
}

pub(crate) fn cycle_failed() {
    counter!(GC_FAILURES).increment(1);
}
