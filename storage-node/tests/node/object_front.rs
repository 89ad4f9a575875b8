//! A node whose front is the object store: no disk, and the same promises.
//!
//! As in [`crate::crash`], the process that "crashed" lives on as a zombie; here nothing has to be
//! copied to take its log away from it.

use std::time::Duration;

use metadata::model::NodeState;
use protocol::ErrorCode;
use storage_node::config::WalKind;
use storage_node::{Config, NodeError};

use crate::crash::cold_values;
use crate::harness::{Cluster, PATIENCE, batch, error, sequenced};

const PRODUCER: (i64, i16) = (4000, 0);

fn config(cluster: &Cluster, node: i32) -> Config {
    let mut config = cluster.config(node);
    config.wal.kind = WalKind::Object;
    config.wal.path = "/nonexistent/never-used".into();
    config.wal.object.window = Duration::from_millis(10);
    config
}

fn numbers(count: i32) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash_without_a_disk() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let mut zombie_config = config(&cluster, 1);
    // Some of it is uploaded and trimmed by then, some uploaded only, some neither.
    zombie_config.upload.interval = Duration::from_millis(40);
    let zombie = cluster.start(zombie_config).await;
    zombie.serving(&cluster, topic, 0).await;
    assert_eq!(cluster.node_record(1).await.front, "object");
    for number in 0..50 {
        let records = sequenced(PRODUCER, number, &[&number.to_string()]);
        assert_eq!(zombie.client.acked(topic, 0, records).await, i64::from(number));
    }

    let node = cluster.start(config(&cluster, 1)).await;
    assert_eq!(node.serving(&cluster, topic, 0).await, 1);
    assert_eq!(cold_values(&cluster, &node, topic).await, numbers(50));
    for number in 45..50 {
        let again = sequenced(PRODUCER, number, &[&number.to_string()]);
        assert_eq!(node.client.acked(topic, 0, again).await, i64::from(number), "dedup");
    }
    let next = sequenced(PRODUCER, 50, &["50"]);
    assert_eq!(node.client.acked(topic, 0, next).await, 50, "the same offsets go on");

    // R6: it does not say where the log ends, nor that an offset is beyond it.
    let latest = zombie.client.list_offsets(topic, 0, -1).await;
    assert_eq!(error(latest.error_code), ErrorCode::NotLeaderOrFollower);
    let beyond = zombie.client.fetch(topic, 0, 1_000).send().await;
    assert_eq!(error(beyond.error_code), ErrorCode::NotLeaderOrFollower);

    // Nor that a batch is out of order: to the owner it is not.
    let ahead = zombie.client.produce(topic, 0, sequenced(PRODUCER, 51, &["51"])).await;
    assert_eq!(error(ahead.error_code), ErrorCode::NotLeaderOrFollower);

    // The zombie's slot is END now: it cannot acknowledge, and it stops.
    let late = zombie.client.produce_in(topic, 0, batch(&["late"]), Some(0)).await;
    assert_ne!(error(late.error_code), ErrorCode::None);
    let over = tokio::time::timeout(PATIENCE, zombie.handle.finished()).await.expect("it stops");
    assert!(
        matches!(
            over,
            Err(NodeError::Front(_) | NodeError::Upload(_) | NodeError::Replaced { .. })
        ),
        "{over:?}"
    );
    assert_eq!(node.client.acked(topic, 0, batch(&["51"])).await, 51);
}

#[tokio::test]
async fn a_clean_stop_seals_the_front_and_ends_the_log() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let node = cluster.start(config(&cluster, 1)).await;
    node.serving(&cluster, topic, 0).await;
    for number in 0..10 {
        node.client.acked(topic, 0, sequenced(PRODUCER, number, &[&number.to_string()])).await;
    }
    node.stop().await.unwrap();
    assert_eq!(cluster.node_record(1).await.state, NodeState::Ended);
    let node = cluster.start(config(&cluster, 1)).await;
    node.serving(&cluster, topic, 0).await;
    assert_eq!(cold_values(&cluster, &node, topic).await, numbers(10));
}

#[tokio::test]
async fn a_node_may_change_the_kind_of_its_front() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let mut number = 0;
    let mut zombies = Vec::new();
    for next in [cluster.config(1), config(&cluster, 1), cluster.config(1)] {
        let kind = next.wal.kind;
        let node = cluster.start(next).await;
        node.serving(&cluster, topic, 0).await;
        for _ in 0..5 {
            let records = sequenced(PRODUCER, number, &[&number.to_string()]);
            assert_eq!(node.client.acked(topic, 0, records).await, i64::from(number));
            number += 1;
        }
        match kind {
            // Its file is locked while it lives.
            WalKind::Disk => node.stop().await.unwrap(),
            WalKind::Object => zombies.push(node),
        }
    }
    let node = cluster.start(config(&cluster, 1)).await;
    node.serving(&cluster, topic, 0).await;
    assert_eq!(cold_values(&cluster, &node, topic).await, numbers(15));
}
