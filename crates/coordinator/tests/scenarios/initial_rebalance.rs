//! The first generation of an empty group gathers its members.

use protocol::error::ErrorCode;

use crate::dsl::{Client, INITIAL_DELAY_MS, World};

#[test]
fn the_first_member_waits_for_the_initial_delay() {
    let mut world = World::new();
    let token = Client::new("a").join(&mut world);
    world.advance(INITIAL_DELAY_MS - 1);
    assert!(world.is_waiting(token));
    world.advance(1);
    assert_eq!(world.join_answer(token).generation_id, 1);
}

#[test]
fn each_newcomer_prolongs_the_initial_delay_up_to_the_rebalance_timeout() {
    let mut world = World::new();
    let rebalance_ms = 10_000;
    let join = |world: &mut World, name| Client { rebalance_ms, ..Client::new(name) }.join(world);
    let first = join(&mut world, "first");
    // One newcomer in each wait of three seconds; ten seconds are the end, whoever comes.
    for (wait_ms, newcomer) in [(3_000, "b"), (3_000, "c"), (3_000, "d")] {
        world.advance(wait_ms - 1);
        assert!(world.is_waiting(first));
        join(&mut world, newcomer);
        world.advance(1);
    }
    assert!(world.is_waiting(first));
    join(&mut world, "e");
    world.advance(999);
    assert!(world.is_waiting(first));
    world.advance(1);
    assert_eq!(world.join_answer(first).members.len(), 5);
}

#[test]
fn without_newcomers_the_initial_delay_is_not_prolonged() {
    let mut world = World::new();
    let (of_a, of_b) = (Client::new("a").join(&mut world), Client::new("b").join(&mut world));
    world.advance(INITIAL_DELAY_MS);
    assert!(world.is_waiting(of_a), "b came after the timer was set");
    world.advance(INITIAL_DELAY_MS);
    assert_eq!(world.join_answer(of_a).generation_id, 1);
    assert_eq!(world.join_answer(of_b).generation_id, 1);
}

#[test]
fn a_zero_delay_makes_the_first_generation_at_once() {
    let mut world = World::without_initial_delay();
    let token = Client::new("a").join(&mut world);
    assert_eq!(world.join_answer(token).generation_id, 1);
}

#[test]
fn a_group_that_has_become_empty_gathers_its_members_anew() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    assert_eq!(a.leave(&mut world), ErrorCode::None);
    let token = Client::new("b").join(&mut world);
    world.advance(INITIAL_DELAY_MS - 1);
    assert!(world.is_waiting(token));
    world.advance(1);
    assert_eq!(world.join_answer(token).generation_id, 3, "becoming empty counted as one");
}
