//! Extent: where one block of a partition is stored, and which records it holds.

use std::ops::Range;

use protocol::ids::PartitionId;

use crate::keys::{self, Family, Key};
use crate::log_id::LogId;
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
    /// A compacted object.
    Object(Key),
}

impl Location {
    /// Key of the object.
    pub fn key(&self) -> Key {
        match self {
            Self::Slot { log, slot } => keys::slot(Family::Data, log, *slot),
            Self::Object(key) => key.clone(),
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
    /// The block's length, header included.
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

    /// The bytes to get.
    pub fn range(&self) -> Range<u64> {
        self.byte_offset..self.byte_offset + u64::from(self.byte_len)
    }
}

impl Footer {
    /// The extents of this footer's blocks, once the object is slot `slot` of `log`.
    pub fn extents(&self, log: LogId, slot: u64) -> impl Iterator<Item = (PartitionId, Extent)> {
        self.entries.iter().map(move |entry| {
            (entry.header.partition, Extent::of(Location::Slot { log, slot }, entry))
        })
    }
}
