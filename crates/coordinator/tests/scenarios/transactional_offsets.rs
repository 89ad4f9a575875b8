//! Offsets in transactions: nobody sees them before the commit, and nobody an older one after (T10).

use coordinator::TransactionVersion::{V1, V2};
use coordinator::{Config, Marker};
use protocol::error::ErrorCode;
use protocol::ids::TenantId;

use crate::dsl::{Client, GROUP, TransactionalProducer, World};

/// A producer that has committed offset 10 of partition 0 in an open transaction.
fn pending(world: &mut World) -> TransactionalProducer {
    let producer = TransactionalProducer::ready(world, V2);
    producer.add_offsets(world);
    let outsider = Client::new("outsider");
    assert_eq!(producer.commit_offset(world, &outsider, (1, 0), 10), ErrorCode::None);
    producer
}

#[test]
fn an_offset_counts_once_its_transaction_is_committed() {
    let mut world = World::new();
    let mut producer = pending(&mut world);
    assert_eq!(world.committed((1, 0)).0, -1);
    assert_eq!(world.stable_offset((1, 0)), Err(ErrorCode::UnstableOffsetCommit));
    producer.end(&mut world, true).expect("it is open");
    assert_eq!(world.stable_offset((1, 0)), Err(ErrorCode::UnstableOffsetCommit), "still (T10)");
    world.write_markers();
    assert_eq!(world.stable_offset((1, 0)), Ok(10));
    assert_eq!(world.committed((1, 0)).0, 10);
}

#[test]
fn an_offset_of_an_aborted_transaction_never_counts() {
    let mut world = World::new();
    Client::new("admin").commit(&mut world, (1, 0), 3);
    let mut producer = pending(&mut world);
    producer.end(&mut world, false).expect("it is open");
    world.write_markers();
    assert_eq!(world.stable_offset((1, 0)), Ok(3));
}

#[test]
fn only_what_is_part_of_a_transaction_is_unstable() {
    let mut world = World::new();
    Client::new("admin").commit(&mut world, (1, 1), 3);
    pending(&mut world);
    assert_eq!(world.stable_offset((1, 1)), Ok(3));
    assert_eq!(world.stable_offset((1, 2)), Ok(-1));
    let unstable = ErrorCode::UnstableOffsetCommit.code();
    let all = world.fetch_stable(GROUP, None);
    let all = all.topics[0].partitions.iter();
    let seen: Vec<_> = all.map(|p| (p.partition_index, p.error_code)).collect();
    assert_eq!(seen, [(0, unstable), (1, 0)], "also where nothing was committed before");
}

#[test]
fn pending_offsets_survive_a_failover() {
    let mut world = World::new();
    let mut producer = pending(&mut world);
    world.fail_over();
    assert_eq!(world.stable_offset((1, 0)), Err(ErrorCode::UnstableOffsetCommit));
    producer.end(&mut world, true).expect("it is open");
    world.fail_over();
    world.write_markers();
    assert_eq!(world.stable_offset((1, 0)), Ok(10));
}

#[test]
fn only_members_of_the_present_generation_commit() {
    let mut world = World::without_initial_delay();
    let mut member = Client::new("a");
    world.form(&mut [&mut member]);
    let producer = TransactionalProducer::ready(&mut world, V2);
    let mut commit = |client: &Client| producer.commit_offset(&mut world, client, (1, 0), 10);
    assert_eq!(commit(&member), ErrorCode::None);
    let stale = Client { generation: member.generation - 1, ..member.clone() };
    assert_eq!(commit(&stale), ErrorCode::IllegalGeneration);
    let stranger = Client { member_id: "stranger".into(), ..member.clone() };
    assert_eq!(commit(&stranger), ErrorCode::UnknownMemberId);
    let of_no_group = Client { group: "unknown", ..member };
    assert_eq!(commit(&of_no_group), ErrorCode::IllegalGeneration);
}

/// Clients from before KIP-447 name neither.
#[test]
fn who_names_no_member_is_not_asked_for_one() {
    let mut world = World::without_initial_delay();
    let mut member = Client::new("a");
    world.form(&mut [&mut member]);
    let producer = TransactionalProducer::ready(&mut world, V1);
    let nobody = Client::new("nobody");
    assert_eq!(producer.commit_offset(&mut world, &nobody, (1, 0), 10), ErrorCode::None);
}

