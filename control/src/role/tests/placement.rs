//! What operators say about nodes and partitions is done, and outlives the leader they said it to.

use std::collections::BTreeMap;
use std::time::Duration;

use hop::internal::{TopicLoad, Traffic};
use metadata::{
    MemoryStore, MetadataStore,
    model::{NodeState, Record},
    settings::placement::{Duty, Pin, PlacementName},
};
use protocol::{
    ErrorCode,
    ids::{NodeId, PartitionId},
};

use super::harness::{Cluster, Process, SOON, TENANT, config, spread};
use crate::{BalanceConfig, Config};

const PARTITIONS: i32 = 20;

async fn balancing<M: MetadataStore>(cluster: &Cluster<M>, control_id: &str) -> Process {
    let balance = BalanceConfig { enabled: true, ..BalanceConfig::default() };
    let control = cluster.control_with(Config { balance, ..config(control_id) }).await;
    control.leads().await;
    control
}

/// How many partitions of `orders` each node has.
async fn numbers<M: MetadataStore>(cluster: &Cluster<M>) -> BTreeMap<i32, usize> {
    spread(&cluster.owners("orders").await)
}

#[tokio::test(start_paused = true)]
async fn a_drained_node_is_emptied_and_stays_empty_whoever_leads() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _nodes = (cluster.node(1).await, cluster.node(2).await, cluster.node(3).await);
    let control = balancing(&cluster, "a").await;
    assert_eq!(control.create("orders", PARTITIONS).await, ErrorCode::None);
    assert_eq!(control.say_of(3, Duty::Draining, 100).await, 0);
    cluster.until("node 3 is empty", |view| view.assigned_to(NodeId(3)).is_empty()).await;

    control.stop().await;
    let control = balancing(&cluster, "b").await;
    assert_eq!(control.create("payments", PARTITIONS).await, ErrorCode::None);
    tokio::time::sleep(SOON).await;
    assert!(cluster.view.assigned_to(NodeId(3)).is_empty());
    let numbers_of = numbers(&cluster).await;
    assert!(numbers_of.values().all(|count| *count == 10), "{numbers_of:?}");

    assert_eq!(control.say_of(3, Duty::Active, 100).await, 0);
    tokio::time::sleep(SOON).await;
    let share = cluster.view.assigned_to(NodeId(3)).len();
    assert!((13..=15).contains(&share), "it has its third again: {share}");
}

/// Goal: an operator who drains has not asked for anything to be evened out.
#[tokio::test(start_paused = true)]
async fn a_node_is_drained_without_balance_too() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _nodes = (cluster.node(1).await, cluster.node(2).await);
    let control = cluster.leader("a").await;
    assert_eq!(control.create("orders", PARTITIONS).await, ErrorCode::None);
    assert_eq!(control.say_of(2, Duty::Draining, 100).await, 0);
    tokio::time::sleep(SOON).await;
    assert_eq!(numbers(&cluster).await, BTreeMap::from([(1, PARTITIONS as usize)]));
    assert_eq!(control.say_of(2, Duty::Active, 100).await, 0);
    tokio::time::sleep(SOON).await;
    assert_eq!(numbers(&cluster).await, BTreeMap::from([(1, PARTITIONS as usize)]));
}

#[tokio::test(start_paused = true)]
async fn a_cordoned_node_keeps_what_it_has_and_gets_nothing_new() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let (_first, _second) = (cluster.node(1).await, cluster.node(2).await);
    let control = balancing(&cluster, "a").await;
    assert_eq!(control.create("orders", PARTITIONS).await, ErrorCode::None);
    let before = numbers(&cluster).await;
    assert_eq!(control.say_of(2, Duty::Cordoned, 100).await, 0);
    assert_eq!(control.create("payments", 4).await, ErrorCode::None);
    tokio::time::sleep(SOON).await;
    assert_eq!(numbers(&cluster).await, before);
    assert_eq!(spread(&cluster.owners("payments").await), BTreeMap::from([(1, 4)]));

    let third = cluster.node(3).await;
    cluster.register(&third, 1, NodeState::Live).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(numbers(&cluster).await[&2], before[&2], "it gives nothing either");
}

