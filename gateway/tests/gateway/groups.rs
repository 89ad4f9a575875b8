//! Groups: every request reaches the node of its group, at whatever version it comes.

use std::sync::atomic::Ordering;

use protocol::ErrorCode;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, DeleteGroupsRequest,
    DescribeGroupsRequest, FindCoordinatorRequest, JoinGroupRequest, LeaveGroupRequest,
    ListGroupsRequest, ListTransactionsRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, OffsetFetchResponse,
};

use crate::support::{Client, Cluster, eventually, name, text};

fn commit(group: &str, topic: &str, offsets: &[(i32, i64)]) -> OffsetCommitRequest {
    let partitions = offsets.iter().map(|(index, offset)| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(*index)
            .with_committed_offset(*offset)
    });
    let topic = OffsetCommitRequestTopic::default()
        .with_name(name(topic))
        .with_partitions(partitions.collect());
    OffsetCommitRequest::default().with_group_id(text(group).into()).with_topics(vec![topic])
}

/// The next `tries` requests that clients do not repeat are refused by the group's coordinator.
fn refuse(cluster: &Cluster, tries: usize) {
    cluster.nodes.iter().for_each(|node| node.groups.loading.store(tries, Ordering::SeqCst));
}

/// A fetch of version 7 or older.
fn fetch_one(group: &str, topics: &[(&str, &[i32])]) -> OffsetFetchRequest {
    let topics = topics.iter().map(|(topic, indexes)| {
        OffsetFetchRequestTopic::default()
            .with_name(name(topic))
            .with_partition_indexes(indexes.to_vec())
    });
    OffsetFetchRequest::default()
        .with_group_id(text(group).into())
        .with_topics(Some(topics.collect()))
}

/// Topic, partition, offset and error.
fn offsets(response: &OffsetFetchResponse) -> Vec<(String, i32, i64, i16)> {
    let topics = response.topics.iter().flat_map(|topic| {
        let name = topic.name.to_string();
        topic
            .partitions
            .iter()
            .map(move |p| (name.clone(), p.partition_index, p.committed_offset, p.error_code))
    });
    topics.collect()
}

#[tokio::test]
async fn every_gateway_names_the_same_coordinator_and_it_is_a_gateway() {
    let cluster = Cluster::start().await;
    let (one, two) = (cluster.gateway(1).await, cluster.gateway(2).await);
    for gateway in [&one, &two] {
        eventually("both gateways are known", || gateway.view.gateways().len() == 2).await;
    }
    let mut seen = [false; 2];
    for number in 0..20 {
        let key = text(&format!("group-{number}"));
        let older = FindCoordinatorRequest::default().with_key(key.clone());
        let older = one.client().await.call(2, older).await;
        let newer = FindCoordinatorRequest::default().with_coordinator_keys(vec![key.clone()]);
        let newer = two.client().await.call(4, newer).await;
        let found = &newer.coordinators[0];
        assert_eq!((found.error_code, found.key.clone()), (0, key));
        assert_eq!((older.node_id, older.port), (found.node_id, found.port));
        let ports = [one.address.port(), two.address.port()];
        let at = usize::try_from(found.node_id.0 - 1).unwrap();
        assert_eq!(found.port, i32::from(ports[at]));
        seen[at] = true;
    }
    assert_eq!(seen, [true, true], "groups are spread");
}

#[tokio::test]
async fn coordinators_of_what_there_is_not_are_refused_for_good() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    for (key_type, expected) in [(1, ErrorCode::None), (2, ErrorCode::InvalidRequest)] {
        let request = FindCoordinatorRequest::default()
            .with_key_type(key_type)
            .with_coordinator_keys(vec![text("x")]);
        let found = client.call(4, request).await.coordinators.remove(0);
        assert_eq!(found.error_code, expected.code());
        assert_eq!(found.error_message.is_some(), expected != ErrorCode::None);
    }
}

