//! SyncGroup: the assignment comes from the leader and goes to everybody.

use coordinator::Command;
use protocol::error::ErrorCode;

use crate::dsl::{Client, GROUP, REBALANCE_MS, World, assignment_of};

/// Two clients that know their generation. The leader comes first.
fn joined(world: &mut World) -> (Client, Client) {
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    let (of_a, of_b) = (a.join(world), b.join(world));
    world.advance(10_000);
    a.absorb(&world.join_answer(of_a).clone());
    b.absorb(&world.join_answer(of_b).clone());
    if a.leads { (a, b) } else { (b, a) }
}

#[test]
fn followers_wait_until_the_leader_brings_the_assignment() {
    let mut world = World::new();
    let (leader, follower) = joined(&mut world);
    let of_follower = follower.sync(&mut world);
    assert!(world.is_waiting(of_follower));
    assert_eq!(world.state(GROUP), "CompletingRebalance");

    let ids = [leader.member_id.clone(), follower.member_id.clone()];
    let of_leader = leader.sync_with(&mut world, &ids);
    for (client, token) in [(&leader, of_leader), (&follower, of_follower)] {
        let synced = world.sync_answer(token);
        assert_eq!(synced.assignment, assignment_of(&client.member_id));
        assert_eq!(synced.protocol_name.as_deref(), Some("range"));
        assert_eq!(synced.protocol_type.as_deref(), Some("consumer"));
    }
    assert_eq!(world.state(GROUP), "Stable");
}

#[test]
fn the_assignment_is_in_the_log_before_anybody_gets_it() {
    let mut world = World::new();
    let (leader, follower) = joined(&mut world);
    let written = world.log.len();
    follower.sync(&mut world);
    assert_eq!(world.log.len(), written);
    leader.sync_with(&mut world, &[leader.member_id.clone(), follower.member_id.clone()]);
    assert_eq!(world.log.len(), written + 1);

    world.fail_over();
    let token = follower.sync(&mut world);
    assert_eq!(world.sync_answer(token).assignment, assignment_of(&follower.member_id));
}

#[test]
fn a_member_that_the_leader_left_out_gets_an_empty_assignment() {
    let mut world = World::new();
    let (leader, follower) = joined(&mut world);
    leader.sync_with(&mut world, &[leader.member_id.clone(), "nobody".into()]);
    let token = follower.sync(&mut world);
    assert_eq!(world.error(token), ErrorCode::None);
    assert!(world.sync_answer(token).assignment.is_empty());
}

#[test]
fn an_assignment_from_a_follower_counts_for_nothing() {
    let mut world = World::new();
    let (leader, follower) = joined(&mut world);
    let token = follower.sync_with(&mut world, std::slice::from_ref(&leader.member_id));
    assert!(world.is_waiting(token));
    assert_eq!(world.state(GROUP), "CompletingRebalance");
}

#[test]
fn a_sync_with_another_generation_member_or_protocol_is_refused() {
    let mut world = World::new();
    let (leader, _) = joined(&mut world);
    let stale = Client { generation: leader.generation - 1, ..leader.clone() };
    let token = stale.sync(&mut world);
    assert_eq!(world.error(token), ErrorCode::IllegalGeneration);
    let stranger = Client { member_id: "stranger".into(), ..leader.clone() };
    let token = stranger.sync(&mut world);
    assert_eq!(world.error(token), ErrorCode::UnknownMemberId);

    for (kind, name) in [("connect", "range"), ("consumer", "sticky")] {
        let request = leader.sync_request();
        let request = request.with_protocol_type(Some(kind.into()));
        let request = request.with_protocol_name(Some(name.into()));
        let token = world.send(&leader, Command::SyncGroup(request));
        assert_eq!(world.error(token), ErrorCode::InconsistentGroupProtocol, "{kind} {name}");
    }
}

#[test]
fn a_client_too_old_to_name_its_protocol_need_not() {
    let mut world = World::new();
    let (leader, _) = joined(&mut world);
    let token = Client { protocol: None, ..leader }.sync(&mut world);
    assert_eq!(world.error(token), ErrorCode::None);
}

#[test]
fn a_rebalance_sends_waiting_followers_back_to_join() {
    let mut world = World::new();
    let (_, follower) = joined(&mut world);
    let waiting = follower.sync(&mut world);
    Client::new("c").join(&mut world);
    assert_eq!(world.error(waiting), ErrorCode::RebalanceInProgress);
    let late = follower.sync(&mut world);
    assert_eq!(world.error(late), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_leader_that_never_brings_the_assignment_is_removed() {
    let mut world = World::new();
    let (leader, mut follower) = joined(&mut world);
    let waiting = follower.sync(&mut world);
    for _ in 0..(REBALANCE_MS / 5_000) {
        assert!(world.is_waiting(waiting));
        assert_eq!(leader.heartbeat(&mut world), ErrorCode::None, "alive, but no leader");
        world.advance(5_000);
    }
    assert_eq!(world.error(waiting), ErrorCode::RebalanceInProgress);
    let token = follower.join(&mut world);
    assert_eq!(world.join_answer(token).leader, follower.member_id);
    assert_eq!(leader.heartbeat(&mut world), ErrorCode::UnknownMemberId);
}

#[test]
fn a_follower_that_never_asks_for_its_assignment_is_removed() {
    let mut world = World::new();
    let (leader, follower) = joined(&mut world);
    leader.sync_with(&mut world, &[leader.member_id.clone(), follower.member_id.clone()]);
    assert_eq!(world.state(GROUP), "Stable");
    for _ in 0..(REBALANCE_MS / 5_000) {
        leader.heartbeat(&mut world);
        follower.heartbeat(&mut world);
        world.advance(5_000);
    }
    assert_eq!(leader.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
    assert_eq!(follower.heartbeat(&mut world), ErrorCode::UnknownMemberId);
}

#[test]
fn a_group_needs_a_name_to_sync() {
    let mut world = World::new();
    let token = Client { group: "", ..Client::new("a") }.sync(&mut world);
    assert_eq!(world.error(token), ErrorCode::InvalidGroupId);
    let token = Client::new("a").sync(&mut world);
    assert_eq!(world.error(token), ErrorCode::UnknownMemberId, "the group does not exist");
}
