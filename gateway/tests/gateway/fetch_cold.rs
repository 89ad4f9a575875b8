//! Fetch below the hot floor: a plan from the owner, records from a reader, nobody held back.

use std::sync::atomic::Ordering;

use metadata::model::NodeState;
use protocol::ErrorCode;
use protocol::ids::TopicId;

use crate::fetch::{at_once, fetch, fetched};
use crate::support::{Cluster, PATIENCE, Seen, batch, eventually};

/// A topic on both nodes: partition 0 cold below offset 2, partition 1 hot.
pub(crate) async fn cold_and_hot(cluster: &Cluster) -> TopicId {
    let topic = cluster.topic("orders", &[1, 2]).await;
    for value in ["a", "b", "c"] {
        cluster.logs.append(Cluster::partition(topic, 0), &batch(&[value]));
    }
    cluster.logs.change(Cluster::partition(topic, 0), |log| log.hot_floor = 2);
    cluster.logs.append(Cluster::partition(topic, 1), &batch(&["h"]));
    topic
}

pub(crate) fn values(partitions: Vec<(i32, i16, Vec<String>)>) -> Vec<(i32, i16, String)> {
    partitions.into_iter().map(|(index, code, values)| (index, code, values.concat())).collect()
}

pub(crate) fn expect(index: i32, records: &str) -> (i32, i16, String) {
    (index, 0, records.to_owned())
}

#[tokio::test]
async fn a_fetch_that_the_owner_refuses_is_read_cold_in_the_same_request() {
    let cluster = Cluster::start().await;
    cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let response = gateway.client().await.call(12, fetch("orders", &[(0, 0)])).await;
    assert_eq!(values(fetched(&response)), [expect(0, "ab")]);
    let partition = &response.responses[0].partitions[0];
    assert_eq!((partition.high_watermark, partition.log_start_offset), (3, 0));
    assert_eq!(cluster.reader.reads_begun(), 1);
}

#[tokio::test]
async fn once_the_floor_is_known_the_owner_is_asked_for_a_plan_and_then_for_nothing() {
    let cluster = Cluster::start().await;
    let topic = cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    client.call(12, fetch("orders", &[(0, 0)])).await;
    let asked = cluster.nodes[0].asked();
    assert!(asked.contains(&Seen::Plan { partition: Cluster::partition(topic, 0), offset: 0 }));
    for _ in 0..3 {
        let again = client.call(12, fetch("orders", &[(0, 1)])).await;
        assert_eq!(values(fetched(&again)), [expect(0, "b")]);
    }
    assert_eq!(cluster.nodes[0].asked(), asked, "neither fetched from nor asked for a plan");
    let hot = client.call(12, fetch("orders", &[(0, 2)])).await;
    assert_eq!(values(fetched(&hot)), [expect(0, "c")]);
}

#[tokio::test]
async fn a_slow_cold_read_holds_back_no_hot_partition_and_is_there_for_the_next_fetch() {
    let cluster = Cluster::start().await;
    let topic = cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    cluster.reader.reads.close();

    let first = client.call(12, fetch("orders", &[(0, 0), (1, 0)])).await;
    assert_eq!(values(fetched(&first)), [expect(0, ""), expect(1, "h")]);
    let left = &first.responses[0].partitions[0];
    assert_eq!(left.high_watermark, -1, "not known, and above all not the position");
    cluster.reader.reads.open();
    cluster.logs.append(Cluster::partition(topic, 1), &batch(&["i"]));
    let mut cold = String::new();
    while cold.is_empty() {
        let next = client.call(12, fetch("orders", &[(0, 0), (1, 1)])).await;
        let next = values(fetched(&next));
        assert_eq!(next[1], expect(1, "i"));
        cold = next[0].2.clone();
    }
    assert_eq!(cold, "ab");
    assert_eq!(cluster.reader.reads_begun(), 1, "the read that was left, not another one");
}

/// However many bytes the client waits for: the slow partition alone would have them.
#[tokio::test]
async fn a_slow_cold_read_does_not_make_hot_partitions_wait_for_more() {
    let cluster = Cluster::start().await;
    cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    cluster.reader.reads.close();
    let request = fetch("orders", &[(0, 0), (1, 0)]).with_min_bytes(1 << 20);
    let request = request.with_max_wait_ms(i32::MAX);
    let response = gateway.client().await.call(12, request).await;
    assert_eq!(values(fetched(&response)), [expect(0, ""), expect(1, "h")]);
}

