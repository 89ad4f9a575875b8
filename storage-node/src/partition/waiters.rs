//! Long polls: fetches that sleep until enough was appended.
//!
//! A fetch registers one [`FetchWaiter`] with each of its partitions, then reads, then says how many
//! bytes it still lacks. Commits count towards that, so a fetch with a large `min_bytes` is not
//! woken by every small batch. Registering before reading is what closes the gap in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::Isolation;

/// One sleeping fetch, shared by its partitions.
#[derive(Debug)]
pub(crate) struct FetchWaiter {
    arrived_bytes: AtomicU64,
    missing_bytes: AtomicU64,
    notify: Notify,
}

impl Default for FetchWaiter {
    fn default() -> Self {
        Self {
            arrived_bytes: AtomicU64::new(0),
            missing_bytes: AtomicU64::new(u64::MAX),
            notify: Notify::new(),
        }
    }
}

impl FetchWaiter {
    /// Forgets what arrived: called before a read, which will see it.
    pub(crate) fn restart(&self) {
        self.missing_bytes.store(u64::MAX, Ordering::SeqCst);
        self.arrived_bytes.store(0, Ordering::SeqCst);
    }

    /// Sleeps until at least `bytes` arrived since [`FetchWaiter::restart`], or a partition changed
    /// in a way the fetch must answer. Safe to cancel.
    pub(crate) async fn missing(&self, bytes: u64) {
        self.missing_bytes.store(bytes, Ordering::SeqCst);
        if self.arrived_bytes.load(Ordering::SeqCst) >= bytes {
            return;
        }
        self.notify.notified().await;
    }

    /// A batch became visible.
    fn arrived(&self, bytes: u64) {
        let arrived = self.arrived_bytes.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes);
        if arrived >= self.missing_bytes.load(Ordering::SeqCst) {
            self.notify.notify_one();
        }
    }
}

/// The fetches that sleep on one partition.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: Vec<(Arc<FetchWaiter>, Isolation)>,
}

impl Waiters {
    pub(super) fn add(&mut self, waiter: &Arc<FetchWaiter>, isolation: Isolation) {
        self.waiting.push((Arc::clone(waiter), isolation));
    }

    pub(super) fn remove(&mut self, waiter: &Arc<FetchWaiter>) {
        self.waiting.retain(|(other, _)| !Arc::ptr_eq(other, waiter));
    }

    /// So many bytes became durable, and so many decided.
    pub(super) fn arrived(&self, bytes: u64, stable_bytes: u64) {
        for (waiter, isolation) in &self.waiting {
            match isolation {
                Isolation::ReadUncommitted => waiter.arrived(bytes),
                Isolation::ReadCommitted if stable_bytes > 0 => waiter.arrived(stable_bytes),
                Isolation::ReadCommitted => {}
            }
        }
    }

    /// Wakes everybody, however little arrived.
    pub(super) fn changed(&self) {
        self.arrived(u64::MAX / 2, u64::MAX / 2);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn waiter() -> (Waiters, Arc<FetchWaiter>) {
        let (mut waiters, waiter) = (Waiters::default(), Arc::new(FetchWaiter::default()));
        waiters.add(&waiter, Isolation::ReadUncommitted);
        (waiters, waiter)
    }

    #[test]
    fn who_wants_committed_records_is_woken_by_nothing_else() {
        let (mut waiters, waiter) = (Waiters::default(), Arc::new(FetchWaiter::default()));
        waiters.add(&waiter, Isolation::ReadCommitted);
        waiters.arrived(100, 0);
        assert!(waiter.missing(1).now_or_never().is_none());
        waiters.arrived(10, 110);
        assert!(waiter.missing(110).now_or_never().is_some());
    }

    #[test]
    fn a_fetch_sleeps_until_its_bytes_are_there() {
        let (waiters, waiter) = waiter();
        waiters.arrived(10, 0);
        assert!(waiter.missing(30).now_or_never().is_none());
        waiters.arrived(20, 0);
        assert!(waiter.missing(30).now_or_never().is_some());
    }

    #[test]
    fn bytes_that_arrive_between_registering_and_sleeping_count() {
        let (waiters, waiter) = waiter();
        waiters.arrived(30, 0);
        assert!(waiter.missing(30).now_or_never().is_some());
    }

    #[test]
    fn a_restart_forgets_what_the_next_read_sees() {
        let (waiters, waiter) = waiter();
        waiters.arrived(30, 0);
        waiter.restart();
        assert!(waiter.missing(1).now_or_never().is_none());
    }

    #[test]
    fn a_change_wakes_everybody() {
        let (waiters, waiter) = waiter();
        waiters.changed();
        assert!(waiter.missing(u64::MAX / 4).now_or_never().is_some());
    }

    #[test]
    fn a_removed_fetch_hears_nothing() {
        let (mut waiters, waiter) = waiter();
        waiters.remove(&waiter);
        waiters.arrived(100, 0);
        assert!(waiter.missing(1).now_or_never().is_none());
    }
}
