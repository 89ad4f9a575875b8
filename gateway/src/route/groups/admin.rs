//! DescribeGroups, ListGroups, DeleteGroups: groups as an administrator sees them.

use futures::future::join_all;
use metadata::settings::acl::AclOperation;
use protocol::ErrorCode;
use protocol::messages::delete_groups_response::DeletableGroupResult;
use protocol::messages::describe_groups_response::DescribedGroup;
use protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    GroupId, ListGroupsRequest, ListGroupsResponse,
};

use super::lists::{INCOMPLETE, Lists};
use super::{find, insist, is_refusal, repeat};
use crate::authoriser::Resource;
use crate::context::Context;
use crate::limits::CALL_TIMEOUT;

pub(in crate::route) fn describe(
    context: &Context,
    request: DescribeGroupsRequest,
) -> impl Future<Output = DescribeGroupsResponse> + Send + use<> {
    let grants = &context.grants;
    let calls: Vec<_> = request
        .groups
        .into_iter()
        .map(|group| {
            let operations = if request.include_authorized_operations {
                grants.group_operations(&group)
            } else {
                i32::MIN
            };
            let visible = grants.require(AclOperation::Describe, Resource::group(&group));
            let question = DescribeGroupsRequest::default().with_groups(vec![group.clone()]);
            let error = |said: &DescribeGroupsResponse| {
                said.groups
                    .first()
                    .map_or(ErrorCode::None, |group| ErrorCode::from_code(group.error_code))
            };
            let answer = visible.map(|()| insist(context, &group, question, error));
            async move {
                let said = match answer {
                    Ok(answer) => answer.await.map(|mut answer| answer.groups.pop()),
                    Err(refused) => return failed(&group, refused),
                };
                let said = said.unwrap_or_else(|error| Some(failed(&group, error)));
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
    let failed = |error: ErrorCode| ListGroupsResponse::default().with_error_code(error.code());
    let (mut lists, coordinators) = match Lists::begin(&context) {
        Ok(begun) => begun,
        Err(error) => return failed(error),
    };
    let ask = |address: &String| context.ask(address, CALL_TIMEOUT, request.clone());
    let calls: Vec<_> = coordinators.iter().map(ask).collect();
    let mut listed = ListGroupsResponse::default();
    for answer in join_all(calls).await {
        match answer {
            Ok(answer) if answer.error_code == 0 => {
                let fields = &answer.unknown_tagged_fields;
                listed.groups.extend(lists.add(fields, answer.groups, |group| &group.group_id));
            }
            Ok(_) | Err(_) => return failed(INCOMPLETE),
        }
    }
    if !lists.is_complete() {
        return failed(INCOMPLETE);
    }
    let grants = &context.grants;
    let sees_all = grants.may(AclOperation::Describe, Resource::CLUSTER);
    let sees = |group: &str| grants.may(AclOperation::Describe, Resource::group(group));
    listed.groups.retain(|group| {
        let group = &group.group_id;
        find::is_here(&context, group) && (sees_all || sees(group))
    });
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
            let deletable = context.grants.require(AclOperation::Delete, Resource::group(&group));
            let question = DeleteGroupsRequest::default().with_groups_names(vec![group.clone()]);
            let again = |answer: &Result<DeleteGroupsResponse, ErrorCode>| match answer {
                Ok(answer) => answer
                    .results
                    .first()
                    .is_some_and(|result| is_refusal(ErrorCode::from_code(result.error_code))),
                Err(error) => is_refusal(*error),
            };
            let answer = deletable.map(|()| repeat(context, &group, question, again));
            async move {
                let said = match answer {
                    Ok(answer) => answer.await.map(|mut answer| answer.results.pop()),
                    Err(refused) => Err(refused),
                };
                let said = said.unwrap_or_else(|error| Some(deletion(&group, error)));
                said.unwrap_or_else(|| deletion(&group, ErrorCode::CoordinatorNotAvailable))
            }
        })
        .collect();
    async move { DeleteGroupsResponse::default().with_results(join_all(calls).await) }
}

fn failed(group: &GroupId, error: ErrorCode) -> DescribedGroup {
    DescribedGroup::default().with_group_id(group.clone()).with_error_code(error.code())
}

fn deletion(group: &GroupId, error: ErrorCode) -> DeletableGroupResult {
    DeletableGroupResult::default().with_group_id(group.clone()).with_error_code(error.code())
}
