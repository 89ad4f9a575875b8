//! Plans across packs, objects of one partition and slots of a log.

use protocol::ErrorCode;
use segment::{Store, keys};
use uuid::Uuid;

use super::{error_of, fetch, replay};
use crate::fixture::{Batch, Counters, Fixture, partition};

const FOOTERS: &str = "cold_reader_footers_total";

/// A pack of two partitions, an object of partition 0 with large blocks, then a slot.
async fn compacted() -> Fixture {
    let mut fixture = Fixture::new(Store::memory("cold-reader")).await;
    let pack: Vec<Batch> = vec![(0, 0, 5, 100), (0, 5, 5, 100), (1, 0, 7, 100)];
    fixture.add_compacted(keys::pack(Uuid::from_u128(1)), &pack).await;
    let own: Vec<Batch> = (1..6).map(|n| (0, n * 10, 10, 300_000)).collect();
    let key = keys::compacted(&partition(0), 10, Uuid::from_u128(2));
    fixture.add_compacted(key, &own).await;
    fixture.add_slot(&[(0, 60, 5, 100), (1, 7, 1, 100)]).await;
    fixture
}

#[tokio::test]
async fn a_replay_crosses_packs_objects_and_slots() {
    let fixture = compacted().await;
    let counters = Counters::new();
    let _guard = counters.install();
    let server = fixture.server(|_| {});
    for max_bytes in [1, 100_000, i32::MAX] {
        for index in 0..2 {
            let read = replay(&server, &fixture.plan(index), max_bytes).await;
            assert!(read == fixture.records(index), "partition {index} by {max_bytes} bytes");
        }
    }
    assert_eq!(counters.value(FOOTERS), 2, "one GET per object, not per fetch or partition");
}

/// Collected under a plan that outlived it: never "empty", never out of range (R31).
#[tokio::test]
async fn an_object_that_is_gone_is_an_error_for_its_offsets_only() {
    for gone in 0..2 {
        let fixture = compacted().await;
        let plan = fixture.plan(0);
        fixture.store.delete(&plan.extents[gone].location.key()).await.unwrap();
        let server = fixture.server(|config| config.readahead = bytesize::ByteSize::b(0));
        let offset = plan.extents[gone].base_offset;
        assert_eq!(error_of(&server, &plan, offset).await, ErrorCode::KafkaStorageError);
        let intact = plan.extents[1 - gone].base_offset;
        let records = fetch(&server, &plan, intact, i32::MAX).await.records;
        assert!(!records.is_empty(), "offset {intact}");
    }
}

#[tokio::test]
async fn a_run_that_its_object_does_not_hold_is_an_error() {
    let fixture = compacted().await;
    let mut plan = fixture.plan(0);
    plan.extents[0].last_offset = 10;
    let server = fixture.server(|_| {});
    assert_eq!(error_of(&server, &plan, 0).await, ErrorCode::KafkaStorageError);
}

/// After compaction by key: an offset that is gone is answered with the next batch there is, and never
/// with nothing.
#[tokio::test]
async fn offsets_that_compaction_took_away_are_stepped_over() {
    let mut fixture = Fixture::new(Store::memory("cold-reader")).await;
    let cleaned: Vec<Batch> =
        vec![(0, 0, 2, 100), (0, 7, 3, 100), (0, 40, 1, 100), (0, 50, 9, 100)];
    fixture.add_compacted(keys::pack(Uuid::from_u128(1)), &cleaned).await;
    // In blocks of their own.
    let large: Vec<Batch> = (1..5).map(|n| (0, 59 + n * 100, 10, 300_000)).collect();
    let large = [vec![(0, 59, 1, 10)], large].concat();
    let key = keys::compacted(&partition(0), 59, Uuid::from_u128(2));
    fixture.add_compacted(key, &large).await;
    fixture.add_slot(&[(0, 469, 5, 100)]).await;
    let plan = fixture.plan(0);
    let server = fixture.server(|_| {});
    let all = [cleaned, large, vec![(0, 469, 5, 100)]].concat();
    for offset in 0..474 {
        let records = fetch(&server, &plan, offset, 1).await.records.concat();
        let first = protocol::batch::BatchView::split(&records).unwrap().0;
        let expected = all.iter().find(|(_, base, count, _)| base + *count as i64 > offset);
        assert_eq!(Some(first.base_offset()), expected.map(|batch| batch.1), "offset {offset}");
    }
    for max_bytes in [1, 100_000, i32::MAX] {
        assert!(replay(&server, &plan, max_bytes).await == fixture.records(0), "{max_bytes} bytes");
    }
    // A plan that ends in what was taken away: the gateway comes back with another.
    let short = segment::Plan { end_offset: 45, ..plan };
    assert_eq!(error_of(&server, &short, 41).await, ErrorCode::OffsetNotAvailable);
}
