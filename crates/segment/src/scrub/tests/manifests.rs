//! Broken manifests: for themselves, and against their logs.

use super::bucket::{
    A, B, Log, bucket, claim, claim_after_close, commit, edit, edit_manifest, log, partition, slot,
};
use super::{finding, findings, quick_findings};
use crate::keys::{self, Key};
use crate::manifest::{InvalidManifest, Manifest};
use crate::scrub::{Defect, Finding};
use crate::seqlog::CloseRecord;
use crate::store::Store;

fn key(index: i32) -> Key {
    keys::manifest(&partition(index))
}

/// The bucket's findings after a change of partition 0's manifest.
async fn after(change: impl FnOnce(&mut Manifest)) -> Vec<Finding> {
    let store = bucket().await;
    edit_manifest(&store, 0, change).await;
    let found = findings(&store).await;
    assert_eq!(quick_findings(&store).await, found, "manifests are never skipped");
    found
}

fn of_manifest(defect: Defect) -> [Finding; 1] {
    [finding(key(0), partition(0), defect)]
}

#[tokio::test]
async fn a_gap_between_links_is_found() {
    let found = after(|manifest| manifest.chain[1].start_offset = 22).await;
    let gap = Defect::ChainGap { epoch: 2, expected: 20, found: 22 };
    assert_eq!(found, of_manifest(gap));
    let text = found[0].to_string();
    let partition = partition(0);
    assert_eq!(
        text,
        format!(
            "S2: `{}`, partition {partition}: link of epoch 2 starts at offset 22, \
         the one before ends at 20",
            key(0)
        )
    );
}

#[tokio::test]
async fn links_that_claim_the_same_offsets_are_found() {
    let found = after(|manifest| manifest.chain[1].start_offset = 18).await;
    assert_eq!(found, of_manifest(Defect::ChainOverlap { epoch: 2, expected: 20, found: 18 }));
}

#[tokio::test]
async fn an_epoch_that_goes_back_is_found() {
    let found = after(|manifest| {
        manifest.chain[0].epoch = 4;
        manifest.epoch_history[0].0 = 4;
    })
    .await;
    assert_eq!(found, of_manifest(Defect::ChainEpoch { previous: 4, found: 2 }));
}

#[tokio::test]
async fn every_other_contradiction_is_found() {
    let found = after(|manifest| manifest.owner = A).await;
    assert_eq!(found, of_manifest(Defect::Manifest(InvalidManifest::Owner)));
    let found = after(|manifest| manifest.chain[0].end_offset = None).await;
    assert_eq!(found, of_manifest(Defect::Manifest(InvalidManifest::Owner)));
    let found = after(|manifest| manifest.epoch_history.reverse()).await;
    assert_eq!(found, of_manifest(Defect::Manifest(InvalidManifest::History)));
    let found = after(|manifest| manifest.epoch_history[0].1 = 3).await;
    assert_eq!(found, of_manifest(Defect::History { epoch: 1, start: 0 }));
}

#[tokio::test]
async fn readable_offsets_that_are_nowhere_are_found() {
    let found = after(|manifest| _ = manifest.chain.remove(0)).await;
    assert_eq!(found, of_manifest(Defect::Uncovered { from: 0, to: 20 }));
}

/// A claim that read the log before its END: B's records begin where the link
/// says, and two of A's have the same offsets.
#[tokio::test]
async fn a_wrong_end_offset_is_found() {
    for (end, bounds) in [(8, "duplicates"), (12, "a hole")] {
        let store = Store::memory("test");
        let mut a = Log::open(&store, A).await;
        a.append(&[(0, 0, 10, 1)]).await;
        a.end().await;
        let mut b = Log::open(&store, B).await;
        claim(&store, 0, end).await;
        b.append(&[(0, end, 5, 2)]).await;
        let wrong = Defect::LinkEnd { epoch: 1, log: A, link: end, found: 10 };
        assert_eq!(findings(&store).await, of_manifest(wrong), "{bounds}");
    }
}

#[tokio::test]
async fn offsets_used_again_by_the_next_owner_are_found() {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    a.append(&[(0, 0, 10, 1)]).await;
    a.end().await;
    let mut b = Log::open(&store, B).await;
    claim(&store, 0, 10).await;
    b.append(&[(0, 8, 5, 2)]).await;
    let wrong = Defect::LinkStart { epoch: 2, log: B, link: 10, found: 8 };
    assert_eq!(findings(&store).await, of_manifest(wrong));
}

#[tokio::test]
async fn a_closed_link_without_records_has_no_offsets() {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    a.end().await;
    Log::open(&store, B).await;
    claim(&store, 0, 4).await;
    let wrong = Defect::LinkEnd { epoch: 1, log: A, link: 4, found: 0 };
    assert_eq!(findings(&store).await, of_manifest(wrong));
}

