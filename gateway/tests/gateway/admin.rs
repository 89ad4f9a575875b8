//! Administration: control decides, and whoever is asked next knows.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use protocol::ErrorCode;
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeClusterRequest, InitProducerIdRequest, ListOffsetsRequest, ListOffsetsResponse,
    MetadataRequest, OffsetForLeaderEpochRequest,
};

use crate::support::{Client, Cluster, batch, id, name, text};

fn create(topic: &str, partitions: i32) -> CreateTopicsRequest {
    let topic = CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(partitions)
        .with_replication_factor(1);
    CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000)
}

/// Partitions of a topic as metadata shows it, or its error.
async fn partitions(client: &mut Client, topic: &str) -> Result<usize, ErrorCode> {
    let topic = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(false);
    let answer = client.call(12, request).await.topics.remove(0);
    match ErrorCode::from_code(answer.error_code) {
        ErrorCode::None => Ok(answer.partitions.len()),
        error => Err(error),
    }
}

#[tokio::test]
async fn a_created_topic_is_served_by_every_gateway_at_once() {
    let cluster = Cluster::start().await;
    let (one, two) = (cluster.gateway(1).await, cluster.gateway(2).await);
    let (mut first, mut second) = (one.client().await, two.client().await);
    let created = first.call(5, create("orders", 4)).await;
    assert_eq!(created.topics[0].error_code, 0);
    assert_eq!(created.topics[0].configs, Some(Vec::new()), "never null for Java");
    for client in [&mut first, &mut second] {
        assert_eq!(partitions(client, "orders").await, Ok(4));
    }
    let again = second.call(5, create("orders", 4)).await;
    assert_eq!(again.topics[0].error_code, ErrorCode::TopicAlreadyExists.code());
}

#[tokio::test]
async fn a_leader_that_leads_no_longer_is_asked_again() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    cluster.control.refusals.store(2, Ordering::SeqCst);
    let created = gateway.client().await.call(5, create("orders", 1)).await;
    assert_eq!(created.topics[0].error_code, 0);
}

#[tokio::test]
async fn without_control_nothing_is_created_and_clients_may_try_again() {
    let cluster = Cluster::start().await;
    let txn = metadata::Txn::new().delete(metadata::keys::Key::Leader);
    assert!(cluster.store.txn(txn).await.unwrap().is_committed());
    let gateway = cluster.gateway(1).await;
    let request = create("orders", 1).with_timeout_ms(1);
    let refused = gateway.client().await.call(5, request).await;
    assert_eq!(refused.topics[0].error_code, ErrorCode::NotController.code());
    assert_eq!(refused.topics[0].name, name("orders"));
}

#[tokio::test]
async fn a_topic_is_deleted_by_name_or_by_id() {
    let cluster = Cluster::start().await;
    let by_name = cluster.topic("a", &[1]).await;
    let by_id = cluster.topic("b", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let names = vec![name("a"), name("nothing")];
    let request = DeleteTopicsRequest::default().with_topic_names(names).with_timeout_ms(10_000);
    let deleted = client.call(5, request).await.responses;
    let codes: Vec<_> = deleted.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [0, ErrorCode::UnknownTopicOrPartition.code()]);
    assert_eq!(partitions(&mut client, "a").await, Err(ErrorCode::UnknownTopicOrPartition));

    let topics =
        [by_id, by_name].map(|t| DeleteTopicState::default().with_topic_id(id(t)).with_name(None));
    let request =
        DeleteTopicsRequest::default().with_topics(topics.to_vec()).with_timeout_ms(10_000);
    let deleted = client.call(6, request).await.responses;
    assert_eq!((deleted[0].error_code, deleted[0].name.clone()), (0, Some(name("b"))));
    assert_eq!(deleted[1].error_code, ErrorCode::UnknownTopicId.code());
}

