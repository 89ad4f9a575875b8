//! JoinGroup: ids, protocols, and who is told what.

use protocol::error::ErrorCode;

use crate::dsl::{Client, GROUP, REBALANCE_MS, World, subscription};

#[test]
fn a_new_dynamic_member_is_told_to_join_again_with_the_id_it_gets() {
    let mut world = World::without_initial_delay();
    let mut client = Client::new("app");
    let token = client.send_join(&mut world);
    assert_eq!(world.error(token), ErrorCode::MemberIdRequired);
    let id = world.join_answer(token).member_id.clone();
    assert!(id.starts_with("app-"), "{id}");
    assert_eq!(world.join_answer(token).protocol_name, None);
    assert_eq!(world.state(GROUP), "Empty");

    client.member_id = id.clone();
    let token = client.send_join(&mut world);
    let joined = world.join_answer(token);
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!((&joined.member_id, &joined.leader), (&id, &id));
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
}

#[test]
fn a_version_without_a_rebalance_timeout_waits_for_the_session_timeout() {
    let mut world = World::without_initial_delay();
    let mut old = Client { rebalance_ms: -1, ..Client::new("old") };
    world.form(&mut [&mut old]);
    let mut newcomer = Client { rebalance_ms: -1, ..Client::new("newcomer") };
    let token = newcomer.join(&mut world);
    for _ in 0..2 {
        world.advance(4_000);
        old.heartbeat(&mut world);
    }
    assert!(world.is_waiting(token));
    world.advance(2_000);
    assert_eq!(world.join_answer(token).leader, world.join_answer(token).member_id);
}

#[test]
fn an_id_that_was_never_given_out_is_unknown() {
    let mut world = World::new();
    let stranger = Client { member_id: "made-up".into(), ..Client::new("stranger") };
    let token = stranger.send_join(&mut world);
    assert_eq!(world.error(token), ErrorCode::UnknownMemberId);
    assert_eq!(world.join_answer(token).member_id.as_str(), "made-up");
    assert_eq!(world.state(GROUP), "Dead");
}

#[test]
fn only_the_leader_gets_the_members_and_their_metadata() {
    let mut world = World::new();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    b.protocols = vec![("range", subscription(&["topic-2"]))];
    let (of_a, of_b) = (a.join(&mut world), b.join(&mut world));
    world.advance(10_000);

    let (answer_a, answer_b) = (world.join_answer(of_a), world.join_answer(of_b));
    assert_eq!(answer_a.generation_id, answer_b.generation_id);
    assert_eq!(answer_a.leader, a.member_id, "the first to come leads");
    assert_eq!(answer_b.leader, a.member_id);
    assert!(answer_b.members.is_empty());
    let told: Vec<_> =
        answer_a.members.iter().map(|m| (m.member_id.clone(), m.metadata.clone())).collect();
    assert!(told.contains(&(a.member_id.clone(), subscription(&["topic-1"]))));
    assert!(told.contains(&(b.member_id.clone(), subscription(&["topic-2"]))));
}

#[test]
fn the_protocol_is_one_that_all_members_speak() {
    let mut world = World::new();
    let mut clients = [
        Client::speaking("a", &["sticky", "range"]),
        Client::speaking("b", &["sticky", "range"]),
        Client::speaking("c", &["roundrobin", "range"]),
    ];
    let tokens: Vec<_> = clients.iter_mut().map(|client| client.join(&mut world)).collect();
    world.advance(10_000);
    for token in tokens {
        assert_eq!(world.join_answer(token).protocol_name.as_deref(), Some("range"));
    }
}

#[test]
fn a_client_that_shares_no_protocol_with_the_group_is_inconsistent() {
    let mut world = World::new();
    world.form(&mut [&mut Client::speaking("a", &["range"])]);
    let other_protocol = Client::speaking("b", &["sticky"]).send_join(&mut world);
    assert_eq!(world.error(other_protocol), ErrorCode::InconsistentGroupProtocol);
    let other_type = Client { protocol_type: "connect", ..Client::new("c") };
    let other_type = other_type.send_join(&mut world);
    assert_eq!(world.error(other_type), ErrorCode::InconsistentGroupProtocol);
}

#[test]
fn a_client_without_protocols_or_type_is_inconsistent_even_in_an_empty_group() {
    let mut world = World::new();
    let silent = Client::speaking("a", &[]).send_join(&mut world);
    assert_eq!(world.error(silent), ErrorCode::InconsistentGroupProtocol);
    let untyped = Client { protocol_type: "", ..Client::new("b") }.send_join(&mut world);
    assert_eq!(world.error(untyped), ErrorCode::InconsistentGroupProtocol);
}

#[test]
fn an_empty_group_may_change_its_protocol_type() {
    let mut world = World::new();
    let mut consumer = Client::new("a");
    world.form(&mut [&mut consumer]);
    assert_eq!(consumer.leave(&mut world), ErrorCode::None);
    let mut worker = Client { protocol_type: "connect", ..Client::new("b") };
    world.form(&mut [&mut worker]);
    assert_eq!(world.describe(GROUP).protocol_type.as_str(), "connect");
}

