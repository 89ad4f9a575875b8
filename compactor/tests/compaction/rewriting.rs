//! From the logs of nodes to compacted objects: same bytes, same producers, fewer objects.

use std::time::Duration;

use compactor::{Config, Rounds};
use protocol::ids::TopicId;
use segment::object::{BLOCK_HEADER_LEN, is_sealed, read_footer};
use segment::seal::{DataKey, KeyId, key_id};

use crate::harness::{Cluster, TENANT, TestNode, batch, large, sequenced};
use crate::support::{
    config, count, deps, manifest, reachable, rounds, scrubs_clean, stop, stored,
};

const PRODUCER: (i64, i16) = (4_000, 0);

async fn node(cluster: &Cluster) -> TestNode {
    let mut config = cluster.config(1);
    config.upload.interval = Duration::from_millis(5);
    let node = cluster.start(config).await;
    reachable(cluster, &node).await;
    node
}

/// Records in two incarnations: of an idempotent producer, and large ones.
async fn two_incarnations(cluster: &Cluster) -> (TestNode, TopicId) {
    let topic = cluster.topic(1, 2, &[]).await;
    let first = node(cluster).await;
    for index in 0..2 {
        first.serving(cluster, topic, index).await;
    }
    first.client.acked(topic, 0, sequenced(PRODUCER, 0, &["a", "b"])).await;
    first.client.acked(topic, 1, large(20 << 10)).await;
    stop(cluster, first).await;
    let second = node(cluster).await;
    for index in 0..2 {
        second.serving(cluster, topic, index).await;
    }
    second.client.acked(topic, 0, sequenced(PRODUCER, 2, &["c"])).await;
    second.client.acked(topic, 1, large(21 << 10)).await;
    second.uploaded(topic, 0, 3).await;
    second.uploaded(topic, 1, 2).await;
    (second, topic)
}

#[tokio::test]
async fn compacted_records_are_the_same_bytes_and_their_logs_are_let_go() {
    let cluster = Cluster::new().await;
    let (node, topic) = two_incarnations(&cluster).await;
    let before =
        [stored(&cluster, &node, topic, 0, 0).await, stored(&cluster, &node, topic, 1, 0).await];
    let round = rounds(&cluster).round().await;
    assert_eq!((round.refused, round.failed), (0, 0));
    assert!(round.committed >= 2, "both partitions, and those of groups: {round:?}");
    for (index, before) in (0..).zip(&before) {
        let manifest = manifest(&cluster, topic, index).await;
        assert_eq!(manifest.chain.len(), 1, "only the owner's own log is in the chain");
        assert_eq!(manifest.objects.len(), 1);
        assert_eq!(&stored(&cluster, &node, topic, index, 0).await, before);
        assert!(!stored(&cluster, &node, topic, index, 1).await.is_empty());
    }
    assert!(
        manifest(&cluster, topic, 1).await.objects[0].key.as_str().contains(&topic.simple_text())
    );
    assert!(manifest(&cluster, topic, 0).await.objects[0].key.as_str().contains("/packs/"));
    scrubs_clean(&cluster).await;
}

/// Whether each block of the partition's compacted objects is sealed under this key.
async fn sealed_with(cluster: &Cluster, topic: TopicId, index: i32, key: KeyId) -> bool {
    let manifest = manifest(cluster, topic, index).await;
    assert!(!manifest.objects.is_empty());
    for object in &manifest.objects {
        let footer = read_footer(&cluster.store, &object.key).await.expect("it exists");
        for block in footer.blocks_of(manifest.partition, &object.key) {
            let bytes = cluster.store.get_range(&object.key, block.range()).await.expect("exists");
            if !is_sealed(&bytes) || key_id(&bytes[BLOCK_HEADER_LEN..]) != Ok(key) {
                return false;
            }
        }
    }
    true
}

/// Logs in plain text and under an old key are compacted under the current one, and the records stay
/// the same. Without the key the tenant's work waits.
#[tokio::test]
async fn compaction_seals_with_the_current_key() {
    let cluster = Cluster::new().await;
    let keyring = cluster.store.keyring().clone();
    let set_key = |number: u32| {
        keyring.put(TENANT, DataKey::new(KeyId(number), [number as u8; 32]));
        keyring.set_current(TENANT, Some(KeyId(number)));
    };
    let (node, topic) = two_incarnations(&cluster).await;
    set_key(1);
    node.client.acked(topic, 1, large(22 << 10)).await;
    node.uploaded(topic, 1, 3).await;
    let before =
        [stored(&cluster, &node, topic, 0, 0).await, stored(&cluster, &node, topic, 1, 0).await];
    keyring.set_current(TENANT, Some(KeyId(2)));
    let config = Config { lease: Duration::from_millis(50), ..config() };
    let rounds = Rounds::new(config, deps(&cluster).0);
    assert!(rounds.round().await.failed > 0, "the key is not there");
    set_key(2);
    eventually_compacted(&cluster, &rounds, topic).await;
    for (index, before) in (0..).zip(&before) {
        assert!(sealed_with(&cluster, topic, index, KeyId(2)).await, "partition {index}");
        assert_eq!(&stored(&cluster, &node, topic, index, 0).await, before);
    }
    scrubs_clean(&cluster).await;
}

