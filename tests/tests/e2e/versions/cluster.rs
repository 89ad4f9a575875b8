//! The cluster as a whole, and where partitions are said to lie.

use protocol::ErrorCode;
use protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use protocol::messages::elect_leaders_request::TopicPartitions;
use protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest, ApiVersionsRequest,
    DescribeClusterRequest, DescribeLogDirsRequest, ElectLeadersRequest,
    ListPartitionReassignmentsRequest,
};
use protocol::versions::APIS;

use super::world::{World, is, text};

/// First versions: of the client's name, of an answer's code, of features, and of elections that
/// are not for the preferred replica.
const CLIENT_NAME: i16 = 3;
const FEATURES: i16 = 3;
const TOTAL_BYTES: i16 = 4;

pub(super) fn api_versions(world: &mut World, version: i16) {
    let mut request = ApiVersionsRequest::default();
    if version >= CLIENT_NAME {
        request.client_software_name = text("walk");
        request.client_software_version = text("1");
    }
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    assert_eq!(answer.finalized_features.is_empty(), version < FEATURES);
    let told: Vec<_> = answer.api_keys.iter().map(|api| (api.api_key, api.max_version)).collect();
    let table: Vec<_> = APIS.iter().map(|api| (api.key as i16, api.max)).collect();
    assert_eq!(told, table);
}

pub(super) fn describe(world: &mut World, version: i16) {
    let request = DescribeClusterRequest::default()
        .with_endpoint_type(1)
        .with_include_fenced_brokers(version >= 2);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    assert!(!answer.cluster_id.is_empty());
    assert_eq!(answer.brokers.len(), 1);
    assert_eq!(answer.brokers[0].port, i32::from(world.node.kafka.port()));
}

pub(super) fn describe_log_dirs(world: &mut World, version: i16) {
    let asked = DescribableLogDirTopic::default()
        .with_topic(world.filled.name.clone())
        .with_partitions(vec![0]);
    let request = DescribeLogDirsRequest::default().with_topics(Some(vec![asked]));
    let answer = world.wire.ask(version, &request);
    let [dir] = &answer.results[..] else { panic!("{answer:?}") };
    is(ErrorCode::None, dir.error_code);
    let [partition] = &dir.topics[0].partitions[..] else { panic!("{dir:?}") };
    assert_eq!((partition.partition_index, partition.offset_lag), (0, 0));
    assert!(partition.partition_size > 0);
    // Of an object store nobody knows how large it is; earlier versions read as not known.
    assert!(version < TOTAL_BYTES || dir.total_bytes >= -1);
}

pub(super) fn alter_replica_log_dirs(world: &mut World, version: i16) {
    let topic = AlterReplicaLogDirTopic::default()
        .with_name(world.filled.name.clone())
        .with_partitions(vec![0]);
    let dir = AlterReplicaLogDir::default().with_path(text("/nowhere")).with_topics(vec![topic]);
    let request = AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::LogDirNotFound, answer.results[0].partitions[0].error_code);
}

pub(super) fn elect_leaders(world: &mut World, version: i16) {
    let asked =
        TopicPartitions::default().with_topic(world.filled.name.clone()).with_partitions(vec![0]);
    let request = ElectLeadersRequest::default()
        .with_topic_partitions(Some(vec![asked]))
        .with_timeout_ms(10_000);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    let result = &answer.replica_election_results[0].partition_result[0];
    is(ErrorCode::ElectionNotNeeded, result.error_code);
}

/// Nothing can be cancelled, for nothing is ever under way.
pub(super) fn reassign(world: &mut World, version: i16) {
    let partition = ReassignablePartition::default().with_partition_index(0).with_replicas(None);
    let topic = ReassignableTopic::default()
        .with_name(world.filled.name.clone())
        .with_partitions(vec![partition]);
    let request = AlterPartitionReassignmentsRequest::default()
        .with_timeout_ms(10_000)
        .with_topics(vec![topic]);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    let result = &answer.responses[0].partitions[0];
    is(ErrorCode::NoReassignmentInProgress, result.error_code);
}

pub(super) fn list_reassignments(world: &mut World, version: i16) {
    let request =
        ListPartitionReassignmentsRequest::default().with_timeout_ms(10_000).with_topics(None);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    assert!(answer.topics.is_empty());
}
