//! The rest of the cluster, as coordinators of transactions see it.
//!
//! One implementation is the cluster itself ([`Cluster`]); the other is the tests'.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hop::internal::{
    AddTxnPartitionsRequest, AddTxnPartitionsResponse, TxnMarker, WriteTxnMarkersRequest,
};
use hop::{HopError, HopHeader, Peers};
use metadata::ClusterView;
use protocol::ErrorCode;
use protocol::ids::{PartitionId, TenantId, coordinator_index};

use crate::groups::limits::{MARKER_CALL_TIMEOUT, PRODUCER_IDS_TIMEOUT};
use crate::producer_ids::ProducerIds;

/// Who has a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// The node at this address.
    At(String),
    /// Nobody at the moment.
    Nobody,
    /// Nobody ever again: its topic was deleted.
    Gone,
}

/// See the module.
#[async_trait]
pub(crate) trait Neighbours: Send + Sync + 'static {
    /// Who has a partition. What is not known is looked up before it counts as gone.
    async fn owner(&self, partition: PartitionId) -> Owner;

    /// Asks the node at `address` to write a marker into partitions of its own. The outcome of
    /// each, in their order.
    async fn write_marker(
        &self,
        address: &str,
        tenant: TenantId,
        marker: TxnMarker,
    ) -> Result<Vec<ErrorCode>, HopError>;

    /// Asks a transaction's coordinator about partitions. The outcome of each, in their order.
    async fn add_partitions(
        &self,
        tenant: TenantId,
        request: AddTxnPartitionsRequest,
        deadline: Duration,
    ) -> Vec<ErrorCode>;

    /// Producer ids that nobody else has or will get. None if there are none just now.
    async fn producer_ids(&self, count: usize) -> Vec<i64>;
}

/// The nodes of the cluster.
pub(crate) struct Cluster {
    pub(crate) view: ClusterView,
    pub(crate) peers: Peers,
    pub(crate) producer_ids: Arc<ProducerIds>,
}

#[async_trait]
impl Neighbours for Cluster {
    async fn owner(&self, partition: PartitionId) -> Owner {
        if let Some((node, _)) = self.view.owner(partition) {
            return Owner::At(node.address.clone());
        }
        let known = || self.view.topic_by_id(partition.tenant, partition.topic).is_some();
        // The view may lag behind, and what is taken for deleted gets no marker (T11).
        if !known() && self.view.refresh().await.is_ok() && !known() {
            return Owner::Gone;
        }
        Owner::Nobody
    }

    async fn write_marker(
        &self,
        address: &str,
        tenant: TenantId,
        marker: TxnMarker,
    ) -> Result<Vec<ErrorCode>, HopError> {
        let header = HopHeader::internal(tenant, MARKER_CALL_TIMEOUT);
        let request = WriteTxnMarkersRequest { markers: vec![marker] };
        let answer = self.peers.peer(address).ask(header, request).await?;
        Ok(codes(&answer.error_codes))
    }

    async fn add_partitions(
        &self,
        tenant: TenantId,
        request: AddTxnPartitionsRequest,
        deadline: Duration,
    ) -> Vec<ErrorCode> {
        let asked = request.partitions.len();
        let refused = |code| vec![code; asked];
        let Some(address) = coordinator(&self.view, tenant, &request.transactional_id) else {
            return refused(ErrorCode::CoordinatorNotAvailable);
        };
        let header = HopHeader::internal(tenant, deadline);
        let answer = self.peers.peer(&address).ask(header, request).await;
        match answer {
            Ok(answer) if answer.error_codes.len() == asked => codes(&answer.error_codes),
            Ok(_) => refused(ErrorCode::CoordinatorNotAvailable),
            Err(error) => {
                tracing::debug!(%error, "a transaction's coordinator does not answer");
                refused(ErrorCode::CoordinatorNotAvailable)
            }
        }
    }

    async fn producer_ids(&self, count: usize) -> Vec<i64> {
        let mut ids = Vec::with_capacity(count);
        while ids.len() < count
            && let Some(id) = self.producer_ids.fresh(PRODUCER_IDS_TIMEOUT).await
        {
            ids.push(id);
        }
        ids
    }
}

/// The node that coordinates a transactional id of this tenant, as far as is known here.
pub(crate) fn coordinator(view: &ClusterView, tenant: TenantId, id: &str) -> Option<String> {
    let cluster = view.cluster()?;
    let index = coordinator_index(tenant, id, cluster.group_state_partitions);
    let partition = PartitionId::new(TenantId::SYSTEM, cluster.group_state_topic, index);
    view.owner(partition).map(|(node, _)| node.address.clone())
}

fn codes(codes: &[i32]) -> Vec<ErrorCode> {
    codes.iter().map(|code| ErrorCode::from_code(i16::try_from(*code).unwrap_or(-1))).collect()
}

/// Outcomes as they travel.
pub(crate) fn answer(codes: &[ErrorCode]) -> AddTxnPartitionsResponse {
    let error_codes = codes.iter().map(|code| code.code().into()).collect();
    AddTxnPartitionsResponse { error_codes }
}
