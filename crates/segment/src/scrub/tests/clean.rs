//! What is no damage: buckets in use, and the garbage in them.

use bytes::Bytes;
use uuid::Uuid;

use super::bucket::{
    A, B, Log, bucket, commit, edit, edit_manifest, log, partition, put_orphan, put_slot, segment,
    slot, standard,
};
use super::{finding, findings, report};
use crate::keys::{self, Family, Key};
use crate::manifest::{Manifest, ManifestStore};
use crate::object::BlockError;
use crate::scrub::ledger::Ledger;
use crate::scrub::report::Tally;
use crate::scrub::source::Source;
use crate::scrub::{Counts, Defect, Depth, Note, ScrubOptions, ScrubReport, look_again, scrub};
use crate::seal::{DataKey, KeyId, OpenError};
use crate::seqlog::{CloseRecord, EndRecord, HEADER_LEN, SlotKind, place_end};
use crate::store::{Store, StoreConfig};

#[tokio::test]
async fn an_empty_bucket_is_clean() {
    let report = report(&Store::memory("test"), Depth::Full).await;
    assert_eq!(report, ScrubReport::default());
}

/// Everything is seen, and nothing is wrong with it.
#[tokio::test]
async fn a_bucket_in_use_is_clean() {
    let full = report(&bucket().await, Depth::Full).await;
    assert!(full.is_clean() && full.notes.is_empty(), "{full:?}");
    let counts = Counts { bytes_read: 0, ..full.counts };
    let expected = Counts {
        logs: 4,
        slots: 5 + 3 + 3 + 3,
        manifests: 4,
        partitions: 4,
        compacted_objects: 1,
        blocks: 3 + 2 + 3 + 2 + 2 + 1,
        batches: 3 + 3 + 3 + 2 + 2 + 2,
        bytes_read: 0,
    };
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn a_quick_scrub_sees_the_same_and_reads_less() {
    let store = bucket().await;
    let (full, quick) = (report(&store, Depth::Full).await, report(&store, Depth::Quick).await);
    assert!(quick.is_clean());
    assert!(quick.counts.bytes_read < full.counts.bytes_read);
    assert_eq!(Counts { bytes_read: 0, ..quick.counts }, Counts { bytes_read: 0, ..full.counts });
}

#[tokio::test]
async fn a_directory_is_scrubbed_as_memory_is() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}", directory.path().display());
    let store = Store::open(&StoreConfig::new(url), "test").unwrap();
    standard(&store).await;
    let on_disk = report(&store, Depth::Full).await;
    let in_memory = report(&bucket().await, Depth::Full).await;
    let counts = |report: &ScrubReport| Counts { bytes_read: 0, ..report.counts };
    assert_eq!(counts(&on_disk), counts(&in_memory));
    assert!(on_disk.is_clean());
}

/// Of sealed blocks all but the records is checked without their key, and the records with it.
#[tokio::test]
async fn a_sealed_bucket_is_scrubbed_with_and_without_its_keys() {
    let (store, tenant) = (Store::memory("test"), partition(0).tenant);
    let key = |byte| DataKey::new(KeyId(1), [byte; 32]);
    store.keyring().put(tenant, key(7));
    store.keyring().set_current(tenant, Some(KeyId(1)));
    standard(&store).await;
    let with = report(&store, Depth::Full).await;
    store.keyring().forget(tenant);
    let without = report(&store, Depth::Full).await;
    assert!(with.is_clean() && without.is_clean(), "{with:?} {without:?}");
    assert_eq!(with.counts, without.counts);
    // Another key under that number opens nothing, and the scrub says so.
    store.keyring().put(tenant, key(8));
    let forged = BlockError::Sealed(OpenError::Forged(KeyId(1)));
    let expected = Defect::Block { at: HEADER_LEN as u64, error: forged };
    let found = report(&store, Depth::Full).await.findings;
    assert!(found.iter().any(|finding| finding.defect == expected), "{found:?}");
    // Damage of what is sealed is found by whoever has no key.
    store.keyring().forget(tenant);
    edit(&store, &slot(A, 2), |object| object[HEADER_LEN + 120] ^= 4).await;
    let damaged = Defect::Block { at: HEADER_LEN as u64, error: BlockError::Crc };
    assert_eq!(findings(&store).await, [finding(slot(A, 2), partition(0), damaged)]);
}

