//! Metadata: gateways as brokers, topics as they are, and no "no" that is not true.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use protocol::ErrorCode;
use protocol::ids::TopicId;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{CreateTopicsRequest, MetadataRequest, MetadataResponse};

use crate::support::{Cluster, EPOCH, Gateway, eventually, id, name};

fn asking(topics: &[&str]) -> MetadataRequest {
    let topics =
        topics.iter().map(|topic| MetadataRequestTopic::default().with_name(Some(name(topic))));
    MetadataRequest::default().with_topics(Some(topics.collect()))
}

fn not_creating(topics: &[&str]) -> MetadataRequest {
    asking(topics).with_allow_auto_topic_creation(false)
}

/// Error by topic name.
fn topics(response: &MetadataResponse) -> BTreeMap<String, i16> {
    let topics = response.topics.iter();
    topics.map(|t| (t.name.as_ref().unwrap().to_string(), t.error_code)).collect()
}

async fn see_each_other(gateways: [&Gateway; 2]) {
    for gateway in gateways {
        eventually("both gateways are known", || gateway.view.gateways().len() == 2).await;
    }
}

#[tokio::test]
async fn partitions_are_spread_over_the_gateways_alike_whoever_is_asked() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1; 40]).await;
    let (one, two) = (cluster.gateway(1).await, cluster.gateway(2).await);
    see_each_other([&one, &two]).await;
    let first = one.client().await.call(12, asking(&["orders"])).await;
    let second = two.client().await.call(12, asking(&["orders"])).await;
    assert_eq!(first, second);

    let brokers = first.brokers.iter().map(|broker| (broker.node_id.0, broker.port));
    let expected = [(1, one.address.port().into()), (2, two.address.port().into())];
    assert_eq!(brokers.collect::<Vec<_>>(), expected);
    assert_eq!(first.controller_id.0, 1);
    assert_eq!(first.cluster_id.as_ref().unwrap().as_str(), "thermoclineTestCluster");
    let mut led = BTreeMap::<i32, usize>::new();
    for partition in &first.topics[0].partitions {
        *led.entry(partition.leader_id.0).or_default() += 1;
        assert_eq!(partition.leader_epoch, EPOCH);
        assert_eq!(partition.replica_nodes, [partition.leader_id]);
        assert_eq!(partition.isr_nodes, [partition.leader_id]);
    }
    assert_eq!(led.values().sum::<usize>(), 40);
    assert!(led.values().all(|count| *count > 5), "{led:?}");
}

