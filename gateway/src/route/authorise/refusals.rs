//! Answers that are nothing but a refusal, with the error wherever Kafka puts it.

use std::collections::BTreeSet;

use protocol::ErrorCode;
use protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use protocol::messages::create_acls_response::AclCreationResult;
use protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use protocol::messages::{
    AddOffsetsToTxnResponse, AlterClientQuotasRequest, AlterClientQuotasResponse,
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse, ConsumerGroupHeartbeatResponse, CreateAclsResponse,
    DeleteAclsResponse, DescribeAclsResponse, DescribeClientQuotasResponse,
    DescribeLogDirsResponse, DescribeUserScramCredentialsResponse, ElectLeadersRequest,
    ElectLeadersResponse, EndTxnResponse, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupResponse, ListConfigResourcesResponse, ListPartitionReassignmentsResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteResponse, SyncGroupResponse,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use protocol::request::ClientRequest;
use protocol::response::ClientResponse;

use crate::route::producer_id;

/// First version of ElectLeaders that has a place for an error of the whole.
const ELECTION_ERROR_FROM: i16 = 1;

/// The refusal of `request`.
pub(super) fn of(request: &ClientRequest, version: i16, error: ErrorCode) -> ClientResponse {
    use ClientRequest as R;
    let code = error.code();
    match request {
        R::JoinGroup(r) => join(r, code).into(),
        R::SyncGroup(_) => SyncGroupResponse::default().with_error_code(code).into(),
        R::Heartbeat(_) => HeartbeatResponse::default().with_error_code(code).into(),
        R::LeaveGroup(_) => LeaveGroupResponse::default().with_error_code(code).into(),
        R::ConsumerGroupHeartbeat(_) => {
            ConsumerGroupHeartbeatResponse::default().with_error_code(code).into()
        }
        R::OffsetCommit(r) => offset_commit(r, code).into(),
        R::OffsetDelete(_) => OffsetDeleteResponse::default().with_error_code(code).into(),
        R::InitProducerId(_) => producer_id::failure(error).into(),
        R::EndTxn(_) => EndTxnResponse::default().with_error_code(code).into(),
        R::AddOffsetsToTxn(_) => AddOffsetsToTxnResponse::default().with_error_code(code).into(),
        R::TxnOffsetCommit(r) => txn_offset_commit(r, code).into(),
        R::DescribeAcls(_) => DescribeAclsResponse::default().with_error_code(code).into(),
        R::CreateAcls(r) => {
            let refused = AclCreationResult::default().with_error_code(code);
            CreateAclsResponse::default().with_results(vec![refused; r.creations.len()]).into()
        }
        R::DeleteAcls(r) => {
            let refused = DeleteAclsFilterResult::default().with_error_code(code);
            let refused = vec![refused; r.filters.len()];
            DeleteAclsResponse::default().with_filter_results(refused).into()
        }
        R::DescribeUserScramCredentials(_) => {
            DescribeUserScramCredentialsResponse::default().with_error_code(code).into()
        }
        R::DescribeClientQuotas(_) => {
            DescribeClientQuotasResponse::default().with_error_code(code).with_entries(None).into()
        }
        R::AlterClientQuotas(r) => alter_quotas(r, code).into(),
        R::AlterUserScramCredentials(r) => alter_credentials(r, code).into(),
        R::DescribeLogDirs(_) => DescribeLogDirsResponse::default().with_error_code(code).into(),
        R::AlterReplicaLogDirs(r) => alter_dirs(r, code).into(),
        R::ElectLeaders(r) => elect(r, version, code).into(),
        R::AlterPartitionReassignments(r) => reassign(r, code).into(),
        R::ListPartitionReassignments(_) => {
            ListPartitionReassignmentsResponse::default().with_error_code(code).into()
        }
        R::ListConfigResources(_) => {
            ListConfigResourcesResponse::default().with_error_code(code).into()
        }
        other => unreachable!("{:?} needs nothing as a whole", other.api()),
    }
}

fn join(request: &JoinGroupRequest, code: i16) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(code)
        .with_generation_id(-1)
        .with_protocol_name(None)
        .with_member_id(request.member_id.clone())
}

fn offset_commit(request: &OffsetCommitRequest, code: i16) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code)
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

fn txn_offset_commit(request: &TxnOffsetCommitRequest, code: i16) -> TxnOffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code)
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

fn alter_quotas(request: &AlterClientQuotasRequest, code: i16) -> AlterClientQuotasResponse {
    let entries = request.entries.iter().map(|entry| {
        let entity = entry.entity.iter().map(|part| {
            EntityData::default()
                .with_entity_type(part.entity_type.clone())
                .with_entity_name(part.entity_name.clone())
        });
        EntryData::default().with_error_code(code).with_entity(entity.collect())
    });
    AlterClientQuotasResponse::default().with_entries(entries.collect())
}

fn alter_credentials(
    request: &AlterUserScramCredentialsRequest,
    code: i16,
) -> AlterUserScramCredentialsResponse {
    let deleted = request.deletions.iter().map(|deletion| &deletion.name);
    let users: BTreeSet<_> = deleted.chain(request.upsertions.iter().map(|u| &u.name)).collect();
    let results = users.into_iter().map(|user| {
        AlterUserScramCredentialsResult::default().with_user(user.clone()).with_error_code(code)
    });
    AlterUserScramCredentialsResponse::default().with_results(results.collect())
}

fn alter_dirs(request: &AlterReplicaLogDirsRequest, code: i16) -> AlterReplicaLogDirsResponse {
    let topics = request.dirs.iter().flat_map(|dir| &dir.topics).map(|topic| {
        let partitions = topic.partitions.iter().map(|index| {
            AlterReplicaLogDirPartitionResult::default()
                .with_partition_index(*index)
                .with_error_code(code)
        });
        AlterReplicaLogDirTopicResult::default()
            .with_topic_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    AlterReplicaLogDirsResponse::default().with_results(topics.collect())
}

fn elect(request: &ElectLeadersRequest, version: i16, code: i16) -> ElectLeadersResponse {
    let topics = request.topic_partitions.iter().flatten().map(|topic| {
        let partitions = topic.partitions.iter().map(|index| {
            PartitionResult::default().with_partition_id(*index).with_error_code(code)
        });
        ReplicaElectionResult::default()
            .with_topic(topic.topic.clone())
            .with_partition_result(partitions.collect())
    });
    let response = ElectLeadersResponse::default().with_replica_election_results(topics.collect());
    if version < ELECTION_ERROR_FROM { response } else { response.with_error_code(code) }
}

fn reassign(
    request: &AlterPartitionReassignmentsRequest,
    code: i16,
) -> AlterPartitionReassignmentsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            ReassignablePartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code)
        });
        ReassignableTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    AlterPartitionReassignmentsResponse::default()
        .with_error_code(code)
        .with_responses(topics.collect())
}