#[tokio::test]
async fn one_read_at_a_time_is_enough() {
    let options = ScrubOptions { parallel: 1, ..ScrubOptions::default() };
    assert!(scrub(&bucket().await, options).await.unwrap().is_clean());
}

#[test]
fn a_scrub_may_run_on_any_thread() {
    fn is_send(_: impl Send) {}
    is_send(scrub(&Store::memory("test"), ScrubOptions::default()));
}

/// A footer above the first guess takes a second read, a block above a run's
/// length a read of its own.
#[tokio::test]
async fn large_segments_are_read_in_pieces() {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    let records: Vec<_> = (0..4000).map(|offset| (0, offset, 1, 1)).collect();
    a.append(&records).await;
    let large = Bytes::from(vec![7; 3 << 20]);
    let mut object = crate::object::ObjectBuilder::new();
    for offset in 4000..4004 {
        let batch = protocol::batch::BatchBuilder::new().at(offset, 1);
        object.add(partition(0), batch.record(1, None, Some(&large)).build()).unwrap();
    }
    put_slot(&store, A, 2, SlotKind::Data, object.finish_plain(100..200).0).await;
    commit(&store, &Manifest::create(partition(0), 1, A, 1), None).await;
    let report = report(&store, Depth::Full).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.counts.blocks, report.counts.batches), (1 + 4, 4004));
}

/// The owner forgets links without records and below the log start, and its
/// index leaves out blocks that nobody may read any more.
#[tokio::test]
async fn a_trimmed_partition_is_clean() {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    a.append(&[(0, 0, 5, 1)]).await;
    a.append(&[(0, 5, 5, 1)]).await;
    a.index.partitions.get_mut(&partition(0)).unwrap().extents.remove(0);
    a.end().await;
    let mut b = Log::open(&store, B).await;
    b.append(&[(0, 10, 5, 3)]).await;
    let mut manifest = Manifest::create(partition(0), 1, A, 1);
    manifest.log_start_offset = 7;
    let manifest = manifest.claimed(2, log(3), 1, 10).unwrap();
    let mut manifest = manifest.claimed(3, B, 1, 10).unwrap();
    manifest.chain.remove(1);
    manifest.epoch_history.remove(1);
    let (mut manifest, version) = commit(&store, &manifest, None).await;
    assert_eq!(findings(&store).await, []);
    manifest.log_start_offset = 12;
    manifest.chain.remove(0);
    commit(&store, &manifest, Some(&version)).await;
    assert_eq!(findings(&store).await, []);
}

#[tokio::test]
async fn a_deleted_partition_promises_nothing() {
    let store = bucket().await;
    edit_manifest(&store, 0, |manifest| {
        manifest.deleted = true;
        manifest.chain[0].log = log(8);
    })
    .await;
    assert_eq!(findings(&store).await, []);
}

#[tokio::test]
async fn a_writer_fenced_before_it_began_leaves_a_sound_log() {
    let store = Store::memory("test");
    place_end(&store, Family::Data, &A, &EndRecord::default()).await.unwrap();
    assert_eq!(findings(&store).await, []);
}

/// A moved partition is closed by its owner, whose log goes on.
#[tokio::test]
async fn a_link_may_be_closed_by_close() {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    a.append(&[(0, 0, 5, 1)]).await;
    a.writer.close(&CloseRecord::new(partition(0), 1, 5, None)).await.unwrap();
    a.append(&[(1, 0, 5, 1)]).await;
    commit(&store, &Manifest::create(partition(1), 1, A, 1), None).await;
    Log::open(&store, B).await;
    super::bucket::claim_after_close(&store, 0, 5, 2).await;
    assert_eq!(findings(&store).await, []);
}

