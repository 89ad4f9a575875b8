//! Changes of the lists hold at once, and what a client may not see is not there for it.

use std::sync::Arc;

use metadata::settings::acl::{AclBinding, AclOperation as Op, PatternType, Permission};
use protocol::ErrorCode;
use protocol::messages::create_acls_request::AclCreation;
use protocol::messages::delete_acls_request::DeleteAclsFilter;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{
    CreateAclsRequest, CreateTopicsRequest, DeleteAclsRequest, DescribeAclsRequest,
    DescribeClusterRequest, DescribeGroupsRequest, MetadataRequest, create_topics_request,
};

use super::rows::{CLUSTER, GROUP, TOPIC};
use super::{ANONYMOUS, allow, enforced};
use crate::fetch::{at_once, fetch, fetched};
use crate::produce::{outcome, produce};
use crate::support::{Client, Cluster, Reach, name, text};

const DENIED: i16 = ErrorCode::TopicAuthorizationFailed as i16;

/// READ of a topic, in the terms of the protocol.
fn creation(topic: &str, pattern_type: i8) -> AclCreation {
    AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(text(topic))
        .with_resource_pattern_type(pattern_type)
        .with_principal(text(ANONYMOUS))
        .with_host(text("*"))
        .with_operation(3)
        .with_permission_type(3)
}

/// Entries about a topic, of any pattern that matches it.
fn matching(topic: &str) -> (DescribeAclsRequest, DeleteAclsFilter) {
    let (topic, any, matching) = (Some(text(topic)), 1, 2);
    let described = DescribeAclsRequest::default()
        .with_resource_type_filter(2)
        .with_resource_name_filter(topic.clone())
        .with_pattern_type_filter(matching)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(any)
        .with_permission_type(any);
    let deleted = DeleteAclsFilter::default()
        .with_resource_type_filter(2)
        .with_resource_name_filter(topic)
        .with_pattern_type_filter(matching)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(any)
        .with_permission_type(any);
    (described, deleted)
}

#[tokio::test]
async fn entries_are_created_shown_enforced_and_deleted_by_clients() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster
        .gateway_with(1, |config| {
            enforced(config);
            config.authorisation.allow_everyone_if_no_acl_found = true;
        })
        .await;
    let mut client = gateway.client().await;
    assert_eq!(read(&mut client).await, 0, "nothing is said about the topic");

    let creations = vec![creation("ord", 4), creation("*", 3), creation("bills", 3)];
    let created = CreateAclsRequest::default().with_creations(creations);
    let created = client.call(3, created).await;
    assert!(created.results.iter().all(|result| result.error_code == 0), "{created:?}");
    assert_eq!(read(&mut client).await, 0);
    let produced = client.call(9, produce("orders", &[(0, "a")])).await;
    assert_eq!(outcome(&produced)[0].1, DENIED, "only READ is allowed now");

    let (describe, delete) = matching("orders");
    let shown = client.call(3, describe.clone()).await;
    assert_eq!(shown.error_code, 0);
    let names: Vec<_> = shown.resources.iter().map(|of| of.resource_name.to_string()).collect();
    assert_eq!(names, ["*", "ord"]);
    assert_eq!(shown.resources[1].acls[0].principal.as_str(), ANONYMOUS);
    let unknown = describe.clone().with_operation(0);
    assert_eq!(client.call(3, unknown).await.error_code, ErrorCode::InvalidRequest.code());

    let deleted = client.call(3, DeleteAclsRequest::default().with_filters(vec![delete])).await;
    assert_eq!(deleted.filter_results[0].matching_acls.len(), 2);
    assert!(client.call(3, describe).await.resources.is_empty());
    let produced = client.call(9, produce("orders", &[(0, "a")])).await;
    assert_eq!(outcome(&produced)[0].1, 0, "nothing is said about the topic any more");
}

