//! A topic's partitions are on nodes with the topic's front, and on no others.

use metadata::{MemoryStore, model::NodeState};
use protocol::{ErrorCode, StrBytes, messages::create_topics_request::CreatableTopicConfig};

use super::harness::{Cluster, SOON, TENANT, config};
use crate::FrontChoice;

fn front(value: &'static str) -> Vec<CreatableTopicConfig> {
    let config = CreatableTopicConfig::default()
        .with_name(StrBytes::from_static_str("thermocline.front"))
        .with_value(Some(StrBytes::from_static_str(value)));
    vec![config]
}

#[tokio::test(start_paused = true)]
async fn a_topic_goes_to_nodes_with_its_front_however_full_they_are() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _disk = cluster.node_with(1, "disk:/wal").await;
    let _volume = cluster.node_with(2, "shared-disk:/mnt/wal").await;
    let _object = cluster.node_with(3, "object").await;
    let control = cluster.leader("a").await;
    assert_eq!(control.create_with("ledger", 9, front("object")).await, ErrorCode::None);
    assert_eq!(cluster.owners("ledger").await, [Some((3, 0)); 9]);
    assert_eq!(control.grow("ledger", 12).await, ErrorCode::None);
    assert_eq!(cluster.owners("ledger").await, [Some((3, 0)); 12]);
    assert_eq!(control.create_with("clicks", 60, front("disk")).await, ErrorCode::None);
    let owners = cluster.owners("clicks").await;
    assert!(owners.iter().all(|owner| matches!(owner, Some((1 | 2, 0)))), "{owners:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_node_of_its_front_a_partition_waits() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _disk = cluster.node_with(1, "disk:/wal").await;
    let object = cluster.node_with(2, "object").await;
    let control = cluster.leader("a").await;
    assert_eq!(control.create_with("ledger", 4, front("object")).await, ErrorCode::None);
    cluster.register(&object, 1, NodeState::Ended).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(cluster.owners("ledger").await, [Some((2, 0)); 4], "the disk would be a downgrade");

    let _heir = cluster.node_with(3, "object").await;
    let there = |view: &metadata::ClusterView| {
        let topic = view.topic_by_name(TENANT, "ledger").expect("the topic exists");
        topic.owners.iter().all(|owner| owner.is_some_and(|o| (o.node.0, o.epoch) == (3, 1)))
    };
    cluster.until("the next node with an object front has it", there).await;
}

#[tokio::test(start_paused = true)]
async fn a_front_that_no_node_has_is_refused() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _disk = cluster.node_with(1, "disk:/wal").await;
    let control = cluster.leader("a").await;
    let code = control.create_with("ledger", 1, front("object")).await;
    assert_eq!(code, ErrorCode::InvalidConfig);
    assert!(cluster.topic("ledger").await.is_none());
    let code = control.create_with("ledger", 1, front("tape")).await;
    assert_eq!(code, ErrorCode::InvalidConfig);
}

#[tokio::test(start_paused = true)]
async fn topics_that_ask_for_none_go_where_the_cluster_says() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _disk = cluster.node_with(1, "disk:/wal").await;
    let _object = cluster.node_with(2, "object").await;
    let config = crate::Config { default_front: FrontChoice::Object, ..config("a") };
    let control = cluster.control_with(config).await;
    control.leads().await;
    assert_eq!(control.create("orders", 4).await, ErrorCode::None);
    assert_eq!(cluster.owners("orders").await, [Some((2, 0)); 4]);
    assert_eq!(control.create_with("clicks", 4, front("disk")).await, ErrorCode::None);
    assert_eq!(cluster.owners("clicks").await, [Some((1, 0)); 4]);
}
