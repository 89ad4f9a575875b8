//! Extent: where one block of a partition is stored, and which records it holds.

use std::ops::Range;

use protocol::ids::PartitionId;

use crate::keys::{self, Family, Key};
use crate::log_id::LogId;
use crate::manifest::CompactedObject;
use crate::object::{BlockEntry, Footer};

/// The object that an extent lies in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// A slot of a data log.
    Slot {
        /// The log.
        log: LogId,
        /// The slot.
        slot: u64,
    },
    /// A compacted object: the extent is one of its blocks.
    Object(Key),
    /// A compacted object: the extent is all that the partition has in it, one or more blocks,
    /// which its footer lists. Manifests name no blocks, so neither does an owner that was not
    /// asked for them: opening a partition costs no request per object.
    Run(Key),
}

impl Location {
    /// Key of the object.
    pub fn key(&self) -> Key {
        match self {
            Self::Slot { log, slot } => keys::slot(Family::Data, log, *slot),
            Self::Object(key) | Self::Run(key) => key.clone(),
        }
    }
}

/// One stored block. Immutable: it may be handed out, cached and planned with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// In which object.
    pub location: Location,
    /// Where the block starts in it.
    pub byte_offset: u64,
    /// The block's length, header included; of a run, the length of all its blocks.
    pub byte_len: u32,
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Leader epoch of its batches.
    pub leader_epoch: i32,
    /// Largest timestamp of its records.
    pub max_timestamp: i64,
}

impl Extent {
    /// The extent of a block that a footer lists.
    pub fn of(location: Location, entry: &BlockEntry) -> Self {
        let header = &entry.header;
        Self {
            location,
            byte_offset: entry.byte_offset,
            byte_len: entry.byte_len,
            base_offset: header.base_offset,
            last_offset: header.last_offset,
            leader_epoch: header.leader_epoch,
            max_timestamp: header.max_timestamp,
        }
    }

    /// All that a partition has in a compacted object.
    pub fn run_of(object: &CompactedObject) -> Self {
        Self {
            location: Location::Run(object.key.clone()),
            byte_offset: 0,
            byte_len: u32::try_from(object.size).unwrap_or(u32::MAX),
            base_offset: object.base_offset,
            last_offset: object.last_offset,
            // Epochs are in the blocks: a run may hold several.
            leader_epoch: -1,
            max_timestamp: object.max_timestamp,
        }
    }

    /// Whether the blocks have to be looked up before anything can be read.
    pub fn is_run(&self) -> bool {
        matches!(self.location, Location::Run(_))
    }

    /// The bytes to get. Meaningless for a run.
    pub fn range(&self) -> Range<u64> {
        self.byte_offset..self.byte_offset + u64::from(self.byte_len)
    }
}

impl Footer {
    /// The blocks of a partition, once the object is the compacted object `key`.
    pub fn blocks_of(&self, partition: PartitionId, key: &Key) -> impl Iterator<Item = Extent> {
        let own = self.entries.iter().filter(move |entry| entry.header.partition == partition);
        own.map(|entry| Extent::of(Location::Object(key.clone()), entry))
    }

    /// The extents of this footer's blocks, once the object is slot `slot` of `log`.
    pub fn extents(&self, log: LogId, slot: u64) -> impl Iterator<Item = (PartitionId, Extent)> {
        self.entries.iter().map(move |entry| {
            (entry.header.partition, Extent::of(Location::Slot { log, slot }, entry))
        })
    }
}
