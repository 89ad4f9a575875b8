//! Static members (KIP-345): a restart within the session moves nothing.

use protocol::error::ErrorCode;

use crate::dsl::{Consumer, GROUP, World, settle};

fn group() -> (World, Consumer, Consumer) {
    let mut world = World::new();
    world.topics.set(1, 4);
    let mut a = Consumer::with_instance("a", "one", &["topic-1"]);
    let mut b = Consumer::with_instance("b", "two", &["topic-1"]);
    a.join(&mut world);
    b.join(&mut world);
    settle(&mut world, &mut [&mut a, &mut b]);
    (world, a, b)
}

#[test]
fn a_restart_keeps_the_partitions_and_the_group_epoch() {
    let (mut world, mut a, mut b) = group();
    let before = a.owned.clone();
    assert_eq!(a.leave_for_a_while(&mut world), ErrorCode::None);
    assert_eq!(b.heartbeat(&mut world), ErrorCode::None);
    let mut again = a.restarted("a-2");
    assert_eq!(again.join(&mut world), ErrorCode::None);
    assert_eq!((again.epoch, &again.owned), (2, &before));
    let described = world.describe_consumers(GROUP);
    assert_eq!((described.group_epoch, described.members.len()), (2, 2));
    assert_eq!(described.group_state.as_str(), "Stable");
    assert_eq!(a.heartbeat(&mut world), ErrorCode::InvalidRequest, "epoch 0 is a join");
    a.epoch = 2;
    assert_eq!(a.heartbeat(&mut world), ErrorCode::FencedInstanceId, "its former self");
    a.epoch = 2;
    assert_eq!(a.leave(&mut world), ErrorCode::FencedInstanceId);
}

#[test]
fn it_may_come_back_under_its_own_id() {
    let (mut world, mut a, _) = group();
    let before = a.owned.clone();
    a.leave_for_a_while(&mut world);
    let zombie = Consumer { epoch: 2, ..a.clone() };
    let token = zombie.send(&mut world, zombie.request());
    assert_eq!(world.error(token), ErrorCode::FencedMemberEpoch);
    assert_eq!(a.join(&mut world), ErrorCode::None);
    assert_eq!((a.epoch, a.owned), (2, before));
}

#[test]
fn of_two_that_run_at_once_the_second_is_refused() {
    let (mut world, mut a, _) = group();
    let mut twin = a.restarted("twin");
    assert_eq!(twin.join(&mut world), ErrorCode::UnreleasedInstanceId);
    assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
    assert_eq!(a.leave(&mut world), ErrorCode::None, "for good");
    assert_eq!(twin.join(&mut world), ErrorCode::None);
}

#[test]
fn who_does_not_come_back_in_its_session_loses_its_place() {
    let (mut world, mut a, mut b) = group();
    a.leave_for_a_while(&mut world);
    for _ in 0..8 {
        world.advance(5_000);
        b.heartbeat(&mut world);
        assert_eq!(b.owned.len(), 2);
    }
    world.advance(5_000);
    settle(&mut world, &mut [&mut b]);
    assert_eq!(b.owned.len(), 4);
}

#[test]
fn a_restart_with_another_subscription_is_a_change_like_any_other() {
    let (mut world, mut a, mut b) = group();
    world.topics.set(2, 2);
    a.leave_for_a_while(&mut world);
    let mut again = Consumer { topics: vec!["topic-2"], ..a.restarted("a-2") };
    assert_eq!(again.join(&mut world), ErrorCode::None);
    settle(&mut world, &mut [&mut again, &mut b]);
    assert_eq!((again.indexes(2), again.indexes(1)), (vec![0, 1], vec![]));
    assert_eq!(b.indexes(1), [0, 1, 2, 3]);
    assert_eq!(world.describe_consumers(GROUP).group_epoch, 3);
}
