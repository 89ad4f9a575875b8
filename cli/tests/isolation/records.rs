//! Records: written, read, searched and deleted, by topics' names and ids.

use bytes::{Bytes, BytesMut};
use protocol::Request;
use protocol::batch::BatchBuilder;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{
    DeleteRecordsRequest, FetchRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest,
    ProduceRequest, ProduceResponse, TransactionalId,
};
use uuid::Uuid;

use crate::names::Names;
use crate::world::{Producer, World, name, text};

/// Fields of a batch's header: where they begin and end.
const LENGTH: std::ops::Range<usize> = 8..12;
const CRC: std::ops::Range<usize> = 17..21;
const ATTRIBUTES: std::ops::Range<usize> = 21..23;
const TIMESTAMPS: std::ops::Range<usize> = 27..43;
const PRODUCER: std::ops::Range<usize> = 43..51;

/// What marks the batches that coordinators write.
const CONTROL: u16 = 0x20;

/// One batch for one partition, by its topic's name or id, with whatever producer it has.
pub(crate) fn produce(
    topic: Result<&str, Uuid>,
    index: i32,
    batch: BatchBuilder,
    transaction: Option<&str>,
) -> (i16, ProduceRequest) {
    let records = batch.record(1_000, Some(b"key"), Some(b"value")).build();
    let data = PartitionProduceData::default().with_index(index).with_records(Some(records));
    let data = TopicProduceData::default().with_partition_data(vec![data]);
    let (version, data) = match topic {
        Ok(topic) => (11, data.with_name(name(topic))),
        Err(id) => (13, data.with_topic_id(id)),
    };
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(60_000)
        .with_transactional_id(transaction.map(|id| TransactionalId(text(id))))
        .with_topic_data(vec![data]);
    (version, request)
}

/// The code of the only partition of an answer.
pub(crate) fn code(answer: &ProduceResponse) -> i16 {
    answer.responses[0].partition_responses[0].error_code
}

/// Without a producer id, to one's own topic or the other tenant's.
pub(crate) async fn append(world: &mut World) {
    let (topic, index) = (world.topic(), world.index());
    let target = match world.dice.roll(5) {
        0 => Err(world.foreign_id(topic)),
        1 => Err(world.id(topic)),
        _ => Ok(topic),
    };
    let (version, request) = produce(target, index, BatchBuilder::new(), None);
    world.ask(version, request).await;
}

/// With the producer's own id, next in turn, once more, or out of turn; or with the other tenant's.
pub(crate) async fn append_idempotently(world: &mut World) {
    let (topic, index) = (world.topic(), world.index());
    let producer = match world.dice.one_in(6) {
        true => world.foreign_producer(None),
        false => world.own.lock().producer.unwrap(),
    };
    let place = (producer, world.id(topic), index);
    let next = world.sequences.get(&place).copied().unwrap_or_default();
    let sequence = match world.dice.roll(5) {
        0 => next - 1,
        1 => next + 3,
        _ => next,
    };
    let batch = BatchBuilder::new().producer(producer.id, producer.epoch, sequence.max(0));
    let (version, request) = produce(Ok(topic), index, batch, None);
    let answer = world.ask(version, request).await;
    if code(&answer) == 0 && sequence == next {
        world.sequences.insert(place, next + 1);
    }
}

