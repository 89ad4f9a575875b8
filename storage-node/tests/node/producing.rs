//! What a producer is told, and what then is in the log.

use bytes::Bytes;
use hop::{HopHeader, Request, Response};
use protocol::ErrorCode;
use protocol::batch::{BatchBuilder, BatchView, TimestampType, batches};
use protocol::ids::TenantId;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::produce_request::PartitionProduceData;
use protocol::messages::{FetchRequest, InitProducerIdRequest};

use crate::harness::{
    Cluster, NOW_MS, PATIENCE, TENANT, TestNode, batch, batch_at, error, large, produce_request,
    sequenced,
};

async fn node(configs: &[(&str, &str)]) -> (Cluster, TestNode, protocol::ids::TopicId) {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 2, configs).await;
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    node.serving(&cluster, topic, 1).await;
    (cluster, node, topic)
}

#[tokio::test]
async fn an_acknowledged_batch_is_read_back_with_its_offset_and_epoch_and_nothing_else_changed() {
    let (_cluster, node, topic) = node(&[]).await;
    let sent = batch(&["a", "b", "c"]);
    assert_eq!(node.client.acked(topic, 0, sent.clone()).await, 0);
    assert_eq!(node.client.acked(topic, 0, sent.clone()).await, 3);

    let read = node.client.read(topic, 0, 3).await;
    let view = BatchView::whole(&read).unwrap();
    assert_eq!((view.base_offset(), view.leader_epoch()), (3, 0));
    assert_eq!(view.verify(), Ok(()));
    assert_eq!(read[16..], sent[16..], "everything after the epoch is the producer's");
    assert_eq!(node.client.list_offsets(topic, 0, -1).await.offset, 6);
}

#[tokio::test]
async fn requests_that_were_started_in_order_are_appended_in_order() {
    let (_cluster, node, topic) = node(&[]).await;
    let started: Vec<_> = (0..100)
        .map(|number| {
            let value = number.to_string();
            node.client.start_produce(topic, 0, batch(&[&value]), None)
        })
        .collect();
    // Answered in any order, appended in this one (R45).
    for (number, answer) in started.into_iter().enumerate().rev() {
        assert_eq!(answer.await.base_offset, number as i64);
    }
}

#[tokio::test]
async fn a_partition_of_another_tenant_is_no_partition() {
    let (_cluster, node, topic) = node(&[]).await;
    let stranger = crate::harness::Client { tenant: TenantId(2), ..node.client.clone() };
    let answer = stranger.produce(topic, 0, batch(&["a"])).await;
    assert_eq!(error(answer.error_code), ErrorCode::NotLeaderOrFollower);
    let answer = stranger.fetch(topic, 0, 0).send().await;
    assert_eq!(error(answer.error_code), ErrorCode::NotLeaderOrFollower);
    assert_eq!(node.client.list_offsets(topic, 0, -1).await.offset, 0, "nothing was appended");
}

#[tokio::test]
async fn what_is_no_honest_batch_is_refused_for_sure_and_leaves_no_trace() {
    let (_cluster, node, topic) = node(&[("max.message.bytes", "1000")]).await;
    let mut damaged = batch(&["a"]).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let two = [batch(&["a"]), batch(&["b"])].concat();
    let control = BatchBuilder::new().control().record(NOW_MS, None, None).build();
    let transactional = BatchBuilder::new().producer(1, 0, 0).transactional();
    let transactional = transactional.record(NOW_MS, None, None).build();
    let future = batch_at(NOW_MS + 3_600_001, &["a"]);
    for (records, code) in [
        (Bytes::new(), ErrorCode::InvalidRecord),
        (Bytes::from(damaged), ErrorCode::CorruptMessage),
        (Bytes::from(two), ErrorCode::InvalidRecord),
        (control, ErrorCode::InvalidRecord),
        (transactional, ErrorCode::InvalidRecord),
        (future, ErrorCode::InvalidTimestamp),
        (large(1_000), ErrorCode::MessageTooLarge),
    ] {
        let answer = node.client.produce(topic, 0, records).await;
        assert_eq!(error(answer.error_code), code);
        assert!(code.definite(), "{code} tells the producer that nothing was appended (R44)");
        assert_eq!(answer.base_offset, -1);
    }
    assert_eq!(node.client.acked(topic, 0, batch(&["a"])).await, 0);
}

