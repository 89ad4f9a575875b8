//! Compaction by key: the last values stay, at their offsets, whatever breaks off in between.

use std::time::Duration;

use bytes::Bytes;
use bytesize::ByteSize;
use compactor::{Collector, Config, Rounds};
use metadata::keys::Key;
use metadata::model::{Record, TopicRecord};
use metadata::{MetadataStore, Txn};
use protocol::batch::records::RecordSet;
use protocol::batch::{BatchBuilder, BatchView, Compression, batches};
use protocol::ids::TopicId;

use crate::coordinator::PRODUCER;
use crate::crashing::{Stop, stop_next};
use crate::harness::{Cluster, NOW_MS, PATIENCE, TENANT, TestNode};
use crate::support::{
    collect, config, count, deps, manifest, reachable, rounds, scrubs_clean, stop, stored,
};

const COMPACT: [(&str, &str); 2] =
    [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.01")];

async fn node(cluster: &Cluster) -> TestNode {
    let mut config = cluster.config(1);
    config.upload.interval = Duration::from_millis(5);
    let node = cluster.start(config).await;
    reachable(cluster, &node).await;
    node
}

/// A node with a partition of a topic with these configs.
async fn serving(cluster: &Cluster, configs: &[(&str, &str)]) -> (TestNode, TopicId) {
    let topic = cluster.topic(1, 1, configs).await;
    let node = node(cluster).await;
    node.serving(cluster, topic, 0).await;
    (node, topic)
}

/// Sets configs of a topic, as control does.
async fn set(cluster: &Cluster, topic: TopicId, configs: &[(&str, &str)]) {
    let key = Key::Topic(TENANT, topic);
    let entry = cluster.metadata.get(&key.to_string()).await.expect("memory answers");
    let mut record = TopicRecord::decode(&entry.expect("a topic").value).expect("a topic");
    let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    record.configs.extend(configs);
    let txn = Txn::new().put(key, record.encode());
    assert!(cluster.metadata.txn(txn).await.expect("memory answers").is_committed());
    cluster.view.refresh().await.expect("memory answers");
}

/// One record per key, all of the same value.
fn values(keys: &[&str], value: &str) -> Bytes {
    let mut builder = BatchBuilder::new().compressed(Compression::Zstd);
    for (timestamp, key) in (NOW_MS..).zip(keys) {
        builder.push(timestamp, Some(key.as_bytes()), Some(value.as_bytes()));
    }
    builder.build()
}

fn tombstone(key: &str) -> Bytes {
    BatchBuilder::new().record(NOW_MS, Some(key.as_bytes()), None).build()
}

/// Produces each batch, has it uploaded and merged into an object of its own.
async fn filled(cluster: &Cluster, node: &TestNode, topic: TopicId, all: &[Bytes]) {
    for batch in all {
        let base = node.client.acked(topic, 0, batch.clone()).await;
        let records = BatchView::whole(batch).expect("a batch").record_count();
        node.uploaded(topic, 0, base + i64::from(records)).await;
        assert_eq!(rounds(cluster).round().await.failed, 0);
    }
}

/// What consumers read from the start: offset, key and value of each record.
async fn read(cluster: &Cluster, node: &TestNode, topic: TopicId) -> Vec<(i64, String, String)> {
    let start = manifest(cluster, topic, 0).await.log_start_offset;
    let bytes = stored(cluster, node, topic, 0, start).await;
    let mut read = Vec::new();
    for batch in batches(&bytes) {
        let batch = batch.expect("a batch");
        if batch.is_control() {
            continue;
        }
        let set = RecordSet::open(&batch, 1 << 20).expect("records");
        let text =
            |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"-")).into_owned();
        read.extend(set.iter().map(|record| {
            let record = record.expect("a record");
            (record.offset, text(record.key), text(record.value))
        }));
    }
    read
}

fn expected(records: &[(i64, &str, &str)]) -> Vec<(i64, String, String)> {
    let owned = |&(offset, key, value): &(i64, &str, &str)| (offset, key.into(), value.into());
    records.iter().map(owned).collect()
}

