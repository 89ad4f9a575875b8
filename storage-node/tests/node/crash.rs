//! Crashes: a node goes without a word, and what it acknowledged is there when it returns.
//!
//! The crash image is the ring file as it is at one instant. The process that "crashed" lives on in
//! each of these tests, as a zombie that still believes in itself.

use std::time::Duration;

use bytesize::ByteSize;
use protocol::ErrorCode;
use protocol::batch::batches;
use protocol::ids::TopicId;
use segment::Plan;
use segment::object::open_block;
use storage_node::NodeError;

use crate::harness::{Cluster, PATIENCE, TestNode, batch, error, sequenced};

const PRODUCER: (i64, i16) = (4000, 0);

/// The values in the log, from the object store.
pub(crate) async fn cold_values(cluster: &Cluster, node: &TestNode, topic: TopicId) -> Vec<String> {
    let mut values = Vec::new();
    let mut offset = 0;
    loop {
        let answer = node.client.plan(topic, 0, offset).await;
        assert_eq!(answer.error_code, 0);
        if answer.plan.is_empty() {
            return values;
        }
        let plan = Plan::open(&answer.plan, &[7; 32], Duration::ZERO).expect("ours");
        for extent in &plan.extents {
            let bytes = cluster.store.get_range(&extent.location.key(), extent.range()).await;
            let bytes = bytes.expect("extents exist");
            let block = open_block(&bytes, plan.partition, extent, cluster.store.keyring());
            for batch in batches(&block.expect("extents are blocks").batches) {
                let batch = batch.expect("blocks hold whole batches");
                assert_eq!(batch.base_offset(), offset, "offsets are dense (D6)");
                assert_eq!(batch.verify_stored(), Ok(()));
                offset = batch.last_offset() + 1;
                if batch.record_count() > 0 {
                    values.push(value_of(batch.payload()));
                }
            }
        }
    }
}

/// The value of a batch's only record: its last bytes before the empty headers.
fn value_of(payload: &[u8]) -> String {
    let text = payload.iter().rev().skip(1).take_while(|byte| byte.is_ascii_digit());
    text.map(|digit| char::from(*digit)).collect::<Vec<_>>().iter().rev().collect()
}

#[tokio::test]
async fn what_was_acknowledged_before_a_crash_is_there_after_it() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let zombie = cluster.start(cluster.config(1)).await;
    zombie.serving(&cluster, topic, 0).await;
    for number in 0..50 {
        let records = sequenced(PRODUCER, number, &[&number.to_string()]);
        assert_eq!(zombie.client.acked(topic, 0, records).await, i64::from(number));
    }

    let node = cluster.start(cluster.crash(1)).await;
    assert_eq!(node.serving(&cluster, topic, 0).await, 1);
    let expected: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    assert_eq!(cold_values(&cluster, &node, topic).await, expected);
    for number in 45..50 {
        let again = sequenced(PRODUCER, number, &[&number.to_string()]);
        assert_eq!(node.client.acked(topic, 0, again).await, i64::from(number), "dedup");
    }
    let next = sequenced(PRODUCER, 50, &["50"]);
    assert_eq!(node.client.acked(topic, 0, next).await, 50, "the same offsets go on");
}

#[tokio::test]
async fn a_crash_between_uploads_loses_and_repeats_nothing() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let mut config = cluster.config(1);
    config.upload.interval = Duration::from_millis(1);
    let zombie = cluster.start(config).await;
    zombie.serving(&cluster, topic, 0).await;
    // Uploads go on while records arrive, so the image holds some that are uploaded and trimmed,
    // some that are uploaded and not trimmed, and some that are neither.
    for number in 0..300 {
        let records = sequenced(PRODUCER, number, &[&number.to_string()]);
        zombie.client.acked(topic, 0, records).await;
    }

    let node = cluster.start(cluster.crash(1)).await;
    node.serving(&cluster, topic, 0).await;
    let expected: Vec<_> = (0..300).map(|number| number.to_string()).collect();
    assert_eq!(cold_values(&cluster, &node, topic).await, expected);
}

