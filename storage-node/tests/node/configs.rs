//! What a topic's configs change while the node serves it, and what its partitions hold.

use bytesize::ByteSize;
use hop::{Request, Response};
use metadata::keys::Key;
use metadata::model::{Record, TopicRecord};
use metadata::{MetadataStore, Txn};
use protocol::ErrorCode;
use protocol::ids::TopicId;
use protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use protocol::messages::{DescribeLogDirsRequest, TopicName};

use crate::harness::{Cluster, NOW_MS, PATIENCE, TENANT, TestNode, batch, batch_at, error, large};

/// Sets one config of a topic, as control does.
async fn set(cluster: &Cluster, topic: TopicId, name: &str, value: &str) {
    let key = Key::Topic(TENANT, topic);
    let entry = cluster.metadata.get(&key.to_string()).await.expect("memory answers");
    let entry = entry.expect("the topic exists");
    let mut record = TopicRecord::decode(&entry.value).expect("a topic");
    record.configs.insert(name.to_owned(), value.to_owned());
    let txn = Txn::new().put(key, record.encode());
    assert!(cluster.metadata.txn(txn).await.expect("memory answers").is_committed());
}

async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let held = async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, held).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn a_changed_config_is_in_force_without_a_restart() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    node.client.acked(topic, 0, large(1_000)).await;
    set(&cluster, topic, "max.message.bytes", "1000").await;
    eventually("larger batches are refused", || async {
        let answer = node.client.produce(topic, 0, large(1_000)).await;
        error(answer.error_code) == ErrorCode::MessageTooLarge
    })
    .await;

    set(&cluster, topic, "message.timestamp.type", "LogAppendTime").await;
    eventually("the node's clock counts", || async {
        let answer = node.client.produce(topic, 0, batch_at(1, &["a"])).await;
        answer.log_append_time_ms == NOW_MS
    })
    .await;
    set(&cluster, topic, "message.timestamp.type", "CreateTime").await;
    eventually("the producer's clock counts", || async {
        let answer = node.client.produce(topic, 0, batch_at(1, &["a"])).await;
        answer.log_append_time_ms == -1
    })
    .await;
    node.stop().await.unwrap();
}

/// The sizes of these partitions, as far as the node tells.
async fn sizes(node: &TestNode, topic: TopicId, indexes: &[i32]) -> Vec<(i32, i64)> {
    let asked = DescribableLogDirTopic::default()
        .with_topic(TopicName(topic.simple_text().into()))
        .with_partitions(indexes.to_vec());
    let request = DescribeLogDirsRequest::default().with_topics(Some(vec![asked]));
    let Response::DescribeLogDirs(answer) =
        node.client.start(Request::DescribeLogDirs(request)).await
    else {
        panic!("another answer");
    };
    let topics = answer.results.into_iter().flat_map(|dir| dir.topics);
    let partitions = topics.flat_map(|topic| topic.partitions);
    partitions.map(|partition| (partition.partition_index, partition.partition_size)).collect()
}

#[tokio::test]
async fn a_partition_s_size_is_what_it_has_stored_before_and_after_its_upload() {
    const LARGE: usize = 500 * 1024;
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 2, &[]).await;
    let mut config = cluster.config(1);
    config.upload.size = ByteSize::kib(400);
    let node = cluster.start(config).await;
    node.serving(&cluster, topic, 0).await;
    node.serving(&cluster, topic, 1).await;
    let small = batch(&["a", "b"]);
    let length = i64::try_from(small.len()).unwrap();
    node.client.acked(topic, 0, small).await;
    let told = sizes(&node, topic, &[0, 1, 7]).await;
    assert_eq!(told, [(0, length), (1, 0)], "not of a partition that is not here");
    node.client.acked(topic, 0, large(LARGE)).await;
    node.uploaded(topic, 0, 3).await;
    let told = sizes(&node, topic, &[0]).await[0].1;
    let all = length + i64::try_from(LARGE).unwrap();
    assert!((all..all + 10_000).contains(&told), "{told}, counted once");
    node.stop().await.unwrap();
}
