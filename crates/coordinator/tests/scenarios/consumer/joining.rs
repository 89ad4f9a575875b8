//! Members come, stay and go, and partitions move between them one heartbeat at a time.

use coordinator::{Config, GroupConfigs};
use protocol::error::ErrorCode;

use crate::dsl::{Consumer, GROUP, HEARTBEAT_MS, REBALANCE_MS, World, settle};

const SESSION_MS: i64 = 45_000;

fn world() -> World {
    let world = World::new();
    world.topics.set(1, 4);
    world
}

#[test]
fn the_first_member_gets_everything_with_the_answer_to_its_join() {
    let mut world = world();
    let mut a = Consumer::new("a", &["topic-1"]);
    let token = a.send(&mut world, a.full_request());
    let answer = crate::dsl::heard(&world, token);
    assert_eq!((answer.error_code, answer.member_epoch), (0, 1));
    assert_eq!(answer.heartbeat_interval_ms, HEARTBEAT_MS as i32);
    assert_eq!(answer.member_id.as_deref(), Some("a"));
    assert_eq!(a.join(&mut world), ErrorCode::None, "the answer was lost, say");
    assert_eq!((a.epoch, a.indexes(1)), (1, vec![0, 1, 2, 3]));
    assert_eq!(world.describe_consumers(GROUP).group_state.as_str(), "Stable");
}

#[test]
fn what_is_set_on_a_group_holds_from_the_next_heartbeat_on() {
    let mut world = world();
    let mut a = Consumer::new("a", &["topic-1"]);
    a.join(&mut world);
    world.topics.set_on_groups(GroupConfigs {
        consumer_session_timeout_ms: Some(9_000),
        consumer_heartbeat_interval_ms: Some(2_000),
    });
    let token = a.send(&mut world, a.request());
    assert_eq!(crate::dsl::heard(&world, token).heartbeat_interval_ms, 2_000);
    world.advance(8_999);
    assert_eq!(world.describe_consumers(GROUP).members.len(), 1);
    world.advance(1);
    assert!(world.describe_consumers(GROUP).members.is_empty());
}

#[test]
fn a_client_without_an_id_is_given_one() {
    let mut world = world();
    let mut a = Consumer::new("a", &["topic-1"]);
    a.member_id = "".into();
    assert_eq!(a.join(&mut world), ErrorCode::None);
    assert_eq!(a.member_id.len(), 36, "a UUID");
    assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
}

#[test]
fn nothing_is_said_about_the_assignment_while_it_does_not_change() {
    let mut world = world();
    let mut a = Consumer::new("a", &["topic-1"]);
    a.join(&mut world);
    let records = world.log.len();
    let token = a.send(&mut world, a.request());
    assert_eq!(crate::dsl::heard(&world, token).assignment, None);
    let token = a.send(&mut world, a.full_request());
    assert!(crate::dsl::heard(&world, token).assignment.is_some(), "a full request is one anew");
    assert_eq!(world.log.len(), records, "and nothing is written");
}

#[test]
fn a_partition_is_given_back_before_another_member_gets_it() {
    let mut world = world();
    let (mut a, mut b) = (Consumer::new("a", &["topic-1"]), Consumer::new("b", &["topic-1"]));
    a.join(&mut world);
    b.join(&mut world);
    assert_eq!((b.epoch, b.indexes(1)), (2, vec![]), "its partitions are with a still");
    assert_eq!(world.describe_consumers(GROUP).group_state.as_str(), "Reconciling");

    a.heartbeat(&mut world);
    assert_eq!((a.epoch, a.indexes(1)), (1, vec![0, 1]), "told to give two back");
    b.heartbeat(&mut world);
    assert!(b.indexes(1).is_empty(), "not before a has said that it did");
    a.heartbeat(&mut world);
    assert_eq!(a.epoch, 2);
    b.heartbeat(&mut world);
    assert_eq!(b.indexes(1), [2, 3]);
    assert_eq!(world.describe_consumers(GROUP).group_state.as_str(), "Stable");
}

