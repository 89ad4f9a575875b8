//! DescribeLogDirs: the bytes of each partition that this node owns.
//!
//! What a partition takes in the object store, and of what is not there yet, in the front. A
//! partition that is not owned here is left out.

use protocol::ids::{PartitionId, TopicId};
use protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use crate::partitions::Partitions;

/// Answers a DescribeLogDirs request on behalf of `header`'s tenant.
pub(crate) fn describe(
    partitions: &Partitions,
    header: &hop::HopHeader,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let describe = |topic: DescribableLogDirTopic| {
        let id = topic.topic.parse::<TopicId>().ok()?;
        let sizes = topic.partitions.iter().filter_map(|index| {
            let partition = partitions.find(PartitionId::new(header.tenant, id, *index))?;
            let size = i64::try_from(partition.stored_bytes()).unwrap_or(i64::MAX);
            Some(
                DescribeLogDirsPartition::default()
                    .with_partition_index(*index)
                    .with_partition_size(size),
            )
        });
        let sizes = sizes.collect();
        Some(DescribeLogDirsTopic::default().with_name(topic.topic).with_partitions(sizes))
    };
    let topics = request.topics.unwrap_or_default().into_iter().filter_map(describe);
    let dir = DescribeLogDirsResult::default().with_topics(topics.collect());
    DescribeLogDirsResponse::default().with_results(vec![dir])
}
