//! From memory to the object store: uploads, the hot floor, plans, and a store that is away.

use std::time::Duration;

use bytes::Bytes;
use bytesize::ByteSize;
use hop::{Request, Response, search_from};
use protocol::batch::batches;
use protocol::ids::{PartitionId, TopicId};
use protocol::messages::ListOffsetsRequest;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use protocol::{ErrorCode, StrBytes};
use segment::object::open_block;
use segment::{Plan, Store};

use crate::harness::{Cluster, NOW_MS, PATIENCE, TENANT, TestNode, batch, batch_at, error, large};

/// What a cold reader would return for the whole plan.
async fn read_plan(store: &Store, plan: &Plan) -> Bytes {
    let mut records = Vec::new();
    for extent in &plan.extents {
        let bytes = store.get_range(&extent.location.key(), extent.range()).await;
        let bytes = bytes.expect("extents exist");
        let block = open_block(&bytes, plan.partition, extent, store.keyring());
        records.extend_from_slice(&block.expect("extents are blocks").batches);
    }
    Bytes::from(records)
}

/// A node whose cache holds one batch of half a MiB, and ten of them produced and uploaded.
async fn mostly_cold() -> (Cluster, TestNode, TopicId, Bytes) {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[("max.message.bytes", "2000000")]).await;
    let mut config = cluster.config(1);
    config.cache_size = ByteSize::kib(600);
    config.upload.size = ByteSize::kib(400);
    let node = cluster.start(config).await;
    node.serving(&cluster, topic, 0).await;
    for number in 0..10 {
        let records = batch_at(NOW_MS + 10 * number, &["x".repeat(500_000).as_str(), "last"]);
        node.client.acked(topic, 0, records).await;
    }
    node.uploaded(topic, 0, 20).await;
    let evicted = async {
        while node.client.fetch(topic, 0, 18).send().await.hot_floor < 18 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, evicted).await.expect("the oldest are evicted");
    let hot = node.client.read(topic, 0, 18).await;
    (cluster, node, topic, hot)
}

#[tokio::test]
async fn what_was_evicted_is_below_the_hot_floor_and_in_a_plan() {
    let (cluster, node, topic, hot) = mostly_cold().await;
    let answer = node.client.fetch(topic, 0, 0).wait(30_000, 1).send().await;
    assert_eq!(error(answer.error_code), ErrorCode::OffsetMovedToTieredStorage, "at once");
    assert_eq!((answer.hot_floor, answer.high_watermark), (18, 20));

    let answer = node.client.plan(topic, 0, 3).await;
    assert_eq!((answer.error_code, answer.start_offset), (0, 3));
    assert_eq!((answer.hot_floor, answer.end_offset), (18, 20), "uploaded, hot or not");
    let plan = Plan::open(&answer.plan, &[7; 32], Duration::ZERO).expect("sealed with the secret");
    assert_eq!(plan.partition, PartitionId::new(TENANT, topic, 0));
    assert!(Plan::open(&answer.plan, &[8; 32], Duration::ZERO).is_err(), "R36");

    let records = read_plan(&cluster.store, &plan).await;
    let offsets: Vec<_> = batches(&records).map(|batch| batch.unwrap().base_offset()).collect();
    assert_eq!(offsets, [2, 4, 6, 8, 10, 12, 14, 16, 18], "dense, from the batch that holds 3");
    assert!(records.ends_with(&hot), "cold bytes are the hot ones");
}

#[tokio::test]
async fn there_is_no_plan_for_what_is_not_uploaded_or_not_there() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    node.client.acked(topic, 0, batch(&["a"])).await;

    let hot = node.client.plan(topic, 0, 0).await;
    assert_eq!((hot.error_code, hot.start_offset, hot.end_offset), (0, 0, 0));
    assert!(hot.plan.is_empty() && hot.hot_floor == 0, "the gateway must come to the node");
    let beyond = node.client.plan(topic, 0, 2).await;
    assert_eq!(beyond.error_code, i32::from(ErrorCode::OffsetOutOfRange.code()));
    let unknown = node.client.plan(topic, 7, 0).await;
    assert_eq!(unknown.error_code, i32::from(ErrorCode::NotLeaderOrFollower.code()));
}

