//! Every answer in its newest form can be sent in every served version, and says the same there.

use bytes::Bytes;
use kafka_protocol::protocol::Decodable;

use super::*;
use crate::messages::describe_cluster_response::DescribeClusterBroker;
use crate::messages::describe_groups_response::DescribedGroup;
use crate::messages::find_coordinator_response::Coordinator;
use crate::messages::join_group_response::JoinGroupResponseMember;
use crate::messages::leave_group_response::MemberResponse;
use crate::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use crate::messages::metadata_response::MetadataResponseTopic;
use crate::messages::offset_fetch_response::{
    OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use crate::messages::{BrokerId, GroupId, TopicName};
use crate::versions::APIS;

const NOT_COORDINATOR: i16 = 16;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

/// Sends `response` in `version` and reads the body as the client would.
fn sent<M: Decodable>(response: &ClientResponse, version: i16) -> M {
    let frame = response.encode(version, 7).unwrap_or_else(|error| panic!("v{version}: {error}"));
    let header_version = response.header_version(version);
    let mut body = frame.into_bytes().slice(8 + usize::from(header_version >= 1)..);
    let message = M::decode(&mut body, version).unwrap();
    assert_eq!(body, Bytes::new(), "v{version}");
    message
}

fn versions(response: &ClientResponse) -> std::ops::RangeInclusive<i16> {
    let api = APIS.iter().find(|api| api.key == response.api()).expect("served");
    api.served_min..=api.max
}

#[test]
fn list_offsets_drops_the_epoch() {
    let partition = ListOffsetsPartitionResponse::default().with_offset(5).with_leader_epoch(3);
    let topic = ListOffsetsTopicResponse::default().with_partitions(vec![partition]);
    let response = ListOffsetsResponse::default().with_topics(vec![topic]).into();
    for version in versions(&response) {
        let read: ListOffsetsResponse = sent(&response, version);
        let partition = &read.topics[0].partitions[0];
        let epoch = if version < 4 { -1 } else { 3 };
        assert_eq!((partition.offset, partition.leader_epoch), (5, epoch), "v{version}");
    }
}

#[test]
fn metadata_drops_operations_and_names_the_nameless() {
    let topic =
        MetadataResponseTopic::default().with_topic_authorized_operations(8).with_name(None);
    let response = MetadataResponse::default()
        .with_cluster_authorized_operations(9)
        .with_topics(vec![topic])
        .into();
    for version in versions(&response) {
        let read: MetadataResponse = sent(&response, version);
        let asked = (8..=10).contains(&version);
        assert_eq!(read.cluster_authorized_operations, if asked { 9 } else { NOT_ASKED });
        let name = (version < 12).then(TopicName::default);
        assert_eq!(read.topics[0].name, name, "null is for version 12 and later");
    }
}

#[test]
fn one_coordinator_is_answered_in_the_old_place() {
    let coordinator = Coordinator::default()
        .with_key(text("billing"))
        .with_node_id(BrokerId(3))
        .with_host(text("host"))
        .with_port(9092)
        .with_error_code(NOT_COORDINATOR);
    let response =
        FindCoordinatorResponse::default().with_coordinators(vec![coordinator.clone()]).into();
    for version in versions(&response) {
        let read: FindCoordinatorResponse = sent(&response, version);
        if version < 4 {
            assert_eq!((read.node_id, read.host, read.port), (BrokerId(3), text("host"), 9092));
            assert_eq!(read.error_code, NOT_COORDINATOR);
        } else {
            assert_eq!(read.coordinators, std::slice::from_ref(&coordinator));
        }
    }
}

#[test]
fn one_groups_offsets_are_answered_in_the_old_place_with_its_error_in_each_partition() {
    let partition = OffsetFetchResponsePartitions::default()
        .with_partition_index(2)
        .with_committed_offset(40)
        .with_metadata(Some(text("note")));
    let topic = OffsetFetchResponseTopics::default()
        .with_name(TopicName(text("orders")))
        .with_partitions(vec![partition]);
    let group = OffsetFetchResponseGroup::default()
        .with_group_id(GroupId(text("billing")))
        .with_topics(vec![topic])
        .with_error_code(NOT_COORDINATOR);
    let response = OffsetFetchResponse::default().with_groups(vec![group]).into();
    for version in versions(&response) {
        let read: OffsetFetchResponse = sent(&response, version);
        if version < 8 {
            let partition = &read.topics[0].partitions[0];
            assert_eq!((partition.partition_index, partition.committed_offset), (2, 40));
            assert_eq!(partition.error_code, NOT_COORDINATOR, "v{version}");
            assert_eq!(read.error_code, if version < 2 { 0 } else { NOT_COORDINATOR });
        } else {
            assert_eq!(read.groups[0].error_code, NOT_COORDINATOR);
        }
    }
}

#[test]
fn a_returning_static_leader_is_never_asked_to_assign() {
    let member = JoinGroupResponseMember::default().with_member_id(text("me"));
    let response = JoinGroupResponse::default()
        .with_member_id(text("me"))
        .with_leader(text("me"))
        .with_skip_assignment(true)
        .with_protocol_name(None)
        .with_members(vec![member])
        .into();
    for version in versions(&response) {
        let read: JoinGroupResponse = sent(&response, version);
        let assigns = read.leader == read.member_id && !read.skip_assignment;
        assert!(!assigns, "v{version}");
        assert_eq!(read.protocol_name.is_none(), version >= 7, "null is for version 7 and later");
    }
}

#[test]
fn one_member_leaves_with_its_own_error() {
    let member =
        MemberResponse::default().with_member_id(text("me")).with_error_code(NOT_COORDINATOR);
    let response = LeaveGroupResponse::default().with_members(vec![member]).into();
    for version in versions(&response) {
        let read: LeaveGroupResponse = sent(&response, version);
        let of_member = read.members.first().map_or(0, |member| member.error_code);
        let expected = if version < 3 { (NOT_COORDINATOR, 0) } else { (0, NOT_COORDINATOR) };
        assert_eq!((read.error_code, of_member), expected, "v{version}");
    }
}

#[test]
fn an_unknown_group_is_a_dead_one_to_older_clients() {
    let group = DescribedGroup::default()
        .with_error_code(ErrorCode::GroupIdNotFound.code())
        .with_error_message(Some(text("no such group")))
        .with_authorized_operations(5);
    let response = DescribeGroupsResponse::default().with_groups(vec![group]).into();
    for version in versions(&response) {
        let read: DescribeGroupsResponse = sent(&response, version);
        let dead = read.groups[0].error_code == 0 && read.groups[0].group_state == *"Dead";
        assert_eq!(dead, version < 6, "v{version}");
    }
}

#[test]
fn describe_cluster_drops_what_came_later() {
    let broker = DescribeClusterBroker::default().with_is_fenced(true);
    let response =
        DescribeClusterResponse::default().with_endpoint_type(2).with_brokers(vec![broker]).into();
    for version in versions(&response) {
        let read: DescribeClusterResponse = sent(&response, version);
        assert_eq!(read.endpoint_type, if version < 1 { 1 } else { 2 });
        assert_eq!(read.brokers[0].is_fenced, version >= 2);
    }
}

#[test]
fn answers_in_the_old_form_pass_unchanged() {
    let find = FindCoordinatorResponse::default().with_node_id(BrokerId(4)).into();
    assert_eq!(sent::<FindCoordinatorResponse>(&find, 2).node_id, BrokerId(4));
    let leave = LeaveGroupResponse::default().with_error_code(NOT_COORDINATOR).into();
    assert_eq!(sent::<LeaveGroupResponse>(&leave, 1).error_code, NOT_COORDINATOR);
    let topic = OffsetFetchResponseTopic::default().with_name(TopicName(text("orders")));
    let fetch = OffsetFetchResponse::default().with_topics(vec![topic]).into();
    assert_eq!(sent::<OffsetFetchResponse>(&fetch, 3).topics.len(), 1);
}
