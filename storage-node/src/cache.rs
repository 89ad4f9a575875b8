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

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::ids::PartitionId;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use crate::limits::{
    HOT_BATCH_OVERHEAD_BYTES, OBJECT_BATCH_OVERHEAD_BYTES, OBJECT_PARTITION_OVERHEAD_BYTES,
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
    /// but at least one.
    pub(crate) fn cut(&self, object_bytes_max: usize) -> Option<UploadCut> {
        let queue = self.queue.lock();
        let mut pending = queue.residents.range(queue.uploaded..).peekable();
        let mut lsn = pending.peek()?.lsn;
        let mut ranges: HashMap<PartitionId, (Arc<Partition>, i64, i64)> = HashMap::new();
        let mut object_bytes = 0;
        for resident in pending {
            let partition = &resident.partition;
            let mut bytes = resident.bytes + OBJECT_BATCH_OVERHEAD_BYTES;
            if !ranges.contains_key(&partition.id()) {
                bytes += OBJECT_PARTITION_OVERHEAD_BYTES;
            }
            if object_bytes > 0 && object_bytes + bytes > object_bytes_max {
                break;
            }
            object_bytes += bytes;
            lsn.end = resident.lsn.end;
            ranges
                .entry(partition.id())
                .and_modify(|range| range.2 = resident.last_offset)
                .or_insert_with(|| {
                    (Arc::clone(partition), resident.base_offset, resident.last_offset)
                });
        }
        drop(queue);
        let ranges = ranges.into_values().collect();
        Some(UploadCut { lsn, ranges })
    }

    /// Everything below `upto` is in the object store and may be evicted.
    pub(crate) fn uploaded(&self, upto: Lsn) {
        let mut queue = self.queue.lock();
        while let Some(resident) = queue.residents.get(queue.uploaded) {
            if resident.lsn.end > upto {
                break;
            }
            let bytes = resident.bytes;
            queue.pending_bytes -= bytes;
            queue.uploaded += 1;
        }
        // What is left came in while the upload ran: counting its age from now is close enough.
        let waiting = queue.residents.len() > queue.uploaded;
        queue.pending_since = waiting.then(Instant::now);
        let victims = queue.over_budget(self.budget_bytes);
        drop(queue);
        evict(victims);
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
    /// Takes out the oldest uploaded batches until the budget holds.
    fn over_budget(&mut self, budget_bytes: usize) -> Vec<Resident> {
        let mut victims = Vec::new();
        while self.resident_bytes > budget_bytes && self.uploaded > 0 {
            let Some(victim) = self.residents.pop_front() else { break };
            self.uploaded -= 1;
            self.resident_bytes -= cost(&victim);
            victims.push(victim);
        }
        victims
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
