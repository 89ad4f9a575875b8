//! ListOffsets and OffsetForLeaderEpoch: where in the log things are.
//!
//! By timestamp the answer is a record, not a batch: the one batch that may hold it is looked into.
//! Hot batches are in memory; for older ones this is the only read of the object store that a node
//! does for clients, one block at a time and few at once.

use std::sync::Arc;

use hop::HopHeader;
use protocol::ErrorCode;
use protocol::batch::{BatchView, batches, records};
use protocol::ids::{PartitionId, TopicId};
use protocol::messages::list_offsets_request::ListOffsetsPartition;
use protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
};
use segment::object::{read_footer, verify_block};
use segment::{Extent, Location, Store, StoreError};
use tokio::sync::Semaphore;

use crate::limits::TIMESTAMP_READS_MAX;
use crate::partition::{Partition, TimestampSearch};
use crate::partitions::Partitions;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

/// What Kafka answers where there is nothing.
const NONE: i64 = -1;

/// Reads blocks for searches by timestamp.
#[derive(Debug)]
pub(crate) struct TimestampReader {
    store: Store,
    /// Uploads come first: a burst of searches waits here, not at the store.
    permits: Semaphore,
}

/// An offset with what is known about its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    offset: i64,
    timestamp: i64,
    epoch: i32,
}

const NOTHING: Found = Found { offset: NONE, timestamp: NONE, epoch: -1 };

