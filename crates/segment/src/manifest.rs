//! Manifest: who owns a partition, and where all its records are.
//!
//! One small object per partition, changed by compare-and-swap only (R22). That
//! swap is the commit point of ownership: an epoch belongs to whoever swapped it
//! in, and it may be swapped in only after the previous owner's log is closed by
//! END or CLOSE (R2, R3). Placement in the metadata store is no more than intent.
//!
//! ```text
//!  offsets   0 ─────────── 4000 ────────── 9000 ───────── 12000 ──▶
//!            [  compacted  ][ epoch 3, log A ][ epoch 4, log B    (open)
//!            objects         chain[0]          chain[1], the owner
//! ```

mod change;
pub(crate) mod inspect;
mod invariants;
mod store;
mod wire;

use protocol::ids::PartitionId;

use crate::keys::Key;
use crate::log_id::LogId;

pub use change::{Compaction, CompactionError};
pub use invariants::InvalidManifest;
pub use store::{CommitError, LoadError, ManifestStore, ManifestVersion};

/// The state of a partition, as of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Whose manifest.
    pub partition: PartitionId,
    /// Counts the commits. Set by [`ManifestStore::commit`].
    pub version: u64,
    /// Random per commit, so that no content ever repeats (R22). Set by
    /// [`ManifestStore::commit`].
    pub nonce: u64,
    /// SHA-256 of the version before; zeros in the first (R23). Set by
    /// [`ManifestStore::commit`].
    pub prev_hash: [u8; 32],
    /// The leader epoch.
    pub epoch: i32,
    /// The log of the owner.
    pub owner: LogId,
    /// The parts of the partition that are not compacted, oldest first. The last is the owner's.
    pub chain: Vec<Link>,
    /// First offset of every epoch, for ever: consumers ask for it below the log start too (C8).
    pub epoch_history: Vec<(i32, i64)>,
    /// First offset that may be read.
    pub log_start_offset: i64,
    /// Every lower offset is in `objects`.
    pub compacted_upto: i64,
    /// Below it no key has an older value than its last: where compaction by key has been.
    pub cleaned_upto: i64,
    /// Compacted objects, in offset order.
    pub objects: Vec<CompactedObject>,
    /// The producers of the part that is not in the chain any more.
    pub producers: Option<ProducersRef>,
    /// The topic is gone: nobody may claim the partition again.
    pub deleted: bool,
}

/// Where a partition's producers are, as of an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducersRef {
    /// The snapshot that has them; `None` if there were none.
    pub key: Option<Key>,
    /// Every batch below this offset is taken into account.
    pub upto: i64,
}

/// The part of a partition that lies in one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Leader epoch under which it was written.
    pub epoch: i32,
    /// The log.
    pub log: LogId,
    /// No earlier slot of that log holds records of this link.
    pub first_slot: u64,
    /// First offset.
    pub start_offset: i64,
    /// The offset after the last, known once the log carries END or CLOSE.
    pub end_offset: Option<i64>,
    /// The slot of the CLOSE by which the partition left the log; `None` if the log's END closed it.
    pub close_slot: Option<u64>,
}

/// One compacted object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactedObject {
    /// Its key.
    pub key: Key,
    /// The first offset it covers.
    pub base_offset: i64,
    /// The last offset it covers.
    pub last_offset: i64,
    /// What the partition's blocks take in it: all of an object of its own, a part of a pack.
    pub size: u64,
    /// Largest timestamp of its records.
    pub max_timestamp: i64,
}

/// A claim was refused before it reached the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Epochs only grow: the claimant acts on old metadata (R9).
    #[error("epoch {claimed} is not above the current epoch {current}")]
    StaleEpoch {
        /// Asked for.
        claimed: i32,
        /// In the manifest.
        current: i32,
    },
    /// The topic was deleted.
    #[error("partition is deleted")]
    Deleted,
    /// The end would lie before the start.
    #[error("previous log ends at offset {end}, before its start {start}")]
    EndBeforeStart {
        /// Where the last link starts.
        start: i64,
        /// The end that was given.
        end: i64,
    },
}

impl Manifest {
    /// The first manifest of a new partition.
    pub fn create(partition: PartitionId, epoch: i32, owner: LogId, first_slot: u64) -> Self {
        Self {
            partition,
            version: 0,
            nonce: 0,
            prev_hash: [0; 32],
            epoch,
            owner,
            chain: vec![Link::open(epoch, owner, first_slot, 0)],
            epoch_history: vec![(epoch, 0)],
            log_start_offset: 0,
            compacted_upto: 0,
            cleaned_upto: 0,
            objects: Vec::new(),
            producers: None,
            deleted: false,
        }
    }

    /// This manifest with a new owner, whose records start where the previous
    /// owner's ended log does: at `end_offset`, read after END or CLOSE (R3, R26).
    pub fn claimed(
        &self,
        epoch: i32,
        owner: LogId,
        first_slot: u64,
        end_offset: i64,
    ) -> Result<Self, ClaimError> {
        if self.deleted {
            return Err(ClaimError::Deleted);
        }
        if epoch <= self.epoch && !process::mutation::on("R9") {
            return Err(ClaimError::StaleEpoch { claimed: epoch, current: self.epoch });
        }
        let mut next = self.clone();
        let last = next.chain.last_mut().expect("a manifest has an owner");
        if end_offset < last.start_offset {
            let (start, end) = (last.start_offset, end_offset);
            return Err(ClaimError::EndBeforeStart { start, end });
        }
        last.end_offset = Some(end_offset);
        let start_offset = end_offset;
        next.chain.push(Link::open(epoch, owner, first_slot, start_offset));
        next.epoch_history.push((epoch, start_offset));
        next.epoch = epoch;
        next.owner = owner;
        Ok(next)
    }

    /// As [`Manifest::claimed`], of a partition that its owner let go by the CLOSE at `close_slot` of
    /// its log (RELIABILITY §4.6).
    pub fn claimed_after_close(
        &self,
        epoch: i32,
        owner: LogId,
        first_slot: u64,
        end_offset: i64,
        close_slot: u64,
    ) -> Result<Self, ClaimError> {
        let mut next = self.claimed(epoch, owner, first_slot, end_offset)?;
        let before = next.chain.len() - 2;
        next.chain[before].close_slot = Some(close_slot);
        Ok(next)
    }

    /// The owner's own part.
    pub fn head(&self) -> &Link {
        self.chain.last().expect("a manifest has an owner")
    }
}

impl Link {
    /// The link of an owner that begins.
    fn open(epoch: i32, log: LogId, first_slot: u64, start_offset: i64) -> Self {
        Self { epoch, log, first_slot, start_offset, end_offset: None, close_slot: None }
    }
}

#[cfg(test)]
mod tests;
