//! Garbage collection: what no manifest needs, after a time of grace, is deleted. Nothing else is.
//!
//! ```text
//! 1  list packs and producer snapshots          before any manifest: what a manifest read later
//! 2  per prefix: list objects, read manifests   does not name, nobody names (R30)
//! 3  per prefix: logs that ended, slot by slot  R32
//! 4  deleted topics: their manifests, last
//!        │
//!        ▼ first seen unneeded ── grace ──► seen again, from manifests read anew ──► deleted (R31)
//! ```
//!
//! The grace time starts anew with each collector, so that a crash only makes garbage live longer;
//! and it is measured by this process's own steady clock. Ages of objects are by the store's (R71).
//! What is never deleted: END and OPEN, anything of a log that has no END (R8), a manifest of a
//! topic that the metadata log does not call deleted (R9), and what is not below `d/ l/ w/ x/ m/`.

mod doomed;
mod listings;
mod logs;
mod manifests;
mod topics;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use process::Drain;
use protocol::ids::{PartitionId, TopicId};
use segment::manifest::{CommitError, LoadError};
use segment::seqlog::ReadError;
use segment::{Key, LogId, ManifestStore, Store, StoreError};

use crate::config::GcConfig;
use crate::limits::GC_IN_FLIGHT;
use crate::metrics;
use crate::role::{DeletedTopics, Deps};
use doomed::Doomed;
use listings::Listings;
use logs::Witness;

/// Keys are spread over this many prefixes (R29).
const PREFIXES: u16 = 256;

/// Looks at the bucket again and again, and deletes.
pub struct Collector {
    store: Store,
    manifests: ManifestStore,
    config: GcConfig,
    view: metadata::ClusterView,
    deleted_topics: DeletedTopics,
    listings: Listings,
    doomed: Doomed,
    /// By slot, an entry that was still needed: looked at first the next time.
    witnesses: HashMap<(LogId, u64), Witness>,
}

/// What one look at the bucket came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cycle {
    /// Objects deleted.
    pub deleted: usize,
    /// Objects that are not needed and whose grace time has not ended.
    pub waiting: usize,
}

/// A look at the bucket broke off. What was not deleted stays for the next one.
#[derive(Debug, thiserror::Error)]
pub enum GcError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A manifest could not be changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The metadata log cannot be read.
    #[error("deleted topics are not known: {0}")]
    Topics(String),
}

impl From<LoadError> for GcError {
    fn from(LoadError::Store(error): LoadError) -> Self {
        Self::Store(error)
    }
}

impl From<ReadError> for GcError {
    fn from(ReadError::Store(error): ReadError) -> Self {
        Self::Store(error)
    }
}

/// What the manifests of one cycle say.
#[derive(Debug, Default)]
struct Known {
    /// Below these offsets no log is needed (R32).
    floors: HashMap<PartitionId, i64>,
    /// Partitions that are deleted: nothing of them is needed.
    dead: HashSet<PartitionId>,
    /// Packs and producer snapshots that somebody names.
    shared: HashSet<Key>,
    /// Logs that some chain names: their indexes are of use.
    chained: HashSet<LogId>,
    /// Deleted partitions of which no object of their own is left.
    bare: HashSet<PartitionId>,
    /// Topics that the metadata log calls deleted; read when it matters.
    deleted_topics: Option<HashSet<TopicId>>,
}

/// Collects garbage once per `interval` until the drain.
pub(crate) async fn run(mut collector: Collector, interval: Duration, drain: Drain) {
    loop {
        tokio::select! {
            () = drain.draining() => return,
            () = tokio::time::sleep(interval) => {}
        }
        let cycle = tokio::select! {
            () = drain.draining() => return,
            cycle = collector.cycle() => cycle,
        };
        match cycle {
            Ok(cycle) => {
                metrics::cycle(cycle.waiting);
                tracing::info!(?cycle, "garbage collection looked at the bucket");
            }
            Err(error) => {
                metrics::cycle_failed();
                tracing::warn!(%error, "garbage collection broke off");
            }
        }
    }
}

impl Collector {
    /// A collector that knows of no garbage yet.
    pub fn new(config: GcConfig, deps: &Deps) -> Self {
        // A role of its own in the counters: what it costs depends on time, not on bytes.
        let store = deps.store.for_role("gc");
        Self {
            manifests: ManifestStore::new(store.clone()),
            listings: Listings::new(store.clone()),
            store,
            doomed: Doomed::new(config.grace),
            config,
            view: deps.view.clone(),
            deleted_topics: Arc::clone(&deps.deleted_topics),
            witnesses: HashMap::new(),
        }
    }

    /// One look at the whole bucket.
    pub async fn cycle(&mut self) -> Result<Cycle, GcError> {
        let now_ms = self.store.now_ms().await?;
        let orphan_age = i64::try_from(self.config.orphan_age.as_millis()).unwrap_or(i64::MAX);
        let old_before_ms = now_ms.saturating_sub(orphan_age);
        self.doomed.begin();
        // Of a look that broke off, too.
        self.listings.forget();
        let shared = self.list_shared(old_before_ms).await?;
        let mut known = Known::default();
        for prefix in 0..PREFIXES {
            self.read_prefix(prefix, old_before_ms, &mut known).await?;
        }
        shared.into_iter().filter(|key| !known.shared.contains(key)).for_each(|key| {
            self.doomed.add(key);
        });
        let in_logs = self.read_logs(old_before_ms, &known).await?;
        self.listings.forget();
        for partition in known.bare.difference(&in_logs) {
            self.doomed.add(segment::keys::manifest(partition));
        }
        let due = self.doomed.due();
        let deleted = self.delete(due).await?;
        Ok(Cycle { deleted, waiting: self.doomed.waiting() })
    }

    async fn delete(&mut self, keys: Vec<Key>) -> Result<usize, StoreError> {
        let store = &self.store;
        let mut deletions = futures::stream::iter(keys)
            .map(|key| async move { store.delete(&key).await.map(|()| key) })
            .buffer_unordered(GC_IN_FLIGHT);
        let mut deleted = 0;
        while let Some(key) = deletions.next().await {
            let key = key?;
            tracing::debug!(%key, "deleted");
            metrics::deleted(family(&key));
            self.doomed.forget(&key);
            deleted += 1;
        }
        Ok(deleted)
    }
}

/// The metric's label.
fn family(key: &Key) -> &'static str {
    match key.as_str().split('/').next() {
        Some("d") => "d",
        Some("l") => "l",
        Some("m") => "m",
        Some("w") => "w",
        Some("x") => "x",
        _ => "other",
    }
}
