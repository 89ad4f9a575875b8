//! DeleteRecords: the log start moves for good, in Kafka's terms.

use hop::{Request, Response};
use protocol::ErrorCode;
use protocol::ids::PartitionId;
use protocol::messages::DeleteRecordsRequest;
use segment::ManifestStore;

use crate::harness::{Cluster, TENANT, batch, error};

#[tokio::test]
async fn deleted_records_are_gone_for_every_reader_and_for_the_next_owner() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    for _ in 0..3 {
        node.client.acked(topic, 0, batch(&["a", "b"])).await;
    }
    let deleted = node.client.delete_records(topic, 0, 3).await;
    assert_eq!((deleted.error_code, deleted.low_watermark), (0, 3));
    let manifests = ManifestStore::new(cluster.store.clone());
    let (manifest, _) = manifests.load(&PartitionId::new(TENANT, topic, 0)).await.unwrap().unwrap();
    assert_eq!(manifest.log_start_offset, 3, "durable before it is answered");
    let below = node.client.fetch(topic, 0, 2).send().await;
    assert_eq!(error(below.error_code), ErrorCode::OffsetOutOfRange);
    assert_eq!(below.log_start_offset, 3);
    assert_eq!(node.client.fetch(topic, 0, 3).send().await.error_code, 0);
    assert_eq!(node.client.list_offsets(topic, 0, -2).await.offset, 3);

    // A lower offset changes nothing and is no error.
    let lower = node.client.delete_records(topic, 0, 1).await;
    assert_eq!((lower.error_code, lower.low_watermark), (0, 3));
    node.stop().await.unwrap();
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    assert_eq!(node.client.list_offsets(topic, 0, -2).await.offset, 3);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn minus_one_deletes_up_to_the_high_watermark_and_nothing_goes_beyond_it() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    node.client.acked(topic, 0, batch(&["a", "b"])).await;
    for beyond in [3, i64::MAX, -2, i64::MIN] {
        let refused = node.client.delete_records(topic, 0, beyond).await;
        assert_eq!(error(refused.error_code), ErrorCode::OffsetOutOfRange, "{beyond}");
        assert_eq!(refused.low_watermark, -1);
    }
    assert_eq!(node.client.list_offsets(topic, 0, -2).await.offset, 0);
    let all = node.client.delete_records(topic, 0, -1).await;
    assert_eq!((all.error_code, all.low_watermark), (0, 2));
    assert_eq!(node.client.acked(topic, 0, batch(&["c"])).await, 2, "offsets go on");
}

#[tokio::test]
async fn a_topic_that_is_only_compacted_keeps_its_records() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[("cleanup.policy", "compact")]).await;
    let both = cluster.topic(1, 1, &[("cleanup.policy", "compact, delete")]).await;
    let node = cluster.start(cluster.config(1)).await;
    node.serving(&cluster, topic, 0).await;
    node.serving(&cluster, both, 0).await;
    let refused = node.client.delete_records(topic, 0, 0).await;
    assert_eq!(error(refused.error_code), ErrorCode::PolicyViolation);
    assert_eq!(node.client.delete_records(both, 0, 0).await.error_code, 0);
    let unknown = node.client.delete_records(topic, 9, 0).await;
    assert_eq!(error(unknown.error_code), ErrorCode::NotLeaderOrFollower);
    let Response::DeleteRecords(none) =
        node.client.start(Request::DeleteRecords(DeleteRecordsRequest::default())).await
    else {
        panic!("another answer");
    };
    assert!(none.topics.is_empty());
}
