//! Searches by time: across blocks and runs, within a plan, past headers that promise too much.

use hop::internal::{ColdSearchRequest, ColdSearchResponse, FoundRecord};
use hop::{Handler as _, HopHeader, HopRequest, Request, Response};
use protocol::ErrorCode;
use protocol::ids::TenantId;
use segment::{Plan, Store, keys};
use uuid::Uuid;

use super::Server;
use crate::fixture::{Batch, Counters, Fixture, SECRET, partition, timed_batch};
use crate::limits::SEARCH_BLOCKS_MAX;

const GETS: &str = "cold_reader_get_total";

async fn search(server: &Server, plan: &Plan, from: i64, timestamp: i64) -> ColdSearchResponse {
    let header = HopHeader::internal(TenantId::DEFAULT, std::time::Duration::from_secs(5));
    let (plan, plan_age_ms) = (plan.seal(&SECRET), 0);
    let request = ColdSearchRequest { plan, from_offset: from, timestamp, plan_age_ms };
    match server.call(HopRequest { header, body: Request::ColdSearch(request) }).await {
        Response::ColdSearch(response) => response,
        other => panic!("answered {}", other.api().name()),
    }
}

fn found(offset: i64, timestamp: i64) -> ColdSearchResponse {
    let found = Some(FoundRecord { offset, timestamp, leader_epoch: 1 });
    ColdSearchResponse { error_code: 0, found, next_offset: offset + 1 }
}

fn nothing_before(next_offset: i64) -> ColdSearchResponse {
    ColdSearchResponse { error_code: 0, found: None, next_offset }
}

/// Offsets 0..40 at times 0, 10, 20 and so on: a compacted object, then two slots.
async fn by_time() -> Fixture {
    let mut fixture = Fixture::new(Store::memory("cold-reader")).await;
    let timed = |base: i64| timed_batch(base, &Vec::from_iter((base..base + 10).map(|n| n * 10)));
    let key = keys::compacted(&partition(0), 0, Uuid::from_u128(1));
    fixture.store_compacted(key, &[(0, timed(0)), (0, timed(10))]).await;
    fixture.store_slot(&[(0, timed(20))]).await;
    fixture.store_slot(&[(0, timed(30))]).await;
    fixture
}

#[tokio::test]
async fn the_first_record_that_is_not_earlier_is_found_with_one_get() {
    let fixture = by_time().await;
    let plan = fixture.plan(0);
    for (from, timestamp, offset) in
        [(0, 0, 0), (0, 1, 1), (0, 150, 15), (0, 151, 16), (0, 390, 39), (17, 0, 17), (5, 240, 24)]
    {
        let counters = Counters::new();
        let _counting = counters.install();
        let server = fixture.server(|_| {});
        let answer = search(&server, &plan, from, timestamp).await;
        assert_eq!(answer, found(offset, offset * 10), "from {from} at {timestamp}");
        assert_eq!(counters.value(GETS), 1, "from {from} at {timestamp}");
        assert_eq!(counters.value("cold_reader_searches_total"), 1);
    }
}

#[tokio::test]
async fn what_is_too_late_or_behind_the_plan_is_not_found() {
    let fixture = by_time().await;
    let counters = Counters::new();
    let _counting = counters.install();
    let server = fixture.server(|_| {});
    let plan = fixture.plan(0);
    assert_eq!(search(&server, &plan, 0, 391).await, nothing_before(40));
    assert_eq!(counters.value(GETS), 0, "the index rules it out");
    // An open transaction holds back what follows offset 25.
    let held = Plan { end_offset: 25, ..plan.clone() };
    assert_eq!(search(&server, &held, 0, 240).await, found(24, 240));
    assert_eq!(search(&server, &held, 0, 250).await, nothing_before(25));
    let code = i32::from(ErrorCode::OffsetNotAvailable.code());
    assert_eq!(search(&server, &held, 25, 0).await.error_code, code, "ask the owner again");
}

/// A largest timestamp that no record has costs a look into the block, and no more than so many.
#[tokio::test]
async fn headers_that_promise_too_much_are_looked_past_for_a_while() {
    let blocks = 3 + SEARCH_BLOCKS_MAX as i64;
    let mut fixture = Fixture::new(Store::memory("cold-reader")).await;
    for offset in 0..blocks {
        fixture.store_slot(&[(0, timed_batch(offset, &[5]))]).await;
    }
    fixture.store_slot(&[(0, timed_batch(blocks, &[70]))]).await;
    let mut plan = fixture.plan(0);
    plan.extents.iter_mut().skip(1).for_each(|extent| extent.max_timestamp = 70);
    let server = fixture.server(|_| {});
    let first = search(&server, &plan, 0, 60).await;
    assert_eq!(first, nothing_before(1 + SEARCH_BLOCKS_MAX as i64));
    assert_eq!(search(&server, &plan, first.next_offset, 60).await, found(blocks, 70));
}

/// R31, R36: as for a fetch.
#[tokio::test]
async fn a_search_that_cannot_or_may_not_be_done_is_an_error() {
    let slots: &[Batch] = &[(0, 0, 5, 10)];
    let fixture = Fixture::in_memory(&[slots]).await;
    let server = fixture.server(|_| {});
    let plan = fixture.plan(0);
    let mut stranger = plan.clone();
    stranger.partition.tenant = TenantId(9);
    let answer = search(&server, &stranger, 0, 0).await;
    assert_eq!(answer.error_code, i32::from(ErrorCode::InvalidRequest.code()));
    fixture.store.delete(&fixture.key_of(0)).await.unwrap();
    let answer = search(&server, &plan, 0, 0).await;
    assert_eq!(answer.error_code, i32::from(ErrorCode::KafkaStorageError.code()));
    assert_eq!(answer.found, None);
}

#[tokio::test]
async fn what_compaction_took_away_is_stepped_over() {
    let mut fixture = Fixture::new(Store::memory("cold-reader")).await;
    let key = keys::compacted(&partition(0), 0, Uuid::from_u128(1));
    let left =
        [(0, timed_batch(0, &[0])), (0, timed_batch(7, &[70])), (0, timed_batch(30, &[300]))];
    fixture.store_compacted(key, &left).await;
    let server = fixture.server(|_| {});
    let plan = fixture.plan(0);
    assert_eq!(search(&server, &plan, 0, 1).await, found(7, 70));
    assert_eq!(search(&server, &plan, 9, 1).await, found(30, 300));
    assert_eq!(search(&server, &plan, 0, 301).await, nothing_before(31));
}
