//! Static members: KIP-345 and KIP-814.

use protocol::error::ErrorCode;

use crate::dsl::{Client, GROUP, REBALANCE_MS, SESSION_MS, World, assignment_of, subscription};

/// A settled group of two static members, the leader first.
fn formed(world: &mut World) -> (Client, Client) {
    let (mut a, mut b) = (Client::with_instance("a", "a-1"), Client::with_instance("b", "b-1"));
    let leader = world.form(&mut [&mut a, &mut b]);
    if leader == 0 { (a, b) } else { (b, a) }
}

#[test]
fn a_static_member_needs_no_second_join() {
    let mut world = World::without_initial_delay();
    let token = Client::with_instance("a", "a-1").send_join(&mut world);
    let joined = world.join_answer(token);
    assert_eq!(joined.error_code, 0);
    assert!(joined.member_id.starts_with("a-1-"), "{}", joined.member_id);
}

#[test]
fn a_follower_that_restarts_in_time_takes_its_place_without_a_rebalance() {
    let mut world = World::new();
    let (leader, follower) = formed(&mut world);
    world.advance(SESSION_MS / 2);
    assert_eq!(leader.heartbeat(&mut world), ErrorCode::None);
    let mut again = follower.restarted();
    let token = again.send_join(&mut world);
    let joined = world.join_answer(token).clone();
    assert_eq!((joined.error_code, joined.generation_id), (0, leader.generation));
    assert_ne!(joined.member_id, follower.member_id);
    assert_eq!(joined.leader, leader.member_id);
    assert!(!joined.skip_assignment && joined.members.is_empty());

    again.absorb(&joined);
    let token = again.sync(&mut world);
    assert_eq!(world.sync_answer(token).assignment, assignment_of(&follower.member_id));
    assert_eq!(leader.heartbeat(&mut world), ErrorCode::None);
}

#[test]
fn a_leader_that_restarts_in_time_is_told_to_skip_the_assignment() {
    let mut world = World::new();
    let (leader, follower) = formed(&mut world);
    let mut again = leader.restarted();
    let token = again.send_join(&mut world);
    let joined = world.join_answer(token).clone();
    assert_eq!(joined.leader, joined.member_id);
    assert!(joined.skip_assignment);
    assert_eq!(joined.members.len(), 2, "it keeps an eye on their topics");
    again.absorb(&joined);
    let token = again.sync(&mut world);
    assert_eq!(world.sync_answer(token).assignment, assignment_of(&leader.member_id));
    assert_eq!(follower.heartbeat(&mut world), ErrorCode::None);
}

#[test]
fn whoever_still_uses_the_former_id_is_fenced() {
    let mut world = World::new();
    let (_, follower) = formed(&mut world);
    follower.restarted().send_join(&mut world);
    let fenced = ErrorCode::FencedInstanceId;
    assert_eq!(follower.heartbeat(&mut world), fenced);
    assert_eq!(follower.commit(&mut world, (1, 0), 1), fenced);
    assert_eq!(follower.leave(&mut world), fenced);
    let token = follower.sync(&mut world);
    assert_eq!(world.error(token), fenced);
    let token = follower.send_join(&mut world);
    assert_eq!(world.error(token), fenced);
}

#[test]
fn requests_of_the_former_self_that_wait_are_fenced() {
    let mut world = World::new();
    let mut a = Client::with_instance("a", "a-1");
    let joining = a.send_join(&mut world);
    let mut again = a.restarted();
    let token = again.send_join(&mut world);
    assert_eq!(world.error(joining), ErrorCode::FencedInstanceId);
    let mut b = Client::with_instance("b", "b-1");
    let of_b = b.send_join(&mut world);
    world.advance(10_000);
    again.absorb(&world.join_answer(token).clone());
    b.absorb(&world.join_answer(of_b).clone());
    let follower = if again.leads { &b } else { &again };
    let syncing = follower.sync(&mut world);
    follower.restarted().send_join(&mut world);
    assert_eq!(world.error(syncing), ErrorCode::FencedInstanceId);
    a.member_id = "former".into();
    assert_eq!(a.heartbeat(&mut world), ErrorCode::FencedInstanceId);
}

