//! The wall clock as a value that is passed in.
//!
//! Timestamps decide retention, lease ages and what a consumer sees, so the code that
//! reads them must run under a test's clock as it runs under the machine's. Durations
//! and timeouts are not this clock's business: those use `tokio::time`, which tests pause.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

/// A source of wall-clock time; cheap to clone, all clones agree.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's own clock. It may jump: never use it to measure how long something took.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start_ms` until [`Clock::advance`] moves it.
    pub fn manual(start_ms: i64) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start_ms))))
    }

    /// Milliseconds since the Unix epoch, the unit of every timestamp in Kafka's protocol.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System => system_now_ms(),
            Source::Manual(now_ms) => now_ms.load(Ordering::Acquire),
        }
    }

    /// Moves a manual clock, and every clone of it, forward.
    ///
    /// # Panics
    ///
    /// On a system clock: only a test that built a manual clock may move time.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            Source::System => panic!("the system clock cannot be advanced"),
            Source::Manual(now_ms) => {
                let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
                now_ms.fetch_add(by_ms, Ordering::AcqRel);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn system_now_ms() -> i64 {
    // A clock set before 1970 is a broken machine; zero is then as good as any answer.
    let since_epoch =
        std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told_and_all_clones_agree() {
        let clock = Clock::manual(1_000);
        let clone = clock.clone();
        assert_eq!(clone.now_ms(), 1_000);
        clock.advance(Duration::from_millis(250));
        assert_eq!(clone.now_ms(), 1_250);
    }

    #[test]
    fn the_system_clock_is_past_the_day_this_was_written() {
        assert!(Clock::system().now_ms() > 1_700_000_000_000);
    }

    #[test]
    #[should_panic(expected = "cannot be advanced")]
    fn the_system_clock_cannot_be_advanced() {
        Clock::system().advance(Duration::from_secs(1));
    }
}
