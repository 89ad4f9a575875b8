//! The machine's clocks as a value that is passed in.
//!
//! Timestamps decide retention, lease ages and what a consumer sees, so the code that
//! reads them must run under a test's clock as it runs under the machine's. Ordinary
//! durations and timeouts are not this clock's business: those use `tokio::time`, which
//! tests pause. Deadlines that others rely on are (R4, R7): they must go on while this
//! machine sleeps, so they are measured in time since boot.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use tokio::time::Instant;

/// A source of time; cheap to clone, all clones agree.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
    /// Its wall clock, and when it began to be used.
    Other(Arc<dyn Fn() -> i64 + Send + Sync>, Instant),
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

    /// A clock that shows what `now_ms` says: a simulated host's, which may jump and drift.
    pub fn over(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Source::Other(Arc::new(now_ms), Instant::now()))
    }

    /// Milliseconds since the Unix epoch, the unit of every timestamp in Kafka's protocol.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System => system_now_ms(),
            Source::Manual(now_ms) => now_ms.load(Ordering::Acquire),
            Source::Other(now_ms, _) => now_ms(),
        }
    }

    /// Time since the machine was started. Never jumps, and counts the time it was
    /// suspended: what a paused process must know when it wakes. A manual clock counts
    /// from its epoch, a simulated host's is the simulation's.
    pub fn since_boot(&self) -> Duration {
        match &self.0 {
            Source::System => system_since_boot(),
            Source::Manual(now_ms) => {
                let now_ms = now_ms.load(Ordering::Acquire);
                Duration::from_millis(u64::try_from(now_ms).unwrap_or(0))
            }
            Source::Other(_, began) => began.elapsed(),
        }
    }

    /// Whether time is a simulation's. Its hosts have one thread: another would run outside of it,
    /// and no two runs would be the same.
    pub fn is_simulated(&self) -> bool {
        matches!(self.0, Source::Other(..))
    }

    /// Moves a manual clock, and every clone of it, forward.
    ///
    /// # Panics
    ///
    /// On any other: only a test that built a manual clock may move time.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            Source::System | Source::Other(..) => panic!("only a manual clock can be advanced"),
            Source::Manual(now_ms) => {
                let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
                now_ms.fetch_add(by_ms, Ordering::AcqRel);
            }
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::System => "Clock(system)",
            Source::Manual(_) => "Clock(manual)",
            Source::Other(..) => "Clock(other)",
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn system_now_ms() -> i64 {
    // A clock set before 1970 is a broken machine; zero is then as good as any answer.
    let since_epoch =
        std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

fn system_since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(now).expect("time since boot is not negative")
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
    fn time_since_boot_moves_with_a_manual_clock_and_never_back_on_the_system() {
        let manual = Clock::manual(1_000);
        let before = manual.since_boot();
        manual.advance(Duration::from_secs(3));
        assert_eq!(manual.since_boot() - before, Duration::from_secs(3));
        let system = Clock::system();
        let before = system.since_boot();
        assert!(before > Duration::ZERO && system.since_boot() >= before);
    }

    #[test]
    fn the_system_clock_is_past_the_day_this_was_written() {
        assert!(Clock::system().now_ms() > 1_700_000_000_000);
    }

    #[test]
    fn another_clock_shows_what_it_is_told() {
        let clock = Clock::over(|| 42);
        assert_eq!(clock.clone().now_ms(), 42);
    }

    #[test]
    #[should_panic(expected = "can be advanced")]
    fn the_system_clock_cannot_be_advanced() {
        Clock::system().advance(Duration::from_secs(1));
    }
}
