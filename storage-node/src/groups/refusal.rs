//! Answers for commands that no shard has carried out.
//!
//! Always retriable, and always with a line for each partition that was asked about: librdkafka
//! waits for ever on an error above an empty list (C4).

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::consumer_group_describe_response::DescribedGroup as DescribedConsumerGroup;
use protocol::messages::delete_groups_response::DeletableGroupResult;
use protocol::messages::describe_groups_response::DescribedGroup;
use protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use protocol::messages::{
    AddOffsetsToTxnResponse, ConsumerGroupHeartbeatResponse, EndTxnResponse, GroupId,
    HeartbeatResponse, InitProducerIdResponse, JoinGroupResponse, LeaveGroupResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteResponse, ProducerId, SyncGroupResponse,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};

use coordinator::{Command, Reply};

use super::shard::Refusal;

impl Refusal {
    /// What most APIs say.
    pub(super) fn code(self) -> ErrorCode {
        match self {
            Self::Loading => ErrorCode::CoordinatorLoadInProgress,
            Self::NotHere => ErrorCode::NotCoordinator,
            Self::Busy => ErrorCode::CoordinatorNotAvailable,
        }
    }
}

/// What is needed of a command to refuse it after it was handed on.
pub(super) enum Refusable {
    Join { member_id: StrBytes },
    Sync,
    Heartbeat,
    Leave,
    ConsumerHeartbeat,
    Commit(OffsetCommitResponse),
    DeleteOffsets,
    TxnCommit(TxnOffsetCommitResponse),
    InitProducer,
    AddPartitions { count: usize },
    AddOffsets,
    EndTxn,
}

impl Refusable {
    /// Of the commands that concern one group; `None` for the others.
    pub(super) fn of(command: &Command) -> Option<Self> {
        Some(match command {
            Command::JoinGroup(request) => Self::Join { member_id: request.member_id.clone() },
            Command::SyncGroup(_) => Self::Sync,
            Command::Heartbeat(_) => Self::Heartbeat,
            Command::LeaveGroup(_) => Self::Leave,
            Command::ConsumerGroupHeartbeat(_) => Self::ConsumerHeartbeat,
            Command::OffsetCommit(request, _) => Self::Commit(commit_shape(request)),
            Command::OffsetDelete(_) => Self::DeleteOffsets,
            Command::TxnOffsetCommit(request) => Self::TxnCommit(txn_commit_shape(request)),
            Command::InitProducerId(_) => Self::InitProducer,
            Command::AddPartitions(request) => {
                Self::AddPartitions { count: request.partitions.len() }
            }
            Command::AddOffsetsToTxn(_) => Self::AddOffsets,
            Command::EndTxn(..) => Self::EndTxn,
            Command::WriteMarker(_)
            | Command::MarkersWritten(_)
            | Command::DescribeTransactions(_)
            | Command::ListTransactions(_)
            | Command::OffsetFetch(_)
            | Command::DescribeGroups(_)
            | Command::ConsumerGroupDescribe(_)
            | Command::ListGroups(_)
            | Command::DeleteGroups(_) => return None,
        })
    }

    pub(super) fn refuse(self, refusal: Refusal) -> Reply {
        let code = refusal.code().code();
        match self {
            Self::Join { member_id } => {
                let response = JoinGroupResponse::default()
                    .with_protocol_name(None)
                    .with_member_id(member_id)
                    .with_error_code(code);
                Reply::JoinGroup(response)
            }
            // Clients do not expect LOAD_IN_PROGRESS here and give up. The rebalance is lost with
            // the old coordinator, so joining again is right.
            Self::Sync if refusal == Refusal::Loading => {
                let code = ErrorCode::RebalanceInProgress.code();
                Reply::SyncGroup(SyncGroupResponse::default().with_error_code(code))
            }
            Self::Sync => Reply::SyncGroup(SyncGroupResponse::default().with_error_code(code)),
            // Nor here. All sessions start afresh when the load is through (R42), so the member
            // has lost nothing.
            Self::Heartbeat if refusal == Refusal::Loading => {
                Reply::Heartbeat(HeartbeatResponse::default())
            }
            Self::Heartbeat => Reply::Heartbeat(HeartbeatResponse::default().with_error_code(code)),
            Self::Leave => Reply::LeaveGroup(LeaveGroupResponse::default().with_error_code(code)),
            // A member's session starts afresh when the load is through, as above; but the answer must
            // tell an epoch, and nobody knows it yet. Clients try again.
            Self::ConsumerHeartbeat => Reply::ConsumerGroupHeartbeat(
                ConsumerGroupHeartbeatResponse::default().with_error_code(code),
            ),
            Self::Commit(mut response) => {
                let topics = response.topics.iter_mut();
                for partition in topics.flat_map(|topic| &mut topic.partitions) {
                    partition.error_code = code;
                }
                Reply::OffsetCommit(response)
            }
            Self::DeleteOffsets => {
                Reply::OffsetDelete(OffsetDeleteResponse::default().with_error_code(code))
            }
            other => other.refuse_transactional(refusal.code()),
        }
    }

