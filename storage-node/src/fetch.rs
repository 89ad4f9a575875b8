//! Fetch from memory: slices of the blocks that were written, and the long poll.
//!
//! In: a fetch whose offsets the gateway believes to be at or above the hot floor.
//! Out: per partition its batches, its marks, or `OFFSET_MOVED_TO_TIERED_STORAGE` with the floor.
//! Never: a read of the object store. What is below the floor is a cold reader's work, so a
//! consumer that replays history takes nothing from producers here.

use std::sync::Arc;

use bytes::Bytes;
use hop::HopHeader;
use protocol::ErrorCode;
use protocol::fetch::{AbortedTransaction, FetchPartition, FetchResponse, FetchTopic};
use protocol::ids::{PartitionId, TopicId};
use protocol::messages::{FetchRequest, TopicName};
use tokio::time::{Duration, Instant, timeout_at};

use crate::limits::{FETCH_BYTES_MAX, FETCH_WAIT_MS_MAX, SMALL_BATCH_BYTES};
use crate::metrics;
use crate::partition::{
    FetchPosition, FetchWaiter, HotRead, Isolation, Marks, Partition, ReadLimit,
};
use crate::partitions::Partitions;

const READ_COMMITTED: i8 = 1;

/// One partition of the request.
struct Wanted {
    index: i32,
    bytes_max: usize,
    at: FetchPosition,
    /// `None` if this node does not serve it.
    partition: Option<Arc<Partition>>,
}

struct WantedTopic {
    id: TopicId,
    name: TopicName,
    partitions: Vec<Wanted>,
}

/// The request, looked up.
struct Fetch {
    topics: Vec<WantedTopic>,
    bytes_min: usize,
    bytes_max: usize,
    isolation: Isolation,
    wait: Duration,
}

/// What one look at all partitions gave.
struct Attempt {
    topics: Vec<FetchTopic>,
    bytes: usize,
    /// Something the client must hear now: an error, a cold partition, a limit that is reached.
    urgent: bool,
}

/// Answers a fetch: at once if there is enough, else when there is or the wait is over.
pub(crate) async fn fetch(
    partitions: Arc<Partitions>,
    header: HopHeader,
    request: FetchRequest,
) -> FetchResponse {
    let fetch = Fetch::new(&partitions, &header, request);
    let mut attempt = fetch.attempt();
    if !fetch.is_answered_by(&attempt) && !fetch.wait.is_zero() {
        let deadline = Instant::now() + fetch.wait;
        let sleeper = Sleeper::new(&fetch);
        loop {
            // Forget, then look, then sleep: nothing that arrives in between is missed.
            sleeper.waiter.restart();
            attempt = fetch.attempt();
            if fetch.is_answered_by(&attempt) {
                break;
            }
            let missing = (fetch.bytes_min - attempt.bytes) as u64;
            if timeout_at(deadline, sleeper.waiter.missing(missing)).await.is_err() {
                break;
            }
        }
    }
    fetch.prove(&mut attempt).await;
    metrics::fetched_hot(attempt.bytes);
    fetch.count(&attempt);
    FetchResponse { topics: attempt.topics, ..FetchResponse::default() }
}

// === impl Fetch ===

impl Fetch {
    fn new(open: &Partitions, header: &HopHeader, request: FetchRequest) -> Self {
        let bytes_max = to_usize(request.max_bytes).min(FETCH_BYTES_MAX);
        let wait_ms = u64::try_from(request.max_wait_ms).unwrap_or(0).min(FETCH_WAIT_MS_MAX);
        let isolation = match request.isolation_level {
            READ_COMMITTED => Isolation::ReadCommitted,
            _ => Isolation::ReadUncommitted,
        };
        let topics = request.topics.into_iter().map(|topic| {
            let id = TopicId(topic.topic_id);
            let partitions = topic.partitions.into_iter().map(|wanted| Wanted {
                index: wanted.partition,
                bytes_max: to_usize(wanted.partition_max_bytes),
                at: FetchPosition {
                    offset: wanted.fetch_offset,
                    current_epoch: wanted.current_leader_epoch,
                    last_fetched_epoch: wanted.last_fetched_epoch,
                    isolation,
                },
                partition: open.find(PartitionId::new(header.tenant, id, wanted.partition)),
            });
            WantedTopic { id, name: topic.topic, partitions: partitions.collect() }
        });
        Self {
            topics: topics.collect(),
            bytes_min: to_usize(request.min_bytes).min(bytes_max),
            bytes_max,
            isolation,
            // The deadline is when the asker gives up: answer before that.
            wait: Duration::from_millis(wait_ms).min(header.deadline),
        }
    }

    fn is_answered_by(&self, attempt: &Attempt) -> bool {
        attempt.urgent || attempt.bytes >= self.bytes_min
    }

    /// One look at every partition, in the order of the request.
    fn attempt(&self) -> Attempt {
        let mut attempt = Attempt { topics: Vec::new(), bytes: 0, urgent: false };
        for topic in &self.topics {
            let partitions =
                topic.partitions.iter().map(|wanted| self.read(wanted, &mut attempt)).collect();
            let (id, name) = (topic.id, topic.name.clone());
            attempt.topics.push(FetchTopic { id, name, partitions });
        }
        attempt
    }

