//! Fetch from the owners: names and ids, waiting, several owners, limits, sessions.

use protocol::ErrorCode;
use protocol::ids::TopicId;
use protocol::messages::FetchRequest;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};

use crate::support::{Client, Cluster, EPOCH, Seen, batch, eventually, id, name, values};

pub(crate) type Response = <FetchRequest as protocol::Request>::Response;

/// A fetch of whole partitions from these offsets, waiting as long as a test ever does.
pub(crate) fn fetch(topic: &str, partitions: &[(i32, i64)]) -> FetchRequest {
    let partitions = partitions.iter().map(|(index, offset)| {
        FetchPartition::default()
            .with_partition(*index)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(1 << 20)
    });
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(partitions.collect());
    FetchRequest::default()
        .with_max_wait_ms(15_000)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

pub(crate) fn at_once(request: FetchRequest) -> FetchRequest {
    request.with_max_wait_ms(0)
}

fn by_id(mut request: FetchRequest, topic: TopicId) -> FetchRequest {
    for asked in &mut request.topics {
        asked.topic = Default::default();
        asked.topic_id = id(topic);
    }
    request
}

/// Partition, error and records, in the order of the answer.
pub(crate) fn fetched(response: &Response) -> Vec<(i32, i16, Vec<String>)> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    let fetched = partitions.map(|partition| {
        let records = partition.records.clone().unwrap_or_default();
        let values = values(&records).into_iter().map(|(_, value)| value).collect();
        (partition.partition_index, partition.error_code, values)
    });
    fetched.collect()
}

fn expect(index: i32, records: &[&str]) -> (i32, i16, Vec<String>) {
    (index, 0, records.iter().map(|record| (*record).to_owned()).collect())
}

#[tokio::test]
async fn records_come_from_every_owner_with_their_offsets() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 2]).await;
    cluster.logs.append(Cluster::partition(topic, 0), &batch(&["a", "b"]));
    cluster.logs.append(Cluster::partition(topic, 0), &batch(&["c"]));
    cluster.logs.append(Cluster::partition(topic, 1), &batch(&["d"]));
    let gateway = cluster.gateway(1).await;
    let response = gateway.client().await.call(12, fetch("orders", &[(1, 0), (0, 1)])).await;
    // A fetch into the middle of a batch gets the whole batch.
    assert_eq!(fetched(&response), [expect(1, &["d"]), expect(0, &["a", "b", "c"])]);
    let second = &response.responses[0].partitions[1];
    assert_eq!((second.high_watermark, second.log_start_offset), (3, 0));
    assert_eq!(values(second.records.as_ref().unwrap())[2].0, 2);
}

#[tokio::test]
async fn topics_are_named_by_id_from_version_13_on() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    cluster.logs.append(Cluster::partition(topic, 0), &batch(&["a"]));
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    for version in [13, 17] {
        let request = by_id(fetch("orders", &[(0, 0)]), topic);
        let response = client.call(version, request).await;
        assert_eq!(fetched(&response), [expect(0, &["a"])]);
        assert_eq!(response.responses[0].topic_id, id(topic));
    }
    let unknown = by_id(fetch("orders", &[(0, 0)]), TopicId::random());
    let response = client.call(13, unknown).await;
    assert_eq!(fetched(&response)[0].1, ErrorCode::UnknownTopicId.code());
}

#[tokio::test]
async fn an_error_is_answered_at_once_beside_the_records_of_others() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    cluster.logs.append(Cluster::partition(topic, 0), &batch(&["a"]));
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let response = client.call(12, fetch("orders", &[(9, 0), (0, 0)])).await;
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(fetched(&response), [(9, unknown, vec![]), expect(0, &["a"])]);
    let response = client.call(12, fetch("orders", &[(0, 100)])).await;
    assert_eq!(fetched(&response)[0].1, ErrorCode::OffsetOutOfRange.code());
    let response = client.call(12, fetch("nothing", &[(0, 0)])).await;
    assert_eq!(fetched(&response)[0].1, unknown);
}

