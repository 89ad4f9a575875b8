//! A node that lives for long ends its log now and then and goes on with the next incarnation, in
//! the same process: producers see a pause, and the ended log can be collected.

use std::time::Duration;

use metadata::model::NodeState;
use protocol::ErrorCode;
use protocol::ids::TopicId;
use segment::seqlog::SeqLogReader;
use segment::{Family, LogId};
use storage_node::{Config, WalKind};

use crate::crash::cold_values;
use crate::harness::{Cluster, PATIENCE, TestNode, batch, error, sequenced};
use crate::moves::scrubbed;

const PRODUCER: (i64, i16) = (4000, 0);

/// Produces one record after the other until the node has rolled over `times`. Returns how many
/// were acknowledged, each at its offset and once, and the logs before the last.
async fn produce_through(node: &TestNode, topic: TopicId, times: usize) -> (i32, Vec<LogId>) {
    let (mut sent, mut ended) = (0, Vec::new());
    let mut log = node.handle.node().log();
    while ended.len() < times {
        let records = sequenced(PRODUCER, sent, &[&sent.to_string()]);
        let answer = node.client.produce(topic, 0, records).await;
        match error(answer.error_code) {
            ErrorCode::None => {
                assert_eq!(answer.base_offset, i64::from(sent));
                sent += 1;
            }
            ErrorCode::NotLeaderOrFollower | ErrorCode::RequestTimedOut => {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            other => panic!("{other:?} is no answer that a producer repeats"),
        }
        let now = node.handle.node().log();
        if now != log {
            ended.push(std::mem::replace(&mut log, now));
        }
    }
    (sent, ended)
}

async fn rolls_over(cluster: Cluster, mut config: Config) {
    let topic = cluster.topic(1, 2, &[]).await;
    config.incarnation_max = Duration::from_secs(1);
    config.upload.interval = Duration::from_millis(40);
    let node = cluster.start(config.clone()).await;
    let epoch = node.serving(&cluster, topic, 0).await;
    let before = cluster.node_record(1).await;
    // Nobody produces to this one between two lives.
    assert_eq!(node.client.acked(topic, 1, batch(&["quiet"])).await, 0);

    let produced = produce_through(&node, topic, 2);
    let (sent, ended) = tokio::time::timeout(2 * PATIENCE, produced).await.expect("it rolls over");
    for log in ended {
        let reader = SeqLogReader::new(cluster.store.clone(), Family::Data, log);
        assert!(
            reader.find_end().await.expect("memory answers").is_some(),
            "{log} can be collected"
        );
    }
    let now = cluster.node_record(1).await;
    assert_eq!((now.state, &now.address), (NodeState::Live, &before.address));
    assert!(now.incarnation >= before.incarnation + 2);
    node.stop().await.expect("it ends in order");
    assert_eq!(cluster.node_record(1).await.state, NodeState::Ended);

    // One that lives for long shows what they left.
    config.incarnation_max = 10 * PATIENCE;
    let node = cluster.start(config).await;
    assert!(node.serving(&cluster, topic, 0).await > epoch + 1);
    node.uploaded(topic, 0, i64::from(sent)).await;
    let numbers: Vec<_> = (0..sent).map(|number| number.to_string()).collect();
    assert_eq!(cold_values(&cluster, &node, topic).await, numbers);
    node.serving(&cluster, topic, 1).await;
    assert_eq!(node.client.list_offsets(topic, 1, -1).await.offset, 1);
    node.stop().await.expect("it ends in order");
    scrubbed(&cluster).await;
}

#[tokio::test]
async fn with_the_object_front() {
    let cluster = Cluster::new().await;
    let mut config = cluster.config(1);
    config.wal.kind = WalKind::Object;
    config.wal.object.window = Duration::from_millis(10);
    rolls_over(cluster, config).await;
}

#[tokio::test]
async fn with_a_disk_that_the_next_incarnation_takes_over() {
    let cluster = Cluster::new().await;
    let config = cluster.config(1);
    rolls_over(cluster, config).await;
}

#[tokio::test]
async fn with_a_shared_volume() {
    let cluster = Cluster::new().await;
    let mut config = cluster.config(1);
    config.wal.shared = true;
    rolls_over(cluster, config).await;
}
