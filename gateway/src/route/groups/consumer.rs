//! ConsumerGroupHeartbeat and ConsumerGroupDescribe: groups of the consumer protocol (KIP-848).
//!
//! A heartbeat is passed on in its order and not repeated by us: the coordinator takes a repeated one
//! for what it is, by its epoch, and the client sends it. Except the last: whoever leaves does not look
//! at the answer, so that one is repeated here.

use futures::future::{Either, join_all};
use metadata::settings::acl::AclOperation;
use protocol::ids::TopicId;
use protocol::messages::consumer_group_describe_response::DescribedGroup;
use protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, GroupId,
};
use protocol::{ErrorCode, StrBytes};

use super::{ask, insist};
use crate::authoriser::Resource;
use crate::context::Context;
use crate::grants::Grants;
use crate::limits::CALL_TIMEOUT;

/// First version whose clients choose their member ids (KIP-1082).
const MEMBER_ID_FROM: i16 = 1;
/// Why a group is not described, in Kafka's words.
const HIDDEN_TOPICS: &str =
    "The group has described topic(s) that the client is not authorized to describe.";

pub(in crate::route) fn heartbeat(
    context: &Context,
    request: ConsumerGroupHeartbeatRequest,
) -> impl Future<Output = ConsumerGroupHeartbeatResponse> + Send + use<> {
    let anonymous = context.version >= MEMBER_ID_FROM && request.member_id.trim().is_empty();
    let group = request.group_id.clone();
    let answer = (!anonymous).then(|| {
        if request.member_epoch >= 0 {
            return Either::Left(ask(context, &group, CALL_TIMEOUT, request));
        }
        let error = |said: &ConsumerGroupHeartbeatResponse| ErrorCode::from_code(said.error_code);
        Either::Right(insist(context, &group, request, error))
    });
    let seen = context.clone();
    async move {
        let failed = |error: ErrorCode| {
            ConsumerGroupHeartbeatResponse::default().with_error_code(error.code())
        };
        match answer {
            Some(answer) => answer.await.map_or_else(failed, |said| visible(&seen, said)),
            None => failed(ErrorCode::InvalidRequest)
                .with_error_message(Some("MemberId can't be empty.".into())),
        }
    }
}

pub(in crate::route) fn describe(
    context: &Context,
    request: ConsumerGroupDescribeRequest,
) -> impl Future<Output = ConsumerGroupDescribeResponse> + Send + use<> {
    let describe_one = |group: GroupId| {
        let grants = context.grants.clone();
        let operations = if request.include_authorized_operations {
            grants.group_operations(&group)
        } else {
            i32::MIN
        };
        let describable = grants.require(AclOperation::Describe, Resource::group(&group));
        let question = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group.clone()]);
        let error = |said: &ConsumerGroupDescribeResponse| {
            said.groups
                .first()
                .map_or(ErrorCode::None, |group| ErrorCode::from_code(group.error_code))
        };
        let answer = describable.map(|()| insist(context, &group, question, error));
        async move {
            let said = match answer {
                Ok(answer) => answer.await.map(|mut answer| answer.groups.pop()),
                Err(refused) => return failed(&group, refused),
            };
            let said = said.unwrap_or_else(|error| Some(failed(&group, error)));
            let said = said.unwrap_or_else(|| failed(&group, ErrorCode::CoordinatorNotAvailable));
            if names_hidden_topics(&grants, &said) {
                return failed(&group, ErrorCode::TopicAuthorizationFailed)
                    .with_error_message(Some(StrBytes::from_static_str(HIDDEN_TOPICS)));
            }
            said.with_authorized_operations(operations)
        }
    };
    let group_ids = request.group_ids.iter().cloned();
    let calls: Vec<_> = group_ids.map(describe_one).collect();
    async move { ConsumerGroupDescribeResponse::default().with_groups(join_all(calls).await) }
}

/// An assignment without the topics that the client may not see, which only a subscription by
/// pattern can bring: the coordinator resolves patterns without knowing who may see what.
fn visible(
    context: &Context,
    mut answer: ConsumerGroupHeartbeatResponse,
) -> ConsumerGroupHeartbeatResponse {
    if let Some(assignment) = &mut answer.assignment {
        assignment.topic_partitions.retain(|of| {
            let topic = context.catalogue.by_id(TopicId(of.topic_id));
            topic.is_none_or(|topic| {
                context.grants.may(AclOperation::Describe, Resource::topic(topic.name()))
            })
        });
    }
    answer
}

/// Whether the members of a group have topics that the client may not see.
fn names_hidden_topics(grants: &Grants, group: &DescribedGroup) -> bool {
    let assignments = group.members.iter().flat_map(|m| [&m.assignment, &m.target_assignment]);
    let assigned = assignments.flat_map(|assignment| &assignment.topic_partitions);
    let subscribed = group.members.iter().flat_map(|member| &member.subscribed_topic_names);
    let mut topics = assigned.map(|topic| &topic.topic_name).chain(subscribed);
    topics.any(|topic| !grants.may(AclOperation::Describe, Resource::topic(topic)))
}

fn failed(group: &GroupId, error: ErrorCode) -> DescribedGroup {
    DescribedGroup::default().with_group_id(group.clone()).with_error_code(error.code())
}
