//! Configs, placement and access, in every version.

use protocol::messages::alter_user_scram_credentials_request::ScramCredentialDeletion;
use protocol::messages::{
    AlterReplicaLogDirsRequest, AlterUserScramCredentialsRequest, ApiKey, CreateAclsRequest,
    DeleteAclsRequest, DescribeAclsRequest, DescribeLogDirsRequest,
    DescribeUserScramCredentialsRequest, ElectLeadersRequest, ListConfigResourcesRequest,
    ListPartitionReassignmentsRequest, SaslAuthenticateRequest, SaslHandshakeRequest,
    create_acls_request, delete_acls_request,
};
use protocol::versions::Api;

use crate::support::{Client, text};
use crate::{configs, placement, quotas};

/// False if the API is none of these.
pub(super) async fn ask(client: &mut Client, api: &Api, version: i16) -> bool {
    match api.key {
        ApiKey::AlterConfigs => {
            let request = configs::replace("orders", &[("segment.ms", "7")]);
            assert_eq!(client.call(version, request).await.responses[0].error_code, 0);
        }
        ApiKey::IncrementalAlterConfigs => {
            let request = configs::change(&[(2, "orders")], "segment.ms", Some("8"));
            assert_eq!(client.call(version, request).await.responses[0].error_code, 0);
        }
        ApiKey::ListConfigResources => {
            let response = client.call(version, ListConfigResourcesRequest::default()).await;
            assert_eq!(response.config_resources.is_empty(), version == 0);
        }
        ApiKey::DescribeTopicPartitions => {
            let response = client.call(version, placement::describe(&["orders"], 1)).await;
            assert_eq!(response.topics[0].partitions.len(), 1);
            assert!(response.next_cursor.is_some());
        }
        ApiKey::DescribeLogDirs => {
            let request = DescribeLogDirsRequest::default().with_topics(None);
            let response = client.call(version, request).await;
            let orders = response.results[0].topics.iter().find(|t| t.name.as_str() == "orders");
            assert_eq!(orders.unwrap().partitions.len(), 2);
        }
        // There is nothing to authenticate on this listener.
        ApiKey::SaslHandshake => {
            let response = client.call(version, SaslHandshakeRequest::default()).await;
            assert_eq!(response.error_code, 34);
        }
        ApiKey::SaslAuthenticate => {
            let response = client.call(version, SaslAuthenticateRequest::default()).await;
            assert_eq!(response.error_code, 34);
        }
        ApiKey::DescribeUserScramCredentials => {
            let request = DescribeUserScramCredentialsRequest::default();
            assert_eq!(client.call(version, request).await.error_code, 0);
        }
        ApiKey::AlterUserScramCredentials => {
            let deletion =
                ScramCredentialDeletion::default().with_name(text("alice")).with_mechanism(1);
            let request =
                AlterUserScramCredentialsRequest::default().with_deletions(vec![deletion]);
            assert_eq!(client.call(version, request).await.results[0].user.as_str(), "alice");
        }
        ApiKey::AlterClientQuotas => {
            let response = client.call(version, quotas::alter("a", &[("request_percentage", 5.0)]));
            assert_eq!(response.await.entries[0].error_code, 0);
        }
        ApiKey::DescribeClientQuotas => {
            let response = client.call(version, quotas::describe()).await;
            assert_eq!((response.error_code, response.entries), (0, Some(Vec::new())));
        }
        _ => return placement_or_access(client, api, version).await,
    }
    true
}

async fn placement_or_access(client: &mut Client, api: &Api, version: i16) -> bool {
    match api.key {
        ApiKey::ElectLeaders => {
            let request = ElectLeadersRequest::default().with_topic_partitions(None);
            assert_eq!(client.call(version, request).await.error_code, 0);
        }
        ApiKey::AlterPartitionReassignments => {
            let response = client.call(version, placement::reassignment(&[Some(&[1])])).await;
            assert_eq!(response.responses[0].partitions[0].error_code, 0);
        }
        ApiKey::ListPartitionReassignments => {
            let request = ListPartitionReassignmentsRequest::default().with_topics(None);
            assert_eq!(client.call(version, request).await.error_code, 0);
        }
        ApiKey::AlterReplicaLogDirs => {
            let response = client.call(version, AlterReplicaLogDirsRequest::default()).await;
            assert_eq!(response.results.len(), 0);
        }
        ApiKey::DescribeAcls => {
            assert_eq!(client.call(version, DescribeAclsRequest::default()).await.error_code, 54);
        }
        ApiKey::CreateAcls => {
            let creations = vec![create_acls_request::AclCreation::default()];
            let request = CreateAclsRequest::default().with_creations(creations);
            assert_eq!(client.call(version, request).await.results[0].error_code, 54);
        }
        ApiKey::DeleteAcls => {
            let filters = vec![delete_acls_request::DeleteAclsFilter::default()];
            let request = DeleteAclsRequest::default().with_filters(filters);
            assert_eq!(client.call(version, request).await.filter_results[0].error_code, 54);
        }
        _ => return false,
    }
    true
}
