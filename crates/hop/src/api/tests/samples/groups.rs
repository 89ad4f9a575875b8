//! Samples of the group APIs.

use bytes::Bytes;
use protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, SyncGroupRequest, SyncGroupResponse,
    delete_groups_response, describe_groups_response, join_group_request, join_group_response,
    leave_group_request, leave_group_response, list_groups_response, sync_group_request,
};

use super::{Request, Response, group, text};

pub(super) fn join() -> (Request, Response) {
    let protocol = join_group_request::JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"topics"));
    let request = JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
        .with_member_id(text("member-1"))
        .with_group_instance_id(Some(text("static-1")))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
        .with_reason(Some(text("restarted")));
    let member = join_group_response::JoinGroupResponseMember::default()
        .with_member_id(text("member-1"))
        .with_group_instance_id(Some(text("static-1")))
        .with_metadata(Bytes::from_static(b"topics"));
    let response = JoinGroupResponse::default()
        .with_throttle_time_ms(9)
        .with_error_code(0)
        .with_generation_id(4)
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
        .with_leader(text("member-1"))
        .with_skip_assignment(true)
        .with_member_id(text("member-1"))
        .with_members(vec![member]);
    (Request::JoinGroup(request), Response::JoinGroup(response))
}

pub(super) fn sync() -> (Request, Response) {
    let assignment = sync_group_request::SyncGroupRequestAssignment::default()
        .with_member_id(text("member-1"))
        .with_assignment(Bytes::from_static(b"partitions"));
    let request = SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(4)
        .with_member_id(text("member-1"))
        .with_group_instance_id(Some(text("static-1")))
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
        .with_assignments(vec![assignment]);
    let response = SyncGroupResponse::default()
        .with_throttle_time_ms(9)
        .with_error_code(27)
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
        .with_assignment(Bytes::from_static(b"partitions"));
    (Request::SyncGroup(request), Response::SyncGroup(response))
}

pub(super) fn heartbeat() -> (Request, Response) {
    let request = HeartbeatRequest::default()
        .with_group_id(group())
        .with_generation_id(4)
        .with_member_id(text("member-1"))
        .with_group_instance_id(Some(text("static-1")));
    let response = HeartbeatResponse::default().with_throttle_time_ms(9).with_error_code(27);
    (Request::Heartbeat(request), Response::Heartbeat(response))
}

pub(super) fn leave() -> (Request, Response) {
    let leaving = leave_group_request::MemberIdentity::default()
        .with_member_id(text("member-1"))
        .with_group_instance_id(Some(text("static-1")))
        .with_reason(Some(text("done")));
    let request = LeaveGroupRequest::default().with_group_id(group()).with_members(vec![leaving]);
    let left = leave_group_response::MemberResponse::default()
        .with_member_id(text("member-1"))
        .with_group_instance_id(Some(text("static-1")))
        .with_error_code(25);
    let response = LeaveGroupResponse::default()
        .with_throttle_time_ms(9)
        .with_error_code(0)
        .with_members(vec![left]);
    (Request::LeaveGroup(request), Response::LeaveGroup(response))
}

pub(super) fn describe() -> (Request, Response) {
    let request = DescribeGroupsRequest::default()
        .with_groups(vec![group()])
        .with_include_authorized_operations(true);
    let member = describe_groups_response::DescribedGroupMember::default()
        .with_member_id(text("member-1"))
        .with_group_instance_id(Some(text("static-1")))
        .with_client_id(text("reader"))
        .with_client_host(text("127.0.0.1"))
        .with_member_metadata(Bytes::from_static(b"topics"))
        .with_member_assignment(Bytes::from_static(b"partitions"));
    let described = describe_groups_response::DescribedGroup::default()
        .with_error_code(69)
        .with_error_message(Some(text("gone")))
        .with_group_id(group())
        .with_group_state(text("Stable"))
        .with_protocol_type(text("consumer"))
        .with_protocol_data(text("range"))
        .with_members(vec![member])
        .with_authorized_operations(7);
    let response =
        DescribeGroupsResponse::default().with_throttle_time_ms(9).with_groups(vec![described]);
    (Request::DescribeGroups(request), Response::DescribeGroups(response))
}

pub(super) fn list() -> (Request, Response) {
    let request = ListGroupsRequest::default()
        .with_states_filter(vec![text("Stable")])
        .with_types_filter(vec![text("classic")]);
    let listed = list_groups_response::ListedGroup::default()
        .with_group_id(group())
        .with_protocol_type(text("consumer"))
        .with_group_state(text("Stable"))
        .with_group_type(text("classic"));
    let response = ListGroupsResponse::default()
        .with_throttle_time_ms(9)
        .with_error_code(14)
        .with_groups(vec![listed]);
    (Request::ListGroups(request), Response::ListGroups(response))
}

pub(super) fn delete() -> (Request, Response) {
    let request = DeleteGroupsRequest::default().with_groups_names(vec![group()]);
    let deleted = delete_groups_response::DeletableGroupResult::default()
        .with_group_id(group())
        .with_error_code(68);
    let response =
        DeleteGroupsResponse::default().with_throttle_time_ms(9).with_results(vec![deleted]);
    (Request::DeleteGroups(request), Response::DeleteGroups(response))
}
