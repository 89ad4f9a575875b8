//! Groups of both protocols, and their offsets.
//!
//! A classic group has one member, so that nobody waits for others; groups of the consumer protocol
//! have several. The other tenant's members are tried, too.

use bytes::Bytes;
use protocol::StrBytes;
use protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, DeleteGroupsRequest, DescribeGroupsRequest, HeartbeatRequest,
    JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest,
};

use crate::names::Names;
use crate::world::{World, group, name, text};

/// A group whose member is static.
const STATIC: &str = "statics";

/// Groups of the consumer protocol, and who may be in them.
const CONSUMERS: [&str; 2] = ["watchers", "followers"];
const CONSUMER_MEMBERS: [&str; 3] = ["first", "second", "third"];

/// Any group.
const ALL: [&str; 6] = ["readers", "writers", "statics", "watchers", "followers", "mover"];

/// Longer than the test runs: the answers may not depend on the time.
const TIMEOUT_MS: i32 = 30 * 60 * 1_000;

/// What the cluster puts before the random part of a member's id: its instance or its client id.
fn prefix(group: &str) -> &'static str {
    if group == STATIC { "instance" } else { "test" }
}

/// Joins a group, as who one is in it or as somebody new.
pub(crate) async fn join(world: &mut World) {
    let name = world.dice.pick(&["readers", "readers", "writers", STATIC]);
    let known = world.own.lock().members.get(name).cloned();
    let member = match world.dice.roll(6) {
        0 => world.foreign_member(name, prefix(name)),
        _ => known.unwrap_or_default(),
    };
    let instance = (name == STATIC).then(|| text("instance"));
    let version = world.dice.pick(&[9, 9, 3]);
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text(world.dice.pick(&["range", "roundrobin"])))
        .with_metadata(Bytes::from_static(b"\0\0\0\0\0\0\0\0\0\0"));
    let request = JoinGroupRequest::default()
        .with_group_id(group(name))
        .with_session_timeout_ms(TIMEOUT_MS)
        .with_rebalance_timeout_ms(TIMEOUT_MS)
        .with_group_instance_id(instance.filter(|_| version >= 5))
        .with_member_id(member.clone())
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    // Without an instance a member of the static group would be a second one.
    if name == STATIC && version < 5 {
        return;
    }
    // A second member would make the first one wait.
    if member.is_empty() && world.generations.contains_key(name) && name != STATIC {
        return;
    }
    let mut answer = world.ask(version, request.clone()).await;
    if answer.error_code == protocol::ErrorCode::MemberIdRequired.code() {
        answer = world.ask(version, request.with_member_id(answer.member_id)).await;
    }
    if answer.error_code == 0 {
        world.own.lock().members.insert(name, answer.member_id);
        world.generations.insert(name, answer.generation_id);
    }
}

/// A group of the classic protocol, its member or the other tenant's, and its generation.
fn member(world: &mut World) -> (&'static str, StrBytes, i32) {
    let name = world.dice.pick(&["readers", "writers", STATIC]);
    let known = world.own.lock().members.get(name).cloned();
    let member = match world.dice.roll(6) {
        0 => world.foreign_member(name, prefix(name)),
        _ => known.unwrap_or_else(|| text("nobody")),
    };
    let generation = world.generations.get(name).copied().unwrap_or(1);
    (name, member, generation - i32::from(world.dice.one_in(6)))
}

pub(crate) async fn sync(world: &mut World) {
    let (name, member, generation) = member(world);
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(member.clone())
        .with_assignment(Bytes::from_static(b"an assignment"));
    let request = SyncGroupRequest::default()
        .with_group_id(group(name))
        .with_generation_id(generation)
        .with_member_id(member)
        .with_assignments(vec![assignment]);
    world.ask(4, request).await;
}

pub(crate) async fn heartbeat(world: &mut World) {
    let (name, member, generation) = member(world);
    let request = HeartbeatRequest::default()
        .with_group_id(group(name))
        .with_generation_id(generation)
        .with_member_id(member);
    world.ask(4, request).await;
}

pub(crate) async fn leave(world: &mut World) {
    let (name, member, _) = member(world);
    let leaving = MemberIdentity::default().with_member_id(member.clone());
    let request =
        LeaveGroupRequest::default().with_group_id(group(name)).with_members(vec![leaving]);
    let answer = world.ask(5, request).await;
    let has_left = answer.members.iter().any(|member| member.error_code == 0);
    if has_left && world.own.lock().members.get(name) == Some(&member) {
        world.own.lock().members.remove(name);
        world.generations.remove(name);
    }
}

