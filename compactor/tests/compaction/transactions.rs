//! Transactions whose records, markers and logs were compacted away.

use std::time::Duration;

use crate::coordinator::transactional;
use crate::harness::{Cluster, TestNode};
use crate::support::{manifest, reachable, rounds, scrubs_clean, stop};

async fn node(cluster: &Cluster) -> TestNode {
    let mut config = cluster.config(1);
    config.upload.interval = Duration::from_millis(5);
    let node = cluster.start(config).await;
    reachable(cluster, &node).await;
    node
}

/// T4: the logs that knew of them are let go, and the next owner finds in the producer snapshot what
/// was aborted and what is open (ADR 0020).
#[tokio::test]
async fn what_is_open_and_what_was_aborted_outlives_the_logs_that_knew() {
    let cluster = Cluster::new().await;
    let _coordinator = cluster.coordinator().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let first = node(&cluster).await;
    first.serving(&cluster, topic, 0).await;
    first.client.acked_transactional(topic, transactional(0, 0, "a")).await;
    first.client.end_transaction(topic, 0, false).await;
    first.client.acked_transactional(topic, transactional(0, 1, "b")).await;
    stop(&cluster, first).await;

    let second = node(&cluster).await;
    second.serving(&cluster, topic, 0).await;
    second.client.acked_transactional(topic, transactional(0, 2, "c")).await;
    second.uploaded(topic, 0, 4).await;
    let round = rounds(&cluster).round().await;
    assert_eq!((round.refused, round.failed), (0, 0));
    let compacted = manifest(&cluster, topic, 0).await;
    assert_eq!((compacted.chain.len(), compacted.compacted_upto), (1, 4));
    assert_eq!(second.client.committed_plan(topic, 0).await, (2, vec![0]));

    // A crash: no index of this incarnation, its footers only.
    let image = cluster.crash(1);
    drop(second);
    let third = cluster.start(image).await;
    third.serving(&cluster, topic, 0).await;
    let client = &third.client;
    assert_eq!(client.committed_plan(topic, 0).await, (2, vec![0]));
    assert_eq!(client.last_stable(topic).await, 2, "the second transaction is still open");
    client.end_transaction(topic, 0, false).await;
    assert_eq!(client.last_stable(topic).await, 5);
    assert_eq!(client.committed_plan(topic, 0).await, (4, vec![0, 2]));
    scrubs_clean(&cluster).await;
}
