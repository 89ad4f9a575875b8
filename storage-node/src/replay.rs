//! Reading a whole partition on its own node: how a coordinator loads its state.
//!
//! ```text
//! log start ──► extents, block by block from the object store ──► hot batches ──► high watermark
//! ```

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::batch::{BatchError, batches};
use segment::object::{BlockError, open_block, read_footer};
use segment::{Extent, Key, Location, Store, StoreError};
use thiserror::Error;

use std::sync::Arc;

use crate::partition::{Isolation, Partition};

/// Why a partition cannot be read on.
#[derive(Debug, Error)]
pub(crate) enum ReplayError {
    /// The partition is not this node's any more.
    #[error("the partition is closed: {0}")]
    Closed(ErrorCode),
    /// The object store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block is not what the index says (R27).
    #[error("block at offset {base_offset}: {cause}")]
    Block {
        /// Where it should begin.
        base_offset: i64,
        /// What is wrong.
        cause: BlockError,
    },
    /// A stored batch is broken.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Neither uploaded nor in memory: our own bug, never skipped.
    #[error("offset {offset} is nowhere")]
    Hole {
        /// The offset.
        offset: i64,
    },
}

/// Reads a partition from its log start to wherever it ends by then.
#[derive(Debug)]
pub(crate) struct Replay {
    store: Store,
    partition: Arc<Partition>,
    next_offset: i64,
}

impl Replay {
    /// A reader at the log start.
    pub(crate) fn new(store: Store, partition: Arc<Partition>) -> Result<Self, ReplayError> {
        let next_offset = partition.marks().map_err(ReplayError::Closed)?.log_start;
        Ok(Self { store, partition, next_offset })
    }

    /// The offset that the next batch holds.
    pub(crate) fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The next batches; none at the high watermark. The first may begin below the log start.
    pub(crate) async fn next(&mut self) -> Result<Vec<Bytes>, ReplayError> {
        let marks = self.partition.marks().map_err(ReplayError::Closed)?;
        if self.next_offset >= marks.high_watermark {
            return Ok(Vec::new());
        }
        if self.next_offset >= marks.hot_floor {
            let hot = self.partition.hot_from(self.next_offset);
            self.next_offset = hot.last().map_or(self.next_offset, |(_, next)| *next);
            return Ok(hot.into_iter().map(|(batch, _)| batch).collect());
        }
        let part = self.partition.cold_part(self.next_offset, 1, Isolation::ReadUncommitted);
        let part = part.map_err(ReplayError::Closed)?;
        let extent = part.extents.first().ok_or(ReplayError::Hole { offset: self.next_offset })?;
        let blocks = match &extent.location {
            Location::Run(key) => self.blocks_of_run(key).await?,
            Location::Slot { .. } | Location::Object(_) => vec![extent.clone()],
        };
        let mut read = Vec::new();
        for block in blocks.iter().filter(|block| block.last_offset >= self.next_offset) {
            read.extend(self.block(block).await?);
        }
        self.next_offset = extent.last_offset + 1;
        Ok(read)
    }

    async fn blocks_of_run(&self, key: &Key) -> Result<Vec<Extent>, StoreError> {
        let footer = read_footer(&self.store, key).await?;
        Ok(footer.blocks_of(self.partition.id(), key).collect())
    }

    async fn block(&self, extent: &Extent) -> Result<Vec<Bytes>, ReplayError> {
        let base_offset = extent.base_offset;
        let bytes = self.store.get_range(&extent.location.key(), extent.range()).await?;
        let block = open_block(&bytes, self.partition.id(), extent, self.store.keyring())
            .map_err(|cause| ReplayError::Block { base_offset, cause })?;
        let mut read = Vec::new();
        for batch in batches(&block.batches) {
            let batch = batch?;
            if batch.last_offset() >= self.next_offset {
                read.push(block.batches.slice_ref(batch.bytes()));
            }
        }
        Ok(read)
    }
}
