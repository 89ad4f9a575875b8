//! A search by time along a plan: the first record that is not earlier (ListOffsets, KIP-734).
//!
//! ```text
//! extents   [ max 5 ][ max 9 ][ max 7 ][ max 30 ]        wanted: 8
//!            skipped  blocks with a max of 8 or more: loaded, and each record looked at
//! ```
//!
//! What is loaded is what the consumer fetches next, so it goes the same way as for a fetch. A
//! largest timestamp is the producer's word and may be too large; the search goes on then, for as
//! many blocks as one request may cost.

use hop::internal::FoundRecord;
use protocol::batch::{BatchError, batches, records};
use segment::object::Block;
use segment::{Extent, Plan};

use super::{FetchError, Fetcher, covered};
use crate::blocks::LoadError;
use crate::fair::Flow;
use crate::limits::SEARCH_BLOCKS_MAX;

/// What a search came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Searched {
    /// The record; `None` if there is none before `next_offset`.
    pub(crate) found: Option<FoundRecord>,
    /// Where to go on.
    pub(crate) next_offset: i64,
}

/// Which record is looked for.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    from: i64,
    end_offset: i64,
    timestamp: i64,
}

impl Fetcher {
    /// The first record of the plan from `from` on that is at or after `timestamp`.
    pub(crate) async fn search(
        &self,
        flow: &Flow,
        plan: &Plan,
        from: i64,
        timestamp: i64,
    ) -> Result<Searched, FetchError> {
        covered(plan, from)?;
        let wanted = Wanted { from, end_offset: plan.end_offset, timestamp };
        let first = plan.extents.partition_point(|extent| extent.last_offset < from);
        let mut looked_into = 0;
        for extent in plan.extents[first..].iter().filter(|extent| wanted.may_be_in(extent)) {
            let offset = extent.base_offset.max(from);
            let blocks = self.expander.expand(plan, offset, 1).await.map_err(LoadError::Store)?;
            for block in blocks.extents.iter().filter(|block| wanted.may_be_in(block)) {
                let offset = block.base_offset.max(from);
                if looked_into == SEARCH_BLOCKS_MAX {
                    return Ok(Searched { found: None, next_offset: offset });
                }
                looked_into += 1;
                let found = self.look_into(flow, plan, block, wanted).await?;
                if let Some(record) = found {
                    return Ok(Searched { found, next_offset: record.offset + 1 });
                }
            }
        }
        Ok(Searched { found: None, next_offset: plan.end_offset })
    }

    async fn look_into(
        &self,
        flow: &Flow,
        plan: &Plan,
        extent: &Extent,
        wanted: Wanted,
    ) -> Result<Option<FoundRecord>, FetchError> {
        let blocks = self.blocks.fetch(flow, plan.partition, std::slice::from_ref(extent)).await?;
        // One at a time: what a batch inflates to is not in the account of blocks.
        let _inflating = self.inflating.acquire().await.expect("the semaphore is never closed");
        for block in &blocks {
            if let Some(record) = wanted.find_in(block)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

impl Wanted {
    fn may_be_in(self, extent: &Extent) -> bool {
        extent.max_timestamp >= self.timestamp && extent.base_offset < self.end_offset
    }

    fn find_in(self, block: &Block) -> Result<Option<FoundRecord>, BatchError> {
        for batch in batches(&block.batches) {
            let batch = batch?;
            if batch.last_offset() < self.from {
                continue;
            }
            let found = records::search_by_time(&batch, self.from, self.timestamp);
            if let Some((offset, timestamp)) = found {
                let leader_epoch = batch.leader_epoch();
                let record = FoundRecord { offset, timestamp, leader_epoch };
                // What is behind the plan's end is not to be seen yet.
                return Ok((offset < self.end_offset).then_some(record));
            }
        }
        Ok(None)
    }
}