#[tokio::test]
async fn a_fetch_at_the_end_waits_at_its_only_owner_until_something_is_appended() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let sent = client.send(12, &fetch("orders", &[(0, 0), (1, 0)])).await;
    eventually("the owner was asked", || !cluster.nodes[0].asked().is_empty()).await;
    cluster.logs.append(Cluster::partition(topic, 1), &batch(&["a"]));
    let response = client.receive::<FetchRequest>(12, sent).await;
    assert_eq!(fetched(&response), [expect(0, &[]), expect(1, &["a"])]);
    let [Seen::Fetch { wait_ms, .. }] = cluster.nodes[0].asked()[..] else {
        panic!("one call, which waited itself: {:?}", cluster.nodes[0].asked());
    };
    assert!(wait_ms > 10_000, "{wait_ms}");
}

#[tokio::test]
async fn a_fetch_from_two_owners_is_woken_by_either() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 2]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let sent = client.send(12, &fetch("orders", &[(0, 0), (1, 0)])).await;
    let waits = |node: usize| {
        let asked = cluster.nodes[node].asked();
        asked.iter().any(|seen| matches!(seen, Seen::Fetch { wait_ms, .. } if *wait_ms > 0))
    };
    eventually("both owners wait", || waits(0) && waits(1)).await;
    cluster.logs.append(Cluster::partition(topic, 1), &batch(&["a"]));
    let response = client.receive::<FetchRequest>(12, sent).await;
    assert_eq!(fetched(&response), [expect(0, &[]), expect(1, &["a"])]);
}

#[tokio::test]
async fn two_owners_fill_min_bytes_together() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 2]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let one = batch(&["0123456789"]);
    let min_bytes = i32::try_from(one.len() * 3).unwrap();
    let request = fetch("orders", &[(0, 0), (1, 0)]).with_min_bytes(min_bytes);
    let sent = client.send(12, &request).await;
    for index in [0, 1, 1] {
        cluster.logs.append(Cluster::partition(topic, index), &one);
        tokio::task::yield_now().await;
    }
    let response = client.receive::<FetchRequest>(12, sent).await;
    let lengths = fetched(&response).into_iter().map(|(_, _, records)| records.len());
    assert_eq!(lengths.collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn an_owner_that_does_not_answer_holds_no_other_back() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 2]).await;
    cluster.logs.append(Cluster::partition(topic, 1), &batch(&["a"]));
    let gateway = cluster.gateway(1).await;
    cluster.nodes[0].fetches.close();
    let response = gateway.client().await.call(12, fetch("orders", &[(0, 0), (1, 0)])).await;
    assert_eq!(fetched(&response), [expect(0, &[]), expect(1, &["a"])]);
}

#[tokio::test]
async fn a_fetch_that_may_not_wait_is_answered_with_nothing() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let nothing = client.call(12, at_once(fetch("orders", &[(0, 0)]))).await;
    assert_eq!(fetched(&nothing), [expect(0, &[])]);
    let nothing = client.call(12, fetch("orders", &[(0, 0)]).with_min_bytes(0)).await;
    assert_eq!(fetched(&nothing), [expect(0, &[])]);
}

#[tokio::test]
async fn max_bytes_hold_over_partitions_but_one_batch_always_comes() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 2, 1]).await;
    for index in 0..3 {
        cluster.logs.append(Cluster::partition(topic, index), &batch(&[&"x".repeat(1_000)]));
    }
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let all = [(1, 0), (0, 0), (2, 0)];
    let count = |response: &Response| -> Vec<usize> {
        fetched(response).iter().map(|(_, _, records)| records.len()).collect()
    };
    for tiny in [0, 10] {
        let tiny = client.call(12, fetch("orders", &all).with_max_bytes(tiny)).await;
        assert_eq!(count(&tiny), [1, 0, 0]);
    }
    let two = client.call(12, fetch("orders", &all).with_max_bytes(2_500)).await;
    assert_eq!(count(&two), [1, 1, 0]);
    let full = client.call(12, fetch("orders", &all)).await;
    assert_eq!(count(&full), [1, 1, 1]);
}

