//! Requests about configs, placement and access, with every field set that the version has.

use protocol::messages::{
    AlterClientQuotasRequest, AlterConfigsRequest, AlterPartitionReassignmentsRequest,
    AlterReplicaLogDirsRequest, AlterUserScramCredentialsRequest, ApiKey, BrokerId,
    CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest, DescribeClientQuotasRequest,
    DescribeLogDirsRequest, DescribeTopicPartitionsRequest, DescribeUserScramCredentialsRequest,
    ElectLeadersRequest, IncrementalAlterConfigsRequest, ListConfigResourcesRequest,
    ListPartitionReassignmentsRequest, SaslAuthenticateRequest, SaslHandshakeRequest,
    alter_client_quotas_request as alter_quotas, alter_configs_request as alter_configs,
    alter_partition_reassignments_request as reassign,
    alter_replica_log_dirs_request as alter_dirs, alter_user_scram_credentials_request as scram,
    create_acls_request as create_acls, delete_acls_request as delete_acls,
    describe_client_quotas_request as describe_quotas, describe_log_dirs_request as log_dirs,
    describe_topic_partitions_request as topic_partitions,
    describe_user_scram_credentials_request as describe_scram, elect_leaders_request as elect,
    incremental_alter_configs_request as incremental,
    list_partition_reassignments_request as list_reassignments,
};
use protocol::request::ClientRequest;

use super::{text, topic};

/// The request of `api` in `version`.
pub(super) fn populated(api: ApiKey, version: i16) -> ClientRequest {
    match api {
        ApiKey::AlterConfigs => alter_configs_request().into(),
        ApiKey::IncrementalAlterConfigs => incremental_alter_configs_request().into(),
        ApiKey::ListConfigResources => ListConfigResourcesRequest::default()
            .with_resource_types(if version >= 1 { vec![2, 4] } else { Vec::new() })
            .into(),
        ApiKey::DescribeTopicPartitions => describe_topic_partitions_request().into(),
        ApiKey::DescribeClientQuotas => {
            let component = describe_quotas::ComponentData::default()
                .with_entity_type(text("user"))
                .with_match_type(1)
                .with_match(Some(text("alice")));
            DescribeClientQuotasRequest::default()
                .with_components(vec![component])
                .with_strict(true)
                .into()
        }
        ApiKey::AlterClientQuotas => alter_client_quotas_request().into(),
        ApiKey::SaslHandshake
        | ApiKey::SaslAuthenticate
        | ApiKey::DescribeUserScramCredentials
        | ApiKey::AlterUserScramCredentials => authentication(api),
        ApiKey::DescribeLogDirs => {
            let asked = log_dirs::DescribableLogDirTopic::default()
                .with_topic(topic())
                .with_partitions(vec![0, 1]);
            DescribeLogDirsRequest::default().with_topics(Some(vec![asked])).into()
        }
        ApiKey::AlterReplicaLogDirs => {
            let moved = alter_dirs::AlterReplicaLogDirTopic::default()
                .with_name(topic())
                .with_partitions(vec![0, 1]);
            let dir = alter_dirs::AlterReplicaLogDir::default()
                .with_path(text("/logs"))
                .with_topics(vec![moved]);
            AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]).into()
        }
        ApiKey::ElectLeaders => {
            let asked =
                elect::TopicPartitions::default().with_topic(topic()).with_partitions(vec![0, 1]);
            ElectLeadersRequest::default()
                .with_election_type(i8::from(version >= 1))
                .with_topic_partitions(Some(vec![asked]))
                .with_timeout_ms(5_000)
                .into()
        }
        ApiKey::AlterPartitionReassignments => reassignments_request(version).into(),
        ApiKey::ListPartitionReassignments => {
            let asked = list_reassignments::ListPartitionReassignmentsTopics::default()
                .with_name(topic())
                .with_partition_indexes(vec![0, 1]);
            ListPartitionReassignmentsRequest::default()
                .with_timeout_ms(5_000)
                .with_topics(Some(vec![asked]))
                .into()
        }
        ApiKey::DescribeAcls => DescribeAclsRequest::default()
            .with_resource_type_filter(2)
            .with_resource_name_filter(Some(text("orders")))
            .with_pattern_type_filter(3)
            .with_principal_filter(Some(text("User:a")))
            .with_host_filter(Some(text("*")))
            .with_operation(3)
            .with_permission_type(3)
            .into(),
        ApiKey::CreateAcls => create_acls_request().into(),
        ApiKey::DeleteAcls => delete_acls_request().into(),
        other => super::transactions::populated(other, version),
    }
}

