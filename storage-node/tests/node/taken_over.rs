//! A bucket that another site has taken: what nodes of before may still do there.

use std::time::Duration;

use hop::internal::{OpenPartition, OpenPartitionsRequest};
use hop::{Request, Response};
use metadata::MetadataStore;
use metadata::keys::Key;
use protocol::ErrorCode;
use protocol::ids::{NodeId, PartitionId, TopicId};
use segment::ceiling::{self, Gap};
use segment::scrub::{ScrubOptions, scrub};
use segment::{LogId, ManifestStore, generation};
use storage_node::config::WalKind;
use storage_node::{Config, NodeError, end_for_takeover};

use crate::crash::cold_values;
use crate::failover::{numbers, produce};
use crate::harness::{Cluster, PATIENCE, TENANT, batch, error, put};

fn config(cluster: &Cluster, node: i32) -> Config {
    let mut config = cluster.config(node);
    config.wal.kind = WalKind::Object;
    config.wal.object.window = Duration::from_millis(10);
    config
}

impl Cluster {
    /// Another site on the same bucket, with this topic assigned to `node`.
    async fn other_site(&self, generation: u16, topic: TopicId, node: i32) -> Self {
        let site = Self::in_generation(generation, self.store.clone()).await;
        let key = Key::Topic(TENANT, topic);
        let entry = self.metadata.get(&key.to_string()).await.expect("memory answers");
        put(&*site.metadata, key, entry.expect("the topic is there").value).await;
        site.assign(topic, 0, node, self.assignment(topic, 0).await.epoch + 1).await;
        site.view.refresh().await.expect("memory answers");
        site
    }
}

async fn log_of(cluster: &Cluster, node: i32) -> LogId {
    cluster.node_record(node).await.log_id.parse().expect("a log id")
}

#[tokio::test]
async fn the_next_site_has_everything_and_the_one_before_acknowledges_nothing() {
    let before = Cluster::new().await;
    let topic = before.topic(1, 1, &[]).await;
    let mut uploading = config(&before, 1);
    uploading.upload.interval = Duration::from_millis(40);
    let zombie = before.start(uploading).await;
    zombie.serving(&before, topic, 0).await;
    produce(&zombie.client, topic, 0..40).await;

    // The same node id at the other site, as with one configuration for both.
    let after = before.other_site(2, topic, 1).await;
    generation::begin(&after.store, 2).await.unwrap();
    end_for_takeover(&after.store, log_of(&before, 1).await).await.unwrap();
    let late = zombie.client.produce(topic, 0, batch(&["late"])).await;
    assert_ne!(error(late.error_code), ErrorCode::None);
    let heir = after.start(config(&after, 1)).await;
    heir.serving(&after, topic, 0).await;
    assert_eq!(cold_values(&after, &heir, topic).await, numbers(40));
    produce(&heir.client, topic, 40..50).await;

    // It stops, and is not started again into the bucket.
    let over = tokio::time::timeout(PATIENCE, zombie.handle.finished()).await.expect("it stops");
    assert!(over.is_err());
    let refused = before.try_start(config(&before, 1)).await.err().expect("it does not begin");
    assert!(matches!(refused, NodeError::TakenOver { generation: 1 }), "{refused}");
    heir.stop().await.unwrap();
    let report = scrub(&after.store, ScrubOptions::default()).await.expect("memory answers");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[tokio::test]
async fn a_node_of_before_claims_nothing_from_the_site_that_serves() {
    let before = Cluster::new().await;
    let topic = before.topic(1, 1, &[]).await;
    let first = before.start(config(&before, 1)).await;
    first.serving(&before, topic, 0).await;
    produce(&first.client, topic, 0..3).await;
    let after = before.other_site(2, topic, 7).await;
    end_for_takeover(&after.store, log_of(&before, 1).await).await.unwrap();
    let heir = after.start(config(&after, 7)).await;
    heir.serving(&after, topic, 0).await;

    // It began before it could know, and the listing left its log out: nobody ended it. To it the
    // owner is one that its metadata store has forgotten.
    let missed = before.start(config(&before, 2)).await;
    before.assign(topic, 0, 2, 9).await;
    let id = PartitionId::new(TENANT, topic, 0);
    let request = OpenPartitionsRequest { partitions: vec![OpenPartition::new(id)] };
    let Response::OpenPartitions(answer) =
        missed.client.start(Request::OpenPartitions(request)).await
    else {
        panic!("another answer");
    };
    assert_ne!(answer.error_codes, [0]);
    let late = missed.client.produce(topic, 0, batch(&["late"])).await;
    assert_eq!(error(late.error_code), ErrorCode::NotLeaderOrFollower);
    produce(&heir.client, topic, 3..6).await;
}

#[tokio::test]
async fn a_partition_goes_on_behind_offsets_that_were_given_up() {
    let before = Cluster::new().await;
    let topic = before.topic(1, 1, &[]).await;
    let node = before.start(config(&before, 1)).await;
    node.serving(&before, topic, 0).await;
    produce(&node.client, topic, 0..5).await;
    node.stop().await.unwrap();
    let (id, store) = (PartitionId::new(TENANT, topic, 0), before.store.clone());
    let manifests = ManifestStore::new(store.clone());
    let (manifest, version) = manifests.load(&id).await.unwrap().unwrap();
    let (log, epoch) = (LogId::fresh(NodeId(1), 2, 0), manifest.epoch + 1);
    ceiling::write(&store, log, &[Gap { partition: id, from: 5, epoch }]).await.unwrap();
    let gap = manifest.claimed(epoch, log, ceiling::GAP_SLOT, 5).unwrap();
    manifests.commit(&gap, Some(&version)).await.unwrap();

    let after = before.other_site(2, topic, 1).await;
    let heir = after.start(config(&after, 1)).await;
    heir.serving(&after, topic, 0).await;
    let next = 5 + i64::from(ceiling::RESERVED_OFFSETS);
    assert_eq!(heir.client.acked(topic, 0, batch(&["5"])).await, next);
    assert_eq!(cold_values(&after, &heir, topic).await, numbers(5), "and steps over the gap");
    let inside = heir.client.plan(topic, 0, 1_000).await;
    assert_eq!((inside.error_code, inside.end_offset), (0, next), "whoever was ahead goes on");
    heir.stop().await.unwrap();
    let report = scrub(&store, ScrubOptions::default()).await.expect("memory answers");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}