/// As a member of a classic group, or as nobody.
pub(crate) async fn commit(world: &mut World) {
    let (mut name, mut member, mut generation) = member(world);
    if world.dice.one_in(2) {
        (name, member, generation) = (world.dice.pick(&ALL), StrBytes::default(), -1);
    }
    let (topic, index) = (world.topic(), world.index());
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(index)
        .with_committed_offset(world.dice.roll(100) as i64)
        .with_committed_metadata(Some(text("a note")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(crate::world::name(topic))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group(name))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(member)
        .with_topics(vec![topic]);
    world.ask(9, request).await;
}

/// All offsets of two groups, or those of one topic.
pub(crate) async fn offsets(world: &mut World) {
    let topics = OffsetFetchRequestTopics::default()
        .with_name(name(world.topic()))
        .with_partition_indexes(vec![0, 1, 7]);
    let topics = world.dice.one_in(2).then(|| vec![topics]);
    let groups = [world.dice.pick(&ALL), world.dice.pick(&ALL)].map(|name| {
        OffsetFetchRequestGroup::default()
            .with_group_id(group(name))
            .with_member_epoch(-1)
            .with_topics(topics.clone())
    });
    let request = OffsetFetchRequest::default().with_groups(groups.to_vec());
    world.ask_veiled(9, request, sort_fetched).await;
}

pub(crate) async fn delete_offsets(world: &mut World) {
    let partition = OffsetDeleteRequestPartition::default().with_partition_index(world.index());
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(name(world.topic()))
        .with_partitions(vec![partition]);
    let request = OffsetDeleteRequest::default()
        .with_group_id(group(world.dice.pick(&ALL)))
        .with_topics(vec![topic]);
    world.ask(0, request).await;
}

/// Groups of all kinds, looked at or deleted.
pub(crate) async fn administer(world: &mut World) {
    let name = world.dice.pick(&ALL);
    match world.dice.roll(5) {
        0 | 1 => drop(world.ask(5, ListGroupsRequest::default()).await),
        2 => {
            let request = DescribeGroupsRequest::default()
                .with_include_authorized_operations(true)
                .with_groups(vec![group(name), group("nobody's")]);
            world.ask(6, request).await;
        }
        3 => {
            let request = ConsumerGroupDescribeRequest::default();
            let request = request.with_group_ids(vec![group(name)]);
            world.ask_veiled(1, request, sort_described).await;
        }
        _ => {
            let request = DeleteGroupsRequest::default();
            world.ask(2, request.with_groups_names(vec![group(name)])).await;
        }
    }
}

/// A member of a group of the consumer protocol (KIP-848) joins, goes on, or leaves.
pub(crate) async fn consume(world: &mut World) {
    let (name, member) = (world.dice.pick(&CONSUMERS), world.dice.pick(&CONSUMER_MEMBERS));
    let epoch = world.epochs.get(&(name, member)).copied();
    let subscribed = [world.topic(), "orders"].map(crate::world::name).to_vec();
    let epoch = match (epoch, world.dice.roll(8)) {
        (Some(_), 0) => -1,
        (Some(epoch), 1) => epoch + 5,
        (Some(epoch), _) => epoch,
        (None, _) => 0,
    };
    let mut request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group(name))
        .with_member_id(text(member))
        .with_member_epoch(epoch)
        .with_rebalance_timeout_ms(-1);
    if epoch == 0 {
        request = request
            .with_rebalance_timeout_ms(TIMEOUT_MS)
            .with_subscribed_topic_names(Some(subscribed))
            .with_topic_partitions(Some(Vec::new()));
    } else if world.dice.one_in(8) {
        let owned = TopicPartitions::default().with_topic_id(world.id("orders"));
        request.topic_partitions = Some(vec![owned.with_partitions(vec![0])]);
    }
    let answer = world.ask_veiled(1, request, sort_assigned).await;
    match answer.error_code {
        0 if answer.member_epoch >= 0 => world.epochs.insert((name, member), answer.member_epoch),
        _ => world.epochs.remove(&(name, member)),
    };
}

/// Topics come in the order of their ids, which are random: gives them the order of their names.
fn sort_assigned(answer: &mut ConsumerGroupHeartbeatResponse, names: &mut Names) {
    if let Some(assigned) = &mut answer.assignment {
        assigned.topic_partitions.sort_by_key(|topic| names.replace(&topic.topic_id.to_string()));
    }
}

/// The same.
fn sort_described(answer: &mut ConsumerGroupDescribeResponse, _: &mut Names) {
    for member in answer.groups.iter_mut().flat_map(|group| &mut group.members) {
        for assignment in [&mut member.assignment, &mut member.target_assignment] {
            assignment.topic_partitions.sort_by(|one, other| one.topic_name.cmp(&other.topic_name));
        }
    }
}

/// The same.
fn sort_fetched(answer: &mut OffsetFetchResponse, _: &mut Names) {
    for group in &mut answer.groups {
        group.topics.sort_by(|one, other| one.name.cmp(&other.name));
    }
}