#[tokio::test]
async fn garbage_is_a_note() {
    let store = bucket().await;
    let (late, _) = segment(&[(0, 20, 5, 1)], 300..400);
    for number in [5, 6] {
        put_slot(&store, A, number, SlotKind::Data, late.clone()).await;
    }
    let index = keys::index(&A, Uuid::nil());
    let compacted = keys::compacted(&partition(3), 10, Uuid::nil());
    let unknown = Key::from_text("l/00/notes.txt");
    for key in [&index, &compacted, &unknown] {
        put_orphan(&store, key).await;
    }
    let report = report(&store, Depth::Full).await;
    assert_eq!(report.findings, []);
    let mut expected = vec![
        Note::AfterEnd { log: A, first: slot(A, 5), count: 2 },
        Note::Unreferenced(index),
        Note::Unreferenced(compacted),
        Note::UnknownKey(unknown),
    ];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(report.notes, expected);
}

/// What a manifest said before it changed proves nothing against a log.
#[tokio::test]
async fn a_manifest_that_changed_during_the_scrub_is_not_accused() {
    let store = bucket().await;
    let key = keys::manifest(&partition(0));
    let mut ledger = Ledger::default();
    let mut outdated = Manifest::create(partition(0), 1, A, 1);
    outdated.version = 1;
    ledger.follow(&outdated);
    let outside = Defect::OutsideChain { log: B, end: 30 };
    let lasting = Defect::OffsetGap { expected: 3, found: 4 };
    let mut tally = Tally::new(10);
    for defect in [outside, lasting.clone()] {
        tally.finding(key.clone(), Some(partition(0)), defect);
    }
    let source = Source::new(&store, &ScrubOptions::default());
    look_again(&source, &ledger, &mut tally).await.unwrap();
    let report = tally.finish(0);
    assert_eq!(report.findings, [finding(key.clone(), partition(0), lasting)]);
    assert_eq!(report.notes, [Note::Changed { key, partition: partition(0) }]);
}

#[tokio::test]
async fn findings_beyond_the_limit_are_counted() {
    let store = bucket().await;
    for number in 0..4 {
        edit_manifest(&store, number, |manifest| manifest.chain[0].first_slot = 99).await;
    }
    let options = ScrubOptions { findings_max: 3, ..ScrubOptions::default() };
    let report = scrub(&store, options).await.unwrap();
    assert_eq!((report.findings.len(), report.left_out, report.notes_left_out), (3, 1, 0));
}

/// A slot that is gone is a finding as long as one partition needs it whose manifest stayed as it was.
#[tokio::test]
async fn what_was_collected_during_the_scrub_is_not_missed() {
    let store = bucket().await;
    let manifests = ManifestStore::new(store.clone());
    let mut ledger = Ledger::default();
    for index in [0, 1] {
        let (mut manifest, _) = manifests.load(&partition(index)).await.unwrap().unwrap();
        // The first was read before its last change.
        manifest.version -= u64::from(index == 0);
        ledger.follow(&manifest);
    }
    let mut tally = Tally::new(10);
    for (number, needed_by) in [(1, vec![0]), (2, vec![0, 1]), (3, vec![])] {
        let needed_by = needed_by.into_iter().map(partition).collect();
        tally.finding_unless_changed(slot(A, number), Defect::MissingSlot, needed_by);
    }
    let source = Source::new(&store, &ScrubOptions::default());
    look_again(&source, &ledger, &mut tally).await.unwrap();
    let missing = tally.finish(0).findings.into_iter().map(|finding| finding.key);
    assert_eq!(missing.collect::<Vec<_>>(), [slot(A, 2), slot(A, 3)]);
}
