//! What the API shows, put together from the view, the load reports and the board.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hop::internal::Traffic;
use metadata::{
    Topic,
    model::{NodeRecord, NodeState},
    settings::placement::{Duty, Placement},
};
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};

use super::{
    Api,
    model::{
        MoveInfo, MovesInfo, NodeInfo, NodeLoadInfo, PartitionInfo, Partitions, PinInfo, Status,
        TopicInfo, TrafficInfo,
    },
    routes::Query,
};
use crate::{
    balance::{
        plan::{Move, Reason},
        survey::{self, Group},
    },
    load::NodeLoad,
};

pub(super) fn status(api: &Api) -> Status {
    let (nodes, topics) = (api.view.nodes(), api.view.all_topics());
    let (up, gone): (Vec<_>, Vec<_>) =
        nodes.iter().partition(|node| api.view.node_is_up(node.node));
    let missing = gone.iter().filter(|node| !api.view.assigned_to(node.node).is_empty());
    let owners = || topics.iter().flat_map(|topic| &topic.owners);
    let moves = api.board.read();
    Status {
        cluster_id: api.view.cluster().map(|it| it.cluster_id.clone()).unwrap_or_default(),
        leader: api.control_id.clone(),
        nodes_up: up.len(),
        nodes_missing: missing.count(),
        gateways: api.view.gateways().len(),
        readers: api.view.readers().len(),
        topics: topics.len(),
        partitions: owners().count(),
        unassigned: owners().filter(|owner| owner.is_none()).count(),
        moves_under_way: moves.under_way.len(),
        moves_waiting: moves.waiting_count,
    }
}

pub(super) fn nodes(api: &Api) -> Vec<NodeInfo> {
    let placement = survey::placement(&api.view);
    let mut nodes = api.view.nodes();
    nodes.sort_unstable_by_key(|node| node.node);
    nodes.iter().map(|record| node_info(api, &placement, record)).collect()
}

pub(super) fn node(api: &Api, node: NodeId) -> Option<NodeInfo> {
    let placement = survey::placement(&api.view);
    Some(node_info(api, &placement, &*api.view.node(node)?))
}

fn node_info(api: &Api, placement: &Placement, record: &NodeRecord) -> NodeInfo {
    let node = record.node;
    let said = placement.node(node);
    let state = match record.state {
        NodeState::Live if api.view.node_is_up(node) => "up",
        NodeState::Live => "down",
        NodeState::Fenced => "fenced",
        NodeState::Ended => "ended",
    };
    let front = record.front.split(':').next().unwrap_or_default().to_owned();
    NodeInfo {
        node: node.0,
        state: state.to_owned(),
        duty: said.duty.name().to_owned(),
        weight: said.weight,
        zone: record.zone.clone(),
        front,
        address: record.address.clone(),
        incarnation: record.incarnation,
        clock_is_wrong: api.view.node_clock_is_wrong(node),
        partitions: api.view.assigned_to(node).len(),
        load: api.loads.node(node).filter(|_| state == "up").map(|load| load_info(&load)),
        stuck: stuck(api, placement, record),
    }
}

/// Why a draining node is not getting empty.
fn stuck(api: &Api, placement: &Placement, record: &NodeRecord) -> Option<String> {
    let node = record.node;
    if placement.node(node).duty != Duty::Draining || api.view.assigned_to(node).is_empty() {
        return None;
    }
    if record.state == NodeState::Live && !api.view.node_is_up(node) {
        return Some("its process is not up: nothing can leave it".to_owned());
    }
    let nodes = api.view.nodes();
    let takes = |other: &&Arc<NodeRecord>| {
        api.view.node_is_up(other.node)
            && Group::of(other) == Group::of(record)
            && placement.node(other.node).duty == Duty::Active
    };
    if nodes.iter().find(takes).is_none() {
        let kind = Group::of(record).name();
        return Some(format!("no active node with the {kind} front is up to take its partitions"));
    }
    let trouble = nodes.iter().find(|other| other.state == NodeState::Fenced)?;
    Some(format!("moves wait until node {}, which died, is dealt with", trouble.node))
}

fn load_info(load: &NodeLoad) -> NodeLoadInfo {
    NodeLoadInfo {
        serving: load.partitions,
        traffic: traffic_info(load.traffic),
        cpu: f64::from(load.cpu_permille) / 1_000.0,
        memory_bytes: load.memory_bytes,
    }
}

fn traffic_info(traffic: Traffic) -> TrafficInfo {
    let Traffic { bytes_in, bytes_out, requests } = traffic;
    TrafficInfo { bytes_in, bytes_out, requests }
}

