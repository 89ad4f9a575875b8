//! Where replicas are, as far as clients may have a say: not at all.
//!
//! Any gateway serves any partition, so there is no leader to elect; control gives partitions to
//! storage nodes, which clients never see, so there is nothing to reassign; and all that is stored
//! is in one place. Tools that make these requests as a matter of routine get answers that are
//! true, and those that want a change are told why there is none.

use metadata::Topic;
use protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use protocol::messages::alter_replica_log_dirs_request::AlterReplicaLogDirTopic;
use protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, ElectLeadersRequest,
    ElectLeadersResponse, ListPartitionReassignmentsResponse, TopicName,
};
use protocol::{ErrorCode, StrBytes};

use super::log_dirs::LOG_DIR;
use super::metadata::Shown;
use crate::context::Context;

/// Kafka's `ElectionType`: of the preferred leader, or of any that is left.
const ELECTION_TYPES: std::ops::RangeInclusive<i8> = 0..=1;

/// First version of ElectLeaders that names a type, and has a place for an error.
const ELECTION_TYPE_FROM: i16 = 1;

/// Answers ElectLeaders.
pub(super) async fn elect(context: Context, request: ElectLeadersRequest) -> ElectLeadersResponse {
    if context.version >= ELECTION_TYPE_FROM && !ELECTION_TYPES.contains(&request.election_type) {
        let code = ErrorCode::InvalidRequest.code();
        return ElectLeadersResponse::default().with_error_code(code);
    }
    // Asked for all partitions, Kafka names only those that it has elected a leader for.
    let asked = request.topic_partitions.unwrap_or_default();
    look_again(&context, asked.iter().map(|topic| &topic.topic)).await;
    let results = asked.into_iter().map(|asked| {
        let topic = context.catalogue.by_name(&asked.topic);
        let partitions = asked.partitions.into_iter().map(|index| {
            let (code, text) = match exists(topic.as_deref(), index) {
                Ok(()) => (
                    ErrorCode::ElectionNotNeeded,
                    "Leader election not needed for topic partition.",
                ),
                Err(code) => (code, "No such partition."),
            };
            PartitionResult::default()
                .with_partition_id(index)
                .with_error_code(code.code())
                .with_error_message(Some(StrBytes::from_static_str(text)))
        });
        ReplicaElectionResult::default()
            .with_partition_result(partitions.collect())
            .with_topic(asked.topic)
    });
    ElectLeadersResponse::default().with_replica_election_results(results.collect())
}

/// Answers AlterPartitionReassignments: what is so already may stay so.
pub(super) async fn reassign(
    context: Context,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    look_again(&context, request.topics.iter().map(|topic| &topic.name)).await;
    let gateways = context.gateways();
    let shown = Shown { gateways: &gateways };
    let responses = request.topics.into_iter().map(|asked| {
        let topic = context.catalogue.by_name(&asked.name);
        let partitions = asked.partitions.iter().map(|wanted| {
            let answer = ReassignablePartitionResponse::default()
                .with_error_message(None)
                .with_partition_index(wanted.partition_index);
            match judge(&shown, topic.as_deref(), wanted) {
                Ok(()) => answer,
                Err((code, text)) => answer
                    .with_error_code(code.code())
                    .with_error_message(Some(StrBytes::from_static_str(text))),
            }
        });
        ReassignableTopicResponse::default()
            .with_partitions(partitions.collect())
            .with_name(asked.name)
    });
    AlterPartitionReassignmentsResponse::default()
        .with_allow_replication_factor_change(request.allow_replication_factor_change)
        .with_error_message(None)
        .with_responses(responses.collect())
}

fn judge(
    shown: &Shown<'_>,
    topic: Option<&Topic>,
    wanted: &ReassignablePartition,
) -> Result<(), (ErrorCode, &'static str)> {
    let unknown = (ErrorCode::UnknownTopicOrPartition, "The partition does not exist.");
    let topic = topic.ok_or(unknown)?;
    exists(Some(topic), wanted.partition_index).map_err(|_| unknown)?;
    let Some(replicas) = &wanted.replicas else {
        let text = "No partition reassignment is in progress.";
        return Err((ErrorCode::NoReassignmentInProgress, text));
    };
    if *replicas == shown.partition(topic, wanted.partition_index).replica_nodes {
        return Ok(());
    }
    let text = "Replicas cannot be chosen: every gateway serves every partition, and the cluster \
                places partitions by itself.";
    Err((ErrorCode::InvalidReplicaAssignment, text))
}

/// Answers ListPartitionReassignments: nothing that clients see ever moves.
pub(super) fn reassignments() -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default().with_error_message(None)
}

/// Answers AlterReplicaLogDirs: everything is in the one directory there is.
pub(super) async fn move_to_dirs(
    context: Context,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    let names = request.dirs.iter().flat_map(|dir| &dir.topics).map(|topic| &topic.name);
    look_again(&context, names).await;
    let results = request.dirs.iter().flat_map(|dir| {
        let is_there = dir.path.as_str() == LOG_DIR;
        let context = &context;
        dir.topics.iter().map(move |asked| move_topic(context, asked, is_there))
    });
    AlterReplicaLogDirsResponse::default().with_results(results.collect())
}

fn move_topic(
    context: &Context,
    asked: &AlterReplicaLogDirTopic,
    is_there: bool,
) -> AlterReplicaLogDirTopicResult {
    let topic = context.catalogue.by_name(&asked.name);
    let partitions = asked.partitions.iter().map(|index| {
        let code = match exists(topic.as_deref(), *index) {
            _ if !is_there => ErrorCode::LogDirNotFound,
            Ok(()) => ErrorCode::None,
            Err(code) => code,
        };
        AlterReplicaLogDirPartitionResult::default()
            .with_partition_index(*index)
            .with_error_code(code.code())
    });
    AlterReplicaLogDirTopicResult::default()
        .with_topic_name(asked.name.clone())
        .with_partitions(partitions.collect())
}

fn exists(topic: Option<&Topic>, index: i32) -> Result<(), ErrorCode> {
    match topic {
        Some(topic) if (0..topic.partitions()).contains(&index) => Ok(()),
        _ => Err(ErrorCode::UnknownTopicOrPartition),
    }
}

/// Looks at the store if some of these topics are not known here. A failure leaves them unknown,
/// which is retried by clients.
async fn look_again<'a>(context: &Context, mut names: impl Iterator<Item = &'a TopicName>) {
    if names.any(|name| context.catalogue.by_name(name).is_none()) {
        drop(context.catalogue.refresh().await);
    }
}
