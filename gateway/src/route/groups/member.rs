//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup: what members of a group do.
//!
//! Passed on in the order they came. A client may repeat any of them, and an error that names the
//! coordinator makes it do so; but not on its way out: what a LeaveGroup is answered, no client looks at.
//! So it is the one that is repeated here, lest the group wait for a whole session.

use std::time::Duration;

use protocol::ErrorCode;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};

use super::{ask, insist};
use crate::context::Context;
use crate::limits::{CALL_TIMEOUT, JOIN_GRACE, REBALANCE_MAX};

/// First version of JoinGroup that names a rebalance timeout.
const REBALANCE_TIMEOUT_FROM: i16 = 1;
/// First version of JoinGroup whose clients know MEMBER_ID_REQUIRED (KIP-394).
const MEMBER_ID_REQUIRED_FROM: i16 = 4;
/// First version of LeaveGroup with several members.
const MEMBERS_FROM: i16 = 3;

pub(in crate::route) fn join(
    context: Context,
    mut request: JoinGroupRequest,
) -> impl Future<Output = JoinGroupResponse> + Send {
    if context.version < REBALANCE_TIMEOUT_FROM {
        request.rebalance_timeout_ms = request.session_timeout_ms;
    }
    let rebalance_ms = u64::try_from(request.rebalance_timeout_ms).unwrap_or(0);
    let deadline = Duration::from_millis(rebalance_ms).min(REBALANCE_MAX) + JOIN_GRACE;
    let group = request.group_id.clone();
    let member = request.member_id.clone();
    let first = ask(&context, &group, deadline, request.clone());
    async move {
        let mut answer = first.await;
        if let Ok(refused) = &answer
            && refused.error_code == ErrorCode::MemberIdRequired.code()
            && context.version < MEMBER_ID_REQUIRED_FROM
        {
            // The client would not understand; joining with the id it was given is all it means.
            let request = request.with_member_id(refused.member_id.clone());
            answer = ask(&context, &group, deadline, request).await;
        }
        answer.unwrap_or_else(|error| {
            JoinGroupResponse::default()
                .with_error_code(error.code())
                .with_generation_id(-1)
                .with_protocol_name(None)
                .with_member_id(member)
        })
    }
}

pub(in crate::route) fn sync(
    context: &Context,
    request: SyncGroupRequest,
) -> impl Future<Output = SyncGroupResponse> + Send + use<> {
    // Waits for the group's leader, at most as long as a rebalance may take, which it does not say.
    let group = request.group_id.clone();
    let answer = ask(context, &group, REBALANCE_MAX, request);
    async move {
        answer
            .await
            .unwrap_or_else(|error| SyncGroupResponse::default().with_error_code(error.code()))
    }
}

pub(in crate::route) fn heartbeat(
    context: &Context,
    request: HeartbeatRequest,
) -> impl Future<Output = HeartbeatResponse> + Send + use<> {
    let group = request.group_id.clone();
    let answer = ask(context, &group, CALL_TIMEOUT, request);
    async move {
        answer
            .await
            .unwrap_or_else(|error| HeartbeatResponse::default().with_error_code(error.code()))
    }
}

pub(in crate::route) fn leave(
    context: &Context,
    mut request: LeaveGroupRequest,
) -> impl Future<Output = LeaveGroupResponse> + Send + use<> {
    if context.version < MEMBERS_FROM {
        let member = std::mem::take(&mut request.member_id);
        request.members = vec![MemberIdentity::default().with_member_id(member)];
    }
    let group = request.group_id.clone();
    let error = |answer: &LeaveGroupResponse| ErrorCode::from_code(answer.error_code);
    let answer = insist(context, &group, request, error);
    async move {
        answer
            .await
            .unwrap_or_else(|error| LeaveGroupResponse::default().with_error_code(error.code()))
    }
}