/// What a fetch of the topic says.
async fn read(client: &mut Client) -> i16 {
    let response = client.call(11, at_once(fetch("orders", &[(0, 0)]))).await;
    fetched(&response)[0].1
}

#[tokio::test]
async fn a_revocation_ends_what_a_session_reads() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway_with(1, enforced).await;
    let rights = [allow(Op::Read, TOPIC), allow(Op::Write, TOPIC)];
    cluster.set_acls(&gateway, &rights).await;
    let mut client = gateway.client().await;
    let first = client.call(11, at_once(fetch("orders", &[(0, 0)])).with_session_epoch(0)).await;
    assert_ne!(first.session_id, 0);

    cluster.set_acls(&gateway, &rights[1..]).await;
    let next = |epoch| {
        let mut request = at_once(fetch("orders", &[]));
        request.topics.clear();
        request.with_session_id(first.session_id).with_session_epoch(epoch)
    };
    for epoch in [1, 2] {
        let denied = client.call(11, next(epoch)).await;
        assert_eq!(fetched(&denied)[0].1, DENIED, "told each time");
    }
    cluster.set_acls(&gateway, &rights).await;
    let produced = client.call(9, produce("orders", &[(0, "a")])).await;
    assert_eq!(outcome(&produced)[0].1, 0);
    let again = client.call(11, next(3)).await;
    assert_eq!(fetched(&again)[0].2, ["a"], "the session goes on");
}

#[tokio::test]
async fn a_name_does_not_tell_whether_the_topic_exists() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway_with(1, enforced).await;
    let mut client = gateway.client().await;
    for version in [1, 9, 12] {
        let topics = ["orders", "nothing", "no topic"]
            .map(|topic| MetadataRequestTopic::default().with_name(Some(name(topic))));
        let request = MetadataRequest::default().with_topics(Some(topics.into()));
        let answer = client.call(version, request).await;
        for topic in &answer.topics {
            assert_eq!(topic.error_code, DENIED);
            assert!(topic.partitions.is_empty() && topic.topic_id.is_nil());
        }
    }
    for topic in ["orders", "nothing"] {
        let produced = client.call(9, produce(topic, &[(0, "a")])).await;
        assert_eq!(outcome(&produced)[0].1, DENIED);
        let read = client.call(11, at_once(fetch(topic, &[(0, 0)]))).await;
        assert_eq!(fetched(&read)[0].1, DENIED);
    }
}

#[tokio::test]
async fn a_produce_that_is_denied_and_wants_no_answer_ends_the_connection() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway_with(1, enforced).await;
    let mut client = gateway.client().await;
    client.send(9, &produce("orders", &[(0, "a")]).with_acks(0)).await;
    client.closed().await;
}

#[tokio::test]
async fn a_denial_beats_what_a_prefix_allows() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway_with(1, enforced).await;
    let mut client = gateway.client().await;
    let prefix = AclBinding {
        pattern_type: PatternType::Prefixed,
        resource_name: "ord".to_owned(),
        principal: "User:*".to_owned(),
        host: "*".to_owned(),
        ..allow(Op::Read, TOPIC)
    };
    cluster.set_acls(&gateway, std::slice::from_ref(&prefix)).await;
    assert_eq!(read(&mut client).await, 0);
    let denial = AclBinding { permission: Permission::Deny, ..allow(Op::Read, TOPIC) };
    cluster.set_acls(&gateway, &[prefix.clone(), denial.clone()]).await;
    assert_eq!(read(&mut client).await, DENIED);
    let elsewhere = AclBinding { host: "127.0.0.2".to_owned(), ..denial };
    cluster.set_acls(&gateway, &[prefix, elsewhere]).await;
    assert_eq!(read(&mut client).await, 0, "denied from another host only");
}

#[tokio::test]
async fn super_users_need_no_entries() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster
        .gateway_with(1, |config| {
            enforced(config);
            config.authorisation.super_users = vec![ANONYMOUS.to_owned()];
        })
        .await;
    let mut client = gateway.client().await;
    assert_eq!(read(&mut client).await, 0);
    let answer = client.call(3, matching("orders").0).await;
    assert_eq!(answer.error_code, 0);
}

