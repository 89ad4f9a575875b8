//! Another node takes over with nothing but the log (C1, C3, R42).

use protocol::error::ErrorCode;

use crate::dsl::{Client, GROUP, SESSION_MS, World};

#[test]
fn a_settled_group_goes_on_without_a_rebalance() {
    let mut world = World::new();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    world.form(&mut [&mut a, &mut b]);
    let before = world.describe(GROUP);
    world.fail_over();
    assert_eq!(world.describe(GROUP), before);
    assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
    assert_eq!(b.commit(&mut world, (1, 0), 1), ErrorCode::None);
    let follower = if a.leads { &mut b } else { &mut a };
    let token = follower.join(&mut world);
    assert_eq!(world.join_answer(token).generation_id, follower.generation);
}

#[test]
fn every_member_gets_its_full_session_timeout_again() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    world.advance(SESSION_MS - 1);
    world.fail_over();
    world.advance(SESSION_MS - 1);
    assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
    world.advance(SESSION_MS);
    assert_eq!(world.state(GROUP), "Empty", "and then it counts");
}

#[test]
fn after_a_pause_every_timer_starts_in_full() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    world.now_ms += 3_600_000;
    world.coordinator.restart_timers(world.now_ms);
    world.tick();
    assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
}

#[test]
fn a_rebalance_that_was_under_way_starts_over() {
    let mut world = World::without_initial_delay();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    world.form(&mut [&mut a]);
    b.join(&mut world);
    world.fail_over();
    assert_eq!(world.state(GROUP), "Stable");
    assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
    let token = b.send_join(&mut world);
    assert_eq!(world.error(token), ErrorCode::UnknownMemberId, "b asks for another id");
    let of_b = b.restarted().join(&mut world);
    assert!(world.is_waiting(of_b));
    assert_eq!(a.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_generation_that_members_were_told_is_never_given_out_again() {
    let mut world = World::without_initial_delay();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    world.form(&mut [&mut a]);
    let of_b = b.join(&mut world);
    let of_a = a.join(&mut world);
    let told = world.join_answer(of_b).generation_id;
    assert_eq!(world.join_answer(of_a).generation_id, told);
    b.absorb(&world.join_answer(of_b).clone());

    world.fail_over();
    assert_eq!(b.heartbeat(&mut world), ErrorCode::UnknownMemberId);
    let again = a.join(&mut world);
    assert_eq!(world.join_answer(again).generation_id, told + 1);
}

#[test]
fn a_first_generation_that_did_not_settle_is_not_given_out_again_either() {
    let mut world = World::without_initial_delay();
    let token = Client::new("a").join(&mut world);
    assert_eq!(world.join_answer(token).generation_id, 1);
    world.fail_over();
    assert_eq!(world.state(GROUP), "Empty");
    let token = Client::new("b").join(&mut world);
    assert_eq!(world.join_answer(token).generation_id, 2);
}

#[test]
fn committed_offsets_survive_any_number_of_failovers() {
    let mut world = World::new();
    let admin = Client::new("admin");
    for round in 0..5 {
        admin.commit(&mut world, (1, round), i64::from(round));
        world.fail_over();
    }
    for round in 0..5 {
        assert_eq!(world.committed((1, round)).0, i64::from(round));
    }
}
