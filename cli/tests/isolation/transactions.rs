//! Producers with transactions, and what administrators see of them.
//!
//! The other tenant's producers are tried with one's own transactional ids, and the other way
//! around: both tenants call theirs the same.

use protocol::batch::BatchBuilder;
use protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use protocol::messages::describe_producers_request::TopicRequest;
use protocol::messages::describe_producers_response::ProducerState;
use protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeProducersRequest,
    DescribeProducersResponse, DescribeTransactionsRequest, DescribeTransactionsResponse,
    EndTxnRequest, InitProducerIdRequest, InitProducerIdResponse, ListTransactionsRequest,
    ProducerId, TransactionalId, TxnOffsetCommitRequest,
};

use crate::names::Names;
use crate::records;
use crate::world::{Producer, World, group, name, text};

/// Transactional ids.
const IDS: [&str; 2] = ["mover", "shaker"];

/// Longer than the test runs.
const TIMEOUT_MS: i32 = 15 * 60 * 1_000;

/// Pause before a transaction is looked at again.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(2);

/// A producer id, for a transactional id or not.
pub(crate) async fn init(world: &mut World, id: Option<&'static str>) -> InitProducerIdResponse {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(id.map(transactional))
        .with_transaction_timeout_ms(TIMEOUT_MS)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let answer = world.ask(4, request).await;
    if let Some(id) = id {
        settle(world, id).await;
        let producer = Producer { id: answer.producer_id.0, epoch: answer.producer_epoch };
        world.own.lock().transactions.insert(id, producer);
    }
    answer
}

/// A transactional id anew, another producer without one, or one that wants the other tenant's
/// place (KIP-360).
pub(crate) async fn init_any(world: &mut World) {
    let id = world.dice.pick(&IDS);
    match world.dice.roll(4) {
        0 => drop(init(world, None).await),
        1 => {
            let foreign = world.foreign_producer(Some(id));
            let request = InitProducerIdRequest::default()
                .with_transactional_id(Some(transactional(id)))
                .with_transaction_timeout_ms(TIMEOUT_MS)
                .with_producer_id(ProducerId(foreign.id))
                .with_producer_epoch(foreign.epoch);
            world.ask(4, request).await;
            settle(world, id).await;
        }
        _ => drop(init(world, Some(id)).await),
    }
}

