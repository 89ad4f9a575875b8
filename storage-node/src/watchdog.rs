//! A thread of its own that notices what the rest of the process cannot (R7): that the process was
//! suspended, and that the front makes no progress.
//!
//! A node that slept for long must not go on where it stopped: by now somebody else may have ended
//! its incarnation. Its front would find that out by itself (R1, R4); this is the second line, and
//! it is only drawn where others can end an incarnation at all. A node whose device hangs answers
//! pings that it is not healthy, so that control can act while the process lives.
//!
//! ```text
//! every 100 ms   time since boot ──► gap since the last look  > suspend_max   the incarnation is over
//!                front's usage   ──► time without progress    > 2 s           unhealthy
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use process::Clock;
use tokio::sync::watch;

use crate::limits::{STALL_MAX, WATCHDOG_INTERVAL};
use crate::metrics;
use crate::wal::{Front, FrontUsage, Lsn};

/// What the thread watches, and by which measure.
pub(crate) struct Watched {
    pub(crate) clock: Clock,
    pub(crate) front: Arc<dyn Front>,
    /// Whether progress of the front is this node's own doing. An object store that is slow is slow
    /// for every node: evicting one for it would help nobody.
    pub(crate) device_is_local: bool,
    /// The longest gap after which the node goes on; `None` if nobody else can end the incarnation.
    pub(crate) suspend_max: Option<Duration>,
}

/// The watching thread. It stops when this is dropped.
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    suspended: watch::Receiver<Option<Duration>>,
    thread: Option<JoinHandle<()>>,
}

/// What the node's tasks and the thread share.
#[derive(Debug, Default)]
struct Shared {
    stalled: AtomicBool,
    stop: AtomicBool,
}

/// Answers whether the node is well. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health(Arc<Shared>);

// === impl Health ===

impl Health {
    /// Whether the front makes progress, as far as anything waits in it.
    pub(crate) fn is_well(&self) -> bool {
        !self.0.stalled.load(Ordering::Acquire)
    }
}

// === impl Watchdog ===

impl Watchdog {
    /// Starts the thread. A simulated host has one thread only, and is never suspended.
    pub(crate) fn start(watched: Watched, health: &Health) -> Self {
        let shared = Arc::clone(&health.0);
        let (tell, suspended) = watch::channel(None);
        let seen = Arc::clone(&shared);
        if watched.clock.is_simulated() {
            return Self { shared, suspended, thread: None };
        }
        let thread = thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || watch(&watched, &seen, &tell))
            .expect("a process that starts can start a thread");
        Self { shared, suspended, thread: Some(thread) }
    }

    /// Resolves with the gap when the process was suspended for too long to go on.
    pub(crate) async fn suspended(&self) -> Duration {
        let mut suspended = self.suspended.clone();
        match suspended.wait_for(Option::is_some).await.map(|gap| *gap) {
            Ok(Some(gap)) => gap,
            // The thread ends with this value only.
            _ => std::future::pending().await,
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It sleeps or is about to: nothing in it blocks.
            let _ = thread.join();
        }
    }
}

fn watch(watched: &Watched, shared: &Shared, suspended: &watch::Sender<Option<Duration>>) {
    let mut watch = Watch::new(watched.clock.since_boot());
    while !shared.stop.load(Ordering::Acquire) {
        thread::park_timeout(WATCHDOG_INTERVAL);
        let seen = watch.look(watched.clock.since_boot(), watched.front.usage());
        if seen.gap > STALL_MAX {
            tracing::warn!(gap = ?seen.gap, "this process was suspended");
        }
        if watched.suspend_max.is_some_and(|max| seen.gap > max) {
            suspended.send_replace(Some(seen.gap));
        }
        let stalled = watched.device_is_local && seen.without_progress > STALL_MAX;
        if shared.stalled.swap(stalled, Ordering::AcqRel) != stalled {
            metrics::stalled(stalled);
            tracing::warn!(stalled, waited = ?seen.without_progress, "progress of the front");
        }
    }
}

/// The decisions, without thread and clock.
#[derive(Debug)]
struct Watch {
    looked_at: Duration,
    durable: Lsn,
    progress_at: Duration,
}

/// What one look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// Since the look before.
    gap: Duration,
    /// For how long the front has had something to do and did not.
    without_progress: Duration,
}

impl Watch {
    fn new(now: Duration) -> Self {
        Self { looked_at: now, durable: Lsn(0), progress_at: now }
    }

    fn look(&mut self, now: Duration, usage: FrontUsage) -> Seen {
        let gap = now.saturating_sub(self.looked_at);
        self.looked_at = now;
        // Nobody makes progress while the process is suspended: that is not the device's fault.
        let slept = gap > STALL_MAX;
        if usage.durable > self.durable || usage.durable >= usage.end || slept {
            self.progress_at = now;
        }
        self.durable = usage.durable;
        Seen { gap, without_progress: now.saturating_sub(self.progress_at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(durable: u64, end: u64) -> FrontUsage {
        FrontUsage {
            capacity_bytes: 100,
            used_bytes: 0,
            pending_bytes: end - durable,
            trimmed: Lsn(0),
            durable: Lsn(durable),
            end: Lsn(end),
        }
    }

    fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn a_front_with_nothing_to_do_is_not_stalled() {
        let mut watch = Watch::new(second(0));
        for number in 1..10 {
            let seen = watch.look(second(number), usage(7, 7));
            assert_eq!(seen.without_progress, Duration::ZERO);
        }
    }

    #[test]
    fn a_front_that_holds_on_to_what_it_took_is_stalled_until_it_moves() {
        let mut watch = Watch::new(second(0));
        watch.look(second(1), usage(5, 5));
        for number in 2..6 {
            let seen = watch.look(second(number), usage(5, 9));
            assert_eq!(seen.without_progress, second(number - 1));
        }
        assert_eq!(watch.look(second(6), usage(6, 9)).without_progress, Duration::ZERO);
    }

    #[test]
    fn a_pause_of_the_process_is_a_gap_and_no_stall() {
        let mut watch = Watch::new(second(0));
        watch.look(second(1), usage(5, 9));
        let seen = watch.look(second(31), usage(5, 9));
        assert_eq!(seen, Seen { gap: second(30), without_progress: Duration::ZERO });
    }
}