#[tokio::test]
async fn what_was_uploaded_and_not_trimmed_is_not_uploaded_again() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let mut config = cluster.config(1);
    config.upload.size = ByteSize::kib(64);
    let zombie = cluster.start(config).await;
    zombie.serving(&cluster, topic, 0).await;
    // The ring file's head says from where on the log is needed. In the image it is as old as this.
    let head = std::fs::read(cluster.wal_path(1)).unwrap()[..8 << 10].to_vec();
    for number in 0..20 {
        // The eleventh is large enough to have everything up to it uploaded, and nothing after.
        let padding = if number == 10 { "x".repeat(100_000) } else { String::new() };
        let records = sequenced(PRODUCER, number, &[&format!("{padding}{number}")]);
        zombie.client.acked(topic, 0, records).await;
        if number == 10 {
            zombie.uploaded(topic, 0, 11).await;
        }
    }
    let crashed = cluster.crash(1);
    let mut image = std::fs::read(&crashed.wal.path).unwrap();
    image[..head.len()].copy_from_slice(&head);
    std::fs::write(&crashed.wal.path, image).unwrap();

    let node = cluster.start(crashed).await;
    node.serving(&cluster, topic, 0).await;
    let expected: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(cold_values(&cluster, &node, topic).await, expected);
}

#[tokio::test]
async fn a_node_that_crashes_again_and_again_keeps_everything() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let mut config = cluster.config(1);
    let mut zombies = Vec::new();
    for round in 0..4 {
        let node = cluster.start(config.clone()).await;
        node.serving(&cluster, topic, 0).await;
        for number in round * 10..round * 10 + 10 {
            let records = sequenced(PRODUCER, number, &[&number.to_string()]);
            assert_eq!(node.client.acked(topic, 0, records).await, i64::from(number));
        }
        // The next image is of the file this incarnation writes.
        let image = cluster.wal_path(100 + round);
        std::fs::copy(&config.wal.path, &image).unwrap();
        config.wal.path = image;
        zombies.push(node);
    }
    let node = cluster.start(config).await;
    assert_eq!(node.serving(&cluster, topic, 0).await, 4);
    let expected: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    assert_eq!(cold_values(&cluster, &node, topic).await, expected);
    let again = sequenced(PRODUCER, 39, &["39"]);
    assert_eq!(node.client.acked(topic, 0, again).await, 39);
}

#[tokio::test]
async fn a_zombie_cannot_upload_and_stops_when_it_tries() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let mut config = cluster.config(1);
    config.upload.interval = Duration::from_millis(500);
    let zombie = cluster.start(config).await;
    zombie.serving(&cluster, topic, 0).await;
    zombie.client.acked(topic, 0, batch(&["a"])).await;
    let node = cluster.start(cluster.crash(1)).await;
    node.serving(&cluster, topic, 0).await;

    let ended = tokio::time::timeout(PATIENCE, zombie.handle.finished()).await.expect("it stops");
    assert!(matches!(ended, Err(NodeError::Upload(_) | NodeError::Replaced { .. })), "{ended:?}");
    let answer = zombie.client.produce(topic, 0, batch(&["b"])).await;
    assert_eq!(error(answer.error_code), ErrorCode::NotLeaderOrFollower);
    assert_eq!(node.client.acked(topic, 0, batch(&["c"])).await, 1);
}

#[tokio::test]
async fn a_crash_during_recovery_is_recovered_from() {
    let cluster = Cluster::on_disk().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let zombie = cluster.start(cluster.config(1)).await;
    zombie.serving(&cluster, topic, 0).await;
    for number in 0..5 {
        zombie.client.acked(topic, 0, sequenced(PRODUCER, number, &[&number.to_string()])).await;
    }
    let config = cluster.crash(1);
    // The tail is uploaded, and then the store refuses the index and END: x/ is a file.
    let indexes = cluster.objects().join("x");
    std::fs::write(&indexes, b"").unwrap();
    let failed = cluster.try_start(config.clone()).await.err().expect("no index, no END");
    assert!(matches!(failed, NodeError::Recover(_)), "{failed}");

    std::fs::remove_file(&indexes).unwrap();
    let node = cluster.start(config).await;
    node.serving(&cluster, topic, 0).await;
    let expected: Vec<_> = (0..5).map(|number| number.to_string()).collect();
    assert_eq!(cold_values(&cluster, &node, topic).await, expected);
}
