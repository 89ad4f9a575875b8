//! Which blocks are in memory, which are on their way, and which just failed.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use protocol::ids::PartitionId;
use segment::object::Block;
use segment::{Extent, Location};
use tokio::time::Instant;

use super::consumers::Consumers;
use crate::fair::{FairQueue, Flow};
use crate::limits::{EVICTION_SHARE, FAILURE_LIFE, FAILURES_MAX, UNREAD_LIFE};
use crate::load::{Load, LoadError, Outcomes, Stage, Waiting};
use crate::recency::Recency;
use crate::select;

/// Objects are immutable, so a place names its content for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct BlockKey {
    location: Location,
    byte_offset: u64,
}

/// The table of blocks, and the queue of loads.
#[derive(Default)]
pub(super) struct Table {
    slots: HashMap<BlockKey, Slot>,
    queue: FairQueue<Arc<Load>>,
    chunks: HashMap<u64, Chunk>,
    /// Chunks with blocks that nobody has read yet, and chunks without.
    unread: Recency<u64>,
    read: Recency<u64>,
    consumers: Consumers,
    victims: Victims,
    last_chunk: u64,
    failures: HashMap<BlockKey, (Instant, LoadError)>,
    /// Bytes of loads that run.
    pub(super) in_flight: u64,
    stopped: bool,
}

enum Slot {
    Loading { load: Arc<Load>, index: usize },
    Ready { chunk: u64, block: Block, read: bool },
}

/// What came with one GET and leaves together.
struct Chunk {
    partition: PartitionId,
    last_offset: i64,
    /// Bytes per offset, about.
    density: f64,
    blocks: Vec<BlockKey>,
    unread: usize,
    used: Instant,
}

/// Chunks to evict, the next one last.
struct Victims {
    numbers: Vec<u64>,
    chosen: Instant,
}

/// Where a block is.
pub(super) enum Found {
    Ready(Block),
    Running(Waiting),
    Queued(Waiting),
    Failed(LoadError),
    Unknown,
}

impl Table {
    /// A consumer goes on from the block that starts at `offset`.
    pub(super) fn reads(&mut self, flow: &Flow, partition: PartitionId, offset: i64) {
        self.consumers.reads(flow, partition, offset);
    }

    /// Whether the block is there or on its way.
    pub(super) fn knows(&self, extent: &Extent) -> bool {
        self.slots.contains_key(&BlockKey::of(extent))
    }

    /// Queues loads for what is neither there, nor on its way, nor failed a moment ago; for how many
    /// blocks.
    pub(super) fn want(
        &mut self,
        flow: &Flow,
        partition: PartitionId,
        extents: &[Extent],
    ) -> usize {
        if self.stopped {
            return 0;
        }
        let unwanted = |extent: &Extent| self.knows(extent) || self.failure(extent).is_some();
        let missing: Vec<_> = extents.split(unwanted).flat_map(select::runs).collect();
        let blocks = missing.iter().map(|run| run.len()).sum();
        for run in missing {
            let load = Load::new(flow.clone(), partition, run.to_vec());
            for (index, extent) in run.iter().enumerate() {
                let slot = Slot::Loading { load: Arc::clone(&load), index };
                self.slots.insert(BlockKey::of(extent), slot);
            }
            self.queue.push(flow, load.bytes(), load);
        }
        blocks
    }

    pub(super) fn find(&mut self, extent: &Extent) -> Found {
        let key = BlockKey::of(extent);
        match self.slots.get_mut(&key) {
            Some(Slot::Ready { chunk, block, read }) => {
                let (chunk, block, first) = (*chunk, block.clone(), !*read);
                *read = true;
                self.used(chunk, first);
                Found::Ready(block)
            }
            Some(Slot::Loading { load, index }) if load.is_queued() => {
                Found::Queued(load.waiting(*index))
            }
            Some(Slot::Loading { load, index }) => Found::Running(load.waiting(*index)),
            None => self.failure(extent).map_or(Found::Unknown, Found::Failed),
        }
    }

    pub(super) fn renew(&self, extents: &[Extent]) {
        for extent in extents {
            if let Some(Slot::Loading { load, .. }) = self.slots.get(&BlockKey::of(extent)) {
                load.renew();
            }
        }
    }

    /// The load whose turn it is, left in the queue. Loads that nobody wants any more are dropped.
    pub(super) fn next(&mut self) -> Option<Arc<Load>> {
        while let Some(load) = self.queue.peek().cloned() {
            if load.is_wanted() {
                return Some(load);
            }
            let _ = self.queue.pop();
            self.give_up(&load);
        }
        None
    }

    /// Takes the load that [`Table::next`] showed out of the queue: it has its memory.
    pub(super) fn begin(&mut self) {
        if let Some(load) = self.queue.pop() {
            self.in_flight += load.bytes();
            load.enter(Stage::Running);
        }
    }

