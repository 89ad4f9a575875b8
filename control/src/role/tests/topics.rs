//! Topics come, serve, grow and go.

use std::{collections::BTreeSet, time::Duration};

use metadata::{MemoryStore, MetadataStore, keys};
use protocol::{ErrorCode, ids::TenantId};

use super::harness::{Cluster, SOON, TENANT, config, spread};
use crate::GROUP_STATE_TOPIC;

#[tokio::test(start_paused = true)]
async fn a_created_topic_serves_when_the_creation_is_answered() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let nodes = [cluster.node(1).await, cluster.node(2).await, cluster.node(3).await];
    let control = cluster.leader("a").await;
    assert_eq!(control.create("orders", 30).await, ErrorCode::None);

    let topic = cluster.topic("orders").await.unwrap();
    let owners = cluster.owners("orders").await;
    assert!(owners.iter().all(|owner| owner.is_some_and(|(_, epoch)| epoch == 0)));
    for node in &nodes {
        let owned: BTreeSet<_> =
            (0..30).filter(|&index| topic.owner(index).unwrap().node == node.id).collect();
        assert_eq!(node.opened(&topic), owned, "exactly what it owns is open");
    }
    // With the two partitions of the group topic there are 32.
    let counts = nodes.iter().map(|node| cluster.view.assigned_to(node.id).len());
    let counts: Vec<_> = counts.collect();
    assert!(counts.iter().all(|count| (10..=11).contains(count)), "{counts:?}");
    control.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_group_topic_is_there_from_the_start() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let node = cluster.node(1).await;
    let _control = cluster.leader("a").await;
    let id = cluster.view.cluster().unwrap().group_state_topic;
    let owned = |view: &metadata::ClusterView| {
        let topic = view.topic_by_id(TenantId::SYSTEM, id);
        topic.is_some_and(|topic| topic.owners.iter().all(Option::is_some))
    };
    cluster.until("the group topic has owners", owned).await;
    let topic = cluster.view.topic_by_name(TenantId::SYSTEM, GROUP_STATE_TOPIC).unwrap();
    assert_eq!(topic.config("retention.ms"), Some("-1"));
    while node.opened(&topic).len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_nodes_a_topic_waits_for_one() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let control = cluster.leader("a").await;
    assert_eq!(control.create("orders", 2).await, ErrorCode::None);
    assert_eq!(cluster.owners("orders").await, [None, None]);
    let node = cluster.node(7).await;
    let id = cluster.topic("orders").await.unwrap().id();
    let owned = |view: &metadata::ClusterView| {
        view.topic_by_id(TENANT, id).unwrap().owners.iter().all(Option::is_some)
    };
    cluster.until("the new node gets the topic", owned).await;
    let topic = cluster.topic("orders").await.unwrap();
    while node.opened(&topic).len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_open_delays_the_answer_only_so_long() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let node = cluster.node(1).await;
    node.set_stubborn(true);
    let control = cluster.leader("a").await;
    let begun = tokio::time::Instant::now();
    assert_eq!(control.create("orders", 1).await, ErrorCode::None);
    let open_wait = config("a").open_wait;
    assert!(begun.elapsed() >= open_wait, "paused time: it waited");
    assert!(begun.elapsed() < 2 * open_wait);
    // Others are not held up meanwhile, and a node that relents is asked again.
    let slow = control.create("slow", 1);
    let relents = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(control.delete("orders").await, ErrorCode::None);
        node.set_stubborn(false);
    };
    let begun = tokio::time::Instant::now();
    let (created, ()) = futures::join!(slow, relents);
    assert_eq!(created, ErrorCode::None);
    assert!(begun.elapsed() < open_wait);
    let topic = cluster.topic("slow").await.unwrap();
    assert_eq!(node.opened(&topic), BTreeSet::from([0]));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_topic_leaves_nothing_and_its_name_is_free() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _node = cluster.node(1).await;
    let control = cluster.leader("a").await;
    // More partitions than one transaction holds.
    assert_eq!(control.create("orders", 250).await, ErrorCode::None);
    let old = cluster.topic("orders").await.unwrap().id();
    assert_eq!(control.create("orders", 1).await, ErrorCode::TopicAlreadyExists);
    assert_eq!(control.delete("orders").await, ErrorCode::None);
    assert!(cluster.topic("orders").await.is_none());
    let left = cluster.metadata.list(&keys::partitions_of(old)).await.unwrap();
    assert!(left.entries.is_empty());
    assert_eq!(control.delete("orders").await, ErrorCode::UnknownTopicOrPartition);

    assert_eq!(control.create("orders", 1).await, ErrorCode::None);
    assert_ne!(cluster.topic("orders").await.unwrap().id(), old);
}

#[tokio::test(start_paused = true)]
async fn a_topic_grows_and_keeps_its_owners() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let (_one, _two) = (cluster.node(1).await, cluster.node(2).await);
    let control = cluster.leader("a").await;
    assert_eq!(control.create("orders", 3).await, ErrorCode::None);
    let before = cluster.owners("orders").await;
    assert_eq!(control.grow("orders", 3).await, ErrorCode::InvalidPartitions);
    assert_eq!(control.grow("orders", 9).await, ErrorCode::None);
    let after = cluster.owners("orders").await;
    assert_eq!((after.len(), &after[..3]), (9, &before[..]));
    assert!(after.iter().all(Option::is_some));
    assert!(spread(&after).values().all(|count| (3..=6).contains(count)));
}

#[tokio::test(start_paused = true)]
async fn configs_are_changed_for_everybody_and_for_the_next_leader() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _node = cluster.node(1).await;
    let control = cluster.leader("a").await;
    assert_eq!(control.create("orders", 1).await, ErrorCode::None);
    assert_eq!(control.configure("orders", "retention.ms", "5").await, ErrorCode::None);
    let shown = cluster.topic("orders").await.unwrap();
    assert_eq!(shown.config("retention.ms"), Some("5"));
    assert_eq!(control.configure("orders", "no.such", "5").await, ErrorCode::InvalidConfig);
    let unknown = control.configure("nothing", "retention.ms", "5").await;
    assert_eq!(unknown, ErrorCode::UnknownTopicOrPartition);
    control.stop().await;

    let next = cluster.leader("b").await;
    assert_eq!(next.configure("orders", "segment.ms", "7").await, ErrorCode::None);
    let shown = cluster.topic("orders").await.unwrap();
    assert_eq!((shown.config("retention.ms"), shown.config("segment.ms")), (Some("5"), Some("7")));
}

#[tokio::test(start_paused = true)]
async fn many_partitions_are_spread_evenly() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let mut nodes = Vec::new();
    for id in 0..5 {
        nodes.push(cluster.node(id).await);
    }
    let control = cluster.leader("a").await;
    assert_eq!(control.create("wide", 1000).await, ErrorCode::None);
    let spread = spread(&cluster.owners("wide").await);
    assert_eq!(spread.values().sum::<usize>(), 1000);
    assert!(spread.values().all(|count| (199..=201).contains(count)), "{spread:?}");
    assert!(tokio::time::timeout(SOON, control.stop()).await.is_ok());
}
