//! Order on one connection: requests are started in order, answers leave in order (R45).

use std::sync::atomic::Ordering;

use protocol::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::{MetadataRequest, ProduceRequest};

use crate::produce::{outcome, produce};
use crate::support::{Cluster, batch, eventually};

#[tokio::test]
async fn an_answer_waits_for_the_answers_before_it() {
    let cluster = Cluster::start().await;
    cluster.topic("slow", &[1]).await;
    cluster.topic("fast", &[2]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    cluster.nodes[0].produces.close();

    let slow = client.send(9, &produce("slow", &[(0, "a")])).await;
    let fast = client.send(9, &produce("fast", &[(0, "b")])).await;
    let metadata = client.send(12, &MetadataRequest::default().with_topics(Some(Vec::new()))).await;
    eventually("the fast produce is appended", || cluster.nodes[1].produced().len() == 1).await;

    cluster.nodes[0].produces.open();
    // `receive` checks the correlation id: any other order fails.
    client.receive::<ProduceRequest>(9, slow).await;
    client.receive::<ProduceRequest>(9, fast).await;
    client.receive::<MetadataRequest>(12, metadata).await;
}

#[tokio::test]
async fn produces_reach_their_node_in_the_order_of_their_frames() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let values: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    let mut sent = Vec::new();
    for value in &values {
        sent.push(client.send(9, &produce("orders", &[(0, value)])).await);
    }
    for (offset, correlation) in (0..).zip(sent) {
        let response = client.receive::<ProduceRequest>(9, correlation).await;
        assert_eq!(outcome(&response), [(0, 0, offset)]);
    }
    let expected: Vec<_> = values.iter().map(|value| batch(&[value])).collect();
    assert_eq!(cluster.nodes[0].produced(), expected);
}

#[tokio::test]
async fn a_produce_to_a_topic_that_must_be_looked_up_is_not_overtaken() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    // The topic may or may not have reached the gateway's view when the frames do.
    cluster.topic("new", &[1]).await;
    let first = client.send(9, &produce("new", &[(0, "a")])).await;
    let second = client.send(9, &produce("new", &[(0, "b")])).await;
    let first = client.receive::<ProduceRequest>(9, first).await;
    let second = client.receive::<ProduceRequest>(9, second).await;
    assert_eq!((outcome(&first), outcome(&second)), (vec![(0, 0, 0)], vec![(0, 0, 1)]));
    assert_eq!(cluster.nodes[0].produced(), [batch(&["a"]), batch(&["b"])]);
}

#[tokio::test]
async fn after_a_move_a_produce_waits_for_those_sent_to_the_old_owner() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    cluster.nodes[0].produces.close();
    let first = client.send(9, &produce("orders", &[(0, "a")])).await;
    eventually("the first is under way", || cluster.nodes[0].produced().len() == 1).await;

    let partition = protocol::ids::PartitionId::new(TenantId::DEFAULT, topic, 0);
    cluster.reassign(&gateway, partition, 2, 6).await;
    let refused = ErrorCode::NotLeaderOrFollower.code();
    cluster.nodes[0].produce_error.store(refused, Ordering::SeqCst);
    let second = client.send(9, &produce("orders", &[(0, "b")])).await;
    eventually("the second is under way", || cluster.nodes[0].produced().len() == 2).await;
    // Another connection shows that the gateway has had time to err.
    gateway.client().await.call(12, MetadataRequest::default().with_topics(None)).await;
    assert!(cluster.nodes[1].seen().is_empty());

    cluster.nodes[0].produces.open();
    let first = client.receive::<ProduceRequest>(9, first).await;
    let second = client.receive::<ProduceRequest>(9, second).await;
    assert_eq!((outcome(&first), outcome(&second)), (vec![(0, 0, 0)], vec![(0, 0, 1)]));
    assert_eq!(cluster.nodes[1].produced(), [batch(&["b"])]);
}

#[tokio::test]
async fn a_client_that_sends_too_much_at_once_is_read_no_further() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway_with(1, |config| config.limits.requests_in_flight = 3).await;
    let mut client = gateway.client().await;
    cluster.nodes[0].produces.close();
    let mut sent = Vec::new();
    for value in ["a", "b", "c", "d", "e"] {
        sent.push(client.send(9, &produce("orders", &[(0, value)])).await);
    }
    eventually("three are under way", || cluster.nodes[0].produced().len() == 3).await;
    // The others have surely arrived by the time that a second client is served.
    gateway.client().await.call(12, MetadataRequest::default().with_topics(None)).await;
    assert_eq!(cluster.nodes[0].produced().len(), 3);

    cluster.nodes[0].produces.open();
    for correlation in sent {
        client.receive::<ProduceRequest>(9, correlation).await;
    }
    assert_eq!(cluster.nodes[0].produced().len(), 5);
}

#[tokio::test]
async fn a_request_above_the_bytes_in_flight_passes_alone() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster
        .gateway_with(1, |config| config.limits.bytes_in_flight = bytesize::ByteSize::kib(16))
        .await;
    let mut client = gateway.client().await;
    let large = "x".repeat(100_000);
    let first = client.send(9, &produce("orders", &[(0, &large)])).await;
    let second = client.send(9, &produce("orders", &[(0, &large)])).await;
    client.receive::<ProduceRequest>(9, first).await;
    client.receive::<ProduceRequest>(9, second).await;
    assert_eq!(cluster.nodes[0].produced().len(), 2);
}
