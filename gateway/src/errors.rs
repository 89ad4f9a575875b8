//! The one place where failures become Kafka error codes, and where codes are found in answers.
//!
//! What a failed call to another role means depends on what was asked (R44): a write whose outcome
//! is unknown must say so, a read may be tried again by anybody, and each family of clients' code
//! understands other codes. Java's consumer, for one, throws on a REQUEST_TIMED_OUT in a fetch.

use hop::HopError;
use metadata::MetadataError;
use protocol::ErrorCode;
use protocol::response::ClientResponse;

/// A produce: not delivered is definite, anything else may have been appended.
pub(crate) fn of_write(error: &HopError) -> ErrorCode {
    let definite = error.is_definite() || process::mutation::on("R44");
    if definite { ErrorCode::NotLeaderOrFollower } else { ErrorCode::RequestTimedOut }
}

/// A read from a partition: harmless to repeat, on whoever the owner is by then.
pub(crate) fn of_read(error: &HopError) -> ErrorCode {
    if error.is_definite() { ErrorCode::NotLeaderOrFollower } else { ErrorCode::KafkaStorageError }
}

/// A group's request. Joins, syncs and heartbeats may be repeated by their client whatever became
/// of them, and clients give up on a code that does not name the coordinator.
pub(crate) fn of_group(error: &HopError) -> ErrorCode {
    if error.is_definite() { ErrorCode::NotCoordinator } else { ErrorCode::CoordinatorNotAvailable }
}

/// A request to control.
pub(crate) fn of_control(error: &HopError) -> ErrorCode {
    if error.is_definite() { ErrorCode::NotController } else { ErrorCode::RequestTimedOut }
}

/// The metadata store did not say whether something exists: neither yes nor no is true.
pub(crate) fn of_lookup(error: &MetadataError) -> ErrorCode {
    tracing::warn!(%error, "topic lookup failed");
    ErrorCode::LeaderNotAvailable
}

/// The first error in an answer, for metrics. `None` if all went well.
pub(crate) fn first_error(response: &ClientResponse) -> ErrorCode {
    codes(response).find(|code| *code != 0).map_or(ErrorCode::None, ErrorCode::from_code)
}

/// Every error code in an answer, outermost first.
fn codes(response: &ClientResponse) -> Box<dyn Iterator<Item = i16> + '_> {
    use ClientResponse as R;
    match response {
        R::Produce(_)
        | R::Fetch(_)
        | R::ListOffsets(_)
        | R::OffsetForLeaderEpoch(_)
        | R::DeleteRecords(_)
        | R::DescribeProducers(_) => codes_of_records(response),
        R::Metadata(r) => {
            let topics = r.topics.iter().map(|t| t.error_code);
            Box::new(std::iter::once(r.error_code).chain(topics))
        }
        R::CreateTopics(r) => Box::new(r.topics.iter().map(|t| t.error_code)),
        R::DeleteTopics(r) => Box::new(r.responses.iter().map(|t| t.error_code)),
        R::CreatePartitions(r) => Box::new(r.results.iter().map(|t| t.error_code)),
        R::SaslHandshake(r) => Box::new(std::iter::once(r.error_code)),
        R::SaslAuthenticate(r) => Box::new(std::iter::once(r.error_code)),
        R::ApiVersions(r) => Box::new(std::iter::once(r.error_code)),
        R::InitProducerId(r) => Box::new(std::iter::once(r.error_code)),
        R::DescribeCluster(r) => Box::new(std::iter::once(r.error_code)),
        R::OffsetCommit(_)
        | R::OffsetFetch(_)
        | R::OffsetDelete(_)
        | R::FindCoordinator(_)
        | R::JoinGroup(_)
        | R::SyncGroup(_)
        | R::Heartbeat(_)
        | R::LeaveGroup(_)
        | R::ConsumerGroupHeartbeat(_)
        | R::ConsumerGroupDescribe(_)
        | R::DescribeGroups(_)
        | R::ListGroups(_)
        | R::DeleteGroups(_) => codes_of_groups(response),
        R::AddPartitionsToTxn(_)
        | R::AddOffsetsToTxn(_)
        | R::EndTxn(_)
        | R::TxnOffsetCommit(_)
        | R::DescribeTransactions(_)
        | R::ListTransactions(_) => codes_of_transactions(response),
        R::DescribeConfigs(_)
        | R::AlterConfigs(_)
        | R::IncrementalAlterConfigs(_)
        | R::ListConfigResources(_)
        | R::DescribeTopicPartitions(_)
        | R::DescribeLogDirs(_)
        | R::AlterReplicaLogDirs(_)
        | R::ElectLeaders(_)
        | R::AlterPartitionReassignments(_)
        | R::ListPartitionReassignments(_)
        | R::DescribeUserScramCredentials(_)
        | R::AlterUserScramCredentials(_)
        | R::DescribeClientQuotas(_)
        | R::AlterClientQuotas(_)
        | R::DescribeAcls(_)
        | R::CreateAcls(_)
        | R::DeleteAcls(_) => codes_of_administration(response),
    }
}