#[tokio::test]
async fn null_means_all_topics_and_an_empty_list_none() {
    let cluster = Cluster::start().await;
    cluster.topic("a", &[1]).await;
    cluster.topic("b", &[2]).await;
    cluster.control.put_topic(protocol::ids::TenantId(2), "theirs", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let all = client.call(12, MetadataRequest::default().with_topics(None)).await;
    let names: Vec<_> = topics(&all).into_keys().collect();
    assert_eq!(names, ["a", "b"], "nothing internal, nothing of other tenants");
    assert!(client.call(1, asking(&[])).await.topics.is_empty());
    assert_eq!(client.call(0, asking(&[])).await.topics.len(), 2, "version 0 knows no null");
}

#[tokio::test]
async fn unknown_and_impossible_topics_are_told_apart() {
    let cluster = Cluster::start().await;
    cluster.topic("known", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let asked = not_creating(&["known", "unknown", "no such", "known"]);
    let response = gateway.client().await.call(12, asked).await;
    let expected = [
        ("known", ErrorCode::None),
        ("no such", ErrorCode::InvalidTopicException),
        ("unknown", ErrorCode::UnknownTopicOrPartition),
    ];
    let expected = expected.map(|(name, code)| (name.to_owned(), code.code()));
    assert_eq!(topics(&response), BTreeMap::from(expected));
    assert_eq!(response.topics.len(), 3, "each topic once");
    assert_eq!(cluster.control.created.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn topics_can_be_asked_for_by_id() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let by_id = |topic: TopicId| {
        let asked = MetadataRequestTopic::default().with_topic_id(id(topic)).with_name(None);
        MetadataRequest::default().with_topics(Some(vec![asked]))
    };
    let mut client = gateway.client().await;
    let found = client.call(12, by_id(topic)).await;
    assert_eq!(found.topics[0].name, Some(name("orders")));
    assert_eq!(found.topics[0].topic_id, id(topic));
    let missing = client.call(12, by_id(TopicId::random())).await;
    assert_eq!(missing.topics[0].error_code, ErrorCode::UnknownTopicId.code());
    assert_eq!(missing.topics[0].name, None);
}

#[tokio::test]
async fn a_topic_is_known_everywhere_once_it_exists() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    for number in 0..20 {
        let topic = format!("topic-{number}");
        // Not waiting for the gateway's view: it has to look by itself.
        cluster.topic(&topic, &[1]).await;
        let response = client.call(12, not_creating(&[&topic])).await;
        assert_eq!(topics(&response), BTreeMap::from([(topic, 0)]));
    }
}

#[tokio::test]
async fn asking_for_an_unknown_topic_creates_it_if_client_and_cluster_agree() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let created = client.call(12, asking(&["new", "bad name"])).await;
    let new = created.topics.iter().find(|topic| topic.name == Some(name("new"))).unwrap();
    assert_eq!((new.error_code, new.partitions.len()), (0, 3));
    assert_eq!(topics(&created)["bad name"], ErrorCode::InvalidTopicException.code());
    assert_eq!(topics(&client.call(3, asking(&["older"])).await)["older"], 0, "until version 3");
    assert_eq!(cluster.control.created.load(Ordering::SeqCst), 2);
    let strict = std::mem::take(&mut *cluster.control.strict.lock());
    assert_eq!(strict, [false, false], "no version of Metadata may be refused for a quota");
    for (version, expected) in [(5, false), (6, true)] {
        let topic = CreatableTopic::default().with_name(name("by-hand")).with_num_partitions(1);
        client.call(version, CreateTopicsRequest::default().with_topics(vec![topic])).await;
        assert_eq!(cluster.control.strict.lock().pop(), Some(expected), "version {version}");
    }

    let strict = cluster.gateway_with(2, |config| config.auto_create_topics = false).await;
    let refused = strict.client().await.call(12, asking(&["other"])).await;
    assert_eq!(topics(&refused)["other"], ErrorCode::UnknownTopicOrPartition.code());
}

#[tokio::test]
async fn a_partition_without_owner_has_no_leader() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 1]).await;
    let key = metadata::keys::Key::Partition(topic, 1);
    let txn = metadata::Txn::new().delete(key);
    assert!(cluster.store.txn(txn).await.unwrap().is_committed());
    let gateway = cluster.gateway(1).await;
    let response = gateway.client().await.call(12, asking(&["orders"])).await;
    let partitions = &response.topics[0].partitions;
    let codes: Vec<_> = partitions.iter().map(|partition| partition.error_code).collect();
    assert_eq!(codes, [0, ErrorCode::LeaderNotAvailable.code()]);
    assert_eq!((partitions[1].leader_id.0, partitions[1].leader_epoch), (-1, -1));
}

#[tokio::test]
async fn operations_are_shown_only_when_asked_for() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let silent = client.call(9, asking(&["orders"])).await;
    assert_eq!(silent.topics[0].topic_authorized_operations, i32::MIN);
    assert_eq!(silent.cluster_authorized_operations, i32::MIN);
    let asked = asking(&["orders"])
        .with_include_topic_authorized_operations(true)
        .with_include_cluster_authorized_operations(true);
    let shown = client.call(9, asked).await;
    assert!(shown.topics[0].topic_authorized_operations > 0);
    assert!(shown.cluster_authorized_operations > 0);
}

#[tokio::test]
async fn the_zone_of_a_gateway_is_its_rack() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway_with(1, |config| config.zone = "north".to_owned()).await;
    let response = gateway.client().await.call(12, asking(&[])).await;
    assert_eq!(response.brokers[0].rack.as_ref().unwrap().as_str(), "north");
}

/// KIP-1102: a client that knows how begins again at its bootstrap servers.
#[tokio::test]
async fn clients_can_be_told_to_begin_again() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let all = || MetadataRequest::default().with_topics(None);
    assert_eq!(client.call(13, all()).await.error_code, 0);
    gateway.handle.rebootstrap_clients();
    // Those that were connected are being disconnected.
    let mut client = gateway.client().await;
    let answer = client.call(13, all()).await;
    assert_eq!(answer.error_code, ErrorCode::RebootstrapRequired.code());
    assert!(answer.brokers.is_empty() && answer.topics.is_empty());
    assert_eq!(client.call(12, all()).await.topics.len(), 1, "it would not understand");
}
