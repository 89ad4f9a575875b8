//! Forced failover: survivors end what a dead node left, and take over.
//!
//! The dead one is a zombie in every test: its process lives on, believes in itself, uploads and
//! acknowledges for as long as its storage lets it. Its ring file at the instant of its "death" is
//! what survivors find on the re-attached volume. What control does is done by the test: fence, ask
//! a survivor, record the end, assign.

use hop::internal::{EndIncarnationRequest, PingRequest, ProbeRequest};
use hop::{Request, Response};
use metadata::keys::Key;
use metadata::model::{NodeRecord, NodeState, Record};
use metadata::{MetadataStore, Txn};
use protocol::ErrorCode;
use protocol::ids::{NodeId, TopicId};
use protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::messages::{OffsetForLeaderEpochRequest, TopicName};
use segment::scrub::{ScrubOptions, scrub};
use segment::seqlog::SeqLogReader;
use segment::{Family, LogId};
use storage_node::NodeError;
use storage_node::config::WalKind;

use crate::crash::cold_values;
use crate::harness::{Client, Cluster, PATIENCE, TestNode, batch, error, sequenced};

const PRODUCER: (i64, i16) = (4000, 0);

/// The values of some numbers, as [`cold_values`] reads them.
pub(crate) fn numbers(upto: i32) -> Vec<String> {
    (0..upto).map(|number| number.to_string()).collect()
}

pub(crate) async fn produce(client: &Client, topic: TopicId, numbers: std::ops::Range<i32>) {
    for number in numbers {
        let records = sequenced(PRODUCER, number, &[&number.to_string()]);
        assert_eq!(client.acked(topic, 0, records).await, i64::from(number));
    }
}

impl Cluster {
    pub(crate) async fn set_state(&self, node: i32, state: NodeState) {
        let record = NodeRecord { state, ..self.node_record(node).await };
        let put = Txn::new().put(Key::Node(NodeId(node)), record.encode());
        assert!(self.metadata.txn(put).await.expect("memory answers").is_committed());
        self.view.refresh().await.expect("memory answers");
    }

    /// What a survivor is asked, given the volume as it is now.
    pub(crate) async fn ending(&self, dead: i32) -> EndIncarnationRequest {
        let image = self.crash(dead).wal.path;
        let log_id = self.node_record(dead).await.log_id;
        EndIncarnationRequest { log_id, front: format!("shared-disk:{}", image.display()) }
    }

    /// Fails `dead` over to `heir`, as control does.
    pub(crate) async fn fail_over(
        &self,
        dead: i32,
        heir: &TestNode,
        to: i32,
        topic: TopicId,
    ) -> i32 {
        self.set_state(dead, NodeState::Fenced).await;
        let request = self.ending(dead).await;
        assert_eq!(end(&heir.client, request).await, ErrorCode::None);
        self.set_state(dead, NodeState::Ended).await;
        let epoch = self.assignment(topic, 0).await.epoch + 1;
        self.assign(topic, 0, to, epoch).await;
        heir.serving(self, topic, 0).await
    }

    async fn scrubbed(&self) {
        let report = scrub(&self.store, ScrubOptions::default()).await.expect("memory answers");
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }
}