    fn read(&self, wanted: &Wanted, attempt: &mut Attempt) -> FetchPartition {
        let Some(partition) = &wanted.partition else {
            attempt.urgent = true;
            return FetchPartition::error(wanted.index, ErrorCode::NotLeaderOrFollower);
        };
        let left = self.bytes_max.saturating_sub(attempt.bytes);
        let limit = ReadLimit {
            bytes: wanted.bytes_max.min(left),
            // KIP-74: the first batch of the answer comes whatever the limits say; the first of a
            // later partition may exceed the partition's limit, but not the request's.
            first_batch_bytes: if attempt.bytes == 0 { usize::MAX } else { left },
        };
        let (marks, read) = partition.fetch(wanted.at, limit);
        let mut answer = self.marked(wanted.index, marks);
        match read {
            HotRead::Records { slices, limited, aborted } => {
                if let Some(told) = &mut answer.aborted_transactions {
                    told.extend(aborted.iter().map(|aborted| AbortedTransaction {
                        producer_id: aborted.producer_id,
                        first_offset: aborted.first_offset,
                    }));
                }
                answer.records = joined(slices);
                attempt.bytes += answer.records_len();
                attempt.urgent |= limited;
            }
            HotRead::Cold => {
                metrics::redirected_to_cold();
                answer.error_code = ErrorCode::OffsetMovedToTieredStorage.code();
                attempt.urgent = true;
            }
            HotRead::Diverging { epoch, end_offset } => {
                answer.diverging_epoch = Some((epoch, end_offset));
                attempt.urgent = true;
            }
            HotRead::Refused(code) => {
                answer.error_code = code.code();
                attempt.urgent = true;
            }
        }
        answer
    }

    /// R6: a consumer resets its position for "out of range" and truncates for an end of an epoch, so
    /// only the owner may say so. Data needs no proof: what is durable never changes.
    async fn prove(&self, attempt: &mut Attempt) {
        let mut answers = attempt.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        let mut last_words: Vec<_> = answers.by_ref().filter(|answer| is_final(answer)).collect();
        // All partitions of a node share its front, so one proof is for all of them.
        let Some(partition) = self.partitions().next().filter(|_| !last_words.is_empty()) else {
            return;
        };
        if let Err(code) = partition.prove().await {
            for answer in &mut last_words {
                **answer = FetchPartition::error(answer.index, code);
            }
        }
    }

    /// What each partition handed out, for its load.
    fn count(&self, attempt: &Attempt) {
        for (topic, told) in self.topics.iter().zip(&attempt.topics) {
            for (wanted, answer) in topic.partitions.iter().zip(&told.partitions) {
                if let Some(partition) = &wanted.partition {
                    partition.counters().fetched(answer.records_len());
                }
            }
        }
    }

    fn marked(&self, index: i32, marks: Marks) -> FetchPartition {
        FetchPartition {
            high_watermark: marks.high_watermark,
            last_stable_offset: marks.last_stable_offset,
            log_start_offset: marks.log_start,
            hot_floor: marks.hot_floor,
            aborted_transactions: (self.isolation == Isolation::ReadCommitted).then(Vec::new),
            ..FetchPartition::new(index)
        }
    }

    fn partitions(&self) -> impl Iterator<Item = &Arc<Partition>> {
        let wanted = self.topics.iter().flat_map(|topic| &topic.partitions);
        wanted.filter_map(|wanted| wanted.partition.as_ref())
    }
}

fn is_final(answer: &FetchPartition) -> bool {
    answer.error_code == ErrorCode::OffsetOutOfRange.code() || answer.diverging_epoch.is_some()
}

/// A waiter registered with every partition of a fetch, until dropped.
struct Sleeper<'a> {
    fetch: &'a Fetch,
    waiter: Arc<FetchWaiter>,
}

impl<'a> Sleeper<'a> {
    fn new(fetch: &'a Fetch) -> Self {
        let waiter = Arc::new(FetchWaiter::default());
        for partition in fetch.partitions() {
            partition.add_waiter(&waiter, fetch.isolation);
        }
        Self { fetch, waiter }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        for partition in self.fetch.partitions() {
            partition.remove_waiter(&self.waiter);
        }
    }
}

/// Joins runs of small batches: a slice of its own costs more than copying its few bytes.
fn joined(slices: Vec<Bytes>) -> Vec<Bytes> {
    let small = |slice: &Bytes| slice.len() <= SMALL_BATCH_BYTES;
    let alike = |one: &Bytes, next: &Bytes| small(one) && small(next);
    let runs = slices.chunk_by(alike);
    runs.map(|run| match run {
        [alone] => alone.clone(),
        run => Bytes::from(run.concat()),
    })
    .collect()
}

/// Negative limits mean nothing.
fn to_usize(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_batches_are_joined_and_large_ones_are_passed_on_as_they_are() {
        let slice = |length: usize| Bytes::from(vec![length as u8; length]);
        let slices =
            vec![slice(10), slice(20), slice(9_000), slice(9_001), slice(30), slice(9_002)];
        let addresses: Vec<_> = slices.iter().map(|slice| slice.as_ptr()).collect();
        let before = slices.concat();
        let after = joined(slices);
        let lengths: Vec<_> = after.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [30, 9_000, 9_001, 30, 9_002]);
        assert_eq!(after.concat(), before);
        assert_eq!(after[1].as_ptr(), addresses[2], "not copied");
    }
}
