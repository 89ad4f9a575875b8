//! One partition over a front that commits when the test says so.

use std::sync::Arc;

use futures::FutureExt;

use super::*;
use crate::acks::Outcome;
use crate::fixture::{Fixture, batch};
use crate::limits::{OBJECT_BATCH_OVERHEAD_BYTES, OBJECT_PARTITION_OVERHEAD_BYTES};
use crate::wal::{FrontError, Lsn, LsnRange};
use bytes::Bytes;
use protocol::batch::BatchBuilder;
use protocol::ids::NodeId;
use segment::LogId;
use segment::ceiling::RESERVED_OFFSETS;

fn sequenced(sequence: i32) -> Bytes {
    BatchBuilder::new().producer(7, 0, sequence).record(1_000, None, Some(b"value")).build()
}

fn empty_read() -> HotRead {
    HotRead::Records { slices: Vec::new(), limited: false, aborted: Vec::new() }
}

#[tokio::test]
async fn no_offset_is_assigned_that_is_not_reserved() {
    let fixture = Fixture::new().await;
    let wide = |offsets| protocol::batch::gap(0, offsets, 0);
    let (refused, _acks) = fixture.append(&wide(RESERVED_OFFSETS + 1));
    assert!(matches!(refused, Err(AppendError::Front(FrontError::Ahead { .. }))), "{refused:?}");
    assert!(fixture.append(&wide(RESERVED_OFFSETS)).0.is_ok());
    let (refused, _acks) = fixture.append(&batch(1));
    assert_eq!(refused.map_err(|error| error.code()), Err(ErrorCode::NotEnoughReplicas));
}

#[tokio::test]
async fn nothing_is_visible_or_acknowledged_before_it_is_durable() {
    let fixture = Fixture::new().await;
    let (appended, acks) = fixture.append(&batch(2));
    assert_eq!(appended.unwrap().base_offset, 0);
    let (marks, read) = fixture.read(0);
    assert_eq!((marks.high_watermark, read), (0, empty_read()));
    assert_eq!(acks.outcome(0), Outcome::Open);
    assert_eq!(fixture.partition.max_timestamp(), None);

    fixture.front.commit();
    let (marks, read) = fixture.read(0);
    assert_eq!(marks.high_watermark, 2);
    assert!(matches!(read, HotRead::Records { slices, .. } if slices.len() == 1));
    assert_eq!(acks.outcome(0), Outcome::Durable);
}

#[tokio::test]
async fn an_offset_in_flight_is_not_yet_out_of_range() {
    let fixture = Fixture::new().await;
    let (_, _acks) = fixture.append(&batch(2));
    assert_eq!(fixture.read(2).1, empty_read(), "it may be durable the moment after (C7)");
    assert_eq!(fixture.read(3).1, HotRead::Refused(ErrorCode::OffsetOutOfRange));
}

#[tokio::test]
async fn a_repeated_batch_is_acknowledged_when_its_first_attempt_is_durable() {
    let fixture = Fixture::new().await;
    let (_, first) = fixture.append(&sequenced(0));
    let (_, second) = fixture.append(&sequenced(1));
    let (repeated, again) = fixture.append(&sequenced(0));
    assert_eq!(repeated.unwrap().base_offset, 0);
    assert_eq!(again.outcome(0), Outcome::Open, "the first attempt may still fail");
    fixture.front.commit();
    assert_eq!((first.outcome(0), again.outcome(0)), (Outcome::Durable, Outcome::Durable));
    assert_eq!(second.outcome(0), Outcome::Open);
}

#[tokio::test]
async fn a_front_that_refuses_leaves_offsets_and_sequences_as_they_were() {
    let fixture = Fixture::new().await;
    *fixture.front.full.lock() = true;
    let (refused, _acks) = fixture.append(&sequenced(0));
    let code = refused.unwrap_err().code();
    assert!(code == ErrorCode::NotEnoughReplicas && code.definite());
    *fixture.front.full.lock() = false;
    let (appended, _acks) = fixture.append(&sequenced(0));
    assert_eq!(appended.unwrap().base_offset, 0);
}

#[tokio::test]
async fn nothing_of_a_producer_passes_a_batch_that_found_no_room() {
    let fixture = Fixture::new().await;
    *fixture.front.full.lock() = true;
    fixture.append(&sequenced(0)).0.unwrap_err();
    *fixture.front.full.lock() = false;
    // The producer is new here: its second batch would be taken for its first (KIP-360).
    let (behind, _acks) = fixture.append(&sequenced(1));
    assert_eq!(behind.unwrap_err().code(), ErrorCode::NotEnoughReplicas);
    let offsets = [0, 1].map(|sequence| fixture.append(&sequenced(sequence)).0);
    assert_eq!(offsets.map(|appended| appended.unwrap().base_offset), [0, 1]);
}

#[tokio::test]
async fn a_front_that_fails_leaves_outcomes_unknown_and_closes_the_partition() {
    let fixture = Fixture::new().await;
    let (_, first) = fixture.append(&batch(1));
    let (_, second) = fixture.append(&batch(1));
    let waiter = Arc::new(FetchWaiter::default());
    fixture.partition.add_waiter(&waiter, Isolation::ReadUncommitted);
    fixture.front.commit();
    fixture.front.fail();
    assert_eq!((first.outcome(0), second.outcome(0)), (Outcome::Durable, Outcome::Unknown));
    assert!(waiter.missing(u64::MAX / 2).now_or_never().is_some(), "sleepers hear of it");
    let (refused, _acks) = fixture.append(&batch(1));
    assert_eq!(refused.unwrap_err().code(), ErrorCode::NotLeaderOrFollower);
    assert_eq!(fixture.read(9).1, HotRead::Refused(ErrorCode::NotLeaderOrFollower), "R6");
    assert_eq!(fixture.partition.marks(), Err(ErrorCode::NotLeaderOrFollower));
}

