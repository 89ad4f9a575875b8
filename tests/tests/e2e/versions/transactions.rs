//! Producers and their transactions.

use protocol::ErrorCode;
use protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use protocol::messages::describe_producers_request::TopicRequest;
use protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeProducersRequest,
    DescribeTransactionsRequest, EndTxnRequest, InitProducerIdRequest, ListTransactionsRequest,
    ProducerId, TransactionalId, TxnOffsetCommitRequest,
};

use super::world::{World, group, is, text};

/// First versions: of several transactions in one request, of an epoch for each transaction, and of
/// filters by duration and by pattern.
const BATCHED: i16 = 4;
const NEXT_EPOCH: i16 = 5;
const BY_DURATION: i16 = 1;
const BY_PATTERN: i16 = 2;

/// A producer of a transactional id.
struct Producer {
    transaction: TransactionalId,
    id: ProducerId,
    epoch: i16,
}

fn producer(world: &mut World, version: i16, name: &str) -> Producer {
    let transaction = TransactionalId(text(name));
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(transaction.clone()))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let answer = world.wire.settled(version, &request, |answer| answer.error_code);
    is(ErrorCode::None, answer.error_code);
    Producer { transaction, id: answer.producer_id, epoch: answer.producer_epoch }
}

pub(super) fn init_producer_id(world: &mut World, version: i16) {
    let name = format!("init-{version}");
    let first = producer(world, version, &name);
    let next = producer(world, version, &name);
    assert_eq!((next.id, next.epoch), (first.id, first.epoch + 1));
    let idempotent = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let answer = world.wire.ask(version, &idempotent);
    is(ErrorCode::None, answer.error_code);
    assert!(answer.producer_id != first.id && answer.producer_epoch == 0, "{answer:?}");
}

