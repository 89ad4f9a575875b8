//! A metadata store that can be out of reach for questions, while its changes go on being told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use metadata::{
    Entry, LeaseId, Listing, MetadataError, MetadataStore, Txn, TxnOutcome, WatchStream,
};

/// Stands before another one.
pub(crate) struct Reach {
    inner: Arc<dyn MetadataStore>,
    is_away: AtomicBool,
}

impl Reach {
    pub(crate) fn of(inner: &Arc<dyn MetadataStore>) -> Arc<Self> {
        Arc::new(Self { inner: Arc::clone(inner), is_away: AtomicBool::new(false) })
    }

    /// From now on it does not answer, or does again.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }
}

#[async_trait]
impl MetadataStore for Reach {
    async fn get(&self, key: &str) -> Result<Option<Entry>, MetadataError> {
        self.inner.get(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, MetadataError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(MetadataError::Unavailable("away".to_owned()));
        }
        self.inner.list(prefix).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, MetadataError> {
        self.inner.txn(txn).await
    }

    async fn watch(&self, prefix: &str, from_revision: i64) -> Result<WatchStream, MetadataError> {
        self.inner.watch(prefix, from_revision).await
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, MetadataError> {
        self.inner.grant_lease(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), MetadataError> {
        self.inner.keep_alive(lease).await
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), MetadataError> {
        self.inner.revoke_lease(lease).await
    }
}