#[tokio::test]
async fn nothing_is_evicted_before_it_is_uploaded() {
    let fixture = Fixture::new().await;
    let size = batch(1).len();
    let cache = HotCache::new(2 * size, usize::MAX);
    for number in 0..5 {
        let (_, _acks) = fixture.append(&batch(1));
        let (lsn, _) = fixture.front.held.lock().front().cloned().expect("held");
        fixture.front.commit();
        let partition = Arc::clone(&fixture.partition);
        let (base_offset, last_offset, bytes) = (number, number, size);
        cache.admit(crate::cache::Resident { lsn, partition, base_offset, last_offset, bytes });
    }
    assert_eq!(fixture.read(0).0.hot_floor, 0, "far over budget");
    let cut = cache.cut(usize::MAX).expect("something waits");
    assert_eq!(cut.lsn, LsnRange { start: Lsn(0), end: Lsn(5 * size as u64) });
    cache.uploaded(Lsn(2 * size as u64));
    assert_eq!(fixture.read(2).0.hot_floor, 2, "the uploaded ones go");
    cache.uploaded(cut.lsn.end);
    assert_eq!(fixture.read(5).0.hot_floor, 5, "not even one fits with its overhead");
    assert!(cache.cut(usize::MAX).is_none());
}

#[tokio::test]
async fn an_object_is_cut_at_its_size_in_log_order() {
    let fixture = Fixture::new().await;
    for _ in 0..4 {
        let (_, _acks) = fixture.append(&batch(1));
        fixture.front.commit();
    }
    let size = batch(1).len();
    let cut = fixture
        .cache
        .cut(OBJECT_PARTITION_OVERHEAD_BYTES + 3 * (size + OBJECT_BATCH_OVERHEAD_BYTES))
        .expect("something waits");
    let ranges: Vec<_> = cut.ranges.iter().map(|(_, first, last)| (*first, *last)).collect();
    assert_eq!(ranges, [(0, 2)]);
    let lone = fixture.cache.cut(1).expect("at least one");
    assert_eq!(lone.lsn.end, Lsn(size as u64));
}

#[tokio::test]
async fn walks_over_many_batches_miss_none() {
    const BATCHES: i64 = 3 * crate::limits::QUEUE_STEP as i64 + 7;
    let fixture = Fixture::new().await;
    for _ in 0..BATCHES {
        let (_, _acks) = fixture.append(&batch(1));
        fixture.front.commit();
    }
    let cut = fixture.cache.cut(usize::MAX).expect("something waits");
    let (partition, first, last) = &cut.ranges[0];
    assert_eq!((*first, *last), (0, BATCHES - 1));
    let (mut next, mut batches) = (0, 0);
    while next < BATCHES {
        let (step, after) = partition.hot_range(next, *last);
        (next, batches) = (after, batches + step.len());
    }
    assert_eq!(batches, BATCHES as usize);
    fixture.cache.uploaded(cut.lsn.end);
    assert!(fixture.cache.cut(usize::MAX).is_none());
    assert_eq!(fixture.cache.bytes().1, 0);
}

#[tokio::test]
async fn the_log_start_moves_durably_and_never_beyond_what_is_durable() {
    let fixture = Fixture::new().await;
    for _ in 0..3 {
        let (_, _acks) = fixture.append(&batch(1));
    }
    fixture.front.commit();
    fixture.front.commit();
    let partition = &fixture.partition;
    assert!(partition.advance_log_start(&fixture.manifests, 3).await.is_err());
    assert_eq!(partition.advance_log_start(&fixture.manifests, 2).await.unwrap(), 2);
    assert_eq!(partition.advance_log_start(&fixture.manifests, 1).await.unwrap(), 2, "never back");
    assert_eq!(fixture.read(1).1, HotRead::Refused(ErrorCode::OffsetOutOfRange));
    let stored = fixture.manifests.load(&partition.id()).await.unwrap().expect("stored").0;
    assert_eq!(stored.log_start_offset, 2);
}

#[tokio::test]
async fn an_owner_that_was_replaced_cannot_move_the_log_start() {
    let fixture = Fixture::new().await;
    let (_, _acks) = fixture.append(&batch(1));
    fixture.front.commit();
    let id = fixture.partition.id();
    let (manifest, version) = fixture.manifests.load(&id).await.unwrap().expect("stored");
    let other = manifest.claimed(9, LogId::fresh(NodeId(2), 1, 1), 1, 1).unwrap();
    fixture.manifests.commit(&other, Some(&version)).await.unwrap();

    let moved = fixture.partition.advance_log_start(&fixture.manifests, 1).await;
    assert!(matches!(moved, Err(LogStartError::Change(ChangeError::NotOwner))));
    assert_eq!(fixture.partition.marks(), Err(ErrorCode::NotLeaderOrFollower));
    let stored = fixture.manifests.load(&id).await.unwrap().expect("stored").0;
    assert_eq!((stored.log_start_offset, stored.epoch), (0, 9));
}
