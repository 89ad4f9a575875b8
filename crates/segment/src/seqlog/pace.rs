//! How fast slots are put: when an attempt is late, and how much the store wants to be spared.
//!
//! - Late: beyond the 99th percentile of the last attempts, and never before 500 ms (R18).
//! - Spared: a store that answers 503 SlowDown gets half the requests, and one sixteenth more with
//!   every attempt that succeeds (R28: additive increase, multiplicative decrease).

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Attempts remembered: enough for a 99th percentile, few enough to follow a store that changes.
const SAMPLES: usize = 128;

/// Below this an attempt is not late, whatever the others took (R18).
const LATE_MIN: Duration = Duration::from_millis(500);

/// Steps between the least and the full rate.
const RATE_STEPS: u32 = 16;

/// Overload within this time of the last is the same overload: requests that were already under way
/// say nothing about the rate chosen since.
const OVERLOAD_SPAN: Duration = Duration::from_millis(250);

/// What recent attempts say about the store. Shared by the slots in flight.
#[derive(Debug, Default)]
pub struct Pace {
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    took: VecDeque<Duration>,
    /// Of [`RATE_STEPS`].
    rate: u32,
    overloaded: Option<Instant>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { took: VecDeque::with_capacity(SAMPLES), rate: RATE_STEPS, overloaded: None }
    }
}

impl Pace {
    /// How many times longer than usual to wait between two slots: 1 unless the store is overloaded,
    /// 16 at the most.
    pub fn slowdown(&self) -> f64 {
        f64::from(RATE_STEPS) / f64::from(self.seen.lock().rate)
    }

    /// How long an attempt may take before the same bytes are sent again. `None` while the store is
    /// overloaded: a second copy would make that worse.
    pub(super) fn late_after(&self) -> Option<Duration> {
        let seen = self.seen.lock();
        if seen.rate < RATE_STEPS {
            return None;
        }
        let mut took: Vec<Duration> = seen.took.iter().copied().collect();
        drop(seen);
        took.sort_unstable();
        let percentile = took.get(took.len() * 99 / 100).copied().unwrap_or_default();
        Some(percentile.max(LATE_MIN))
    }

    /// An attempt made its slot.
    pub(super) fn succeeded(&self, took: Duration) {
        let mut seen = self.seen.lock();
        if seen.took.len() == SAMPLES {
            seen.took.pop_front();
        }
        seen.took.push_back(took);
        seen.rate = (seen.rate + 1).min(RATE_STEPS);
    }

    /// The store asked for fewer requests.
    pub(super) fn overloaded(&self, now: Instant) {
        let mut seen = self.seen.lock();
        if seen.overloaded.is_none_or(|last| now.duration_since(last) >= OVERLOAD_SPAN) {
            seen.overloaded = Some(now);
            seen.rate = (seen.rate / 2).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_late_beyond_the_slowest_hundredth_and_never_before_500_ms() {
        let pace = Pace::default();
        assert_eq!(pace.late_after(), Some(LATE_MIN));
        for took in 1..=100 {
            pace.succeeded(Duration::from_millis(took));
        }
        assert_eq!(pace.late_after(), Some(LATE_MIN));
        for took in 1..=100 {
            pace.succeeded(Duration::from_millis(10 * took));
        }
        assert_eq!(pace.late_after(), Some(Duration::from_millis(990)));
    }

    #[test]
    fn overload_halves_the_rate_and_success_brings_it_back_in_steps() {
        let pace = Pace::default();
        let start = Instant::now();
        pace.overloaded(start);
        assert_eq!((pace.slowdown(), pace.late_after()), (2.0, None));
        pace.overloaded(start + OVERLOAD_SPAN / 2);
        assert_eq!(pace.slowdown(), 2.0, "the same overload");
        for again in 1..10 {
            pace.overloaded(start + again * OVERLOAD_SPAN);
        }
        assert_eq!(pace.slowdown(), 16.0);
        for _ in 0..7 {
            pace.succeeded(Duration::ZERO);
        }
        assert_eq!(pace.slowdown(), 2.0);
        for _ in 0..100 {
            pace.succeeded(Duration::ZERO);
        }
        assert_eq!(pace.slowdown(), 1.0);
    }
}