/// One partition of forty batches of ten records, hot from offset 200 on and uploaded to its end.
#[tokio::test]
async fn a_consumer_that_catches_up_stays_cold_over_the_seam() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    for _ in 0..40 {
        cluster.logs.append(Cluster::partition(topic, 0), &batch(&["v"; 10]));
    }
    let partition = Cluster::partition(topic, 0);
    cluster.logs.change(partition, |log| (log.hot_floor, log.uploaded) = (200, 400));
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    // One batch each. A quarter of what is hot is the seam: 200..250.
    for offset in (180..300).step_by(10) {
        let before = cluster.reader.reads_begun();
        let mut request = fetch("orders", &[(0, offset)]);
        request.topics[0].partitions[0].partition_max_bytes = 1;
        let response = client.call(12, request).await;
        assert_eq!(values(fetched(&response)), [expect(0, &"v".repeat(10))]);
        let cold = cluster.reader.reads_begun() > before;
        assert_eq!(cold, offset < 250, "at {offset}");
        if offset == 250 {
            // Overtaken by the floor it would be cold again; it has a lead instead.
            cluster.logs.change(partition, |log| log.hot_floor = 240);
        }
    }
    // Somebody else who starts at the floor is hot at once.
    let before = cluster.reader.reads_begun();
    client.call(12, fetch("orders", &[(0, 245)])).await;
    assert_eq!(cluster.reader.reads_begun(), before);
}

#[tokio::test]
async fn a_cold_read_outlives_the_fetch_that_did_not_wait_for_it() {
    let cluster = Cluster::start().await;
    cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    cluster.reader.reads.close();
    let first = client.call(12, at_once(fetch("orders", &[(0, 0)]))).await;
    assert_eq!(values(fetched(&first)), [expect(0, "")]);
    drop(client);
    cluster.reader.reads.open();
    let second = gateway.client().await.call(12, fetch("orders", &[(0, 0)])).await;
    assert_eq!(values(fetched(&second)), [expect(0, "ab")]);
    assert_eq!(cluster.reader.reads_begun(), 1);
}

#[tokio::test]
async fn groups_that_replay_the_same_offsets_share_a_read() {
    let cluster = Cluster::start().await;
    cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let (mut one, mut two) = (gateway.client().await, gateway.client().await);
    cluster.reader.reads.close();
    let request = fetch("orders", &[(0, 0)]);
    let first = one.send(12, &request).await;
    eventually("the read has begun", || cluster.reader.reads_begun() == 1).await;
    let second = two.send(12, &request).await;
    // The second asks the owner, learns nothing new, and finds the read; then both get it.
    eventually("the second is routed", || {
        let asked = cluster.nodes[0].asked();
        asked.iter().filter(|seen| matches!(seen, Seen::Plan { .. })).count() == 1
    })
    .await;
    cluster.reader.reads.open();
    for (client, correlation) in [(&mut one, first), (&mut two, second)] {
        let response = client.receive::<protocol::messages::FetchRequest>(12, correlation).await;
        assert_eq!(values(fetched(&response)), [expect(0, "ab")]);
    }
}

#[tokio::test]
async fn a_refused_plan_is_made_anew() {
    let cluster = Cluster::start().await;
    cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    cluster.reader.refusals.store(2, Ordering::SeqCst);
    let response = client.call(12, fetch("orders", &[(0, 0)])).await;
    assert_eq!(values(fetched(&response)), [expect(0, "ab")]);

    cluster.reader.refusals.store(100, Ordering::SeqCst);
    let response = client.call(12, fetch("orders", &[(0, 1)])).await;
    assert_eq!(fetched(&response)[0].1, ErrorCode::KafkaStorageError.code(), "never empty");
}

/// One partition of forty batches of ten records, planned to offset 200 at first.
#[tokio::test]
async fn the_next_plan_is_there_before_its_consumer() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let partition = Cluster::partition(topic, 0);
    for _ in 0..40 {
        cluster.logs.append(partition, &batch(&["v"; 10]));
    }
    cluster.logs.change(partition, |log| (log.hot_floor, log.uploaded) = (200, 200));
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let planned = || -> Vec<i64> {
        let asked = cluster.nodes[0].asked().into_iter();
        let offset = |seen| if let Seen::Plan { offset, .. } = seen { Some(offset) } else { None };
        asked.filter_map(offset).collect()
    };
    for offset in (0..400).step_by(10) {
        if offset == 140 {
            assert_eq!(planned(), [0], "three quarters of the first plan are not read yet");
            cluster.logs.change(partition, |log| (log.hot_floor, log.uploaded) = (400, 400));
        }
        if offset == 200 {
            eventually("the next plan is made", || planned().len() == 2).await;
        }
        let mut request = fetch("orders", &[(0, offset)]);
        request.topics[0].partitions[0].partition_max_bytes = 1;
        let response = client.call(12, request).await;
        assert_eq!(values(fetched(&response)), [expect(0, &"v".repeat(10))]);
    }
    assert_eq!(planned()[..2], [0, 200], "asked for from the end of the first");
    assert!(
        planned()[2..].iter().all(|offset| *offset == 400),
        "once, at its end: {:?}",
        planned()
    );
}