#[tokio::test]
async fn the_last_value_of_each_key_stays_at_its_offset() {
    let cluster = Cluster::new().await;
    let (node, topic) = serving(&cluster, &COMPACT).await;
    let updates = [
        values(&["a", "b", "c"], "1"),
        values(&["a", "b"], "2"),
        values(&["d"], "2"),
        values(&["a"], "3"),
    ];
    filled(&cluster, &node, topic, &updates).await;
    let round = rounds(&cluster).cleaner().round().await;
    assert_eq!((round.committed, round.refused, round.failed), (1, 0, 0));
    let last = expected(&[(2, "c", "1"), (4, "b", "2"), (5, "d", "2"), (6, "a", "3")]);
    assert_eq!(read(&cluster, &node, topic).await, last);
    let manifest = manifest(&cluster, topic, 0).await;
    assert_eq!((manifest.cleaned_upto, manifest.objects.len()), (7, 1), "in one object");
    scrubs_clean(&cluster).await;

    // Nobody needs what was replaced, and the log ends where it did.
    let mut collector = Collector::new(config().gc, &deps(&cluster).0);
    assert!(collect(&mut collector).await >= 4);
    assert_eq!(read(&cluster, &node, topic).await, last);
    // Another incarnation has nothing of it in memory.
    stop(&cluster, node).await;
    let node = self::node(&cluster).await;
    node.serving(&cluster, topic, 0).await;
    assert_eq!(read(&cluster, &node, topic).await, last);
    assert_eq!(node.client.list_offsets(topic, 0, -1).await.offset, 7);
    assert_eq!(node.client.acked(topic, 0, values(&["e"], "4")).await, 7);
    scrubs_clean(&cluster).await;
}

#[tokio::test]
async fn what_is_clean_is_not_cleaned_again_until_enough_is_new() {
    let cluster = Cluster::new().await;
    let half = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.5")];
    let (node, topic) = serving(&cluster, &half).await;
    filled(&cluster, &node, topic, &vec![values(&["a", "b", "c"], "1"); 4]).await;
    let cleaner = rounds(&cluster).cleaner();
    assert_eq!(cleaner.round().await.committed, 1);
    assert_eq!(cleaner.round().await.committed, 0, "all of it is clean");
    let clean = manifest(&cluster, topic, 0).await.objects[0].clone();
    filled(&cluster, &node, topic, &[values(&["a"], "2")]).await;
    assert_eq!(cleaner.round().await.committed, 0, "less than half is new");
    assert_eq!(manifest(&cluster, topic, 0).await.objects[0], clean, "merges leave it alone");
    filled(&cluster, &node, topic, &vec![values(&["a"], "2"); 6]).await;
    assert_eq!(manifest(&cluster, topic, 0).await.objects[0], clean);
    assert_eq!(cleaner.round().await.committed, 1);
    let last = expected(&[(10, "b", "1"), (11, "c", "1"), (18, "a", "2")]);
    assert_eq!(read(&cluster, &node, topic).await, last);
    scrubs_clean(&cluster).await;
}

#[tokio::test]
async fn with_little_memory_it_takes_several_passes() {
    let cluster = Cluster::new().await;
    let (node, topic) = serving(&cluster, &COMPACT).await;
    let mut all = Vec::new();
    for pair in [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]] {
        all.extend([values(&pair, "1"), values(&pair, "2")]);
    }
    filled(&cluster, &node, topic, &all).await;
    // Room for seven keys.
    let small = Config { clean_memory: ByteSize::b(8 * 25), ..config() };
    let cleaner = Rounds::new(small, deps(&cluster).0).cleaner();
    assert_eq!(cleaner.round().await.committed, 2);
    assert_eq!(manifest(&cluster, topic, 0).await.cleaned_upto, 16);
    let left = read(&cluster, &node, topic).await;
    assert!(left.len() == 8 && left.iter().all(|(_, _, value)| value == "2"), "{left:?}");
    scrubs_clean(&cluster).await;
}

