//! Groups of both protocols.

use bytes::Bytes;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, DeleteGroupsRequest,
    DescribeGroupsRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest, SyncGroupRequest,
};
use protocol::{ErrorCode, StrBytes};

use super::offsets;
use super::world::{World, group, is, text};

/// The classic group of [`World::member`].
const CLASSIC: &str = "classic";
const PROTOCOL: &str = "range";
const ASSIGNMENT: &[u8] = b"\0\0\0\0\0\0\xff\xff\xff\xff";
/// First versions: of coordinators in a list, of a key's type, of members in a list, of states and
/// types in a list of groups, and of groups that are not found.
const COORDINATORS: i16 = 4;
const KEY_TYPE: i16 = 1;
const MEMBERS: i16 = 3;
const STATES: i16 = 4;
const TYPES: i16 = 5;
const NOT_FOUND: i16 = 6;

/// A member of a classic group.
#[derive(Debug, Clone)]
pub(super) struct Member {
    id: StrBytes,
    generation: i32,
}

pub(super) fn find_coordinator(world: &mut World, version: i16) {
    for key_type in 0..=i8::from(version >= KEY_TYPE) {
        let request = FindCoordinatorRequest::default().with_key_type(key_type);
        let port = if version >= COORDINATORS {
            let request = request.with_coordinator_keys(vec![text("a"), text("b")]);
            let answer = world.wire.settled(version, &request, |a| a.coordinators[0].error_code);
            assert_eq!(answer.coordinators.len(), 2);
            is(ErrorCode::None, answer.coordinators[1].error_code);
            answer.coordinators[1].port
        } else {
            let request = request.with_key(text("a"));
            let answer = world.wire.settled(version, &request, |answer| answer.error_code);
            is(ErrorCode::None, answer.error_code);
            answer.port
        };
        assert_eq!(port, i32::from(world.node.kafka.port()));
    }
}

fn joined(world: &mut World, version: i16, name: &str, member: &StrBytes) -> JoinGroupResponse {
    // No topics and one byte of its own: who says the same again is told the same again.
    let metadata = vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 1, u8::try_from(version).expect("small")];
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text(PROTOCOL))
        .with_metadata(metadata.into());
    let request = JoinGroupRequest::default()
        .with_group_id(group(name))
        .with_session_timeout_ms(60_000)
        .with_rebalance_timeout_ms(if version >= 1 { 60_000 } else { -1 })
        .with_member_id(member.clone())
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    world.wire.settled(version, &request, |answer| answer.error_code)
}

/// The id of a member that is to join with it (KIP-394).
fn pending(world: &mut World, name: &str) -> StrBytes {
    let answer = joined(world, 9, name, &StrBytes::default());
    is(ErrorCode::MemberIdRequired, answer.error_code);
    answer.member_id
}

/// The member of the classic group, who joins it if nobody has yet.
fn member(world: &mut World) -> Member {
    if let Some(member) = &world.member {
        return member.clone();
    }
    let id = pending(world, CLASSIC);
    let answer = joined(world, 8, CLASSIC, &id);
    is(ErrorCode::None, answer.error_code);
    let member = Member { id, generation: answer.generation_id };
    world.member = Some(member.clone());
    member
}

pub(super) fn join(world: &mut World, version: i16) {
    let Member { id, generation } = member(world);
    let answer = joined(world, version, CLASSIC, &id);
    is(ErrorCode::None, answer.error_code);
    assert_eq!((&answer.leader, &answer.member_id), (&id, &id));
    assert_eq!(answer.generation_id, generation + 1);
    assert_eq!(answer.members.len(), 1);
    assert_eq!(answer.protocol_name.as_deref(), Some(PROTOCOL));
    world.member = Some(Member { id, generation: answer.generation_id });
}

pub(super) fn sync(world: &mut World, version: i16) {
    let Member { id, generation } = member(world);
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(id.clone())
        .with_assignment(Bytes::from_static(ASSIGNMENT));
    let mut request = SyncGroupRequest::default()
        .with_group_id(group(CLASSIC))
        .with_generation_id(generation)
        .with_member_id(id)
        .with_assignments(vec![assignment]);
    if version >= 5 {
        request.protocol_type = Some(text("consumer"));
        request.protocol_name = Some(text(PROTOCOL));
    }
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    assert_eq!(&answer.assignment[..], ASSIGNMENT);
}