/// Adds a partition to the producer's transaction, which begins it.
fn begin(world: &mut World, version: i16, producer: &Producer) {
    let topic = AddPartitionsToTxnTopic::default()
        .with_name(world.written.name.clone())
        .with_partitions(vec![0]);
    let code = if version >= BATCHED {
        let transaction = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(producer.transaction.clone())
            .with_producer_id(producer.id)
            .with_producer_epoch(producer.epoch)
            .with_topics(vec![topic]);
        let request = AddPartitionsToTxnRequest::default().with_transactions(vec![transaction]);
        let answer = world.wire.ask(version, &request);
        is(ErrorCode::None, answer.error_code);
        let result = &answer.results_by_transaction[0];
        assert_eq!(result.transactional_id, producer.transaction);
        result.topic_results[0].results_by_partition[0].partition_error_code
    } else {
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(producer.transaction.clone())
            .with_v3_and_below_producer_id(producer.id)
            .with_v3_and_below_producer_epoch(producer.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let answer = world.wire.ask(version, &request);
        let result = &answer.results_by_topic_v3_and_below[0];
        assert_eq!(result.name, world.written.name);
        result.results_by_partition[0].partition_error_code
    };
    is(ErrorCode::None, code);
}

/// The state of a transaction, as DescribeTransactions has it.
fn state(world: &mut World, producer: &Producer) -> String {
    let request = DescribeTransactionsRequest::default()
        .with_transactional_ids(vec![producer.transaction.clone()]);
    let answer = world.wire.ask(0, &request);
    is(ErrorCode::None, answer.transaction_states[0].error_code);
    assert_eq!(answer.transaction_states[0].producer_id, producer.id);
    answer.transaction_states[0].transaction_state.to_string()
}

pub(super) fn add_partitions(world: &mut World, version: i16) {
    let producer = producer(world, 5, &format!("partitions-{version}"));
    begin(world, version, &producer);
    assert_eq!(state(world, &producer), "Ongoing");
}

fn add_group(world: &mut World, version: i16, producer: &Producer) {
    let request = AddOffsetsToTxnRequest::default()
        .with_transactional_id(producer.transaction.clone())
        .with_producer_id(producer.id)
        .with_producer_epoch(producer.epoch)
        .with_group_id(group("transactional"));
    let answer = world.wire.settled(version, &request, |answer| answer.error_code);
    is(ErrorCode::None, answer.error_code);
}

pub(super) fn add_offsets(world: &mut World, version: i16) {
    let producer = producer(world, 5, &format!("offsets-{version}"));
    add_group(world, version, &producer);
    assert_eq!(state(world, &producer), "Ongoing");
}

pub(super) fn commit_offsets(world: &mut World, version: i16) {
    let producer = producer(world, 5, &format!("commits-{version}"));
    add_group(world, 4, &producer);
    let partition = TxnOffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(1)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(text("a note")));
    let topic = TxnOffsetCommitRequestTopic::default()
        .with_name(world.filled.name.clone())
        .with_partitions(vec![partition]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(producer.transaction.clone())
        .with_group_id(group("transactional"))
        .with_producer_id(producer.id)
        .with_producer_epoch(producer.epoch)
        .with_topics(vec![topic]);
    let answer =
        world.wire.settled(version, &request, |answer| answer.topics[0].partitions[0].error_code);
    is(ErrorCode::None, answer.topics[0].partitions[0].error_code);
}

pub(super) fn end(world: &mut World, version: i16) {
    let producer = producer(world, 5, &format!("ends-{version}"));
    begin(world, 3, &producer);
    let request = EndTxnRequest::default()
        .with_transactional_id(producer.transaction.clone())
        .with_producer_id(producer.id)
        .with_producer_epoch(producer.epoch)
        .with_committed(version % 2 == 0);
    let answer = world.wire.settled(version, &request, |answer| answer.error_code);
    is(ErrorCode::None, answer.error_code);
    if version >= NEXT_EPOCH {
        assert_eq!((answer.producer_id, answer.producer_epoch), (producer.id, producer.epoch + 1));
    }
    assert_ne!(state(world, &producer), "Ongoing");
}

pub(super) fn describe_producers(world: &mut World, version: i16) {
    let topic = TopicRequest::default()
        .with_name(world.written.name.clone())
        .with_partition_indexes(vec![0, 7]);
    let request = DescribeProducersRequest::default().with_topics(vec![topic]);
    let answer = world.wire.ask(version, &request);
    let [there, nowhere] = &answer.topics[0].partitions[..] else { panic!("{answer:?}") };
    is(ErrorCode::None, there.error_code);
    is(ErrorCode::UnknownTopicOrPartition, nowhere.error_code);
}

pub(super) fn describe(world: &mut World, version: i16) {
    let producer = producer(world, 5, "described");
    let request = DescribeTransactionsRequest::default()
        .with_transactional_ids(vec![producer.transaction, TransactionalId(text("nobody"))]);
    let answer = world.wire.ask(version, &request);
    let [there, nobody] = &answer.transaction_states[..] else { panic!("{answer:?}") };
    is(ErrorCode::None, there.error_code);
    assert_eq!((there.producer_id, there.transaction_timeout_ms), (producer.id, 60_000));
    assert_eq!(there.transaction_state.as_str(), "Empty");
    is(ErrorCode::TransactionalIdNotFound, nobody.error_code);
}

pub(super) fn list(world: &mut World, version: i16) {
    let producer = producer(world, 5, &format!("listed-{version}"));
    begin(world, 3, &producer);
    let request = ListTransactionsRequest::default()
        .with_state_filters(vec![text("Ongoing"), text("NoSuchState")])
        .with_producer_id_filters(vec![producer.id])
        .with_duration_filter(if version >= BY_DURATION { 0 } else { -1 })
        .with_transactional_id_pattern((version >= BY_PATTERN).then(|| text("listed-.*")));
    // One that began in this very millisecond has not lasted for longer than none.
    let answer =
        world.wire.eventually(version, &request, |answer| !answer.transaction_states.is_empty());
    is(ErrorCode::None, answer.error_code);
    assert_eq!(answer.unknown_state_filters, [text("NoSuchState")]);
    let [found] = &answer.transaction_states[..] else { panic!("{answer:?}") };
    assert_eq!(found.transactional_id, producer.transaction);
    assert_eq!(found.transaction_state.as_str(), "Ongoing");
}
