//! Samples of what control answers.

use protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, BrokerId, CreatePartitionsRequest,
    CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, InitProducerIdRequest,
    InitProducerIdResponse, ProducerId, TopicName, TransactionalId, alter_client_quotas_request,
    alter_client_quotas_response, create_partitions_request, create_partitions_response,
    create_topics_request, create_topics_response, delete_topics_request, delete_topics_response,
    describe_log_dirs_request, describe_log_dirs_response, incremental_alter_configs_request,
    incremental_alter_configs_response,
};

use super::{Request, Response, text, topic};

pub(super) fn create() -> (Request, Response) {
    let wanted = create_topics_request::CreatableTopic::default()
        .with_name(TopicName(text("orders")))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(vec![
            create_topics_request::CreatableReplicaAssignment::default()
                .with_partition_index(0)
                .with_broker_ids(vec![BrokerId(1)]),
        ])
        .with_configs(vec![
            create_topics_request::CreatableTopicConfig::default()
                .with_name(text("retention.ms"))
                .with_value(Some(text("1000"))),
        ]);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![wanted])
        .with_timeout_ms(1_500)
        .with_validate_only(true);
    let config = create_topics_response::CreatableTopicConfigs::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("1000")))
        .with_read_only(true)
        .with_config_source(1)
        .with_is_sensitive(true);
    let created = create_topics_response::CreatableTopicResult::default()
        .with_name(TopicName(text("orders")))
        .with_topic_id(topic().0)
        .with_error_code(36)
        .with_error_message(Some(text("it exists")))
        .with_topic_config_error_code(29)
        .with_num_partitions(6)
        .with_replication_factor(1)
        .with_configs(Some(vec![config]));
    let response =
        CreateTopicsResponse::default().with_throttle_time_ms(9).with_topics(vec![created]);
    (Request::CreateTopics(request), Response::CreateTopics(response))
}

pub(super) fn delete() -> (Request, Response) {
    let request = DeleteTopicsRequest::default()
        .with_topics(vec![
            delete_topics_request::DeleteTopicState::default()
                .with_name(Some(TopicName(text("orders"))))
                .with_topic_id(topic().0),
        ])
        .with_timeout_ms(1_500);
    let deleted = delete_topics_response::DeletableTopicResult::default()
        .with_name(Some(TopicName(text("orders"))))
        .with_topic_id(topic().0)
        .with_error_code(3)
        .with_error_message(Some(text("it does not exist")));
    let response =
        DeleteTopicsResponse::default().with_throttle_time_ms(9).with_responses(vec![deleted]);
    (Request::DeleteTopics(request), Response::DeleteTopics(response))
}

pub(super) fn create_partitions() -> (Request, Response) {
    let wanted = create_partitions_request::CreatePartitionsTopic::default()
        .with_name(TopicName(text("orders")))
        .with_count(12)
        .with_assignments(Some(vec![
            create_partitions_request::CreatePartitionsAssignment::default()
                .with_broker_ids(vec![BrokerId(1)]),
        ]));
    let request = CreatePartitionsRequest::default()
        .with_topics(vec![wanted])
        .with_timeout_ms(1_500)
        .with_validate_only(true);
    let created = create_partitions_response::CreatePartitionsTopicResult::default()
        .with_name(TopicName(text("orders")))
        .with_error_code(37)
        .with_error_message(Some(text("fewer than before")));
    let response =
        CreatePartitionsResponse::default().with_throttle_time_ms(9).with_results(vec![created]);
    (Request::CreatePartitions(request), Response::CreatePartitions(response))
}

pub(super) fn alter_configs() -> (Request, Response) {
    let change = incremental_alter_configs_request::AlterableConfig::default()
        .with_name(text("cleanup.policy"))
        .with_config_operation(2)
        .with_value(Some(text("compact")));
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("orders"))
        .with_configs(vec![change]);
    let request = IncrementalAlterConfigsRequest::default()
        .with_resources(vec![resource])
        .with_validate_only(true);
    let changed = incremental_alter_configs_response::AlterConfigsResourceResponse::default()
        .with_resource_type(2)
        .with_resource_name(text("orders"))
        .with_error_code(40)
        .with_error_message(Some(text("no such config")));
    let response = IncrementalAlterConfigsResponse::default()
        .with_throttle_time_ms(9)
        .with_responses(vec![changed]);
    (Request::IncrementalAlterConfigs(request), Response::IncrementalAlterConfigs(response))
}

pub(super) fn alter_client_quotas() -> (Request, Response) {
    let op = alter_client_quotas_request::OpData::default()
        .with_key(text("producer_byte_rate"))
        .with_value(1024.5)
        .with_remove(true);
    let entity = alter_client_quotas_request::EntityData::default()
        .with_entity_type(text("user"))
        .with_entity_name(None);
    let entry = alter_client_quotas_request::EntryData::default()
        .with_entity(vec![entity])
        .with_ops(vec![op]);
    let request =
        AlterClientQuotasRequest::default().with_entries(vec![entry]).with_validate_only(true);
    let entity = alter_client_quotas_response::EntityData::default()
        .with_entity_type(text("user"))
        .with_entity_name(Some(text("alice")));
    let entry = alter_client_quotas_response::EntryData::default()
        .with_error_code(42)
        .with_error_message(Some(text("no such key")))
        .with_entity(vec![entity]);
    let response =
        AlterClientQuotasResponse::default().with_throttle_time_ms(9).with_entries(vec![entry]);
    (Request::AlterClientQuotas(request), Response::AlterClientQuotas(response))
}

pub(super) fn describe_log_dirs() -> (Request, Response) {
    let asked = describe_log_dirs_request::DescribableLogDirTopic::default()
        .with_topic(TopicName(text("orders")))
        .with_partitions(vec![3, 4]);
    let request = DescribeLogDirsRequest::default().with_topics(Some(vec![asked]));
    let partition = describe_log_dirs_response::DescribeLogDirsPartition::default()
        .with_partition_index(3)
        .with_partition_size(1 << 40)
        .with_offset_lag(7)
        .with_is_future_key(true);
    let topic = describe_log_dirs_response::DescribeLogDirsTopic::default()
        .with_name(TopicName(text("orders")))
        .with_partitions(vec![partition]);
    let dir = describe_log_dirs_response::DescribeLogDirsResult::default()
        .with_error_code(56)
        .with_log_dir(text("/logs"))
        .with_topics(vec![topic])
        .with_total_bytes(10)
        .with_usable_bytes(5);
    let response = DescribeLogDirsResponse::default()
        .with_throttle_time_ms(9)
        .with_error_code(1)
        .with_results(vec![dir]);
    (Request::DescribeLogDirs(request), Response::DescribeLogDirs(response))
}

pub(super) fn init_producer_id() -> (Request, Response) {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text("transfers"))))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(8))
        .with_producer_epoch(1);
    let response = InitProducerIdResponse::default()
        .with_throttle_time_ms(9)
        .with_error_code(0)
        .with_producer_id(ProducerId(8))
        .with_producer_epoch(2);
    (Request::InitProducerId(request), Response::InitProducerId(response))
}
