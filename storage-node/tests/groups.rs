//! Group coordinators on a real node: their state is in an internal partition, and survives what
//! partitions survive.

#[path = "node/harness.rs"]
#[expect(dead_code, reason = "most of it is for the tests of the node")]
mod harness;

use std::time::Duration;

use hop::{Request, Response};
use metadata::keys::Key;
use metadata::model::{Record, TopicRecord};
use metadata::{MetadataStore, Txn, TxnOutcome};
use protocol::ids::{TenantId, TopicId};
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::{OffsetCommitRequest, OffsetFetchRequest};
use protocol::{ErrorCode, StrBytes};
use storage_node::Config;

use harness::{Client, Cluster, NOW_MS, PATIENCE, TestNode, error};

const EARLIEST: i64 = -2;

/// A cluster whose groups node 1 keeps.
async fn cluster() -> Cluster {
    let cluster = Cluster::new().await;
    let record = cluster.view.cluster().expect("the cluster has an identity");
    let topic = TopicRecord {
        tenant: TenantId::SYSTEM,
        id: record.group_state_topic,
        name: "__group_state".to_owned(),
        partitions: record.group_state_partitions,
        configs: Default::default(),
        internal: true,
        created_ms: NOW_MS,
    };
    let put = Txn::new().put(Key::Topic(TenantId::SYSTEM, topic.id), topic.encode());
    let outcome = cluster.metadata.txn(put).await.expect("memory answers");
    assert!(matches!(outcome, TxnOutcome::Committed { .. }));
    cluster.assign(topic.id, 0, 1, 0).await;
    cluster
}

async fn commit(client: &Client, group: &str, topic: TopicId, offset: i64) -> ErrorCode {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(StrBytes::from(topic.simple_text()).into())
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(StrBytes::from(group.to_owned()).into())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    match client.start(Request::OffsetCommit(request)).await {
        Response::OffsetCommit(answer) => error(answer.topics[0].partitions[0].error_code),
        other => panic!("{other:?}"),
    }
}

async fn committed(client: &Client, group: &str, topic: TopicId) -> Result<i64, ErrorCode> {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(StrBytes::from(topic.simple_text()).into())
        .with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(StrBytes::from(group.to_owned()).into())
        .with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    let answer = match client.start(Request::OffsetFetch(request)).await {
        Response::OffsetFetch(answer) => answer.groups[0].topics[0].partitions[0].clone(),
        other => panic!("{other:?}"),
    };
    match error(answer.error_code) {
        ErrorCode::None => Ok(answer.committed_offset),
        code => Err(code),
    }
}

/// Waits until the node answers for its groups.
async fn coordinating(node: &TestNode) {
    let coordinates = async {
        while let Err(code) = committed(&node.client, "anything", TopicId::random()).await {
            let wait = [ErrorCode::NotCoordinator, ErrorCode::CoordinatorLoadInProgress];
            assert!(wait.contains(&code), "{code}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, coordinates).await.expect("the groups are loaded");
}

async fn start(cluster: &Cluster, config: Config) -> TestNode {
    let node = cluster.start(config).await;
    coordinating(&node).await;
    node
}

#[tokio::test]
async fn committed_offsets_survive_a_restart() {
    let cluster = cluster().await;
    let topic = TopicId::random();
    let node = start(&cluster, cluster.config(1)).await;
    assert_eq!(commit(&node.client, "g", topic, 42).await, ErrorCode::None);
    assert_eq!(committed(&node.client, "g", topic).await, Ok(42));
    node.stop().await.expect("an orderly end");

    let node = start(&cluster, cluster.config(1)).await;
    assert_eq!(committed(&node.client, "g", topic).await, Ok(42));
    assert_eq!(commit(&node.client, "g", topic, 43).await, ErrorCode::None);
    assert_eq!(committed(&node.client, "g", topic).await, Ok(43));
    node.stop().await.expect("an orderly end");
}

#[tokio::test]
async fn committed_offsets_survive_a_crash() {
    let cluster = cluster().await;
    let topic = TopicId::random();
    let node = start(&cluster, cluster.config(1)).await;
    for offset in 0..50 {
        assert_eq!(commit(&node.client, "g", topic, offset).await, ErrorCode::None);
    }
    let restarted = start(&cluster, cluster.crash(1)).await;
    assert_eq!(committed(&restarted.client, "g", topic).await, Ok(49));
    restarted.stop().await.expect("an orderly end");
}

#[tokio::test]
async fn a_snapshot_moves_the_log_start_and_loses_nothing() {
    let cluster = cluster().await;
    let topics: Vec<TopicId> = (0..5).map(|_| TopicId::random()).collect();
    let mut config = cluster.config(1);
    config.groups.snapshot_records = 20;
    // Whole extents fall below the log start: the index must still say what the footers do.
    config.upload.interval = Duration::from_millis(1);
    let node = start(&cluster, config.clone()).await;
    for round in 0..20 {
        for topic in &topics {
            assert_eq!(commit(&node.client, "g", *topic, round).await, ErrorCode::None);
        }
    }
    let internal = cluster.view.cluster().expect("it has one").group_state_topic;
    let system = Client { tenant: TenantId::SYSTEM, ..node.client.clone() };
    let moved = async {
        while system.list_offsets(internal, 0, EARLIEST).await.offset < 80 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, moved).await.expect("the log start moves");
    drop(system);
    node.stop().await.expect("an orderly end");

    let node = start(&cluster, config).await;
    for topic in &topics {
        assert_eq!(committed(&node.client, "g", *topic).await, Ok(19));
    }
    node.stop().await.expect("an orderly end");
}

#[tokio::test]
async fn a_node_without_the_internal_partition_coordinates_nothing() {
    let cluster = cluster().await;
    let node = cluster.start(cluster.config(2)).await;
    let topic = TopicId::random();
    assert_eq!(commit(&node.client, "g", topic, 1).await, ErrorCode::NotCoordinator);
    assert_eq!(committed(&node.client, "g", topic).await, Err(ErrorCode::NotCoordinator));
    node.stop().await.expect("an orderly end");
}
