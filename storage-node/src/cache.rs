//! The node's hot memory: every durable batch in log order, what of it is uploaded, and a budget.
//!
//! ```text
//! oldest                                                   newest
//!   | uploaded, evictable | durable, waits for its upload |<- commits
//!   ^ leaves first, when over budget
//! ```
//!
//! There is one queue for all partitions because blocks of the front hold batches of many: evicting
//! in log order is what really frees a block (ADR 0007), and uploading in log order is what lets
//! the front be trimmed (R25). A batch is never evicted before its upload, so while the object
//! store is down the memory grows with the front, whose size is the bound (R28).
//!
//! The front's thread takes the queue's lock for every batch, so whoever walks the queue does it in
//! steps and lets go in between.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::ids::PartitionId;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use crate::limits::{
    HOT_BATCH_OVERHEAD_BYTES, OBJECT_BATCH_OVERHEAD_BYTES, OBJECT_PARTITION_OVERHEAD_BYTES,
    QUEUE_STEP,
};
use crate::partition::Partition;
use crate::wal::{Lsn, LsnRange};

/// A durable batch as the cache sees it; its bytes are in its partition.
#[derive(Debug)]
pub(crate) struct Resident {
    pub(crate) lsn: LsnRange,
    pub(crate) partition: Arc<Partition>,
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) bytes: usize,
}

/// A prefix of what waits for upload: one data-log object.
#[derive(Debug)]
pub(crate) struct UploadCut {
    /// What of the front it covers.
    pub(crate) lsn: LsnRange,
    /// First and last offset of each partition in it.
    pub(crate) ranges: Vec<(Arc<Partition>, i64, i64)>,
}

/// An [`UploadCut`] being made.
struct Cut {
    left: usize,
    lsn: Option<LsnRange>,
    ranges: HashMap<PartitionId, (Arc<Partition>, i64, i64)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct HotCache {
    queue: Mutex<Queue>,
    budget_bytes: usize,
    upload_bytes: usize,
    enough_to_upload: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    residents: VecDeque<Resident>,
    /// How many of them, from the front, are uploaded.
    uploaded: usize,
    resident_bytes: usize,
    pending_bytes: usize,
    /// When the oldest batch that waits for upload came in.
    pending_since: Option<Instant>,
}

// === impl HotCache ===

impl HotCache {
    /// A cache that evicts beyond `budget_bytes` and asks for an upload at `upload_bytes`.
    pub(crate) fn new(budget_bytes: usize, upload_bytes: usize) -> Self {
        Self {
            queue: Mutex::new(Queue::default()),
            budget_bytes,
            upload_bytes,
            enough_to_upload: Notify::new(),
        }
    }

    /// Takes note of a batch that has just become durable. Called in log order.
    pub(crate) fn admit(&self, resident: Resident) {
        let mut queue = self.queue.lock();
        queue.resident_bytes += cost(&resident);
        queue.pending_bytes += resident.bytes;
        queue.pending_since.get_or_insert_with(Instant::now);
        queue.residents.push_back(resident);
        let enough = queue.pending_bytes >= self.upload_bytes;
        let victims = queue.over_budget(self.budget_bytes);
        drop(queue);
        if enough {
            self.enough_to_upload.notify_one();
        }
        evict(victims);
    }

    /// Sleeps until a full object waits, or something has waited for `age`. Safe to cancel.
    pub(crate) async fn upload_due(&self, age: Duration) {
        loop {
            let due = {
                let queue = self.queue.lock();
                if queue.pending_bytes >= self.upload_bytes {
                    return;
                }
                queue.pending_since.map(|since| since + age)
            };
            let enough = self.enough_to_upload.notified();
            match due {
                Some(due) if due <= Instant::now() => return,
                Some(due) => drop(tokio::time::timeout_at(due, enough).await),
                // Nothing waits; look again after the age, at the latest.
                None => drop(tokio::time::timeout(age, enough).await),
            }
        }
    }

