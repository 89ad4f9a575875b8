//! One request of each API, with every field set that its version has: what real clients may send.

use bytes::Bytes;
use protocol::messages::{
    ApiKey, ApiVersionsRequest, BrokerId, ConsumerGroupDescribeRequest,
    ConsumerGroupHeartbeatRequest, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, DescribeProducersRequest, FetchRequest,
    FindCoordinatorRequest, GroupId, HeartbeatRequest, InitProducerIdRequest, JoinGroupRequest,
    LeaveGroupRequest, ListGroupsRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest, ProduceRequest,
    SyncGroupRequest, TopicName, TransactionalId,
    consumer_group_heartbeat_request as consumer_heartbeat,
    create_partitions_request as create_partitions, create_topics_request as create_topics,
    delete_records_request as deletion, delete_topics_request as delete_topics,
    describe_configs_request as describe_configs, describe_producers_request as describe_producers,
    fetch_request as fetch, join_group_request as join_group, leave_group_request as leave_group,
    list_offsets_request as list_offsets, metadata_request as metadata,
    offset_commit_request as offset_commit, offset_delete_request as offset_delete,
    offset_fetch_request as offset_fetch, offset_for_leader_epoch_request as epochs,
    produce_request as produce, sync_group_request as sync_group,
};
use protocol::request::ClientRequest;
use protocol::{StrBytes, ids::TopicId};

#[path = "populated_admin.rs"]
mod admin;
#[path = "populated_transactions.rs"]
mod transactions;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn topic() -> TopicName {
    TopicName(text("orders"))
}

fn group() -> GroupId {
    GroupId(text("billing"))
}

fn since<T>(version: i16, first: i16, value: T) -> Option<T> {
    (version >= first).then_some(value)
}

/// The request of `api` in `version`.
pub(crate) fn populated(api: ApiKey, version: i16) -> ClientRequest {
    match api {
        ApiKey::Produce => produce_request().into(),
        ApiKey::Fetch => fetch_request(version).into(),
        ApiKey::ListOffsets => list_offsets_request(version).into(),
        ApiKey::OffsetForLeaderEpoch => offset_for_leader_epoch_request().into(),
        ApiKey::DeleteRecords => delete_records_request().into(),
        ApiKey::DescribeProducers => describe_producers_request().into(),
        ApiKey::InitProducerId => init_producer_id_request(version).into(),
        ApiKey::FindCoordinator => find_coordinator_request(version).into(),
        ApiKey::JoinGroup => join_group_request(version).into(),
        ApiKey::SyncGroup => sync_group_request(version).into(),
        ApiKey::Heartbeat => heartbeat_request(version).into(),
        ApiKey::LeaveGroup => leave_group_request(version).into(),
        ApiKey::OffsetCommit => offset_commit_request(version).into(),
        ApiKey::OffsetFetch => offset_fetch_request(version).into(),
        ApiKey::OffsetDelete => offset_delete_request().into(),
        ApiKey::DescribeGroups => DescribeGroupsRequest::default()
            .with_groups(vec![group(), group()])
            .with_include_authorized_operations(version >= 3)
            .into(),
        ApiKey::ListGroups => ListGroupsRequest::default()
            .with_states_filter(since(version, 4, text("Stable")).into_iter().collect())
            .with_types_filter(since(version, 5, text("classic")).into_iter().collect())
            .into(),
        ApiKey::DeleteGroups => {
            DeleteGroupsRequest::default().with_groups_names(vec![group(), group()]).into()
        }
        ApiKey::ConsumerGroupHeartbeat => consumer_group_heartbeat_request(version).into(),
        ApiKey::ConsumerGroupDescribe => ConsumerGroupDescribeRequest::default()
            .with_group_ids(vec![group(), group()])
            .with_include_authorized_operations(true)
            .into(),
        ApiKey::ApiVersions => ApiVersionsRequest::default()
            .with_client_software_name(text("apache-kafka-java"))
            .with_client_software_version(text("4.1.0"))
            .into(),
        ApiKey::Metadata => metadata_request(version).into(),
        ApiKey::DescribeCluster => DescribeClusterRequest::default()
            .with_include_cluster_authorized_operations(true)
            .with_endpoint_type(if version >= 1 { 2 } else { 1 })
            .with_include_fenced_brokers(version >= 2)
            .into(),
        ApiKey::CreateTopics => create_topics_request().into(),
        ApiKey::DeleteTopics => delete_topics_request(version).into(),
        ApiKey::CreatePartitions => create_partitions_request().into(),
        ApiKey::DescribeConfigs => describe_configs_request(version).into(),
        other => admin::populated(other, version),
    }
}