pub(super) fn topics(api: &Api) -> Vec<TopicInfo> {
    let infos = sorted_topics(api).into_iter().map(|topic| {
        let mut nodes: BTreeMap<i32, usize> = BTreeMap::new();
        for owner in topic.owners.iter().flatten() {
            *nodes.entry(owner.node.0).or_default() += 1;
        }
        TopicInfo {
            tenant: topic.record.tenant.0,
            topic: topic.record.name.clone(),
            id: topic.id().to_string(),
            partitions: topic.partitions(),
            unassigned: topic.owners.iter().filter(|owner| owner.is_none()).count(),
            nodes,
        }
    });
    infos.collect()
}

pub(super) fn partitions(api: &Api, wanted: &Query) -> Partitions {
    let placement = survey::placement(&api.view);
    let moves = api.board.read();
    let mut partitions = Vec::new();
    let mut left_out = 0;
    for topic in sorted_topics(api) {
        let is_wanted = wanted.tenant.is_none_or(|tenant| tenant == topic.record.tenant)
            && wanted.topic.as_ref().is_none_or(|name| *name == topic.record.name);
        if !is_wanted {
            continue;
        }
        for index in 0..topic.partitions() {
            let owner = topic.owner(index);
            if wanted.node.is_some_and(|node| owner.is_none_or(|owner| owner.node != node)) {
                continue;
            }
            if partitions.len() >= wanted.limit {
                left_out += 1;
                continue;
            }
            let id = PartitionId::new(topic.record.tenant, topic.id(), index);
            partitions.push(PartitionInfo {
                tenant: topic.record.tenant.0,
                topic: topic.record.name.clone(),
                partition: index,
                node: owner.map(|owner| owner.node.0),
                epoch: owner.map(|owner| owner.epoch),
                moving_from: moves.under_way.get(&id).map(|it| it.what.from.0),
                pin: placement.pin(id.topic, index).map(|node| node.0),
                traffic: api.loads.partition(id).map(traffic_info),
            });
        }
    }
    Partitions { partitions, left_out }
}

pub(super) fn moves(api: &Api) -> MovesInfo {
    let moves = api.board.read();
    let info = |it: &Move, took: Option<Duration>, served| move_info(api, it, took, served);
    let under_way =
        moves.under_way.values().map(|it| info(&it.what, Some(it.since.elapsed()), None));
    let done = moves.done.iter().map(|it| info(&it.what, Some(it.took), Some(it.served)));
    MovesInfo {
        under_way: under_way.collect(),
        waiting: moves.waiting_count,
        next: moves.waiting.iter().map(|it| info(it, None, None)).collect(),
        done: done.collect(),
    }
}

fn move_info(api: &Api, it: &Move, took: Option<Duration>, served: Option<bool>) -> MoveInfo {
    let Move { partition, from, to, reason } = *it;
    let reason = match reason {
        Reason::Order => "order",
        Reason::Pin => "pin",
        Reason::Drain => "drain",
        Reason::Balance => "balance",
    };
    MoveInfo {
        tenant: partition.tenant.0,
        topic: topic_name(api, partition.tenant, partition.topic),
        partition: partition.index,
        from: from.0,
        to: to.0,
        reason: reason.to_owned(),
        seconds: took.map(|took| took.as_secs_f64()),
        served,
    }
}

pub(super) fn pins(api: &Api) -> Vec<PinInfo> {
    let topics: BTreeMap<TopicId, Arc<Topic>> =
        api.view.all_topics().into_iter().map(|topic| (topic.id(), topic)).collect();
    let placement = survey::placement(&api.view);
    let mut pins: Vec<PinInfo> = placement
        .pins()
        .filter_map(|(topic, partition, node)| {
            let record = &topics.get(&topic)?.record;
            let (tenant, topic) = (record.tenant.0, record.name.clone());
            Some(PinInfo { tenant, topic, partition, node: Some(node.0) })
        })
        .collect();
    pins.sort_unstable_by(|a, b| {
        (a.tenant, &a.topic, a.partition).cmp(&(b.tenant, &b.topic, b.partition))
    });
    pins
}

fn topic_name(api: &Api, tenant: TenantId, id: TopicId) -> String {
    let topic = api.view.topic_by_id(tenant, id);
    topic.map_or_else(|| id.to_string(), |topic| topic.record.name.clone())
}

fn sorted_topics(api: &Api) -> Vec<Arc<Topic>> {
    let mut topics = api.view.all_topics();
    topics.sort_unstable_by(|a, b| {
        (a.record.tenant, &a.record.name).cmp(&(b.record.tenant, &b.record.name))
    });
    topics
}
