//! Cold reads: fetches below the hot floor, done in the background of the fetch that wanted them.
//!
//! A cold read may take longer than its client is willing to wait, and a mixed fetch must not hold
//! back hot partitions for it. So every cold read is a task of its own, known by exactly what it
//! reads. A fetch that finds it done takes the result; one that does not leaves it running, and the
//! next fetch, which asks for the same, finds it. Were it cancelled with the fetch, a slow object
//! store would mean that nothing ever loads.
//!
//! ```text
//! fetch 1 ──start──► [reading ················ done]        answered without it
//! fetch 2 ─────────────────────────────────────► take       answered with it at once
//! ```
//!
//! Results that nobody takes are bounded in bytes and forgotten after a minute.
//!
//! Where a read ended is remembered: a fetch that starts there comes from below, which decides its
//! tier at the seam. Clients without sessions do not say more about themselves than that.

mod plans;
mod read;
mod search;

use std::sync::Arc;

use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::fetch::FetchPartition;
use protocol::ids::PartitionId;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use self::plans::Plans;
use crate::context::Context;
use crate::limits::{COLD_ENDS_MAX, COLD_FAILURE_LIFE, COLD_READ_LIFE, COLD_READ_TIMEOUT};
use crate::lru::Lru;
use crate::metrics;
use crate::route::tier::Tier;

pub(crate) use self::search::{Search, Searched, search};

/// What is to be read. Equal wants are one read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Want {
    pub(crate) partition: PartitionId,
    pub(crate) offset: i64,
    pub(crate) read_committed: bool,
    pub(crate) max_bytes: i32,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Records, with the offsets that the plan said.
    Records {
        partition: FetchPartition,
        /// The offset after the last of them.
        next_offset: i64,
    },
    /// An error for the client.
    Failed(FetchPartition),
    /// The owner serves this offset itself by now.
    Hot,
}

/// The cold reads under way or waiting to be taken.
#[derive(Debug)]
pub(crate) struct ColdReads {
    table: Mutex<Table>,
    plans: Plans,
    ends: Mutex<Lru<(PartitionId, i64), ()>>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Table {
    reads: Lru<Want, Entry>,
    bytes: usize,
    last_number: u64,
}

#[derive(Debug)]
struct Entry {
    reading: Reading,
    /// What it may become while it is under way, what it is when done.
    bytes: usize,
    /// Tells it from a later read of the same.
    number: u64,
}

/// A cold read, as seen by a fetch that waits for it.
#[derive(Debug, Clone)]
pub(crate) struct Reading(watch::Receiver<Option<Arc<Outcome>>>);

// === impl ColdReads ===

impl ColdReads {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { table: Mutex::default(), plans: Plans::default(), ends: Mutex::default(), bytes_max }
    }

    /// The tier that the last records before `offset` came from, for somebody who fetches there.
    pub(crate) fn tier_before(&self, partition: PartitionId, offset: i64) -> Tier {
        let ended_there = self.ends.lock().contains(&(partition, offset));
        if ended_there { Tier::Cold } else { Tier::Hot }
    }

    fn ended(&self, partition: PartitionId, next_offset: i64) {
        let mut ends = self.ends.lock();
        if ends.len() >= COLD_ENDS_MAX {
            let oldest = ends.oldest_first().next().map(|(end, ())| *end);
            oldest.and_then(|end| ends.remove(&end));
        }
        ends.insert((partition, next_offset), ());
    }

    /// No single read may take more than a part of the memory.
    pub(crate) fn bound(&self, max_bytes: i32) -> i32 {
        max_bytes.min(i32::try_from(self.bytes_max / 4).unwrap_or(i32::MAX))
    }

