//! Retention of offsets and of empty groups.

use coordinator::Config;
use protocol::error::ErrorCode;

use crate::dsl::{Client, GROUP, World, subscription};

const RETENTION_MS: i64 = 100_000;
const CHECK_MS: i64 = 10_000;

fn world() -> World {
    World::with(Config {
        offsets_retention_ms: RETENTION_MS,
        offsets_retention_check_ms: CHECK_MS,
        ..Config::default()
    })
}

#[test]
fn offsets_expire_when_the_group_has_been_empty_for_the_retention_time() {
    let mut world = world();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    a.commit(&mut world, (1, 0), 5);
    for _ in 0..20 {
        world.advance(9_000);
        assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
    }
    assert_eq!(world.committed((1, 0)).0, 5, "an active group keeps what it reads");
    a.leave(&mut world);
    world.advance(RETENTION_MS - CHECK_MS);
    assert_eq!(world.committed((1, 0)).0, 5);
    world.advance(2 * CHECK_MS);
    assert_eq!(world.committed((1, 0)).0, -1);
    assert_eq!(world.state(GROUP), "Dead");
    world.fail_over();
    assert_eq!(world.state(GROUP), "Dead");
}

#[test]
fn offsets_of_a_simple_group_expire_one_by_one_after_their_commit() {
    let mut world = world();
    let admin = Client::new("admin");
    admin.commit(&mut world, (1, 0), 1);
    world.advance(RETENTION_MS / 2);
    admin.commit(&mut world, (1, 1), 2);
    world.advance(RETENTION_MS / 2 + CHECK_MS);
    assert_eq!(world.committed((1, 0)).0, -1);
    assert_eq!(world.committed((1, 1)).0, 2);
    world.advance(RETENTION_MS);
    assert_eq!(world.state(GROUP), "Dead");
}

#[test]
fn an_active_group_loses_offsets_of_topics_that_it_no_longer_reads() {
    let mut world = world();
    let mut a = Client::new("a");
    a.protocols = vec![("range", subscription(&["topic-1"]))];
    world.form(&mut [&mut a]);
    a.commit(&mut world, (1, 0), 1);
    a.commit(&mut world, (2, 0), 2);
    for _ in 0..15 {
        world.advance(9_000);
        a.heartbeat(&mut world);
    }
    assert_eq!(world.committed((1, 0)).0, 1);
    assert_eq!(world.committed((2, 0)).0, -1);
    assert_eq!(world.state(GROUP), "Stable");
}

#[test]
fn an_active_group_whose_subscription_is_unreadable_loses_nothing() {
    let mut world = world();
    let mut a = Client::speaking("a", &["range"]);
    world.form(&mut [&mut a]);
    a.commit(&mut world, (2, 0), 2);
    for _ in 0..30 {
        world.advance(9_000);
        a.heartbeat(&mut world);
    }
    assert_eq!(world.committed((2, 0)).0, 2);
}

#[test]
fn an_empty_group_without_offsets_is_forgotten_at_the_next_check() {
    let mut world = world();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    a.leave(&mut world);
    assert_eq!(world.state(GROUP), "Empty");
    world.advance(CHECK_MS);
    assert_eq!(world.state(GROUP), "Dead");
    assert!(world.coordinator.snapshot().is_empty());
}

#[test]
fn the_retention_time_goes_on_over_a_failover() {
    let mut world = world();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    a.commit(&mut world, (1, 0), 5);
    a.leave(&mut world);
    world.advance(RETENTION_MS / 2);
    world.fail_over();
    world.advance(RETENTION_MS / 2 + CHECK_MS);
    assert_eq!(world.committed((1, 0)).0, -1);
}
