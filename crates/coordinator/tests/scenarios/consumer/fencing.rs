//! Who is refused, and with which error.

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::ConsumerGroupHeartbeatRequest;

use crate::dsl::{Consumer, World, settle};

type Edit = fn(ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatRequest;

fn text(text: &'static str) -> StrBytes {
    text.into()
}

/// A full request to join, with one thing wrong.
const REFUSED_JOINS: &[(&str, Edit, ErrorCode)] = &[
    ("no group", |r| r.with_group_id(text("  ").into()), ErrorCode::InvalidRequest),
    ("empty instance", |r| r.with_instance_id(Some(text(""))), ErrorCode::InvalidRequest),
    ("empty rack", |r| r.with_rack_id(Some(text(" "))), ErrorCode::InvalidRequest),
    ("no rebalance timeout", |r| r.with_rebalance_timeout_ms(-1), ErrorCode::InvalidRequest),
    ("owned unknown", |r| r.with_topic_partitions(None), ErrorCode::InvalidRequest),
    (
        "owns something",
        |r| r.with_topic_partitions(Some(vec![Default::default()])),
        ErrorCode::InvalidRequest,
    ),
    (
        "no subscription",
        |r| r.with_subscribed_topic_names(None).with_subscribed_topic_regex(None),
        ErrorCode::InvalidRequest,
    ),
    ("epoch -3", |r| r.with_member_epoch(-3), ErrorCode::InvalidRequest),
    (
        "leaves without an id",
        |r| r.with_member_epoch(-1).with_member_id(text("")),
        ErrorCode::InvalidRequest,
    ),
    (
        "leaves for a while, not static",
        |r| r.with_member_epoch(-2).with_instance_id(None),
        ErrorCode::InvalidRequest,
    ),
    (
        "unknown assignor",
        |r| r.with_server_assignor(Some(text("mine"))),
        ErrorCode::UnsupportedAssignor,
    ),
    (
        "no regular expression",
        |r| r.with_subscribed_topic_regex(Some(text("("))),
        ErrorCode::InvalidRegularExpression,
    ),
    ("no group to be in", |r| r.with_member_epoch(1), ErrorCode::GroupIdNotFound),
    ("no group to leave", |r| r.with_member_epoch(-1), ErrorCode::GroupIdNotFound),
];

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    for (name, edit, code) in REFUSED_JOINS {
        let mut world = World::new();
        let a = Consumer::new("a", &["topic-1"]);
        let token = a.send(&mut world, edit(a.full_request()));
        let answer = crate::dsl::heard(&world, token);
        assert_eq!(ErrorCode::from_code(answer.error_code), *code, "{name}");
        assert!(answer.error_message.is_some_and(|message| !message.is_empty()), "{name}");
        assert_eq!(world.coordinator.group_count(), 0, "{name}");
    }
}

#[test]
fn a_member_at_another_epoch_is_fenced_unless_it_missed_one_answer() {
    let mut world = World::new();
    world.topics.set(1, 4);
    let (mut a, mut b) = (Consumer::new("a", &["topic-1"]), Consumer::new("b", &["topic-1"]));
    a.join(&mut world);
    b.join(&mut world);
    settle(&mut world, &mut [&mut a, &mut b]);
    assert_eq!((a.epoch, a.indexes(1)), (2, vec![0, 1]));

    let beat = |world: &mut World, epoch: i32, owned: &[i32]| {
        let mut client = a.clone();
        client.epoch = epoch;
        client.owned = owned.iter().map(|index| (1, *index)).collect();
        let token = client.send(world, client.request());
        world.error(token)
    };
    assert_eq!(beat(&mut world, 3, &[0, 1]), ErrorCode::FencedMemberEpoch, "of the future");
    assert_eq!(beat(&mut world, 1, &[0, 1]), ErrorCode::None, "the answer was lost");
    assert_eq!(beat(&mut world, 1, &[0]), ErrorCode::None, "it has not begun with all yet");
    assert_eq!(beat(&mut world, 1, &[0, 1, 2]), ErrorCode::FencedMemberEpoch, "2 is b's");
    assert_eq!(a.clone().join(&mut world), ErrorCode::FencedMemberEpoch, "two epochs ago");
    let silent = a.request().with_member_epoch(1).with_topic_partitions(None);
    let token = a.send(&mut world, silent);
    assert_eq!(world.error(token), ErrorCode::FencedMemberEpoch, "may have anything");
}

#[test]
fn who_is_no_member_is_told_so() {
    let mut world = World::new();
    let mut a = Consumer::new("a", &["topic-1"]);
    a.join(&mut world);
    let mut stranger = Consumer { epoch: 1, ..Consumer::new("b", &["topic-1"]) };
    assert_eq!(stranger.heartbeat(&mut world), ErrorCode::UnknownMemberId);
    assert_eq!(stranger.leave(&mut world), ErrorCode::UnknownMemberId);
    stranger.instance = Some("nobody");
    stranger.epoch = 1;
    assert_eq!(stranger.heartbeat(&mut world), ErrorCode::UnknownMemberId);
    assert_eq!(stranger.leave_for_a_while(&mut world), ErrorCode::UnknownMemberId);
}
