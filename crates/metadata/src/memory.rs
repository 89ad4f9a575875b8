//! The metadata store of tests and simulations: nothing survives the process.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    embedded::{self, Committer, Shared, engine::Engine},
    store::{Entry, LeaseId, Listing, MetadataError, MetadataStore, WatchStream},
    txn::{Txn, TxnOutcome},
};

/// A store in memory. Clones share it.
#[derive(Clone)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Shared,
    /// Held from planning a change to applying it.
    writer: Mutex<()>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        let shared = Shared::new(Engine::new(0, std::collections::BTreeMap::new()));
        Self { inner: Arc::new(Inner { shared, writer: Mutex::new(()) }) }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    fn end_due_leases(&self) {
        let _writer = self.writer.lock();
        let change = self.shared.with(|engine| engine.plan_expiry(Instant::now()));
        self.shared.apply(change);
    }
}

#[async_trait]
impl Committer for Inner {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    async fn expire(&self) -> Result<(), MetadataError> {
        self.end_due_leases();
        Ok(())
    }
}

#[async_trait]
impl MetadataStore for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, MetadataError> {
        self.inner.end_due_leases();
        Ok(self.inner.shared.get(key))
    }

    async fn list(&self, prefix: &str) -> Result<Listing, MetadataError> {
        self.inner.end_due_leases();
        Ok(self.inner.shared.list(prefix))
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, MetadataError> {
        self.inner.end_due_leases();
        let _writer = self.inner.writer.lock();
        match self.inner.shared.with(|engine| engine.plan(txn))? {
            Some(change) => Ok(TxnOutcome::Committed { revision: self.inner.shared.apply(change) }),
            None => Ok(TxnOutcome::Conflict),
        }
    }

    async fn watch(&self, prefix: &str, from_revision: i64) -> Result<WatchStream, MetadataError> {
        Ok(embedded::watch(Arc::clone(&self.inner), prefix, from_revision))
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, MetadataError> {
        Ok(self.inner.shared.grant_lease(ttl))
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), MetadataError> {
        self.inner.shared.keep_alive(lease)
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), MetadataError> {
        let _writer = self.inner.writer.lock();
        let change = self.inner.shared.with(|engine| engine.plan_revoke(lease));
        self.inner.shared.apply(change);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conformance, limits::HISTORY_REVISIONS_MAX, store::Watched};

    #[tokio::test(start_paused = true)]
    async fn the_memory_store_conforms() {
        conformance::run(Arc::new(MemoryStore::new())).await;
    }

    #[tokio::test]
    async fn a_watcher_far_behind_lists_again() {
        let store: Arc<dyn MetadataStore> = Arc::new(MemoryStore::new());
        let mut watch = store.watch("", 1).await.unwrap();
        let first = conformance::commit(&store, Txn::new().put("a", "0")).await;
        for _ in 0..HISTORY_REVISIONS_MAX {
            conformance::commit(&store, Txn::new().put("a", "1")).await;
        }
        assert_eq!(watch.next().await, Watched::Compacted);
        let mut watch = store.watch("", first + 1).await.unwrap();
        assert!(matches!(watch.next().await, Watched::Batch(batch) if batch.revision == first + 1));
    }

    #[tokio::test(start_paused = true)]
    async fn keep_alive_restarts_the_full_time() {
        let store = MemoryStore::new();
        let lease = store.grant_lease(Duration::from_secs(10)).await.unwrap();
        assert!(store.txn(Txn::new().put_leased("a", "1", lease)).await.unwrap().is_committed());
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(9)).await;
            assert!(store.get("a").await.unwrap().is_some());
            store.keep_alive(lease).await.unwrap();
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(store.keep_alive(lease).await, Err(MetadataError::LeaseGone(lease)));
        assert_eq!(store.get("a").await.unwrap(), None);
    }
}
