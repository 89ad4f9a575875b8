//! ConsumerGroupHeartbeat and ConsumerGroupDescribe: groups of the consumer protocol (KIP-848).
//!
//! A heartbeat is passed on in its order and never repeated by us: the coordinator takes a repeated
//! one for what it is, by its epoch, and the client sends it.

use futures::future::join_all;
use protocol::ErrorCode;
use protocol::messages::consumer_group_describe_response::DescribedGroup;
use protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, GroupId,
};

use super::ask;
use crate::context::Context;
use crate::limits::CALL_TIMEOUT;

/// First version whose clients choose their member ids (KIP-1082).
const MEMBER_ID_FROM: i16 = 1;

pub(in crate::route) fn heartbeat(
    context: &Context,
    request: ConsumerGroupHeartbeatRequest,
) -> impl Future<Output = ConsumerGroupHeartbeatResponse> + Send + use<> {
    let anonymous = context.version >= MEMBER_ID_FROM && request.member_id.trim().is_empty();
    let group = request.group_id.clone();
    let answer = (!anonymous).then(|| ask(context, &group, CALL_TIMEOUT, request));
    async move {
        let failed = |error: ErrorCode| {
            ConsumerGroupHeartbeatResponse::default().with_error_code(error.code())
        };
        match answer {
            Some(answer) => answer.await.unwrap_or_else(failed),
            None => failed(ErrorCode::InvalidRequest)
                .with_error_message(Some("MemberId can't be empty.".into())),
        }
    }
}

pub(in crate::route) fn describe(
    context: &Context,
    request: ConsumerGroupDescribeRequest,
) -> impl Future<Output = ConsumerGroupDescribeResponse> + Send + use<> {
    let operations = if request.include_authorized_operations {
        context.grants.group_operations()
    } else {
        i32::MIN
    };
    let describe_one = |group: GroupId| {
        let question = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group.clone()]);
        let answer = ask(context, &group, CALL_TIMEOUT, question);
        async move {
            let said = match answer.await {
                Ok(mut answer) => answer.groups.pop(),
                Err(error) => Some(failed(&group, error)),
            };
            let said = said.unwrap_or_else(|| failed(&group, ErrorCode::CoordinatorNotAvailable));
            said.with_authorized_operations(operations)
        }
    };
    let calls: Vec<_> = request.group_ids.into_iter().map(describe_one).collect();
    async move { ConsumerGroupDescribeResponse::default().with_groups(join_all(calls).await) }
}

fn failed(group: &GroupId, error: ErrorCode) -> DescribedGroup {
    DescribedGroup::default().with_group_id(group.clone()).with_error_code(error.code())
}
