//! The figures of the log.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit};

use super::FrontUsage;

const BYTES: &str = "storage_node_wal_bytes_total";
const WRITES: &str = "storage_node_wal_writes_total";
const WRITE_SECONDS: &str = "storage_node_wal_write_seconds";
const GROUP_BATCHES: &str = "storage_node_wal_group_batches";
const USED_BYTES: &str = "storage_node_wal_used_bytes";
const CAPACITY_BYTES: &str = "storage_node_wal_capacity_bytes";
const FAILURES: &str = "storage_node_wal_failures_total";

/// Handles of the log's metrics, looked up once.
pub(super) struct Meter {
    bytes: Counter,
    writes: Counter,
    write_seconds: Histogram,
    group_batches: Histogram,
    used_bytes: Gauge,
    capacity_bytes: Gauge,
    failures: Counter,
}

impl Meter {
    /// Describes and registers the metrics.
    pub(super) fn new() -> Self {
        metrics::describe_counter!(
            BYTES,
            Unit::Bytes,
            "Bytes written to the log, padding included"
        );
        metrics::describe_counter!(WRITES, "Blocks written to the log");
        metrics::describe_histogram!(
            WRITE_SECONDS,
            Unit::Seconds,
            "Time until a block was durable"
        );
        metrics::describe_histogram!(GROUP_BATCHES, "Batches that shared a block");
        metrics::describe_gauge!(USED_BYTES, Unit::Bytes, "Bytes of the log that wait for upload");
        metrics::describe_gauge!(CAPACITY_BYTES, Unit::Bytes, "Bytes the log can hold");
        metrics::describe_counter!(FAILURES, "Errors that ended a log");
        Self {
            bytes: metrics::counter!(BYTES),
            writes: metrics::counter!(WRITES),
            write_seconds: metrics::histogram!(WRITE_SECONDS),
            group_batches: metrics::histogram!(GROUP_BATCHES),
            used_bytes: metrics::gauge!(USED_BYTES),
            capacity_bytes: metrics::gauge!(CAPACITY_BYTES),
            failures: metrics::counter!(FAILURES),
        }
    }

    /// A block of `batches` batches took `time` to write.
    pub(super) fn wrote(&self, bytes: usize, batches: usize, time: Duration) {
        self.bytes.increment(bytes as u64);
        self.writes.increment(1);
        self.write_seconds.record(time.as_secs_f64());
        self.group_batches.record(batches as f64);
    }

    /// The use of the ring has changed.
    pub(super) fn used(&self, usage: FrontUsage) {
        self.used_bytes.set(usage.used_bytes as f64);
        self.capacity_bytes.set(usage.capacity_bytes as f64);
    }

    /// An error ended the log.
    pub(super) fn failed(&self) {
        self.failures.increment(1);
    }
}
