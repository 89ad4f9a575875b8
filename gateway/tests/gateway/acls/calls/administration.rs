//! Topics, configs, placement and access.

use protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use protocol::messages::alter_user_scram_credentials_request::ScramCredentialDeletion;
use protocol::messages::create_acls_request::AclCreation;
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::delete_acls_request::DeleteAclsFilter;
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::elect_leaders_request::TopicPartitions;
use protocol::messages::{
    AlterConfigsRequest, AlterReplicaLogDirsRequest, AlterUserScramCredentialsRequest, ApiKey,
    CreateAclsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteAclsRequest,
    DeleteTopicsRequest, DescribeAclsRequest, DescribeConfigsRequest, DescribeLogDirsRequest,
    DescribeUserScramCredentialsRequest, ElectLeadersRequest, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest, ListPartitionReassignmentsRequest, alter_configs_request,
    incremental_alter_configs_request,
};

use super::{Call, told};
use crate::support::{Client, id, name, text};
use crate::{placement, quotas};

/// The type and the name of the resource whose configs are meant.
fn resource(call: &Call<'_>) -> (i8, &'static str) {
    match call.case {
        "topic" => (2, "orders"),
        "broker" => (4, "1"),
        _ => (32, "g"),
    }
}

pub(super) async fn make(client: &mut Client, call: &Call<'_>) -> String {
    let version = call.version;
    match call.api {
        ApiKey::CreateTopics => {
            let topic = CreatableTopic::default()
                .with_name(name("born"))
                .with_num_partitions(1)
                .with_replication_factor(1);
            let request = CreateTopicsRequest::default().with_topics(vec![topic]);
            told(client, version, request.with_timeout_ms(9_000)).await
        }
        ApiKey::DeleteTopics => told(client, version, delete_topics(call)).await,
        ApiKey::CreatePartitions => {
            let grown = CreatePartitionsTopic::default().with_name(name("orders")).with_count(2);
            let request = CreatePartitionsRequest::default().with_topics(vec![grown]);
            told(client, version, request).await
        }
        ApiKey::DescribeConfigs => {
            let (kind, name) = resource(call);
            let resource = DescribeConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
                .with_configuration_keys(None);
            let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
            told(client, version, request).await
        }
        ApiKey::AlterConfigs => {
            let (kind, name) = resource(call);
            let resource = alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name));
            let request = AlterConfigsRequest::default().with_resources(vec![resource]);
            told(client, version, request).await
        }
        ApiKey::IncrementalAlterConfigs => {
            let (kind, name) = resource(call);
            let resource = incremental_alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name));
            let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
            told(client, version, request).await
        }
        ApiKey::ListConfigResources => {
            told(client, version, ListConfigResourcesRequest::default()).await
        }
        _ => placement_or_access(client, call).await,
    }
}

fn delete_topics(call: &Call<'_>) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default().with_timeout_ms(9_000);
    if call.version < 6 {
        return request.with_topic_names(vec![name("doomed")]);
    }
    let topic = DeleteTopicState::default();
    let topic = match call.case {
        "by id" => topic.with_name(None).with_topic_id(id(call.doomed)),
        _ => topic.with_name(Some(name("doomed"))),
    };
    request.with_topics(vec![topic])
}

async fn placement_or_access(client: &mut Client, call: &Call<'_>) -> String {
    let version = call.version;
    match call.api {
        ApiKey::DescribeLogDirs => {
            told(client, version, DescribeLogDirsRequest::default().with_topics(None)).await
        }
        ApiKey::AlterReplicaLogDirs => {
            let topic = AlterReplicaLogDirTopic::default()
                .with_name(name("orders"))
                .with_partitions(vec![0]);
            let dir = AlterReplicaLogDir::default().with_path(text("/")).with_topics(vec![topic]);
            told(client, version, AlterReplicaLogDirsRequest::default().with_dirs(vec![dir])).await
        }
        ApiKey::ElectLeaders => {
            let topic =
                TopicPartitions::default().with_topic(name("orders")).with_partitions(vec![0]);
            let request = ElectLeadersRequest::default().with_topic_partitions(Some(vec![topic]));
            told(client, version, request).await
        }
        ApiKey::AlterPartitionReassignments => {
            told(client, version, placement::reassignment(&[Some(&[1])])).await
        }
        ApiKey::ListPartitionReassignments => {
            let request = ListPartitionReassignmentsRequest::default().with_topics(None);
            told(client, version, request).await
        }
        ApiKey::DescribeClientQuotas => told(client, version, quotas::describe()).await,
        ApiKey::AlterClientQuotas => {
            told(client, version, quotas::alter("app", &[("producer_byte_rate", 5.0)])).await
        }
        ApiKey::DescribeUserScramCredentials => {
            let request = DescribeUserScramCredentialsRequest::default().with_users(None);
            told(client, version, request).await
        }
        ApiKey::AlterUserScramCredentials => {
            let deletion = ScramCredentialDeletion::default().with_name(text("alice"));
            let request = AlterUserScramCredentialsRequest::default();
            told(client, version, request.with_deletions(vec![deletion.with_mechanism(1)])).await
        }
        ApiKey::DescribeAcls => told(client, version, describe_nothing()).await,
        ApiKey::CreateAcls => {
            let creations = vec![AclCreation::default()];
            told(client, version, CreateAclsRequest::default().with_creations(creations)).await
        }
        ApiKey::DeleteAcls => {
            let filters = vec![DeleteAclsFilter::default()];
            told(client, version, DeleteAclsRequest::default().with_filters(filters)).await
        }
        key => panic!("{key:?} is served and has no call here"),
    }
}

fn describe_nothing() -> DescribeAclsRequest {
    DescribeAclsRequest::default()
        .with_resource_type_filter(1)
        .with_pattern_type_filter(1)
        .with_operation(1)
        .with_permission_type(1)
        .with_principal_filter(Some(text("User:nobody")))
}
