//! What is deleted, and what never is.

use std::time::Duration;

use compactor::{Collector, GcConfig};
use segment::seqlog::SeqLogReader;
use segment::{Family, LogId, keys};

use crate::harness::{Cluster, TENANT, TestNode, batch, error, sequenced};
use crate::support::{
    collect, config, count, deps, manifest, reachable, rounds, scrubs_clean, stop, stored,
};

async fn node(cluster: &Cluster) -> TestNode {
    let mut config = cluster.config(1);
    config.upload.interval = Duration::from_millis(5);
    let node = cluster.start(config).await;
    reachable(cluster, &node).await;
    node
}

async fn log_of(cluster: &Cluster) -> LogId {
    cluster.node_record(1).await.log_id.parse().expect("a log id")
}

#[tokio::test]
async fn slots_of_an_ended_log_go_when_every_record_is_compacted_and_end_stays() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let first = node(&cluster).await;
    first.serving(&cluster, topic, 0).await;
    for round in 0..3 {
        first.client.acked(topic, 0, batch(&["a", "b"])).await;
        first.uploaded(topic, 0, 2 * (round + 1)).await;
    }
    let log = log_of(&cluster).await;
    let mut collector = Collector::new(config().gc, &deps(&cluster).0);
    rounds(&cluster).round().await;
    assert_eq!(collect(&mut collector).await, 0, "a log that may grow keeps its slots (R8)");
    stop(&cluster, first).await;

    let second = node(&cluster).await;
    second.serving(&cluster, topic, 0).await;
    let before = stored(&cluster, &second, topic, 0, 0).await;
    assert!(collect(&mut collector).await >= 3);
    let left = cluster.store.list(&keys::log_prefix(Family::Data, &log)).await.unwrap();
    let slots: Vec<_> = left.iter().map(|listed| listed.key.clone()).collect();
    let reader = SeqLogReader::new(cluster.store.clone(), Family::Data, log);
    let (end, _) = reader.find_end().await.unwrap().expect("END is kept for ever (R8)");
    assert_eq!(slots, [keys::slot(Family::Data, &log, 0), keys::slot(Family::Data, &log, end)]);
    assert_eq!(stored(&cluster, &second, topic, 0, 0).await, before);
    scrubs_clean(&cluster).await;
    // Whoever meets the log again finds it ended, not open at its first hole.
    stop(&cluster, second).await;
    let third = node(&cluster).await;
    assert_eq!(third.serving(&cluster, topic, 0).await, 2);
    assert_eq!(stored(&cluster, &third, topic, 0, 0).await, before);
}

/// Found by chaos: without it the next owner knew fewer batches of a producer than there were, and
/// took a retry for news.
#[tokio::test]
async fn the_snapshot_of_a_close_stays_as_long_as_a_manifest_names_the_close() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let first = node(&cluster).await;
    first.serving(&cluster, topic, 0).await;
    first.client.acked(topic, 0, sequenced((4000, 0), 0, &["a"])).await;
    let log = log_of(&cluster).await;
    let second = cluster.start(cluster.config(2)).await;
    reachable(&cluster, &second).await;
    cluster.assign(topic, 0, 2, 1).await;
    second.serving(&cluster, topic, 0).await;
    stop(&cluster, first).await;
    collect(&mut Collector::new(config().gc, &deps(&cluster).0)).await;

    let left = manifest(&cluster, topic, 0).await.chain[0].close_slot.expect("it left by CLOSE");
    let reader = SeqLogReader::new(cluster.store.clone(), Family::Data, log);
    let close = reader.read(left).await.unwrap().and_then(|slot| slot.close());
    let snapshot = close.and_then(|close| close.snapshot).expect("CLOSE names a snapshot");
    let prefix = snapshot.key.rsplit_once('/').expect("a key has a folder").0;
    let kept = cluster.store.list(&format!("{prefix}/")).await.unwrap();
    assert!(kept.iter().any(|listed| listed.key.to_string() == snapshot.key), "{kept:?}");
    scrubs_clean(&cluster).await;
}