#[tokio::test]
async fn clients_that_know_no_member_ids_join_with_the_one_they_are_given() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
    let request = JoinGroupRequest::default()
        .with_group_id(text("g").into())
        .with_session_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    for version in [0, 3] {
        let joined = client.call(version, request.clone()).await;
        assert_eq!((joined.error_code, joined.generation_id), (0, 1));
        assert_eq!(joined.member_id.as_str(), "member-1");
    }
    let told = client.call(4, request).await;
    assert_eq!(told.error_code, ErrorCode::MemberIdRequired.code());
    assert_eq!(told.member_id.as_str(), "member-1");
}

#[tokio::test]
async fn a_single_member_leaves_as_several_do() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let leaving = |member: &str| {
        LeaveGroupRequest::default().with_group_id(text("g").into()).with_member_id(text(member))
    };
    assert_eq!(client.call(2, leaving("m")).await.error_code, 0);
    let ghost = client.call(1, leaving("ghost")).await;
    assert_eq!(ghost.error_code, ErrorCode::UnknownMemberId.code());
    let members = ["m", "ghost"].map(|m| MemberIdentity::default().with_member_id(text(m)));
    let both =
        LeaveGroupRequest::default().with_group_id(text("g").into()).with_members(members.to_vec());
    let both = client.call(4, both).await;
    let codes: Vec<_> = both.members.iter().map(|member| member.error_code).collect();
    assert_eq!((both.error_code, codes), (0, vec![0, ErrorCode::UnknownMemberId.code()]));
}

/// Clients do not look at what they are answered then, and their partitions would be nobody's until
/// the session is over.
#[tokio::test]
async fn whoever_leaves_a_group_on_its_way_to_another_node_has_left() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    refuse(&cluster, 2);
    let leaving =
        LeaveGroupRequest::default().with_group_id(text("g").into()).with_member_id(text("m"));
    assert_eq!(client.call(2, leaving).await.error_code, 0);
    let heartbeat = |epoch| {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(text("g").into())
            .with_member_id(text("m"))
            .with_member_epoch(epoch)
    };
    for epoch in [-1, -2] {
        refuse(&cluster, 2);
        assert_eq!(client.call(1, heartbeat(epoch)).await.error_code, 0);
    }
}

/// librdkafka's admin client hands the refusal to the application.
#[tokio::test]
async fn a_group_on_its_way_to_another_node_is_described_when_it_is_there() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    client.call(8, commit("g", "orders", &[])).await;
    refuse(&cluster, 2);
    assert_eq!(describe(&mut client, 5, "g").await.0, 0);
    refuse(&cluster, 2);
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![text("g").into()]);
    assert_eq!(client.call(0, request).await.groups[0].error_code, 0);
}

#[tokio::test]
async fn offsets_and_groups_are_changed_when_their_group_is_at_another_node() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    refuse(&cluster, 2);
    let committed = client.call(8, commit("g", "orders", &[(0, 5)])).await;
    assert_eq!(committed.topics[0].partitions[0].error_code, 0);
    refuse(&cluster, 2);
    let offsets = OffsetDeleteRequest::default().with_group_id(text("g").into());
    assert_eq!(client.call(0, offsets).await.error_code, 0);
    refuse(&cluster, 2);
    let group = DeleteGroupsRequest::default().with_groups_names(vec![text("g").into()]);
    assert_eq!(client.call(2, group).await.results[0].error_code, 0);
}

/// What comes late would take the group back.
#[tokio::test]
async fn a_refused_commit_is_not_repeated_behind_the_next_one() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    refuse(&cluster, 1);
    let commits = [5, 6].map(|offset| commit("g", "orders", &[(0, offset)]));
    let mut codes = Vec::new();
    let sent = [client.send(8, &commits[0]).await, client.send(8, &commits[1]).await];
    for correlation in sent {
        let answer = client.receive::<OffsetCommitRequest>(8, correlation).await;
        codes.push(answer.topics[0].partitions[0].error_code);
    }
    assert_eq!(codes, [ErrorCode::CoordinatorLoadInProgress.code(), 0]);
    let fetched = client.call(5, fetch_one("g", &[("orders", &[0])])).await;
    assert_eq!(offsets(&fetched), [("orders".to_owned(), 0, 6, 0)]);
}

