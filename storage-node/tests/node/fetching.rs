//! What a consumer near the end of the log is told, and when.

use std::time::Duration;

use futures::FutureExt;
use protocol::ErrorCode;
use protocol::batch::batches;
use protocol::ids::TopicId;

use crate::harness::{Cluster, NOW_MS, TestNode, batch, batch_at, error, large};

async fn node() -> (Cluster, TestNode, TopicId) {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 2, &[]).await;
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    node.serving(&cluster, topic, 1).await;
    (cluster, node, topic)
}

fn base_offsets(records: &[u8]) -> Vec<i64> {
    batches(records).map(|batch| batch.expect("whole batches").base_offset()).collect()
}

#[tokio::test]
async fn a_fetch_returns_whole_batches_from_the_one_that_holds_the_offset() {
    let (_cluster, node, topic) = node().await;
    for _ in 0..3 {
        node.client.acked(topic, 0, batch(&["a", "b"])).await;
    }
    assert_eq!(base_offsets(&node.client.read(topic, 0, 3).await), [2, 4]);

    let answer = node.client.fetch(topic, 0, 0).send().await;
    assert_eq!((answer.high_watermark, answer.last_stable_offset), (6, 6));
    assert_eq!((answer.log_start_offset, answer.hot_floor), (0, 0));
}

#[tokio::test]
async fn a_batch_larger_than_every_limit_still_gets_through() {
    let (_cluster, node, topic) = node().await;
    node.client.acked(topic, 0, large(10_000)).await;
    node.client.acked(topic, 0, batch(&["next"])).await;
    let answer = node.client.fetch(topic, 0, 0).partition_bytes(100).send().await;
    assert_eq!(base_offsets(&answer.records.concat()), [0], "one batch, KIP-74");
}

#[tokio::test]
async fn a_fetch_at_the_end_sleeps_until_a_batch_is_durable() {
    let (_cluster, node, topic) = node().await;
    let mut waiting = node.client.fetch(topic, 0, 0).wait(30_000, 1).start();
    assert!((&mut waiting).now_or_never().is_none());
    node.client.acked(topic, 0, batch(&["a"])).await;
    let answer = waiting.await;
    assert_eq!(base_offsets(&answer.records.concat()), [0]);
    assert_eq!(answer.high_watermark, 1);
}

#[tokio::test]
async fn a_fetch_sleeps_until_its_minimum_is_there() {
    let (_cluster, node, topic) = node().await;
    let one = batch(&["a"]).len() as i32;
    let mut waiting = node.client.fetch(topic, 0, 0).wait(30_000, 3 * one).start();
    for _ in 0..2 {
        node.client.acked(topic, 0, batch(&["a"])).await;
        assert!((&mut waiting).now_or_never().is_none());
    }
    node.client.acked(topic, 0, batch(&["a"])).await;
    assert_eq!(base_offsets(&waiting.await.records.concat()), [0, 1, 2]);
}

#[tokio::test]
async fn a_wait_that_ends_is_answered_with_nothing_and_the_marks() {
    let (_cluster, node, topic) = node().await;
    node.client.acked(topic, 0, batch(&["a"])).await;
    let answer = node.client.fetch(topic, 0, 1).wait(5, 1).send().await;
    assert_eq!((error(answer.error_code), answer.high_watermark), (ErrorCode::None, 1));
    assert!(answer.records.is_empty());
}

#[tokio::test]
async fn an_offset_beyond_the_log_is_out_of_range_and_its_end_is_not() {
    let (_cluster, node, topic) = node().await;
    node.client.acked(topic, 0, batch(&["a"])).await;
    for (offset, code) in
        [(-1, ErrorCode::OffsetOutOfRange), (1, ErrorCode::None), (2, ErrorCode::OffsetOutOfRange)]
    {
        let answer = node.client.fetch(topic, 0, offset).send().await;
        assert_eq!(error(answer.error_code), code, "offset {offset}");
        assert_eq!(answer.log_start_offset, 0);
    }
}

#[tokio::test]
async fn beliefs_about_the_epoch_are_checked() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    cluster.assign(topic, 0, 1, 3).await;
    let node = cluster.start(cluster.config(1)).await;
    assert_eq!(node.serving(&cluster, topic, 0).await, 3);
    node.client.acked(topic, 0, batch(&["a"])).await;

    for (epoch, code) in [
        (2, ErrorCode::FencedLeaderEpoch),
        (3, ErrorCode::None),
        (4, ErrorCode::UnknownLeaderEpoch),
    ] {
        let answer = node.client.fetch(topic, 0, 0).epoch(epoch).send().await;
        assert_eq!(error(answer.error_code), code, "epoch {epoch}");
    }
    let behind = node.client.fetch(topic, 0, 1).last_epoch(2).send().await;
    assert_eq!(behind.diverging_epoch, Some((2, 0)), "epoch 2 ended before the first record");
    let same = node.client.fetch(topic, 0, 1).last_epoch(3).send().await;
    assert_eq!(same.diverging_epoch, None);
}

#[tokio::test]
async fn timestamps_are_found_at_record_granularity() {
    let (_cluster, node, topic) = node().await;
    node.client.acked(topic, 0, batch_at(NOW_MS, &["0", "1", "2"])).await;
    node.client.acked(topic, 0, batch_at(NOW_MS + 100, &["3", "4"])).await;
    for (timestamp, offset, found) in [
        (0, 0, NOW_MS),
        (NOW_MS + 1, 1, NOW_MS + 1),
        (NOW_MS + 3, 3, NOW_MS + 100),
        (NOW_MS + 101, 4, NOW_MS + 101),
        (NOW_MS + 102, -1, -1),
        // The largest timestamp (KIP-734).
        (-3, 4, NOW_MS + 101),
    ] {
        let answer = node.client.list_offsets(topic, 0, timestamp).await;
        assert_eq!((answer.offset, answer.timestamp), (offset, found), "at {timestamp}");
    }
}

#[tokio::test]
async fn the_named_offsets_of_a_log_that_is_all_hot() {
    let (_cluster, node, topic) = node().await;
    for (name, offset) in [(-1, 0), (-2, 0), (-3, -1), (-4, 0), (-5, -1)] {
        assert_eq!(node.client.list_offsets(topic, 0, name).await.offset, offset, "empty, {name}");
    }
    node.client.acked(topic, 0, batch(&["a", "b"])).await;
    for (name, offset) in [(-1, 2), (-2, 0), (-3, 1), (-4, 0), (-5, -1)] {
        assert_eq!(node.client.list_offsets(topic, 0, name).await.offset, offset, "{name}");
    }
    let answer = node.client.list_offsets(topic, 0, -9).await;
    assert_eq!(error(answer.error_code), ErrorCode::UnsupportedVersion);
}

#[tokio::test]
async fn a_topic_that_is_deleted_wakes_its_consumers() {
    let (cluster, node, topic) = node().await;
    let waiting = node.client.fetch(topic, 0, 0).wait(30_000, 1).start();
    cluster.delete_topic(topic).await;
    let answer = waiting.await;
    assert_eq!(error(answer.error_code), ErrorCode::UnknownTopicOrPartition);
    let gone = async {
        while node.client.fetch(topic, 0, 0).send().await.error_code
            != ErrorCode::NotLeaderOrFollower.code()
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(crate::harness::PATIENCE, gone).await.expect("it is dropped");
}