/// A search by time that goes on at `from`.
async fn search(
    node: &TestNode,
    topic: TopicId,
    timestamp: i64,
    from: i64,
) -> ListOffsetsPartitionResponse {
    let mut wanted =
        ListOffsetsPartition::default().with_current_leader_epoch(-1).with_timestamp(timestamp);
    search_from::set(&mut wanted, from);
    let topic = ListOffsetsTopic::default()
        .with_name(StrBytes::from_string(topic.simple_text()).into())
        .with_partitions(vec![wanted]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    match node.client.start(Request::ListOffsets(request)).await {
        Response::ListOffsets(answer) => answer.topics[0].partitions[0].clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_search_by_time_below_the_hot_floor_is_left_to_a_cold_reader() {
    let (_cluster, node, topic, _) = mostly_cold().await;
    for (timestamp, offset) in
        [(NOW_MS + 91, 19), (NOW_MS + 92, -1), (-3, 19), (-4, 18), (-5, 19), (-2, 0), (-1, 20)]
    {
        let answer = node.client.list_offsets(topic, 0, timestamp).await;
        assert_eq!((answer.error_code, answer.offset), (0, offset), "at {timestamp}");
    }
    // Where to look first, by the largest timestamps of what was uploaded together.
    for (timestamp, from, offset) in
        [(0, 0, 0), (NOW_MS + 1, 0, 0), (NOW_MS + 51, 0, 10), (NOW_MS + 51, 11, 11), (0, 7, 7)]
    {
        let answer = search(&node, topic, timestamp, from).await;
        let code = error(answer.error_code);
        assert_eq!(code, ErrorCode::OffsetMovedToTieredStorage, "at {timestamp} from {from}");
        assert_eq!((answer.offset, answer.timestamp), (offset, timestamp));
    }
    let hot = search(&node, topic, 0, 18).await;
    assert_eq!((hot.error_code, hot.offset), (0, 18), "from the floor on it looks itself");
}

#[tokio::test]
async fn a_batch_that_fits_the_topic_and_not_the_log_is_refused() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[("max.message.bytes", "20000000")]).await;
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    let answer = node.client.produce(topic, 0, large(7 << 20)).await;
    assert_eq!(error(answer.error_code), ErrorCode::MessageTooLarge);
}

#[tokio::test]
async fn a_store_that_is_away_fills_the_log_refuses_producers_and_loses_nothing() {
    let cluster = Cluster::on_disk().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let mut config = cluster.config(1);
    config.cache_size = ByteSize::b(1);
    config.upload.interval = Duration::from_millis(5);
    config.upload.backoff_max = Duration::from_millis(20);
    let node = cluster.start(config).await;
    node.serving(&cluster, topic, 0).await;

    // A file where the directory of the logs was: every write below it fails.
    let (logs, away) = (cluster.objects().join("l"), cluster.objects().join("away"));
    std::fs::rename(&logs, &away).unwrap();
    std::fs::write(&logs, b"").unwrap();
    let mut acked = 0;
    let throttled = loop {
        let answer = node.client.produce(topic, 0, large(256 << 10)).await;
        match error(answer.error_code) {
            ErrorCode::None => acked += 1,
            code => break code,
        }
        assert!(acked < 1_000, "the log is finite");
    };
    assert_eq!(throttled, ErrorCode::NotEnoughReplicas);
    assert!(throttled.definite(), "the producer knows that nothing was appended (R44)");
    let answer = node.client.fetch(topic, 0, 0).send().await;
    assert_eq!(error(answer.error_code), ErrorCode::None, "nothing is evicted before its upload");

    std::fs::remove_file(&logs).unwrap();
    std::fs::rename(&away, &logs).unwrap();
    let healed = async {
        while node.client.produce(topic, 0, large(256 << 10)).await.error_code != 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, healed).await.expect("the log empties");
    assert_eq!(node.client.list_offsets(topic, 0, -1).await.offset, acked + 1);
    node.uploaded(topic, 0, acked + 1).await;
}
