//! ListOffsets by time below the hot floor: the owner says where to look, a reader looks.

use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use metadata::model::NodeState;
use protocol::ErrorCode;
use protocol::ids::TopicId;
use protocol::messages::ListOffsetsRequest;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};

use crate::support::{Client, Cluster, Seen, batch_at, name};

/// Partition, error, offset, timestamp and epoch of each answer.
type Answers = Vec<(i32, i16, i64, i64, i32)>;

/// Times 10 to 40 are cold, 50 is hot; partition 1 is all hot.
async fn cold_and_hot(cluster: &Cluster) -> TopicId {
    let topic = cluster.topic("orders", &[1, 2]).await;
    for times in [&[10, 20][..], &[30, 40], &[50]] {
        cluster.logs.append(Cluster::partition(topic, 0), &batch_at(times));
    }
    cluster.logs.change(Cluster::partition(topic, 0), |log| log.hot_floor = 4);
    cluster.logs.append(Cluster::partition(topic, 1), &batch_at(&[15]));
    topic
}

async fn list(client: &mut Client, version: i16, asked: &[(i32, i64)]) -> Answers {
    let partitions = asked.iter().map(|(index, timestamp)| {
        ListOffsetsPartition::default().with_partition_index(*index).with_timestamp(*timestamp)
    });
    let topic =
        ListOffsetsTopic::default().with_name(name("orders")).with_partitions(partitions.collect());
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    let answer = client.call(version, request).await.topics.remove(0);
    let answers = answer.partitions.iter();
    let told = answers
        .map(|it| (it.partition_index, it.error_code, it.offset, it.timestamp, it.leader_epoch));
    told.collect()
}

#[tokio::test]
async fn a_reader_finds_what_is_cold_and_the_owner_what_is_hot() {
    let cluster = Cluster::start().await;
    cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    for version in [4, 10] {
        let told = list(&mut client, version, &[(0, 35), (1, 11)]).await;
        assert_eq!(told, [(0, 0, 3, 40, 0), (1, 0, 0, 15, 5)], "in the order of the request");
        for (timestamp, offset, found, epoch) in
            [(0, 0, 10, 0), (11, 1, 20, 0), (41, 4, 50, 5), (51, -1, -1, 5)]
        {
            let told = list(&mut client, version, &[(0, timestamp)]).await;
            assert_eq!(told, [(0, 0, offset, found, epoch)], "at {timestamp}");
        }
    }
}

/// The time in a batch's header that no record has, as some producers write it.
fn lying(times: &[i64], max_timestamp: i64) -> Bytes {
    let mut batch = BytesMut::from(batch_at(times).as_ref());
    batch[35..43].copy_from_slice(&max_timestamp.to_be_bytes());
    batch.freeze()
}

#[tokio::test]
async fn a_search_goes_on_behind_headers_that_promised_too_much() {
    let cluster = Cluster::start().await;
    let topic = cluster.topic("orders", &[1]).await;
    let partition = Cluster::partition(topic, 0);
    for batch in [lying(&[10], 90), batch_at(&[20]), lying(&[30], 90), batch_at(&[60])] {
        cluster.logs.append(partition, &batch);
    }
    cluster.logs.change(partition, |log| log.hot_floor = 3);
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    assert_eq!(list(&mut client, 10, &[(0, 50)]).await, [(0, 0, 3, 60, 5)]);
    let asked = cluster.nodes[0].asked().into_iter();
    let from = |seen| if let Seen::List { from, .. } = seen { Some(from) } else { None };
    assert_eq!(asked.filter_map(from).collect::<Vec<_>>(), [0, 1, 3]);
    assert_eq!(list(&mut client, 10, &[(0, 70)]).await, [(0, 0, -1, -1, 5)], "nowhere at all");
}

#[tokio::test]
async fn a_refused_plan_is_made_anew_and_no_client_hears_of_tiers() {
    let cluster = Cluster::start().await;
    cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    cluster.reader.refusals.store(2, Ordering::SeqCst);
    assert_eq!(list(&mut client, 10, &[(0, 35)]).await, [(0, 0, 3, 40, 0)]);
    cluster.reader.refusals.store(100, Ordering::SeqCst);
    let code = ErrorCode::KafkaStorageError.code();
    assert_eq!(list(&mut client, 10, &[(0, 35), (1, 0)]).await[0], (0, code, -1, -1, -1));
}

/// That there is nothing at or after a time, only an owner can say (R6).
#[tokio::test]
async fn without_an_owner_a_search_is_to_be_tried_again() {
    let cluster = Cluster::start().await;
    cold_and_hot(&cluster).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    cluster.change_node(&gateway, 1, NodeState::Fenced, 1).await;
    let code = ErrorCode::NotLeaderOrFollower.code();
    let told = list(&mut client, 10, &[(0, 35), (1, 0)]).await;
    assert_eq!(told, [(0, code, -1, -1, -1), (1, 0, 0, 15, 5)]);
}
