//! Opening a partition: proof that the previous owner ended, then the claim, then service.
//!
//! ```text
//! manifest ──► previous owner's log carries END? ──no──► ask the owner for a CLOSE ──no──► not now
//!                  │ yes                                     │ yes, and it is there    (R2, R3)
//!                  ├◄────────────────────────────────────────┘
//!                  ▼
//!            indexes of the chain: log end, extents, producers (R26, T1)
//!                  ▼
//!            manifest CAS: epoch + 1, this log (R22) ──lost──► someone else has it
//!                  ▼
//!            serve
//! ```
//!
//! Ended logs never change, so everything is read before the swap, and a swap that succeeds means
//! that the state is complete. The assignment in the metadata store only says whom to ask.

mod forgotten;
mod indexes;
mod restore;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use process::Clock;
use protocol::ErrorCode;
use protocol::ids::PartitionId;
use segment::index::IndexError;
use segment::manifest::{ClaimError, CommitError, LoadError};
use segment::{LogId, Manifest, ManifestStore, ManifestVersion, Store, StoreError};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::cache::HotCache;
use crate::group_host::GroupHost;
use crate::metrics;
use crate::partition::{EpochHistory, OpenedLog, Partition};
use crate::partitions::{Partitions, Released};
use crate::release::Releases;
use crate::settings::TopicSettings;
use crate::wal::Front;

pub(crate) use self::forgotten::Forgotten;
use self::indexes::Indexes;

/// Why a partition could not be opened.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    /// It is another node's, or nobody's, as far as the view shows.
    #[error("the partition is not assigned to this node")]
    NotAssigned,
    /// Its last owner has not ended: claiming now could lose what that owner acknowledges (R3).
    #[error("the previous owner's log {log} has not ended")]
    NotEnded {
        /// That log.
        log: LogId,
    },
    /// Another claim won. Whether it is still ours to open, the assignment says.
    #[error("another claim was faster")]
    Conflict,
    /// Another cluster has it: this one was taken over (R50).
    #[error("log {owner} of a later generation owns the partition")]
    TakenOver {
        /// That log.
        owner: LogId,
    },
    /// The topic is gone.
    #[error("the partition is deleted")]
    Deleted,
    /// This incarnation had it and gave it up. Only the next one may claim it again.
    #[error("this incarnation has closed the partition before")]
    ClosedBefore,
    /// The assignment is older than the manifest, or contradicts it.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The object store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A log of the chain does not hold what the manifest says it holds. Nothing is served from
    /// such a partition: a hole is never data (S1, R31).
    #[error("log {log} and the manifest disagree: {what}")]
    Damaged {
        /// Which log.
        log: LogId,
        /// How.
        what: String,
    },
}

/// Opens partitions for one incarnation.
pub(crate) struct Opener {
    store: Store,
    manifests: ManifestStore,
    clock: Clock,
    log: LogId,
    front: Arc<dyn Front>,
    cache: Arc<HotCache>,
    partitions: Arc<Partitions>,
    /// The slot that the next upload makes: no earlier one holds records of a new claim.
    next_slot: Arc<AtomicU64>,
    groups: Arc<dyn GroupHost>,
    releases: Releases,
    forgotten: Forgotten,
    indexes: Indexes,
    concurrency: Semaphore,
    /// One attempt per partition at a time.
    attempts: Mutex<HashMap<PartitionId, Arc<tokio::sync::Mutex<()>>>>,
}

/// What an [`Opener`] works with.
pub(crate) struct OpenerParts {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) log: LogId,
    pub(crate) front: Arc<dyn Front>,
    pub(crate) cache: Arc<HotCache>,
    pub(crate) partitions: Arc<Partitions>,
    pub(crate) next_slot: Arc<AtomicU64>,
    pub(crate) groups: Arc<dyn GroupHost>,
    pub(crate) releases: Releases,
    pub(crate) forgotten: Forgotten,
    pub(crate) concurrency: usize,
}

