//! The seam to the coordinators of groups and transactions that this node hosts.
//!
//! Their state lives in internal partitions; whoever owns such a partition answers for its
//! groups (ADR 0005) and transactional ids (ADR 0020). The node tells the host which partitions come and go and hands it group requests; the
//! host appends to the partition like any producer and answers once that is durable.

use std::sync::Arc;

use futures::future::BoxFuture;
use hop::{HopRequest, Response};
use protocol::ids::{PartitionId, TopicId};

use crate::partition::Partition;

/// Hosts the coordinators of the group-state partitions of this node.
pub(crate) trait GroupHost: Send + Sync + 'static {
    /// Answers a request to coordinators, as [`hop::Handler::call`] does.
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response>;

    /// Whether the coordinators keep their state in this topic.
    fn keeps_state_in(&self, topic: TopicId) -> bool;

    /// A partition serves from now on. Of all partitions, the host picks the ones it knows.
    fn opened(&self, partition: &Arc<Partition>);

    /// A partition does not serve any more.
    fn closed(&self, partition: PartitionId);
}