#[test]
fn a_restart_before_the_assignment_rebalances_again() {
    let mut world = World::new();
    let (mut a, mut b) = (Client::with_instance("a", "a-1"), Client::with_instance("b", "b-1"));
    let tokens = [a.send_join(&mut world), b.send_join(&mut world)];
    world.advance(10_000);
    a.absorb(&world.join_answer(tokens[0]).clone());
    b.absorb(&world.join_answer(tokens[1]).clone());
    let token = a.restarted().send_join(&mut world);
    assert!(world.is_waiting(token), "the leader would assign to the former id");
    assert_eq!(b.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_restart_with_other_metadata_but_the_same_protocol_keeps_the_generation() {
    let mut world = World::new();
    let (leader, follower) = formed(&mut world);
    let protocols = vec![("range", subscription(&["topic-1", "topic-2"]))];
    let token = Client { protocols, ..follower.restarted() }.send_join(&mut world);
    assert_eq!(world.join_answer(token).generation_id, leader.generation);
}

#[test]
fn a_restart_that_changes_the_vote_rebalances() {
    let mut world = World::new();
    let mut a = Client { instance: Some("a-1"), ..Client::speaking("a", &["range", "sticky"]) };
    world.form(&mut [&mut a]);
    let again = Client { instance: Some("a-1"), ..Client::speaking("a", &["sticky", "range"]) };
    let token = again.send_join(&mut world);
    let joined = world.join_answer(token);
    assert_eq!(joined.generation_id, a.generation + 1);
    assert_eq!(joined.protocol_name.as_deref(), Some("sticky"));
}

#[test]
fn a_static_member_that_stays_away_keeps_its_place_for_its_session_timeout() {
    let mut world = World::new();
    let (leader, _) = formed(&mut world);
    world.advance(SESSION_MS - 1);
    assert_eq!(leader.heartbeat(&mut world), ErrorCode::None);
    world.advance(1);
    assert_eq!(leader.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_rebalance_does_not_remove_static_members_that_miss_it() {
    let mut world = World::new();
    let patient = |client| Client { session_ms: 300_000, ..client };
    let mut a = patient(Client::with_instance("a", "a-1"));
    let mut b = patient(Client::with_instance("b", "b-1"));
    world.form(&mut [&mut a, &mut b]);
    let token = patient(Client::new("c")).join(&mut world);
    world.advance(60_000);
    let joined = world.join_answer(token);
    assert_eq!(joined.leader, joined.member_id, "the leader is one who has joined");
    assert_eq!(joined.members.len(), 3);
}

#[test]
fn a_rebalance_that_only_absent_static_members_could_join_waits_on() {
    let mut world = World::new();
    let patient = |client| Client { session_ms: 300_000, ..client };
    let mut a = patient(Client::with_instance("a", "a-1"));
    let mut b = patient(Client::with_instance("b", "b-1"));
    world.form(&mut [&mut a, &mut b]);
    let mut c = Client::new("c");
    c.join(&mut world);
    assert_eq!(c.leave(&mut world), ErrorCode::None);
    world.advance(120_000);
    assert_eq!(world.state(GROUP), "PreparingRebalance");
    let (of_a, of_b) = (a.send_join(&mut world), b.send_join(&mut world));
    assert_eq!(world.error(of_a), ErrorCode::None);
    assert_eq!(world.error(of_b), ErrorCode::None);
}

#[test]
fn a_replaced_static_member_survives_a_failover_under_its_new_id() {
    let mut world = World::new();
    let (leader, follower) = formed(&mut world);
    let mut again = follower.restarted();
    let token = again.send_join(&mut world);
    again.absorb(&world.join_answer(token).clone());
    world.fail_over();
    assert_eq!(again.heartbeat(&mut world), ErrorCode::None);
    assert_eq!(leader.heartbeat(&mut world), ErrorCode::None);
    assert_eq!(follower.heartbeat(&mut world), ErrorCode::FencedInstanceId);
}

#[test]
fn a_restart_before_the_own_sync_does_not_cost_a_rebalance_later() {
    let mut world = World::new();
    let (mut a, mut b) = (Client::with_instance("a", "a-1"), Client::with_instance("b", "b-1"));
    let tokens = [a.send_join(&mut world), b.send_join(&mut world)];
    world.advance(10_000);
    a.absorb(&world.join_answer(tokens[0]).clone());
    b.absorb(&world.join_answer(tokens[1]).clone());
    let (leader, follower) = if a.leads { (a, b) } else { (b, a) };
    leader.sync_with(&mut world, &[leader.member_id.clone(), follower.member_id.clone()]);

    let mut again = follower.restarted();
    let token = again.send_join(&mut world);
    again.absorb(&world.join_answer(token).clone());
    for _ in 0..(2 * REBALANCE_MS / 5_000) {
        world.advance(5_000);
        assert_eq!(leader.heartbeat(&mut world), ErrorCode::None);
        assert_eq!(again.heartbeat(&mut world), ErrorCode::None);
    }
}
