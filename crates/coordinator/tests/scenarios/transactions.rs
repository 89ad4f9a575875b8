//! What may be written in a transaction, and when.

use coordinator::TransactionVersion::{V1, V2};
use protocol::error::ErrorCode;
use protocol::ids::coordinator_index;

use crate::dsl::{GROUP, TransactionalProducer, World, shard};

#[test]
fn nothing_is_written_in_a_transaction_that_its_coordinator_does_not_know() {
    let mut world = World::new();
    let producer = TransactionalProducer::ready(&mut world, V1);
    assert_eq!(producer.verify(&mut world, (1, 0)), ErrorCode::InvalidTxnState);
    assert_eq!(producer.state(&mut world), "Empty");
    assert_eq!(producer.add(&mut world, (1, 0)), ErrorCode::None);
    assert_eq!(producer.state(&mut world), "Ongoing");
    assert_eq!(producer.verify(&mut world, (1, 0)), ErrorCode::None);
    assert_eq!(producer.verify(&mut world, (1, 1)), ErrorCode::InvalidTxnState);
}

#[test]
fn a_partition_that_is_added_again_costs_no_record() {
    let mut world = World::new();
    let producer = TransactionalProducer::ready(&mut world, V2);
    producer.add(&mut world, (1, 0));
    let records = world.log.len();
    assert_eq!(producer.add(&mut world, (1, 0)), ErrorCode::None);
    assert_eq!(world.log.len(), records);
}

#[test]
fn a_transaction_is_described_with_its_partitions_and_its_start() {
    let mut world = World::new();
    let producer = TransactionalProducer::ready(&mut world, V2);
    let began_ms = world.now_ms;
    producer.add(&mut world, (1, 0));
    world.advance(1_000);
    producer.add(&mut world, (1, 2));
    producer.add_offsets(&mut world);
    let described = producer.describe(&mut world);
    assert_eq!(described.error_code, 0);
    assert_eq!(described.transaction_start_time_ms, began_ms);
    assert_eq!(described.producer_id.0, producer.producer.id);
    let topics: Vec<_> = described.topics.iter().map(|topic| topic.partitions.clone()).collect();
    let of_group = coordinator_index(producer.tenant, GROUP, shard(0).count);
    assert_eq!(topics, [vec![0, 2], vec![of_group]], "the offsets are in the group's partition");
}

#[test]
fn nobody_else_writes_in_a_transaction() {
    let mut world = World::new();
    let zombie = TransactionalProducer::ready(&mut world, V2);
    let owner = TransactionalProducer::ready(&mut world, V2);
    assert_eq!(zombie.add(&mut world, (1, 0)), ErrorCode::ProducerFenced);
    assert_eq!(zombie.verify(&mut world, (1, 0)), ErrorCode::ProducerFenced);
    assert_eq!(zombie.add_offsets(&mut world), ErrorCode::ProducerFenced);
    assert_eq!(owner.add(&mut world, (1, 0)), ErrorCode::None);
    let mut impostor = owner.clone();
    impostor.producer.id += 1;
    assert_eq!(impostor.add(&mut world, (1, 0)), ErrorCode::InvalidProducerIdMapping);
    let stranger = TransactionalProducer { id: "nobody's", ..owner.clone() };
    assert_eq!(stranger.add(&mut world, (1, 0)), ErrorCode::InvalidProducerIdMapping);
    let nameless = TransactionalProducer { id: "", ..owner };
    assert_eq!(nameless.add(&mut world, (1, 0)), ErrorCode::InvalidRequest);
}

#[test]
fn the_next_transaction_waits_for_the_end_of_the_last() {
    for version in [V1, V2] {
        let mut world = World::new();
        let mut producer = TransactionalProducer::ready(&mut world, version);
        producer.add(&mut world, (1, 0));
        producer.end(&mut world, true).expect("it is open");
        assert_eq!(producer.add(&mut world, (1, 1)), ErrorCode::ConcurrentTransactions);
        assert_eq!(producer.verify(&mut world, (1, 0)), ErrorCode::ConcurrentTransactions);
        world.write_markers();
        assert_eq!(producer.verify(&mut world, (1, 0)), ErrorCode::InvalidTxnState);
        assert_eq!(producer.add(&mut world, (1, 1)), ErrorCode::None);
        let topics = producer.describe(&mut world).topics;
        assert_eq!(topics[0].partitions, [1], "nothing of the last one is left");
    }
}

#[test]
fn an_open_transaction_survives_a_failover() {
    let mut world = World::new();
    let mut producer = TransactionalProducer::ready(&mut world, V2);
    producer.add(&mut world, (1, 0));
    world.fail_over();
    assert_eq!(producer.verify(&mut world, (1, 0)), ErrorCode::None);
    assert_eq!(producer.add(&mut world, (1, 1)), ErrorCode::None);
    producer.end(&mut world, true).expect("it is open");
    assert_eq!(world.markers[0].partitions.len(), 2);
    assert_eq!(world.markers[0].coordinator_epoch, 1, "the epoch of the one who sends it");
}
