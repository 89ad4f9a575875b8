//! A manifest that is lost or damaged, made again from what it pointed to (R23).
//!
//! ```text
//! l/  footers, CLOSE, END with its index ──► links: which log had which offsets in which epoch
//! d/  footers of compacted objects and packs ─► objects, the longest where several overlap
//! x/  producer snapshots ──────────────────► producers of what is no longer in a log
//!                     └─► manifest, owned by the log that had it last: the next claim goes on from it
//! ```
//!
//! Every object says whose records it has, in which epoch and at which offsets, so nothing else is
//! needed. What only the manifest knew is lost with it: a log start that was moved while the records
//! below it still exist (they come back), and epochs that got no record. The owner's log must have
//! ended: what a node still holds is in no object. For an operator, by hand; nothing calls this by
//! itself.

mod assemble;
mod sources;

use protocol::ids::{PartitionId, TopicId};

use crate::index::{IndexSnapshot, PartitionIndex};
use crate::log_id::LogId;
use crate::manifest::{
    CommitError, InvalidManifest, LoadError, Manifest, ManifestStore, ProducersRef,
};
use crate::object::Footer;
use crate::producers::{self, PartitionProducers, ProducerSnapshot};
use crate::seqlog::ReadError;
use crate::store::{Store, StoreError, StoreErrorKind};

use self::assemble::assemble;
use self::sources::Sources;

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// There is nothing to repair.
    #[error("the manifest is there and sound, version {version}")]
    Sound {
        /// Its version.
        version: u64,
    },
    /// No object has a record of the partition.
    #[error("no object of the bucket holds a record of the partition; there is nothing to repair")]
    NoRecords,
    /// The last log may still grow.
    #[error(
        "log {log} has not ended; stop or restart its node, or have it evicted, then try again"
    )]
    NotEnded {
        /// The log.
        log: LogId,
    },
    /// Offsets between two that are there are in no object.
    #[error(
        "nothing holds offsets {from}..{to}; if they were deleted, give `--log-start {to}`, else \
         find the object"
    )]
    Gap {
        /// The first that is missing.
        from: i64,
        /// The next that is there.
        to: i64,
    },
    /// The parts contradict each other.
    #[error("what was found makes no manifest: {0}")]
    Invalid(#[from] InvalidManifest),
    /// The manifest could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The bucket could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for RepairError {
    fn from(ReadError::Store(error): ReadError) -> Self {
        Self::Store(error)
    }
}

/// Builds the manifest of a partition that has no sound one, and stores nothing. Records below
/// `log_start` are given up.
pub async fn plan(
    store: &Store,
    topic: TopicId,
    index: i32,
    log_start: Option<i64>,
) -> Result<Plan, RepairError> {
    let loaded = ManifestStore::new(store.clone()).load_named(topic, index).await;
    match loaded {
        Ok(Some((manifest, _))) => return Err(RepairError::Sound { version: manifest.version }),
        Err(LoadError::Store(error)) if error.kind != StoreErrorKind::Damaged => {
            return Err(error.into());
        }
        Ok(None) | Err(LoadError::Store(_)) => {}
    }
    let sources = Sources::read(store, topic, index).await?;
    let partition = sources.partition.ok_or(RepairError::NoRecords)?;
    let manifest = assemble(partition, &sources, log_start)?;
    manifest.check()?;
    let producers = producers_of(&manifest, &sources);
    Ok(Plan { manifest, producers })
}

/// A manifest that can be stored.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The manifest, without its producers.
    pub manifest: Manifest,
    producers: PartitionIndex,
}

impl Plan {
    /// Stores it in place of what is there.
    pub async fn commit(self, store: &Store) -> Result<Manifest, RepairError> {
        let Self { mut manifest, producers } = self;
        if manifest.compacted_upto > 0 || !producers.producers.is_empty() {
            let PartitionIndex { producers, aborted, .. } = producers;
            let known = PartitionProducers { producers, aborted };
            let partitions = [(manifest.partition, known)];
            let snapshot = ProducerSnapshot { partitions: partitions.into() };
            let key = Some(producers::write(store, &snapshot).await?);
            manifest.producers = Some(ProducersRef { key, upto: manifest.compacted_upto });
        }
        Ok(ManifestStore::new(store.clone()).replace_damaged(&manifest).await?)
    }
}

/// What producers did in the compacted part, from the footers, and before it, from the latest
/// snapshot (T1). What is in the chain's logs the next owner reads there.
fn producers_of(manifest: &Manifest, sources: &Sources) -> PartitionIndex {
    let mut folded = IndexSnapshot::empty(manifest.owner);
    for object in &manifest.objects {
        let found = sources.objects.iter().find(|found| found.object == *object);
        for entry in found.into_iter().flat_map(|found| &found.entries) {
            let footer = Footer { entries: vec![entry.clone()], ..Footer::default() };
            folded.add_segment(0, &footer);
        }
    }
    let mut producers = folded.partitions.remove(&manifest.partition).unwrap_or_default();
    producers.inherit_producers(&sources.producers);
    // Compacted objects' footers list no batches, so none of these is there twice.
    producers.aborted.splice(0..0, sources.producers.aborted.iter().copied());
    producers
}

/// The id that an operator gives: `TOPIC/INDEX`, as the end of the manifest's key.
pub fn parse_partition(text: &str) -> Option<(TopicId, i32)> {
    let (topic, index) = text.trim_start_matches("m/").rsplit_once('/')?;
    let topic = topic.rsplit('/').next()?;
    Some((topic.parse().ok()?, index.parse().ok().filter(|index| *index >= 0)?))
}

/// Whether a block is of this partition; keys and operators do not name the tenant.
fn is_of(partition: &PartitionId, topic: TopicId, index: i32) -> bool {
    (partition.topic, partition.index) == (topic, index)
}
