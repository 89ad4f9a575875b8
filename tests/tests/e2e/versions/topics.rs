//! Topics as clients and administrators see and change them.

use protocol::ErrorCode;
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::describe_topic_partitions_request::TopicRequest;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
    DescribeTopicPartitionsRequest, MetadataRequest, TopicName,
};

use super::world::{World, is, text};

/// First versions of Metadata and DeleteTopics that take a topic's id for its name.
const METADATA_BY_ID: i16 = 12;
const DELETE_BY_ID: i16 = 6;
/// First versions of an answer with a cluster id, topic ids, and what was created.
const METADATA_CLUSTER_ID: i16 = 2;
const METADATA_TOPIC_ID: i16 = 10;
const CREATED_CONFIGS: i16 = 5;
const CREATED_ID: i16 = 7;

pub(super) fn metadata(world: &mut World, version: i16) {
    let (name, id) = (world.filled.name.clone(), world.filled.id.0);
    let mut asked = vec![MetadataRequestTopic::default().with_name(Some(name.clone()))];
    if version >= METADATA_BY_ID {
        asked.push(MetadataRequestTopic::default().with_name(None).with_topic_id(id));
    }
    let request = MetadataRequest::default().with_topics(Some(asked));
    let answer = world.wire.ask(version, &request);
    assert_eq!(answer.brokers.len(), 1);
    assert_eq!(answer.brokers[0].port, i32::from(world.node.kafka.port()));
    assert_eq!(answer.cluster_id.is_some(), version >= METADATA_CLUSTER_ID);
    for topic in &answer.topics {
        is(ErrorCode::None, topic.error_code);
        assert_eq!(topic.name.as_ref(), Some(&name));
        assert_eq!(topic.topic_id == id, version >= METADATA_TOPIC_ID);
        assert_eq!(topic.partitions.len(), 2);
        assert_eq!(topic.partitions[0].leader_id, answer.brokers[0].node_id);
    }
    // In version 0 an empty list means all topics, later null does.
    let all = MetadataRequest::default().with_topics((version == 0).then(Vec::new));
    let answer = world.wire.ask(version, &all);
    assert!(answer.topics.iter().any(|topic| topic.name.as_ref() == Some(&name)));
}

pub(super) fn describe_partitions(world: &mut World, version: i16) {
    let asked = TopicRequest::default().with_name(world.filled.name.clone());
    let request = DescribeTopicPartitionsRequest::default()
        .with_topics(vec![asked])
        .with_response_partition_limit(1);
    let answer = world.wire.ask(version, &request);
    let topic = &answer.topics[0];
    is(ErrorCode::None, topic.error_code);
    assert_eq!(topic.topic_id, world.filled.id.0);
    assert_eq!(topic.partitions.len(), 1);
    let next = answer.next_cursor.expect("there is another partition");
    assert_eq!((next.topic_name, next.partition_index), (world.filled.name.clone(), 1));
}

pub(super) fn create(world: &mut World, version: i16) {
    let name = TopicName(text(&format!("created-{version}")));
    let wanted =
        CreatableTopic::default().with_name(name).with_num_partitions(2).with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![wanted]).with_timeout_ms(10_000);
    let created = world.wire.ask(version, &request).topics.remove(0);
    is(ErrorCode::None, created.error_code);
    if version >= CREATED_CONFIGS {
        assert_eq!(created.num_partitions, 2);
        assert!(created.configs.is_some_and(|configs| !configs.is_empty()));
    }
    assert_eq!(!created.topic_id.is_nil(), version >= CREATED_ID);
    let again = world.wire.ask(version, &request).topics.remove(0);
    is(ErrorCode::TopicAlreadyExists, again.error_code);
    assert!(again.error_message.is_some());
}

pub(super) fn delete(world: &mut World, version: i16) {
    let topic = world.topic(&format!("deleted-{version}"));
    let request = DeleteTopicsRequest::default().with_timeout_ms(10_000);
    let request = if version >= DELETE_BY_ID {
        let state = DeleteTopicState::default().with_name(None).with_topic_id(topic.id.0);
        request.with_topics(vec![state])
    } else {
        request.with_topic_names(vec![topic.name.clone()])
    };
    let done = world.wire.ask(version, &request).responses.remove(0);
    is(ErrorCode::None, done.error_code);
    assert_eq!(done.name, Some(topic.name));
    let again = world.wire.ask(version, &request).responses.remove(0);
    let gone = if version >= DELETE_BY_ID {
        ErrorCode::UnknownTopicId
    } else {
        ErrorCode::UnknownTopicOrPartition
    };
    is(gone, again.error_code);
}

pub(super) fn add_partitions(world: &mut World, version: i16) {
    let topic = world.topic(&format!("growing-{version}"));
    let wanted =
        CreatePartitionsTopic::default().with_name(topic.name).with_count(2).with_assignments(None);
    let request =
        CreatePartitionsRequest::default().with_topics(vec![wanted]).with_timeout_ms(10_000);
    is(ErrorCode::None, world.wire.ask(version, &request).results[0].error_code);
    let again = &world.wire.ask(version, &request).results[0];
    is(ErrorCode::InvalidPartitions, again.error_code);
}