#[tokio::test]
async fn what_is_named_twice_or_not_at_all_is_not_deleted() {
    let cluster = Cluster::start().await;
    let a = cluster.topic("a", &[1]).await;
    let b = cluster.topic("b", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let named = |topic: &str| DeleteTopicState::default().with_name(Some(name(topic)));
    let by_id = |topic| DeleteTopicState::default().with_topic_id(id(topic)).with_name(None);
    let wanted = vec![
        named("a"),
        named("a"),
        DeleteTopicState::default().with_name(None),
        named("b").with_topic_id(id(b)),
        by_id(a),
        named("b"),
        by_id(b),
    ];
    let request = DeleteTopicsRequest::default().with_topics(wanted).with_timeout_ms(10_000);
    let answer = client.call(6, request).await.responses;
    let codes: Vec<_> = answer.iter().map(|topic| ErrorCode::from_code(topic.error_code)).collect();
    let (invalid, deleted) = (ErrorCode::InvalidRequest, ErrorCode::None);
    assert_eq!(codes, [invalid, invalid, invalid, invalid, deleted, deleted, invalid]);
    assert!(answer.iter().all(|t| (t.error_code == 0) == t.error_message.is_none()));

    let twice = vec![name("c"), name("c")];
    let request = DeleteTopicsRequest::default().with_topic_names(twice).with_timeout_ms(10_000);
    let answer = client.call(5, request).await.responses;
    assert!(answer.iter().all(|topic| topic.error_code == ErrorCode::InvalidRequest.code()));
}

#[tokio::test]
async fn partitions_are_added_and_shown() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let grow = |count| {
        let topic = CreatePartitionsTopic::default().with_name(name("orders")).with_count(count);
        CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000)
    };
    assert_eq!(client.call(3, grow(3)).await.results[0].error_code, 0);
    assert_eq!(partitions(&mut client, "orders").await, Ok(3));
    let shrunk = client.call(3, grow(2)).await.results.remove(0);
    assert_eq!(shrunk.error_code, ErrorCode::InvalidPartitions.code());
}

#[tokio::test]
async fn the_cluster_is_described_as_metadata_shows_it() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let described = client.call(1, DescribeClusterRequest::default()).await;
    let metadata = client.call(12, MetadataRequest::default().with_topics(None)).await;
    assert_eq!(described.error_code, 0);
    assert_eq!(Some(described.cluster_id), metadata.cluster_id);
    assert_eq!(described.controller_id, metadata.controller_id);
    let brokers = described.brokers.iter().map(|broker| (broker.broker_id, broker.port));
    let expected = metadata.brokers.iter().map(|broker| (broker.node_id, broker.port));
    assert!(brokers.eq(expected));
    let controllers = DescribeClusterRequest::default().with_endpoint_type(2);
    assert_ne!(client.call(1, controllers).await.error_code, 0);
}

#[tokio::test]
async fn no_producer_id_is_given_out_twice() {
    let cluster = Cluster::start().await;
    let (one, two) = (cluster.gateway(1).await, cluster.gateway(2).await);
    let (mut first, mut second) = (one.client().await, two.client().await);
    let mut ids = HashSet::new();
    let idempotent = InitProducerIdRequest::default().with_transactional_id(None);
    for _ in 0..25 {
        for client in [&mut first, &mut second] {
            let answer = client.call(4, idempotent.clone()).await;
            assert_eq!((answer.error_code, answer.producer_epoch), (0, 0));
            assert!(ids.insert(answer.producer_id), "{} twice", answer.producer_id.0);
        }
    }
    let transactional =
        InitProducerIdRequest::default().with_transactional_id(Some(text("tx").into()));
    let owned = first.call(4, transactional).await;
    assert_eq!((owned.error_code, owned.producer_epoch), (0, 7), "its coordinator says which");
    let empty = first.call(4, InitProducerIdRequest::default()).await;
    assert_eq!(empty.error_code, ErrorCode::InvalidRequest.code());
}

