//! Blocks in memory: loaded once, verified once, shared by whoever replays them.
//!
//! ```text
//! wanted   [b1][b2][b3][b4]        b2 cached, b3 and b4 nowhere
//!           │    │    └──┬─┘
//!           ▼    ▼       ▼
//!          GET  hit   one GET      b1's GET is another reader's: wait for it
//! ```
//!
//! - Single flight: whoever misses first loads; the others wait for that load.
//!   Guards are taken in the order of a run and never waited for while one is
//!   held, so that two overlapping runs cannot wait for each other.
//! - A failure is shared as well: those who waited for the block fail at once, and
//!   for half a second nobody asks the store for it again.
//! - A block is verified when it is loaded (R27), and compared with the plan each
//!   time it is used: a cached block never answers for another partition.
//! - Blocks of a shared GET are copied apart, else one small block would keep
//!   8 MiB alive while the cache counts only its own length.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use process::Drain;
use protocol::ids::PartitionId;
use quick_cache::sync::{Cache, DefaultLifecycle, GuardResult, PlaceholderGuard};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use segment::object::{Block, BlockError, verify_block};
use segment::{Extent, Location, Store, StoreError};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::limits::{
    BLOCK_OVERHEAD_BYTES, CACHE_SHARD_BYTES_MIN, FAILURE_LIFE, FAILURES_MAX, RUN_BYTES_MAX,
};
use crate::metrics;

/// A semaphore counts to 2^29 at least; in these units that is 512 GiB.
const PERMIT_BYTES: u64 = 1024;

/// Why blocks could not be loaded.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LoadError {
    /// The object is missing, damaged or out of reach.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bytes are there and are not the block that the plan names.
    #[error("{extent:?}: {error}")]
    Block { extent: Box<Extent>, error: BlockError },
    /// The process stops.
    #[error("load was given up")]
    Stopped,
}

/// The block cache and the way to fill it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Blocks {
    shared: Arc<Shared>,
}

struct Shared {
    cache: BlockCache,
    failures: Cache<BlockKey, (Instant, LoadError)>,
    store: Store,
    /// Bytes being fetched, in permits of [`PERMIT_BYTES`].
    in_flight: Semaphore,
    in_flight_max: u32,
    drain: Drain,
}

type BlockCache = Cache<BlockKey, Block, BlockWeight>;
type Guard<'a> = PlaceholderGuard<
    'a,
    BlockKey,
    Block,
    BlockWeight,
    DefaultHashBuilder,
    DefaultLifecycle<BlockKey, Block>,
>;

/// Objects are immutable, so a place names its content for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct BlockKey {
    location: Location,
    byte_offset: u64,
}

#[derive(Clone)]
struct BlockWeight;

impl Weighter<BlockKey, Block> for BlockWeight {
    fn weight(&self, _: &BlockKey, block: &Block) -> u64 {
        block.batches.len() as u64 + BLOCK_OVERHEAD_BYTES
    }
}

impl Blocks {
    pub(crate) fn new(store: Store, cache_bytes: u64, in_flight_bytes: u64, drain: Drain) -> Self {
        let shards = (cache_bytes / CACHE_SHARD_BYTES_MIN).clamp(1, 64);
        let options = OptionsBuilder::new()
            .shards(shards as usize)
            .weight_capacity(cache_bytes)
            .estimated_items_capacity((cache_bytes / (1 << 20)).max(16) as usize)
            .build()
            .expect("both capacities are set");
        let cache = Cache::with_options(
            options,
            BlockWeight,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        );
        // One GET must always fit.
        let permits = (in_flight_bytes.max(RUN_BYTES_MAX) / PERMIT_BYTES).min(1 << 28);
        let in_flight = Semaphore::new(permits as usize);
        let in_flight_max = permits as u32;
        let failures = Cache::new(FAILURES_MAX);
        let shared = Shared { cache, failures, store, in_flight, in_flight_max, drain };
        Self { shared: Arc::new(shared) }
    }

    /// True when the block is in memory.
    pub(crate) fn has(&self, extent: &Extent) -> bool {
        self.shared.cache.contains_key(&BlockKey::of(extent))
    }

    /// True when loads wait for each other: no time to load what nobody asked for.
    pub(crate) fn is_busy(&self) -> bool {
        self.shared.in_flight.available_permits() < self.shared.in_flight_max as usize / 2
    }

    /// The blocks of a run, in its order.
    ///
    /// The load is a task of its own: it goes on when nobody waits any more, so
    /// that a consumer who gave up finds the blocks when it comes back.
    pub(crate) async fn load(
        &self,
        partition: PartitionId,
        run: &[Extent],
    ) -> Result<Vec<Block>, LoadError> {
        self.start(partition, run).await.unwrap_or(Err(LoadError::Stopped))
    }

