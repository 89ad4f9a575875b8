//! Every transaction ends once, in one way, for every partition (T3, T7, T8, R40).

use coordinator::TransactionVersion::{V1, V2};
use coordinator::{Producer, TransactionVersion};
use protocol::error::ErrorCode;

use crate::dsl::{TRANSACTION_MS, TransactionalProducer, World, partition};

/// A producer with an open transaction.
fn writing(world: &mut World, version: TransactionVersion) -> TransactionalProducer {
    let producer = TransactionalProducer::ready(world, version);
    assert_eq!(producer.add(world, (1, 0)), ErrorCode::None);
    producer
}

#[test]
fn a_commit_is_decided_first_and_told_to_the_partitions_after() {
    let mut world = World::new();
    let mut producer = writing(&mut world, V1);
    producer.add(&mut world, (2, 5));
    assert_eq!(producer.end(&mut world, true), Ok(()));
    assert_eq!(producer.state(&mut world), "PrepareCommit");
    let markers = &world.markers[0];
    assert!(markers.commit && !markers.bumped);
    assert_eq!(markers.producer, producer.producer);
    assert_eq!(markers.partitions, [partition((1, 0)), partition((2, 5))]);
    world.write_markers();
    assert_eq!(producer.state(&mut world), "CompleteCommit");
}

#[test]
fn with_version_2_every_end_gives_the_next_epoch() {
    let mut world = World::new();
    let mut producer = writing(&mut world, V2);
    let before = producer.producer;
    for commit in [true, false] {
        producer.add(&mut world, (1, 0));
        producer.end(&mut world, commit).expect("it is open");
        let markers = &world.markers[0];
        assert_eq!(markers.producer, producer.producer, "what is late is below the marker");
        assert!(markers.bumped);
        world.write_markers();
    }
    assert_eq!(producer.producer, Producer { epoch: before.epoch + 2, ..before });
}

#[test]
fn an_end_that_is_asked_for_again_finds_what_it_did() {
    for (version, commit) in [(V1, true), (V1, false), (V2, true), (V2, false)] {
        let mut world = World::new();
        let producer = writing(&mut world, version);
        let told = producer.send_end(&mut world, commit).expect("it is open");
        let again = producer.send_end(&mut world, commit);
        assert_eq!(again, Err(ErrorCode::ConcurrentTransactions), "{version:?}, {commit}");
        let otherwise = producer.send_end(&mut world, !commit);
        assert_eq!(otherwise, Err(ErrorCode::InvalidTxnState));
        world.write_markers();
        assert_eq!(producer.send_end(&mut world, commit), Ok(told));
        assert_eq!(
            producer.send_end(&mut world, !commit),
            Err(ErrorCode::InvalidTxnState),
            "{version:?}, {commit}"
        );
        assert!(world.markers.is_empty(), "nothing was ended again");
    }
}

#[test]
fn the_next_end_waits_for_the_markers_of_the_last() {
    let mut world = World::new();
    let mut producer = writing(&mut world, V2);
    producer.end(&mut world, true).expect("it is open");
    for commit in [true, false] {
        let early = producer.send_end(&mut world, commit);
        assert_eq!(early, Err(ErrorCode::ConcurrentTransactions), "{commit}");
    }
    world.write_markers();
    producer.end(&mut world, false).expect("an abort of nothing, for the next epoch");
}

#[test]
fn a_late_end_acts_on_no_later_transaction() {
    let mut world = World::new();
    let mut producer = writing(&mut world, V2);
    let late = producer.clone();
    producer.end(&mut world, true).expect("it is open");
    world.write_markers();
    producer.add(&mut world, (1, 0));
    for commit in [true, false] {
        assert_eq!(late.send_end(&mut world, commit), Err(ErrorCode::ProducerFenced));
    }
    assert_eq!(late.add(&mut world, (1, 1)), ErrorCode::ProducerFenced);
    assert_eq!(producer.state(&mut world), "Ongoing");
}

#[test]
fn there_is_no_end_without_a_transaction() {
    let mut world = World::new();
    let producer = TransactionalProducer::ready(&mut world, V1);
    for commit in [true, false] {
        let refused = producer.send_end(&mut world, commit);
        assert_eq!(refused, Err(ErrorCode::InvalidTxnState));
    }
    let unknown = TransactionalProducer { id: "unknown", ..producer };
    let refused = unknown.send_end(&mut world, true);
    assert_eq!(refused, Err(ErrorCode::InvalidProducerIdMapping));
}

