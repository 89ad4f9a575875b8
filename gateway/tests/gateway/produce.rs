//! Produce: batches reach the owners of their partitions untouched, and answers come back in place.

use std::sync::atomic::Ordering;

use protocol::ErrorCode;
use protocol::ids::TopicId;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{ProduceRequest, ProduceResponse};

use crate::support::{Cluster, EPOCH, Seen, batch, id, name};

/// One batch per partition, each with this value.
pub(crate) fn produce(topic: &str, partitions: &[(i32, &str)]) -> ProduceRequest {
    let data = partitions.iter().map(|(index, value)| {
        PartitionProduceData::default().with_index(*index).with_records(Some(batch(&[value])))
    });
    let topic =
        TopicProduceData::default().with_name(name(topic)).with_partition_data(data.collect());
    ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![topic])
}

fn by_id(mut request: ProduceRequest, topic: TopicId) -> ProduceRequest {
    for data in &mut request.topic_data {
        data.name = Default::default();
        data.topic_id = id(topic);
    }
    request
}

/// Partition, error and base offset, in the order of the answer.
pub(crate) fn outcome(response: &ProduceResponse) -> Vec<(i32, i16, i64)> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    partitions.map(|p| (p.index, p.error_code, p.base_offset)).collect()
}

fn codes(response: &ProduceResponse) -> Vec<i16> {
    outcome(response).into_iter().map(|(_, code, _)| code).collect()
}

#[tokio::test]
async fn batches_go_to_their_owners_and_answers_come_back_in_request_order() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1, 2, 1, 2]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    cluster.logs.append(Cluster::partition(topic, 2), &batch(&["before"]));

    let request = produce("orders", &[(3, "d"), (0, "a"), (2, "c"), (1, "b")]);
    let response = client.call(9, request).await;
    assert_eq!(outcome(&response), [(3, 0, 0), (0, 0, 0), (2, 0, 1), (1, 0, 0)]);
    assert_eq!(cluster.nodes[0].produced(), [batch(&["a"]), batch(&["c"])]);
    assert_eq!(cluster.nodes[1].produced(), [batch(&["d"]), batch(&["b"])]);
}

#[tokio::test]
async fn a_node_is_told_by_which_epoch_it_was_chosen() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    gateway.client().await.call(9, produce("orders", &[(0, "a")])).await;
    let partition = Cluster::partition(topic, 0);
    let records = batch(&["a"]);
    assert_eq!(cluster.nodes[0].seen(), [Seen::Produce { partition, epoch: Some(EPOCH), records }]);
}

#[tokio::test]
async fn topics_are_named_by_id_from_version_13_on() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let request = by_id(produce("orders", &[(0, "a")]), topic);
    let response = client.call(13, request.clone()).await;
    assert_eq!(outcome(&response), [(0, 0, 0)]);
    assert_eq!(response.responses[0].topic_id, id(topic));

    let unknown = client.call(13, by_id(request, TopicId::random())).await;
    assert_eq!(outcome(&unknown), [(0, ErrorCode::UnknownTopicId.code(), -1)]);
}

#[tokio::test]
async fn what_does_not_exist_is_refused_and_the_rest_is_appended() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut request = produce("orders", &[(7, "x"), (0, "a"), (-1, "y")]);
    request.topic_data.extend(produce("nothing", &[(0, "z")]).topic_data);
    let response = gateway.client().await.call(9, request).await;
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(
        outcome(&response),
        [(7, unknown, -1), (0, 0, 0), (-1, unknown, -1), (0, unknown, -1)]
    );
    assert_eq!(cluster.nodes[0].produced(), [batch(&["a"])]);
}

#[tokio::test]
async fn two_batches_for_one_partition_in_one_request_are_not_both_appended() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let response = gateway.client().await.call(9, produce("orders", &[(0, "a"), (0, "b")])).await;
    assert_eq!(codes(&response), [0, ErrorCode::InvalidRequest.code()]);
    assert_eq!(cluster.nodes[0].produced(), [batch(&["a"])]);
}

