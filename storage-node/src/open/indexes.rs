//! Indexes of ended logs, each read once for all the partitions that need it.
//!
//! A node that starts claims its partitions from the same few logs. Their indexes are kept while
//! claims go on and forgotten after.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use segment::index::{self, IndexError, IndexSnapshot};
use segment::producers::{self, ProducerSnapshot};
use segment::{Key, LogId, Store, StoreError};
use tokio::sync::OnceCell;

#[derive(Default)]
pub(super) struct Indexes {
    loaded: Mutex<HashMap<LogId, Arc<OnceCell<Arc<IndexSnapshot>>>>>,
    producers: Mutex<HashMap<Key, Arc<OnceCell<Arc<ProducerSnapshot>>>>>,
}

impl Indexes {
    /// The index of an ended log. Concurrent callers share one read; a failed one is not kept.
    pub(super) async fn load(
        &self,
        store: &Store,
        log: LogId,
    ) -> Result<Arc<IndexSnapshot>, IndexError> {
        let cell = Arc::clone(self.loaded.lock().entry(log).or_default());
        let index = cell.get_or_try_init(|| async { index::load(store, log).await.map(Arc::new) });
        index.await.cloned()
    }

    /// A producer snapshot, likewise.
    pub(super) async fn producers(
        &self,
        store: &Store,
        key: &Key,
    ) -> Result<Arc<ProducerSnapshot>, StoreError> {
        let cell = Arc::clone(self.producers.lock().entry(key.clone()).or_default());
        let snapshot =
            cell.get_or_try_init(|| async { producers::load(store, key).await.map(Arc::new) });
        snapshot.await.cloned()
    }

    pub(super) fn clear(&self) {
        self.producers.lock().clear();
        self.loaded.lock().clear();
    }
}