    /// Takes in what came of a load that ran, and tells those who wait.
    pub(super) fn end(&mut self, load: &Load, outcomes: &Outcomes) {
        self.in_flight -= load.bytes();
        self.last_chunk += 1;
        let mut blocks = Vec::new();
        for (extent, outcome) in load.extents.iter().zip(outcomes.iter()) {
            let key = BlockKey::of(extent);
            match outcome {
                Ok(block) => {
                    let (chunk, block) = (self.last_chunk, block.clone());
                    self.slots.insert(key.clone(), Slot::Ready { chunk, block, read: false });
                    blocks.push(key);
                }
                Err(error) => {
                    self.slots.remove(&key);
                    self.note_failure(key, error);
                }
            }
        }
        if !blocks.is_empty() {
            self.chunks.insert(self.last_chunk, Chunk::of(load, blocks));
            self.unread.used(self.last_chunk);
        }
        load.enter(Stage::Done(Arc::clone(outcomes)));
    }

    /// Drops the blocks of one GET: of those that were read, the one that is needed last; else one
    /// that was to be read long since. False if there is none.
    pub(super) fn evict(&mut self) -> bool {
        let victim = self.needed_last().or_else(|| {
            let unread = self.unread.oldest()?;
            (self.chunks[&unread].used.elapsed() >= UNREAD_LIFE).then_some(unread)
        });
        let Some(number) = victim else { return false };
        self.read.remove(&number);
        self.unread.remove(&number);
        let chunk = self.chunks.remove(&number);
        for key in chunk.into_iter().flat_map(|chunk| chunk.blocks) {
            self.slots.remove(&key);
        }
        true
    }

    /// Of the chunks that were read, one that consumers come to last, or never.
    fn needed_last(&mut self) -> Option<u64> {
        if self.victims.numbers.is_empty() {
            self.choose_victims();
        }
        while let Some(number) = self.victims.numbers.pop() {
            let chunk = self.chunks.get(&number);
            if chunk.is_some_and(|chunk| chunk.used <= self.victims.chosen) {
                return Some(number);
            }
        }
        self.read.oldest()
    }

    /// Looks at all chunks once for many evictions: of those that are needed equally late, what was
    /// used longest ago goes first.
    fn choose_victims(&mut self) {
        let needed_after = |number: u64| {
            let chunk = &self.chunks[&number];
            let offsets = self.consumers.until(chunk.partition, chunk.last_offset)?;
            Some((offsets as f64 * chunk.density) as u64)
        };
        let read = self.read.oldest_first();
        let mut ranked: Vec<_> =
            read.map(|number| (needed_after(number).unwrap_or(u64::MAX), number)).collect();
        ranked.sort_by_key(|(bytes, _)| Reverse(*bytes));
        ranked.truncate(ranked.len().div_ceil(EVICTION_SHARE));
        let numbers = ranked.into_iter().rev().map(|(_, number)| number).collect();
        self.victims = Victims { numbers, chosen: Instant::now() };
    }

    /// A block of the chunk was read, for the `first` time or again.
    fn used(&mut self, number: u64, first: bool) {
        let Some(chunk) = self.chunks.get_mut(&number) else { return };
        chunk.used = Instant::now();
        chunk.unread -= usize::from(first);
        if chunk.unread == 0 {
            self.unread.remove(&number);
            self.read.used(number);
        } else {
            self.unread.used(number);
        }
    }

    /// Ends all that is queued, and takes in no more.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        while let Some(load) = self.queue.pop() {
            self.give_up(&load);
        }
    }

    fn give_up(&mut self, load: &Load) {
        for extent in &load.extents {
            self.slots.remove(&BlockKey::of(extent));
        }
        load.fail(&LoadError::Stopped);
    }

    fn failure(&self, extent: &Extent) -> Option<LoadError> {
        let (failed, error) = self.failures.get(&BlockKey::of(extent))?;
        (failed.elapsed() < FAILURE_LIFE).then(|| error.clone())
    }

    /// Remembers what is true of the object whoever asks. That a block is not what a plan says may
    /// be the fault of that plan.
    fn note_failure(&mut self, key: BlockKey, error: &LoadError) {
        let LoadError::Store(cause) = error else { return };
        if !cause.is_transient() && !cause.is_not_found() {
            return;
        }
        if self.failures.len() >= FAILURES_MAX {
            self.failures.retain(|_, (failed, _)| failed.elapsed() < FAILURE_LIFE);
        }
        if self.failures.len() < FAILURES_MAX {
            self.failures.insert(key, (Instant::now(), error.clone()));
        }
    }
}

impl Chunk {
    fn of(load: &Load, blocks: Vec<BlockKey>) -> Self {
        let (first, last) = (&load.extents[0], &load.extents[load.extents.len() - 1]);
        let offsets = last.last_offset - first.base_offset + 1;
        Self {
            partition: load.partition,
            last_offset: last.last_offset,
            density: load.bytes() as f64 / offsets.max(1) as f64,
            unread: blocks.len(),
            blocks,
            used: Instant::now(),
        }
    }
}

impl Default for Victims {
    fn default() -> Self {
        Self { numbers: Vec::new(), chosen: Instant::now() }
    }
}

impl BlockKey {
    fn of(extent: &Extent) -> Self {
        Self { location: extent.location.clone(), byte_offset: extent.byte_offset }
    }
}