    /// The next object: batches in log order as far as an object of `object_bytes_max` holds them,
    /// but at least one. One caller at a time.
    pub(crate) fn cut(&self, object_bytes_max: usize) -> Option<UploadCut> {
        let mut cut = Cut { left: object_bytes_max, lsn: None, ranges: HashMap::new() };
        let mut taken = 0;
        loop {
            let queue = self.queue.lock();
            // Evictions move both ends of the uploaded part alike, so this is where we were.
            let next = queue.residents.range(queue.uploaded + taken..).take(QUEUE_STEP);
            let fits = next.map(|resident| cut.add(resident)).take_while(|added| *added).count();
            drop(queue);
            taken += fits;
            if fits < QUEUE_STEP {
                break;
            }
        }
        Some(UploadCut { lsn: cut.lsn?, ranges: cut.ranges.into_values().collect() })
    }

    /// Everything below `upto` is in the object store and may be evicted.
    pub(crate) fn uploaded(&self, upto: Lsn) {
        loop {
            let mut queue = self.queue.lock();
            let marked = queue.mark_uploaded(upto);
            let victims = queue.over_budget(self.budget_bytes);
            drop(queue);
            let evicted = victims.len();
            evict(victims);
            if marked < QUEUE_STEP && evicted < QUEUE_STEP {
                return;
            }
        }
    }

    /// Lets go of everything: the incarnation is over. The queue holds the partitions and they the
    /// cache, so without this neither would ever be freed.
    pub(crate) fn clear(&self) {
        let queue = std::mem::take(&mut *self.queue.lock());
        drop(queue);
    }

    /// Bytes in memory, and how many of them wait for upload.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        let queue = self.queue.lock();
        (queue.resident_bytes, queue.pending_bytes)
    }
}

// === impl Queue ===

impl Queue {
    /// Marks a step's worth of batches that end at or below `upto`; how many.
    fn mark_uploaded(&mut self, upto: Lsn) -> usize {
        let pending = self.residents.range(self.uploaded..).take(QUEUE_STEP);
        let covered = pending.take_while(|resident| resident.lsn.end <= upto);
        let (count, bytes) =
            covered.fold((0, 0), |(count, bytes), resident| (count + 1, bytes + resident.bytes));
        self.uploaded += count;
        self.pending_bytes -= bytes;
        // What is left came in while the upload ran: counting its age from now is close enough.
        let waiting = self.residents.len() > self.uploaded;
        self.pending_since = waiting.then(Instant::now);
        count
    }

    /// Takes out the oldest uploaded batches until the budget holds, a step's worth at most.
    fn over_budget(&mut self, budget_bytes: usize) -> Vec<Resident> {
        let mut victims = Vec::new();
        while self.resident_bytes > budget_bytes && self.uploaded > 0 && victims.len() < QUEUE_STEP
        {
            let Some(victim) = self.residents.pop_front() else { break };
            self.uploaded -= 1;
            self.resident_bytes -= cost(&victim);
            victims.push(victim);
        }
        victims
    }
}

// === impl Cut ===

impl Cut {
    /// Takes the batch in, unless the object is full.
    fn add(&mut self, resident: &Resident) -> bool {
        let partition = &resident.partition;
        let mut bytes = resident.bytes + OBJECT_BATCH_OVERHEAD_BYTES;
        if !self.ranges.contains_key(&partition.id()) {
            bytes += OBJECT_PARTITION_OVERHEAD_BYTES;
        }
        if bytes > self.left && self.lsn.is_some() {
            return false;
        }
        self.left = self.left.saturating_sub(bytes);
        self.lsn.get_or_insert(resident.lsn).end = resident.lsn.end;
        self.ranges
            .entry(partition.id())
            .and_modify(|range| range.2 = resident.last_offset)
            .or_insert_with(|| (Arc::clone(partition), resident.base_offset, resident.last_offset));
        true
    }
}

/// Outside the queue's lock: a partition's lock is never taken inside it.
fn evict(victims: Vec<Resident>) {
    for victim in victims {
        victim.partition.evict_upto(victim.base_offset);
    }
}

fn cost(resident: &Resident) -> usize {
    resident.bytes + HOT_BATCH_OVERHEAD_BYTES
}
