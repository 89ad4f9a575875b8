//! The seam between the roles and whatever holds the cluster's metadata.
//!
//! A [`MetadataStore`] is a small ordered map with one revision counter, as
//! etcd has it. It is a *locator*: nothing acknowledged to a client depends on
//! it (R1), and every decision is taken inside a [`Txn`] whose compares name
//! what the decision was based on (R10).
//!
//! ```text
//! revision   1        2            3         4
//!            put a    put a, b     del a     put a      one txn = one revision
//!            a: create 1, mod 1
//!                     a: create 1, mod 2
//!                                            a: create 4, mod 4   a new life
//! ```
//!
//! Guarantees, the same for every implementation (the conformance suite checks each):
//! * `get` and `list` are linearizable; `list` shows one revision, however
//!   many pages it took.
//! * a txn applies wholly or not at all, at one revision.
//! * a watch delivers every revision once, in order, whole, until it says
//!   [`Watched::Compacted`]; it survives reconnects.
//! * leases are hints: a lease may end early, never silently late (R5).

use std::{fmt, pin::Pin, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt};

use crate::txn::{Txn, TxnOutcome};

/// A linearizable map with transactions, watches and leases.
#[async_trait]
pub trait MetadataStore: Send + Sync + 'static {
    /// Reads one key.
    async fn get(&self, key: &str) -> Result<Option<Entry>, MetadataError>;

    /// Reads every key that starts with `prefix`, all at one revision, in key order.
    async fn list(&self, prefix: &str) -> Result<Listing, MetadataError>;

    /// Applies all operations if every compare holds, else none.
    ///
    /// [`MetadataError::Unavailable`] means surely not applied,
    /// [`MetadataError::Unknown`] means maybe: re-read before deciding.
    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, MetadataError>;

    /// Follows every change under `prefix` from `from_revision` (inclusive) on.
    async fn watch(&self, prefix: &str, from_revision: i64) -> Result<WatchStream, MetadataError>;

    /// Creates a lease. Stores round the time up to what they can keep.
    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, MetadataError>;

    /// Restarts a lease's full time, or says [`MetadataError::LeaseGone`].
    async fn keep_alive(&self, lease: LeaseId) -> Result<(), MetadataError>;

    /// Ends a lease now and deletes its keys. Ending an ended lease succeeds.
    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), MetadataError>;
}

/// One key with its value and history marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, without the store's own prefix.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// Revision of the last change.
    pub mod_revision: i64,
    /// Revision at which the key came into its present life.
    pub create_revision: i64,
}

/// All entries under a prefix at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The revision every entry is read at. Watch from the next one.
    pub revision: i64,
    /// The entries in key order.
    pub entries: Vec<Entry>,
}

/// Names a lease. Unique within one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId(pub i64);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// One change seen by a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The key has this value now.
    Put(Entry),
    /// The key is gone.
    Delete {
        /// The key.
        key: String,
        /// The revision that removed it.
        mod_revision: i64,
    },
}

impl Event {
    /// The key that changed.
    pub fn key(&self) -> &str {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Delete { key, .. } => key,
        }
    }
}

/// All changes of one revision under the watched prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchBatch {
    /// The revision.
    pub revision: i64,
    /// The changes, in the order of the transaction's operations.
    pub events: Vec<Event>,
}

/// What a watch delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// The next revision's changes.
    Batch(WatchBatch),
    /// History was dropped before it could be delivered: list again, then
    /// watch from there. Nothing follows.
    Compacted,
}

/// An endless sequence of changes. Reconnects by itself; dropping it ends the watch.
pub struct WatchStream {
    inner: Pin<Box<dyn Stream<Item = Watched> + Send>>,
}

impl WatchStream {
    /// Wraps an implementation's stream.
    pub fn new(inner: impl Stream<Item = Watched> + Send + 'static) -> Self {
        Self { inner: Box::pin(inner) }
    }

    /// Waits for the next change. Safe to cancel: nothing is lost.
    pub async fn next(&mut self) -> Watched {
        self.inner.next().await.unwrap_or(Watched::Compacted)
    }
}

impl fmt::Debug for WatchStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchStream").finish_non_exhaustive()
    }
}

/// Why a metadata operation did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Nothing was changed. May be tried again.
    #[error("metadata store unavailable: {0}")]
    Unavailable(String),
    /// The transaction may or may not have been applied, now or later.
    #[error("metadata transaction has an unknown outcome: {0}")]
    Unknown(String),
    /// The lease has ended; its keys are gone.
    #[error("metadata lease {0} has ended")]
    LeaseGone(LeaseId),
    /// The request breaks a rule of the store: our own bug.
    #[error("invalid metadata request: {0}")]
    Invalid(&'static str),
    /// The store refuses us or holds what we cannot read. Trying again will not help.
    #[error("metadata store refuses: {0}")]
    Refused(String),
}

impl MetadataError {
    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Unknown(_))
    }
}