fn produce_request() -> ProduceRequest {
    let partition = |index| {
        produce::PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(Bytes::from_static(b"opaque here")))
    };
    let topic = produce::TopicProduceData::default()
        .with_name(topic())
        .with_topic_id(TopicId::random().0)
        .with_partition_data(vec![partition(0), partition(7).with_records(None)]);
    ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(text("tx"))))
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

fn fetch_request(version: i16) -> FetchRequest {
    let mut partition = fetch::FetchPartition::default()
        .with_partition(3)
        .with_current_leader_epoch(9)
        .with_fetch_offset(1 << 40)
        .with_last_fetched_epoch(if version >= 12 { 8 } else { -1 })
        .with_log_start_offset(4)
        .with_partition_max_bytes(1 << 20);
    if version >= 17 {
        partition.replica_directory_id = TopicId::random().0;
    }
    if version >= 18 {
        partition.high_watermark = 77;
    }
    let topic_data = fetch::FetchTopic::default()
        .with_topic(topic())
        .with_topic_id(TopicId::random().0)
        .with_partitions(vec![partition.clone(), partition]);
    let mut request = FetchRequest::default()
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_isolation_level(1)
        .with_session_id(if version >= 7 { 12 } else { 0 })
        .with_session_epoch(if version >= 7 { 13 } else { -1 })
        .with_topics(vec![topic_data])
        .with_rack_id(text("eu-1a"));
    if version >= 7 {
        let forgotten = fetch::ForgottenTopic::default()
            .with_topic(topic())
            .with_topic_id(TopicId::random().0)
            .with_partitions(vec![1, 2, 3]);
        request.forgotten_topics_data = vec![forgotten];
    }
    if version >= 12 {
        request.cluster_id = Some(text("cluster"));
    }
    if version >= 15 {
        request.replica_state =
            fetch::ReplicaState::default().with_replica_id(BrokerId(5)).with_replica_epoch(6);
    }
    request
}

fn list_offsets_request(version: i16) -> ListOffsetsRequest {
    let partition = list_offsets::ListOffsetsPartition::default()
        .with_partition_index(1)
        .with_current_leader_epoch(4)
        .with_timestamp(-2);
    let topic = list_offsets::ListOffsetsTopic::default()
        .with_name(topic())
        .with_partitions(vec![partition.clone(), partition]);
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(i8::from(version >= 2))
        .with_topics(vec![topic])
        .with_timeout_ms(30_000)
}

fn offset_for_leader_epoch_request() -> OffsetForLeaderEpochRequest {
    let partition = epochs::OffsetForLeaderPartition::default()
        .with_partition(2)
        .with_current_leader_epoch(4)
        .with_leader_epoch(3);
    let topic = epochs::OffsetForLeaderTopic::default()
        .with_topic(topic())
        .with_partitions(vec![partition]);
    OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic])
}

fn describe_producers_request() -> DescribeProducersRequest {
    let topic = describe_producers::TopicRequest::default()
        .with_name(topic())
        .with_partition_indexes(vec![2, 3]);
    DescribeProducersRequest::default().with_topics(vec![topic])
}

fn delete_records_request() -> DeleteRecordsRequest {
    let partition =
        deletion::DeleteRecordsPartition::default().with_partition_index(2).with_offset(77);
    let topic = deletion::DeleteRecordsTopic::default()
        .with_name(topic())
        .with_partitions(vec![partition.clone(), partition]);
    DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000)
}