pub(super) fn heartbeat(world: &mut World, version: i16) {
    let Member { id, generation } = member(world);
    let request = |generation| {
        HeartbeatRequest::default()
            .with_group_id(group(CLASSIC))
            .with_generation_id(generation)
            .with_member_id(id.clone())
    };
    is(ErrorCode::None, world.wire.ask(version, &request(generation)).error_code);
    let stale = world.wire.ask(version, &request(generation - 1));
    is(ErrorCode::IllegalGeneration, stale.error_code);
}

/// One leaves that never joined, and so costs no rebalance.
pub(super) fn leave(world: &mut World, version: i16) {
    let name = format!("left-{version}");
    let id = pending(world, &name);
    let request = LeaveGroupRequest::default().with_group_id(group(&name));
    let request = if version >= MEMBERS {
        request.with_members(vec![MemberIdentity::default().with_member_id(id)])
    } else {
        request.with_member_id(id)
    };
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    assert_eq!(answer.members.len(), usize::from(version >= MEMBERS));
    for member in &answer.members {
        is(ErrorCode::None, member.error_code);
    }
}

pub(super) fn describe(world: &mut World, version: i16) {
    offsets::committed(world, 9, "described", 1);
    let request = DescribeGroupsRequest::default().with_groups(vec![group("described")]);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.groups[0].error_code);
    assert_eq!(answer.groups[0].group_state.as_str(), "Empty");
    let nobody = DescribeGroupsRequest::default().with_groups(vec![group("nobody")]);
    let answer = world.wire.ask(version, &nobody);
    let code = if version >= NOT_FOUND { ErrorCode::GroupIdNotFound } else { ErrorCode::None };
    is(code, answer.groups[0].error_code);
    assert_eq!(answer.groups[0].group_state.as_str(), "Dead");
}

pub(super) fn list(world: &mut World, version: i16) {
    offsets::committed(world, 9, "listed", 1);
    let mut request = ListGroupsRequest::default();
    if version >= STATES {
        request.states_filter = vec![text("Empty")];
    }
    if version >= TYPES {
        request.types_filter = vec![text("classic")];
    }
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    let listed = answer.groups.iter().find(|listed| listed.group_id == group("listed"));
    let state = listed.expect("the group").group_state.as_str();
    assert_eq!(state, if version >= STATES { "Empty" } else { "" });
}

pub(super) fn delete(world: &mut World, version: i16) {
    offsets::committed(world, 9, "deleted", 1);
    let request = DeleteGroupsRequest::default().with_groups_names(vec![group("deleted")]);
    is(ErrorCode::None, world.wire.ask(version, &request).results[0].error_code);
    let again = world.wire.ask(version, &request);
    is(ErrorCode::GroupIdNotFound, again.results[0].error_code);
}

/// A member of a group of the consumer protocol, and the group's epoch.
fn consumer(world: &mut World, version: i16, name: &str) {
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group(name))
        .with_member_id(text("walker"))
        .with_member_epoch(0)
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![world.filled.name.clone()]))
        .with_topic_partitions(Some(Vec::new()));
    let answer = world.wire.settled(version, &request, |answer| answer.error_code);
    is(ErrorCode::None, answer.error_code);
    assert_eq!(answer.member_epoch, 1);
    assert!(answer.heartbeat_interval_ms > 0);
    let assigned = answer.assignment.expect("an assignment").topic_partitions;
    assert_eq!(assigned[0].topic_id, world.filled.id.0);
    assert_eq!(assigned[0].partitions, [0, 1]);
}

pub(super) fn consumer_heartbeat(world: &mut World, version: i16) {
    let name = format!("consumers-{version}");
    consumer(world, version, &name);
    let stale = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group(&name))
        .with_member_id(text("walker"))
        .with_member_epoch(7)
        .with_rebalance_timeout_ms(-1);
    let answer = world.wire.ask(version, &stale);
    is(ErrorCode::FencedMemberEpoch, answer.error_code);
    assert!(answer.error_message.is_some());
}

pub(super) fn consumer_describe(world: &mut World, version: i16) {
    let name = format!("described-consumers-{version}");
    consumer(world, 1, &name);
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group(&name)]);
    let answer = world.wire.ask(version, &request);
    let described = &answer.groups[0];
    is(ErrorCode::None, described.error_code);
    assert_eq!(described.assignor_name.as_str(), "uniform");
    assert_eq!(described.members.len(), 1);
    let member = &described.members[0];
    assert_eq!(member.member_id.as_str(), "walker");
    assert_eq!(member.target_assignment.topic_partitions[0].topic_name, world.filled.name);
    // Version 0 does not say of which protocol a member is.
    assert_eq!(member.member_type, if version >= 1 { 1 } else { -1 });
}