/// What failed keeps its lease for a moment.
async fn eventually_compacted(cluster: &Cluster, rounds: &Rounds, topic: TopicId) {
    let compacted = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            rounds.round().await;
            let both = [manifest(cluster, topic, 0).await, manifest(cluster, topic, 1).await];
            if both.iter().all(|manifest| !manifest.objects.is_empty()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    compacted.await.expect("the work is done once the key is there");
}

#[tokio::test]
async fn producers_of_compacted_logs_are_known_to_the_next_owner() {
    let cluster = Cluster::new().await;
    let (node, topic) = two_incarnations(&cluster).await;
    rounds(&cluster).round().await;
    assert!(manifest(&cluster, topic, 0).await.producers.is_some());
    // A crash: no index of this incarnation, its footers only.
    let image = cluster.crash(1);
    drop(node);
    let next = cluster.start(image).await;
    assert_eq!(next.serving(&cluster, topic, 0).await, 2);
    for (sequence, values, offset) in [(0, &["a", "b"][..], 0), (2, &["c"][..], 2)] {
        let again = next.client.acked(topic, 0, sequenced(PRODUCER, sequence, values)).await;
        assert_eq!(again, offset, "a duplicate of what an earlier incarnation appended (T1)");
    }
    let unknown = next.client.produce(topic, 0, sequenced(PRODUCER, 9, &["z"])).await;
    assert_ne!(unknown.error_code, 0, "and a sequence that does not follow is refused");
    assert_eq!(next.client.acked(topic, 0, sequenced(PRODUCER, 3, &["d"])).await, 3);
}

#[tokio::test]
async fn small_partitions_share_objects_whatever_their_number() {
    const PARTITIONS: i32 = 300;
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, PARTITIONS, &[]).await;
    let node = node(&cluster).await;
    for round in 0..3 {
        for index in 0..PARTITIONS {
            if round == 0 {
                node.serving(&cluster, topic, index).await;
            }
            node.client.acked(topic, index, sequenced((i64::from(index), 0), round, &["x"])).await;
        }
        for index in 0..PARTITIONS {
            node.uploaded(topic, index, i64::from(round) + 1).await;
        }
        let done = rounds(&cluster).round().await;
        assert_eq!((done.committed, done.refused), (PARTITIONS as usize, 0));
        let packs = count(&cluster, "d").await;
        assert_eq!(packs, round as usize + 1, "one pack for all partitions of a round");
        let snapshots = cluster.store.list("x").await.unwrap();
        let snapshots = snapshots.iter().filter(|it| it.key.as_str().contains("/producers/"));
        assert_eq!(snapshots.count(), round as usize + 1);
    }
    scrubs_clean(&cluster).await;
}

#[tokio::test]
async fn small_objects_are_joined_so_that_manifests_stay_small() {
    let cluster = Cluster::new().await;
    let topic = cluster.topic(1, 1, &[]).await;
    let node = node(&cluster).await;
    node.serving(&cluster, topic, 0).await;
    let mut largest = 0;
    for round in 0..12 {
        node.client.acked(topic, 0, batch(&["a", "b"])).await;
        node.uploaded(topic, 0, 2 * (round + 1)).await;
        assert_eq!(rounds(&cluster).round().await.refused, 0);
        largest = largest.max(manifest(&cluster, topic, 0).await.objects.len());
    }
    assert!((4..6).contains(&largest), "{largest} objects at a time");
    let records = stored(&cluster, &node, topic, 0, 0).await;
    assert_eq!(protocol::batch::batches(&records).count(), 12);
    scrubs_clean(&cluster).await;
}

#[tokio::test]
async fn there_is_nothing_to_do_twice() {
    let cluster = Cluster::new().await;
    let (_node, _topic) = two_incarnations(&cluster).await;
    let rounds = rounds(&cluster);
    assert!(rounds.round().await.committed > 0);
    assert_eq!(rounds.round().await.committed, 0);
}
