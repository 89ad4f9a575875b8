//! Broken blocks: bits, footers, offsets and epochs.

use protocol::batch::BatchError;

use super::bucket::{
    A, B, Log, bucket, commit, compacted, edit, edit_first_block, edit_footer, edit_manifest,
    partition, slot,
};
use super::{finding, findings, full_findings, quick_findings};
use crate::keys;
use crate::manifest::Manifest;
use crate::object::{BLOCK_HEADER_LEN, BlockError};
use crate::scrub::Defect;
use crate::seqlog::HEADER_LEN;
use crate::store::Store;

const AT: u64 = HEADER_LEN as u64;

/// Places in the first entry of a footer: see the table in `object::footer`.
const ENTRY_PARTITION: usize = 20 + 20;
const ENTRY_BASE_OFFSET: usize = ENTRY_PARTITION + 4;
const ENTRY_LAST_OFFSET: usize = ENTRY_BASE_OFFSET + 8;
const ENTRY_MAX_TIMESTAMP: usize = ENTRY_LAST_OFFSET + 12;
const ENTRY_BATCH: usize = 20 + 68;

fn put(bytes: &mut [u8], at: usize, value: i64) {
    bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
}

/// Every bit of a block counts; which one is hit only changes how it is noticed.
#[tokio::test]
async fn a_flipped_bit_in_a_block_is_found() {
    let errors = [(0, BlockError::Magic), (20, BlockError::Crc), (90, BlockError::Crc)];
    for (position, error) in errors {
        let store = bucket().await;
        edit(&store, &slot(A, 2), |object| object[HEADER_LEN + position] ^= 4).await;
        let block = Defect::Block { at: AT, error };
        assert_eq!(findings(&store).await, [finding(slot(A, 2), partition(0), block)]);
        assert_eq!(quick_findings(&store).await, []);
    }
}

#[tokio::test]
async fn a_flipped_bit_in_a_compacted_object_is_found() {
    let store = Store::memory("test");
    let mut b = Log::open(&store, B).await;
    let key = compacted(&store).await;
    b.append(&[(3, 10, 1, 2)]).await;
    edit(&store, &key, |object| object[HEADER_LEN + 90] ^= 4).await;
    let block = Defect::Block { at: AT, error: BlockError::Crc };
    assert_eq!(findings(&store).await, [finding(key.clone(), partition(3), block)]);
    store.delete(&key).await.unwrap();
    assert_eq!(findings(&store).await, [finding(key, partition(3), Defect::Missing)]);
}

#[tokio::test]
async fn a_compacted_object_holds_what_its_manifest_says() {
    let store = bucket().await;
    let manifest = crate::ManifestStore::new(store.clone()).load(&partition(3)).await.unwrap();
    let key = manifest.unwrap().0.objects[0].key.clone();
    edit_manifest(&store, 3, |manifest| manifest.objects[0].last_offset = 8).await;
    let foreign = Defect::ForeignBlock { partition: partition(3), base: 0, last: 9 };
    let uncovered = Defect::Uncovered { from: 9, to: 10 };
    let manifest_key = keys::manifest(&partition(3));
    let expected = [
        finding(key.clone(), partition(3), foreign),
        finding(manifest_key, partition(3), uncovered),
    ];
    assert_eq!(findings(&store).await, expected);
    // What no block covers was not taken out by compaction: it is a hole.
    edit_manifest(&store, 3, |manifest| {
        (manifest.objects[0].last_offset, manifest.compacted_upto) = (11, 12);
        manifest.chain[0].start_offset = 12;
        manifest.epoch_history[1].1 = 12;
    })
    .await;
    let hole = finding(key.clone(), partition(3), Defect::Uncovered { from: 10, to: 12 });
    assert!(findings(&store).await.contains(&hole));
    edit_manifest(&store, 3, |manifest| {
        (manifest.objects[0].last_offset, manifest.compacted_upto) = (9, 10);
        manifest.chain[0].start_offset = 10;
        manifest.epoch_history[1].1 = 10;
    })
    .await;
    let mut listed = 0;
    edit_manifest(&store, 3, |manifest| {
        manifest.objects[0].size += 1;
        listed = manifest.objects[0].size;
    })
    .await;
    let size = Defect::PartSize { listed, found: listed - 1 };
    assert_eq!(findings(&store).await, [finding(key, partition(3), size)]);
}

/// The footer moves a block to other offsets, in a way that fits itself.
#[tokio::test]
async fn a_footer_that_lies_about_offsets_is_found() {
    let store = bucket().await;
    edit(&store, &slot(A, 1), |object| {
        edit_footer(object, |footer| {
            put(footer, ENTRY_BASE_OFFSET, 2);
            put(footer, ENTRY_LAST_OFFSET, 6);
            put(footer, ENTRY_BATCH, 2);
        });
    })
    .await;
    let lie = Defect::FooterOffsets { at: AT, base: 2, last: 6, block_base: 0, block_last: 4 };
    assert_eq!(full_findings(&store).await, [finding(slot(A, 1), partition(0), lie)]);
    // Without a look at the block, the lie shows where the records continue.
    assert_ne!(quick_findings(&store).await, []);
}