#[tokio::test]
async fn offsets_are_committed_by_name_and_kept_by_id() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let mut request = commit("g", "orders", &[(0, 10), (7, 11), (1, 12)]);
    request.topics.extend(commit("g", "nothing", &[(0, 1)]).topics);
    let committed = client.call(8, request).await;
    let codes = committed.topics.iter().flat_map(|topic| &topic.partitions);
    let codes: Vec<_> = codes.map(|p| (p.partition_index, p.error_code)).collect();
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(codes, [(0, 0), (7, unknown), (1, 0), (0, unknown)]);

    let some = fetch_one("g", &[("orders", &[1, 5]), ("nothing", &[0])]);
    let some = client.call(5, some).await;
    let expected = [("orders", 1, 12, 0), ("orders", 5, -1, 0), ("nothing", 0, -1, 0)];
    assert_eq!(offsets(&some), expected.map(|(t, i, o, e)| (t.to_owned(), i, o, e)));
    let all = fetch_one("g", &[]).with_topics(None);
    let all = client.call(5, all).await;
    assert_eq!(offsets(&all), [("orders".to_owned(), 0, 10, 0), ("orders".to_owned(), 1, 12, 0)]);

    // A topic that is deleted takes its offsets with it, also from the list of all.
    let key = metadata::keys::Key::Topic(protocol::ids::TenantId::DEFAULT, topic);
    assert!(cluster.store.txn(metadata::Txn::new().delete(key)).await.unwrap().is_committed());
    eventually("the topic is gone", || {
        gateway.view.topic_by_name(protocol::ids::TenantId::DEFAULT, "orders").is_none()
    })
    .await;
    let gone = client.call(5, fetch_one("g", &[]).with_topics(None)).await;
    assert_eq!(offsets(&gone), []);
}

#[tokio::test]
async fn several_groups_are_fetched_from_their_own_coordinators() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let groups: Vec<String> = (0..8).map(|number| format!("g{number}")).collect();
    for (offset, group) in (0..).zip(&groups) {
        client.call(8, commit(group, "orders", &[(0, offset)])).await;
    }
    assert!(cluster.nodes.iter().all(|node| !node.groups.names().is_empty()), "on both nodes");
    let asked = groups.iter().map(|group| {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(name("orders"))
            .with_partition_indexes(vec![0]);
        OffsetFetchRequestGroup::default()
            .with_group_id(text(group).into())
            .with_topics(Some(vec![topic]))
    });
    let request = OffsetFetchRequest::default().with_groups(asked.collect());
    let response = client.call(9, request).await;
    let offsets: Vec<_> = response
        .groups
        .iter()
        .map(|group| (group.group_id.to_string(), group.topics[0].partitions[0].committed_offset))
        .collect();
    let expected: Vec<_> = groups.into_iter().zip(0..).collect();
    assert_eq!(offsets, expected);
}

#[tokio::test]
async fn offset_fetch_waits_for_a_coordinator_that_is_loading() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    client.call(8, commit("g", "orders", &[(0, 42)])).await;
    refuse(&cluster, 3);
    let fetched = client.call(5, fetch_one("g", &[("orders", &[0])])).await;
    assert_eq!(offsets(&fetched), [("orders".to_owned(), 0, 42, 0)]);
}

#[tokio::test]
async fn what_remains_an_error_of_offset_fetch_is_said_of_every_partition() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    refuse(&cluster, usize::MAX);
    let request = fetch_one("g", &[("orders", &[0, 1])]);
    let response = gateway.client().await.call(5, request).await;
    let loading = ErrorCode::CoordinatorLoadInProgress.code();
    assert_eq!(response.error_code, loading);
    let codes: Vec<_> = offsets(&response).into_iter().map(|(.., code)| code).collect();
    assert_eq!(codes, [loading, loading]);
}

