//! Manifests that are lost or damaged, made again (R23): the bucket is clean, and nothing is missing.

use bytes::Bytes;
use uuid::Uuid;

use super::bucket::{A, B, Log, bucket, commit, edit, partition, segment};
use super::findings;
use crate::keys;
use crate::manifest::{CompactedObject, Manifest, ManifestStore};
use crate::repair::{RepairError, parse_partition, plan};
use crate::seqlog::{CloseRecord, EndRecord, HEADER_LEN, place_end};
use crate::store::Store;
use crate::{Family, LogId, producers};

async fn load(store: &Store, index: i32) -> Manifest {
    let loaded = ManifestStore::new(store.clone()).load(&partition(index)).await.unwrap();
    loaded.expect("there is one").0
}

async fn damage(store: &Store, index: i32) {
    edit(store, &keys::manifest(&partition(index)), |object| object[20] ^= 1).await;
}

async fn repair(store: &Store, index: i32) -> Result<Manifest, RepairError> {
    let id = partition(index);
    plan(store, id.topic, id.index, None).await?.commit(store).await
}

/// What counts of a manifest: its version does not, and where to begin to look is a hint.
fn same(one: &Manifest, other: &Manifest) {
    let strip = |manifest: &Manifest| {
        let mut manifest = manifest.clone();
        manifest.chain.iter_mut().for_each(|link| link.first_slot = 0);
        Manifest { version: 0, nonce: 0, prev_hash: [0; 32], producers: None, ..manifest }
    };
    assert_eq!(strip(one), strip(other));
}

async fn end_of(store: &Store, log: LogId, lsn: u64) {
    let end = EndRecord { reason: 1, lsn, index: None };
    place_end(store, Family::Data, &log, &end).await.unwrap();
}

#[tokio::test]
async fn a_damaged_manifest_says_again_what_it_said() {
    let store = bucket().await;
    end_of(&store, B, 200).await;
    for index in 0..4 {
        let before = load(&store, index).await;
        damage(&store, index).await;
        assert!(ManifestStore::new(store.clone()).load(&partition(index)).await.is_err());
        repair(&store, index).await.unwrap();
        same(&load(&store, index).await, &before);
    }
    assert_eq!(findings(&store).await, []);
}

#[tokio::test]
async fn a_manifest_that_is_gone_is_made_again_and_a_sound_one_is_left_alone() {
    let store = bucket().await;
    end_of(&store, B, 200).await;
    let before = load(&store, 0).await;
    assert!(matches!(repair(&store, 0).await, Err(RepairError::Sound { .. })));
    store.delete(&keys::manifest(&partition(0))).await.unwrap();
    repair(&store, 0).await.unwrap();
    same(&load(&store, 0).await, &before);
    assert_eq!(findings(&store).await, []);
}

#[tokio::test]
async fn a_log_that_may_still_grow_is_not_guessed_at() {
    let store = bucket().await;
    damage(&store, 0).await;
    let refused = repair(&store, 0).await.unwrap_err();
    assert!(matches!(refused, RepairError::NotEnded { log } if log == B), "{refused}");
    assert!(matches!(repair(&store, 9).await, Err(RepairError::NoRecords)));
}

#[tokio::test]
async fn a_partition_that_left_its_log_by_close_is_followed() {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    a.append(&[(0, 0, 5, 1)]).await;
    a.writer.close(&CloseRecord::new(partition(0), 1, 5, None)).await.unwrap();
    let mut b = Log::open(&store, B).await;
    b.append(&[(0, 5, 4, 2)]).await;
    b.end().await;
    let first = Manifest::create(partition(0), 1, A, 1);
    let (first, version) = commit(&store, &first, None).await;
    let claimed = first.claimed_after_close(2, B, 1, 5, 2).unwrap();
    commit(&store, &claimed, Some(&version)).await;
    let before = load(&store, 0).await;
    damage(&store, 0).await;
    repair(&store, 0).await.unwrap();
    same(&load(&store, 0).await, &before);
}

/// Stores a compacted object of partition 0.
async fn put_compacted(store: &Store, base: i64, count: i64, name: u128) -> CompactedObject {
    let (payload, footer) = segment(&[(0, base, count, 1)], 0..0);
    let head = std::iter::once(Bytes::from_static(&[0; HEADER_LEN]));
    let key = keys::compacted(&partition(0), base, Uuid::from_u128(name));
    store.put_unconditional(&key, head.chain(payload).collect()).await.unwrap();
    CompactedObject {
        key,
        base_offset: base,
        last_offset: base + count - 1,
        size: footer.entries.iter().map(|entry| u64::from(entry.byte_len)).sum(),
        max_timestamp: footer.entries[0].header.max_timestamp,
    }
}

#[tokio::test]
async fn replaced_objects_and_collected_slots_do_not_mislead() {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    for base in [0, 5, 10] {
        a.append(&[(0, base, 5, 1)]).await;
    }
    a.end().await;
    // The first was merged into the second, and all of the log but its last slot was collected.
    put_compacted(&store, 0, 5, 1).await;
    let merged = put_compacted(&store, 0, 10, 2).await;
    for slot in [1, 2] {
        store.delete(&keys::slot(Family::Data, &A, slot)).await.unwrap();
    }
    let repaired = repair(&store, 0).await.unwrap();
    assert_eq!(repaired.objects, [merged]);
    assert_eq!((repaired.log_start_offset, repaired.compacted_upto), (0, 10));
    assert_eq!((repaired.owner, repaired.epoch), (A, 1));
    assert_eq!(findings(&store).await, []);
    // T1: what its producer did below is known.
    let key = repaired.producers.unwrap().key.unwrap();
    let snapshot = producers::load(&store, &key).await.unwrap();
    assert_eq!(
        snapshot.partitions[&partition(0)].producers[0].batches.last().unwrap().last_offset,
        9
    );
}

#[tokio::test]
async fn a_gap_is_named_and_given_up_only_when_told_to() {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    a.append(&[(0, 20, 5, 2)]).await;
    a.end().await;
    put_compacted(&store, 0, 10, 1).await;
    let id = partition(0);
    let refused = plan(&store, id.topic, id.index, None).await.unwrap_err();
    assert!(matches!(refused, RepairError::Gap { from: 10, to: 20 }), "{refused}");
    let planned = plan(&store, id.topic, id.index, Some(20)).await.unwrap();
    let repaired = planned.commit(&store).await.unwrap();
    assert_eq!((repaired.log_start_offset, repaired.objects.len()), (20, 0));
}

#[test]
fn a_partition_is_named_by_its_id_or_by_its_manifest_s_key() {
    let id = partition(3);
    let text = format!("{}/3", id.topic.simple_text());
    assert_eq!(parse_partition(&text), Some((id.topic, 3)));
    assert_eq!(parse_partition(keys::manifest(&id).as_str()), Some((id.topic, 3)));
    for wrong in ["", "3", "orders/3", &format!("{text}x")] {
        assert_eq!(parse_partition(wrong), None, "{wrong}");
    }
}
