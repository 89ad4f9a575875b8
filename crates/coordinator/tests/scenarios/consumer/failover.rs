//! Another node takes over with nothing but the log (C1, C3, R42).

use protocol::error::ErrorCode;

use crate::dsl::{Consumer, GROUP, REBALANCE_MS, World, settle};

const SESSION_MS: i64 = 45_000;

#[test]
fn members_go_on_at_their_epochs() {
    let mut world = World::new();
    world.topics.set(1, 4);
    let (mut a, mut b) = (Consumer::new("a", &["topic-1"]), Consumer::new("b", &["topic-1"]));
    a.join(&mut world);
    b.join(&mut world);
    settle(&mut world, &mut [&mut a, &mut b]);
    let before = world.describe_consumers(GROUP);
    world.fail_over();
    assert_eq!(world.describe_consumers(GROUP), before);
    let records = world.log.len();
    settle(&mut world, &mut [&mut a, &mut b]);
    assert_eq!(world.describe_consumers(GROUP), before);
    assert_eq!(world.log.len(), records, "a look at the same topics changes nothing");
}

#[test]
fn a_rebalance_goes_on_where_it_was_at_every_step() {
    for steps in 0..8 {
        let mut world = World::new();
        world.topics.set(1, 4);
        let mut a = Consumer::new("a", &["topic-1"]);
        let mut b = Consumer::new("b", &["topic-1"]);
        a.join(&mut world);
        b.join(&mut world);
        for step in 0..steps {
            let member = if step % 2 == 0 { &mut a } else { &mut b };
            assert_eq!(member.heartbeat(&mut world), ErrorCode::None);
        }
        world.fail_over();
        settle(&mut world, &mut [&mut a, &mut b]);
        assert_eq!((a.indexes(1), b.indexes(1)), (vec![0, 1], vec![2, 3]), "after {steps} steps");
    }
}

#[test]
fn every_timer_starts_in_full() {
    let mut world = World::new();
    world.topics.set(1, 4);
    let mut a = Consumer::new("a", &["topic-1"]);
    a.join(&mut world);
    world.advance(SESSION_MS - 1);
    world.fail_over();
    world.advance(SESSION_MS - 1);
    assert_eq!(a.heartbeat(&mut world), ErrorCode::None);

    a.stubborn = true;
    let mut b = Consumer::new("b", &["topic-1"]);
    b.join(&mut world);
    a.heartbeat(&mut world);
    world.fail_over();
    for _ in 0..REBALANCE_MS / 5_000 {
        assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
        world.advance(5_000);
    }
    assert_eq!(a.heartbeat(&mut world), ErrorCode::UnknownMemberId, "and then it counts");
}

#[test]
fn what_changed_meanwhile_is_seen() {
    let mut world = World::new();
    world.topics.set(1, 1);
    let mut a = Consumer::new("a", &["topic-1"]);
    a.join(&mut world);
    world.topics.set(1, 2);
    world.fail_over();
    settle(&mut world, &mut [&mut a]);
    assert_eq!(a.indexes(1), [0, 1]);
}
