//! Counters of every request to the object store, by role and operation.
//!
//! They are the proof that a cold read costs the storage node nothing, and the
//! basis of the cost per GiB.

use std::fmt;

const REQUESTS_TOTAL: &str = "object_store_requests_total";
const BYTES_TOTAL: &str = "object_store_bytes_total";
const ERRORS_TOTAL: &str = "object_store_errors_total";
const CLOCK_SKEW_SECONDS: &str = "object_store_clock_skew_seconds";

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Read of a whole object.
    Get,
    /// Read of a part of an object.
    GetRange,
    /// Existence, size and version of an object.
    Head,
    /// One page of a listing.
    List,
    /// Write without a condition.
    Put,
    /// Write of one part of a large object.
    PutPart,
    /// Write on condition that the key is free.
    Create,
    /// Write on condition that the object is a known version.
    Update,
    /// Removal.
    Delete,
}

impl Op {
    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetRange => "get_range",
            Self::Head => "head",
            Self::List => "list",
            Self::Put => "put",
            Self::PutPart => "put_part",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Registers names and units. Call once per process, after the recorder is installed.
pub fn describe() {
    metrics::describe_counter!(REQUESTS_TOTAL, "Requests to the object store");
    metrics::describe_counter!(
        BYTES_TOTAL,
        metrics::Unit::Bytes,
        "Payload bytes sent to and received from the object store"
    );
    metrics::describe_counter!(
        ERRORS_TOTAL,
        "Requests to the object store that got no usable answer"
    );
    metrics::describe_gauge!(
        CLOCK_SKEW_SECONDS,
        metrics::Unit::Seconds,
        "By how much this clock is ahead of the object store's, at least"
    );
}

// The handles are not kept: a store may be opened before the recorder is
// installed, and a handle made then would count nothing for ever.

pub(crate) fn request(role: &'static str, op: Op) {
    metrics::counter!(REQUESTS_TOTAL, "role" => role, "op" => op.as_str()).increment(1);
}

pub(crate) fn bytes(role: &'static str, op: Op, count: u64) {
    metrics::counter!(BYTES_TOTAL, "role" => role, "op" => op.as_str()).increment(count);
}

pub(crate) fn skew(role: &'static str, ahead_ms: i64) {
    metrics::gauge!(CLOCK_SKEW_SECONDS, "role" => role).set(ahead_ms as f64 / 1e3);
}

pub(crate) fn error(role: &'static str, op: Op) {
    metrics::counter!(ERRORS_TOTAL, "role" => role, "op" => op.as_str()).increment(1);
}