#[tokio::test]
async fn a_footer_that_sums_up_wrongly_is_found() {
    let store = bucket().await;
    edit(&store, &slot(A, 1), |object| {
        edit_footer(object, |footer| put(footer, ENTRY_LAST_OFFSET, 9));
    })
    .await;
    let last = Defect::Footer { what: "last offset", offset: 9 };
    assert_eq!(findings(&store).await, [finding(slot(A, 1), partition(0), last)]);

    let changes = [
        (ENTRY_MAX_TIMESTAMP, "max timestamp"),
        // Producer id.
        (ENTRY_BATCH + 12, "batch"),
    ];
    for (at, what) in changes {
        let store = bucket().await;
        edit(&store, &slot(A, 1), |object| edit_footer(object, |footer| put(footer, at, 77))).await;
        let wrong = Defect::Footer { what, offset: 0 };
        assert_eq!(full_findings(&store).await, [finding(slot(A, 1), partition(0), wrong)]);
    }
}

/// Another tenant's or partition's bytes behind a reference (R27).
#[tokio::test]
async fn a_block_of_another_partition_is_found() {
    let store = bucket().await;
    edit(&store, &slot(A, 1), |object| {
        edit_footer(object, |footer| footer[ENTRY_PARTITION + 3] = 8);
    })
    .await;
    let other = Defect::Block { at: AT, error: BlockError::Partition(partition(0)) };
    assert_eq!(full_findings(&store).await, [finding(slot(A, 1), partition(8), other)]);
}

/// D6 and D10 inside a block whose own CRC is right: what a bug writes, not a disk.
#[tokio::test]
async fn batches_inside_a_block_are_checked() {
    // Of the second block's bytes: base offset, epoch and CRC of the second batch.
    let second = BLOCK_HEADER_LEN + super::bucket::batch((0, 5, 5, 1)).len();
    let base: fn(&mut [u8], usize) = |block, at| put(block, at, 11);
    let epoch: fn(&mut [u8], usize) = |block, at| block[at + 15] = 0;
    let crc: fn(&mut [u8], usize) = |block, at| block[at + 17] ^= 1;
    let changes = [
        (base, Defect::OffsetGap { expected: 10, found: 11 }),
        (epoch, Defect::Epoch { offset: 10, expected: 1, found: 0 }),
    ];
    for (change, defect) in changes {
        let store = bucket().await;
        edit(&store, &slot(A, 2), |object| {
            edit_first_block(object, |block| change(block, second));
        })
        .await;
        assert_eq!(findings(&store).await, [finding(slot(A, 2), partition(0), defect)]);
    }
    let store = bucket().await;
    edit(&store, &slot(A, 2), |object| edit_first_block(object, |block| crc(block, second))).await;
    let found = findings(&store).await;
    let [only] = &found[..] else { panic!("{found:?}") };
    assert!(matches!(only.defect, Defect::Batch { offset: 10, error: BatchError::Crc { .. } }));
}

/// Partition 0 with these records in the slots of one log.
async fn slots_with(slots: &[(i64, i64, i32)]) -> Store {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    for &(base, count, epoch) in slots {
        a.append(&[(0, base, count, epoch)]).await;
    }
    commit(&store, &Manifest::create(partition(0), 2, A, 1), None).await;
    store
}

#[tokio::test]
async fn blocks_of_a_log_follow_each_other() {
    let only = |defect| [finding(slot(A, 2), partition(0), defect)];
    let gap = slots_with(&[(0, 5, 2), (6, 4, 2), (10, 1, 2)]).await;
    assert_eq!(findings(&gap).await, only(Defect::OffsetGap { expected: 5, found: 6 }));
    let twice = slots_with(&[(0, 5, 2), (3, 4, 2), (7, 1, 2)]).await;
    assert_eq!(findings(&twice).await, only(Defect::OffsetOverlap { expected: 5, found: 3 }));
}

/// An owner has one epoch, whatever its blocks say among themselves.
#[tokio::test]
async fn blocks_have_the_epoch_of_their_link() {
    for found in [1, 3] {
        let store = slots_with(&[(0, 5, 2), (5, 5, found), (10, 5, found), (15, 5, 2)]).await;
        let epoch = Defect::Epoch { offset: 5, expected: 2, found };
        let expected = finding(slot(A, 2), partition(0), epoch);
        assert_eq!(findings(&store).await, std::slice::from_ref(&expected));
        assert!(expected.to_string().starts_with("D10: `l/"), "{expected}");
    }
}

/// Without a link to compare with, epochs still do not go back.
#[tokio::test]
async fn epochs_of_forgotten_records_do_not_go_back() {
    let store = slots_with(&[(0, 5, 2), (5, 5, 1)]).await;
    let other = Manifest { log_start_offset: 10, ..Manifest::create(partition(0), 3, B, 1) };
    Log::open(&store, B).await;
    store.delete(&keys::manifest(&partition(0))).await.unwrap();
    commit(&store, &other, None).await;
    let epoch = Defect::Epoch { offset: 5, expected: 2, found: 1 };
    assert_eq!(findings(&store).await, [finding(slot(A, 2), partition(0), epoch)]);
}
