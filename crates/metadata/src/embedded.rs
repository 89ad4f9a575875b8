//! What the in-process stores share: the map, its history for watchers, leases.
//!
//! [`engine`] is the pure part. Here are the two things around it: waking watchers, and ending
//! leases. No task runs for that. Whoever looks at the store first ends the leases that are
//! due, and a watcher that waits wakes up for the next one; so a lease never outlives its time
//! in anybody's sight, and a store that nobody looks at costs nothing.

pub(crate) mod engine;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{sync::watch, time::Instant};

use self::engine::{Change, Engine, History};
use crate::store::{Entry, LeaseId, Listing, MetadataError, WatchStream, Watched};

/// An engine that many tasks share.
pub(crate) struct Shared {
    engine: parking_lot::Mutex<Engine>,
    revision: watch::Sender<i64>,
}

/// Makes changes happen: directly, or through a durable file first.
#[async_trait]
pub(crate) trait Committer: Send + Sync + 'static {
    /// The engine behind this store.
    fn shared(&self) -> &Shared;

    /// Deletes the keys of every lease that is due.
    async fn expire(&self) -> Result<(), MetadataError>;
}

// === impl Shared ===

impl Shared {
    pub(crate) fn new(engine: Engine) -> Self {
        let revision = watch::Sender::new(engine.revision());
        Self { engine: parking_lot::Mutex::new(engine), revision }
    }

    /// Runs a short computation on the engine.
    pub(crate) fn with<T>(&self, run: impl FnOnce(&mut Engine) -> T) -> T {
        run(&mut self.engine.lock())
    }

    /// Makes a change visible and wakes the watchers. Returns its revision.
    pub(crate) fn apply(&self, change: Change) -> i64 {
        let visible = !change.is_empty();
        let revision = self.with(|engine| engine.apply(change));
        if visible {
            self.revision.send_replace(revision);
        }
        revision
    }

    pub(crate) fn get(&self, key: &str) -> Option<Entry> {
        self.with(|engine| engine.get(key))
    }

    pub(crate) fn list(&self, prefix: &str) -> Listing {
        self.with(|engine| engine.list(prefix))
    }

    pub(crate) fn grant_lease(&self, ttl: Duration) -> LeaseId {
        let lease = self.with(|engine| engine.grant(ttl, Instant::now()));
        // A sleeping watcher learns that there is an earlier deadline.
        self.revision.send_modify(|_| {});
        lease
    }

    pub(crate) fn keep_alive(&self, lease: LeaseId) -> Result<(), MetadataError> {
        let kept = self.with(|engine| engine.keep_alive(lease, Instant::now()));
        if kept { Ok(()) } else { Err(MetadataError::LeaseGone(lease)) }
    }
}

/// Follows an embedded store.
pub(crate) fn watch<C: Committer>(store: Arc<C>, prefix: &str, from_revision: i64) -> WatchStream {
    let wake = store.shared().revision.subscribe();
    let cursor = Cursor { store, wake, prefix: prefix.to_owned(), next: from_revision };
    WatchStream::new(futures::stream::unfold(cursor, |mut cursor| async {
        let watched = cursor.advance().await;
        Some((watched, cursor))
    }))
}

struct Cursor<C> {
    store: Arc<C>,
    wake: watch::Receiver<i64>,
    prefix: String,
    next: i64,
}

impl<C: Committer> Cursor<C> {
    async fn advance(&mut self) -> Watched {
        loop {
            self.wake.mark_unchanged();
            if let Err(error) = self.store.expire().await {
                // What is not durable is not shown; the next look tries again.
                tracing::warn!(%error, "leases cannot be ended");
            }
            let shared = self.store.shared();
            let (found, deadline) = shared
                .with(|engine| (engine.since(self.next, &self.prefix), engine.next_deadline()));
            match found {
                History::Batch(batch) => {
                    self.next = batch.revision + 1;
                    return Watched::Batch(batch);
                }
                History::Compacted => return Watched::Compacted,
                History::UpToDate { next } => self.next = next,
            }
            self.wait(deadline).await;
        }
    }

    async fn wait(&mut self, deadline: Option<Instant>) {
        let due = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The sender lives in the store that this cursor keeps.
            _ = self.wake.changed() => {}
            () = due => {}
        }
    }
}