fn transactional(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

/// Waits until all partitions know the end of a transaction that was ended.
async fn settle(world: &mut World, id: &str) {
    let request = DescribeTransactionsRequest::default();
    let request = request.with_transactional_ids(vec![transactional(id)]);
    loop {
        let (answer, _) = world.settled(0, &request).await;
        if !answer.transaction_states[0].transaction_state.starts_with("Prepare") {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A transactional id, and its producer, or the other tenant's of the same id.
fn producer(world: &mut World) -> (&'static str, Producer) {
    let id = world.dice.pick(&IDS);
    let own = world.own.lock().transactions.get(id).copied();
    let producer = match world.dice.roll(6) {
        0 => world.foreign_producer(Some(id)),
        _ => own.unwrap_or(Producer { id: 0, epoch: 0 }),
    };
    (id, producer)
}

pub(crate) async fn add_partitions(world: &mut World) {
    let (id, producer) = producer(world);
    let topic = AddPartitionsToTxnTopic::default()
        .with_name(name(world.topic()))
        .with_partitions(vec![world.index()]);
    let old = AddPartitionsToTxnRequest::default();
    if world.dice.one_in(2) {
        let request = old
            .with_v3_and_below_transactional_id(transactional(id))
            .with_v3_and_below_producer_id(ProducerId(producer.id))
            .with_v3_and_below_producer_epoch(producer.epoch)
            .with_v3_and_below_topics(vec![topic]);
        world.ask(3, request).await;
        return;
    }
    // Only asks whether they are part of it, as brokers do.
    let transaction = AddPartitionsToTxnTransaction::default()
        .with_transactional_id(transactional(id))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_verify_only(world.dice.one_in(2))
        .with_topics(vec![topic]);
    let request = AddPartitionsToTxnRequest::default().with_transactions(vec![transaction]);
    world.ask(5, request).await;
}

pub(crate) async fn append(world: &mut World) {
    let (id, producer) = producer(world);
    let (topic, index) = (world.topic(), world.index());
    let topic_id = world.id(topic);
    let place = (producer, topic_id, index);
    let next = world.sequences.get(&place).copied().unwrap_or_default();
    let batch = BatchBuilder::new().producer(producer.id, producer.epoch, next).transactional();
    // By name: the partition must have been added; by id: it is added by the way (KIP-890).
    let target = if world.dice.one_in(2) { Ok(topic) } else { Err(topic_id) };
    let (version, request) = records::produce(target, index, batch, Some(id));
    let answer = world.ask(version, request).await;
    if records::code(&answer) == 0 {
        world.sequences.insert(place, next + 1);
    }
}

pub(crate) async fn commit_offsets(world: &mut World) {
    let (id, producer) = producer(world);
    let group = group(world.dice.pick(&["readers", "mover"]));
    if world.dice.one_in(2) {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(transactional(id))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_group_id(group.clone());
        world.ask(4, request).await;
    }
    let partition = TxnOffsetCommitRequestPartition::default()
        .with_partition_index(world.index())
        .with_committed_offset(world.dice.roll(100) as i64)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(text("a note")));
    let topic = TxnOffsetCommitRequestTopic::default()
        .with_name(name(world.topic()))
        .with_partitions(vec![partition]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(transactional(id))
        .with_group_id(group)
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_generation_id(-1)
        .with_topics(vec![topic]);
    let version = world.dice.pick(&[3, 5]);
    world.ask(version, request).await;
}

pub(crate) async fn end(world: &mut World) {
    let (id, producer) = producer(world);
    let version = world.dice.pick(&[4, 5]);
    let request = EndTxnRequest::default()
        .with_transactional_id(transactional(id))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_committed(world.dice.one_in(2));
    let answer = world.ask(version, request).await;
    settle(world, id).await;
    if answer.error_code == 0 && version >= 5 {
        let next = Producer { id: answer.producer_id.0, epoch: answer.producer_epoch };
        world.own.lock().transactions.insert(id, next);
    }
}

/// What administrators see.
pub(crate) async fn administer(world: &mut World) {
    match world.dice.roll(3) {
        0 => {
            let request = DescribeTransactionsRequest::default();
            let ids = vec![transactional(world.dice.pick(&IDS)), transactional("nobody's")];
            // Topics come in the order of their ids, which are random.
            let sort = |answer: &mut DescribeTransactionsResponse, _: &mut Names| {
                for state in &mut answer.transaction_states {
                    state.topics.sort_by(|one, other| one.topic.cmp(&other.topic));
                }
            };
            world.ask_veiled(0, request.with_transactional_ids(ids), sort).await;
        }
        1 => {
            let mut request = ListTransactionsRequest::default().with_duration_filter(-1);
            if world.dice.one_in(3) {
                let foreign = world.foreign_producer(Some("mover"));
                request.producer_id_filters = vec![ProducerId(foreign.id)];
            }
            world.ask(1, request).await;
        }
        _ => {
            let topic = TopicRequest::default()
                .with_name(name(world.topic()))
                .with_partition_indexes(vec![0, world.index()]);
            // Producers come in no order.
            let sort = |answer: &mut DescribeProducersResponse, names: &mut Names| {
                for partition in answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                    let key =
                        |producer: &ProducerState| names.replace(&producer.producer_id.to_string());
                    partition.active_producers.sort_by_cached_key(key);
                }
            };
            let request = DescribeProducersRequest::default().with_topics(vec![topic]);
            world.ask_veiled(0, request, sort).await;
        }
    }
}