/// The previous owner may still acknowledge what nobody will read (R2, R3).
#[tokio::test]
async fn a_closed_link_of_a_live_log_is_found() {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    a.append(&[(0, 0, 10, 1)]).await;
    Log::open(&store, B).await;
    claim(&store, 0, 10).await;
    assert_eq!(findings(&store).await, of_manifest(Defect::NotEnded { epoch: 1, log: A }));
}

/// One partition's CLOSE lets go of that partition alone (R2).
#[tokio::test]
async fn a_link_that_its_close_does_not_bear_out_is_found() {
    let close_of = |index, epoch, end_offset| async move {
        let store = Store::memory("test");
        let mut a = Log::open(&store, A).await;
        a.append(&[(0, 0, 10, 1)]).await;
        let close = CloseRecord::new(partition(index), epoch, end_offset, None);
        a.writer.close(&close).await.unwrap();
        Log::open(&store, B).await;
        claim_after_close(&store, 0, 10, 2).await;
        findings(&store).await
    };
    let other = |close_epoch, close_end| {
        of_manifest(Defect::OtherClose { epoch: 1, log: A, slot: 2, close_epoch, close_end })
    };
    assert_eq!(close_of(0, 1, 10).await, []);
    assert_eq!(close_of(7, 1, 10).await, other(1, 10));
    assert_eq!(close_of(0, 3, 10).await, other(3, 10));
    assert_eq!(close_of(0, 1, 9).await, other(1, 9));
}

#[tokio::test]
async fn a_close_that_is_not_there_is_found() {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    a.append(&[(0, 0, 10, 1)]).await;
    a.writer.close(&CloseRecord::new(partition(0), 1, 10, None)).await.unwrap();
    Log::open(&store, B).await;
    claim_after_close(&store, 0, 10, 1).await;
    let wrong = Defect::NotClosed { epoch: 1, log: A, slot: 1 };
    assert_eq!(findings(&store).await, of_manifest(wrong));
}

#[tokio::test]
async fn anothers_close_does_not_end_a_log() {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    a.append(&[(0, 0, 10, 1)]).await;
    a.writer.close(&CloseRecord::new(partition(7), 1, 0, None)).await.unwrap();
    Log::open(&store, B).await;
    claim(&store, 0, 10).await;
    assert_eq!(findings(&store).await, of_manifest(Defect::NotEnded { epoch: 1, log: A }));
}

#[tokio::test]
async fn a_link_into_the_wrong_slots_is_found() {
    let found = after(|manifest| manifest.chain[0].first_slot = 5).await;
    assert_eq!(found, of_manifest(Defect::BeyondLog { log: A, slot: 5, stop: 4 }));
    let found = after(|manifest| manifest.chain[1].first_slot = 2).await;
    let before = Defect::BeforeLink { epoch: 2, log: B, slot: 1, first_slot: 2 };
    assert_eq!(found, of_manifest(before));
}

#[tokio::test]
async fn a_missing_log_is_found() {
    let store = bucket().await;
    commit(&store, &Manifest::create(partition(7), 1, log(9), 1), None).await;
    let missing = Defect::MissingLog { log: log(9), epoch: 1 };
    assert_eq!(findings(&store).await, [finding(slot(log(9), 0), partition(7), missing)]);
}

/// An owner that did not know it was one no more (D10).
#[tokio::test]
async fn records_outside_of_the_chain_are_found() {
    let store = bucket().await;
    let mut zombie = Log::open(&store, log(3)).await;
    zombie.append(&[(0, 20, 5, 1)]).await;
    let outside = Defect::OutsideChain { log: log(3), end: 25 };
    assert_eq!(findings(&store).await, [finding(slot(log(3), 1), partition(0), outside)]);
}

#[tokio::test]
async fn a_damaged_manifest_is_found() {
    let store = bucket().await;
    edit(&store, &key(0), |object| object[60] ^= 1).await;
    let damaged = Defect::ManifestDamaged("fails its CRC".to_owned());
    let expected = finding(key(0), None, damaged);
    assert_eq!(findings(&store).await, std::slice::from_ref(&expected));
    assert!(expected.to_string().starts_with("R23: `m/"), "{expected}");
}

#[tokio::test]
async fn a_manifest_of_another_partition_is_found() {
    let store = bucket().await;
    let other = store.get(&key(1)).await.unwrap();
    edit(&store, &key(0), |object| *object = other.to_vec()).await;
    let damaged = Defect::ManifestDamaged(format!("belongs to partition {}", partition(1)));
    assert_eq!(findings(&store).await, [finding(key(0), None, damaged)]);
}

/// The next claim would start at offset 0 and write over everything.
#[tokio::test]
async fn a_missing_manifest_is_found_once() {
    let store = bucket().await;
    store.delete(&key(0)).await.unwrap();
    let found = findings(&store).await;
    let [only] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&only.key, only.partition), (&key(0), Some(partition(0))));
    assert!(matches!(only.defect, Defect::ManifestMissing { log } if [A, B].contains(&log)));
}
