//! Rewriting: blocks of many partitions in, objects of one partition or of many out.
//!
//! ```text
//! plans ─ footers of runs ─► blocks ─ ranged GETs, neighbours together ─► verified batches
//!                                                                            │
//!            own object  ◄── a partition with much ──────────────────────────┤
//!            packs       ◄── partitions with little, together ───────────────┘
//! ```
//!
//! A batch is not touched: bytes, offsets and epochs are what they were (D8). Memory is bounded by
//! the work that was asked for. Objects are written under names of their own, without a condition
//! (R21), and mean nothing until an owner lists them.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use hop::internal::{CompactedRun, CompactionOffer};
use protocol::batch::BatchError;
use protocol::batch::records::RecordsError;
use protocol::ids::PartitionId;
use segment::object::{AddError, BlockError, Footer, ObjectBuilder, read_footer};
use segment::seal::KeyMissing;
use segment::store::StoreErrorKind;
use segment::{Extent, Key, Keyring, Location, Plan, Store, StoreError, keys};
use uuid::Uuid;

use crate::blocks::{Covered, covered, expect, read_blocks};
use crate::config::Config;
use crate::limits::PACK_BLOCKS_MAX;
use crate::objects::{Objects, run_of};
use crate::pacer::Pacer;

/// A unit of work: the sealed plan, which goes back to its owner, and what it says.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) token: Bytes,
    pub(crate) plan: Plan,
}

/// Why nothing was written, or not all of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RewriteError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("block of partition {partition} at {key}: {error}")]
    Block { partition: PartitionId, key: Key, error: BlockError },
    #[error("block of partition {partition}: {error}")]
    Batch { partition: PartitionId, error: BatchError },
    /// Not what the owner said is there. Nothing is rewritten around a hole.
    #[error("partition {partition}: offset {expected} is due, {found} is there")]
    Hole { partition: PartitionId, expected: i64, found: i64 },
    #[error("partition {partition}: {error}")]
    Add { partition: PartitionId, error: AddError },
    /// Only compaction by key looks into batches.
    #[error("partition {partition}: batch at offset {offset}: {error}")]
    Records { partition: PartitionId, offset: i64, error: RecordsError },
    /// A tenant's records are to be sealed, and its key is not here.
    #[error(transparent)]
    Key(#[from] KeyMissing),
    /// A batch, or a transaction, alone is too much.
    #[error("partition {partition}: keys from offset {offset} on do not fit into memory")]
    Keys { partition: PartitionId, offset: i64 },
}

impl RewriteError {
    /// Whether a unit of work is why: tried again it would fail again, and whatever is tried with it.
    pub(crate) fn is_of(&self, plan: &Plan) -> bool {
        match self {
            Self::Store(error) => {
                let lasting =
                    matches!(error.kind, StoreErrorKind::NotFound | StoreErrorKind::Damaged);
                lasting && plan.extents.iter().any(|it| it.location.key().as_str() == error.key)
            }
            Self::Block { partition, .. }
            | Self::Batch { partition, .. }
            | Self::Hole { partition, .. }
            | Self::Add { partition, .. }
            | Self::Records { partition, .. }
            | Self::Keys { partition, .. } => *partition == plan.partition,
            Self::Key(missing) => missing.tenant == plan.partition.tenant,
        }
    }
}

/// One partition's batches, in offset order.
struct Part {
    partition: PartitionId,
    offsets: Range<i64>,
    bytes: u64,
    batches: Vec<Covered>,
}