    /// The read of `want`: the one that is known, or a new one. `None` if there is no memory for
    /// it; the next fetch tries again.
    pub(crate) fn start(&self, context: &Context, want: Want) -> Option<Reading> {
        let mut table = self.table.lock();
        if let Some(entry) = table.reads.get(&want) {
            return Some(entry.reading.clone());
        }
        let bytes = usize::try_from(want.max_bytes).unwrap_or(0);
        if !table.make_room(bytes, self.bytes_max) {
            return None;
        }
        let (sender, receiver) = watch::channel(None);
        let reading = Reading(receiver);
        table.last_number += 1;
        let number = table.last_number;
        table.bytes += bytes;
        table.reads.insert(want, Entry { reading: reading.clone(), bytes, number });
        drop(table);
        let read = run(context.clone(), want, number, sender);
        drop(context.core.drain.spawn("cold read", read));
        Some(reading)
    }

    /// Forgets a read whose outcome was used: its offset will not be asked for again, or should be
    /// tried again.
    pub(crate) fn taken(&self, want: &Want) {
        self.table.lock().remove(want);
    }

    fn finished(&self, want: &Want, number: u64, bytes: usize) {
        let mut table = self.table.lock();
        let Some(entry) = table.reads.get(want).filter(|entry| entry.number == number) else {
            return;
        };
        let before = std::mem::replace(&mut entry.bytes, bytes);
        table.bytes = table.bytes - before + bytes;
    }

    fn forget(&self, want: &Want, number: u64) {
        let mut table = self.table.lock();
        if table.reads.peek(want).is_some_and(|entry| entry.number == number) {
            table.remove(want);
        }
    }
}

/// One cold read from start to forgotten.
async fn run(
    context: Context,
    want: Want,
    number: u64,
    sender: watch::Sender<Option<Arc<Outcome>>>,
) {
    let (reads, begun) = (&context.core.cold, Instant::now());
    let outcome = timeout(COLD_READ_TIMEOUT, read::read(&context, &reads.plans, want)).await;
    let outcome = outcome.unwrap_or_else(|_| failed(want, ErrorCode::KafkaStorageError));
    metrics::cold_read(begun.elapsed());
    let kept = match &outcome {
        Outcome::Records { partition, next_offset } => {
            reads.ended(want.partition, *next_offset);
            Some((partition.records_len(), COLD_READ_LIFE))
        }
        // A client that does not wait at all hears of it with its next fetch, or never.
        Outcome::Failed(_) => Some((0, COLD_FAILURE_LIFE)),
        Outcome::Hot => None,
    };
    if let Some((bytes, _)) = kept {
        reads.finished(&want, number, bytes);
    }
    sender.send_replace(Some(Arc::new(outcome)));
    if let Some((_, life)) = kept {
        tokio::select! {
            () = sleep(life) => {}
            () = sender.closed() => {}
            () = context.core.drain.draining() => {}
        }
    }
    reads.forget(&want, number);
}

/// A partition that could not be read.
fn failed(want: Want, error: ErrorCode) -> Outcome {
    Outcome::Failed(FetchPartition::error(want.partition.index, error))
}

// === impl Table ===

impl Table {
    fn remove(&mut self, want: &Want) {
        if let Some(entry) = self.reads.remove(want) {
            self.bytes -= entry.bytes;
        }
    }

    /// Drops finished reads that nobody took, the oldest first, until `bytes` more fit.
    fn make_room(&mut self, bytes: usize, max: usize) -> bool {
        while self.bytes + bytes > max {
            let finished = |entry: &Entry| entry.reading.outcome().is_some();
            let oldest = self.reads.oldest_first().find(|(_, entry)| finished(entry));
            let Some(want) = oldest.map(|(want, _)| *want) else { return false };
            self.remove(&want);
        }
        true
    }
}

// === impl Reading ===

impl Reading {
    /// The outcome, if there is one yet.
    pub(crate) fn outcome(&self) -> Option<Arc<Outcome>> {
        self.0.borrow().clone()
    }

    /// Waits for the outcome; `None` if the read was given up.
    pub(crate) async fn done(mut self) -> Option<Arc<Outcome>> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}
