//! An empty group takes members of either protocol, and one with members only such as it can
//! understand.

use protocol::error::ErrorCode;

use crate::dsl::{Client, Consumer, GROUP, World};

#[test]
fn consumers_do_not_get_into_a_group_whose_members_do_not_say_what_they_read() {
    let mut world = World::without_initial_delay();
    let mut classic = Client { protocol_type: "connect", ..Client::new("c") };
    world.form(&mut [&mut classic]);
    let mut a = Consumer::new("a", &["topic-1"]);
    assert_eq!(a.join(&mut world), ErrorCode::GroupIdNotFound);
    assert_eq!(classic.heartbeat(&mut world), ErrorCode::None);
}

#[test]
fn others_than_consumers_do_not_get_into_a_group_of_consumers() {
    let mut world = World::without_initial_delay();
    let mut a = Consumer::new("a", &["topic-1"]);
    a.join(&mut world);
    for mut other in [
        Client { protocol_type: "connect", ..Client::new("c") },
        Client { protocols: vec![("range", "no subscription".into())], ..Client::new("c") },
        Client { protocols: vec![], ..Client::new("c") },
    ] {
        let token = other.join(&mut world);
        assert_eq!(world.error(token), ErrorCode::InconsistentGroupProtocol);
    }
    let mut classic = Client::new("c");
    classic.member_id = "a".into();
    classic.generation = 1;
    assert_eq!(classic.heartbeat(&mut world), ErrorCode::UnknownMemberId);
    let token = classic.sync(&mut world);
    assert_eq!(world.error(token), ErrorCode::UnknownMemberId);
    assert_eq!(classic.leave(&mut world), ErrorCode::UnknownMemberId);
    assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
}

#[test]
fn an_empty_group_changes_its_protocol_and_keeps_its_offsets() {
    let mut world = World::without_initial_delay();
    let mut classic = Client::new("c");
    world.form(&mut [&mut classic]);
    classic.commit(&mut world, (1, 0), 7);
    classic.leave(&mut world);

    let mut a = Consumer::new("a", &["topic-1"]);
    assert_eq!(a.join(&mut world), ErrorCode::None);
    assert!(a.epoch > classic.generation, "nobody of before is taken for a member (C2)");
    assert_eq!(a.fetch(&mut world, (1, 0)), Ok(7));
    assert_eq!(world.list(&[], &["consumer"]).len(), 1);
    world.fail_over();
    assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
    a.leave(&mut world);
    let epoch = world.describe_consumers(GROUP).group_epoch;

    let mut again = Client::new("d");
    world.form(&mut [&mut again]);
    assert!(again.generation > epoch);
    assert_eq!(world.committed((1, 0)).0, 7);
    assert_eq!(world.list(&[], &["classic"]).len(), 1);
    world.fail_over();
    assert_eq!(again.heartbeat(&mut world), ErrorCode::None);
}

#[test]
fn a_group_that_only_stored_offsets_takes_consumers() {
    let mut world = World::new();
    Client::new("simple").commit(&mut world, (1, 0), 4);
    let mut a = Consumer::new("a", &["topic-1"]);
    assert_eq!(a.join(&mut world), ErrorCode::None);
    assert_eq!(a.fetch(&mut world, (1, 0)), Ok(4));
}