#[tokio::test]
async fn a_compacted_topic_refuses_records_without_a_key_and_says_which() {
    let (_cluster, node, topic) = node(&[("cleanup.policy", "compact,delete")]).await;
    let keyed =
        |key| BatchBuilder::new().record(NOW_MS, Some(b"k"), Some(b"v")).record(NOW_MS, key, None);
    let refused = node.client.produce(topic, 0, keyed(None).build()).await;
    assert_eq!(error(refused.error_code), ErrorCode::InvalidRecord);
    let blamed: Vec<_> = refused.record_errors.iter().map(|error| error.batch_index).collect();
    assert_eq!(blamed, [1]);
    assert_eq!(node.client.acked(topic, 0, keyed(Some(b"k")).build()).await, 0);
}

#[tokio::test]
async fn a_batch_without_acknowledgement_is_appended_all_the_same() {
    let (_cluster, node, topic) = node(&[]).await;
    let data = PartitionProduceData::default().with_index(0).with_records(Some(batch(&["a"])));
    let answer = node.client.start(Request::Produce(produce_request(topic, vec![data], 0))).await;
    assert!(matches!(answer, Response::Produce(_)));
    assert_eq!(node.client.acked(topic, 0, batch(&["b"])).await, 1);
}

#[tokio::test]
async fn acks_that_do_not_exist_are_refused() {
    let (_cluster, node, topic) = node(&[]).await;
    let data = PartitionProduceData::default().with_index(0).with_records(Some(batch(&["a"])));
    let request = produce_request(topic, vec![data], 2);
    let Response::Produce(answer) = node.client.start(Request::Produce(request)).await else {
        panic!("another answer");
    };
    let code = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(error(code), ErrorCode::InvalidRequiredAcks);
}

#[tokio::test]
async fn a_route_of_another_epoch_is_refused_with_the_present_one() {
    let (_cluster, node, topic) = node(&[]).await;
    for expected in [-5, 1, 7] {
        let answer = node.client.produce_in(topic, 0, batch(&["a"]), Some(expected)).await;
        assert_eq!(error(answer.error_code), ErrorCode::NotLeaderOrFollower);
        assert_eq!(answer.current_leader.leader_epoch, 0);
        assert_eq!(answer.current_leader.leader_id.0, 1);
    }
    let answer = node.client.produce_in(topic, 0, batch(&["a"]), Some(0)).await;
    assert_eq!(answer.error_code, 0);
}

#[tokio::test]
async fn one_partition_that_fails_does_not_fail_the_others_of_its_request() {
    let (_cluster, node, topic) = node(&[]).await;
    let data = |index, records| {
        PartitionProduceData::default().with_index(index).with_records(Some(records))
    };
    let partitions = vec![data(0, batch(&["a"])), data(9, batch(&["b"])), data(1, batch(&["c"]))];
    let request = produce_request(topic, partitions, -1);
    let Response::Produce(answer) = node.client.start(Request::Produce(request)).await else {
        panic!("another answer");
    };
    let codes: Vec<_> = answer.responses[0]
        .partition_responses
        .iter()
        .map(|partition| (partition.index, error(partition.error_code)))
        .collect();
    let none = ErrorCode::None;
    assert_eq!(codes, [(0, none), (9, ErrorCode::NotLeaderOrFollower), (1, none)]);
}