    /// The answer of a request about a transaction that failed with `code`.
    pub(super) fn refuse_transactional(self, code: ErrorCode) -> Reply {
        let number = code.code();
        match self {
            Self::TxnCommit(mut response) => {
                let topics = response.topics.iter_mut();
                for partition in topics.flat_map(|topic| &mut topic.partitions) {
                    partition.error_code = number;
                }
                Reply::TxnOffsetCommit(response)
            }
            Self::InitProducer => Reply::InitProducerId(
                InitProducerIdResponse::default()
                    .with_error_code(number)
                    .with_producer_id(ProducerId(-1))
                    .with_producer_epoch(-1),
            ),
            Self::AddPartitions { count } => Reply::AddPartitions(vec![code; count]),
            Self::AddOffsets => {
                Reply::AddOffsetsToTxn(AddOffsetsToTxnResponse::default().with_error_code(number))
            }
            Self::EndTxn => Reply::EndTxn(
                EndTxnResponse::default()
                    .with_error_code(number)
                    .with_producer_id(ProducerId(-1))
                    .with_producer_epoch(-1),
            ),
            _ => unreachable!("a request about a group"),
        }
    }
}

fn commit_shape(request: &OffsetCommitRequest) -> OffsetCommitResponse {
    let topic = |topic: &OffsetCommitRequestTopic| {
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetCommitResponsePartition::default().with_partition_index(partition.partition_index)
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    };
    OffsetCommitResponse::default().with_topics(request.topics.iter().map(topic).collect())
}

fn txn_commit_shape(request: &TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let topic = |topic: &TxnOffsetCommitRequestTopic| {
        let partitions = topic.partitions.iter().map(|partition| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    };
    TxnOffsetCommitResponse::default().with_topics(request.topics.iter().map(topic).collect())
}

pub(super) fn refuse_fetch(
    request: &OffsetFetchRequestGroup,
    code: ErrorCode,
) -> OffsetFetchResponseGroup {
    let topic = |topic: &OffsetFetchRequestTopics| {
        let partitions = topic.partition_indexes.iter().map(|index| {
            OffsetFetchResponsePartitions::default()
                .with_partition_index(*index)
                .with_committed_offset(-1)
                .with_committed_leader_epoch(-1)
                .with_metadata(Some(StrBytes::new()))
                .with_error_code(code.code())
        });
        OffsetFetchResponseTopics::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    };
    OffsetFetchResponseGroup::default()
        .with_group_id(request.group_id.clone())
        .with_topics(request.topics.iter().flatten().map(topic).collect())
        .with_error_code(code.code())
}

pub(super) fn refuse_description(group_id: &GroupId, code: ErrorCode) -> DescribedGroup {
    DescribedGroup::default().with_group_id(group_id.clone()).with_error_code(code.code())
}

pub(super) fn refuse_consumer_description(
    group_id: &GroupId,
    code: ErrorCode,
) -> DescribedConsumerGroup {
    DescribedConsumerGroup::default().with_group_id(group_id.clone()).with_error_code(code.code())
}

pub(super) fn refuse_deletion(group_id: &GroupId, code: ErrorCode) -> DeletableGroupResult {
    DeletableGroupResult::default().with_group_id(group_id.clone()).with_error_code(code.code())
}
