//! Heartbeats and session timeouts.

use protocol::error::ErrorCode;

use crate::dsl::{Client, GROUP, SESSION_MS, World};

#[test]
fn a_silent_member_is_removed_after_its_session_timeout() {
    let mut world = World::new();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    world.form(&mut [&mut a, &mut b]);
    world.advance(SESSION_MS - 1);
    assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
    world.advance(1);
    assert_eq!(a.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
    assert_eq!(b.heartbeat(&mut world), ErrorCode::UnknownMemberId);
}

#[test]
fn the_group_is_empty_when_everybody_falls_silent() {
    let mut world = World::new();
    world.form(&mut [&mut Client::new("a"), &mut Client::new("b")]);
    world.advance(SESSION_MS * 10);
    assert_eq!(world.state(GROUP), "Empty");
}

#[test]
fn heartbeats_keep_a_member_for_ever() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    for _ in 0..100 {
        world.advance(SESSION_MS - 1);
        assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
    }
}

#[test]
fn commits_count_as_heartbeats() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    for offset in 0..10 {
        world.advance(SESSION_MS - 1);
        assert_eq!(a.commit(&mut world, (1, 0), offset), ErrorCode::None);
    }
}

#[test]
fn a_heartbeat_with_another_generation_or_member_is_refused() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    let ahead = Client { generation: a.generation + 1, ..a.clone() };
    assert_eq!(ahead.heartbeat(&mut world), ErrorCode::IllegalGeneration);
    let stranger = Client { member_id: "stranger".into(), ..a.clone() };
    assert_eq!(stranger.heartbeat(&mut world), ErrorCode::UnknownMemberId);
    let nameless = Client { group: "", ..a.clone() };
    assert_eq!(nameless.heartbeat(&mut world), ErrorCode::InvalidGroupId);
    let elsewhere = Client { group: "elsewhere", ..a };
    assert_eq!(elsewhere.heartbeat(&mut world), ErrorCode::UnknownMemberId);
}

#[test]
fn a_member_waiting_for_the_others_to_join_does_not_expire() {
    let mut world = World::new();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    world.form(&mut [&mut a, &mut b]);
    Client::new("c").join(&mut world);
    let waiting = a.join(&mut world);
    for _ in 0..5 {
        world.advance(SESSION_MS - 1);
        b.heartbeat(&mut world);
    }
    assert!(world.is_waiting(waiting));
    world.advance(SESSION_MS);
    assert_eq!(world.error(waiting), ErrorCode::None);
    a.absorb(&world.join_answer(waiting).clone());
    assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
}

#[test]
fn a_new_member_whose_join_waits_is_given_up_after_five_minutes() {
    let mut world = World::new();
    let rebalance_ms = 1_000_000;
    let mut a = Client { rebalance_ms, ..Client::new("a") };
    world.form(&mut [&mut a]);
    let waiting = Client { rebalance_ms, ..Client::new("b") }.join(&mut world);
    for _ in 0..299 {
        world.advance(1_000);
        assert!(world.is_waiting(waiting));
        assert_eq!(a.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
    }
    world.advance(1_000);
    assert_eq!(world.error(waiting), ErrorCode::UnknownMemberId);
}

#[test]
fn an_id_that_is_not_used_in_time_expires() {
    let mut world = World::new();
    let mut late = Client::new("late");
    let token = late.send_join(&mut world);
    late.member_id = world.join_answer(token).member_id.clone();
    world.advance(SESSION_MS);
    assert_eq!(world.state(GROUP), "Dead", "nothing is left of the group");
    let token = late.send_join(&mut world);
    assert_eq!(world.error(token), ErrorCode::UnknownMemberId);
}