/// Writes the objects for all units and says where each one's records are.
pub(crate) async fn rewrite(
    store: &Store,
    config: &Config,
    pacer: &Pacer,
    units: &[Unit],
) -> Result<Vec<CompactionOffer>, RewriteError> {
    let blocks = blocks_of(store, units).await?;
    let mut read = read_blocks(store, pacer, blocks.iter().flatten()).await?;
    let mut written: HashMap<PartitionId, Vec<CompactedRun>> = HashMap::new();
    let mut packed = Vec::new();
    let part_bytes = usize::try_from(config.part_size.as_u64()).unwrap_or(usize::MAX);
    let objects = Objects { store, pacer, part_bytes };
    for (unit, extents) in units.iter().zip(&blocks) {
        let part = Part::collect(&unit.plan, extents, &mut read, store.keyring())?;
        if part.batches.is_empty() {
            continue;
        }
        if part.bytes >= config.own_object_from.as_u64() {
            let key = keys::compacted(&part.partition, part.offsets.start, Uuid::new_v4());
            written.extend(write(&objects, "own", key, vec![part]).await?);
        } else {
            packed.push(part);
        }
    }
    for pack in packs(packed, config.object_max.as_u64()) {
        let key = keys::pack(Uuid::new_v4());
        written.extend(write(&objects, "pack", key, pack).await?);
    }
    let offers = units.iter().map(|unit| CompactionOffer {
        cleaned_upto: 0,
        objects: written.remove(&unit.plan.partition).unwrap_or_default(),
        plan: unit.token.clone(),
    });
    Ok(offers.collect())
}

/// The blocks of each unit: what the plan names, and what the footers of its runs list.
async fn blocks_of(store: &Store, units: &[Unit]) -> Result<Vec<Vec<Extent>>, RewriteError> {
    let mut footers: HashMap<Key, Footer> = HashMap::new();
    let mut all = Vec::with_capacity(units.len());
    for unit in units {
        let mut blocks = Vec::new();
        for extent in &unit.plan.extents {
            let Location::Run(key) = &extent.location else {
                blocks.push(extent.clone());
                continue;
            };
            if !footers.contains_key(key) {
                footers.insert(key.clone(), read_footer(store, key).await?);
            }
            blocks.extend(footers[key].blocks_of(unit.plan.partition, key));
        }
        all.push(blocks);
    }
    Ok(all)
}

impl Part {
    /// Verifies the blocks, and that they cover all from the plan's start to its end.
    fn collect(
        plan: &Plan,
        extents: &[Extent],
        read: &mut HashMap<(Key, u64), Bytes>,
        keyring: &Keyring,
    ) -> Result<Self, RewriteError> {
        let partition = plan.partition;
        let mut part = Self {
            partition,
            offsets: plan.start_offset..plan.start_offset,
            bytes: 0,
            batches: Vec::new(),
        };
        let mut next = plan.start_offset;
        for extent in extents {
            let batches = covered(partition, extent, read, &mut next, keyring)?;
            part.bytes += batches.iter().map(|batch| batch.bytes.len() as u64).sum::<u64>();
            part.batches.extend(batches);
        }
        part.offsets.end = next;
        expect(partition, plan.end_offset, next)?;
        Ok(part)
    }
}

/// Small parts in groups that become one object each.
fn packs(parts: Vec<Part>, bytes_max: u64) -> Vec<Vec<Part>> {
    let mut packs: Vec<Vec<Part>> = Vec::new();
    let mut bytes = 0;
    for part in parts {
        let full = packs
            .last()
            .is_none_or(|pack| pack.len() >= PACK_BLOCKS_MAX || bytes + part.bytes > bytes_max);
        if full {
            packs.push(Vec::new());
            bytes = 0;
        }
        bytes += part.bytes;
        packs.last_mut().expect("pushed above").push(part);
    }
    packs
}

/// Writes one object; what each partition has in it.
async fn write(
    objects: &Objects<'_>,
    kind: &'static str,
    key: Key,
    parts: Vec<Part>,
) -> Result<Vec<(PartitionId, Vec<CompactedRun>)>, RewriteError> {
    let mut object = ObjectBuilder::new();
    let mut offsets = Vec::with_capacity(parts.len());
    for part in parts {
        let partition = part.partition;
        offsets.push((partition, part.offsets));
        for batch in part.batches {
            object
                .add_covering(partition, batch.from, batch.bytes)
                .map_err(|error| RewriteError::Add { partition, error })?;
        }
    }
    let footer = objects.put(kind, &key, object).await?;
    let runs = offsets
        .into_iter()
        .map(|(partition, offsets)| (partition, vec![run_of(partition, &key, &footer, &offsets)]));
    Ok(runs.collect())
}