/// The consumer that replays needs no owner; the one at the end of the log does.
#[tokio::test]
async fn a_replay_goes_on_while_nobody_owns_the_partition() {
    let cluster = Cluster::start().await;
    cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    // A plan from offset 1 on is known then, and where the hot floor is.
    client.call(12, fetch("orders", &[(0, 1)])).await;
    cluster.change_node(&gateway, 1, NodeState::Fenced, 1).await;
    let asked = cluster.nodes[0].asked().len();
    let response = client.call(12, fetch("orders", &[(0, 0)])).await;
    assert_eq!(values(fetched(&response)), [expect(0, "ab")]);
    let answered = &response.responses[0].partitions[0];
    assert_eq!(answered.high_watermark, 3, "not below what was said before (C6)");
    let planned = client.call(12, fetch("orders", &[(0, 1)])).await;
    assert_eq!(values(fetched(&planned)), [expect(0, "b")]);
    for offset in [2, 3, 100] {
        let response = client.call(12, fetch("orders", &[(0, offset)])).await;
        assert_eq!(fetched(&response)[0].1, ErrorCode::NotLeaderOrFollower.code(), "at {offset}");
    }
    let response = client.call(12, fetch("orders", &[(0, -5)])).await;
    let code = ErrorCode::from_code(fetched(&response)[0].1);
    assert_eq!(code, ErrorCode::NotLeaderOrFollower, "only an owner says out of range");
    assert_eq!(cluster.nodes[0].asked().len(), asked);
}

/// Two of three readers are gone and still registered: no fetch notices, whichever is first.
#[tokio::test]
async fn a_reader_that_is_gone_is_passed_over_in_the_same_fetch() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1; 8]).await;
    for index in 0..8 {
        cluster.logs.append(Cluster::partition(topic, index), &batch(&["a"]));
        cluster.logs.append(Cluster::partition(topic, index), &batch(&["b"]));
        cluster.logs.change(Cluster::partition(topic, index), |log| log.hot_floor = 1);
    }
    cluster.lost_reader(2).await;
    cluster.lost_reader(3).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    for index in 0..8 {
        let response = client.call(12, fetch("orders", &[(index, 0)])).await;
        assert_eq!(values(fetched(&response)), [expect(index, "a")]);
    }
}

#[tokio::test]
async fn only_the_owner_says_that_an_offset_is_out_of_range() {
    let cluster = Cluster::start().await;
    let topic = cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    client.call(12, fetch("orders", &[(0, 0)])).await;
    cluster.logs.change(Cluster::partition(topic, 0), |log| log.start = 2);
    // Another offset than before: what is planned already may still be read.
    let response = client.call(12, fetch("orders", &[(0, -5)])).await;
    assert_eq!(fetched(&response)[0].1, ErrorCode::OffsetOutOfRange.code());
}

#[tokio::test]
async fn a_client_that_never_waits_hears_why_a_cold_read_failed() {
    let cluster = Cluster::start().await;
    let topic = cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    client.call(12, fetch("orders", &[(0, 0)])).await;
    cluster.logs.change(Cluster::partition(topic, 0), |log| log.start = 2);
    let told = async {
        loop {
            let response = client.call(12, at_once(fetch("orders", &[(0, -5)]))).await;
            match fetched(&response)[0].1 {
                0 => {}
                code => return code,
            }
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await.expect("it is told");
    assert_eq!(told, ErrorCode::OffsetOutOfRange.code());
}

#[tokio::test]
async fn a_floor_that_has_come_down_is_noticed() {
    let cluster = Cluster::start().await;
    let topic = cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    client.call(12, fetch("orders", &[(0, 0)])).await;
    // Planned offsets are read as planned; below them the owner is asked, and has everything now.
    cluster.logs.change(Cluster::partition(topic, 0), |log| log.hot_floor = 0);
    cluster.change_node(&gateway, 1, NodeState::Ended, 1).await;
    cluster.reassign(&gateway, Cluster::partition(topic, 0), 2, 6).await;
    let begun = cluster.reader.reads_begun();
    let response = client.call(12, fetch("orders", &[(0, 0)])).await;
    assert_eq!(values(fetched(&response)), [expect(0, "abc")]);
    assert_eq!(cluster.reader.reads_begun(), begun);
}

#[tokio::test]
async fn a_fenced_client_is_told_so_even_where_no_owner_is_asked() {
    let cluster = Cluster::start().await;
    cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    client.call(12, fetch("orders", &[(0, 0)])).await;
    for (epoch, expected) in [(4, ErrorCode::FencedLeaderEpoch), (6, ErrorCode::UnknownLeaderEpoch)]
    {
        let mut request = fetch("orders", &[(0, 0)]);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let response = client.call(12, request).await;
        assert_eq!(fetched(&response)[0].1, expected.code());
        assert!(response.node_endpoints.is_empty());
    }
}