#[tokio::test]
async fn deleted_keys_are_gone_in_the_end_and_the_log_still_ends_where_it_did() {
    let cluster = Cluster::new().await;
    let at_once = [COMPACT[0], COMPACT[1], ("delete.retention.ms", "0")];
    let (node, topic) = serving(&cluster, &at_once).await;
    filled(&cluster, &node, topic, &[values(&["a"], "1"), tombstone("a")]).await;
    let cleaner = rounds(&cluster).cleaner();
    assert_eq!(cleaner.round().await.committed, 1);
    assert_eq!(read(&cluster, &node, topic).await, expected(&[(1, "a", "-")]), "seen once");
    // Something else makes it worth another look.
    filled(&cluster, &node, topic, &[values(&["b"], "1"), tombstone("b")]).await;
    assert_eq!(cleaner.round().await.committed, 1);
    assert_eq!(read(&cluster, &node, topic).await, expected(&[(3, "b", "-")]));
    scrubs_clean(&cluster).await;
    let image = cluster.crash(1);
    drop(node);
    let node = cluster.start(image).await;
    reachable(&cluster, &node).await;
    node.serving(&cluster, topic, 0).await;
    assert_eq!(manifest(&cluster, topic, 0).await.cleaned_upto, 4, "the next owner knows");
    assert_eq!(cleaner.round().await.committed, 0);
    assert_eq!(node.client.acked(topic, 0, values(&["c"], "1")).await, 4);
}

#[tokio::test]
async fn a_cleaner_that_stops_leaves_the_old_records_or_the_clean_ones() {
    for (stop, committed) in [(Stop::BeforeCommit, false), (Stop::AfterCommit, true)] {
        let cluster = Cluster::new().await;
        let (node, topic) = serving(&cluster, &COMPACT).await;
        let updates = [values(&["a", "b"], "1"), values(&["a", "b"], "2")];
        filled(&cluster, &node, topic, &updates).await;
        stop_next(&cluster, &node, stop);
        let cleaner = rounds(&cluster).cleaner();
        assert_eq!(cleaner.round().await.committed, 0, "{stop:?}");
        let left = read(&cluster, &node, topic).await.len();
        assert_eq!(left, if committed { 2 } else { 4 }, "{stop:?}");
        let mut collector = Collector::new(config().gc, &deps(&cluster).0);
        collect(&mut collector).await;
        assert_eq!(read(&cluster, &node, topic).await.len(), left, "{stop:?}");
        scrubs_clean(&cluster).await;
        assert_eq!(cleaner.round().await.committed, 0, "leased, or clean");
        tokio::time::pause();
        tokio::time::advance(config().lease).await;
        tokio::time::resume();
        assert_eq!(cleaner.round().await.committed, usize::from(!committed), "{stop:?}");
        assert_eq!(read(&cluster, &node, topic).await.len(), 2);
        scrubs_clean(&cluster).await;
    }
}

