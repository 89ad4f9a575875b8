//! Telling nodes what they own now, so that a new topic serves when its creation is answered.
//!
//! A node learns of its assignments from the metadata store anyway. This is faster, and it says
//! when the partition serves. Asking twice is harmless.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::join_all;
use hop::{
    HopHeader, Peers,
    internal::{OpenPartition, OpenPartitionsRequest},
};
use metadata::{ClusterView, model::NodeRecord};
use protocol::ids::{NodeId, PartitionId, TenantId};
use tokio::time::{sleep, timeout};

use crate::{
    assign::Assigned,
    limits::{OPEN_RETRY_PAUSE, OPENS_PER_CALL},
};

/// Asks nodes to open partitions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Opening {
    pub(crate) view: ClusterView,
    pub(crate) peers: Peers,
}

impl Opening {
    /// Waits until all of these serve, at most `patience`. Whether they do.
    pub(crate) async fn open(&self, assigned: Vec<Assigned>, patience: Duration) -> bool {
        let mut by_node = BTreeMap::<NodeId, Vec<PartitionId>>::new();
        for (node, partition) in assigned {
            by_node.entry(node).or_default().push(partition);
        }
        let calls = by_node.iter().flat_map(|(&node, partitions)| {
            let calls = partitions.chunks(OPENS_PER_CALL);
            calls.map(move |some| self.open_on(node, some.to_vec(), patience))
        });
        join_all(calls).await.into_iter().all(|served| served)
    }

    async fn open_on(
        &self,
        node: NodeId,
        mut closed: Vec<PartitionId>,
        patience: Duration,
    ) -> bool {
        let opening = async {
            while !closed.is_empty() {
                if let Some(record) = self.view.node(node) {
                    self.ask(&record, &mut closed, patience).await;
                }
                if !closed.is_empty() {
                    sleep(OPEN_RETRY_PAUSE).await;
                }
            }
        };
        let served = timeout(patience, opening).await.is_ok();
        if !served {
            tracing::warn!(%node, partitions = closed.len(), "partitions do not serve yet");
        }
        served
    }

    /// Asks once; leaves those that do not serve.
    async fn ask(
        &self,
        record: &Arc<NodeRecord>,
        closed: &mut Vec<PartitionId>,
        patience: Duration,
    ) {
        let request = OpenPartitionsRequest {
            partitions: closed.iter().map(|&partition| OpenPartition::new(partition)).collect(),
        };
        let header = HopHeader::internal(TenantId::SYSTEM, patience);
        match self.peers.peer(&record.address).ask(header, request).await {
            Ok(response) => {
                let mut codes = response.error_codes.into_iter();
                closed.retain(|_| codes.next() != Some(0));
            }
            Err(error) => tracing::debug!(node = %record.node, %error, "node cannot be asked"),
        }
    }
}