/// A client of version 2 learns from a failed produce that it has to abort, and cannot know whether
/// the partition was added before.
#[test]
fn with_version_2_even_nothing_can_be_aborted() {
    let mut world = World::new();
    let mut producer = TransactionalProducer::ready(&mut world, V2);
    assert_eq!(producer.send_end(&mut world, true), Err(ErrorCode::InvalidTxnState));
    for _ in 0..2 {
        let before = producer.clone();
        assert_eq!(producer.end(&mut world, false), Ok(()));
        assert_eq!(producer.producer.epoch, before.producer.epoch + 1);
        assert_eq!(before.send_end(&mut world, false), Ok(producer.producer), "a repetition");
        assert_eq!(producer.state(&mut world), "CompleteAbort");
    }
    assert!(world.markers.is_empty(), "no partition has to know");
}

#[test]
fn a_transaction_is_aborted_when_its_time_is_over() {
    for version in [V1, V2] {
        let mut world = World::new();
        let producer = writing(&mut world, version);
        world.advance(TRANSACTION_MS - 1);
        assert_eq!(producer.add(&mut world, (1, 1)), ErrorCode::None, "does not win more time");
        world.advance(1);
        assert_eq!(producer.state(&mut world), "PrepareAbort");
        let markers = &world.markers[0];
        assert_eq!(markers.producer.epoch, producer.producer.epoch + 1, "it is fenced (T7)");
        assert!(!markers.commit && markers.bumped);
        assert_eq!(producer.add(&mut world, (1, 0)), ErrorCode::ProducerFenced);
        world.write_markers();
        assert_eq!(producer.add(&mut world, (1, 0)), ErrorCode::ProducerFenced);
    }
}

#[test]
fn whose_time_is_over_is_fenced_with_version_1() {
    let mut world = World::new();
    let producer = writing(&mut world, V1);
    world.advance(TRANSACTION_MS);
    for commit in [true, false] {
        assert_eq!(producer.send_end(&mut world, commit), Err(ErrorCode::ProducerFenced));
    }
    world.write_markers();
    for commit in [true, false] {
        assert_eq!(producer.send_end(&mut world, commit), Err(ErrorCode::ProducerFenced));
    }
}

/// As Kafka 4.1 has it: with the epoch of the transaction this is a repetition of its end, which was an
/// abort.
#[test]
fn whose_time_is_over_may_abort_with_version_2_and_go_on() {
    let mut world = World::new();
    let mut producer = writing(&mut world, V2);
    world.advance(TRANSACTION_MS);
    let (late, invalid) = (ErrorCode::ConcurrentTransactions, ErrorCode::InvalidTxnState);
    assert_eq!(producer.send_end(&mut world, true), Err(invalid));
    assert_eq!(producer.send_end(&mut world, false), Err(late));
    world.fail_over();
    world.write_markers();
    assert_eq!(producer.send_end(&mut world, true), Err(invalid));
    let before = producer.clone();
    assert_eq!(producer.end(&mut world, false), Ok(()));
    assert_eq!(producer.producer.epoch, before.producer.epoch + 1);
    assert_eq!(producer.add(&mut world, (1, 0)), ErrorCode::None);
    for commit in [true, false] {
        assert_eq!(before.send_end(&mut world, commit), Err(ErrorCode::ProducerFenced), "T8");
    }
    assert_eq!(producer.end(&mut world, true), Ok(()));
}

/// The same when somebody else has taken the id over: then nobody may go on but the new owner.
#[test]
fn whose_time_is_over_does_not_come_back_behind_a_new_owner() {
    let mut world = World::new();
    let mut zombie = writing(&mut world, V2);
    world.advance(TRANSACTION_MS);
    world.write_markers();
    let owner = TransactionalProducer::ready(&mut world, V2);
    assert!(owner.producer.epoch > zombie.producer.epoch + 1);
    for commit in [true, false] {
        assert_eq!(zombie.send_end(&mut world, commit), Err(ErrorCode::ProducerFenced));
    }
    let was = zombie.producer;
    assert_eq!(zombie.init_as(&mut world, was), Err(ErrorCode::ProducerFenced), "KIP-360");
    assert_eq!(owner.add(&mut world, (1, 0)), ErrorCode::None);
}