// === impl OpenError ===

impl OpenError {
    /// True if trying again changes nothing while this incarnation lives.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::NotAssigned | Self::TakenOver { .. } | Self::Deleted | Self::ClosedBefore
        )
    }

    /// What control is told.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Deleted => ErrorCode::UnknownTopicOrPartition,
            Self::Store(_) | Self::Damaged { .. } => ErrorCode::KafkaStorageError,
            Self::NotAssigned
            | Self::TakenOver { .. }
            | Self::NotEnded { .. }
            | Self::Conflict
            | Self::ClosedBefore
            | Self::Claim(_) => ErrorCode::NotLeaderOrFollower,
        }
    }
}

impl From<IndexError> for OpenError {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::NotEnded { log } => Self::NotEnded { log },
            IndexError::NotClosed { log, .. } => Self::Damaged { log, what: error.to_string() },
            IndexError::Store(error) => Self::Store(error),
            IndexError::Read(segment::seqlog::ReadError::Store(error)) => Self::Store(error),
        }
    }
}

impl From<LoadError> for OpenError {
    fn from(LoadError::Store(error): LoadError) -> Self {
        Self::Store(error)
    }
}

impl From<CommitError> for OpenError {
    fn from(error: CommitError) -> Self {
        match error {
            // An unknown outcome is read back by the next attempt: it finds us as the owner.
            CommitError::Conflict => Self::Conflict,
            CommitError::Unknown(error) => Self::Store(error),
            CommitError::Invalid(error) => {
                unreachable!("claims are built from checked manifests: {error}")
            }
        }
    }
}

// === impl Opener ===

impl Opener {
    pub(crate) fn new(parts: OpenerParts) -> Self {
        let OpenerParts { store, clock, log, front, cache, partitions, .. } = parts;
        let OpenerParts { next_slot, groups, releases, forgotten, .. } = parts;
        Self {
            manifests: ManifestStore::new(store.clone()),
            store,
            clock,
            log,
            front,
            cache,
            partitions,
            next_slot,
            groups,
            releases,
            forgotten,
            indexes: Indexes::default(),
            concurrency: Semaphore::new(parts.concurrency),
            attempts: Mutex::default(),
        }
    }

    /// The partition, claimed and serving. Repeating it is cheap, calling it concurrently too.
    pub(crate) async fn open(
        &self,
        id: PartitionId,
        epoch_min: i32,
        settings: TopicSettings,
    ) -> Result<Arc<Partition>, OpenError> {
        if let Some(partition) = self.partitions.find(id) {
            return Ok(partition);
        }
        let attempt = Arc::clone(self.attempts.lock().entry(id).or_default());
        let result = {
            let _alone = attempt.lock().await;
            let _permit = self.concurrency.acquire().await.expect("never closed");
            match self.partitions.find(id) {
                Some(partition) => Ok(partition),
                None => self.claim(id, epoch_min, settings).await,
            }
        };
        let mut attempts = self.attempts.lock();
        // The map's and ours: nobody waits, and nobody can start to without this lock.
        if Arc::strong_count(&attempt) == 2 {
            attempts.remove(&id);
        }
        drop(attempts);
        result.inspect_err(|_| metrics::open_failed())
    }

    /// Forgets the indexes read for claims. Called when nothing is left to claim.
    pub(crate) fn forget_indexes(&self) {
        self.indexes.clear();
    }

    async fn claim(
        &self,
        id: PartitionId,
        epoch_min: i32,
        settings: TopicSettings,
    ) -> Result<Arc<Partition>, OpenError> {
        let (opened, manifest, version) = match self.manifests.load(&id).await? {
            None => self.claim_first(id, epoch_min).await?,
            Some((manifest, version)) => self.claim_next(manifest, version, epoch_min).await?,
        };
        tracing::info!(
            partition = %id,
            log = %self.log,
            epoch = opened.epoch,
            log_start = opened.log_start,
            log_end = opened.log_end,
            "partition claimed"
        );
        metrics::opened();
        let (front, cache) = (Arc::clone(&self.front), Arc::clone(&self.cache));
        let partition = Partition::new(id, opened, (manifest, version), settings, front, cache);
        self.partitions.insert(Arc::clone(&partition));
        self.groups.opened(&partition);
        Ok(partition)
    }