/// The same for groups and their offsets.
fn codes_of_groups(response: &ClientResponse) -> Box<dyn Iterator<Item = i16> + '_> {
    use ClientResponse as R;
    match response {
        R::OffsetCommit(r) => {
            Box::new(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code))
        }
        R::OffsetFetch(r) => {
            let groups = r.groups.iter().map(|g| g.error_code);
            let of_groups = r.groups.iter().flat_map(|g| &g.topics).flat_map(|t| &t.partitions);
            let partitions = r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code);
            let nested = of_groups.map(|p| p.error_code).chain(partitions);
            Box::new(std::iter::once(r.error_code).chain(groups).chain(nested))
        }
        R::OffsetDelete(r) => {
            let partitions = r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code);
            Box::new(std::iter::once(r.error_code).chain(partitions))
        }
        R::FindCoordinator(r) => {
            let each = r.coordinators.iter().map(|c| c.error_code);
            Box::new(std::iter::once(r.error_code).chain(each))
        }
        R::LeaveGroup(r) => {
            let members = r.members.iter().map(|m| m.error_code);
            Box::new(std::iter::once(r.error_code).chain(members))
        }
        R::DescribeGroups(r) => Box::new(r.groups.iter().map(|g| g.error_code)),
        R::DeleteGroups(r) => Box::new(r.results.iter().map(|g| g.error_code)),
        R::JoinGroup(r) => Box::new(std::iter::once(r.error_code)),
        R::SyncGroup(r) => Box::new(std::iter::once(r.error_code)),
        R::Heartbeat(r) => Box::new(std::iter::once(r.error_code)),
        R::ListGroups(r) => Box::new(std::iter::once(r.error_code)),
        R::ConsumerGroupHeartbeat(r) => Box::new(std::iter::once(r.error_code)),
        R::ConsumerGroupDescribe(r) => Box::new(r.groups.iter().map(|g| g.error_code)),
        other => unreachable!("{:?} is not of these", other.api()),
    }
}

/// The same for records and offsets in the log.
fn codes_of_records(response: &ClientResponse) -> Box<dyn Iterator<Item = i16> + '_> {
    use ClientResponse as R;
    match response {
        R::Produce(r) => {
            Box::new(r.responses.iter().flat_map(|t| &t.partition_responses).map(|p| p.error_code))
        }
        R::Fetch(r) => {
            let partitions = r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code);
            Box::new(std::iter::once(r.error_code).chain(partitions))
        }
        R::ListOffsets(r) => {
            Box::new(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code))
        }
        R::OffsetForLeaderEpoch(r) => {
            Box::new(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code))
        }
        R::DeleteRecords(r) => {
            Box::new(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code))
        }
        R::DescribeProducers(r) => {
            Box::new(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code))
        }
        _ => Box::new(std::iter::empty()),
    }
}

