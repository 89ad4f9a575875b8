//! DescribeGroups, ListGroups, DeleteGroups: groups as an administrator sees them.

use std::collections::BTreeSet;

use futures::future::join_all;
use protocol::ErrorCode;
use protocol::ids::{PartitionId, TenantId};
use protocol::messages::delete_groups_response::DeletableGroupResult;
use protocol::messages::describe_groups_response::DescribedGroup;
use protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    GroupId, ListGroupsRequest, ListGroupsResponse,
};

use super::{ask, find};
use crate::context::Context;
use crate::errors;
use crate::limits::CALL_TIMEOUT;

pub(in crate::route) fn describe(
    context: &Context,
    request: DescribeGroupsRequest,
) -> impl Future<Output = DescribeGroupsResponse> + Send + use<> {
    let operations = if request.include_authorized_operations {
        context.grants.group_operations()
    } else {
        i32::MIN
    };
    let calls: Vec<_> = request
        .groups
        .into_iter()
        .map(|group| {
            let question = DescribeGroupsRequest::default().with_groups(vec![group.clone()]);
            let answer = ask(context, &group, CALL_TIMEOUT, question);
            async move {
                let said = match answer.await {
                    Ok(mut answer) => answer.groups.pop(),
                    Err(error) => Some(failed(&group, error)),
                };
                let said =
                    said.unwrap_or_else(|| failed(&group, ErrorCode::CoordinatorNotAvailable));
                said.with_authorized_operations(operations)
            }
        })
        .collect();
    async move { DescribeGroupsResponse::default().with_groups(join_all(calls).await) }
}

/// Lists the groups that clients are sent here for, from the nodes of all of them. An
/// administrator asks every broker and puts the lists together: each group is in one of them.
pub(in crate::route) async fn list(
    context: Context,
    request: ListGroupsRequest,
) -> ListGroupsResponse {
    let calls: Vec<_> = match coordinators(&context) {
        Ok(addresses) => addresses
            .iter()
            .map(|address| context.ask(address, CALL_TIMEOUT, request.clone()))
            .collect(),
        Err(error) => return ListGroupsResponse::default().with_error_code(error.code()),
    };
    let mut listed = ListGroupsResponse::default();
    for answer in join_all(calls).await {
        let error = match answer {
            Ok(answer) if answer.error_code == 0 => {
                listed.groups.extend(answer.groups);
                continue;
            }
            Ok(answer) => answer.error_code,
            Err(error) => errors::of_group(&error).code(),
        };
        // Half a list looks like groups that are gone.
        return ListGroupsResponse::default().with_error_code(error);
    }
    listed.groups.retain(|group| find::is_here(&context, &group.group_id));
    listed
}

pub(in crate::route) fn delete(
    context: &Context,
    request: DeleteGroupsRequest,
) -> impl Future<Output = DeleteGroupsResponse> + Send + use<> {
    let calls: Vec<_> = request
        .groups_names
        .into_iter()
        .map(|group| {
            let question = DeleteGroupsRequest::default().with_groups_names(vec![group.clone()]);
            let answer = ask(context, &group, CALL_TIMEOUT, question);
            async move {
                let said = match answer.await {
                    Ok(mut answer) => answer.results.pop(),
                    Err(error) => Some(deletion(&group, error)),
                };
                said.unwrap_or_else(|| deletion(&group, ErrorCode::CoordinatorNotAvailable))
            }
        })
        .collect();
    async move { DeleteGroupsResponse::default().with_results(join_all(calls).await) }
}

/// Every node that coordinates some group, or some transactional id.
pub(in crate::route) fn coordinators(context: &Context) -> Result<BTreeSet<String>, ErrorCode> {
    let cluster = context.core.view.cluster().ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let partitions = (0..cluster.group_state_partitions).map(|index| {
        let partition = PartitionId::new(TenantId::SYSTEM, cluster.group_state_topic, index);
        let owner = context.core.owner(partition).ok_or(ErrorCode::CoordinatorNotAvailable)?;
        Ok(owner.0.address.clone())
    });
    partitions.collect()
}

fn failed(group: &GroupId, error: ErrorCode) -> DescribedGroup {
    DescribedGroup::default().with_group_id(group.clone()).with_error_code(error.code())
}

fn deletion(group: &GroupId, error: ErrorCode) -> DeletableGroupResult {
    DeletableGroupResult::default().with_group_id(group.clone()).with_error_code(error.code())
}
