//! What a produce request waits for: one slot per appended batch, each told once.
//!
//! Slots are filled from the front's thread, in the order of the log; the request's future sleeps
//! until none is open. It may also stop waiting at its deadline and answer from what it sees: an
//! open slot is then an unknown outcome (R44).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use futures::task::AtomicWaker;

/// What became of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Outcome {
    /// Handed to the front, nothing heard since.
    Open = 0,
    /// Durable: it may be acknowledged.
    Durable = 1,
    /// The front ended before it was durable; recovery may still find it.
    Unknown = 2,
}

/// All batches of one request.
#[derive(Debug)]
pub(crate) struct Acks {
    slots: Box<[AtomicU8]>,
    open: AtomicUsize,
    waker: AtomicWaker,
}

/// The right to tell what became of one batch. Dropped without a word it says "unknown".
#[derive(Debug)]
pub(crate) struct Ack {
    acks: Arc<Acks>,
    slot: usize,
}

// === impl Acks ===

impl Acks {
    /// Slots for `count` batches, all of them open.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            slots: (0..count).map(|_| AtomicU8::new(Outcome::Open as u8)).collect(),
            open: AtomicUsize::new(count),
            waker: AtomicWaker::new(),
        })
    }

    /// The right to fill one slot. Each slot is handed out once.
    pub(crate) fn ack(self: &Arc<Self>, slot: usize) -> Ack {
        assert!(slot < self.slots.len(), "a request has as many slots as batches");
        Ack { acks: Arc::clone(self), slot }
    }

    /// What became of a batch so far.
    pub(crate) fn outcome(&self, slot: usize) -> Outcome {
        match self.slots[slot].load(Ordering::Acquire) {
            1 => Outcome::Durable,
            2 => Outcome::Unknown,
            _ => Outcome::Open,
        }
    }

    /// Sleeps until no slot is open. Safe to cancel. One waiter.
    pub(crate) async fn all_told(&self) {
        std::future::poll_fn(|context| {
            self.waker.register(context.waker());
            match self.open.load(Ordering::Acquire) {
                0 => std::task::Poll::Ready(()),
                _ => std::task::Poll::Pending,
            }
        })
        .await;
    }

    fn tell(&self, slot: usize, outcome: Outcome) {
        self.slots[slot].store(outcome as u8, Ordering::Release);
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waker.wake();
        }
    }
}

// === impl Ack ===

impl Ack {
    /// The batch is durable.
    pub(crate) fn durable(self) {
        self.tell(Outcome::Durable);
    }

    /// Nobody knows whether the batch will be found again.
    pub(crate) fn unknown(self) {
        self.tell(Outcome::Unknown);
    }

    fn tell(mut self, outcome: Outcome) {
        self.acks.tell(self.slot, outcome);
        self.slot = usize::MAX;
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if self.slot != usize::MAX {
            self.acks.tell(self.slot, Outcome::Unknown);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_request_waits_for_its_last_batch() {
        let acks = Acks::new(2);
        let (first, second) = (acks.ack(0), acks.ack(1));
        second.durable();
        assert!(acks.all_told().now_or_never().is_none());
        assert_eq!(acks.outcome(0), Outcome::Open);
        first.durable();
        assert!(acks.all_told().now_or_never().is_some());
        assert_eq!(acks.outcome(0), Outcome::Durable);
    }

    #[test]
    fn a_forgotten_batch_has_an_unknown_outcome() {
        let acks = Acks::new(1);
        drop(acks.ack(0));
        assert!(acks.all_told().now_or_never().is_some());
        assert_eq!(acks.outcome(0), Outcome::Unknown);
    }

    #[tokio::test]
    async fn the_waiter_is_woken_from_another_thread() {
        let acks = Acks::new(1);
        let ack = acks.ack(0);
        let teller = std::thread::spawn(move || ack.durable());
        acks.all_told().await;
        teller.join().unwrap();
        assert_eq!(acks.outcome(0), Outcome::Durable);
    }
}