fn init_producer_id_request(version: i16) -> InitProducerIdRequest {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text("tx"))))
        .with_transaction_timeout_ms(60_000);
    match version {
        0..3 => request,
        _ => request.with_producer_id(5.into()).with_producer_epoch(6),
    }
}

fn find_coordinator_request(version: i16) -> FindCoordinatorRequest {
    let request = FindCoordinatorRequest::default().with_key_type(i8::from(version >= 1));
    match version {
        0..4 => request.with_key(text("billing")),
        _ => request.with_coordinator_keys(vec![text("billing"), text("audit")]),
    }
}

fn join_group_request(version: i16) -> JoinGroupRequest {
    let protocol = |name| {
        join_group::JoinGroupRequestProtocol::default()
            .with_name(name)
            .with_metadata(Bytes::from_static(b"\0\x01subscription"))
    };
    JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(45_000)
        .with_rebalance_timeout_ms(300_000)
        .with_member_id(text("member"))
        .with_group_instance_id(since(version, 5, text("instance")))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol(text("range")), protocol(text("cooperative-sticky"))])
        .with_reason(since(version, 8, text("first join")))
}

fn sync_group_request(version: i16) -> SyncGroupRequest {
    let assignment = sync_group::SyncGroupRequestAssignment::default()
        .with_member_id(text("member"))
        .with_assignment(Bytes::from_static(b"\0\x01assignment"));
    SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(3)
        .with_member_id(text("member"))
        .with_group_instance_id(since(version, 3, text("instance")))
        .with_protocol_type(since(version, 5, text("consumer")))
        .with_protocol_name(since(version, 5, text("range")))
        .with_assignments(vec![assignment.clone(), assignment])
}

fn heartbeat_request(version: i16) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group())
        .with_generation_id(3)
        .with_member_id(text("member"))
        .with_group_instance_id(since(version, 3, text("instance")))
}

fn consumer_group_heartbeat_request(version: i16) -> ConsumerGroupHeartbeatRequest {
    let owned = consumer_heartbeat::TopicPartitions::default()
        .with_topic_id(TopicId::random().0)
        .with_partitions(vec![0, 1]);
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group())
        .with_member_id(text("member-1"))
        .with_member_epoch(4)
        .with_instance_id(Some(text("instance-1")))
        .with_rack_id(Some(text("rack-1")))
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![topic(), topic()]))
        .with_subscribed_topic_regex(since(version, 1, text("orders-.*")))
        .with_server_assignor(Some(text("uniform")))
        .with_topic_partitions(Some(vec![owned]))
}

fn leave_group_request(version: i16) -> LeaveGroupRequest {
    let request = LeaveGroupRequest::default().with_group_id(group());
    if version < 3 {
        return request.with_member_id(text("member"));
    }
    let member = leave_group::MemberIdentity::default()
        .with_member_id(text("member"))
        .with_group_instance_id(Some(text("instance")))
        .with_reason(since(version, 5, text("done")));
    request.with_members(vec![member.clone(), member])
}

fn offset_commit_request(version: i16) -> OffsetCommitRequest {
    let partition = |metadata| {
        offset_commit::OffsetCommitRequestPartition::default()
            .with_partition_index(1)
            .with_committed_offset(1 << 33)
            .with_committed_leader_epoch(4)
            .with_committed_metadata(metadata)
    };
    let topic = offset_commit::OffsetCommitRequestTopic::default()
        .with_name(topic())
        .with_partitions(vec![partition(Some(text("note"))), partition(None)]);
    OffsetCommitRequest::default()
        .with_group_id(group())
        .with_generation_id_or_member_epoch(3)
        .with_member_id(text("member"))
        .with_group_instance_id(since(version, 7, text("instance")))
        .with_retention_time_ms(if version <= 4 { 86_400_000 } else { -1 })
        .with_topics(vec![topic])
}

