//! LeaveGroup.

use protocol::error::ErrorCode;
use protocol::messages::leave_group_request::MemberIdentity;

use crate::dsl::{Client, GROUP, World, leave};

fn by_id(id: &protocol::StrBytes) -> MemberIdentity {
    MemberIdentity::default().with_member_id(id.clone())
}

fn by_instance(instance: &'static str) -> MemberIdentity {
    MemberIdentity::default().with_group_instance_id(Some(instance.into()))
}

#[test]
fn the_others_rebalance_when_a_member_leaves() {
    let mut world = World::new();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    world.form(&mut [&mut a, &mut b]);
    assert_eq!(a.leave(&mut world), ErrorCode::None);
    assert_eq!(a.heartbeat(&mut world), ErrorCode::UnknownMemberId);
    assert_eq!(b.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
    let token = b.join(&mut world);
    assert_eq!(world.join_answer(token).generation_id, b.generation + 1);
    assert_eq!(world.join_answer(token).leader, b.member_id);
}

#[test]
fn a_group_is_empty_when_the_last_member_has_left() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    assert_eq!(a.leave(&mut world), ErrorCode::None);
    let described = world.describe(GROUP);
    assert_eq!(described.group_state.as_str(), "Empty");
    assert_eq!(described.protocol_type.as_str(), "consumer");
    world.fail_over();
    assert_eq!(world.state(GROUP), "Empty");
}

#[test]
fn members_leave_in_batches_and_each_is_answered() {
    let mut world = World::new();
    let (mut a, mut b, mut c) =
        (Client::new("a"), Client::with_instance("b", "b-1"), Client::new("c"));
    world.form(&mut [&mut a, &mut b, &mut c]);
    let fenced = by_instance("b-1").with_member_id(a.member_id.clone());
    let who = vec![
        by_id(&a.member_id),
        by_id(&"stranger".into()),
        fenced,
        by_instance("b-1"),
        by_instance("b-1"),
        by_id(&"".into()),
    ];
    assert_eq!(
        leave(&mut world, &c, who),
        [
            ErrorCode::None,
            ErrorCode::UnknownMemberId,
            ErrorCode::FencedInstanceId,
            ErrorCode::None,
            ErrorCode::UnknownMemberId,
            ErrorCode::UnknownMemberId,
        ]
    );
    let token = c.join(&mut world);
    assert_eq!(world.join_answer(token).members.len(), 1, "one rebalance for all who left");
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance_id() {
    let mut world = World::new();
    let (mut a, mut b) = (Client::with_instance("a", "one"), Client::with_instance("b", "two"));
    world.form(&mut [&mut a, &mut b]);
    let left = leave(&mut world, &Client::new("admin"), vec![by_instance("one")]);
    assert_eq!(left, [ErrorCode::None]);
    assert_eq!(a.heartbeat(&mut world), ErrorCode::UnknownMemberId);
    assert_eq!(b.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_member_that_leaves_while_its_join_waits_gets_an_answer() {
    let mut world = World::new();
    let mut a = Client::new("a");
    let waiting = a.join(&mut world);
    assert_eq!(a.leave(&mut world), ErrorCode::None);
    assert_eq!(world.error(waiting), ErrorCode::UnknownMemberId);
}

#[test]
fn a_member_that_leaves_while_its_sync_waits_gets_an_answer() {
    let mut world = World::new();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    let (of_a, of_b) = (a.join(&mut world), b.join(&mut world));
    world.advance(10_000);
    a.absorb(&world.join_answer(of_a).clone());
    b.absorb(&world.join_answer(of_b).clone());
    let follower = if a.leads { &b } else { &a };
    let waiting = follower.sync(&mut world);
    assert_eq!(follower.leave(&mut world), ErrorCode::None);
    assert_eq!(world.error(waiting), ErrorCode::UnknownMemberId);
}

#[test]
fn the_rebalance_goes_on_when_the_last_absent_member_leaves() {
    let mut world = World::new();
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    world.form(&mut [&mut a, &mut b]);
    let of_c = Client::new("c").join(&mut world);
    let of_a = a.join(&mut world);
    assert!(world.is_waiting(of_a));
    assert_eq!(b.leave(&mut world), ErrorCode::None);
    assert_eq!(world.error(of_a), ErrorCode::None);
    assert_eq!(world.error(of_c), ErrorCode::None);
}

#[test]
fn giving_back_an_id_disturbs_nobody() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    let token = Client::new("b").send_join(&mut world);
    let id = world.join_answer(token).member_id.clone();
    assert_eq!(leave(&mut world, &a, vec![by_id(&id)]), [ErrorCode::None]);
    assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
    assert_eq!(world.state(GROUP), "Stable");
}

#[test]
fn nobody_can_leave_a_group_that_does_not_exist() {
    let mut world = World::new();
    let who = vec![by_id(&"a".into()), by_instance("b")];
    let left = leave(&mut world, &Client::new("a"), who);
    assert_eq!(left, [ErrorCode::UnknownMemberId, ErrorCode::UnknownMemberId]);
    assert_eq!(world.state(GROUP), "Dead");
}
