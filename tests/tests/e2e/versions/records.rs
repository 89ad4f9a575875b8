//! Records and offsets.

use process::Clock;
use protocol::ErrorCode;
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
    ProduceRequest,
};

use super::wire::Wire;
use super::world::{Topic, World, is};

/// First versions that name topics by their ids.
const PRODUCE_BY_ID: i16 = 13;
const FETCH_BY_ID: i16 = 13;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// Appends a record to partition 0; its offset.
pub(super) fn append(wire: &mut Wire, version: i16, topic: &Topic) -> i64 {
    let mut batch = BatchBuilder::new();
    batch.push(Clock::system().now_ms(), Some(b"key"), Some(b"value"));
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(batch.build()));
    let mut data = TopicProduceData::default().with_partition_data(vec![partition]);
    if version >= PRODUCE_BY_ID {
        data.topic_id = topic.id.0;
    } else {
        data.name = topic.name.clone();
    }
    let request =
        ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![data]);
    let answer = wire
        .settled(version, &request, |answer| answer.responses[0].partition_responses[0].error_code);
    let done = &answer.responses[0].partition_responses[0];
    is(ErrorCode::None, done.error_code);
    done.base_offset
}

pub(super) fn produce(world: &mut World, version: i16) {
    let first = append(&mut world.wire, version, &world.written);
    let second = append(&mut world.wire, version, &world.written);
    assert_eq!(second, first + 1);
}

pub(super) fn fetch(world: &mut World, version: i16) {
    let wanted = FetchPartition::default()
        .with_partition(0)
        .with_fetch_offset(World::RECORDS - 1)
        .with_current_leader_epoch(-1)
        .with_last_fetched_epoch(-1)
        .with_partition_max_bytes(1 << 20);
    let mut topic = FetchTopic::default().with_partitions(vec![wanted]);
    if version >= FETCH_BY_ID {
        topic.topic_id = world.filled.id.0;
    } else {
        topic.topic = world.filled.name.clone();
    }
    let request = FetchRequest::default()
        .with_max_wait_ms(1_000)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    let found = &answer.responses[0].partitions[0];
    is(ErrorCode::None, found.error_code);
    assert_eq!(found.high_watermark, World::RECORDS);
    assert_eq!(found.last_stable_offset, World::RECORDS);
    let records = found.records.as_ref().expect("records");
    // A batch begins with its offset.
    assert_eq!(records[..8], (World::RECORDS - 1).to_be_bytes());
}

pub(super) fn list_offsets(world: &mut World, version: i16) {
    for (timestamp, offset) in [(LATEST, World::RECORDS), (EARLIEST, 0), (1, 0)] {
        let wanted = ListOffsetsPartition::default()
            .with_partition_index(0)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default()
            .with_name(world.filled.name.clone())
            .with_partitions(vec![wanted]);
        let request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![topic])
            .with_timeout_ms(if version >= 10 { 10_000 } else { 0 });
        let answer = world.wire.ask(version, &request);
        let found = &answer.topics[0].partitions[0];
        is(ErrorCode::None, found.error_code);
        assert_eq!(found.offset, offset, "at {timestamp}");
    }
}

/// Each version deletes one record more.
pub(super) fn delete(world: &mut World, version: i16) {
    let topic = world.topic(&format!("trimmed-{version}"));
    append(&mut world.wire, PRODUCE_BY_ID, &topic);
    append(&mut world.wire, PRODUCE_BY_ID, &topic);
    let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(1);
    let topic =
        DeleteRecordsTopic::default().with_name(topic.name).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    let answer = world.wire.ask(version, &request);
    let done = &answer.topics[0].partitions[0];
    is(ErrorCode::None, done.error_code);
    assert_eq!(done.low_watermark, 1);
}

pub(super) fn end_of_epoch(world: &mut World, version: i16) {
    // The first epoch goes on; one far ahead ends nowhere.
    for (epoch, end) in [(0, World::RECORDS), (i32::MAX, -1)] {
        let wanted = OffsetForLeaderPartition::default()
            .with_partition(0)
            .with_current_leader_epoch(-1)
            .with_leader_epoch(epoch);
        let topic = OffsetForLeaderTopic::default()
            .with_topic(world.filled.name.clone())
            .with_partitions(vec![wanted]);
        let request = OffsetForLeaderEpochRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![topic]);
        let answer = world.wire.ask(version, &request);
        let found = &answer.topics[0].partitions[0];
        is(ErrorCode::None, found.error_code);
        assert_eq!(found.end_offset, end, "of epoch {epoch}");
    }
}