pub(crate) async fn end(client: &Client, request: EndIncarnationRequest) -> ErrorCode {
    match client.start(Request::EndIncarnation(request)).await {
        Response::EndIncarnation(answer) => {
            error(i16::try_from(answer.error_code).expect("a Kafka code"))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_survivor_takes_over_everything_that_was_acknowledged() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let zombie = cluster.start(cluster.config(1)).await;
    zombie.serving(&cluster, topic, 0).await;
    let heir = cluster.start(cluster.config(2)).await;
    produce(&zombie.client, topic, 0..40).await;

    assert_eq!(cluster.fail_over(1, &heir, 2, topic).await, 1);
    assert_eq!(cold_values(&cluster, &heir, topic).await, numbers(40));
    let again = sequenced(PRODUCER, 39, &["39"]);
    assert_eq!(heir.client.acked(topic, 0, again).await, 39, "T1: known before the first append");
    produce(&heir.client, topic, 40..50).await;
    heir.stop().await.unwrap();
    cluster.scrubbed().await;
}

#[tokio::test]
async fn two_drainers_and_a_zombie_that_uploads_meanwhile_do_no_harm() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let mut config = cluster.config(1);
    config.upload.interval = std::time::Duration::from_millis(1);
    let zombie = cluster.start(config).await;
    zombie.serving(&cluster, topic, 0).await;
    let (second, third) =
        (cluster.start(cluster.config(2)).await, cluster.start(cluster.config(3)).await);
    produce(&zombie.client, topic, 0..100).await;
    // Two images: both drainers read the same log. What the zombie still acknowledges is none of
    // theirs: a promise would hold it back from here on (R4).
    let (one, other) = (cluster.ending(1).await, cluster.ending(1).await);
    let (zombie_client, uploading) = (zombie.client.clone(), topic);
    let meanwhile = async {
        for number in 100..140 {
            let records = sequenced(PRODUCER, number, &[&number.to_string()]);
            // Whatever it answers: its upload races the drainers.
            zombie_client.produce(uploading, 0, records).await;
        }
    };
    let repeated = one.clone();
    let (first, twice, again, ()) = tokio::join!(
        end(&second.client, one),
        end(&second.client, repeated),
        end(&third.client, other),
        meanwhile,
    );
    assert_eq!((first, twice, again), (ErrorCode::None, ErrorCode::None, ErrorCode::None));

    cluster.set_state(1, NodeState::Ended).await;
    cluster.assign(topic, 0, 2, 1).await;
    second.serving(&cluster, topic, 0).await;
    let values = cold_values(&cluster, &second, topic).await;
    assert_eq!(values[..100], numbers(100), "nothing lost, doubled or moved");
    assert_eq!(values, numbers(i32::try_from(values.len()).unwrap()), "and dense beyond");
    let next = i32::try_from(values.len()).unwrap();
    produce(&second.client, topic, next..next + 5).await;
    second.stop().await.unwrap();
    cluster.scrubbed().await;
}

#[tokio::test]
async fn ending_what_has_ended_is_a_success_and_needs_no_front() {
    let cluster = Cluster::new().await;
    let node = cluster.start(cluster.config(1)).await;
    let log_id = node.handle.node().log().to_string();
    node.stop().await.unwrap();
    let survivor = cluster.start(cluster.config(2)).await;
    let front = "shared-disk:/nowhere/wal".to_owned();
    let gone = EndIncarnationRequest { log_id, front };
    assert_eq!(end(&survivor.client, gone).await, ErrorCode::None);
}

#[tokio::test]
async fn what_nobody_may_end_from_outside_is_refused() {
    let cluster = Cluster::new().await;
    let node = cluster.start(cluster.config(1)).await;
    let log_id = node.handle.node().log().to_string();
    let own = EndIncarnationRequest { log_id, front: "shared-disk:/wal".to_owned() };
    assert_eq!(end(&node.client, own).await, ErrorCode::InvalidRequest, "itself");
    let log_id = LogId::fresh(NodeId(9), 1, 1).to_string();
    let disk = EndIncarnationRequest { log_id: log_id.clone(), front: "disk:/wal".to_owned() };
    assert_eq!(end(&node.client, disk).await, ErrorCode::InvalidRequest, "another machine's disk");
    let missing = EndIncarnationRequest { log_id, front: "shared-disk:/no/wal".to_owned() };
    assert_eq!(end(&node.client, missing).await, ErrorCode::KafkaStorageError, "no front, no END");
}

#[tokio::test]
async fn a_fenced_node_stops_and_says_so_in_a_retriable_way() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    cluster.set_state(1, NodeState::Fenced).await;
    let ended = tokio::time::timeout(PATIENCE, node.handle.finished()).await.expect("it stops");
    assert!(matches!(ended, Err(NodeError::Fenced)), "{ended:?}");
    let answer = node.client.produce(topic, 0, batch(&["a"])).await;
    assert_eq!(error(answer.error_code), ErrorCode::NotLeaderOrFollower);
    let answer = node.client.fetch(topic, 0, 99).send().await;
    assert_eq!(error(answer.error_code), ErrorCode::NotLeaderOrFollower, "C7");
}