#[tokio::test]
async fn a_slot_stays_as_long_as_one_of_its_partitions_needs_it() {
    let cluster = Cluster::new().await;
    let (kept, gone) = (cluster.topic(1, 1, &[]).await, cluster.topic(1, 1, &[]).await);
    let first = cluster.start(cluster.config(1)).await;
    reachable(&cluster, &first).await;
    for topic in [kept, gone] {
        first.serving(&cluster, topic, 0).await;
        first.client.acked(topic, 0, batch(&["a", "b"])).await;
    }
    stop(&cluster, first).await;
    let second = node(&cluster).await;
    for topic in [kept, gone] {
        second.serving(&cluster, topic, 0).await;
    }
    assert_eq!(second.client.delete_records(gone, 0, -1).await.low_watermark, 2);
    let mut collector = Collector::new(config().gc, &deps(&cluster).0);
    assert_eq!(collect(&mut collector).await, 0);
    assert_eq!(second.client.delete_records(kept, 0, -1).await.low_watermark, 2);
    assert!(collect(&mut collector).await >= 1);
    scrubs_clean(&cluster).await;
}

#[tokio::test]
async fn a_deleted_topic_leaves_nothing_once_the_metadata_log_says_so() {
    let cluster = Cluster::new().await;
    let (gone, other) = (cluster.topic(1, 2, &[]).await, cluster.topic(1, 1, &[]).await);
    let first = node(&cluster).await;
    for (topic, index) in [(gone, 0), (gone, 1), (other, 0)] {
        first.serving(&cluster, topic, index).await;
        first.client.acked(topic, index, batch(&["a", "b"])).await;
        first.uploaded(topic, index, 2).await;
    }
    rounds(&cluster).round().await;
    stop(&cluster, first).await;
    let second = node(&cluster).await;
    second.serving(&cluster, other, 0).await;
    cluster.delete_topic(gone).await;
    cluster.view.refresh().await.unwrap();
    let (deps, deleted) = deps(&cluster);
    let mut collector = Collector::new(config().gc, &deps);
    collect(&mut collector).await;
    assert!(!manifest(&cluster, gone, 0).await.deleted, "a view that lacks a topic proves nothing");
    deleted.lock().insert(gone);
    collect(&mut collector).await;
    for index in 0..2 {
        let key = keys::manifest(&protocol::ids::PartitionId::new(TENANT, gone, index));
        assert!(cluster.store.head(&key).await.unwrap().is_none(), "the manifest goes last");
    }
    assert!(!manifest(&cluster, other, 0).await.deleted);
    assert_eq!(protocol::batch::batches(&stored(&cluster, &second, other, 0, 0).await).count(), 1);
    assert_eq!(count(&cluster, "m").await, 1);
    scrubs_clean(&cluster).await;
}

#[tokio::test]
async fn an_owner_of_a_deleted_partition_closes_it() {
    let cluster = Cluster::new().await;
    let gone = cluster.topic(1, 1, &[]).await;
    let node = node(&cluster).await;
    node.serving(&cluster, gone, 0).await;
    node.client.acked(gone, 0, batch(&["a"])).await;
    let (mut deps, deleted) = deps(&cluster);
    deleted.lock().insert(gone);
    // A view that knows nothing of the topic, while the node's still does.
    deps.view = Cluster::new().await.view.clone();
    let gc = GcConfig { grace: Duration::from_secs(60), ..config().gc };
    Collector::new(gc, &deps).cycle().await.unwrap();
    assert!(manifest(&cluster, gone, 0).await.deleted);
    let refused = node.client.delete_records(gone, 0, 1).await;
    assert_ne!(error(refused.error_code), protocol::ErrorCode::None);
    assert_eq!(
        error(node.client.produce(gone, 0, batch(&["b"])).await.error_code),
        protocol::ErrorCode::NotLeaderOrFollower
    );
}
