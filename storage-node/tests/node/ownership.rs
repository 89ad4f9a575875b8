//! Incarnations: who may serve a partition, and what the next owner knows of it.

use hop::internal::{OpenPartition, OpenPartitionsRequest};
use hop::{Request, Response};
use metadata::model::NodeState;
use protocol::ErrorCode;
use protocol::ids::{NodeId, PartitionId};
use segment::seqlog::SeqLogReader;
use segment::{Family, ManifestStore};
use storage_node::NodeError;

use crate::harness::{Cluster, TENANT, batch, error, sequenced};

#[tokio::test]
async fn a_partition_that_is_not_open_yet_has_no_leader_here() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(2, 1, &[]).await;
    let node = cluster.start(cluster.config(1)).await;
    let answer = node.client.produce(topic, 0, batch(&["a"])).await;
    assert_eq!(error(answer.error_code), ErrorCode::NotLeaderOrFollower);
    assert!(error(answer.error_code).definite());
    let answer = node.client.fetch(topic, 0, 0).send().await;
    assert_eq!(error(answer.error_code), ErrorCode::NotLeaderOrFollower);
    let answer = node.client.list_offsets(topic, 0, -1).await;
    assert_eq!(error(answer.error_code), ErrorCode::NotLeaderOrFollower);
}

#[tokio::test]
async fn asked_to_open_a_partition_the_node_answers_when_it_serves() {
    let cluster = Cluster::new().await;
    let node = cluster.start(cluster.config(1)).await;
    let topic = cluster.topic(1, 3, &[]).await;
    let wanted = (0..3).map(|index| OpenPartition::new(PartitionId::new(TENANT, topic, index)));
    let request = OpenPartitionsRequest { partitions: wanted.collect() };
    let Response::OpenPartitions(answer) =
        node.client.start(Request::OpenPartitions(request)).await
    else {
        panic!("another answer");
    };
    assert_eq!(answer.error_codes, [0, 0, 0]);
    for index in 0..3 {
        assert_eq!(node.client.acked(topic, index, batch(&["a"])).await, 0);
    }
}

#[tokio::test]
async fn a_clean_stop_ends_the_log_and_the_next_start_continues_it() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 2, &[]).await;
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    let producer = (4000, 0);
    node.client.acked(topic, 0, sequenced(producer, 0, &["a", "b"])).await;
    let first = cluster.node_record(1).await;
    assert_eq!(first.state, NodeState::Live);
    let peer_address = node.handle.address().to_owned();
    assert_eq!(first.address, peer_address);
    node.stop().await.unwrap();

    let ended = cluster.node_record(1).await;
    assert_eq!((ended.state, &ended.log_id), (NodeState::Ended, &first.log_id));
    let log = first.log_id.parse().unwrap();
    let reader = SeqLogReader::new(cluster.store.clone(), Family::Data, log);
    let (_, end) = reader.find_end().await.unwrap().expect("END is there");
    assert!(end.index.is_some());

    let node = cluster.start(cluster.config(1)).await;
    assert_eq!(node.serving(&cluster, topic, 0).await, 1, "a new epoch, told to everybody");
    let second = cluster.node_record(1).await;
    assert_eq!(second.incarnation, first.incarnation + 1);
    assert_ne!(second.log_id, first.log_id);
    let again = node.client.acked(topic, 0, sequenced(producer, 0, &["a", "b"])).await;
    assert_eq!(again, 0, "a duplicate of what the last incarnation appended");
    assert_eq!(node.client.acked(topic, 0, sequenced(producer, 2, &["c"])).await, 2);
    let cold = node.client.fetch(topic, 0, 0).send().await;
    assert_eq!(error(cold.error_code), ErrorCode::OffsetMovedToTieredStorage);
    assert_eq!(cold.hot_floor, 2);
    let end_of_first = node.client.fetch(topic, 0, 2).last_epoch(0).send().await;
    assert_eq!(end_of_first.diverging_epoch, None, "epoch 0 ended at offset 2");
    node.stop().await.unwrap();
}

#[tokio::test]
async fn restarts_without_records_leave_no_trace_in_the_manifest() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    for restart in 0..5 {
        let node = cluster.start(cluster.config(1)).await;
        node.serving(&cluster, topic, 0).await;
        if restart == 1 {
            node.client.acked(topic, 0, batch(&["a"])).await;
        }
        node.stop().await.unwrap();
    }
    let manifests = ManifestStore::new(cluster.store.clone());
    let id = PartitionId::new(TENANT, topic, 0);
    let (manifest, _) = manifests.load(&id).await.unwrap().expect("claimed");
    assert_eq!(manifest.epoch, 4);
    assert_eq!(manifest.chain.len(), 2, "the link with a record and the owner's");
    assert_eq!(manifest.epoch_history, [(1, 0), (4, 1)]);
}

#[tokio::test]
async fn a_node_whose_log_was_lost_does_not_pretend_to_be_whole() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    node.client.acked(topic, 0, batch(&["a"])).await;

    // The same node id on an empty disk, while the record says that its log has not ended.
    let mut config = cluster.config(1);
    config.wal.path = cluster.wal_path(99);
    let refused = cluster.try_start(config).await.err().expect("refused");
    assert!(matches!(refused, NodeError::Recover(_)), "{refused}");
    assert!(refused.to_string().contains("wal.path"), "{refused}");
    assert_eq!(cluster.node_record(1).await.state, NodeState::Live);
}

#[tokio::test]
async fn a_node_does_not_take_the_log_of_another() {
    let cluster = Cluster::new().await;
    cluster.start(cluster.config(1)).await.stop().await.unwrap();
    let mut config = cluster.config(2);
    config.wal.path = cluster.wal_path(1);
    let refused = cluster.try_start(config).await.err().expect("refused");
    assert!(refused.to_string().contains("not of node 2"), "{refused}");
    let unknown = cluster.view.node(NodeId(2));
    assert!(unknown.is_none(), "it has not registered");
}

#[tokio::test]
async fn a_metadata_store_that_was_emptied_closes_nothing() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    // The topics are gone, and so is everything else: nobody deleted them.
    cluster.forget_identity().await;
    cluster.delete_topic(topic).await;
    cluster.view.refresh().await.unwrap();
    assert!(cluster.view.topic_by_id(TENANT, topic).is_none());
    // Whatever the node makes of it, it made before it looked at the next change.
    let other = cluster.topic(1, 1, &[]).await;
    node.serving(&cluster, other, 0).await;
    assert_eq!(node.client.acked(topic, 0, batch(&["a"])).await, 0);
}
