//! A metadata store that somebody else writes to at the worst moment, or that is away.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use metadata::{
    Entry, LeaseId, Listing, MemoryStore, MetadataError, MetadataStore, Txn, TxnOutcome,
    WatchStream,
};
use parking_lot::Mutex;

/// What happens to a transaction.
pub(super) enum Verdict {
    /// Nothing.
    Pass,
    /// The store is away.
    Refuse,
    /// These come first.
    After(Vec<Txn>),
}

type Meddler = Box<dyn FnMut(&Txn) -> Verdict + Send>;

/// A store in memory whose transactions pass a test's own function.
pub(super) struct Meddled {
    store: MemoryStore,
    meddler: Mutex<Meddler>,
    meddled: AtomicUsize,
}

impl Meddled {
    pub(super) fn new() -> Self {
        let meddler: Mutex<Meddler> = Mutex::new(Box::new(|_| Verdict::Pass));
        Self { store: MemoryStore::new(), meddler, meddled: AtomicUsize::new(0) }
    }

    pub(super) fn meddle(&self, meddler: impl FnMut(&Txn) -> Verdict + Send + 'static) {
        *self.meddler.lock() = Box::new(meddler);
    }

    /// How many transactions did not just pass.
    pub(super) fn meddled(&self) -> usize {
        self.meddled.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl MetadataStore for Meddled {
    async fn get(&self, key: &str) -> Result<Option<Entry>, MetadataError> {
        self.store.get(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, MetadataError> {
        self.store.list(prefix).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, MetadataError> {
        let verdict = (self.meddler.lock())(&txn);
        if !matches!(verdict, Verdict::Pass) {
            self.meddled.fetch_add(1, Ordering::SeqCst);
        }
        match verdict {
            Verdict::Pass => {}
            Verdict::Refuse => return Err(MetadataError::Unavailable("as told".to_owned())),
            Verdict::After(first) => {
                for txn in first {
                    assert!(self.store.txn(txn).await?.is_committed());
                }
            }
        }
        self.store.txn(txn).await
    }

    async fn watch(&self, prefix: &str, from: i64) -> Result<WatchStream, MetadataError> {
        self.store.watch(prefix, from).await
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, MetadataError> {
        self.store.grant_lease(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), MetadataError> {
        self.store.keep_alive(lease).await
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), MetadataError> {
        self.store.revoke_lease(lease).await
    }
}
