//! Broken logs: slots, LSNs, END and its index.

use bytes::Bytes;

use super::bucket::{
    A, B, Log, bucket, commit, edit, index_key, partition, put_slot, replace_index, slot,
};
use super::{finding, findings, quick_findings};
use crate::keys::{self, Family};
use crate::manifest::Manifest;
use crate::scrub::Defect;
use crate::seqlog::{EndRecord, OpenSlot, SeqLogWriter, SlotKind};
use crate::store::Store;

/// The records in it are missed with the slot, not a second time.
#[tokio::test]
async fn a_missing_slot_is_found() {
    for (log, number) in [(A, 0), (A, 1), (A, 2), (A, 3), (B, 1)] {
        let store = bucket().await;
        store.delete(&slot(log, number)).await.unwrap();
        let expected = finding(slot(log, number), None, Defect::MissingSlot);
        let expected = std::slice::from_ref(&expected);
        assert_eq!(findings(&store).await, expected);
        assert_eq!(quick_findings(&store).await, expected);
        assert_eq!(
            expected[0].to_string(),
            format!(
                "S1: `{}`: slot is missing, and later slots of the log exist",
                slot(log, number)
            )
        );
    }
}

#[tokio::test]
async fn a_gap_of_several_slots_is_one_finding() {
    let store = bucket().await;
    store.delete(&slot(A, 1)).await.unwrap();
    store.delete(&slot(A, 2)).await.unwrap();
    assert_eq!(findings(&store).await, [finding(slot(A, 1), None, Defect::MissingSlot)]);
    put_slot(&store, B, 1000, SlotKind::Front, vec![]).await;
    let second = finding(slot(B, 3), None, Defect::MissingSlot);
    assert!(findings(&store).await.contains(&second));
}

#[tokio::test]
async fn slots_of_wal_and_metadata_are_checked() {
    for (family, log) in [(Family::Wal, A), (Family::Meta, super::bucket::log(0))] {
        let store = bucket().await;
        let key = keys::slot(family, &log, 2);
        edit(&store, &key, |object| *object.last_mut().unwrap() ^= 1).await;
        let what = "payload fails its length or CRC".to_owned();
        assert_eq!(findings(&store).await, [finding(key, None, Defect::Damaged(what))]);
        let key = keys::slot(family, &log, 1);
        store.delete(&key).await.unwrap();
        assert!(findings(&store).await.contains(&finding(key, None, Defect::MissingSlot)));
    }
}

#[tokio::test]
async fn a_second_end_is_found() {
    let store = bucket().await;
    let end = EndRecord { reason: 3, lsn: 0, index: None };
    for number in [5, 6] {
        SeqLogWriter::at(store.clone(), Family::Data, A, number).end(&end).await.unwrap();
    }
    let second = |number| finding(slot(A, number), None, Defect::SecondEnd { first: 4 });
    assert_eq!(findings(&store).await, [second(5), second(6)]);
}

#[tokio::test]
async fn a_log_begins_with_open_and_has_no_other() {
    let store = Store::memory("test");
    put_slot(&store, A, 0, SlotKind::Front, vec![]).await;
    let mut late = SeqLogWriter::at(store.clone(), Family::Data, A, 1);
    late.append(SlotKind::Open, vec![Bytes::from_static(&[1])]).await.unwrap();
    assert_eq!(
        findings(&store).await,
        [
            finding(slot(A, 0), None, Defect::NoOpen(SlotKind::Front)),
            finding(slot(A, 1), None, Defect::LateOpen),
        ]
    );
}

#[tokio::test]
async fn a_damaged_slot_is_one_finding() {
    let damaged = |what: &str| Defect::Damaged(what.to_owned());
    // The header of a segment, its footer, its length, and END.
    let flips = [(2, 30, "slot header fails its CRC"), (4, 80, "payload fails its length or CRC")];
    for (number, position, what) in flips {
        let store = bucket().await;
        edit(&store, &slot(A, number), |object| object[position] ^= 1).await;
        assert_eq!(findings(&store).await, [finding(slot(A, number), None, damaged(what))]);
    }
    let store = bucket().await;
    edit(&store, &slot(A, 2), |object| {
        let position = object.len() - 20;
        object[position] ^= 1;
    })
    .await;
    let footer = damaged("footer fails its CRC");
    assert_eq!(findings(&store).await, [finding(slot(A, 2), None, footer)]);

    let store = bucket().await;
    edit(&store, &slot(A, 2), |object| object.truncate(40)).await;
    let found = findings(&store).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(matches!(found[0].defect, Defect::Damaged(_)), "{found:?}");
}

