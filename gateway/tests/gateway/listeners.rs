//! Several listeners: clients are told of the doors like the one they came by, and of no others.

use gateway::{Config, ListenerConfig};
use protocol::messages::{
    DescribeClusterRequest, FindCoordinatorRequest, MetadataRequest, MetadataResponse,
};

use crate::support::{Client, Cluster, Gateway, eventually, text};

/// Adds a listener to the default one.
fn with_listener(name: &str) -> impl FnOnce(&mut Config) {
    let listener = ListenerConfig {
        name: Some(name.to_owned()),
        bind: "127.0.0.1:0".to_owned(),
        advertised_host: Some(format!("{name}.example")),
        ..ListenerConfig::default()
    };
    |config| config.listeners.push(listener)
}

/// Two gateways of two listeners each, of which one name is common.
async fn gateways(cluster: &Cluster) -> [Gateway; 2] {
    let one = cluster.gateway_with(1, with_listener("INSIDE")).await;
    let two = cluster.gateway_with(2, with_listener("OUTSIDE")).await;
    for gateway in [&one, &two] {
        eventually("both gateways are known", || gateway.view.gateways().len() == 2).await;
    }
    [one, two]
}

fn brokers(metadata: &MetadataResponse) -> Vec<(i32, String, i32)> {
    let broker = |b: &protocol::messages::metadata_response::MetadataResponseBroker| {
        (b.node_id.0, b.host.to_string(), b.port)
    };
    metadata.brokers.iter().map(broker).collect()
}

#[tokio::test]
async fn clients_are_told_of_the_listeners_of_the_name_they_came_by() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1; 20]).await;
    let [one, two] = gateways(&cluster).await;
    let port = |gateway: &Gateway, listener: usize| i32::from(gateway.addresses[listener].port());

    let shown = one.client().await.call(12, MetadataRequest::default().with_topics(None)).await;
    let local = "127.0.0.1".to_owned();
    let expected = [(1, local.clone(), port(&one, 0)), (2, local, port(&two, 0))];
    assert_eq!(brokers(&shown), expected);

    let mut inside = Client::connect(one.addresses[1]).await;
    let shown = inside.call(12, MetadataRequest::default().with_topics(None)).await;
    assert_eq!(brokers(&shown), [(1, "INSIDE.example".to_owned(), port(&one, 1))]);
    let leaders = shown.topics.iter().flat_map(|t| &t.partitions).map(|p| p.leader_id.0);
    assert_eq!(leaders.collect::<Vec<_>>(), [1; 20], "led by gateways this client can reach");
}

#[tokio::test]
async fn cluster_and_coordinators_are_told_of_by_listener_too() {
    let cluster = Cluster::start().await;
    let [_one, two] = gateways(&cluster).await;
    let mut outside = Client::connect(two.addresses[1]).await;
    let port = i32::from(two.addresses[1].port());

    let request = DescribeClusterRequest::default().with_endpoint_type(1);
    let shown = outside.call(1, request).await;
    let brokers: Vec<_> =
        shown.brokers.iter().map(|b| (b.broker_id.0, b.host.as_str(), b.port)).collect();
    assert_eq!(brokers, [(2, "OUTSIDE.example", port)]);
    assert_eq!(shown.controller_id.0, 2);

    let keys = (0..10).map(|group| text(&format!("group-{group}"))).collect();
    let request = FindCoordinatorRequest::default().with_coordinator_keys(keys);
    for found in outside.call(4, request).await.coordinators {
        assert_eq!(
            (found.node_id.0, found.host.as_str(), found.port),
            (2, "OUTSIDE.example", port)
        );
    }
}