#[tokio::test]
async fn authorised_operations_are_those_that_are_granted() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway_with(1, enforced).await;
    let mut client = gateway.client().await;
    let of = |operations: &[Op]| operations.iter().fold(0, |bits, op| bits | 1 << op.code());
    cluster
        .set_acls(
            &gateway,
            &[
                allow(Op::Read, TOPIC),
                allow(Op::AlterConfigs, TOPIC),
                allow(Op::Delete, GROUP),
                allow(Op::Create, CLUSTER),
            ],
        )
        .await;
    let metadata = MetadataRequest::default()
        .with_topics(None)
        .with_include_topic_authorized_operations(true)
        .with_include_cluster_authorized_operations(true);
    let answer = client.call(9, metadata).await;
    let topic = of(&[Op::Read, Op::Describe, Op::AlterConfigs, Op::DescribeConfigs]);
    assert_eq!(answer.topics[0].topic_authorized_operations, topic);
    assert_eq!(answer.cluster_authorized_operations, 0, "who may not describe it is told nothing");
    let groups = DescribeGroupsRequest::default()
        .with_groups(vec![text("g").into()])
        .with_include_authorized_operations(true);
    let group = client.call(5, groups).await.groups.remove(0);
    assert_eq!(group.authorized_operations, of(&[Op::Delete, Op::Describe]));

    cluster.set_acls(&gateway, &[allow(Op::Create, CLUSTER), allow(Op::Describe, CLUSTER)]).await;
    let request =
        DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
    let answer = client.call(1, request).await;
    assert_eq!(answer.cluster_authorized_operations, of(&[Op::Create, Op::Describe]));
}

#[tokio::test]
async fn who_creates_a_topic_need_not_see_its_configs() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway_with(1, enforced).await;
    let mut client = gateway.client().await;
    let create = |topic: &str| {
        let topic = create_topics_request::CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(2)
            .with_replication_factor(1);
        CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(9_000)
    };
    cluster.set_acls(&gateway, &[allow(Op::Create, CLUSTER)]).await;
    let created = client.call(7, create("orders")).await.topics.remove(0);
    assert_eq!((created.error_code, created.topic_config_error_code), (0, DENIED));
    assert_eq!((created.num_partitions, created.configs), (-1, None));

    let bills = (TOPIC.0, "bills");
    let rights = [allow(Op::Create, bills), allow(Op::DescribeConfigs, bills)];
    cluster.set_acls(&gateway, &rights).await;
    let created = client.call(7, create("bills")).await.topics.remove(0);
    assert_eq!((created.topic_config_error_code, created.num_partitions), (0, 2));
}

#[tokio::test]
async fn a_change_that_this_gateway_cannot_see_yet_is_no_success() {
    let mut cluster = Cluster::start().await;
    let reach = Reach::of(&cluster.store);
    let store: Arc<Reach> = Arc::clone(&reach);
    cluster.store = store;
    let gateway = cluster
        .gateway_with(1, |config| {
            enforced(config);
            config.authorisation.super_users = vec![ANONYMOUS.to_owned()];
        })
        .await;
    let mut client = gateway.client().await;
    let request = CreateAclsRequest::default().with_creations(vec![creation("orders", 3)]);
    let filters = vec![matching("orders").1];
    reach.set_away(true);
    let in_doubt = ErrorCode::RequestTimedOut.code();
    let created = client.call(3, request.clone()).await;
    assert_eq!(created.results[0].error_code, in_doubt);
    let deleted = DeleteAclsRequest::default().with_filters(filters);
    assert_eq!(client.call(3, deleted).await.filter_results[0].error_code, in_doubt);
    reach.set_away(false);
    assert_eq!(client.call(3, request).await.results[0].error_code, 0, "and may be tried again");
}