#[tokio::test]
async fn a_repeated_batch_is_acknowledged_with_its_first_offset() {
    let (_cluster, node, topic) = node(&[]).await;
    let producer = (4000, 0);
    let first = sequenced(producer, 0, &["a", "b"]);
    assert_eq!(node.client.acked(topic, 0, first.clone()).await, 0);
    assert_eq!(node.client.acked(topic, 0, sequenced(producer, 2, &["c"])).await, 2);
    assert_eq!(node.client.acked(topic, 0, first).await, 0, "the original offset");
    assert_eq!(node.client.list_offsets(topic, 0, -1).await.offset, 3, "appended once");

    let gap = node.client.produce(topic, 0, sequenced(producer, 4, &["e"])).await;
    assert_eq!(error(gap.error_code), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(node.client.acked(topic, 0, sequenced((4000, 1), 0, &["d"])).await, 3);
    let stale = node.client.produce(topic, 0, sequenced(producer, 3, &["d"])).await;
    assert_eq!(error(stale.error_code), ErrorCode::InvalidProducerEpoch);
}

#[tokio::test]
async fn a_batch_repeated_while_it_is_in_flight_waits_for_the_first_attempt() {
    let (_cluster, node, topic) = node(&[]).await;
    let sent = sequenced((4000, 0), 0, &["a"]);
    let answers: Vec<_> =
        (0..10).map(|_| node.client.start_produce(topic, 0, sent.clone(), None)).collect();
    for answer in answers {
        let answer = answer.await;
        assert_eq!((answer.error_code, answer.base_offset), (0, 0));
    }
    assert_eq!(batches(&node.client.read(topic, 0, 0).await).count(), 1);
}

#[tokio::test]
async fn log_append_time_is_the_nodes_and_under_the_checksum() {
    let (cluster, node, topic) = node(&[("message.timestamp.type", "LogAppendTime")]).await;
    cluster.clock.advance(std::time::Duration::from_secs(5));
    let answer = node.client.produce(topic, 0, batch_at(1, &["a"])).await;
    assert_eq!(answer.log_append_time_ms, NOW_MS + 5_000);
    let read = node.client.read(topic, 0, 0).await;
    let view = BatchView::whole(&read).unwrap();
    assert_eq!(view.verify(), Ok(()));
    assert_eq!(view.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(view.max_timestamp(), NOW_MS + 5_000);
}

#[tokio::test]
async fn a_producer_gets_ids_that_nobody_else_gets() {
    let (cluster, node, _topic) = node(&[]).await;
    cluster.control().await;
    let mut ids = std::collections::HashSet::new();
    for _ in 0..25 {
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        let request = Request::InitProducerId(request);
        let Response::InitProducerId(answer) = node.client.start(request).await else {
            panic!("another answer");
        };
        assert_eq!((answer.error_code, answer.producer_epoch), (0, 0));
        assert!(ids.insert(answer.producer_id.0), "handed out twice (T2)");
    }
    assert_eq!(ids.len(), 25, "from three blocks");
}

#[tokio::test]
async fn over_a_socket_everything_is_the_same() {
    let (cluster, node, topic) = node(&[]).await;
    // Nothing is registered for this address, so the call goes through the node's listener.
    let peer = cluster.peers.peer(node.handle.address());
    let mut data = PartitionProduceData::default().with_index(0);
    data.records = Some(large(300_000));
    hop::expected_epoch::set(&mut data, 0);
    let header = HopHeader::internal(TENANT, PATIENCE);
    let produced = peer.ask(header.clone(), produce_request(topic, vec![data], -1)).await.unwrap();
    let answer = &produced.responses[0].partition_responses[0];
    assert_eq!((answer.error_code, answer.base_offset), (0, 0), "{:?}", answer.error_message);

    let wanted = FetchPartition::default()
        .with_partition(0)
        .with_current_leader_epoch(0)
        .with_last_fetched_epoch(-1)
        .with_partition_max_bytes(1 << 20);
    let wanted = FetchTopic::default().with_topic_id(topic.0).with_partitions(vec![wanted]);
    let request = FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![wanted]);
    let fetched = peer.ask(header, request).await.unwrap();
    let partition = &fetched.topics[0].partitions[0];
    assert_eq!((partition.high_watermark, partition.hot_floor), (1, 0));
    assert_eq!(partition.records.concat(), node.client.read(topic, 0, 0).await);
}
