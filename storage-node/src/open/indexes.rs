//! Indexes of ended logs, each read once for all the partitions that need it.
//!
//! A node that starts claims its partitions from the same few logs. Their indexes are kept while
//! claims go on and forgotten after.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use segment::index::{self, IndexError, IndexSnapshot};
use segment::{LogId, Store};
use tokio::sync::OnceCell;

#[derive(Default)]
pub(super) struct Indexes {
    loaded: Mutex<HashMap<LogId, Arc<OnceCell<Arc<IndexSnapshot>>>>>,
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

    pub(super) fn clear(&self) {
        self.loaded.lock().clear();
    }
}
