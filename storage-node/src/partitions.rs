//! The partitions this incarnation owns and serves.

use std::collections::{HashMap, HashSet};
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
    /// Those this incarnation gave up: what it appended to them is in no ended log yet.
    closed: RwLock<HashSet<PartitionId>>,
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

    /// Whether this incarnation has served the partition and stopped.
    pub(crate) fn was_open(&self, id: PartitionId) -> bool {
        self.closed.read().contains(&id)
    }

    /// Begins to serve a partition.
    pub(crate) fn insert(&self, partition: Arc<Partition>) {
        let before = self.open.write().insert(partition.id(), partition);
        assert!(before.is_none(), "a partition is opened once per incarnation (R2)");
    }

    /// Stops to serve a partition; everybody who waits on it hears `code`.
    pub(crate) fn remove(&self, id: PartitionId, code: ErrorCode) -> Option<Arc<Partition>> {
        let mut open = self.open.write();
        let partition = open.remove(&id)?;
        self.closed.write().insert(id);
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
