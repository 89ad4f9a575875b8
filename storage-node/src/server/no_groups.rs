//! A node without group coordinators: says so, per group and per partition.
//!
//! Errors are never an empty list with one code on top: librdkafka waits for ever on those (C4).

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use hop::{HopRequest, Request, Response};
use protocol::ErrorCode;
use protocol::ids::PartitionId;
use protocol::messages::delete_groups_response::DeletableGroupResult;
use protocol::messages::describe_groups_response::DescribedGroup;
use protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use protocol::messages::{
    DeleteGroupsResponse, DescribeGroupsResponse, HeartbeatResponse, JoinGroupResponse,
    LeaveGroupResponse, ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse,
    OffsetDeleteResponse, OffsetFetchResponse, SyncGroupResponse,
};

use crate::group_host::GroupHost;
use crate::partition::Partition;

/// See the module.
pub(crate) struct NoGroups;

impl GroupHost for NoGroups {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        futures::future::ready(refuse(request.body)).boxed()
    }

    fn opened(&self, _partition: &Arc<Partition>) {}

    fn closed(&self, _partition: PartitionId) {}
}

fn refuse(request: Request) -> Response {
    let code = ErrorCode::CoordinatorNotAvailable.code();
    match request {
        Request::JoinGroup(_) => {
            Response::JoinGroup(JoinGroupResponse::default().with_error_code(code))
        }
        Request::SyncGroup(_) => {
            Response::SyncGroup(SyncGroupResponse::default().with_error_code(code))
        }
        Request::Heartbeat(_) => {
            Response::Heartbeat(HeartbeatResponse::default().with_error_code(code))
        }
        Request::LeaveGroup(_) => {
            Response::LeaveGroup(LeaveGroupResponse::default().with_error_code(code))
        }
        Request::OffsetCommit(request) => Response::OffsetCommit(refuse_commit(request, code)),
        Request::OffsetFetch(request) => {
            let groups = request.groups.into_iter().map(|group| {
                OffsetFetchResponseGroup::default()
                    .with_group_id(group.group_id)
                    .with_error_code(code)
            });
            let response = OffsetFetchResponse::default().with_groups(groups.collect());
            Response::OffsetFetch(response)
        }
        Request::DescribeGroups(request) => {
            let groups = request.groups.into_iter().map(|group_id| {
                DescribedGroup::default().with_group_id(group_id).with_error_code(code)
            });
            let response = DescribeGroupsResponse::default().with_groups(groups.collect());
            Response::DescribeGroups(response)
        }
        Request::DeleteGroups(request) => {
            let results = request.groups_names.into_iter().map(|group_id| {
                DeletableGroupResult::default().with_group_id(group_id).with_error_code(code)
            });
            let response = DeleteGroupsResponse::default().with_results(results.collect());
            Response::DeleteGroups(response)
        }
        Request::OffsetDelete(_) => {
            Response::OffsetDelete(OffsetDeleteResponse::default().with_error_code(code))
        }
        _ => Response::ListGroups(ListGroupsResponse::default().with_error_code(code)),
    }
}

fn refuse_commit(request: OffsetCommitRequest, code: i16) -> OffsetCommitResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code)
        });
        OffsetCommitResponseTopic::default()
            .with_partitions(partitions.collect())
            .with_name(topic.name)
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}
