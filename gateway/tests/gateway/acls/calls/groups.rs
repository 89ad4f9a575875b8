//! Groups and their offsets.

use protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use protocol::messages::{
    ApiKey, ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, DeleteGroupsRequest,
    DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
    LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, SyncGroupRequest,
};

use super::{Call, told};
use crate::support::{Client, id, name, text};

fn group() -> GroupId {
    text("g").into()
}

/// `None` if the API is none of these.
pub(super) async fn make(client: &mut Client, call: &Call<'_>) -> Option<String> {
    let version = call.version;
    let answer = match call.api {
        ApiKey::FindCoordinator => {
            let (key, key_type) =
                if call.case == "transaction" { (text("t"), 1) } else { (text("g"), 0) };
            let request = FindCoordinatorRequest::default().with_key_type(key_type);
            let request = match version {
                ..4 => request.with_key(key),
                _ => request.with_coordinator_keys(vec![key]),
            };
            told(client, version, request).await
        }
        ApiKey::JoinGroup => {
            let request = JoinGroupRequest::default()
                .with_group_id(group())
                .with_member_id(text("m"))
                .with_protocol_type(text("consumer"));
            told(client, version, request).await
        }
        ApiKey::SyncGroup => {
            let request = SyncGroupRequest::default().with_group_id(group());
            told(client, version, request).await
        }
        ApiKey::Heartbeat => {
            let request = HeartbeatRequest::default().with_group_id(group());
            told(client, version, request).await
        }
        ApiKey::LeaveGroup => {
            let request = LeaveGroupRequest::default().with_group_id(group());
            told(client, version, request).await
        }
        ApiKey::DescribeGroups => {
            let request = DescribeGroupsRequest::default().with_groups(vec![group()]);
            told(client, version, request).await
        }
        ApiKey::ListGroups => told(client, version, ListGroupsRequest::default()).await,
        ApiKey::DeleteGroups => {
            let request = DeleteGroupsRequest::default().with_groups_names(vec![group()]);
            told(client, version, request).await
        }
        ApiKey::ConsumerGroupHeartbeat => told(client, version, heartbeat(call)).await,
        ApiKey::ConsumerGroupDescribe => {
            let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group()]);
            told(client, version, request).await
        }
        _ => return offsets(client, call).await,
    };
    Some(answer)
}

fn heartbeat(call: &Call<'_>) -> ConsumerGroupHeartbeatRequest {
    let request =
        ConsumerGroupHeartbeatRequest::default().with_group_id(group()).with_member_id(text("m"));
    match call.case {
        "names" => request.with_subscribed_topic_names(Some(vec![name("orders")])),
        "assigned" => {
            let owned =
                TopicPartitions::default().with_topic_id(id(call.orders)).with_partitions(vec![0]);
            request.with_topic_partitions(Some(vec![owned]))
        }
        _ => request,
    }
}

async fn offsets(client: &mut Client, call: &Call<'_>) -> Option<String> {
    let version = call.version;
    let answer = match call.api {
        ApiKey::OffsetCommit => {
            let partition = OffsetCommitRequestPartition::default().with_committed_offset(3);
            let topic = OffsetCommitRequestTopic::default()
                .with_name(name("orders"))
                .with_partitions(vec![partition]);
            let request =
                OffsetCommitRequest::default().with_group_id(group()).with_topics(vec![topic]);
            told(client, version, request).await
        }
        ApiKey::OffsetDelete => {
            let topic = OffsetDeleteRequestTopic::default()
                .with_name(name("orders"))
                .with_partitions(vec![OffsetDeleteRequestPartition::default()]);
            let request =
                OffsetDeleteRequest::default().with_group_id(group()).with_topics(vec![topic]);
            told(client, version, request).await
        }
        ApiKey::OffsetFetch if version >= 8 => {
            let topic = OffsetFetchRequestTopics::default()
                .with_name(name("orders"))
                .with_partition_indexes(vec![0]);
            let topics = (call.case != "all").then(|| vec![topic]);
            let asked =
                OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(topics);
            told(client, version, OffsetFetchRequest::default().with_groups(vec![asked])).await
        }
        ApiKey::OffsetFetch => {
            let topic = OffsetFetchRequestTopic::default()
                .with_name(name("orders"))
                .with_partition_indexes(vec![0]);
            let topics = (call.case != "all").then(|| vec![topic]);
            let request = OffsetFetchRequest::default().with_group_id(group());
            told(client, version, request.with_topics(topics)).await
        }
        _ => return None,
    };
    Some(answer)
}