#[tokio::test]
async fn each_group_is_listed_by_the_gateway_that_coordinates_it() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let (one, two) = (cluster.gateway(1).await, cluster.gateway(2).await);
    for gateway in [&one, &two] {
        eventually("both gateways are known", || gateway.view.gateways().len() == 2).await;
    }
    let mut expected: Vec<String> = (0..12).map(|number| format!("g{number}")).collect();
    let mut client = one.client().await;
    for group in &expected {
        client.call(8, commit(group, "orders", &[(0, 1)])).await;
    }
    let mut listed = Vec::new();
    for client in [&mut client, &mut two.client().await] {
        let groups = client.call(4, ListGroupsRequest::default()).await.groups;
        assert!(!groups.is_empty());
        listed.extend(groups.into_iter().map(|group| group.group_id.to_string()));
    }
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected, "each exactly once");
}

#[tokio::test]
async fn there_is_no_list_while_a_coordinator_moves() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    assert_eq!(client.call(4, ListGroupsRequest::default()).await.error_code, 0);
    let moving = cluster.nodes[0].groups.shards.lock().pop().expect("it has some");
    let again = ErrorCode::CoordinatorLoadInProgress.code();
    let listed = client.call(4, ListGroupsRequest::default()).await;
    assert_eq!((listed.error_code, listed.groups.len()), (again, 0));
    let listed = client.call(0, ListTransactionsRequest::default()).await;
    assert_eq!((listed.error_code, listed.transaction_states.len()), (again, 0));
    cluster.nodes[1].groups.shards.lock().push(moving);
    assert_eq!(client.call(4, ListGroupsRequest::default()).await.error_code, 0);
}

async fn describe(client: &mut Client, version: i16, group: &str) -> (i16, String, i32) {
    let request = DescribeGroupsRequest::default()
        .with_groups(vec![text(group).into()])
        .with_include_authorized_operations(version >= 3);
    let group = client.call(version, request).await.groups.remove(0);
    (group.error_code, group.group_state.to_string(), group.authorized_operations)
}

#[tokio::test]
async fn an_unknown_group_is_dead_or_not_found_by_the_version_of_the_question() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    client.call(8, commit("g", "orders", &[(0, 1)])).await;
    assert_eq!(describe(&mut client, 0, "g").await, (0, "Stable".to_owned(), i32::MIN));
    let (code, state, operations) = describe(&mut client, 5, "none").await;
    assert_eq!((code, state.as_str()), (0, "Dead"));
    assert!(operations > 0);
    let (code, ..) = describe(&mut client, 6, "none").await;
    assert_eq!(code, ErrorCode::GroupIdNotFound.code());
}

#[tokio::test]
async fn groups_and_their_offsets_are_deleted() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let groups = vec![text("a").into(), text("b").into()];
    let deleted =
        client.call(2, DeleteGroupsRequest::default().with_groups_names(groups)).await.results;
    let deleted: Vec<_> = deleted.iter().map(|r| (r.group_id.to_string(), r.error_code)).collect();
    assert_eq!(deleted, [("a".to_owned(), 0), ("b".to_owned(), 0)]);

    let partitions =
        [0, 3].map(|index| OffsetDeleteRequestPartition::default().with_partition_index(index));
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(name("orders"))
        .with_partitions(partitions.to_vec());
    let request =
        OffsetDeleteRequest::default().with_group_id(text("a").into()).with_topics(vec![topic]);
    let response = client.call(0, request).await;
    let codes: Vec<_> = response.topics[0].partitions.iter().map(|p| p.error_code).collect();
    assert_eq!(codes, [0, ErrorCode::UnknownTopicOrPartition.code()]);
}
