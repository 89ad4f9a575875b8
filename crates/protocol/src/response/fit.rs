//! An answer in the form of an API's newest version, made to fit an older one.
//!
//! Behind the gateway there is one version per API (R48), so answers come in the newest form, and
//! the generated encoders refuse a field that the client's version lacks. Here it is dropped or put
//! where older versions have it, with the meaning that Kafka gives it there. Answers that are
//! already in the older form pass unchanged.

use kafka_protocol::protocol::StrBytes;

use super::ClientResponse;
use crate::error::ErrorCode;
use crate::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
};
use crate::messages::{
    ConsumerGroupDescribeResponse, DescribeClusterResponse, DescribeGroupsResponse,
    FindCoordinatorResponse, JoinGroupResponse, LeaveGroupResponse, ListOffsetsResponse,
    MetadataResponse, OffsetCommitResponse, OffsetFetchResponse,
};

/// What Kafka sends when nobody asked for the authorized operations.
const NOT_ASKED: i32 = i32::MIN;

/// `response` in the form of `version`; `None` if it has it already. Only clients that speak an old
/// version pay for a copy.
pub(super) fn fitted(response: &ClientResponse, version: i16) -> Option<ClientResponse> {
    use ClientResponse as R;
    Some(match response {
        R::ListOffsets(r) if version < 4 => R::ListOffsets(list_offsets(r.clone())),
        R::Metadata(r) if outgrows(r, version) => R::Metadata(metadata(r.clone(), version)),
        R::FindCoordinator(r) if version < 4 => R::FindCoordinator(find_coordinator(r.clone())),
        R::OffsetCommit(r) if version < 9 => R::OffsetCommit(offset_commit(r.clone())),
        R::OffsetFetch(r) if version < 8 => R::OffsetFetch(offset_fetch(r.clone(), version)),
        R::JoinGroup(r) if version < 9 => R::JoinGroup(join_group(r.clone(), version)),
        R::LeaveGroup(r) if version < 3 => R::LeaveGroup(leave_group(r.clone())),
        R::DescribeGroups(r) if version < 6 => {
            R::DescribeGroups(describe_groups(r.clone(), version))
        }
        R::DescribeCluster(r) if version < 2 => {
            R::DescribeCluster(describe_cluster(r.clone(), version))
        }
        R::ConsumerGroupDescribe(r) if version < 1 => {
            R::ConsumerGroupDescribe(consumer_group_describe(r.clone()))
        }
        _ => return None,
    })
}

fn list_offsets(mut response: ListOffsetsResponse) -> ListOffsetsResponse {
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        partition.leader_epoch = -1;
    }
    response
}

/// GROUP_ID_NOT_FOUND came with KIP-848; before, a member of no known group had a wrong generation.
fn offset_commit(mut response: OffsetCommitResponse) -> OffsetCommitResponse {
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if partition.error_code == ErrorCode::GroupIdNotFound.code() {
            partition.error_code = ErrorCode::IllegalGeneration.code();
        }
    }
    response
}

/// Metadata can be large, and hardly ever says something that a version lacks.
fn outgrows(response: &MetadataResponse, version: i16) -> bool {
    let cluster =
        !(8..=10).contains(&version) && response.cluster_authorized_operations != NOT_ASKED;
    cluster
        || response.topics.iter().any(|topic| {
            (version < 12 && topic.name.is_none())
                || (version < 8 && topic.topic_authorized_operations != NOT_ASKED)
        })
}

fn metadata(mut response: MetadataResponse, version: i16) -> MetadataResponse {
    // DescribeCluster says it since KIP-700.
    if !(8..=10).contains(&version) {
        response.cluster_authorized_operations = NOT_ASKED;
    }
    for topic in &mut response.topics {
        if version < 12 {
            topic.name.get_or_insert_default();
        }
        if version < 8 {
            topic.topic_authorized_operations = NOT_ASKED;
        }
    }
    response
}

/// One coordinator per request before KIP-699.
fn find_coordinator(mut response: FindCoordinatorResponse) -> FindCoordinatorResponse {
    if let Some(first) = response.coordinators.drain(..).next() {
        response.error_code = first.error_code;
        response.error_message = first.error_message;
        response.node_id = first.node_id;
        response.host = first.host;
        response.port = first.port;
    }
    response
}

/// One group per request before KIP-709.
fn offset_fetch(mut response: OffsetFetchResponse, version: i16) -> OffsetFetchResponse {
    if let Some(first) = response.groups.drain(..).next() {
        response.error_code = if version < 2 { 0 } else { first.error_code };
        response.topics = topics_of(first);
    }
    response
}

/// A group's error is repeated in each of its partitions: version 1 has no other place for it, and
/// librdkafka looks for it there.
fn topics_of(group: OffsetFetchResponseGroup) -> Vec<OffsetFetchResponseTopic> {
    let group_error = group.error_code;
    let partition = |partition: OffsetFetchResponsePartitions| {
        let code = if partition.error_code == 0 { group_error } else { partition.error_code };
        OffsetFetchResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_committed_offset(partition.committed_offset)
            .with_committed_leader_epoch(partition.committed_leader_epoch)
            .with_metadata(partition.metadata)
            .with_error_code(code)
    };
    let topics = group.topics.into_iter().map(|topic| {
        OffsetFetchResponseTopic::default()
            .with_name(topic.name)
            .with_partitions(topic.partitions.into_iter().map(partition).collect())
    });
    topics.collect()
}

/// A static leader that comes back must not assign again (KIP-814). Older clients have no word for
/// that; they are told that somebody else leads, and only wait for their assignment.
fn join_group(mut response: JoinGroupResponse, version: i16) -> JoinGroupResponse {
    if std::mem::take(&mut response.skip_assignment) {
        response.leader = StrBytes::new();
        response.members.clear();
    }
    if version < 7 {
        response.protocol_name.get_or_insert_default();
    }
    response
}

/// One member per request before KIP-345.
fn leave_group(mut response: LeaveGroupResponse) -> LeaveGroupResponse {
    if let Some(first) = response.members.drain(..).next()
        && response.error_code == 0
    {
        response.error_code = first.error_code;
    }
    response
}

/// A group that does not exist was a dead one before KIP-1043.
fn describe_groups(mut response: DescribeGroupsResponse, version: i16) -> DescribeGroupsResponse {
    for group in &mut response.groups {
        group.error_message = None;
        if group.error_code == ErrorCode::GroupIdNotFound.code() {
            group.error_code = ErrorCode::None.code();
            group.group_state = StrBytes::from_static_str("Dead");
        }
        if version < 3 {
            group.authorized_operations = NOT_ASKED;
        }
    }
    response
}

/// Which protocol a member speaks is told since KIP-1099.
fn consumer_group_describe(
    mut response: ConsumerGroupDescribeResponse,
) -> ConsumerGroupDescribeResponse {
    for member in response.groups.iter_mut().flat_map(|group| &mut group.members) {
        member.member_type = -1;
    }
    response
}

fn describe_cluster(
    mut response: DescribeClusterResponse,
    version: i16,
) -> DescribeClusterResponse {
    if version < 1 {
        response.endpoint_type = DescribeClusterResponse::default().endpoint_type;
    }
    response.brokers.iter_mut().for_each(|broker| broker.is_fenced = false);
    response
}

#[cfg(test)]
mod tests;