#[test]
fn a_follower_that_joins_again_unchanged_gets_its_generation_without_a_rebalance() {
    let mut world = World::new();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    let leader = world.form(&mut [&mut a, &mut b]);
    let follower = if leader == 0 { &mut b } else { &mut a };
    let token = follower.join(&mut world);
    assert_eq!(world.join_answer(token).generation_id, follower.generation);
    assert!(world.join_answer(token).members.is_empty());
    assert_eq!(world.state(GROUP), "Stable");
}

#[test]
fn a_leader_that_joins_again_starts_a_rebalance() {
    let mut world = World::new();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    let leader = world.form(&mut [&mut a, &mut b]);
    let (leader, follower) = if leader == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
    let of_leader = leader.join(&mut world);
    assert!(world.is_waiting(of_leader));
    assert_eq!(follower.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
    let of_follower = follower.join(&mut world);
    assert_eq!(world.join_answer(of_leader).generation_id, leader.generation + 1);
    assert_eq!(world.join_answer(of_follower).generation_id, leader.generation + 1);
}

#[test]
fn changed_metadata_of_a_follower_starts_a_rebalance() {
    let mut world = World::new();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    let leader = world.form(&mut [&mut a, &mut b]);
    let follower = if leader == 0 { &mut b } else { &mut a };
    follower.protocols = vec![("range", subscription(&["topic-1", "topic-2"]))];
    let token = follower.join(&mut world);
    assert!(world.is_waiting(token));
    assert_eq!(world.state(GROUP), "PreparingRebalance");
}

#[test]
fn a_member_that_missed_the_answer_to_its_join_gets_it_again_before_the_sync() {
    let mut world = World::new();
    let mut a = Client::new("a");
    let token = a.join(&mut world);
    world.advance(10_000);
    a.absorb(&world.join_answer(token).clone());
    let again = a.join(&mut world);
    assert_eq!(world.join_answer(again).generation_id, a.generation);
    assert_eq!(world.join_answer(again).members.len(), 1, "it leads");
}

#[test]
fn a_second_join_of_the_same_member_lets_the_first_one_go() {
    let mut world = World::new();
    let mut a = Client::new("a");
    let first = a.join(&mut world);
    let second = a.send_join(&mut world);
    assert_eq!(world.error(first), ErrorCode::RebalanceInProgress);
    assert!(world.is_waiting(second));
    world.advance(10_000);
    assert_eq!(world.error(second), ErrorCode::None);
}

#[test]
fn a_rebalance_waits_for_an_id_that_was_given_out_until_it_expires() {
    let mut world = World::without_initial_delay();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    world.form(&mut [&mut a]);
    let of_b = b.join(&mut world);
    let newcomer = Client::new("c").send_join(&mut world);
    assert_eq!(world.error(newcomer), ErrorCode::MemberIdRequired);
    let of_a = a.join(&mut world);
    assert!(world.is_waiting(of_a), "c has an id and may come");
    world.advance(10_000);
    assert_eq!(world.error(of_a), ErrorCode::None);
    assert_eq!(world.error(of_b), ErrorCode::None);
}

#[test]
fn members_that_do_not_join_within_the_rebalance_timeout_are_left_behind() {
    let mut world = World::without_initial_delay();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    world.form(&mut [&mut a]);
    let of_b = b.join(&mut world);
    for _ in 0..(REBALANCE_MS / 5_000) {
        assert!(world.is_waiting(of_b));
        assert_eq!(a.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
        world.advance(5_000);
    }
    let joined = world.join_answer(of_b);
    assert_eq!(joined.leader, b.member_id, "leadership passes on");
    assert_eq!(joined.members.len(), 1);
    assert_eq!(a.heartbeat(&mut world), ErrorCode::UnknownMemberId);
}

#[test]
fn the_longest_rebalance_timeout_of_all_members_counts() {
    let mut world = World::without_initial_delay();
    let mut patient = Client { rebalance_ms: 120_000, ..Client::new("patient") };
    world.form(&mut [&mut patient]);
    let mut b = Client { rebalance_ms: 1_000, ..Client::new("b") };
    let token = b.join(&mut world);
    for _ in 0..23 {
        world.advance(5_000);
        patient.heartbeat(&mut world);
    }
    assert!(world.is_waiting(token));
    world.advance(5_000);
    assert_eq!(world.error(token), ErrorCode::None);
}

#[test]
fn a_group_needs_a_name_and_a_session_timeout_within_bounds() {
    let mut world = World::new();
    let nameless = Client { group: "", ..Client::new("a") }.send_join(&mut world);
    assert_eq!(world.error(nameless), ErrorCode::InvalidGroupId);
    for session_ms in [5_999, 1_800_001] {
        let token = Client { session_ms, ..Client::new("a") }.send_join(&mut world);
        assert_eq!(world.error(token), ErrorCode::InvalidSessionTimeout);
    }
    for session_ms in [6_000, 1_800_000] {
        let token = Client { session_ms, ..Client::new("a") }.send_join(&mut world);
        assert_eq!(world.error(token), ErrorCode::MemberIdRequired);
    }
}
