//! DescribeProducers: what a partition knows of those who write it, for whoever looks for a transaction
//! that hangs (KIP-664).

use std::sync::Arc;

use hop::HopHeader;
use protocol::ErrorCode;
use protocol::ids::{PartitionId, TopicId};
use protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};

use crate::partition::{ActiveProducer, Partition};
use crate::partitions::Partitions;

/// No transaction is open.
const NO_OFFSET: i64 = -1;

/// Answers a DescribeProducers request. That nothing is open is a final answer: whoever hears it looks
/// elsewhere (R6).
pub(crate) async fn describe(
    partitions: Arc<Partitions>,
    header: HopHeader,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let mut owner: Option<Arc<Partition>> = None;
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let id = topic.name.parse::<TopicId>().ok();
        let described = topic.partition_indexes.iter().map(|index| {
            let partition =
                id.and_then(|id| partitions.find(PartitionId::new(header.tenant, id, *index)));
            let found = partition.as_deref().ok_or(ErrorCode::NotLeaderOrFollower);
            let found = found.and_then(Partition::active_producers);
            owner = owner.take().or(partition);
            answer(*index, found)
        });
        let described = described.collect();
        topics.push(TopicResponse::default().with_name(topic.name).with_partitions(described));
    }
    // All partitions of a node share its front, so one proof is for all of them.
    if let Some(owner) = owner
        && let Err(code) = owner.prove().await
    {
        for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            *partition = answer(partition.partition_index, Err(code));
        }
    }
    DescribeProducersResponse::default().with_topics(topics)
}

fn answer(index: i32, found: Result<Vec<ActiveProducer>, ErrorCode>) -> PartitionResponse {
    let answer = PartitionResponse::default().with_partition_index(index);
    match found {
        Ok(producers) => {
            answer.with_active_producers(producers.into_iter().map(described).collect())
        }
        Err(code) => answer.with_error_code(code.code()),
    }
}

fn described(producer: ActiveProducer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.producer_id))
        .with_producer_epoch(i32::from(producer.producer_epoch))
        .with_last_sequence(producer.last_sequence)
        .with_last_timestamp(producer.last_timestamp)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(producer.txn_first_offset.unwrap_or(NO_OFFSET))
}
