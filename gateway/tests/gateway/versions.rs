//! Every API in every version that is advertised: asked over a socket, answered in that version,
//! with nodes and control behind real hop connections (R48).

mod administration;
mod transactions;

use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_producers_request::TopicRequest;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic};
use protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::messages::{
    ApiKey, ApiVersionsRequest, ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest,
    CreatePartitionsRequest, CreateTopicsRequest, DeleteGroupsRequest, DeleteTopicsRequest,
    DescribeClusterRequest, DescribeConfigsRequest, DescribeGroupsRequest,
    DescribeProducersRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest,
    ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, OffsetForLeaderEpochRequest, SyncGroupRequest,
};
use protocol::versions::Api;

use crate::fetch::{at_once, fetch};
use crate::produce::produce;
use crate::support::{Client, Cluster, id, name, text};

const FIRST_BY_ID: i16 = 13;

fn group() -> GroupId {
    text("g").into()
}

#[tokio::test]
async fn every_api_is_answered_in_every_version() {
    let mut cluster = Cluster::start().await;
    cluster.serve_over_sockets().await;
    let topic = cluster.topic("orders", &[1, 2]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    for api in protocol::versions::APIS {
        for version in api.served_min..=api.max {
            ask(&mut client, api, version, topic).await;
        }
    }
}

/// Asks for something that a node or control must answer. Whatever does not fit the version fails
/// to decode, or ends the connection.
async fn ask(client: &mut Client, api: &Api, version: i16, topic: protocol::ids::TopicId) {
    match api.key {
        ApiKey::Produce => {
            let mut request = produce("orders", &[(0, "a"), (1, "b")]);
            if version >= FIRST_BY_ID {
                request.topic_data[0].name = Default::default();
                request.topic_data[0].topic_id = id(topic);
            }
            let response = client.call(version, request).await;
            assert!(crate::produce::outcome(&response).iter().all(|(_, code, _)| *code == 0));
        }
        ApiKey::Fetch => {
            let mut request = at_once(fetch("orders", &[(0, 0), (1, 0), (9, 0)]));
            if version >= FIRST_BY_ID {
                request.topics[0].topic = Default::default();
                request.topics[0].topic_id = id(topic);
            }
            let response = client.call(version, request).await;
            assert_eq!(crate::fetch::fetched(&response)[0].1, 0);
        }
        ApiKey::DeleteRecords => {
            let request = crate::admin::deletion(&[(0, 0)]);
            let response = client.call(version, request).await;
            assert_eq!(response.topics[0].partitions[0].error_code, 0);
        }
        ApiKey::DescribeProducers => {
            let topic = TopicRequest::default()
                .with_name(name("orders"))
                .with_partition_indexes(vec![0, 9]);
            let request = DescribeProducersRequest::default().with_topics(vec![topic]);
            let response = client.call(version, request).await;
            let partitions = &response.topics[0].partitions;
            assert_eq!((partitions[0].error_code, partitions[1].error_code), (0, 3));
            assert_eq!(partitions[0].active_producers[0].producer_id.0, 4_000);
        }
        ApiKey::ListOffsets | ApiKey::OffsetForLeaderEpoch => offsets(client, api, version).await,
        ApiKey::Metadata => {
            let response = client
                .call(
                    version,
                    MetadataRequest::default().with_topics(if version == 0 {
                        Some(Vec::new())
                    } else {
                        None
                    }),
                )
                .await;
            assert!(!response.topics.is_empty() && !response.brokers.is_empty());
        }
        ApiKey::ApiVersions => {
            let mut request = ApiVersionsRequest::default();
            if version >= 3 {
                request.client_software_name = text("test");
                request.client_software_version = text("1");
            }
            let response = client.call(version, request).await;
            assert_eq!(response.api_keys.len(), protocol::versions::APIS.len());
        }
        _ if administration::ask(client, api, version).await => {}
        _ if admin(client, api, version, topic).await => {}
        _ => groups(client, api, version).await,
    }
}

async fn offsets(client: &mut Client, api: &Api, version: i16) {
    if api.key == ApiKey::ListOffsets {
        let partition = ListOffsetsPartition::default().with_timestamp(-1);
        let topic =
            ListOffsetsTopic::default().with_name(name("orders")).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        let response = client.call(version, request).await;
        assert_eq!(response.topics[0].partitions[0].error_code, 0);
    } else {
        let topic = OffsetForLeaderTopic::default()
            .with_topic(name("orders"))
            .with_partitions(vec![OffsetForLeaderPartition::default()]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        let response = client.call(version, request).await;
        assert_eq!(response.topics[0].partitions[0].end_offset, 77);
    }
}

/// False if the API is none of these.
async fn admin(
    client: &mut Client,
    api: &Api,
    version: i16,
    topic: protocol::ids::TopicId,
) -> bool {
    match api.key {
        ApiKey::CreateTopics => {
            let created = CreatableTopic::default()
                .with_name(name(&format!("created-{version}")))
                .with_num_partitions(1)
                .with_replication_factor(1);
            let request =
                CreateTopicsRequest::default().with_topics(vec![created]).with_timeout_ms(9_000);
            assert_eq!(client.call(version, request).await.topics[0].error_code, 0);
        }
        ApiKey::DeleteTopics => {
            let request = DeleteTopicsRequest::default().with_timeout_ms(9_000);
            let missing = name(&format!("created-{version}"));
            let request = if version >= 6 {
                let by_name = DeleteTopicState::default().with_name(Some(missing));
                request.with_topics(vec![by_name])
            } else {
                request.with_topic_names(vec![missing])
            };
            assert_eq!(client.call(version, request).await.responses.len(), 1);
        }
        ApiKey::CreatePartitions => {
            let grown = CreatePartitionsTopic::default().with_name(name("orders")).with_count(2);
            let request = CreatePartitionsRequest::default().with_topics(vec![grown]);
            assert_eq!(client.call(version, request).await.results.len(), 1);
        }
        ApiKey::DescribeConfigs => {
            let resource = DescribeConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text("orders"))
                .with_configuration_keys(None);
            let request = DescribeConfigsRequest::default()
                .with_resources(vec![resource])
                .with_include_synonyms(true)
                .with_include_documentation(version >= 3);
            let response = client.call(version, request).await;
            assert!(response.results[0].configs.len() > 10);
        }
        ApiKey::DescribeCluster => {
            let response = client.call(version, DescribeClusterRequest::default()).await;
            assert_eq!(response.brokers.len(), 1);
        }
        ApiKey::InitProducerId => {
            let request = InitProducerIdRequest::default().with_transactional_id(None);
            let response = client.call(version, request).await;
            assert_eq!(response.error_code, 0);
        }
        _ => return false,
    }
    let _ = topic;
    true
}

async fn groups(client: &mut Client, api: &Api, version: i16) {
    match api.key {
        ApiKey::FindCoordinator => {
            let request = FindCoordinatorRequest::default();
            let request = if version >= 4 {
                request.with_coordinator_keys(vec![text("g")])
            } else {
                request.with_key(text("g"))
            };
            assert_eq!(client.call(version, request).await.error_code, 0);
        }
        ApiKey::JoinGroup => {
            let request = JoinGroupRequest::default()
                .with_group_id(group())
                .with_member_id(text("m"))
                .with_protocol_type(text("consumer"));
            assert_eq!(client.call(version, request).await.generation_id, 1);
        }
        ApiKey::SyncGroup => {
            let request = SyncGroupRequest::default().with_group_id(group());
            assert_eq!(client.call(version, request).await.error_code, 0);
        }
        ApiKey::Heartbeat => {
            let request = HeartbeatRequest::default().with_group_id(group());
            assert_eq!(client.call(version, request).await.error_code, 0);
        }
        ApiKey::LeaveGroup => {
            let request = LeaveGroupRequest::default().with_group_id(group());
            assert_eq!(client.call(version, request).await.error_code, 0);
        }
        ApiKey::OffsetCommit => {
            let partition = OffsetCommitRequestPartition::default().with_committed_offset(3);
            let topic = OffsetCommitRequestTopic::default()
                .with_name(name("orders"))
                .with_partitions(vec![partition]);
            let request =
                OffsetCommitRequest::default().with_group_id(group()).with_topics(vec![topic]);
            let response = client.call(version, request).await;
            assert_eq!(response.topics[0].partitions[0].error_code, 0);
        }
        ApiKey::OffsetFetch => offset_fetch(client, version).await,
        ApiKey::OffsetDelete => {
            let request = OffsetDeleteRequest::default().with_group_id(group());
            assert_eq!(client.call(version, request).await.error_code, 0);
        }
        ApiKey::DescribeGroups => {
            let request = DescribeGroupsRequest::default()
                .with_groups(vec![group(), text("none").into()])
                .with_include_authorized_operations(version >= 3);
            assert_eq!(client.call(version, request).await.groups.len(), 2);
        }
        ApiKey::ListGroups => {
            let response = client.call(version, ListGroupsRequest::default()).await;
            assert_eq!((response.error_code, response.groups.len()), (0, 1));
        }
        ApiKey::DeleteGroups => {
            let request = DeleteGroupsRequest::default().with_groups_names(vec![group()]);
            assert_eq!(client.call(version, request).await.results.len(), 1);
        }
        _ => consumer_groups(client, api, version).await,
    }
}

async fn consumer_groups(client: &mut Client, api: &Api, version: i16) {
    match api.key {
        ApiKey::ConsumerGroupHeartbeat => {
            let request = ConsumerGroupHeartbeatRequest::default()
                .with_group_id(group())
                .with_member_id(text("m"))
                .with_subscribed_topic_regex((version >= 1).then(|| text("orders.*")));
            assert_eq!(client.call(version, request).await.member_epoch, 1);
        }
        ApiKey::ConsumerGroupDescribe => {
            let request = ConsumerGroupDescribeRequest::default()
                .with_group_ids(vec![group(), text("none").into()])
                .with_include_authorized_operations(true);
            let response = client.call(version, request).await;
            assert_eq!(response.groups.len(), 2);
            assert_eq!(response.groups[0].members[0].member_type, if version < 1 { -1 } else { 1 });
        }
        _ => transactions::ask(client, api, version).await,
    }
}

async fn offset_fetch(client: &mut Client, version: i16) {
    if version >= 8 {
        let asked = OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(None);
        let request = OffsetFetchRequest::default().with_groups(vec![asked]);
        let response = client.call(version, request).await;
        assert_eq!(response.groups[0].topics[0].partitions[0].committed_offset, 3);
    } else {
        let asked = OffsetFetchRequestTopic::default()
            .with_name(name("orders"))
            .with_partition_indexes(vec![0]);
        let request =
            OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![asked]));
        let response = client.call(version, request).await;
        assert_eq!(response.topics[0].partitions[0].committed_offset, 3);
    }
}
