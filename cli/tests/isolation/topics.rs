//! Topics: made, changed, deleted and looked at.

use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use protocol::messages::describe_topic_partitions_request::TopicRequest;
use protocol::messages::elect_leaders_request::TopicPartitions;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{
    ApiVersionsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
    DescribeClusterRequest, DescribeLogDirsRequest, DescribeTopicPartitionsRequest,
    ElectLeadersRequest, FindCoordinatorRequest, ListConfigResourcesRequest,
    ListPartitionReassignmentsRequest, MetadataRequest,
};
use uuid::Uuid;

use crate::world::{World, name, text};

/// How long control may take.
const TIMEOUT_MS: i32 = 60_000;

pub(crate) async fn create(world: &mut World) {
    let (topic, partitions) = (world.topic(), world.dice.pick(&[2, 3, -1]));
    let mut wanted = CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(partitions)
        .with_replication_factor(-1);
    if world.dice.one_in(3) {
        let config = CreatableTopicConfig::default()
            .with_name(text(world.dice.pick(&["retention.ms", "max.message.bytes", "nonsense"])))
            .with_value(Some(text("7200000")));
        wanted.configs = vec![config];
    }
    let request = CreateTopicsRequest::default()
        .with_timeout_ms(TIMEOUT_MS)
        .with_validate_only(world.dice.one_in(8))
        .with_topics(vec![wanted]);
    let only_validated = request.validate_only;
    let answer = world.ask(7, request).await;
    let created = &answer.topics[0];
    if created.error_code == 0 && !only_validated {
        world.own.lock().topics.insert(topic, created.topic_id);
    }
}

/// A topic of one partition.
pub(crate) async fn create_plain(world: &mut World, topic: &'static str) {
    let wanted = CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(1)
        .with_replication_factor(-1);
    let request =
        CreateTopicsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(vec![wanted]);
    let id = world.ask(7, request).await.topics[0].topic_id;
    world.own.lock().topics.insert(topic, id);
}

/// Now and then: most of the time there should be something to write to.
pub(crate) async fn delete(world: &mut World) {
    let topic = world.topic();
    if world.dice.one_in(2) {
        return;
    }
    let state = DeleteTopicState::default();
    let state = match world.dice.roll(5) {
        0 => state.with_topic_id(world.foreign_id(topic)),
        1 => state.with_topic_id(world.id(topic)),
        _ => state.with_name(Some(name(topic))),
    };
    let request =
        DeleteTopicsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(vec![state]);
    world.ask(6, request).await;
}

pub(crate) async fn grow(world: &mut World) {
    let (topic, count) = (world.topic(), world.dice.pick(&[1, 2, 3, 4]));
    let topic = CreatePartitionsTopic::default().with_name(name(topic)).with_count(count);
    let request =
        CreatePartitionsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(vec![topic]);
    world.ask(3, request).await;
}

/// All topics, one by its name, which may create it, one by its id, or one of the other tenant's.
pub(crate) async fn metadata(world: &mut World) {
    let topic = world.topic();
    let by_id = |id| MetadataRequestTopic::default().with_name(None).with_topic_id(id);
    let asked = match world.dice.roll(5) {
        0 => None,
        1 => Some(by_id(world.id(topic))),
        2 => Some(by_id(world.foreign_id(topic))),
        _ => Some(MetadataRequestTopic::default().with_name(Some(name(topic)))),
    };
    let request = MetadataRequest::default()
        .with_allow_auto_topic_creation(world.dice.one_in(4))
        .with_include_topic_authorized_operations(world.dice.one_in(2))
        .with_topics(asked.map(|topic| vec![topic]));
    let answer = world.ask(world_version(&request), request).await;
    for shown in &answer.topics {
        let known = crate::world::TOPICS.iter().find(|topic| Some(name(topic)) == shown.name);
        if let Some(topic) = known.filter(|_| shown.error_code == 0) {
            world.own.lock().topics.insert(topic, shown.topic_id);
        }
    }
}

/// Ids are asked for in the newest versions only.
fn world_version(request: &MetadataRequest) -> i16 {
    let is_by_id = |topic: &MetadataRequestTopic| topic.topic_id != Uuid::nil();
    if request.topics.iter().flatten().any(is_by_id) { 13 } else { 12 }
}

pub(crate) async fn describe(world: &mut World) {
    let topic = world.topic();
    let topics = match world.dice.one_in(2) {
        true => Vec::new(),
        false => vec![TopicRequest::default().with_name(name(topic))],
    };
    let limit = world.dice.pick(&[1, 2_000]);
    let request = DescribeTopicPartitionsRequest::default()
        .with_topics(topics)
        .with_response_partition_limit(limit);
    world.ask(0, request).await;
}

/// What is said of the cluster as a whole.
pub(crate) async fn cluster(world: &mut World) {
    let topic = world.topic();
    match world.dice.roll(7) {
        0 => {
            let request = DescribeClusterRequest::default()
                .with_endpoint_type(1)
                .with_include_cluster_authorized_operations(true);
            world.ask(1, request).await;
        }
        1 => drop(world.ask(1, ListConfigResourcesRequest::default()).await),
        2 => {
            let topics = DescribableLogDirTopic::default().with_topic(name(topic));
            let topics = topics.with_partitions(vec![0, 1]);
            let topics = (!world.dice.one_in(2)).then(|| vec![topics]);
            world.ask(4, DescribeLogDirsRequest::default().with_topics(topics)).await;
        }
        3 => drop(world.ask(3, api_versions()).await),
        4 => {
            let topics = TopicPartitions::default().with_topic(name(topic));
            let topics = topics.with_partitions(vec![0, 1]);
            let request = ElectLeadersRequest::default().with_timeout_ms(TIMEOUT_MS);
            world.ask(2, request.with_topic_partitions(Some(vec![topics]))).await;
        }
        5 => {
            let request = ListPartitionReassignmentsRequest::default().with_topics(None);
            world.ask(0, request.with_timeout_ms(TIMEOUT_MS)).await;
        }
        _ => {
            let key_type = world.dice.roll(2) as i8;
            let request = FindCoordinatorRequest::default().with_key_type(key_type);
            world
                .ask(
                    4,
                    request.with_coordinator_keys(vec![text("readers"), text(""), text("mover")]),
                )
                .await;
        }
    }
}

fn api_versions() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"))
}