#[tokio::test(start_paused = true)]
async fn weights_are_shares_and_pins_are_kept() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _nodes = (cluster.node(1).await, cluster.node(2).await);
    let control = balancing(&cluster, "a").await;
    assert_eq!(control.create("orders", PARTITIONS).await, ErrorCode::None);
    assert_eq!(control.say_of(2, Duty::Active, 300).await, 0);
    tokio::time::sleep(SOON).await;
    let share = cluster.view.assigned_to(NodeId(2)).len();
    assert!((16..=17).contains(&share), "three quarters of 22: {share}");

    let topic = cluster.topic("orders").await.unwrap().id();
    let mut pins = Vec::new();
    for index in 0..PARTITIONS {
        let pin = Pin { node: NodeId(1) }.encode();
        pins.push(PlacementName::Partition(topic, index));
        assert_eq!(control.place(pins[index as usize], Some(pin)).await, 0);
    }
    tokio::time::sleep(SOON).await;
    assert_eq!(numbers(&cluster).await, BTreeMap::from([(1, PARTITIONS as usize)]));
    for pin in pins {
        assert_eq!(control.place(pin, None).await, 0);
    }
    tokio::time::sleep(SOON).await;
    assert!(cluster.view.assigned_to(NodeId(2)).len() >= 15);
    let unknown = control.place(PlacementName::Partition(topic, PARTITIONS), Some("?".into()));
    assert_eq!(unknown.await, i32::from(ErrorCode::UnknownTopicOrPartition.code()));
}

/// Goal: both nodes have ten partitions, but one has all the traffic.
#[tokio::test(start_paused = true)]
async fn load_counts_and_not_numbers_alone() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let (first, second) = (cluster.node(1).await, cluster.node(2).await);
    let control = balancing(&cluster, "a").await;
    assert_eq!(control.create("orders", PARTITIONS).await, ErrorCode::None);
    let topic = cluster.topic("orders").await.unwrap();
    let owners = cluster.owners("orders").await;
    let of = |node, rate| {
        let owned = owners.iter().enumerate().filter(|(_, owner)| owner.unwrap().0 == node);
        let traffic = Traffic { bytes_in: rate, ..Traffic::default() };
        let index = |index: usize| i32::try_from(index).unwrap();
        let ids = owned.map(|(at, _)| PartitionId::new(TENANT, topic.id(), index(at)));
        ids.map(|id| (id, traffic)).collect::<Vec<_>>()
    };
    let (busy, idle) = (of(1, 1_000_000), of(2, 0));
    first.set_load(TopicLoad::group(busy.clone()));
    second.set_load(TopicLoad::group(idle));
    tokio::time::sleep(Duration::from_secs(20)).await;
    let of_first = cluster.view.assigned_to(NodeId(1));
    let busy_there = busy.iter().filter(|(id, _)| of_first.contains(id)).count();
    assert!((4..=6).contains(&busy_there), "{busy_there} of ten busy ones");
}

/// Goal: a leader goes while moves are under way and others wait. Nothing is lost, nothing moves
/// twice, and the next leader ends what was begun.
#[tokio::test(start_paused = true)]
async fn a_leader_that_goes_in_the_middle_of_moves_leaves_nothing_behind() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _first = cluster.node(1).await;
    let control = balancing(&cluster, "a").await;
    assert_eq!(control.create("orders", PARTITIONS).await, ErrorCode::None);
    let second = cluster.node(2).await;
    second.set_stubborn(true);
    assert_eq!(control.say_of(1, Duty::Draining, 100).await, 0);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let begun = cluster.view.assigned_to(NodeId(2)).len();
    assert!((1..=8).contains(&begun), "some are under way, and no more than may be: {begun}");
    control.stop().await;

    let _control = balancing(&cluster, "b").await;
    second.set_stubborn(false);
    cluster.until("node 1 is empty", |view| view.assigned_to(NodeId(1)).is_empty()).await;
    tokio::time::sleep(SOON).await;
    let owners = cluster.owners("orders").await;
    assert!(owners.iter().all(|owner| *owner == Some((2, 1))), "each moved once: {owners:?}");
    let topic = cluster.topic("orders").await.unwrap();
    assert!(!second.opened(&topic).is_empty());
}