/// The same for transactions.
fn codes_of_transactions(response: &ClientResponse) -> Box<dyn Iterator<Item = i16> + '_> {
    use ClientResponse as R;
    match response {
        R::AddPartitionsToTxn(r) => {
            let by_transaction = r.results_by_transaction.iter().flat_map(|t| &t.topic_results);
            let topics = by_transaction.chain(&r.results_by_topic_v3_and_below);
            let partitions = topics.flat_map(|t| &t.results_by_partition);
            let nested = partitions.map(|p| p.partition_error_code);
            Box::new(std::iter::once(r.error_code).chain(nested))
        }
        R::TxnOffsetCommit(r) => {
            Box::new(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code))
        }
        R::DescribeTransactions(r) => Box::new(r.transaction_states.iter().map(|t| t.error_code)),
        R::AddOffsetsToTxn(r) => Box::new(std::iter::once(r.error_code)),
        R::EndTxn(r) => Box::new(std::iter::once(r.error_code)),
        R::ListTransactions(r) => Box::new(std::iter::once(r.error_code)),
        other => unreachable!("{:?} is not of these", other.api()),
    }
}

/// The same for configs, placement and access.
fn codes_of_administration(response: &ClientResponse) -> Box<dyn Iterator<Item = i16> + '_> {
    use ClientResponse as R;
    match response {
        R::DescribeConfigs(r) => Box::new(r.results.iter().map(|c| c.error_code)),
        R::AlterConfigs(r) => Box::new(r.responses.iter().map(|c| c.error_code)),
        R::IncrementalAlterConfigs(r) => Box::new(r.responses.iter().map(|c| c.error_code)),
        R::ListConfigResources(r) => Box::new(std::iter::once(r.error_code)),
        R::DescribeTopicPartitions(r) => {
            let partitions = r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code);
            Box::new(r.topics.iter().map(|t| t.error_code).chain(partitions))
        }
        R::DescribeLogDirs(r) => {
            let dirs = r.results.iter().map(|dir| dir.error_code);
            Box::new(std::iter::once(r.error_code).chain(dirs))
        }
        R::AlterReplicaLogDirs(r) => {
            Box::new(r.results.iter().flat_map(|t| &t.partitions).map(|p| p.error_code))
        }
        R::ElectLeaders(r) => {
            let partitions = r.replica_election_results.iter().flat_map(|t| &t.partition_result);
            Box::new(std::iter::once(r.error_code).chain(partitions.map(|p| p.error_code)))
        }
        R::AlterPartitionReassignments(r) => {
            let partitions = r.responses.iter().flat_map(|t| &t.partitions).map(|p| p.error_code);
            Box::new(std::iter::once(r.error_code).chain(partitions))
        }
        R::ListPartitionReassignments(r) => Box::new(std::iter::once(r.error_code)),
        R::DescribeUserScramCredentials(r) => {
            let users = r.results.iter().map(|user| user.error_code);
            Box::new(std::iter::once(r.error_code).chain(users))
        }
        R::AlterUserScramCredentials(r) => Box::new(r.results.iter().map(|user| user.error_code)),
        R::DescribeClientQuotas(r) => Box::new(std::iter::once(r.error_code)),
        R::AlterClientQuotas(r) => Box::new(r.entries.iter().map(|entry| entry.error_code)),
        R::DescribeAcls(r) => Box::new(std::iter::once(r.error_code)),
        R::CreateAcls(r) => Box::new(r.results.iter().map(|acl| acl.error_code)),
        R::DeleteAcls(r) => Box::new(r.filter_results.iter().map(|filter| filter.error_code)),
        other => unreachable!("{:?} is not of these", other.api()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_surely_not_delivered_reads_as_definite_to_a_producer() {
        assert!(of_write(&HopError::Unreachable).definite());
        for open in [HopError::Lost, HopError::TimedOut, HopError::Protocol(String::new())] {
            assert!(!of_write(&open).definite(), "{open}");
        }
    }

    #[test]
    fn no_failed_call_reads_as_our_own_bug() {
        let errors = [
            HopError::Unreachable,
            HopError::Lost,
            HopError::TimedOut,
            HopError::Protocol("x".to_owned()),
        ];
        for error in errors {
            for code in [of_write(&error), of_read(&error), of_group(&error), of_control(&error)] {
                assert_ne!(code, ErrorCode::UnknownServerError);
                assert_ne!(code, ErrorCode::None);
            }
        }
    }
}
