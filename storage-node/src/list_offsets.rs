//! ListOffsets and OffsetForLeaderEpoch: where in the log things are.
//!
//! By timestamp the answer is a record, not a batch: the one batch that may hold it is looked into.
//! Hot batches are in memory. Below the floor the index only says where to look first, and a cold
//! reader looks: a node reads nothing from the object store for clients (DESIGN §5).

use std::sync::Arc;

use hop::{HopHeader, search_from};
use protocol::ErrorCode;
use protocol::batch::{BatchView, records};
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

use crate::partition::{Isolation, Partition, TimestampSearch};
use crate::partitions::Partitions;

const READ_COMMITTED: i8 = 1;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

/// What Kafka answers where there is nothing.
const NONE: i64 = -1;

/// What there is to say about one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// An offset with what is known about its record.
    Found { offset: i64, timestamp: i64, epoch: i32 },
    /// No record before `offset` has the time; who looks from there on must read the object store.
    Cold { offset: i64, timestamp: i64 },
}

const NOTHING: Answer = Answer::Found { offset: NONE, timestamp: NONE, epoch: -1 };

impl Answer {
    /// What is not decided is not there yet for who reads committed records only.
    fn below(self, visible_upto: i64) -> Self {
        let (Self::Found { offset, .. } | Self::Cold { offset, .. }) = self;
        if offset < visible_upto { self } else { NOTHING }
    }
}

/// Answers a ListOffsets request. Every answer in it is final for somebody: a consumer that starts
/// at the latest offset skips all before it (R6).
pub(crate) async fn list_offsets(
    partitions: Arc<Partitions>,
    header: HopHeader,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let isolation = match request.isolation_level {
        READ_COMMITTED => Isolation::ReadCommitted,
        _ => Isolation::ReadUncommitted,
    };
    let mut owner = None;
    let mut found = Vec::new();
    for topic in &request.topics {
        let id = topic.name.parse::<TopicId>().ok();
        for wanted in &topic.partitions {
            let partition = id.and_then(|id| {
                partitions.find(PartitionId::new(header.tenant, id, wanted.partition_index))
            });
            let known = partition.as_deref().ok_or(ErrorCode::NotLeaderOrFollower);
            found.push(known.and_then(|partition| list_one(partition, wanted, isolation)));
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

fn answer(index: i32, result: Result<Answer, ErrorCode>) -> ListOffsetsPartitionResponse {
    let (code, offset, timestamp, epoch) = match result {
        Ok(Answer::Found { offset, timestamp, epoch }) => {
            (ErrorCode::None, offset, timestamp, epoch)
        }
        Ok(Answer::Cold { offset, timestamp }) => {
            (ErrorCode::OffsetMovedToTieredStorage, offset, timestamp, -1)
        }
        Err(code) => (code, NONE, NONE, -1),
    };
    ListOffsetsPartitionResponse::default()
        .with_partition_index(index)
        .with_error_code(code.code())
        .with_timestamp(timestamp)
        .with_offset(offset)
        .with_leader_epoch(epoch)
}

fn list_one(
    partition: &Partition,
    wanted: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Answer, ErrorCode> {
    let marks = partition.marks()?;
    partition.check_epoch(wanted.current_leader_epoch)?;
    let at = |offset| {
        let epoch = partition.epoch_at(offset);
        Ok(Answer::Found { offset, timestamp: NONE, epoch })
    };
    let from = search_from::get(wanted).max(marks.log_start);
    let visible_upto = marks.visible_upto(isolation);
    match wanted.timestamp {
        LATEST => {
            let (offset, epoch) = (visible_upto, partition.epoch());
            Ok(Answer::Found { offset, timestamp: NONE, epoch })
        }
        EARLIEST => at(marks.log_start),
        MAX_TIMESTAMP => {
            let latest = partition.max_timestamp();
            let found = latest.map_or(NOTHING, |timestamp| search(partition, from, timestamp));
            Ok(found.below(visible_upto))
        }
        // "Local" is what needs no read of the object store: the hot part.
        EARLIEST_LOCAL => at(marks.hot_floor.max(marks.log_start)),
        LATEST_TIERED if marks.uploaded_upto > marks.log_start => at(marks.uploaded_upto - 1),
        LATEST_TIERED => Ok(NOTHING),
        timestamp if timestamp >= 0 => Ok(search(partition, from, timestamp).below(visible_upto)),
        _ => Err(ErrorCode::UnsupportedVersion),
    }
}

/// The first record from `from` on with a timestamp of at least `timestamp`.
fn search(partition: &Partition, mut from: i64, timestamp: i64) -> Answer {
    loop {
        let batch = match partition.search_timestamp(timestamp, from) {
            TimestampSearch::Nowhere => return NOTHING,
            TimestampSearch::Cold(offset) => return Answer::Cold { offset, timestamp },
            TimestampSearch::Hot(batch) => batch,
        };
        let batch = BatchView::whole(&batch).expect("hot batches are whole");
        if let Some((offset, timestamp)) = records::search_by_time(&batch, from, timestamp) {
            return Answer::Found { offset, timestamp, epoch: partition.epoch_at(offset) };
        }
        // The header promised a timestamp that no record has: look further.
        from = batch.last_offset() + 1;
    }
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