#[test]
fn the_next_transaction_has_all_of_its_time() {
    let mut world = World::new();
    let mut producer = writing(&mut world, V2);
    world.advance(TRANSACTION_MS - 1);
    producer.end(&mut world, true).expect("it is open");
    world.write_markers();
    producer.add(&mut world, (1, 0));
    world.advance(TRANSACTION_MS - 1);
    assert_eq!(producer.state(&mut world), "Ongoing");
}

#[test]
fn after_a_failover_or_a_pause_every_transaction_has_all_of_its_time_again() {
    let mut world = World::new();
    let producer = writing(&mut world, V2);
    world.advance(TRANSACTION_MS - 1);
    world.fail_over();
    world.advance(TRANSACTION_MS - 1);
    world.now_ms += 3_600_000;
    world.coordinator.restart_timers(world.now_ms);
    world.tick();
    assert_eq!(producer.state(&mut world), "Ongoing");
    world.advance(TRANSACTION_MS);
    assert_eq!(producer.state(&mut world), "PrepareAbort", "and then it counts");
}

#[test]
fn what_was_decided_is_told_to_the_partitions_by_whoever_takes_over() {
    let mut world = World::new();
    let mut producer = writing(&mut world, V1);
    producer.end(&mut world, true).expect("it is open");
    let first = world.markers[0].clone();
    world.fail_over();
    assert_eq!(world.markers.len(), 1);
    let again = world.markers[0].clone();
    assert_eq!((again.producer, again.commit), (first.producer, first.commit));
    assert_eq!(again.partitions, first.partitions);
    assert!(again.coordinator_epoch > first.coordinator_epoch);
    world.write_markers();
    assert_eq!(producer.state(&mut world), "CompleteCommit");
    world.fail_over();
    assert!(world.markers.is_empty(), "it is over");
}

#[test]
fn news_of_markers_of_another_transaction_completes_nothing() {
    let mut world = World::new();
    let mut producer = writing(&mut world, V2);
    producer.end(&mut world, true).expect("it is open");
    let late = world.markers.clone();
    world.write_markers();
    producer.add(&mut world, (1, 0));
    producer.end(&mut world, false).expect("it is open");
    let of_second = std::mem::replace(&mut world.markers, late);
    world.write_markers();
    assert_eq!(producer.state(&mut world), "PrepareAbort");
    world.markers = of_second;
    world.write_markers();
    assert_eq!(producer.state(&mut world), "CompleteAbort");
}

/// The last epochs of a producer id, reached as fast as a test can.
fn at_its_last_epoch(world: &mut World) -> TransactionalProducer {
    let mut producer = TransactionalProducer::ready(world, V2);
    while producer.producer.epoch < i16::MAX - 1 {
        assert_eq!(producer.init(world), Ok(()));
    }
    producer
}

#[test]
fn a_producer_whose_epochs_are_used_up_gets_another_id() {
    let mut world = World::new();
    let mut producer = at_its_last_epoch(&mut world);
    let before = producer.clone();
    producer.add(&mut world, (1, 0));
    producer.end(&mut world, true).expect("it is open");
    assert_ne!(producer.producer.id, before.producer.id);
    assert_eq!(producer.producer.epoch, 0);
    assert_eq!(world.markers[0].producer, Producer { epoch: i16::MAX, ..before.producer });
    assert_eq!(producer.add(&mut world, (1, 0)), ErrorCode::InvalidProducerIdMapping, "not yet");
    world.fail_over();
    world.write_markers();
    assert_eq!(before.send_end(&mut world, true), Ok(producer.producer), "asked again");
    assert_eq!(producer.add(&mut world, (1, 0)), ErrorCode::None);
    let late = before.send_end(&mut world, true);
    assert_eq!(late, Err(ErrorCode::InvalidProducerIdMapping));
}

#[test]
fn nobody_goes_on_under_the_last_epoch() {
    let mut world = World::new();
    let producer = at_its_last_epoch(&mut world);
    producer.add(&mut world, (1, 0));
    world.advance(TRANSACTION_MS);
    world.write_markers();
    for commit in [true, false] {
        assert_eq!(producer.send_end(&mut world, commit), Err(ErrorCode::ProducerFenced));
    }
}

#[test]
fn whoever_has_the_last_epoch_can_be_fenced() {
    let mut world = World::new();
    let mut producer = at_its_last_epoch(&mut world);
    let zombie = producer.clone();
    zombie.add(&mut world, (1, 0));
    producer.init_at_last(&mut world);
    assert_ne!(producer.producer.id, zombie.producer.id);
    assert_eq!(zombie.add(&mut world, (1, 0)), ErrorCode::InvalidProducerIdMapping);
}
