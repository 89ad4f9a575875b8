//! The metadata store of a single node: one file, no etcd.
//!
//! All entries live in memory, where they are read; the file holds the same entries and is
//! written first. A transaction is answered after its fsync. Leases live in memory only: their
//! holders are tasks of this process, so a restart finds the leased keys of a dead process and
//! removes them.
//!
//! ```text
//! txn ──► writer lock ─► plan ─► file: commit + fsync ─► apply ─► watchers, answer
//!                        reads do not wait for any of this
//! ```

mod file;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{task::spawn_blocking, time::Instant};

use self::file::File;
pub use self::file::RedbError;
use crate::{
    embedded::{
        self, Committer, Shared,
        engine::{Change, Engine},
    },
    store::{Entry, LeaseId, Listing, MetadataError, MetadataStore, WatchStream},
    txn::{Txn, TxnOutcome},
};

/// A store in a file. Clones share it; another process cannot open the file meanwhile.
#[derive(Clone)]
pub struct RedbStore {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Shared,
    /// Held from planning a change to applying it, and so over the fsync.
    file: Mutex<File>,
}

/// A way to compute a change under the writer lock; `None` is a conflict.
type Plan = Box<dyn FnOnce(&mut Engine) -> Result<Option<Change>, MetadataError> + Send>;

// === impl RedbStore ===

impl RedbStore {
    /// Opens the file, or creates it with its directory. Blocks on the disk.
    pub fn open(path: &Path) -> Result<Self, RedbError> {
        let (file, loaded) = File::open(path)?;
        let shared = Shared::new(Engine::new(loaded.revision, loaded.entries));
        Ok(Self { inner: Arc::new(Inner { shared, file: Mutex::new(file) }) })
    }

    /// Runs one change on a blocking thread. It goes on even if the caller stops waiting: the
    /// file and the memory never part.
    async fn commit(&self, plan: Plan) -> Result<TxnOutcome, MetadataError> {
        let inner = Arc::clone(&self.inner);
        let outcome = spawn_blocking(move || inner.commit(plan)).await;
        outcome.unwrap_or_else(|error| Err(MetadataError::Unknown(error.to_string())))
    }

    async fn expire(&self) -> Result<(), MetadataError> {
        Arc::clone(&self.inner).end_due_leases().await
    }
}

#[async_trait]
impl MetadataStore for RedbStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, MetadataError> {
        self.expire().await?;
        Ok(self.inner.shared.get(key))
    }

    async fn list(&self, prefix: &str) -> Result<Listing, MetadataError> {
        self.expire().await?;
        Ok(self.inner.shared.list(prefix))
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, MetadataError> {
        self.expire().await?;
        self.commit(Box::new(|engine| engine.plan(txn))).await
    }

    async fn watch(&self, prefix: &str, from_revision: i64) -> Result<WatchStream, MetadataError> {
        Ok(embedded::watch(Arc::new(self.clone()), prefix, from_revision))
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, MetadataError> {
        Ok(self.inner.shared.grant_lease(ttl))
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), MetadataError> {
        self.inner.shared.keep_alive(lease)
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), MetadataError> {
        let plan: Plan = Box::new(move |engine| Ok(Some(engine.plan_revoke(lease))));
        self.commit(plan).await.map(drop)
    }
}

#[async_trait]
impl Committer for RedbStore {
    fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    async fn expire(&self) -> Result<(), MetadataError> {
        Self::expire(self).await
    }
}

// === impl Inner ===

impl Inner {
    fn commit(&self, plan: Plan) -> Result<TxnOutcome, MetadataError> {
        let mut file = self.file.lock();
        let Some(change) = self.shared.with(plan)? else {
            return Ok(TxnOutcome::Conflict);
        };
        if !change.is_empty() {
            let revision = self.shared.with(|engine| engine.revision()) + 1;
            // A failed commit may be on disk all the same. The file refuses everything from
            // then on, so memory and disk do not part further; a restart tells.
            file.write(revision, &change.writes)
                .map_err(|error| MetadataError::Unknown(error.to_string()))?;
        }
        Ok(TxnOutcome::Committed { revision: self.shared.apply(change) })
    }

    async fn end_due_leases(self: Arc<Self>) -> Result<(), MetadataError> {
        let due = self.shared.with(|engine| engine.next_deadline());
        if due.is_none_or(|due| due > Instant::now()) {
            return Ok(());
        }
        let plan: Plan = Box::new(|engine| Ok(Some(engine.plan_expiry(Instant::now()))));
        let ended = spawn_blocking(move || self.commit(plan)).await;
        ended.unwrap_or_else(|error| Err(MetadataError::Unknown(error.to_string()))).map(drop)
    }
}

#[cfg(test)]
mod tests;