#[tokio::test]
async fn a_session_is_told_only_what_is_new() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 2]).await;
    cluster.logs.append(Cluster::partition(topic, 0), &batch(&["a"]));
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let first = at_once(fetch("orders", &[(0, 0), (1, 0)])).with_session_epoch(0);
    let first = client.call(12, first).await;
    assert_ne!(first.session_id, 0);
    assert_eq!(fetched(&first), [expect(0, &["a"]), expect(1, &[])]);

    let moved_on = |epoch| {
        at_once(fetch("orders", &[(0, 1)]))
            .with_session_id(first.session_id)
            .with_session_epoch(epoch)
    };
    let quiet = client.call(12, moved_on(1)).await;
    assert_eq!((quiet.session_id, fetched(&quiet)), (first.session_id, vec![]));
    cluster.logs.append(Cluster::partition(topic, 1), &batch(&["b"]));
    let news = client.call(12, moved_on(2)).await;
    assert_eq!(fetched(&news), [expect(1, &["b"])]);

    let repeated = client.call(12, moved_on(2)).await;
    assert_eq!(repeated.error_code, ErrorCode::InvalidFetchSessionEpoch.code());
    let elsewhere = cluster.gateway(2).await.client().await.call(12, moved_on(3)).await;
    assert_eq!(elsewhere.error_code, ErrorCode::FetchSessionIdNotFound.code());
}

#[tokio::test]
async fn another_tenants_topic_cannot_be_named() {
    let cluster = Cluster::start().await;
    let foreign = cluster.control.put_topic(protocol::ids::TenantId(2), "theirs", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client: Client = gateway.client().await;
    let by_name = client.call(12, fetch("theirs", &[(0, 0)])).await;
    assert_eq!(fetched(&by_name)[0].1, ErrorCode::UnknownTopicOrPartition.code());
    let by_id = client.call(13, by_id(fetch("theirs", &[(0, 0)]), foreign)).await;
    assert_eq!(fetched(&by_id)[0].1, ErrorCode::UnknownTopicId.code());
    assert!(cluster.nodes[0].asked().is_empty());
}

/// KIP-951: whoever is behind learns who leads now; nobody else hears of leaders.
#[tokio::test]
async fn a_fetch_that_is_refused_for_its_leader_names_the_gateway_that_leads() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 3]).await;
    cluster.logs.append(Cluster::partition(topic, 0), &batch(&["a"]));
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    cluster.reassign(&gateway, Cluster::partition(topic, 0), 2, 6).await;
    cluster.logs.change(Cluster::partition(topic, 0), |log| log.epoch = Some(6));
    let asked = |partition, epoch| {
        let mut request = by_id(fetch("orders", &[(partition, 0)]), topic);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        at_once(request)
    };
    let fenced = ErrorCode::FencedLeaderEpoch.code();
    // Node 3 is nowhere: partition 1 has an owner that nobody reaches.
    let away = ErrorCode::NotLeaderOrFollower.code();
    for (partition, epoch, version, code, leader) in [
        (0, 5, 15, fenced, None),
        (0, 5, 16, fenced, Some((1, 6))),
        (0, 5, 18, fenced, Some((1, 6))),
        (0, 7, 17, ErrorCode::UnknownLeaderEpoch.code(), None),
        (0, 6, 17, 0, None),
        (1, -1, 15, away, None),
        (1, -1, 17, away, Some((1, EPOCH))),
    ] {
        let response = client.call(version, asked(partition, epoch)).await;
        let answer = &response.responses[0].partitions[0];
        assert_eq!(answer.error_code, code, "epoch {epoch} of partition {partition}, v{version}");
        let said = &answer.current_leader;
        let said = (said.leader_id.0 >= 0).then_some((said.leader_id.0, said.leader_epoch));
        assert_eq!(said, leader, "epoch {epoch} of partition {partition}, v{version}");
        let endpoints: Vec<_> =
            response.node_endpoints.iter().map(|each| (each.node_id.0, each.port)).collect();
        let expected = leader.map(|(id, _)| (id, i32::from(gateway.address.port())));
        assert_eq!(endpoints, Vec::from_iter(expected));
    }
}
