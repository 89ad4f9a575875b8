//! What produces see while a partition is on its way from one owner to the next.

use std::time::Duration;

use metadata::model::NodeState;
use protocol::ErrorCode;
use protocol::messages::ProduceRequest;

use crate::produce::{outcome, produce};
use crate::support::{Cluster, EPOCH, Gateway, Seen, batch, eventually};

/// A gateway that holds produces for longer than any test needs.
async fn patient(cluster: &Cluster) -> Gateway {
    cluster.gateway_with(1, |config| config.produce_hold = Duration::from_secs(5)).await
}

#[tokio::test]
async fn nobody_waits_for_a_stuck_node_once_it_is_fenced() {
    let mut cluster = Cluster::start().await;
    cluster.serve_over_sockets().await;
    cluster.topic("orders", &[1, 2]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    cluster.nodes[0].produces.close();
    let sent = client.send(9, &produce("orders", &[(0, "a"), (1, "b")])).await;
    eventually("the produce has arrived", || cluster.nodes[0].produced().len() == 1).await;

    cluster.change_node(&gateway, 1, NodeState::Fenced, 1).await;
    // The node took the first batch and may have kept it (R44).
    let unknown = ErrorCode::RequestTimedOut.code();
    let response = client.receive::<ProduceRequest>(9, sent).await;
    assert_eq!(outcome(&response), [(0, unknown, -1), (1, 0, 0)]);
}

#[tokio::test]
async fn a_produce_waits_for_the_next_owner_and_what_follows_it_stays_behind_it() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = patient(&cluster).await;
    let mut client = gateway.client().await;
    cluster.change_node(&gateway, 1, NodeState::Fenced, 1).await;
    let first = client.send(9, &produce("orders", &[(0, "a")])).await;
    let second = client.send(9, &produce("orders", &[(0, "b")])).await;
    // If they arrive later nevertheless, they have nothing to wait for, and this proves less.
    tokio::time::sleep(Duration::from_millis(20)).await;

    let partition = Cluster::partition(topic, 0);
    cluster.reassign(&gateway, partition, 2, EPOCH + 1).await;
    for (offset, sent) in (0..).zip([first, second]) {
        let response = client.receive::<ProduceRequest>(9, sent).await;
        assert_eq!(outcome(&response), [(0, 0, offset)]);
    }
    assert!(cluster.nodes[0].seen().is_empty());
    let seen = cluster.nodes[1].seen();
    let (epoch, records) = (Some(EPOCH + 1), batch(&["a"]));
    assert!(seen.contains(&Seen::Produce { partition, epoch, records }));
    assert_eq!(cluster.nodes[1].produced(), [batch(&["a"]), batch(&["b"])]);
}

#[tokio::test]
async fn a_node_that_came_back_is_waited_for_until_it_serves() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = patient(&cluster).await;
    cluster.change_node(&gateway, 1, NodeState::Live, 2).await;
    let response = gateway.client().await.call(9, produce("orders", &[(0, "a")])).await;
    assert_eq!(outcome(&response), [(0, 0, 0)]);
    let partitions = vec![Cluster::partition(topic, 0)];
    assert_eq!(cluster.nodes[0].seen()[0], Seen::Open { partitions });
}

#[tokio::test]
async fn a_produce_that_found_no_owner_in_time_was_surely_not_appended() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1, 2]).await;
    let hold = Duration::from_millis(20);
    let gateway = cluster.gateway_with(1, |config| config.produce_hold = hold).await;
    cluster.change_node(&gateway, 1, NodeState::Fenced, 1).await;
    let request = produce("orders", &[(0, "a"), (1, "b")]);
    let response = gateway.client().await.call(9, request).await;
    let refused = ErrorCode::NotLeaderOrFollower.code();
    assert_eq!(outcome(&response), [(0, refused, -1), (1, 0, 0)]);
    assert!(cluster.nodes[0].seen().is_empty());
}

#[tokio::test]
async fn a_partition_that_moved_is_waited_for_once() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = patient(&cluster).await;
    let mut client = gateway.client().await;
    let response = client.call(9, produce("orders", &[(0, "a")])).await;
    assert_eq!(outcome(&response), [(0, 0, 0)]);
    assert_eq!(cluster.nodes[0].asked(), [], "nothing to wait for");

    let partition = Cluster::partition(topic, 0);
    cluster.reassign(&gateway, partition, 2, EPOCH + 1).await;
    for (offset, value) in [(1, "b"), (2, "c")] {
        let response = client.call(9, produce("orders", &[(0, value)])).await;
        assert_eq!(outcome(&response), [(0, 0, offset)]);
    }
    let asked = Seen::Open { partitions: vec![partition] };
    assert_eq!(cluster.nodes[1].asked(), std::slice::from_ref(&asked));
    assert_eq!(cluster.nodes[1].seen()[0], asked, "before anything was sent");
}
