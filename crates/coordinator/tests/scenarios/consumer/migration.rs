//! A group changes its protocol while it runs (KIP-848): restarted one by one, its members go over.

use bytes::Bytes;
use coordinator::{Config, MigrationPolicy};
use protocol::error::ErrorCode;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::sync_group_request::SyncGroupRequestAssignment;

use crate::dsl::{Client, Consumer, GROUP, REBALANCE_MS, World, assignment, leave, owning, settle};

fn world() -> World {
    let world = World::without_initial_delay();
    world.topics.set(1, 4);
    world
}

/// A classic group of one member that has all four partitions.
fn classic_group(world: &mut World, mut member: Client) -> Client {
    rejoin(world, &mut member);
    let all = SyncGroupRequestAssignment::default()
        .with_member_id(member.member_id.clone())
        .with_assignment(assignment(&[0, 1, 2, 3]));
    let request = member.sync_request().with_assignments(vec![all]);
    let token = world.send(&member, coordinator::Command::SyncGroup(request));
    assert_eq!(world.error(token), ErrorCode::None);
    member
}

fn rejoin(world: &mut World, member: &mut Client) {
    let token = member.join(world);
    let response = world.join_answer(token).clone();
    assert_eq!(response.error_code, 0, "{} joins", member.name);
    member.absorb(&response);
}

fn assigned(world: &mut World, member: &Client) -> Bytes {
    let token = member.sync(world);
    let response = world.sync_answer(token);
    assert_eq!(response.error_code, 0, "{} syncs", member.name);
    response.assignment.clone()
}

fn types(world: &mut World) -> Vec<i8> {
    world.describe_consumers(GROUP).members.iter().map(|member| member.member_type).collect()
}

