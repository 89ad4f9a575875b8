//! A metadata store that went back to an older revision: it names an incarnation of before, and the
//! one that owns the partitions is known to nobody (R9).

use metadata::keys::Key;
use metadata::model::{NodeRecord, NodeState, Record};
use metadata::{MetadataStore, Txn};
use protocol::ErrorCode;
use protocol::ids::{NodeId, TopicId};
use segment::scrub::{ScrubOptions, scrub};
use storage_node::Config;
use storage_node::config::WalKind;

use crate::crash::cold_values;
use crate::failover::{numbers, produce};
use crate::harness::{Cluster, PATIENCE, TestNode, batch, error};

fn config(cluster: &Cluster, node: i32) -> Config {
    let mut config = cluster.config(node);
    config.wal.kind = WalKind::Object;
    config.wal.object.window = std::time::Duration::from_millis(10);
    config
}

/// A cluster whose node 1 has acknowledged 30 records, the last 20 as an incarnation that the
/// metadata store, brought back from a backup, does not know. The process of that one lives on.
async fn rolled_back() -> (Cluster, TopicId, TestNode) {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let first = cluster.start(config(&cluster, 1)).await;
    first.serving(&cluster, topic, 0).await;
    produce(&first.client, topic, 0..10).await;
    let backup = (cluster.node_record(1).await, cluster.assignment(topic, 0).await);
    first.stop().await.expect("it stops in order");
    let forgotten = cluster.start(config(&cluster, 1)).await;
    forgotten.serving(&cluster, topic, 0).await;
    produce(&forgotten.client, topic, 10..30).await;

    let (record, assignment) = backup;
    put_record(&cluster, record).await;
    cluster.assign(topic, 0, 1, assignment.epoch).await;
    cluster.view.refresh().await.expect("memory answers");
    (cluster, topic, forgotten)
}

async fn put_record(cluster: &Cluster, record: NodeRecord) {
    let put = Txn::new().put(Key::Node(NodeId(1)), record.encode());
    assert!(cluster.metadata.txn(put).await.expect("memory answers").is_committed());
}

/// What the forgotten one acknowledged is there, and it acknowledges nothing any more.
async fn taken_over(cluster: &Cluster, topic: TopicId, forgotten: TestNode, heir: TestNode) {
    let epoch = heir.serving(cluster, topic, 0).await;
    assert!(epoch > 1, "R9: epoch {epoch} went back");
    assert_eq!(cold_values(cluster, &heir, topic).await, numbers(30));
    let late = forgotten.client.produce(topic, 0, batch(&["late"])).await;
    assert_ne!(error(late.error_code), ErrorCode::None);
    let over = tokio::time::timeout(PATIENCE, forgotten.handle.finished()).await;
    over.expect("it stops").expect_err("its log was ended");
    produce(&heir.client, topic, 30..35).await;
    heir.stop().await.expect("it stops in order");
    let report = scrub(&cluster.store, ScrubOptions::default()).await.expect("memory answers");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[tokio::test]
async fn a_node_that_restarts_ends_the_incarnation_that_was_forgotten() {
    let (cluster, topic, forgotten) = rolled_back().await;
    let restarted = cluster.start(config(&cluster, 1)).await;
    taken_over(&cluster, topic, forgotten, restarted).await;
}

#[tokio::test]
async fn another_node_that_is_to_have_the_partition_ends_it_as_well() {
    let (cluster, topic, forgotten) = rolled_back().await;
    // Control saw that what the record names does not answer, and had it ended: it had been.
    let record = NodeRecord { state: NodeState::Ended, ..cluster.node_record(1).await };
    put_record(&cluster, record).await;
    cluster.assign(topic, 0, 2, 1).await;
    let heir = cluster.start(config(&cluster, 2)).await;
    taken_over(&cluster, topic, forgotten, heir).await;
}