#[test]
fn who_leaves_makes_room_for_the_others() {
    let mut world = world();
    let (mut a, mut b) = (Consumer::new("a", &["topic-1"]), Consumer::new("b", &["topic-1"]));
    a.join(&mut world);
    b.join(&mut world);
    settle(&mut world, &mut [&mut a, &mut b]);
    assert_eq!(b.leave(&mut world), ErrorCode::None);
    assert_eq!(world.describe_consumers(GROUP).group_state.as_str(), "Assigning");
    settle(&mut world, &mut [&mut a]);
    assert_eq!((a.epoch, a.indexes(1)), (3, vec![0, 1, 2, 3]));
    assert_eq!(a.leave(&mut world), ErrorCode::None);
    assert_eq!(world.describe_consumers(GROUP).group_state.as_str(), "Empty");
    assert_eq!(world.coordinator.next_deadline(), Some(world.now_ms + 600_000), "no timer is left");
}

#[test]
fn a_silent_member_is_gone_after_the_session_timeout() {
    let mut world = world();
    let (mut a, mut b) = (Consumer::new("a", &["topic-1"]), Consumer::new("b", &["topic-1"]));
    a.join(&mut world);
    b.join(&mut world);
    settle(&mut world, &mut [&mut a, &mut b]);
    for _ in 0..SESSION_MS / HEARTBEAT_MS {
        assert_eq!(world.describe_consumers(GROUP).members.len(), 2);
        world.advance(HEARTBEAT_MS);
        assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
    }
    settle(&mut world, &mut [&mut a]);
    assert_eq!(a.indexes(1), [0, 1, 2, 3]);
    assert_eq!(b.heartbeat(&mut world), ErrorCode::UnknownMemberId);
}

#[test]
fn who_does_not_give_back_in_time_is_gone() {
    let mut world = world();
    let (mut a, mut b) = (Consumer::new("a", &["topic-1"]), Consumer::new("b", &["topic-1"]));
    a.stubborn = true;
    a.join(&mut world);
    b.join(&mut world);
    a.heartbeat(&mut world);
    for _ in 0..REBALANCE_MS / HEARTBEAT_MS {
        assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
        b.heartbeat(&mut world);
        assert!(b.indexes(1).is_empty());
        world.advance(HEARTBEAT_MS);
    }
    assert_eq!(a.heartbeat(&mut world), ErrorCode::UnknownMemberId, "fenced");
    settle(&mut world, &mut [&mut b]);
    assert_eq!(b.indexes(1), [0, 1, 2, 3]);
}

#[test]
fn a_group_has_room_for_so_many_members() {
    let config = Config { consumer_group_size_max: 2, ..Config::default() };
    let mut world = World::with(config);
    for (name, outcome) in [
        ("a", ErrorCode::None),
        ("b", ErrorCode::None),
        ("c", ErrorCode::GroupMaxSizeReached),
        ("b", ErrorCode::None),
    ] {
        let token = {
            let consumer = Consumer::new(name, &["topic-1"]);
            consumer.send(&mut world, consumer.full_request())
        };
        assert_eq!(world.error(token), outcome, "{name}");
    }
}

#[test]
fn the_assignor_is_the_one_that_most_members_want() {
    let mut world = World::new();
    world.topics.set(1, 3);
    world.topics.set(2, 3);
    let topics = ["topic-1", "topic-2"];
    let mut members = ["a", "b", "c"].map(|name| Consumer::new(name, &topics));
    members[0].assignor = Some("uniform");
    members[1].assignor = Some("range");
    members[2].assignor = Some("range");
    for member in &mut members {
        assert_eq!(member.join(&mut world), ErrorCode::None);
    }
    let [a, b, c] = &mut members;
    settle(&mut world, &mut [a, b, c]);
    assert_eq!(world.describe_consumers(GROUP).assignor_name.as_str(), "range");
    for (number, member) in members.iter().enumerate() {
        let index = number as i32;
        assert_eq!((member.indexes(1), member.indexes(2)), (vec![index], vec![index]));
    }
}