#[test]
fn the_first_consumer_turns_the_group_over_and_the_last_one_back() {
    let mut world = world();
    let mut old = classic_group(&mut world, Client::new("old"));
    old.commit(&mut world, (1, 0), 7);

    let mut new = Consumer::new("z-new", &["topic-1"]);
    assert_eq!(new.join(&mut world), ErrorCode::None);
    assert_eq!((new.epoch, new.owned.len()), (old.generation + 1, 0), "nothing is free yet");
    assert_eq!(types(&mut world), [0, 1]);
    assert_eq!(world.list(&[], &["consumer"]).len(), 1);
    assert_eq!(old.commit(&mut world, (1, 0), 8), ErrorCode::None, "it goes on meanwhile");
    assert_eq!(old.heartbeat(&mut world), ErrorCode::RebalanceInProgress);

    rejoin(&mut world, &mut old);
    assert!(!old.leads, "nobody does");
    assert_eq!(old.generation, new.epoch);
    assert_eq!(assigned(&mut world, &old), assignment(&[0, 1]));
    assert_eq!(old.heartbeat(&mut world), ErrorCode::None);
    new.heartbeat(&mut world);
    assert_eq!(new.indexes(1), [2, 3]);
    assert_eq!(new.fetch(&mut world, (1, 0)), Ok(8));
    old.generation -= 1;
    assert_eq!(old.commit(&mut world, (1, 0), 9), ErrorCode::IllegalGeneration);
    old.generation += 1;

    assert_eq!(new.leave(&mut world), ErrorCode::None);
    assert_eq!(world.state(GROUP), "PreparingRebalance");
    assert_eq!(old.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
    rejoin(&mut world, &mut old);
    assert!(old.leads && old.generation > new.epoch);
    assert_eq!(world.committed((1, 0)).0, 8);
    assert_eq!(world.list(&[], &["classic"]).len(), 1);
}

#[test]
fn a_cooperative_member_gives_back_only_what_it_is_told_to() {
    let mut world = world();
    let speaking = |metadata| vec![("cooperative-sticky", metadata)];
    let cooperative = Client { protocols: speaking(owning(&[], -1)), ..Client::new("old") };
    let mut old = classic_group(&mut world, cooperative);
    let mut new = Consumer::new("z-new", &["topic-1"]);
    new.join(&mut world);

    old.protocols = speaking(owning(&[0, 1, 2, 3], old.generation));
    rejoin(&mut world, &mut old);
    assert!(old.generation < new.epoch, "not before it has given two back");
    assert_eq!(assigned(&mut world, &old), assignment(&[0, 1]));
    new.heartbeat(&mut world);
    assert_eq!(new.owned.len(), 0);
    assert_eq!(old.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
    old.protocols = speaking(owning(&[0, 1], old.generation));
    rejoin(&mut world, &mut old);
    assert_eq!(old.generation, new.epoch);
    assert_eq!(assigned(&mut world, &old), assignment(&[0, 1]));
    new.heartbeat(&mut world);
    assert_eq!(new.indexes(1), [2, 3]);
    assert_eq!(world.describe_consumers(GROUP).group_state.as_str(), "Stable");
}

#[test]
fn classic_consumers_join_a_group_of_consumers() {
    let mut world = world();
    let mut new = Consumer::new("new", &["topic-1"]);
    new.join(&mut world);
    let mut old = Client::new("z-old");
    let token = old.send_join(&mut world);
    assert_eq!(world.error(token), ErrorCode::MemberIdRequired);
    old.member_id = world.join_answer(token).member_id.clone();
    rejoin(&mut world, &mut old);
    assert_eq!(assigned(&mut world, &old), assignment(&[]), "all is with the other");
    new.heartbeat(&mut world);
    new.heartbeat(&mut world);
    assert_eq!(old.heartbeat(&mut world), ErrorCode::RebalanceInProgress, "now it can have some");
    rejoin(&mut world, &mut old);
    assert_eq!(assigned(&mut world, &old), assignment(&[2, 3]));
    assert_eq!(old.heartbeat(&mut world), ErrorCode::None);

    let mut stranger = Client::speaking("stranger", &["sticky"]);
    stranger.protocols[0].1 = owning(&[], -1);
    let token = stranger.join(&mut world);
    assert_eq!(world.error(token), ErrorCode::InconsistentGroupProtocol, "nothing in common");
    assert_eq!(old.leave(&mut world), ErrorCode::None);
    settle(&mut world, &mut [&mut new]);
    assert_eq!(new.owned.len(), 4);
}

#[test]
fn a_topic_that_grows_makes_classic_members_join_again() {
    let mut world = world();
    let mut new = Consumer::new("new", &["topic-9"]);
    new.join(&mut world);
    let mut old = Client::new("old");
    rejoin(&mut world, &mut old);
    assert_eq!(assigned(&mut world, &old), assignment(&[0, 1, 2, 3]));
    world.topics.set(1, 5);
    assert_eq!(old.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
    let token = old.sync(&mut world);
    assert_eq!(world.error(token), ErrorCode::RebalanceInProgress);
    rejoin(&mut world, &mut old);
    assert_eq!(assigned(&mut world, &old), assignment(&[0, 1, 2, 3, 4]));
}

#[test]
fn who_waits_for_a_classic_rebalance_is_told_to_join_again() {
    let mut world = world();
    let mut old = classic_group(&mut world, Client::new("old"));
    let mut other = Client::new("other");
    let waits = other.join(&mut world);
    assert!(world.is_waiting(waits));
    Consumer::new("new", &["topic-1"]).join(&mut world);
    assert_eq!(world.error(waits), ErrorCode::RebalanceInProgress);
    rejoin(&mut world, &mut other);
    rejoin(&mut world, &mut old);
    assert_eq!(types(&mut world).len(), 3);
    assert_eq!(world.shared_partition(), None);
}

#[test]
fn a_classic_member_that_does_not_join_or_sync_in_time_is_gone() {
    let mut world = world();
    let mut old = classic_group(&mut world, Client::new("old"));
    let mut new = Consumer::new("new", &["topic-1"]);
    new.join(&mut world);
    for _ in 0..REBALANCE_MS / 5_000 {
        assert_eq!(old.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
        new.heartbeat(&mut world);
        assert_eq!(new.owned.len(), 0);
        world.advance(5_000);
    }
    settle(&mut world, &mut [&mut new]);
    assert_eq!(new.owned.len(), 4);

    let mut late = Client { session_ms: 600_000, ..Client::new("late") };
    rejoin(&mut world, &mut late);
    for _ in 0..REBALANCE_MS / 5_000 {
        assert_eq!(types(&mut world).len(), 2);
        new.heartbeat(&mut world);
        world.advance(5_000);
    }
    assert_eq!(types(&mut world), [1], "it has not asked for its assignment");
    old.generation = 9;
    assert_eq!(old.heartbeat(&mut world), ErrorCode::UnknownMemberId);
}

#[test]
fn whoever_takes_over_waits_for_a_sync_no_longer() {
    let mut world = world();
    let mut new = Consumer::new("new", &["topic-1"]);
    new.join(&mut world);
    let mut late = Client { session_ms: 600_000, ..Client::new("late") };
    rejoin(&mut world, &mut late);
    let mut settled = Client { session_ms: 600_000, ..Client::new("settled") };
    rejoin(&mut world, &mut settled);
    assigned(&mut world, &settled);
    world.advance(1_000);
    world.fail_over();
    for _ in 0..REBALANCE_MS / 5_000 {
        assert_eq!(types(&mut world).len(), 3);
        new.heartbeat(&mut world);
        world.advance(5_000);
    }
    assert_eq!(types(&mut world).len(), 2, "one has not asked for its assignment");
    late.generation = 9;
    assert_eq!(late.heartbeat(&mut world), ErrorCode::UnknownMemberId);
}

#[test]
fn a_policy_forbids_to_change_the_protocol_one_way_or_the_other() {
    for policy in [
        MigrationPolicy::Disabled,
        MigrationPolicy::Downgrade,
        MigrationPolicy::Upgrade,
        MigrationPolicy::Bidirectional,
    ] {
        let config = Config {
            consumer_migration_policy: policy,
            initial_rebalance_delay_ms: 0,
            ..Config::default()
        };
        let mut world = World::with(config);
        world.topics.set(1, 4);
        let old = classic_group(&mut world, Client::new("old"));
        let mut new = Consumer::new("new", &["topic-1"]);
        let upgrades = matches!(policy, MigrationPolicy::Upgrade | MigrationPolicy::Bidirectional);
        let expected = if upgrades { ErrorCode::None } else { ErrorCode::GroupIdNotFound };
        assert_eq!(new.join(&mut world), expected, "{policy:?}");
        assert_eq!(world.list(&[], &["consumer"]).len(), usize::from(upgrades));
        // An empty group may become what it likes.
        old.leave(&mut world);
        new.leave(&mut world);
        let mut new = Consumer::new("new", &["topic-1"]);
        assert_eq!(new.join(&mut world), ErrorCode::None, "{policy:?}");

        let mut old = Client::new("old");
        rejoin(&mut world, &mut old);
        assigned(&mut world, &old);
        new.leave(&mut world);
        let downgrades =
            matches!(policy, MigrationPolicy::Downgrade | MigrationPolicy::Bidirectional);
        assert_eq!(world.list(&[], &["classic"]).len(), usize::from(downgrades), "{policy:?}");
        // Either way the one that is left is served.
        assert_eq!(old.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
        rejoin(&mut world, &mut old);
        if !downgrades {
            assert_eq!(assigned(&mut world, &old), assignment(&[0, 1, 2, 3]));
        }
    }
}

#[test]
fn a_failover_in_between_loses_nothing() {
    let mut world = world();
    let mut old = classic_group(&mut world, Client::new("old"));
    let mut new = Consumer::new("z-new", &["topic-1"]);
    new.join(&mut world);
    world.fail_over();
    assert_eq!(old.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
    rejoin(&mut world, &mut old);
    world.fail_over();
    assert_eq!(assigned(&mut world, &old), assignment(&[0, 1]));
    settle(&mut world, &mut [&mut new]);
    assert_eq!(new.indexes(1), [2, 3]);
    new.leave(&mut world);
    world.fail_over();
    assert_eq!(world.list(&[], &["classic"]).len(), 1);
    assert_eq!(old.heartbeat(&mut world), ErrorCode::RebalanceInProgress, "half is nobody's");
    world.fail_over();
    rejoin(&mut world, &mut old);
    assert!(old.leads);
    let members = [old.member_id.clone()];
    let token = old.sync_with(&mut world, &members);
    assert_eq!(world.error(token), ErrorCode::None);
    world.fail_over();
    assert_eq!(old.heartbeat(&mut world), ErrorCode::None, "and only until there is a leader");
}

#[test]
fn who_is_not_there_when_a_group_has_gone_back_and_over_to_another_node_is_not_waited_for() {
    let mut world = world();
    let mut old = classic_group(&mut world, Client { session_ms: 600_000, ..Client::new("old") });
    let mut new = Consumer::new("z-new", &["topic-1"]);
    new.join(&mut world);
    rejoin(&mut world, &mut old);
    assigned(&mut world, &old);
    new.leave(&mut world);
    world.fail_over();
    world.advance(REBALANCE_MS);
    assert_eq!(world.state(GROUP), "Empty");
}

#[test]
fn a_static_member_goes_over_by_a_restart_and_keeps_its_partitions() {
    let mut world = world();
    let old = classic_group(&mut world, Client::with_instance("old", "one"));
    let mut new = Consumer::with_instance("new", "one", &["topic-1"]);
    assert_eq!(new.join(&mut world), ErrorCode::None);
    assert_eq!(new.owned.len(), 4, "of its former self");
    assert_eq!(types(&mut world), [1]);
    assert_eq!(old.heartbeat(&mut world), ErrorCode::FencedInstanceId);

    let mut back = old.restarted();
    rejoin(&mut world, &mut back);
    assert_eq!(world.state(GROUP), "PreparingRebalance", "all are classic again");
    assert_eq!(new.heartbeat(&mut world), ErrorCode::GroupIdNotFound);
}

#[test]
fn an_administrator_removes_a_static_member_of_either_protocol() {
    let mut world = world();
    Consumer::with_instance("a", "one", &["topic-1"]).join(&mut world);
    let mut b = Consumer::new("b", &["topic-1"]);
    b.join(&mut world);
    let by_instance = MemberIdentity::default().with_group_instance_id(Some("one".into()));
    let by_id = MemberIdentity::default().with_member_id("b".into());
    let nobody = MemberIdentity::default().with_group_instance_id(Some("two".into()));
    let left = leave(&mut world, &Client::new("admin"), vec![by_instance, by_id, nobody]);
    let unknown = ErrorCode::UnknownMemberId;
    assert_eq!(left, [ErrorCode::None, unknown, unknown]);
    settle(&mut world, &mut [&mut b]);
    assert_eq!(b.owned.len(), 4);
}
