//! Plans from a manifest over a compacted object, an ended log and an open one.

use bytes::Bytes;
use protocol::batch::{BatchBuilder, EndTransactionMarker, set_offsets};
use segment::index::ProducerState;
use segment::manifest::CompactedObject;
use segment::producers::PartitionProducers;
use segment::seqlog::EndRecord;
use segment::{AbortedTransaction, keys};

use super::*;
use crate::fixture::{Fixture, SECRET, partition};

/// Offsets 0..10 compacted, 10..30 in a log that ended, and an owner's log from 30 on.
async fn without_owner() -> (Fixture, Planner) {
    let mut fixture = Fixture::new(Store::memory("cold-reader")).await;
    let key = keys::compacted(&partition(0), 0, uuid::Uuid::from_u128(1));
    fixture.add_compacted(key.clone(), &[(0, 0, 10, 100)]).await;
    fixture.add_slot(&[(0, 10, 10, 100), (1, 0, 5, 100)]).await;
    fixture.add_slot(&[(0, 20, 10, 100)]).await;
    let log = fixture.end_log(&EndRecord::default()).await;
    let owner = LogId { incarnation: 2, ..log };
    let mut manifest = Manifest::create(partition(0), 1, log, 1).claimed(2, owner, 1, 30).unwrap();
    manifest.compacted_upto = 10;
    manifest.objects.push(CompactedObject {
        key,
        base_offset: 0,
        last_offset: 9,
        size: 1_000,
        max_timestamp: 5,
    });
    ManifestStore::new(fixture.store.clone()).commit(&manifest, None).await.unwrap();
    let planner = Planner::new(fixture.store.clone(), SECRET);
    (fixture, planner)
}

async fn ask(planner: &Planner, tenant: TenantId, offset: i64) -> PlanResponse {
    let question = PlanRequest::new(partition(0), offset);
    planner.answer(tenant, &question).await
}

#[tokio::test]
async fn what_is_stored_is_planned_for() {
    let (fixture, planner) = without_owner().await;
    for offset in [0, 7, 10, 29] {
        let answer = ask(&planner, TenantId::DEFAULT, offset).await;
        assert_eq!((answer.error_code, answer.start_offset, answer.end_offset), (0, offset, 30));
        assert_eq!((answer.high_watermark, answer.log_start_offset), (30, 0));
        assert_eq!(answer.hot_floor, -1, "nothing is said about an owner");
        let plan = Plan::open(&answer.plan, &SECRET, Duration::ZERO).unwrap();
        assert_eq!((plan.partition, plan.leader_epoch), (partition(0), 2));
        let expected: Vec<_> = fixture.plan(0).extents;
        let expected: Vec<_> = expected.iter().filter(|it| it.last_offset >= offset).collect();
        let ranges = |it: &Extent| (it.location.key(), it.base_offset, it.last_offset);
        let planned: Vec<_> = plan.extents.iter().map(ranges).collect();
        assert_eq!(planned, expected.into_iter().map(ranges).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_is_not_known_to_be_stored_is_an_error_to_retry() {
    let (fixture, planner) = without_owner().await;
    let unavailable = i32::from(ErrorCode::OffsetNotAvailable.code());
    for offset in [-1, 30, 1_000] {
        let answer = ask(&planner, TenantId::DEFAULT, offset).await;
        assert_eq!((answer.error_code, answer.plan.len()), (unavailable, 0), "offset {offset}");
    }
    let stranger = ask(&planner, TenantId(9), 0).await;
    assert_eq!(stranger.error_code, unavailable, "another tenant's partition");
    let other = PlanRequest::new(partition(7), 0);
    let unknown = planner.answer(TenantId::DEFAULT, &other).await;
    assert_eq!(unknown.error_code, unavailable, "no manifest");
    // The index is gone from memory and the log from the store.
    fixture.store.delete(&fixture.key_of(1)).await.unwrap();
    let missing = ask(&planner, TenantId::DEFAULT, 12).await;
    assert_eq!((missing.error_code, missing.plan.len()), (unavailable, 0));
}

fn transactional(producer: i64, offset: i64) -> (i32, Bytes) {
    let batch = BatchBuilder::new().at(offset, 1).producer(producer, 0, 0).transactional();
    (0, batch.record(5, None, Some(b"value")).build())
}

fn abort(producer: i64, offset: i64) -> (i32, Bytes) {
    let marker = EndTransactionMarker { commit: false, coordinator_epoch: 1 };
    let mut batch = marker.batch(producer, 0, 5).to_vec();
    set_offsets(&mut batch, offset, 1);
    (0, batch.into())
}

/// T4: who reads committed records gets what is decided, and is told of what was aborted, also of a
/// transaction that began in a part which only the producer snapshot knows.
#[tokio::test]
async fn without_an_owner_undecided_records_stay_hidden() {
    let mut fixture = Fixture::new(Store::memory("cold-reader")).await;
    let key = keys::compacted(&partition(0), 0, uuid::Uuid::from_u128(1));
    fixture.add_compacted(key.clone(), &[(0, 0, 10, 100)]).await;
    let slot = vec![transactional(7, 10), abort(7, 11), transactional(8, 12), abort(9, 13)];
    fixture.store_slot(&slot).await;
    let log = fixture.end_log(&EndRecord::default()).await;
    let owner = LogId { incarnation: 2, ..log };
    let open = ProducerState { txn_first_offset: Some(4), ..ProducerState::new(9, 0) };
    let aborted = AbortedTransaction { producer_id: 7, first_offset: 1, last_offset: 3 };
    let known = PartitionProducers { producers: vec![open], aborted: vec![aborted] };
    let snapshot = ProducerSnapshot { partitions: [(partition(0), known)].into() };
    let snapshot = producers::write(&fixture.store, &snapshot).await.unwrap();
    let mut manifest = Manifest::create(partition(0), 1, log, 1).claimed(2, owner, 1, 14).unwrap();
    manifest.compacted_upto = 10;
    manifest.producers = Some(ProducersRef { key: Some(snapshot), upto: 10 });
    let (base_offset, last_offset) = (0, 9);
    let object = CompactedObject { key, base_offset, last_offset, size: 1_000, max_timestamp: 5 };
    manifest.objects.push(object);
    ManifestStore::new(fixture.store.clone()).commit(&manifest, None).await.unwrap();
    let planner = Planner::new(fixture.store.clone(), SECRET);

    let committed = |offset| {
        let question =
            PlanRequest { read_committed: true, ..PlanRequest::new(partition(0), offset) };
        let planner = &planner;
        async move { planner.answer(TenantId::DEFAULT, &question).await }
    };
    let answer = committed(0).await;
    assert_eq!((answer.end_offset, answer.last_stable_offset), (12, 12), "8 is undecided");
    let plan = Plan::open(&answer.plan, &SECRET, Duration::ZERO).unwrap();
    let told: Vec<_> = plan.aborted.iter().map(|it| (it.producer_id, it.first_offset)).collect();
    assert_eq!(told, [(7, 1), (9, 4), (7, 10)]);
    let hidden = i32::from(ErrorCode::OffsetNotAvailable.code());
    assert_eq!(committed(12).await.error_code, hidden);
    assert_eq!(
        ask(&planner, TenantId::DEFAULT, 12).await.end_offset,
        14,
        "for all others it is there"
    );
}
