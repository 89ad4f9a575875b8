//! Searches by time that lead below the hot floor.
//!
//! ```text
//! owner: not before offset 700, and from there on it is stored
//!   └─► plan from 700 ─► cold reader looks at the records ─┬─► found: the answer
//!                                                          └─► not before 900: the owner is asked
//!                                                              again, from there
//! ```
//!
//! The second way is rare: a producer wrote a largest timestamp that no record has, or what was
//! looked for was deleted. What a reader finds is true whoever owns the partition: everything before
//! it is stored and never changes. That there is nothing to find is the owner's to say (R6), so while
//! there is none the client is told to try again.

use futures::StreamExt as _;
use futures::stream;
use hop::internal::FoundRecord;
use hop::search_from;
use protocol::ErrorCode;
use protocol::ids::PartitionId;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use protocol::messages::{ListOffsetsRequest, TopicName};
use tokio::time::timeout;

use super::{CONSUMER, OffsetOfTime};
use crate::context::Context;
use crate::errors;
use crate::limits::{CALL_TIMEOUT, SEARCH_STEPS, SEARCH_TIMEOUT, SEARCHES_AT_ONCE};
use crate::route::cold::{self, Search, Searched};
use crate::route::spread::{self, PerPartition as _};

const READ_COMMITTED: i8 = 1;

/// Puts what is found in the place of every answer that says where to look.
pub(super) async fn find(
    context: &Context,
    isolation_level: i8,
    answers: &mut [(TopicName, Vec<ListOffsetsPartitionResponse>)],
) {
    let topics = answers.iter_mut();
    let referred = topics.flat_map(|(name, partitions)| {
        let name = &*name;
        let referrals = partitions.iter_mut().filter(|answer| is_referral(answer));
        referrals.map(move |answer| (name, answer))
    });
    let searches = referred.map(|(name, answer)| async move {
        let found = timeout(SEARCH_TIMEOUT, find_one(context, isolation_level, name, answer)).await;
        let index = answer.partition_index;
        *answer = match found.unwrap_or(Err(ErrorCode::KafkaStorageError)) {
            Ok(found) => found,
            Err(code) => OffsetOfTime::failure(index, code),
        };
    });
    let searches: Vec<_> = searches.collect();
    stream::iter(searches).buffer_unordered(SEARCHES_AT_ONCE).collect::<Vec<()>>().await;
}

/// Whether an owner says where to look instead of what is there.
fn is_referral(answer: &ListOffsetsPartitionResponse) -> bool {
    answer.error_code == ErrorCode::OffsetMovedToTieredStorage.code()
}

async fn find_one(
    context: &Context,
    isolation_level: i8,
    name: &TopicName,
    referral: &ListOffsetsPartitionResponse,
) -> Result<ListOffsetsPartitionResponse, ErrorCode> {
    let topic = context.catalogue.by_name(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let index = referral.partition_index;
    let partition = context.catalogue.partition(&topic, index);
    let partition = partition.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let mut at = Search {
        partition,
        offset: referral.offset,
        timestamp: referral.timestamp,
        read_committed: isolation_level == READ_COMMITTED,
    };
    for _ in 0..SEARCH_STEPS {
        match cold::search(context, at).await? {
            Searched::Found(record) => return Ok(answer(index, record)),
            Searched::NotBefore(offset) => at.offset = offset,
        }
        let said = ask_owner(context, isolation_level, at).await?;
        if !is_referral(&said) {
            return Ok(said);
        }
        at.offset = said.offset;
    }
    tracing::warn!(%partition, timestamp = at.timestamp, "search by time found no end");
    Err(ErrorCode::KafkaStorageError)
}

fn answer(index: i32, record: FoundRecord) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse::default()
        .with_partition_index(index)
        .with_offset(record.offset)
        .with_timestamp(record.timestamp)
        .with_leader_epoch(record.leader_epoch)
}

/// What the owner says from an offset on.
async fn ask_owner(
    context: &Context,
    isolation_level: i8,
    at: Search,
) -> Result<ListOffsetsPartitionResponse, ErrorCode> {
    let (node, _) = context.core.owner(at.partition).ok_or(ErrorCode::NotLeaderOrFollower)?;
    let question = question(isolation_level, at.partition, at.timestamp, at.offset);
    let said = context.ask(&node.address, CALL_TIMEOUT, question).await;
    let said = said.map_err(|error| errors::of_read(&error))?;
    let said = said.topics.into_iter().flat_map(|topic| topic.partitions).next();
    said.ok_or(ErrorCode::KafkaStorageError)
}

fn question(
    isolation_level: i8,
    partition: PartitionId,
    timestamp: i64,
    from: i64,
) -> ListOffsetsRequest {
    let mut wanted = ListOffsetsPartition::default()
        .with_partition_index(partition.index)
        // It was right when the owner was asked first.
        .with_current_leader_epoch(-1)
        .with_timestamp(timestamp);
    search_from::set(&mut wanted, from);
    let topic = ListOffsetsTopic::default()
        .with_name(spread::name_of(partition.topic))
        .with_partitions(vec![wanted]);
    ListOffsetsRequest::default()
        .with_replica_id(CONSUMER)
        .with_isolation_level(isolation_level)
        .with_topics(vec![topic])
}