#[tokio::test]
async fn a_partition_that_cannot_be_cleaned_holds_up_no_other() {
    let cluster = Cluster::new().await;
    let (node, bad) = serving(&cluster, &[]).await;
    let zeros = vec![0; (64 << 20) + 1];
    let bomb = BatchBuilder::new().compressed(Compression::Zstd);
    let bomb = bomb.record(NOW_MS, Some(b"a"), Some(&zeros)).build();
    filled(&cluster, &node, bad, &[values(&["a"], "1"), bomb]).await;
    // Nodes refuse such a batch to a topic that is compacted already.
    set(&cluster, bad, &COMPACT).await;
    let good = cluster.topic(1, 1, &COMPACT).await;
    node.serving(&cluster, good, 0).await;
    filled(&cluster, &node, good, &[values(&["a"], "1"), values(&["a"], "2")]).await;
    let cleaner = rounds(&cluster).cleaner();
    let mut committed = 0;
    let looked_at = async {
        // The node follows the change some milliseconds later.
        loop {
            let round = cleaner.round().await;
            committed += round.committed;
            if round.failed > 0 {
                return round.failed;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let failed = tokio::time::timeout(PATIENCE, looked_at).await.expect("it is looked at");
    assert_eq!((committed, failed), (1, 1));
    assert_eq!(read(&cluster, &node, good).await, expected(&[(1, "a", "2")]));
    assert_eq!(manifest(&cluster, bad, 0).await.cleaned_upto, 0);
    let objects = count(&cluster, "d").await;
    assert_eq!(rounds(&cluster).cleaner().round().await.failed, 0, "it is left alone for a while");
    assert_eq!(count(&cluster, "d").await, objects);
}

#[tokio::test]
async fn records_go_by_age_as_well_with_both_policies() {
    let cluster = Cluster::new().await;
    let both = [
        ("cleanup.policy", "compact,delete"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("retention.ms", "1000"),
    ];
    let topic = cluster.topic(1, 1, &both).await;
    let mut config = cluster.config(1);
    config.upload.interval = Duration::from_millis(5);
    config.retention_interval = Duration::from_millis(5);
    let node = cluster.start(config).await;
    reachable(&cluster, &node).await;
    node.serving(&cluster, topic, 0).await;
    filled(&cluster, &node, topic, &[values(&["a", "b"], "1"), values(&["a"], "2")]).await;
    assert_eq!(rounds(&cluster).cleaner().round().await.committed, 1);
    assert_eq!(read(&cluster, &node, topic).await, expected(&[(1, "b", "1"), (2, "a", "2")]));
    cluster.clock.advance(Duration::from_secs(3_600));
    let gone = async {
        while manifest(&cluster, topic, 0).await.log_start_offset < 3 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("retention comes");
    assert!(read(&cluster, &node, topic).await.is_empty());
    scrubs_clean(&cluster).await;
    stop(&cluster, node).await;
}

/// A record of a transaction in its producer's first epoch.
fn transactional(sequence: i32, key: &str, value: &str) -> Bytes {
    let batch = BatchBuilder::new().producer(PRODUCER, 0, sequence).transactional();
    batch.record(NOW_MS, Some(key.as_bytes()), Some(value.as_bytes())).build()
}

/// Has everything up to `offset` merged into an object.
async fn merged(cluster: &Cluster, node: &TestNode, topic: TopicId, offset: i64) {
    node.uploaded(topic, 0, offset).await;
    assert_eq!(rounds(cluster).round().await.failed, 0);
    assert_eq!(manifest(cluster, topic, 0).await.compacted_upto, offset);
}

/// What a transaction wrote counts when it is committed, goes when it is aborted, and holds the clean
/// point while it is open. Whoever reads committed records is still told what was aborted.
#[tokio::test]
async fn transactions_are_cleaned_as_they_ended() {
    let cluster = Cluster::new().await;
    let _coordinator = cluster.coordinator().await;
    let (node, topic) = serving(&cluster, &COMPACT).await;
    let client = &node.client;
    client.acked(topic, 0, values(&["a"], "1")).await;
    client.acked_transactional(topic, transactional(0, "a", "2")).await;
    client.end_transaction(topic, 0, false).await;
    client.acked_transactional(topic, transactional(1, "a", "3")).await;
    client.acked_transactional(topic, transactional(2, "b", "3")).await;
    client.end_transaction(topic, 0, true).await;
    client.acked(topic, 0, values(&["c"], "4")).await;
    merged(&cluster, &node, topic, 7).await;
    client.acked_transactional(topic, transactional(3, "c", "5")).await;
    client.acked(topic, 0, values(&["b"], "6")).await;
    merged(&cluster, &node, topic, 9).await;

    let cleaner = rounds(&cluster).cleaner();
    assert_eq!(cleaner.round().await.committed, 1);
    assert_eq!(manifest(&cluster, topic, 0).await.cleaned_upto, 7, "c=5 is not decided");
    let left = [(3, "a", "3"), (4, "b", "3"), (6, "c", "4"), (7, "c", "5"), (8, "b", "6")];
    assert_eq!(read(&cluster, &node, topic).await, expected(&left));
    assert_eq!(client.committed_plan(topic, 0).await, (7, vec![1]));
    scrubs_clean(&cluster).await;

    client.end_transaction(topic, 0, true).await;
    merged(&cluster, &node, topic, 10).await;
    assert_eq!(cleaner.round().await.committed, 1);
    let left = [(3, "a", "3"), (7, "c", "5"), (8, "b", "6")];
    assert_eq!(read(&cluster, &node, topic).await, expected(&left));
    assert_eq!(client.committed_plan(topic, 0).await, (10, vec![1]));
    scrubs_clean(&cluster).await;
}
