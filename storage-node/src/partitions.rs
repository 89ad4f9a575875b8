//! The partitions this incarnation owns and serves.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use protocol::ErrorCode;
use protocol::ids::PartitionId;

use crate::partition::Partition;

/// See the module. A partition is in here from the moment its claim is committed and its state
/// complete (T1); whoever asks earlier is told that the node is not the leader.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    open: RwLock<HashMap<PartitionId, Arc<Partition>>>,
    /// The last epoch in which this incarnation has served each. What it appended then is in no
    /// ended log yet, so that epoch is never begun a second time.
    served: RwLock<HashMap<PartitionId, i32>>,
    /// Those that left by a CLOSE and did not come back.
    released: RwLock<HashMap<PartitionId, Released>>,
}

/// Where a partition left this incarnation's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Released {
    /// The epoch that is over.
    pub(crate) epoch: i32,
    /// The slot of the CLOSE.
    pub(crate) slot: u64,
}

impl Partitions {
    /// The partition, if it serves.
    pub(crate) fn find(&self, id: PartitionId) -> Option<Arc<Partition>> {
        self.open.read().get(&id).cloned()
    }

    /// All of them, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        self.open.read().values().cloned().collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.open.read().len()
    }

    /// Whether this incarnation has served the partition in `epoch`, or in a later one.
    pub(crate) fn has_served(&self, id: PartitionId, epoch: i32) -> bool {
        self.served.read().get(&id).is_some_and(|served| *served >= epoch)
    }

    /// Where the partition left this log in `epoch`, if it did.
    pub(crate) fn released(&self, id: PartitionId, epoch: i32) -> Option<Released> {
        let released = self.released.read().get(&id).copied();
        released.filter(|released| released.epoch == epoch)
    }

    /// All that left by a CLOSE and did not come back.
    pub(crate) fn all_released(&self) -> Vec<(PartitionId, Released)> {
        self.released.read().iter().map(|(id, released)| (*id, *released)).collect()
    }

    /// Whether it is this one that serves, and not another epoch of the same partition.
    pub(crate) fn is_open(&self, partition: &Arc<Partition>) -> bool {
        self.find(partition.id()).is_some_and(|open| Arc::ptr_eq(&open, partition))
    }

    /// Begins to serve a partition.
    pub(crate) fn insert(&self, partition: Arc<Partition>) {
        let (id, epoch) = (partition.id(), partition.epoch());
        assert!(!self.has_served(id, epoch), "a partition is opened once per epoch (R2)");
        let mut open = self.open.write();
        self.served.write().insert(id, epoch);
        self.released.write().remove(&id);
        let before = open.insert(id, partition);
        assert!(before.is_none(), "a partition is opened when its last epoch is closed (R2)");
    }

    /// Lets go of a partition whose CLOSE is durable, unless it is gone already.
    pub(crate) fn release(&self, partition: &Arc<Partition>, released: Released) {
        let id = partition.id();
        let mut open = self.open.write();
        // Never a later epoch of it, which this CLOSE says nothing of.
        if open.get(&id).is_some_and(|open| Arc::ptr_eq(open, partition)) {
            self.released.write().insert(id, released);
            open.remove(&id);
        }
    }

    /// Stops to serve a partition; everybody who waits on it hears `code`.
    pub(crate) fn remove(&self, id: PartitionId, code: ErrorCode) -> Option<Arc<Partition>> {
        let partition = self.open.write().remove(&id)?;
        partition.close(code);
        Some(partition)
    }

    /// Refuses every request from now on; the partitions stay for the last uploads and the index.
    pub(crate) fn close_all(&self, code: ErrorCode) {
        for partition in self.all() {
            partition.close(code);
        }
    }
}