fn offset_fetch_request(version: i16) -> OffsetFetchRequest {
    let request = OffsetFetchRequest::default().with_require_stable(version >= 7);
    if version < 8 {
        let topic = offset_fetch::OffsetFetchRequestTopic::default()
            .with_name(topic())
            .with_partition_indexes(vec![0, 1, 2]);
        return request.with_group_id(group()).with_topics(Some(vec![topic]));
    }
    let topic = offset_fetch::OffsetFetchRequestTopics::default()
        .with_name(topic())
        .with_partition_indexes(vec![0, 1, 2]);
    let asked = offset_fetch::OffsetFetchRequestGroup::default()
        .with_group_id(group())
        .with_member_id(since(version, 9, text("member")))
        .with_member_epoch(if version >= 9 { 5 } else { -1 })
        .with_topics(Some(vec![topic]));
    let everything =
        offset_fetch::OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(None);
    request.with_groups(vec![asked, everything])
}

fn offset_delete_request() -> OffsetDeleteRequest {
    let partition = offset_delete::OffsetDeleteRequestPartition::default().with_partition_index(4);
    let topic = offset_delete::OffsetDeleteRequestTopic::default()
        .with_name(topic())
        .with_partitions(vec![partition.clone(), partition]);
    OffsetDeleteRequest::default().with_group_id(group()).with_topics(vec![topic])
}

fn metadata_request(version: i16) -> MetadataRequest {
    let named = metadata::MetadataRequestTopic::default().with_name(Some(topic()));
    let mut topics = vec![named];
    if version >= 12 {
        let by_id = metadata::MetadataRequestTopic::default().with_topic_id(TopicId::random().0);
        topics.push(by_id.with_name(None));
    }
    MetadataRequest::default()
        .with_topics(Some(topics))
        .with_allow_auto_topic_creation(version < 4)
        .with_include_cluster_authorized_operations((8..=10).contains(&version))
        .with_include_topic_authorized_operations(version >= 8)
}

fn create_topics_request() -> CreateTopicsRequest {
    let assignment = create_topics::CreatableReplicaAssignment::default()
        .with_partition_index(0)
        .with_broker_ids(vec![BrokerId(1), BrokerId(2)]);
    let config = |value| {
        create_topics::CreatableTopicConfig::default()
            .with_name(text("retention.ms"))
            .with_value(value)
    };
    let topic = create_topics::CreatableTopic::default()
        .with_name(topic())
        .with_num_partitions(6)
        .with_replication_factor(3)
        .with_assignments(vec![assignment])
        .with_configs(vec![config(Some(text("1000"))), config(None)]);
    CreateTopicsRequest::default()
        .with_topics(vec![topic.clone(), topic])
        .with_timeout_ms(5_000)
        .with_validate_only(true)
}

fn delete_topics_request(version: i16) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default().with_timeout_ms(5_000);
    if version < 6 {
        return request.with_topic_names(vec![topic(), topic()]);
    }
    let named = delete_topics::DeleteTopicState::default().with_name(Some(topic()));
    let by_id = delete_topics::DeleteTopicState::default().with_topic_id(TopicId::random().0);
    request.with_topics(vec![named, by_id])
}

fn create_partitions_request() -> CreatePartitionsRequest {
    let assignment = create_partitions::CreatePartitionsAssignment::default()
        .with_broker_ids(vec![BrokerId(1), BrokerId(2)]);
    let topic = |assignments| {
        create_partitions::CreatePartitionsTopic::default()
            .with_name(topic())
            .with_count(12)
            .with_assignments(assignments)
    };
    CreatePartitionsRequest::default()
        .with_topics(vec![topic(Some(vec![assignment])), topic(None)])
        .with_timeout_ms(5_000)
        .with_validate_only(true)
}

fn describe_configs_request(version: i16) -> DescribeConfigsRequest {
    let resource = |keys| {
        describe_configs::DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("orders"))
            .with_configuration_keys(keys)
    };
    DescribeConfigsRequest::default()
        .with_resources(vec![resource(Some(vec![text("retention.ms")])), resource(None)])
        .with_include_synonyms(true)
        .with_include_documentation(version >= 3)
}