#[tokio::test]
async fn only_the_acknowledgements_that_kafka_knows_are_taken() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    for acks in [2, -2, i16::MAX] {
        let response = client.call(9, produce("orders", &[(0, "a")]).with_acks(acks)).await;
        assert_eq!(codes(&response), [ErrorCode::InvalidRequiredAcks.code()]);
    }
    assert!(cluster.nodes[0].produced().is_empty());
    let response = client.call(9, produce("orders", &[(0, "a")]).with_acks(1)).await;
    assert_eq!(codes(&response), [0]);
}

#[tokio::test]
async fn an_owner_that_is_away_is_a_definite_error() {
    let cluster = Cluster::start().await;
    // Nobody is registered as node 3, and nobody listens where it was.
    cluster.topic("orders", &[3, 1]).await;
    let gateway = cluster.gateway(1).await;
    let response = gateway.client().await.call(9, produce("orders", &[(0, "a"), (1, "b")])).await;
    assert_eq!(codes(&response), [ErrorCode::NotLeaderOrFollower.code(), 0]);
    assert!(protocol::error::definite(codes(&response)[0]));
}

#[tokio::test]
async fn a_refused_client_is_told_of_the_gateway_that_leads_and_of_no_node() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    cluster.nodes[0].produce_error.store(ErrorCode::NotLeaderOrFollower.code(), Ordering::SeqCst);
    for version in [9, 10, 12] {
        let response = client.call(version, produce("orders", &[(0, "a")])).await;
        assert_eq!(codes(&response), [ErrorCode::NotLeaderOrFollower.code()]);
        let leader = &response.responses[0].partition_responses[0].current_leader;
        let endpoints: Vec<_> =
            response.node_endpoints.iter().map(|e| (e.node_id.0, e.port)).collect();
        if version < 10 {
            assert_eq!((leader.leader_id.0, endpoints.len()), (-1, 0), "older versions cannot say");
        } else {
            assert_eq!((leader.leader_id.0, leader.leader_epoch), (1, EPOCH));
            assert_eq!(endpoints, [(1, i32::from(gateway.address.port()))]);
        }
    }
    cluster.nodes[0].produce_error.store(0, Ordering::SeqCst);
    let response = client.call(12, produce("orders", &[(0, "a")])).await;
    let leader = &response.responses[0].partition_responses[0].current_leader;
    assert_eq!((leader.leader_id.0, response.node_endpoints.len()), (-1, 0));
}

#[tokio::test]
async fn a_produce_without_acknowledgement_has_no_answer() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    client.send(9, &produce("orders", &[(0, "a")]).with_acks(0)).await;
    let response = client.call(9, produce("orders", &[(0, "b")])).await;
    assert_eq!(outcome(&response), [(0, 0, 1)], "the first one was appended before");
}

#[tokio::test]
async fn a_failed_produce_without_acknowledgement_ends_the_connection() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    cluster.nodes[0].produce_error.store(ErrorCode::MessageTooLarge.code(), Ordering::SeqCst);
    let mut client = gateway.client().await;
    client.send(9, &produce("orders", &[(0, "a")]).with_acks(0)).await;
    client.closed().await;
}

/// KIP-890: from Produce 12 on an owner adds the partition to the transaction, before it asks.
#[tokio::test]
async fn a_transactional_produce_says_which_version_its_client_speaks() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    for version in [9, 12] {
        let id = crate::support::text("tx").into();
        let request = produce("orders", &[(0, "a")]).with_transactional_id(Some(id));
        assert_eq!(codes(&client.call(version, request).await), [0]);
        let seen = cluster.nodes[0].seen();
        let expected = Seen::Transaction { id: "tx".to_owned(), version: Some(version) };
        assert_eq!(seen[seen.len() - 2], expected);
    }
}