fn list(partitions: &[(i32, i64)]) -> ListOffsetsRequest {
    let partitions = partitions.iter().map(|(index, timestamp)| {
        ListOffsetsPartition::default().with_partition_index(*index).with_timestamp(*timestamp)
    });
    let topic =
        ListOffsetsTopic::default().with_name(name("orders")).with_partitions(partitions.collect());
    ListOffsetsRequest::default().with_topics(vec![topic])
}

/// Asks where partitions of `orders` end.
pub(crate) fn latest(partitions: &[i32]) -> ListOffsetsRequest {
    let partitions: Vec<_> = partitions.iter().map(|index| (*index, -1)).collect();
    list(&partitions)
}

/// Index, error and offset of each partition.
pub(crate) fn offsets(answer: &ListOffsetsResponse) -> Vec<(i32, i16, i64)> {
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|p| (p.partition_index, p.error_code, p.offset)).collect()
}

#[tokio::test]
async fn the_ends_of_logs_are_asked_of_their_owners() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 2]).await;
    cluster.logs.append(Cluster::partition(topic, 1), &batch(&["a", "b"]));
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let request = list(&[(1, -1), (0, -1), (1, -9), (4, -2)]);
    for version in [1, 10] {
        let answer = client.call(version, request.clone()).await;
        assert_eq!(answer.topics[0].name, name("orders"));
        let unsupported = ErrorCode::UnsupportedVersion.code();
        let unknown = ErrorCode::UnknownTopicOrPartition.code();
        let expected = [(1, 0, 2), (0, 0, 0), (1, unsupported, -1), (4, unknown, -1)];
        assert_eq!(offsets(&answer), expected);
    }
}

/// Asks where epoch 3 of partitions of `orders` ends.
pub(crate) fn epoch_end(partitions: &[i32]) -> OffsetForLeaderEpochRequest {
    let partitions = partitions.iter().map(|index| {
        OffsetForLeaderPartition::default().with_partition(*index).with_leader_epoch(3)
    });
    let topic = OffsetForLeaderTopic::default()
        .with_topic(name("orders"))
        .with_partitions(partitions.collect());
    OffsetForLeaderEpochRequest::default().with_topics(vec![topic])
}

#[tokio::test]
async fn the_ends_of_epochs_are_asked_of_their_owners() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1, 2]).await;
    let gateway = cluster.gateway(1).await;
    let request = epoch_end(&[1, 0, 9]);
    let answer = gateway.client().await.call(4, request).await.topics.remove(0);
    let ends: Vec<_> =
        answer.partitions.iter().map(|p| (p.partition, p.error_code, p.end_offset)).collect();
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(ends, [(1, 0, 77), (0, 0, 77), (9, unknown, -1)]);
}

/// Deletes records of `orders` below an offset of each partition.
pub(crate) fn deletion(offsets: &[(i32, i64)]) -> DeleteRecordsRequest {
    let partitions = offsets.iter().map(|(index, offset)| {
        DeleteRecordsPartition::default().with_partition_index(*index).with_offset(*offset)
    });
    let topic = DeleteRecordsTopic::default()
        .with_name(name("orders"))
        .with_partitions(partitions.collect());
    DeleteRecordsRequest::default().with_timeout_ms(30_000).with_topics(vec![topic])
}

#[tokio::test]
async fn records_are_deleted_by_the_owners_of_their_partitions() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1, 2]).await;
    let gateway = cluster.gateway(1).await;
    let request = deletion(&[(1, 7), (0, 3), (4, 1)]);
    let answer = gateway.client().await.call(2, request).await.topics.remove(0);
    assert_eq!(answer.name, name("orders"));
    let deleted: Vec<_> = answer
        .partitions
        .iter()
        .map(|p| (p.partition_index, p.error_code, p.low_watermark))
        .collect();
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(deleted, [(1, 0, 7), (0, 0, 3), (4, unknown, -1)]);
}
