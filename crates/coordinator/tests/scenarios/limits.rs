//! How large a group may become.

use bytes::Bytes;
use coordinator::{Command, Config};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::JoinGroupRequest;

use crate::dsl::{Client, GROUP, World};

fn world_of(group_size_max: usize) -> World {
    World::with(Config { group_size_max, initial_rebalance_delay_ms: 0, ..Config::default() })
}

#[test]
fn a_full_group_takes_nobody_in_but_keeps_its_members() {
    let mut world = world_of(1);
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    let token = Client::new("b").join(&mut world);
    assert_eq!(world.error(token), ErrorCode::GroupMaxSizeReached);
    assert_eq!(world.join_answer(token).member_id.as_str(), "");
    let token = a.join(&mut world);
    assert_eq!(world.error(token), ErrorCode::None);
}

#[test]
fn a_static_member_of_a_full_group_may_restart() {
    let mut world = world_of(1);
    let mut a = Client::with_instance("a", "a-1");
    world.form(&mut [&mut a]);
    let token = a.restarted().send_join(&mut world);
    assert_eq!(world.error(token), ErrorCode::None);
}

#[test]
fn when_the_limit_was_lowered_those_who_join_first_keep_their_places() {
    let mut world = world_of(2);
    let (mut a, mut b) = (Client::new("a"), Client::new("b"));
    world.form(&mut [&mut a]);
    let of_b = b.join(&mut world);
    let of_a = a.join(&mut world);
    world.settle(&mut [&mut a, &mut b], &[of_a, of_b]);
    world.config.group_size_max = 1;
    world.fail_over();

    let (leader, follower) = if a.leads { (&mut a, &mut b) } else { (&mut b, &mut a) };
    let first = leader.join(&mut world);
    assert!(world.is_waiting(first));
    let second = follower.join(&mut world);
    assert_eq!(world.error(second), ErrorCode::GroupMaxSizeReached);
    assert_eq!(world.error(first), ErrorCode::None, "nobody is left to wait for");
}

#[test]
fn ids_are_not_given_out_without_end() {
    let mut world = world_of(3);
    for _ in 0..3 {
        let token = Client::new("asker").send_join(&mut world);
        assert_eq!(world.error(token), ErrorCode::MemberIdRequired);
    }
    let token = Client::new("asker").send_join(&mut world);
    assert_eq!(world.error(token), ErrorCode::GroupMaxSizeReached);
    world.advance(10_000);
    let token = Client::new("asker").send_join(&mut world);
    assert_eq!(world.error(token), ErrorCode::MemberIdRequired, "the unused ones have expired");
}

#[test]
fn what_members_say_about_themselves_is_bounded_in_sum() {
    let mut world = world_of(10);
    let huge = Bytes::from(vec![0; 5 * 1024 * 1024]);
    let mut a = Client { protocols: vec![("range", huge.clone())], ..Client::new("a") };
    world.form(&mut [&mut a]);
    let token = Client { protocols: vec![("range", huge)], ..Client::new("b") }.join(&mut world);
    assert_eq!(world.error(token), ErrorCode::GroupMaxSizeReached);
    assert_eq!(world.state(GROUP), "Stable");
    let token = a.join(&mut world);
    assert!(!world.is_waiting(token), "the member itself may rejoin with what it has");
    assert_eq!(world.error(token), ErrorCode::None);
}

#[test]
fn names_longer_than_any_client_needs_are_refused() {
    let mut world = world_of(10);
    let long = || StrBytes::from("x".repeat(40_000));
    let request = || {
        JoinGroupRequest::default()
            .with_group_id(StrBytes::from(GROUP).into())
            .with_session_timeout_ms(10_000)
            .with_protocol_type("consumer".into())
    };
    for (request, code) in [
        (request().with_group_id(long().into()), ErrorCode::InvalidGroupId),
        (request().with_group_instance_id(Some(long())), ErrorCode::InvalidRequest),
        (request().with_protocol_type(long()), ErrorCode::InvalidRequest),
    ] {
        let token = world.send(&Client::new("a"), Command::JoinGroup(request));
        assert_eq!(world.error(token), code);
    }
}
