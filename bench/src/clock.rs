//! The wall of a benchmark is real time: the one place that may name the standard clock.

#[expect(clippy::disallowed_types, reason = "a benchmark measures real time, never simulated time")]
pub(crate) type Instant = std::time::Instant;
