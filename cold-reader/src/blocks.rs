//! Blocks in memory: loaded once, verified once, shared by whoever replays them.
//!
//! ```text
//! wanted   [b1][b2][b3][b4]        b2 cached, b3 and b4 nowhere
//!           │    │    └──┬─┘
//!           ▼    ▼       ▼
//!        its load hit  one load ─► fair queue ─► memory ─► GET ─► verify ─► cache, waiters
//! ```
//!
//! - Single flight: a block is in the table from the moment its load is queued, and whoever wants it
//!   then waits for that load. Groups that replay the same records share GETs and memory.
//! - A load waits for its turn (see [`crate::fair`]) and for its memory (see [`crate::memory`]),
//!   which the cache gives back: what was read goes first, and of that what consumers come to last
//!   (see `consumers`). Whoever holds blocks waits only for loads that have their memory: consumers
//!   that hold and wait could stop each other for ever.
//! - Blocks of one GET are slices of one buffer and leave the cache together, so that what leaves
//!   gives memory back.
//! - A block is verified when it is loaded (R27), and compared with the plan each time it is used:
//!   a cached block never answers for another partition.
//! - A failure is shared: those who waited for the block fail at once, and for half a second nobody
//!   asks the store for it again.

mod consumers;
mod dispatch;
mod open;
mod table;
mod window;

use std::sync::Arc;

use parking_lot::Mutex;
use process::Drain;
use protocol::ids::PartitionId;
use segment::object::{Block, BlockError};
use segment::{Extent, Store};
use tokio::sync::Notify;

use self::table::{Found, Table};
use self::window::Window;
use crate::fair::Flow;
use crate::limits::RUN_BYTES_MAX;
pub(crate) use crate::load::LoadError;
use crate::load::Waiting;
use crate::memory::Memory;
use crate::metrics;
use crate::progress::Progress;

/// The block cache and the way to fill it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Blocks {
    shared: Arc<Shared>,
}

/// What blocks may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Bytes of blocks: being fetched, cached, being answered.
    pub(crate) memory: u64,
    /// Bytes being fetched at one time; fewer while the store has too much to do.
    pub(crate) in_flight: u64,
    /// Bytes per second from the store; `None` is as many as it gives.
    pub(crate) bandwidth: Option<u64>,
}

struct Shared {
    table: Mutex<Table>,
    memory: Memory,
    bandwidth: Option<u64>,
    window: Mutex<Window>,
    store: Store,
    progress: Arc<Progress>,
    /// Something was queued, or a load ended.
    work: Notify,
    drain: Drain,
}

impl Blocks {
    pub(crate) fn new(store: Store, budget: Budget, progress: Arc<Progress>, drain: Drain) -> Self {
        // Two GETs must fit: one that is answered and one that is being fetched.
        let memory = Memory::new(budget.memory.max(2 * RUN_BYTES_MAX));
        let shared = Arc::new(Shared {
            table: Mutex::default(),
            memory,
            bandwidth: budget.bandwidth,
            window: Mutex::new(Window::new(budget.in_flight)),
            store,
            progress,
            work: Notify::new(),
            drain: drain.clone(),
        });
        drop(drain.spawn("cold loads", Arc::clone(&shared).dispatch()));
        Self { shared }
    }

    /// Memory for all blocks.
    pub(crate) fn memory(&self) -> &Memory {
        &self.shared.memory
    }

    /// The blocks of `extents`, in order: the first one, and as many of those that follow as are
    /// there or on their way when it is.
    ///
    /// All are loaded, whether or not the caller stays: a consumer that gave up finds them when it
    /// comes back.
    pub(crate) async fn fetch(
        &self,
        flow: &Flow,
        partition: PartitionId,
        extents: &[Extent],
    ) -> Result<Vec<Block>, LoadError> {
        let Some((first, rest)) = extents.split_first() else { return Ok(Vec::new()) };
        let found = {
            let mut table = self.shared.table.lock();
            table.reads(flow, partition, first.base_offset);
            let known = extents.iter().filter(|extent| table.knows(extent)).count();
            let queued = table.want(flow, partition, extents);
            metrics::looked_up(known, queued);
            self.shared.progress.looked_up(flow, known, queued);
            table.find(first)
        };
        self.shared.work.notify_one();
        let block = match found {
            Found::Ready(block) => block,
            Found::Queued(waiting) | Found::Running(waiting) => self.wait(waiting, first).await?,
            Found::Failed(error) => return Err(error),
            Found::Unknown => return Err(LoadError::Stopped),
        };
        let mut blocks = vec![expected(block, partition, first)?];
        for extent in rest {
            let found = self.shared.table.lock().find(extent);
            let block = match found {
                Found::Ready(block) => block,
                Found::Running(waiting) => match self.wait(waiting, extent).await {
                    Ok(block) => block,
                    // Whoever fetches from there meets the error.
                    Err(_) => break,
                },
                Found::Queued(_) | Found::Failed(_) | Found::Unknown => break,
            };
            blocks.push(expected(block, partition, extent)?);
        }
        Ok(blocks)
    }

    async fn wait(&self, waiting: Waiting, extent: &Extent) -> Result<Block, LoadError> {
        let block = waiting.block().await?;
        // It counts as read, so that it may leave before those that are still to be.
        let _ = self.shared.table.lock().find(extent);
        Ok(block)
    }

    /// Loads blocks that somebody will want. Nobody waits.
    pub(crate) fn load_ahead(&self, flow: &Flow, partition: PartitionId, extents: &[Extent]) {
        self.shared.table.lock().want(flow, partition, extents);
        self.shared.work.notify_one();
    }

    /// Loads of these blocks, if there are any, are still wanted.
    pub(crate) fn renew(&self, extents: &[Extent]) {
        self.shared.table.lock().renew(extents);
    }
}

/// What [`segment::object::open_block`] checks, for a block that was verified when it was loaded.
fn expected(block: Block, partition: PartitionId, extent: &Extent) -> Result<Block, LoadError> {
    block.header.expect(partition, extent).map_err(|error| wrong(extent, error))?;
    Ok(block)
}

fn wrong(extent: &Extent, error: BlockError) -> LoadError {
    LoadError::Block { extent: Box::new(extent.clone()), error }
}

#[cfg(test)]
mod tests;