#[tokio::test]
async fn a_node_that_was_fenced_comes_back_whoever_ended_it() {
    for survivor_was_first in [true, false] {
        let cluster = Cluster::new().await;
        let topic = cluster.topic(1, 1, &[]).await;
        let zombie = cluster.start(cluster.config(1)).await;
        zombie.serving(&cluster, topic, 0).await;
        produce(&zombie.client, topic, 0..10).await;
        let survivor = cluster.start(cluster.config(2)).await;
        cluster.set_state(1, NodeState::Fenced).await;
        let request = cluster.ending(1).await;
        let crashed = cluster.crash(1);
        if survivor_was_first {
            assert_eq!(end(&survivor.client, request.clone()).await, ErrorCode::None);
        }
        let node = cluster.start(crashed).await;
        assert_eq!(cluster.node_record(1).await.state, NodeState::Live);
        // Also when control's request arrives late.
        assert_eq!(end(&survivor.client, request).await, ErrorCode::None);
        node.serving(&cluster, topic, 0).await;
        assert_eq!(cold_values(&cluster, &node, topic).await, numbers(10));
        produce(&node.client, topic, 10..12).await;
        node.stop().await.unwrap();
        cluster.scrubbed().await;
    }
}

#[tokio::test]
async fn a_zombie_never_adds_to_what_was_ended() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let zombie = cluster.start(cluster.config(1)).await;
    zombie.serving(&cluster, topic, 0).await;
    produce(&zombie.client, topic, 0..3).await;
    let heir = cluster.start(cluster.config(2)).await;
    let request = cluster.ending(1).await;
    let log = request.log_id.parse().unwrap();
    assert_eq!(end(&heir.client, request).await, ErrorCode::None);
    // Nobody has told it. It takes a record, and its upload finds END.
    produce(&zombie.client, topic, 3..4).await;
    let stopped = zombie.stop().await;
    assert!(matches!(stopped, Err(NodeError::Upload(_))), "{stopped:?}");
    let scan = SeqLogReader::new(cluster.store.clone(), Family::Data, log).scan(0).await.unwrap();
    assert!(matches!(scan.tail, segment::seqlog::Tail::End(..)));
    cluster.set_state(1, NodeState::Ended).await;
    cluster.assign(topic, 0, 2, 1).await;
    heir.serving(&cluster, topic, 0).await;
    assert_eq!(cold_values(&cluster, &heir, topic).await, numbers(3));
    produce(&heir.client, topic, 3..5).await;
}

