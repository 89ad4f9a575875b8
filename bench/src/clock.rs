//! The wall of a benchmark is real time: the one place that may name the standard clock.

use std::time::{SystemTime, UNIX_EPOCH};

#[expect(clippy::disallowed_types, reason = "a benchmark measures real time, never simulated time")]
pub(crate) type Instant = std::time::Instant;

/// Milliseconds since 1970, for the timestamps of records.
#[expect(clippy::disallowed_methods, reason = "a benchmark produces in real time")]
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).expect("some thousand years from now")
}
