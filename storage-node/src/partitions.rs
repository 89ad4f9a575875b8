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
    /// Those this incarnation gave up: what it appended to them is in no ended log yet, unless a
    /// CLOSE says where it ends.
    closed: RwLock<HashMap<PartitionId, Option<Released>>>,
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

    /// Whether this incarnation has served the partition and stopped without a CLOSE.
    pub(crate) fn was_open(&self, id: PartitionId) -> bool {
        self.closed.read().get(&id).is_some_and(Option::is_none)
    }

    /// Where the partition left this log in `epoch`, if it did.
    pub(crate) fn released(&self, id: PartitionId, epoch: i32) -> Option<Released> {
        let released = self.closed.read().get(&id).copied().flatten();
        released.filter(|released| released.epoch == epoch)
    }

    /// Begins to serve a partition.
    pub(crate) fn insert(&self, partition: Arc<Partition>) {
        let mut open = self.open.write();
        self.closed.write().remove(&partition.id());
        let before = open.insert(partition.id(), partition);
        assert!(before.is_none(), "a partition is opened once per epoch (R2)");
    }

    /// Lets go of a partition whose CLOSE is durable.
    pub(crate) fn release(&self, id: PartitionId, released: Released) {
        let mut open = self.open.write();
        self.closed.write().insert(id, Some(released));
        open.remove(&id);
    }

    /// Stops to serve a partition; everybody who waits on it hears `code`.
    pub(crate) fn remove(&self, id: PartitionId, code: ErrorCode) -> Option<Arc<Partition>> {
        let mut open = self.open.write();
        let partition = open.remove(&id)?;
        self.closed.write().insert(id, None);
        drop(open);
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
