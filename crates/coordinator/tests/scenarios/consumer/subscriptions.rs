//! What members want changes, and so do the topics that there are.

use protocol::error::ErrorCode;

use crate::dsl::{Consumer, GROUP, World, settle};

fn epoch(world: &mut World) -> i32 {
    world.describe_consumers(GROUP).group_epoch
}

#[test]
fn a_topic_that_grows_is_assigned_in_full() {
    let mut world = World::new();
    world.topics.set(1, 2);
    let mut a = Consumer::new("a", &["topic-1"]);
    a.join(&mut world);
    world.topics.set(1, 3);
    world.topics.set(9, 1);
    settle(&mut world, &mut [&mut a]);
    assert_eq!((a.indexes(1), a.epoch), (vec![0, 1, 2], 2));
    world.topics.set(9, 2);
    settle(&mut world, &mut [&mut a]);
    assert_eq!(epoch(&mut world), 2, "nobody reads topic-9");
}

#[test]
fn a_topic_can_be_subscribed_to_before_it_exists_and_after_it_is_gone() {
    let mut world = World::new();
    let mut a = Consumer::new("a", &["topic-1"]);
    a.join(&mut world);
    assert_eq!((a.epoch, a.owned.len()), (1, 0));
    world.topics.set(1, 2);
    settle(&mut world, &mut [&mut a]);
    assert_eq!((a.epoch, a.indexes(1)), (2, vec![0, 1]));
    world.topics.set(1, 0);
    settle(&mut world, &mut [&mut a]);
    assert_eq!((a.epoch, a.owned.len()), (3, 0));
}

#[test]
fn the_server_resolves_a_regular_expression() {
    let mut world = World::new();
    for (number, partitions) in [(1, 1), (2, 1), (13, 1)] {
        world.topics.set(number, partitions);
    }
    let mut a = Consumer::matching("a", "topic-[13]");
    a.join(&mut world);
    assert_eq!(a.owned, [(1, 0)].into(), "the whole name must match");
    world.topics.set(3, 1);
    settle(&mut world, &mut [&mut a]);
    assert_eq!(a.owned, [(1, 0), (3, 0)].into());

    let mut bad = a.clone();
    bad.regex = Some("topic-[");
    let request = bad.full_request();
    assert_eq!(bad.ask(&mut world, request), ErrorCode::InvalidRegularExpression);
    assert_eq!(a.heartbeat(&mut world), ErrorCode::None, "the old one is in force still");

    a.regex = Some("");
    a.topics = vec!["topic-2"];
    let request = a.full_request();
    assert_eq!(a.ask(&mut world, request), ErrorCode::None);
    settle(&mut world, &mut [&mut a]);
    assert_eq!(a.owned, [(2, 0)].into());
    assert_eq!(world.describe_consumers(GROUP).members[0].subscribed_topic_regex, None);
}

#[test]
fn a_changed_subscription_raises_the_group_epoch_and_nothing_else_does() {
    let mut world = World::new();
    world.topics.set(1, 2);
    world.topics.set(2, 2);
    let mut a = Consumer::new("a", &["topic-1"]);
    a.join(&mut world);
    let request = a.full_request().with_rack_id(Some("r".into()));
    assert_eq!(a.ask(&mut world, request), ErrorCode::None);
    assert_eq!(epoch(&mut world), 1);
    assert_eq!(world.describe_consumers(GROUP).members[0].rack_id.as_deref(), Some("r"));
    a.topics = vec!["topic-2", "topic-1", "topic-2"];
    let request = a.full_request();
    assert_eq!(a.ask(&mut world, request), ErrorCode::None);
    assert_eq!((epoch(&mut world), a.owned.len()), (2, 4));
}

#[test]
fn members_with_different_subscriptions_get_what_they_want() {
    let mut world = World::new();
    world.topics.set(1, 2);
    world.topics.set(2, 2);
    let mut a = Consumer::new("a", &["topic-1"]);
    let mut b = Consumer::new("b", &["topic-2"]);
    let mut c = Consumer::matching("c", "topic-.");
    for member in [&mut a, &mut b, &mut c] {
        assert_eq!(member.join(&mut world), ErrorCode::None);
    }
    settle(&mut world, &mut [&mut a, &mut b, &mut c]);
    assert_eq!(a.owned.len() + b.owned.len() + c.owned.len(), 4);
    assert!(a.indexes(2).is_empty() && b.indexes(1).is_empty());
    assert!([&a, &b, &c].iter().all(|member| !member.owned.is_empty()));
}