    async fn claim_first(
        &self,
        id: PartitionId,
        epoch: i32,
    ) -> Result<(OpenedLog, Manifest, ManifestVersion), OpenError> {
        let first = Manifest::create(id, epoch, self.log, self.next_slot());
        let (manifest, version) = self.manifests.commit(&first, None).await?;
        let epochs = EpochHistory::new(manifest.epoch_history.clone());
        let opened = OpenedLog { epoch, epochs, ..OpenedLog::default() };
        Ok((opened, manifest, version))
    }

    async fn claim_next(
        &self,
        current: Manifest,
        version: ManifestVersion,
        epoch_min: i32,
    ) -> Result<(OpenedLog, Manifest, ManifestVersion), OpenError> {
        if current.deleted {
            return Err(OpenError::Deleted);
        }
        if current.owner.generation > self.log.generation {
            return Err(OpenError::TakenOver { owner: current.owner });
        }
        let ours = self.partitions.released(current.partition, current.epoch);
        if current.owner == self.log && ours.is_none() {
            return self.reclaim(current, version).await;
        }
        let (mut opened, close_slot) = self.restore_closed(&current, ours).await?;
        let epoch = epoch_min.max(current.epoch.saturating_add(1));
        let (first_slot, end) = (self.next_slot(), opened.log_end);
        let mut next = match close_slot {
            None => current.claimed(epoch, self.log, first_slot, end)?,
            Some(slot) => current.claimed_after_close(epoch, self.log, first_slot, end, slot)?,
        };
        restore::tidy(&mut next);
        let (manifest, version) = self.manifests.commit(&next, Some(&version)).await?;
        opened.epoch = epoch;
        opened.epochs = EpochHistory::new(manifest.epoch_history.clone());
        Ok((opened, manifest, version))
    }

    /// The partition as its last owner left it, with the slot of its CLOSE if the owner's log goes on.
    async fn restore_closed(
        &self,
        current: &Manifest,
        ours: Option<Released>,
    ) -> Result<(OpenedLog, Option<u64>), OpenError> {
        let slot = match ours {
            Some(released) => released.slot,
            None => match self.restore(current, current.chain.len()).await {
                Err(OpenError::NotEnded { log }) if log == current.owner => {
                    if self.forgotten.end(current).await? {
                        let opened = self.restore(current, current.chain.len()).await?;
                        return Ok((opened, None));
                    }
                    self.releases.ask(self.log.node, current).await?
                }
                restored => return restored.map(|opened| (opened, None)),
            },
        };
        let mut closed = current.clone();
        closed.chain.last_mut().expect("a manifest has an owner").close_slot = Some(slot);
        let opened = self.restore(&closed, closed.chain.len()).await?;
        Ok((opened, Some(slot)))
    }

    /// The manifest names this incarnation already: the answer to our own swap was lost, or the
    /// partition was served and closed. Only before the first append are the two the same.
    async fn reclaim(
        &self,
        current: Manifest,
        version: ManifestVersion,
    ) -> Result<(OpenedLog, Manifest, ManifestVersion), OpenError> {
        if self.partitions.has_served(current.partition, current.epoch) {
            return Err(OpenError::ClosedBefore);
        }
        let mut opened = self.restore(&current, current.chain.len() - 1).await?;
        opened.epoch = current.epoch;
        opened.epochs = EpochHistory::new(current.epoch_history.clone());
        Ok((opened, current, version))
    }

    fn next_slot(&self) -> u64 {
        self.next_slot.load(Ordering::Acquire)
    }
}