/// Answers a ListOffsets request. Every answer in it is final for somebody: a consumer that starts
/// at the latest offset skips all before it (R6).
pub(crate) async fn list_offsets(
    partitions: Arc<Partitions>,
    reader: Arc<TimestampReader>,
    header: HopHeader,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let mut owner = None;
    let mut found = Vec::new();
    for topic in &request.topics {
        let id = topic.name.parse::<TopicId>().ok();
        for wanted in &topic.partitions {
            let partition = id.and_then(|id| {
                partitions.find(PartitionId::new(header.tenant, id, wanted.partition_index))
            });
            found.push(match &partition {
                Some(partition) => list_one(partition, &reader, wanted).await,
                None => Err(ErrorCode::NotLeaderOrFollower),
            });
            owner = owner.or(partition);
        }
    }
    let mut found = proven(owner.as_deref(), found).await.into_iter();
    let topics = request.topics.into_iter().map(|topic| {
        let wanted = topic.partitions.iter().map(|wanted| wanted.partition_index);
        let answers = wanted.zip(&mut found).map(|(index, result)| answer(index, result));
        let answers = answers.collect();
        ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(answers)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// The answers, or that this node may not be the owner any more. `owner` is any partition of the
/// node: all share its front.
async fn proven<T>(
    owner: Option<&Partition>,
    answers: Vec<Result<T, ErrorCode>>,
) -> Vec<Result<T, ErrorCode>> {
    let Some(owner) = owner.filter(|_| answers.iter().any(Result::is_ok)) else { return answers };
    match owner.prove().await {
        Ok(()) => answers,
        Err(code) => answers.into_iter().map(|answer| answer.and(Err(code))).collect(),
    }
}

fn answer(index: i32, result: Result<Found, ErrorCode>) -> ListOffsetsPartitionResponse {
    let (code, found) = match result {
        Ok(found) => (ErrorCode::None, found),
        Err(code) => (code, NOTHING),
    };
    ListOffsetsPartitionResponse::default()
        .with_partition_index(index)
        .with_error_code(code.code())
        .with_timestamp(found.timestamp)
        .with_offset(found.offset)
        .with_leader_epoch(found.epoch)
}

async fn list_one(
    partition: &Partition,
    reader: &TimestampReader,
    wanted: &ListOffsetsPartition,
) -> Result<Found, ErrorCode> {
    let marks = partition.marks()?;
    partition.check_epoch(wanted.current_leader_epoch)?;
    let at = |offset| Found { offset, timestamp: NONE, epoch: partition.epoch_at(offset) };
    match wanted.timestamp {
        // Without transactions the last stable offset is the high watermark.
        LATEST => Ok(Found { epoch: partition.epoch(), ..at(marks.high_watermark) }),
        EARLIEST => Ok(at(marks.log_start)),
        MAX_TIMESTAMP => match partition.max_timestamp() {
            Some(timestamp) => reader.first_at_or_after(partition, timestamp).await,
            None => Ok(NOTHING),
        },
        // "Local" is what needs no read of the object store: the hot part.
        EARLIEST_LOCAL => Ok(at(marks.hot_floor.max(marks.log_start))),
        LATEST_TIERED if marks.uploaded_upto > marks.log_start => Ok(at(marks.uploaded_upto - 1)),
        LATEST_TIERED => Ok(NOTHING),
        timestamp if timestamp >= 0 => reader.first_at_or_after(partition, timestamp).await,
        _ => Err(ErrorCode::UnsupportedVersion),
    }
}

// === impl TimestampReader ===

impl TimestampReader {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, permits: Semaphore::new(TIMESTAMP_READS_MAX) }
    }

    /// The first record with a timestamp of at least `timestamp`.
    async fn first_at_or_after(
        &self,
        partition: &Partition,
        timestamp: i64,
    ) -> Result<Found, ErrorCode> {
        let log_start = partition.marks()?.log_start;
        let mut from = log_start;
        loop {
            let (found, next) = match partition.search_timestamp(timestamp, from) {
                TimestampSearch::Nowhere => return Ok(NOTHING),
                TimestampSearch::Hot(batch) => {
                    let view = BatchView::whole(&batch).expect("hot batches are whole");
                    (look_into(&view, timestamp), view.last_offset() + 1)
                }
                TimestampSearch::Cold(extent) => {
                    let found = self.look_into_extent(partition, &extent, timestamp, from).await;
                    let found = found.map_err(|error| {
                        tracing::warn!(partition = %partition.id(), %error, "timestamp search failed");
                        ErrorCode::KafkaStorageError
                    })?;
                    (found, extent.last_offset + 1)
                }
            };
            if let Some((offset, timestamp)) = found {
                // A log start inside a batch hides its first records.
                let offset = offset.max(log_start);
                return Ok(Found { offset, timestamp, epoch: partition.epoch_at(offset) });
            }
            // The header promised a timestamp that no record has: look further.
            from = next;
        }
    }

    async fn look_into_extent(
        &self,
        partition: &Partition,
        extent: &Extent,
        timestamp: i64,
        from: i64,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let Location::Run(key) = &extent.location else {
            return self.look_into_block(partition, extent, timestamp, from).await;
        };
        let footer = read_footer(&self.store, key).await?;
        for block in footer.blocks_of(partition.id(), key) {
            if block.last_offset < from || block.max_timestamp < timestamp {
                continue;
            }
            let found = self.look_into_block(partition, &block, timestamp, from).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    async fn look_into_block(
        &self,
        partition: &Partition,
        extent: &Extent,
        timestamp: i64,
        from: i64,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        let key = extent.location.key();
        let bytes = self.store.get_range(&key, extent.range()).await?;
        let block = verify_block(&bytes, partition.id(), extent.base_offset)
            .map_err(|error| StoreError::damaged(segment::store::Op::GetRange, &key, error))?;
        let found = batches(&block.batches)
            .filter_map(Result::ok)
            .filter(|batch| batch.last_offset() >= from && batch.max_timestamp() >= timestamp)
            .find_map(|batch| look_into(&batch, timestamp));
        Ok(found)
    }
}

/// The first record of a batch at or after `timestamp`. A batch that we cannot or will not inflate
/// counts as one record: its first offset is never too late for the consumer.
fn look_into(batch: &BatchView<'_>, timestamp: i64) -> Option<(i64, i64)> {
    if batch.max_timestamp() < timestamp {
        return None;
    }
    records::first_at_or_after(batch, timestamp)
        .unwrap_or_else(|_| Some((batch.base_offset(), batch.max_timestamp())))
}

/// Answers an OffsetForLeaderEpoch request (KIP-101, KIP-320). A consumer truncates by it (R6, C8).
pub(crate) async fn offset_for_leader_epoch(
    partitions: &Partitions,
    header: &HopHeader,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let mut owner = None;
    let mut found = Vec::new();
    for topic in &request.topics {
        let id = topic.topic.parse::<TopicId>().ok();
        for wanted in &topic.partitions {
            let partition = id.and_then(|id| {
                partitions.find(PartitionId::new(header.tenant, id, wanted.partition))
            });
            found.push(end_of_epoch(partition.as_deref(), wanted));
            owner = owner.or(partition);
        }
    }
    let mut found = proven(owner.as_deref(), found).await.into_iter();
    let topics = request.topics.into_iter().map(|topic| {
        let wanted = topic.partitions.iter().map(|wanted| wanted.partition);
        let answers = wanted.zip(&mut found).map(|(index, end)| answer_end(index, end));
        let answers = answers.collect();
        OffsetForLeaderTopicResult::default().with_partitions(answers).with_topic(topic.topic)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

/// The largest epoch at or below the wanted one and where it ends; `None` if nothing is known of it.
fn end_of_epoch(
    partition: Option<&Partition>,
    wanted: &OffsetForLeaderPartition,
) -> Result<Option<(i32, i64)>, ErrorCode> {
    let partition = partition.ok_or(ErrorCode::NotLeaderOrFollower)?;
    partition.marks()?;
    partition.check_epoch(wanted.current_leader_epoch)?;
    Ok(partition.end_of_epoch(wanted.leader_epoch))
}

fn answer_end(index: i32, end: Result<Option<(i32, i64)>, ErrorCode>) -> EpochEndOffset {
    let answer = EpochEndOffset::default().with_partition(index);
    match end {
        Ok(Some((epoch, end))) => answer.with_leader_epoch(epoch).with_end_offset(end),
        Ok(None) => answer.with_leader_epoch(-1).with_end_offset(NONE),
        Err(code) => {
            answer.with_error_code(code.code()).with_leader_epoch(-1).with_end_offset(NONE)
        }
    }
}
