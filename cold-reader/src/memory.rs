//! All memory for blocks, in one account: being fetched, cached, and being answered.
//!
//! ```text
//! reserve ──► GET into the reservation ──► blocks are slices of it ──► cache, answers
//!                                                                        │
//! given back when the last slice is dropped ◄────────────────────────────┘
//! ```
//!
//! Bytes are reserved before they are asked for, and a reservation ends with the last reference to
//! them, wherever that is. So the sum is a bound and no estimate: a block that the cache dropped
//! while a slow gateway still takes it counts until it is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::Notify;

/// The account. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Memory {
    account: Arc<Account>,
}

struct Account {
    max: u64,
    used: AtomicU64,
    given_back: Notify,
}

/// Bytes that are taken from the account until it is dropped.
pub(crate) struct Reservation {
    account: Arc<Account>,
    bytes: u64,
}

/// Bytes and what they are counted by.
struct Held {
    bytes: Bytes,
    _reservation: Reservation,
}

impl Memory {
    pub(crate) fn new(max: u64) -> Self {
        let (used, given_back) = (AtomicU64::new(0), Notify::new());
        Self { account: Arc::new(Account { max, used, given_back }) }
    }

    /// `bytes`, if there are as many left. More than there are at all is granted when nothing else
    /// is: one batch may be larger than a small account, and has to be read all the same.
    pub(crate) fn try_reserve(&self, bytes: u64) -> Option<Reservation> {
        let fits =
            |used: u64| (used == 0 || used + bytes <= self.account.max).then(|| used + bytes);
        let (ordering, account) = (Ordering::Relaxed, &self.account);
        account.used.fetch_update(ordering, ordering, fits).ok()?;
        Some(Reservation { account: Arc::clone(account), bytes })
    }

    pub(crate) fn used(&self) -> u64 {
        self.account.used.load(Ordering::Relaxed)
    }

    pub(crate) fn max(&self) -> u64 {
        self.account.max
    }

    /// Resolves after bytes were given back, at once if that was since the last call.
    pub(crate) async fn given_back(&self) {
        self.account.given_back.notified().await;
    }
}

impl Reservation {
    /// The same bytes, counted until their last slice is dropped.
    pub(crate) fn around(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _reservation: self })
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.account.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.account.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn no_more_is_granted_than_there_is() {
        let memory = Memory::new(100);
        let first = memory.try_reserve(60).unwrap();
        assert!(memory.try_reserve(41).is_none());
        let second = memory.try_reserve(40).unwrap();
        assert_eq!(memory.used(), 100);
        assert!(memory.given_back().now_or_never().is_none());
        drop(first);
        assert!(memory.given_back().now_or_never().is_some());
        assert_eq!(memory.used(), 40);
        drop(second);
    }

    #[test]
    fn what_is_larger_than_all_of_it_is_granted_alone() {
        let memory = Memory::new(100);
        let small = memory.try_reserve(1).unwrap();
        assert!(memory.try_reserve(101).is_none());
        drop(small);
        let large = memory.try_reserve(101).unwrap();
        assert!(memory.try_reserve(1).is_none());
        drop(large);
    }

    #[test]
    fn bytes_count_until_their_last_slice_is_gone() {
        let memory = Memory::new(100);
        let bytes = memory.try_reserve(10).unwrap().around(Bytes::from_static(b"0123456789"));
        let slice = bytes.slice(3..5);
        drop(bytes);
        assert_eq!((slice.as_ref(), memory.used()), (&b"34"[..], 10));
        drop(slice);
        assert_eq!(memory.used(), 0);
    }
}