/// A log of partition 0 in which the second segment covers `lsn`.
async fn covering(lsn: std::ops::Range<u64>, sealed: u64) -> Store {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    a.append(&[(0, 0, 5, 1)]).await;
    a.append_as(&[(0, 5, 5, 1)], lsn).await;
    a.lsn = sealed;
    a.end().await;
    commit(&store, &Manifest::create(partition(0), 1, A, 1), None).await;
    store
}

#[tokio::test]
async fn segments_cover_the_front_exactly_once() {
    assert_eq!(findings(&covering(100..200, 200).await).await, []);
    let gap = Defect::LsnGap { covered: 100, found: 110 };
    let expected = finding(slot(A, 2), None, gap);
    assert_eq!(findings(&covering(110..200, 200).await).await, [expected]);
    let overlap = Defect::LsnOverlap { covered: 100, found: 90 };
    let expected = finding(slot(A, 2), None, overlap);
    assert_eq!(findings(&covering(90..200, 200).await).await, [expected]);
    let short = Defect::LsnShort { covered: 200, sealed: 250 };
    let expected = finding(slot(A, 3), None, short);
    assert_eq!(findings(&covering(100..200, 250).await).await, [expected]);
}

/// One finding for the slot, none for each block that was there before.
#[tokio::test]
async fn a_segment_uploaded_twice_is_one_finding() {
    let store = Store::memory("test");
    let mut a = Log::open(&store, A).await;
    a.append_as(&[(0, 0, 5, 1), (1, 0, 5, 1)], 0..100).await;
    a.append_as(&[(0, 0, 5, 1), (1, 0, 5, 1)], 0..100).await;
    a.lsn = 100;
    a.end().await;
    for index in [0, 1] {
        commit(&store, &Manifest::create(partition(index), 1, A, 1), None).await;
    }
    let overlap = Defect::LsnOverlap { covered: 100, found: 0 };
    assert_eq!(findings(&store).await, [finding(slot(A, 2), None, overlap)]);
}

#[tokio::test]
async fn a_missing_or_damaged_index_is_found() {
    let store = bucket().await;
    let key = index_key(&store, A).await;
    edit(&store, &key, |object| object[50] ^= 1).await;
    let what = "is not the snapshot that END names".to_owned();
    assert_eq!(findings(&store).await, [finding(key.clone(), None, Defect::Damaged(what))]);
    store.delete(&key).await.unwrap();
    assert_eq!(findings(&store).await, [finding(key, None, Defect::Missing)]);
}

/// The next owner believes the index: it must say what the footers do.
#[tokio::test]
async fn an_index_that_lies_is_found() {
    let store = bucket().await;
    let key = replace_index(&store, A, 4, |index| {
        index.partitions.get_mut(&partition(0)).unwrap().end_offset = 15;
    })
    .await;
    let short = Defect::IndexEnd { log: A, index: 15, found: 20 };
    assert_eq!(findings(&store).await, [finding(key, partition(0), short)]);

    let key = replace_index(&store, A, 4, |index| {
        index.partitions.remove(&partition(1));
        index.partitions.get_mut(&partition(0)).unwrap().extents[1].byte_len += 1;
        let third = index.partitions.get_mut(&partition(2)).unwrap();
        third.extents.push(third.extents[0].clone());
    })
    .await;
    let differs = |index| finding(key.clone(), partition(index), Defect::IndexBlocks { log: A });
    assert_eq!(findings(&store).await, [differs(0), differs(1), differs(2)]);
}

/// Nothing after END is ever served, so nothing may lead there.
#[tokio::test]
async fn an_index_beyond_end_is_found() {
    let store = bucket().await;
    let key = replace_index(&store, A, 4, |index| {
        let extents = &mut index.partitions.get_mut(&partition(1)).unwrap().extents;
        extents[1].location = crate::extent::Location::Slot { log: A, slot: 5 };
    })
    .await;
    let beyond = Defect::BeyondLog { log: A, slot: 5, stop: 4 };
    assert_eq!(findings(&store).await, [finding(key, partition(1), beyond)]);
}

/// A listing that lags behind hides slots, and damages nothing (R20).
#[tokio::test]
async fn gaps_of_a_listing_are_asked_for() {
    let probed = crate::scrub::slots::slots_to_read(&[0, 3, 100]);
    assert_eq!(probed[..4], [0, 1, 2, 3]);
    assert_eq!(probed[4..], [(4..20).collect::<Vec<u64>>(), vec![100]].concat());
    let open = OpenSlot::default();
    let store = Store::memory("test");
    SeqLogWriter::create(store.clone(), Family::Data, A, &open).await.unwrap();
    assert_eq!(findings(&store).await, []);
}
