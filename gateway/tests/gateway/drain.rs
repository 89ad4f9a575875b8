//! Shutdown: nobody is sent here any more, nothing new is taken, what is under way is answered.

use std::time::Duration;

use protocol::messages::{FetchRequest, ProduceRequest};
use tokio::net::TcpStream;

use crate::fetch::fetch;
use crate::produce::{outcome, produce};
use crate::support::{Cluster, PATIENCE, eventually};

#[tokio::test]
async fn requests_under_way_are_answered_and_then_the_connection_ends() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    cluster.nodes[0].produces.close();
    let sent = client.send(9, &produce("orders", &[(0, "a")])).await;
    eventually("the produce is under way", || cluster.nodes[0].produced().len() == 1).await;

    gateway.drain.begin();
    cluster.nodes[0].produces.open();
    let response = client.receive::<ProduceRequest>(9, sent).await;
    assert_eq!(outcome(&response), [(0, 0, 0)]);
    client.closed().await;
    assert!(gateway.drain.finish(PATIENCE).await, "{:?}", gateway.drain.running());
}

#[tokio::test]
async fn a_fetch_that_waits_is_answered_at_once() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let sent = client.send(12, &fetch("orders", &[(0, 0)]).with_max_wait_ms(600_000)).await;
    eventually("the fetch waits", || !cluster.nodes[0].asked().is_empty()).await;
    gateway.drain.begin();
    client.receive::<FetchRequest>(12, sent).await;
    client.closed().await;
}

#[tokio::test]
async fn a_draining_gateway_is_not_named_and_takes_no_connections() {
    let cluster = Cluster::start().await;
    let (leaving, staying) = (cluster.gateway(1).await, cluster.gateway(2).await);
    let known = || staying.view.gateways().iter().map(|g| g.broker_id.0).collect::<Vec<_>>();
    eventually("both are known", || known() == [1, 2]).await;
    assert!(leaving.drain.finish(PATIENCE).await);
    eventually("one is forgotten", || known() == [2]).await;
    let connected = TcpStream::connect(leaving.address);
    let connected = tokio::time::timeout(Duration::from_secs(5), connected).await.unwrap();
    assert!(connected.is_err());
}

#[tokio::test]
async fn a_request_that_does_not_end_is_left_after_the_drain_timeout() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster
        .gateway_with(1, |config| {
            config.drain_timeout = Duration::from_millis(100);
            // Not even reading: all there may be is under way.
            config.limits.requests_in_flight = 1;
        })
        .await;
    let mut client = gateway.client().await;
    cluster.nodes[0].produces.close();
    client.send(9, &produce("orders", &[(0, "a")])).await;
    eventually("the produce is under way", || cluster.nodes[0].produced().len() == 1).await;
    assert!(gateway.drain.finish(PATIENCE).await, "{:?}", gateway.drain.running());
    client.closed().await;
}