#[test]
fn a_rebalance_does_not_keep_a_transaction_open() {
    let mut world = World::without_initial_delay();
    let (mut member, mut other) = (Client::new("a"), Client::new("b"));
    world.form(&mut [&mut member]);
    other.join(&mut world);
    assert_eq!(member.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
    let producer = TransactionalProducer::ready(&mut world, V2);
    assert_eq!(producer.commit_offset(&mut world, &member, (1, 0), 10), ErrorCode::None);
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let mut world = World::new();
    let producer = TransactionalProducer::ready(&mut world, V2);
    let nameless = Client { group: "", ..Client::new("c") };
    let refused = producer.commit_offset(&mut world, &nameless, (1, 0), 1);
    assert_eq!(refused, ErrorCode::InvalidGroupId);
    assert_eq!(world.log.len(), 1, "only the producer is in the log");
}

#[test]
fn an_offset_committed_by_other_means_stays() {
    let mut world = World::new();
    let mut producer = pending(&mut world);
    Client::new("admin").commit(&mut world, (1, 0), 50);
    assert_eq!(world.stable_offset((1, 0)), Ok(50), "whatever becomes of the transaction");
    producer.end(&mut world, true).expect("it is open");
    world.write_markers();
    assert_eq!(world.stable_offset((1, 0)), Ok(50));
}

#[test]
fn a_marker_ends_what_was_written_under_its_epoch_and_before() {
    let mut world = World::new();
    let producer = pending(&mut world);
    let marker = Marker {
        producer: producer.producer,
        bumped: true,
        coordinator: 0,
        coordinator_epoch: 0,
        commit: true,
    };
    let write = |world: &mut World, marker| world.write_marker(TenantId::DEFAULT, marker);
    assert_eq!(write(&mut world, marker), ErrorCode::None, "of the transaction before: repeated");
    assert_eq!(world.stable_offset((1, 0)), Err(ErrorCode::UnstableOffsetCommit));
    let records = world.log.len();
    let of_another = Marker { producer: coordinator::Producer { id: 7, epoch: 7 }, ..marker };
    assert_eq!(write(&mut world, of_another), ErrorCode::None);
    assert_eq!(world.log.len(), records, "nothing to end");
    assert_eq!(write(&mut world, Marker { bumped: false, ..marker }), ErrorCode::None);
    assert_eq!(world.stable_offset((1, 0)), Ok(10));
}

#[test]
fn a_coordinator_that_was_replaced_ends_nothing() {
    let mut world = World::new();
    let producer = pending(&mut world);
    let marker = |coordinator, coordinator_epoch| Marker {
        producer: producer.producer,
        bumped: false,
        coordinator,
        coordinator_epoch,
        commit: true,
    };
    let newer = Marker { producer: coordinator::Producer { id: 7, epoch: 0 }, ..marker(3, 5) };
    assert_eq!(world.write_marker(TenantId::DEFAULT, newer), ErrorCode::None);
    let fenced = world.write_marker(TenantId::DEFAULT, marker(3, 4));
    assert_eq!(fenced, ErrorCode::TransactionCoordinatorFenced);
    assert_eq!(world.stable_offset((1, 0)), Err(ErrorCode::UnstableOffsetCommit));
    let of_another = world.write_marker(TenantId::DEFAULT, marker(4, 4));
    assert_eq!(of_another, ErrorCode::None, "epochs of different partitions say nothing");
    assert_eq!(world.stable_offset((1, 0)), Ok(10));
}

#[test]
fn pending_offsets_do_not_expire() {
    let config = Config {
        offsets_retention_ms: 1_000,
        offsets_retention_check_ms: 1_000,
        ..Config::default()
    };
    let mut world = World::with(config);
    Client::new("admin").commit(&mut world, (1, 1), 3);
    pending(&mut world);
    world.advance(10_000);
    assert_eq!(world.committed((1, 1)).0, -1, "this one does");
    assert_eq!(world.stable_offset((1, 0)), Err(ErrorCode::UnstableOffsetCommit));
}
