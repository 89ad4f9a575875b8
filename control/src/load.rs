//! What the nodes say of their load, for as long as this process leads.
//!
//! The leader asks every node once a second. Nothing of it is stored: a new leader knows as much
//! after a second, and whoever has nothing to say is taken for average.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::join_all;
use hop::{
    HopHeader, Peers,
    internal::{DescribeLoadRequest, DescribeLoadResponse, TopicLoad, Traffic},
};
use metadata::{
    ClusterView,
    model::{NodeRecord, NodeState},
};
use parking_lot::RwLock;
use protocol::ids::{NodeId, PartitionId, TenantId};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::limits::{LOAD_INTERVAL, LOAD_LANE, LOAD_LIFE, LOAD_OF_PARTITION_LIFE, LOAD_PATIENCE};

/// What was heard of late. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loads(Arc<RwLock<State>>);

#[derive(Debug, Default)]
struct State {
    nodes: HashMap<NodeId, NodeLoad>,
    partitions: HashMap<PartitionId, Known>,
}

/// A node's last report.
#[derive(Clone, Debug)]
pub(crate) struct NodeLoad {
    pub(crate) traffic: Traffic,
    pub(crate) cpu_permille: u32,
    pub(crate) memory_bytes: u64,
    /// Partitions it serves.
    pub(crate) partitions: u32,
    heard_at: Instant,
    /// An average one of those that the report does not name.
    other: Option<Traffic>,
}

/// A partition's traffic, whichever node it was on.
#[derive(Clone, Copy, Debug)]
struct Known {
    traffic: Traffic,
    heard_at: Instant,
}

// === impl Loads ===

impl Loads {
    /// Takes a report.
    pub(crate) fn hear(&self, node: NodeId, report: &DescribeLoadResponse, now: Instant) {
        let mut state = self.0.write();
        let load = NodeLoad {
            traffic: report.traffic.unwrap_or_default(),
            cpu_permille: report.cpu_permille,
            memory_bytes: report.memory_bytes,
            partitions: report.partitions,
            heard_at: now,
            other: average(report.others_traffic.unwrap_or_default(), report.others),
        };
        state.nodes.insert(node, load);
        for (id, traffic) in report.topics.iter().flat_map(TopicLoad::partitions) {
            state.partitions.insert(id, Known { traffic, heard_at: now });
        }
    }

    /// Forgets what is old: nodes and topics come and go.
    pub(crate) fn forget(&self, now: Instant) {
        let mut state = self.0.write();
        state.nodes.retain(|_, load| now - load.heard_at < LOAD_LIFE);
        state.partitions.retain(|_, known| now - known.heard_at < LOAD_OF_PARTITION_LIFE);
    }

    /// A node's last report, if it is not old.
    pub(crate) fn node(&self, node: NodeId) -> Option<NodeLoad> {
        self.0.read().nodes.get(&node).cloned()
    }

    /// What is known of one partition.
    pub(crate) fn partition(&self, id: PartitionId) -> Option<Traffic> {
        self.0.read().partitions.get(&id).map(|known| known.traffic)
    }

    /// What is known of each of these partitions, given their nodes.
    pub(crate) fn traffic(
        &self,
        partitions: impl Iterator<Item = (PartitionId, NodeId)>,
    ) -> Vec<Option<Traffic>> {
        let state = self.0.read();
        let traffic = partitions.map(|(id, node)| match state.partitions.get(&id) {
            Some(known) => Some(known.traffic),
            None => state.nodes.get(&node)?.other,
        });
        traffic.collect()
    }
}

fn average(sum: Traffic, count: u32) -> Option<Traffic> {
    let count = u64::from(count);
    Some(Traffic {
        bytes_in: sum.bytes_in.checked_div(count)?,
        bytes_out: sum.bytes_out.checked_div(count)?,
        requests: sum.requests.checked_div(count)?,
    })
}

/// Asks every node once a second; whoever runs it ends it with the leadership.
pub(crate) async fn collect(loads: Loads, view: ClusterView, peers: Peers) {
    let mut ticks = interval(LOAD_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let nodes = view.nodes();
        let live = nodes.iter().filter(|node| node.state == NodeState::Live);
        let asked = live.filter(|node| view.node_is_up(node.node));
        // One that does not answer holds up nobody for longer than this.
        join_all(asked.map(|node| ask(&loads, &peers, node, LOAD_PATIENCE))).await;
        loads.forget(Instant::now());
    }
}

async fn ask(loads: &Loads, peers: &Peers, node: &NodeRecord, patience: Duration) {
    // Not behind what control has to say to its nodes.
    let header = HopHeader { lane: LOAD_LANE, ..HopHeader::internal(TenantId::SYSTEM, patience) };
    match peers.peer(&node.address).ask(header, DescribeLoadRequest {}).await {
        Ok(report) if report.log_id == node.log_id => {
            loads.hear(node.node, &report, Instant::now());
        }
        // The next incarnation is asked when its record shows.
        Ok(_) => {}
        Err(error) => tracing::debug!(node = %node.node, %error, "no word of a node's load"),
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::TopicId;
    use uuid::Uuid;

    use super::*;

    fn id(index: i32) -> PartitionId {
        PartitionId::new(TenantId(1), TopicId(Uuid::from_u128(1)), index)
    }

    fn traffic(bytes_in: u64) -> Traffic {
        Traffic { bytes_in, ..Traffic::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_partition_is_known_by_its_last_report_wherever_it_is_and_the_rest_on_average() {
        let (loads, now) = (Loads::default(), Instant::now());
        let report = DescribeLoadResponse {
            topics: TopicLoad::group([(id(0), traffic(500))]),
            others: 4,
            others_traffic: Some(traffic(40)),
            ..DescribeLoadResponse::default()
        };
        loads.hear(NodeId(1), &report, now);
        let on = |node| [(id(0), NodeId(node)), (id(1), NodeId(node))].into_iter();
        let known = |node| loads.traffic(on(node));
        assert_eq!(known(1), [Some(traffic(500)), Some(traffic(10))]);
        assert_eq!(known(2), [Some(traffic(500)), None], "it has moved, and is what it was");
        loads.forget(now + LOAD_LIFE);
        assert_eq!(known(1), [Some(traffic(500)), None], "the node is silent");
        assert!(loads.node(NodeId(1)).is_none());
        loads.forget(now + LOAD_OF_PARTITION_LIFE);
        assert_eq!(known(1), [None, None]);
    }
}