/// Where an epoch ended, as the owner sees it.
async fn end_of_epoch(client: &Client, topic: TopicId, epoch: i32) -> (i32, i64) {
    let wanted = OffsetForLeaderPartition::default()
        .with_partition(0)
        .with_current_leader_epoch(-1)
        .with_leader_epoch(epoch);
    let topic = OffsetForLeaderTopic::default()
        .with_topic(TopicName(topic.simple_text().into()))
        .with_partitions(vec![wanted]);
    let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
    match client.start(Request::OffsetForLeaderEpoch(request)).await {
        Response::OffsetForLeaderEpoch(answer) => {
            let end = &answer.topics[0].partitions[0];
            assert_eq!(error(end.error_code), ErrorCode::None);
            (end.leader_epoch, end.end_offset)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn epochs_and_producers_are_exact_after_several_failovers() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let first = cluster.start(cluster.config(1)).await;
    first.serving(&cluster, topic, 0).await;
    produce(&first.client, topic, 0..10).await;
    let second = cluster.start(cluster.config(2)).await;
    assert_eq!(cluster.fail_over(1, &second, 2, topic).await, 1);
    produce(&second.client, topic, 10..13).await;
    // Epoch 2 gets no record, epoch 3 does.
    let third = cluster.start(cluster.config(3)).await;
    assert_eq!(cluster.fail_over(2, &third, 3, topic).await, 2);
    let fourth = cluster.start(cluster.config(4)).await;
    assert_eq!(cluster.fail_over(3, &fourth, 4, topic).await, 3);
    // OUT_OF_ORDER is true of a gap and of nothing else (T1): the last five are known by now from
    // two logs of nodes that wrote no index themselves.
    let gap = fourth.client.produce(topic, 0, sequenced(PRODUCER, 15, &["15"])).await;
    assert_eq!(error(gap.error_code), ErrorCode::OutOfOrderSequenceNumber);
    for number in 8..13 {
        let again = sequenced(PRODUCER, number, &[&number.to_string()]);
        assert_eq!(fourth.client.acked(topic, 0, again).await, i64::from(number));
    }
    produce(&fourth.client, topic, 13..20).await;

    let ends = [(0, (0, 10)), (1, (1, 13)), (2, (1, 13)), (3, (3, 20)), (4, (-1, -1))];
    for (asked, expected) in ends {
        assert_eq!(end_of_epoch(&fourth.client, topic, asked).await, expected, "epoch {asked}");
    }
    // KIP-320: a consumer that read beyond the end of its epoch hears where the logs part.
    let lost = fourth.client.fetch(topic, 0, 12).last_epoch(0).send().await;
    assert_eq!(lost.diverging_epoch, Some((0, 10)));
    let found = fourth.client.fetch(topic, 0, 13).last_epoch(1).send().await;
    assert_eq!(found.diverging_epoch, None);
    assert_eq!(cold_values(&cluster, &fourth, topic).await, numbers(13));
    fourth.stop().await.unwrap();
    cluster.scrubbed().await;
}

#[tokio::test]
async fn a_node_says_who_it_is_and_whom_it_reaches() {
    let cluster = Cluster::new().await;
    let (first, second) =
        (cluster.start(cluster.config(1)).await, cluster.start(cluster.config(2)).await);
    let Response::Ping(pong) = first.client.start(Request::Ping(PingRequest {})).await else {
        panic!("another answer");
    };
    assert_eq!((pong.node, pong.healthy), (1, true));
    let address = second.handle.address().to_owned();
    let log_id = second.handle.node().log().to_string();
    let probe = |log_id: &str| {
        Request::Probe(ProbeRequest { address: address.clone(), log_id: log_id.to_owned() })
    };
    let seen = |response| match response {
        Response::Probe(answer) => answer.well,
        other => panic!("{other:?}"),
    };
    assert!(seen(first.client.start(probe(&log_id)).await));
    assert!(!seen(first.client.start(probe(&pong.log_id)).await), "another incarnation answers");
    second.stop().await.unwrap();
    assert!(!seen(first.client.start(probe(&log_id)).await));
}

#[tokio::test]
async fn a_survivor_needs_no_disk_when_the_front_is_on_the_object_store() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let mut config = cluster.config(1);
    config.wal.kind = WalKind::Object;
    config.wal.object.window = std::time::Duration::from_millis(10);
    let zombie = cluster.start(config).await;
    zombie.serving(&cluster, topic, 0).await;
    produce(&zombie.client, topic, 0..20).await;
    let heir = cluster.start(cluster.config(2)).await;
    let record = cluster.node_record(1).await;
    let request = EndIncarnationRequest { log_id: record.log_id, front: record.front };
    assert_eq!(end(&heir.client, request).await, ErrorCode::None);
    // R1: nobody has told the zombie, and it cannot acknowledge.
    let late = zombie.client.produce(topic, 0, sequenced(PRODUCER, 20, &["20"])).await;
    assert_ne!(error(late.error_code), ErrorCode::None);

    cluster.set_state(1, NodeState::Ended).await;
    cluster.assign(topic, 0, 2, 1).await;
    heir.serving(&cluster, topic, 0).await;
    assert_eq!(cold_values(&cluster, &heir, topic).await, numbers(20));
    produce(&heir.client, topic, 20..25).await;
    heir.stop().await.unwrap();
    cluster.scrubbed().await;
}
