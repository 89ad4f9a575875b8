//! One compactor over the node harness, with thresholds that a test reaches.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use compactor::{Collector, Config, Cycle, Deps, GcConfig, Rounds};
use futures::FutureExt as _;
use parking_lot::Mutex;
use protocol::ids::{PartitionId, TopicId};
use segment::object::{open_block, read_footer};
use segment::scrub::{ScrubOptions, scrub};
use segment::{Location, Manifest, ManifestStore, Plan, Store};

use crate::harness::{Cluster, TENANT, TestNode};

/// Everything is due at once, and goes as soon as it may.
pub(crate) fn config() -> Config {
    Config {
        object_min: ByteSize::kib(64),
        own_object_from: ByteSize::kib(8),
        max_age: Duration::ZERO,
        merge_objects: 4,
        rate: ByteSize::gib(1),
        gc: GcConfig { grace: Duration::ZERO, orphan_age: Duration::ZERO, ..GcConfig::default() },
        ..Config::default()
    }
}

/// A compactor's deps, and the topics that the metadata log calls deleted.
pub(crate) fn deps(cluster: &Cluster) -> (Deps, Arc<Mutex<HashSet<TopicId>>>) {
    let deleted: Arc<Mutex<HashSet<TopicId>>> = Arc::default();
    let said = Arc::clone(&deleted);
    let deps = Deps {
        view: cluster.view.clone(),
        store: cluster.store.clone(),
        peers: cluster.peers.clone(),
        deleted_topics: Arc::new(move || {
            let deleted = said.lock().clone();
            async move { Ok(deleted) }.boxed()
        }),
    };
    (deps, deleted)
}

pub(crate) fn rounds(cluster: &Cluster) -> Rounds {
    Rounds::new(config(), deps(cluster).0)
}

/// Looks at the bucket until a look finds nothing to delete.
pub(crate) async fn collect(collector: &mut Collector) -> usize {
    let mut deleted = 0;
    loop {
        // Ages are in whole milliseconds of the store's clock.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let Cycle { deleted: now, .. } = collector.cycle().await.expect("memory answers");
        deleted += now;
        if now == 0 {
            return deleted;
        }
    }
}

/// A node that compactors reach.
pub(crate) async fn reachable(cluster: &Cluster, node: &TestNode) {
    cluster.peers.register_local(node.handle.address(), node.handle.handler());
    cluster.view.refresh().await.expect("memory answers");
}

/// Stops a node in order, as its process would end: nobody holds on to it.
pub(crate) async fn stop(cluster: &Cluster, node: TestNode) {
    cluster.peers.unregister_local(node.handle.address());
    node.stop().await.expect("the node ends in order");
}

pub(crate) async fn manifest(cluster: &Cluster, topic: TopicId, index: i32) -> Manifest {
    let id = PartitionId::new(TENANT, topic, index);
    let loaded = ManifestStore::new(cluster.store.clone()).load(&id).await;
    loaded.expect("memory answers").expect("claimed").0
}

/// Every stored byte of a partition from `offset` on, as a cold reader returns them.
pub(crate) async fn stored(
    cluster: &Cluster,
    node: &TestNode,
    topic: TopicId,
    index: i32,
    mut offset: i64,
) -> Vec<u8> {
    let mut records = Vec::new();
    loop {
        let answer = node.client.plan(topic, index, offset).await;
        assert_eq!(answer.error_code, 0, "offset {offset}");
        if answer.plan.is_empty() {
            return records;
        }
        let plan = Plan::open(&answer.plan, &[7; 32], Duration::ZERO).expect("sealed");
        read(&cluster.store, &plan, &mut records).await;
        offset = plan.end_offset;
    }
}

async fn read(store: &Store, plan: &Plan, records: &mut Vec<u8>) {
    for extent in &plan.extents {
        let blocks = match &extent.location {
            Location::Run(key) => {
                let footer = read_footer(store, key).await.expect("the object exists");
                footer.blocks_of(plan.partition, key).collect()
            }
            Location::Slot { .. } | Location::Object(_) => vec![extent.clone()],
        };
        for block in blocks {
            let bytes = store.get_range(&block.location.key(), block.range()).await;
            let bytes = bytes.expect("the object exists");
            let block =
                open_block(&bytes, plan.partition, &block, store.keyring()).expect("a block");
            records.extend_from_slice(&block.batches);
        }
    }
}

/// How many objects there are below a prefix.
pub(crate) async fn count(cluster: &Cluster, prefix: &str) -> usize {
    cluster.store.list(prefix).await.expect("memory answers").len()
}

/// The bucket keeps its promises, and holds nothing that nobody refers to.
pub(crate) async fn scrubs_clean(cluster: &Cluster) {
    let report = scrub(&cluster.store, ScrubOptions::default()).await.expect("memory answers");
    assert!(report.is_clean(), "{:#?}", report.findings);
}