fn alter_configs_request() -> AlterConfigsRequest {
    let config = |value| {
        alter_configs::AlterableConfig::default().with_name(text("retention.ms")).with_value(value)
    };
    let resource = alter_configs::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("orders"))
        .with_configs(vec![config(Some(text("5"))), config(None)]);
    AlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(true)
}

fn alter_client_quotas_request() -> AlterClientQuotasRequest {
    let part = |name| {
        alter_quotas::EntityData::default().with_entity_type(text("user")).with_entity_name(name)
    };
    let op = alter_quotas::OpData::default()
        .with_key(text("producer_byte_rate"))
        .with_value(1024.5)
        .with_remove(true);
    let entry = alter_quotas::EntryData::default()
        .with_entity(vec![part(None), part(Some(text("alice")))])
        .with_ops(vec![op]);
    AlterClientQuotasRequest::default().with_entries(vec![entry]).with_validate_only(true)
}

/// Of and about authentication.
fn authentication(api: ApiKey) -> ClientRequest {
    match api {
        ApiKey::SaslHandshake => {
            SaslHandshakeRequest::default().with_mechanism(text("SCRAM-SHA-256")).into()
        }
        ApiKey::SaslAuthenticate => SaslAuthenticateRequest::default()
            .with_auth_bytes(bytes::Bytes::from_static(b"token"))
            .into(),
        ApiKey::DescribeUserScramCredentials => {
            let user = describe_scram::UserName::default().with_name(text("alice"));
            DescribeUserScramCredentialsRequest::default().with_users(Some(vec![user])).into()
        }
        ApiKey::AlterUserScramCredentials => alter_user_scram_credentials_request().into(),
        other => unreachable!("{other:?} is not about authentication"),
    }
}

fn alter_user_scram_credentials_request() -> AlterUserScramCredentialsRequest {
    let deletion =
        scram::ScramCredentialDeletion::default().with_name(text("alice")).with_mechanism(1);
    let upsertion = scram::ScramCredentialUpsertion::default()
        .with_name(text("bob"))
        .with_mechanism(2)
        .with_iterations(8_192)
        .with_salt(bytes::Bytes::from_static(b"salt"))
        .with_salted_password(bytes::Bytes::from_static(b"salted"));
    AlterUserScramCredentialsRequest::default()
        .with_deletions(vec![deletion])
        .with_upsertions(vec![upsertion])
}

fn incremental_alter_configs_request() -> IncrementalAlterConfigsRequest {
    let config = |operation, value| {
        incremental::AlterableConfig::default()
            .with_name(text("cleanup.policy"))
            .with_config_operation(operation)
            .with_value(value)
    };
    let resource = incremental::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("orders"))
        .with_configs(vec![config(2, Some(text("compact"))), config(1, None)]);
    IncrementalAlterConfigsRequest::default()
        .with_resources(vec![resource])
        .with_validate_only(true)
}

fn describe_topic_partitions_request() -> DescribeTopicPartitionsRequest {
    let cursor =
        topic_partitions::Cursor::default().with_topic_name(topic()).with_partition_index(7);
    DescribeTopicPartitionsRequest::default()
        .with_topics(vec![topic_partitions::TopicRequest::default().with_name(topic())])
        .with_response_partition_limit(100)
        .with_cursor(Some(cursor))
}

fn reassignments_request(version: i16) -> AlterPartitionReassignmentsRequest {
    let partition = |replicas| {
        reassign::ReassignablePartition::default().with_partition_index(1).with_replicas(replicas)
    };
    let moved = reassign::ReassignableTopic::default()
        .with_name(topic())
        .with_partitions(vec![partition(Some(vec![BrokerId(1), BrokerId(2)])), partition(None)]);
    AlterPartitionReassignmentsRequest::default()
        .with_timeout_ms(5_000)
        .with_allow_replication_factor_change(version == 0)
        .with_topics(vec![moved])
}

fn create_acls_request() -> CreateAclsRequest {
    let creation = create_acls::AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(text("orders"))
        .with_resource_pattern_type(3)
        .with_principal(text("User:a"))
        .with_host(text("*"))
        .with_operation(3)
        .with_permission_type(3);
    CreateAclsRequest::default().with_creations(vec![creation.clone(), creation])
}

fn delete_acls_request() -> DeleteAclsRequest {
    let filter = delete_acls::DeleteAclsFilter::default()
        .with_resource_type_filter(2)
        .with_resource_name_filter(Some(text("orders")))
        .with_pattern_type_filter(3)
        .with_principal_filter(None)
        .with_host_filter(Some(text("*")))
        .with_operation(3)
        .with_permission_type(3);
    DeleteAclsRequest::default().with_filters(vec![filter])
}