/// Reads at random, without waiting; one's own topic or the other tenant's.
pub(crate) async fn fetch(world: &mut World) {
    let (topic, index) = (world.topic(), world.index());
    let wanted = FetchPartition::default()
        .with_partition(index)
        .with_fetch_offset(world.dice.pick(&[0, 0, 1, 5, 1_000_000]))
        .with_current_leader_epoch(-1)
        .with_last_fetched_epoch(-1)
        .with_partition_max_bytes(1 << 12);
    let wanted = FetchTopic::default().with_partitions(vec![wanted]);
    let (version, wanted) = match world.dice.roll(5) {
        0 => (16, wanted.with_topic_id(world.foreign_id(topic))),
        1 => (16, wanted.with_topic_id(world.id(topic))),
        _ => (12, wanted.with_topic(name(topic))),
    };
    // With a session (KIP-227) every few times: its id is random.
    let session_epoch = if world.dice.one_in(4) { 0 } else { -1 };
    let request = FetchRequest::default()
        .with_max_wait_ms(0)
        .with_max_bytes(1 << 20)
        .with_session_epoch(session_epoch)
        .with_isolation_level(world.dice.roll(2) as i8)
        .with_topics(vec![wanted]);
    let veil = |answer: &mut <FetchRequest as Request>::Response, names: &mut Names| {
        answer.session_id = answer.session_id.min(1);
        for partition in answer.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
            partition.records = partition.records.take().map(|records| veiled(&records, names));
        }
    };
    world.ask_veiled(version, request, veil).await;
}

/// Records without what depends on producers' ids and on when a coordinator wrote its markers.
fn veiled(records: &[u8], names: &mut Names) -> Bytes {
    let mut records = BytesMut::from(records);
    let mut rest = &mut records[..];
    while rest.len() > PRODUCER.end {
        let length: [u8; 4] = rest[LENGTH].try_into().unwrap();
        let length = LENGTH.end + u32::from_be_bytes(length) as usize;
        let (batch, after) = rest.split_at_mut(length.min(rest.len()));
        batch[CRC].fill(0);
        if u16::from_be_bytes(batch[ATTRIBUTES].try_into().unwrap()) & CONTROL != 0 {
            batch[TIMESTAMPS].fill(0);
        }
        let producer = i64::from_be_bytes(batch[PRODUCER].try_into().unwrap());
        let called = names.replace(&producer.to_string());
        let digits = called.bytes().filter(u8::is_ascii_digit);
        let number = digits.fold(0_i64, |number, digit| 10 * number + i64::from(digit - b'0'));
        batch[PRODUCER].copy_from_slice(&number.to_be_bytes());
        rest = after;
    }
    records.freeze()
}

pub(crate) async fn list_offsets(world: &mut World) {
    let (topic, index) = (world.topic(), world.index());
    let wanted = ListOffsetsPartition::default()
        .with_partition_index(index)
        .with_current_leader_epoch(-1)
        .with_timestamp(world.dice.pick(&[-1, -2, -3, -4, -5, 1, 1_000, 5_000]));
    let topic = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![wanted]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(world.dice.roll(2) as i8)
        .with_topics(vec![topic]);
    world.ask(9, request).await;
}

pub(crate) async fn end_of_epoch(world: &mut World) {
    let (topic, index) = (world.topic(), world.index());
    let wanted = OffsetForLeaderPartition::default()
        .with_partition(index)
        .with_current_leader_epoch(-1)
        .with_leader_epoch(world.dice.roll(4) as i32);
    let topic =
        OffsetForLeaderTopic::default().with_topic(name(topic)).with_partitions(vec![wanted]);
    let request = OffsetForLeaderEpochRequest::default().with_replica_id((-1).into());
    world.ask(4, request.with_topics(vec![topic])).await;
}

pub(crate) async fn delete(world: &mut World) {
    let (topic, index) = (world.topic(), world.index());
    let partition = DeleteRecordsPartition::default()
        .with_partition_index(index)
        .with_offset(world.dice.pick(&[0, 1, 2, -1]));
    let topic =
        DeleteRecordsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_timeout_ms(60_000);
    world.ask(2, request.with_topics(vec![topic])).await;
}

/// The producer that has no transactions; there is one, and it stays.
pub(crate) async fn prepare(world: &mut World) {
    let answer = crate::transactions::init(world, None).await;
    let producer = Producer { id: answer.producer_id.0, epoch: answer.producer_epoch };
    world.own.lock().producer = Some(producer);
}