    /// As [`Blocks::load`], for somebody who does not wait.
    pub(crate) fn start(
        &self,
        partition: PartitionId,
        run: &[Extent],
    ) -> JoinHandle<Result<Vec<Block>, LoadError>> {
        let shared = Arc::clone(&self.shared);
        let run = run.to_vec();
        let load = async move { shared.load(partition, &run).await };
        self.shared.drain.spawn("cold load", load)
    }
}

impl Shared {
    async fn load(&self, partition: PartitionId, run: &[Extent]) -> Result<Vec<Block>, LoadError> {
        let mut blocks = Vec::with_capacity(run.len());
        while let Some(extent) = run.get(blocks.len()) {
            match self.cache.get_value_or_guard_async(&BlockKey::of(extent)).await {
                Ok(block) => {
                    metrics::cache_hit();
                    blocks.push(expected(block, partition, extent)?);
                }
                Err(guard) => {
                    let missing = &run[blocks.len()..];
                    self.refuse_after_failure(extent)?;
                    let guards = self.guards_of_neighbours(guard, missing);
                    let got = self.get(partition, missing, guards).await;
                    blocks.extend(got.inspect_err(|error| self.note_failure(extent, error))?);
                }
            }
        }
        Ok(blocks)
    }

    /// Remembers what is true of the object whoever asks. That a block is not
    /// what a plan says may be the fault of that plan.
    fn note_failure(&self, extent: &Extent, error: &LoadError) {
        if let LoadError::Store(cause) = error
            && (cause.is_transient() || cause.is_not_found())
        {
            self.failures.insert(BlockKey::of(extent), (Instant::now(), error.clone()));
        }
    }

    fn refuse_after_failure(&self, extent: &Extent) -> Result<(), LoadError> {
        match self.failures.get(&BlockKey::of(extent)) {
            Some((failed, error)) if failed.elapsed() < FAILURE_LIFE => Err(error),
            _ => Ok(()),
        }
    }

    /// Guards of as many further blocks as are neither cached nor being loaded.
    fn guards_of_neighbours<'a>(&'a self, first: Guard<'a>, missing: &[Extent]) -> Vec<Guard<'a>> {
        let mut guards = vec![first];
        for extent in &missing[1..] {
            let unwaited = Some(Duration::ZERO);
            match self.cache.get_value_or_guard(&BlockKey::of(extent), unwaited) {
                GuardResult::Guard(guard) => guards.push(guard),
                GuardResult::Value(_) | GuardResult::Timeout => break,
            }
        }
        guards
    }

    /// One ranged GET for the first extents, one per guard.
    async fn get(
        &self,
        partition: PartitionId,
        extents: &[Extent],
        guards: Vec<Guard<'_>>,
    ) -> Result<Vec<Block>, LoadError> {
        let extents = &extents[..guards.len()];
        metrics::cache_missed(extents.len());
        let (first, last) = (&extents[0], &extents[extents.len() - 1]);
        let range = first.range().start..last.range().end;
        let length = range.end - range.start;
        let permits = (length.div_ceil(PERMIT_BYTES) as u32).min(self.in_flight_max);
        let _permit =
            self.in_flight.acquire_many(permits).await.map_err(|_closed| LoadError::Stopped)?;
        let bytes = self.store.get_range(&first.location.key(), range).await?;
        metrics::got(length);
        let mut blocks = Vec::with_capacity(extents.len());
        for (extent, guard) in extents.iter().zip(guards) {
            let block = part(&bytes, extent.byte_offset - first.byte_offset, extent);
            let block = verify_block(&block, partition, extent.base_offset)
                .map_err(|error| wrong(extent, error))?;
            // Refused when the key was taken away meanwhile; the block is good all the same.
            let _ = guard.insert(block.clone());
            blocks.push(block);
        }
        Ok(blocks)
    }
}

impl BlockKey {
    fn of(extent: &Extent) -> Self {
        Self { location: extent.location.clone(), byte_offset: extent.byte_offset }
    }
}

/// A block's own bytes: the GET's buffer when it holds nothing else, else a copy.
fn part(bytes: &Bytes, at: u64, extent: &Extent) -> Bytes {
    let (start, end) = (at as usize, at as usize + extent.byte_len as usize);
    if (start, end) == (0, bytes.len()) {
        return bytes.clone();
    }
    Bytes::copy_from_slice(&bytes[start..end])
}

/// What [`verify_block`] checks, for a block that was verified when it was loaded.
fn expected(block: Block, partition: PartitionId, extent: &Extent) -> Result<Block, LoadError> {
    if block.header.partition != partition {
        return Err(wrong(extent, BlockError::Partition(block.header.partition)));
    }
    if block.header.base_offset != extent.base_offset {
        let (base, last) = (block.header.base_offset, block.header.last_offset);
        return Err(wrong(extent, BlockError::Offsets { base, last }));
    }
    Ok(block)
}

fn wrong(extent: &Extent, error: BlockError) -> LoadError {
    LoadError::Block { extent: Box::new(extent.clone()), error }
}
