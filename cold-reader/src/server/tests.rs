//! Cold fetches over a store in memory, and over a directory where time matters.

mod compacted;
mod encrypted;
mod search;

use bytes::{Bytes, BytesMut};
use bytesize::ByteSize;
use futures::FutureExt as _;
use futures::future::join_all;
use hop::internal::{Aborted, ColdFetchRequest, ColdFetchResponse};
use hop::{Handler, HopHeader, HopRequest, Request, Response};
use protocol::ErrorCode;
use protocol::batch::BatchView;
use protocol::ids::{PartitionId, TenantId};
use segment::AbortedTransaction;
use segment::object::BLOCK_HEADER_LEN;
use segment::{Plan, Store, StoreConfig};

use super::Server;
use crate::fixture::{Batch, Counters, Fixture, SECRET, batch, partition};
use crate::limits::FAILURE_LIFE;

const GETS: &str = "cold_reader_get_total";

async fn ask(
    server: &Server,
    token: Bytes,
    fetch_offset: i64,
    max_bytes: i32,
) -> ColdFetchResponse {
    ask_later(server, token, fetch_offset, max_bytes, 0).await
}

async fn ask_later(
    server: &Server,
    token: Bytes,
    fetch_offset: i64,
    max_bytes: i32,
    plan_age_ms: u64,
) -> ColdFetchResponse {
    let header = HopHeader::internal(TenantId::DEFAULT, std::time::Duration::from_secs(5));
    let request = ColdFetchRequest { plan: token, fetch_offset, max_bytes, plan_age_ms };
    let body = Request::ColdFetch(request);
    match server.call(HopRequest { header, body }).await {
        Response::ColdFetch(response) => response,
        other => panic!("answered {}", other.api().name()),
    }
}

async fn ask_as(server: &Server, tenant: TenantId, token: Bytes) -> ColdFetchResponse {
    let header = HopHeader::internal(tenant, std::time::Duration::from_secs(5));
    let request =
        ColdFetchRequest { plan: token, fetch_offset: 0, max_bytes: 1 << 20, plan_age_ms: 0 };
    match server.call(HopRequest { header, body: Request::ColdFetch(request) }).await {
        Response::ColdFetch(response) => response,
        other => panic!("answered {}", other.api().name()),
    }
}

async fn fetch(server: &Server, plan: &Plan, offset: i64, max_bytes: i32) -> ColdFetchResponse {
    ask(server, plan.seal(&SECRET), offset, max_bytes).await
}

async fn error_of(server: &Server, plan: &Plan, offset: i64) -> ErrorCode {
    let response = fetch(server, plan, offset, 1 << 20).await;
    assert!(response.records.is_empty());
    ErrorCode::from_code(response.error_code)
}

/// Fetches like a consumer, from the plan's start to its end.
async fn replay(server: &Server, plan: &Plan, max_bytes: i32) -> Vec<u8> {
    let (mut offset, mut read) = (plan.start_offset, Vec::new());
    while offset < plan.end_offset {
        let response = fetch(server, plan, offset, max_bytes).await;
        assert_eq!(response.error_code, 0, "at offset {offset}");
        let records = response.records.concat();
        let last = protocol::batch::batches(&records).last().expect("at least one batch").unwrap();
        offset = last.last_offset() + 1;
        read.extend_from_slice(&records);
    }
    read
}

/// Ten slots of three partitions, some with large batches, partition 1 in every slot.
async fn mixed() -> Fixture {
    let mut fixture = Fixture::new(Store::memory("cold-reader")).await;
    for slot in 0..10 {
        let base = slot * 60;
        let mut batches: Vec<Batch> = (0..20).map(|n| (1, base + n * 3, 3, 1000)).collect();
        batches.extend((0..3).map(|n| (0, (slot * 3 + n) * 2, 2, 200_000)));
        batches.push((2, slot, 1, 10));
        fixture.add_slot(&batches).await;
    }
    fixture
}

#[tokio::test]
async fn a_replay_gives_every_record_as_it_was_stored() {
    let fixture = mixed().await;
    for max_bytes in [1, 5_000, 300_000, i32::MAX] {
        let server = fixture.server(|_| {});
        for index in 0..3 {
            let read = replay(&server, &fixture.plan(index), max_bytes).await;
            assert!(read == fixture.records(index), "partition {index} by {max_bytes} bytes");
        }
    }
}

/// KIP-74: whole batches up to the limit, from the one that holds the offset, at least one.
#[tokio::test]
async fn an_answer_starts_with_the_batch_of_the_offset_and_keeps_the_limit() {
    let fixture = Fixture::in_memory(&[&[(0, 0, 5, 100), (0, 5, 5, 100), (0, 10, 5, 100)]]).await;
    let server = fixture.server(|_| {});
    let one = fixture.batches[0].1.len() as i32;
    for (offset, max_bytes, expected) in
        [(0, 1, 0..1), (7, 1, 1..2), (7, one, 1..2), (4, 2 * one, 0..2), (0, 3 * one - 1, 0..2)]
    {
        let response = fetch(&server, &fixture.plan(0), offset, max_bytes).await;
        let expected: Vec<u8> =
            fixture.batches[expected].iter().flat_map(|(_, batch)| batch.to_vec()).collect();
        assert_eq!(response.records.concat(), expected, "offset {offset}, limit {max_bytes}");
    }
}

#[tokio::test]
async fn the_answer_repeats_what_the_plan_says_of_the_partition() {
    let fixture = Fixture::in_memory(&[&[(0, 0, 5, 10)]]).await;
    let server = fixture.server(|_| {});
    let response = fetch(&server, &fixture.plan(0), 0, 1).await;
    assert_eq!(
        (response.high_watermark, response.last_stable_offset, response.log_start_offset),
        (1000, 900, 0)
    );
}

/// An aborted transaction that ended before the fetch would hide what its producer
/// committed afterwards; one behind the answer says nothing yet (T3, T4).
#[tokio::test]
async fn only_aborted_transactions_among_the_records_are_told() {
    let fixture = Fixture::in_memory(&[&[(0, 0, 10, 10), (0, 10, 10, 10), (0, 20, 10, 10)]]).await;
    let server = fixture.server(|_| {});
    let aborted = |first_offset, last_offset| AbortedTransaction {
        producer_id: first_offset,
        first_offset,
        last_offset,
    };
    let aborted =
        vec![aborted(0, 9), aborted(3, 10), aborted(15, 18), aborted(19, 25), aborted(20, 22)];
    let plan = Plan { aborted, ..fixture.plan(0) };
    let response = fetch(&server, &plan, 10, 1).await;
    let told: Vec<i64> =
        response.aborted.iter().map(|aborted: &Aborted| aborted.first_offset).collect();
    assert_eq!(told, [3, 15, 19]);
}

/// Neighbouring blocks of one object come in one GET, blocks of others in their own.
#[tokio::test]
async fn neighbours_are_fetched_together() {
    let counters = Counters::new();
    let _counting = counters.install();
    // Three blocks of three batches each in slot 1, one in slot 2.
    let large: Vec<Batch> = (0..5).map(|n| (0, n, 1, 1 << 20)).collect();
    let fixture = Fixture::in_memory(&[&large, &[(0, 5, 1, 1 << 20)]]).await;
    assert_eq!(fixture.plan(0).extents.len(), 3);
    let server = fixture.server(|_| {});
    replay(&server, &fixture.plan(0), i32::MAX).await;
    assert_eq!(counters.value(GETS), 2);
    assert_eq!(counters.value("cold_reader_cache_misses_total"), 3);
    assert_eq!(counters.value("cold_reader_fetch_bytes_total") as usize, fixture.records(0).len());
}

/// A second group that replays the same records costs no second GET.
#[tokio::test]
async fn a_second_replay_is_served_from_memory() {
    let counters = Counters::new();
    let _counting = counters.install();
    let fixture = mixed().await;
    let server = fixture.server(|_| {});
    replay(&server, &fixture.plan(1), 10_000).await;
    let first = counters.value(GETS);
    assert!(first > 0);
    replay(&server, &fixture.plan(1), 7_000).await;
    assert_eq!(counters.value(GETS), first);
    assert!(counters.value("cold_reader_cache_hits_total") > 0);
}

/// A cache too small to keep anything still gives right answers.
#[tokio::test]
async fn a_replay_without_room_in_the_cache_is_right() {
    let fixture = mixed().await;
    let server = fixture.server(|config| config.memory = ByteSize::b(1));
    let read = replay(&server, &fixture.plan(1), 10_000).await;
    assert!(read == fixture.records(1));
}

/// A store whose answers take time: a directory.
async fn on_disk(directory: &tempfile::TempDir, slots: &[&[Batch]]) -> Fixture {
    let url = format!("file://{}", directory.path().display());
    let store = Store::open(&StoreConfig::new(url), "cold-reader").unwrap();
    let mut fixture = Fixture::new(store).await;
    for batches in slots {
        fixture.add_slot(batches).await;
    }
    fixture
}

#[tokio::test]
async fn many_readers_of_one_block_share_one_get() {
    let counters = Counters::new();
    let _counting = counters.install();
    let directory = tempfile::tempdir().unwrap();
    let fixture = on_disk(&directory, &[&[(0, 0, 10, 100)]]).await;
    let server = fixture.server(|_| {});
    let plan = fixture.plan(0);
    let responses = join_all((0..20).map(|_| fetch(&server, &plan, 0, 1 << 20))).await;
    assert!(responses.iter().all(|response| response.records.concat() == fixture.records(0)));
    assert_eq!(counters.value(GETS), 1);
}

/// Runs that overlap wait for each other's blocks and never for each other.
#[tokio::test]
async fn overlapping_reads_do_not_wait_for_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let large: Vec<Batch> = (0..12).map(|n| (0, n, 1, 2 << 20)).collect();
    let fixture = on_disk(&directory, &[&large]).await;
    let server = fixture.server(|_| {});
    let plan = fixture.plan(0);
    let fetches = (0..12).rev().map(|offset| fetch(&server, &plan, offset, i32::MAX));
    for (response, offset) in join_all(fetches).await.iter().zip((0..12).rev()) {
        let records = response.records.concat();
        assert_eq!(BatchView::split(&records).unwrap().0.base_offset(), offset);
    }
}

/// A client that gave up finds its blocks when it comes back.
#[tokio::test]
async fn a_load_goes_on_when_its_fetch_is_dropped() {
    let counters = Counters::new();
    let _counting = counters.install();
    let directory = tempfile::tempdir().unwrap();
    let fixture = on_disk(&directory, &[&[(0, 0, 10, 100)]]).await;
    let server = fixture.server(|_| {});
    let plan = fixture.plan(0);
    let dropped = fetch(&server, &plan, 0, 1).now_or_never();
    assert!(dropped.is_none(), "a directory does not answer at once");
    let response = fetch(&server, &plan, 0, 1).await;
    assert_eq!(response.records.concat(), fixture.records(0));
    assert_eq!(counters.value("cold_reader_cache_misses_total"), 1);
}

/// The second fetch in a row loads the window; those that follow find it.
#[tokio::test]
async fn a_sequential_reader_is_read_ahead_of() {
    let counters = Counters::new();
    let _counting = counters.install();
    let slots: Vec<Vec<Batch>> = (0..10).map(|slot| vec![(0, slot, 1, 100_000)]).collect();
    let slots: Vec<&[Batch]> = slots.iter().map(Vec::as_slice).collect();
    let fixture = Fixture::in_memory(&slots).await;
    let plan = fixture.plan(0);
    let server = fixture.server(|config| config.readahead = ByteSize::b(350_000));
    for (offset, gets) in [(0, 1), (1, 5), (2, 5), (3, 7), (4, 7)] {
        fetch(&server, &plan, offset, 1).await;
        // What goes on by itself needs its turn.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(counters.value(GETS), gets, "after the fetch of offset {offset}");
    }
    let server = fixture.server(|config| config.readahead = ByteSize::b(0));
    for offset in 0..3 {
        fetch(&server, &plan, offset, 1).await;
    }
    assert_eq!(counters.value(GETS), 10);
}

/// R31: what is missing or damaged is an error to retry, and never "nothing there".
#[tokio::test]
async fn a_missing_object_is_a_storage_error() {
    let fixture = Fixture::in_memory(&[&[(0, 0, 5, 10)]]).await;
    let server = fixture.server(|_| {});
    fixture.store.delete(&fixture.key_of(0)).await.unwrap();
    assert_eq!(error_of(&server, &fixture.plan(0), 0).await, ErrorCode::KafkaStorageError);
}

#[tokio::test]
async fn a_damaged_block_is_a_storage_error_and_is_not_kept() {
    let fixture = Fixture::in_memory(&[&[(0, 0, 5, 10)]]).await;
    let server = fixture.server(|_| {});
    let (key, plan) = (fixture.key_of(0), fixture.plan(0));
    let good = fixture.store.get(&key).await.unwrap();
    let mut bad = BytesMut::from(&good[..]);
    bad[plan.extents[0].byte_offset as usize + BLOCK_HEADER_LEN + 70] ^= 1;
    fixture.store.put_unconditional(&key, vec![bad.freeze()]).await.unwrap();
    assert_eq!(error_of(&server, &plan, 0).await, ErrorCode::KafkaStorageError);
    fixture.store.put_unconditional(&key, vec![good.slice(..good.len() / 2)]).await.unwrap();
    assert_eq!(error_of(&server, &plan, 0).await, ErrorCode::KafkaStorageError);
    fixture.store.put_unconditional(&key, vec![good]).await.unwrap();
    assert_eq!(fetch(&server, &plan, 0, 1).await.records.concat(), fixture.records(0));
}

/// Those who wait for a block fail together; the store is not asked once for each.
#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_for_a_moment() {
    let counters = Counters::new();
    let _counting = counters.install();
    let fixture = Fixture::in_memory(&[&[(0, 0, 5, 10)]]).await;
    let server = fixture.server(|_| {});
    let (key, plan) = (fixture.key_of(0), fixture.plan(0));
    let object = fixture.store.get(&key).await.unwrap();
    fixture.store.delete(&key).await.unwrap();
    let asked = || counters.value("cold_reader_cache_misses_total");
    join_all((0..20).map(|_| error_of(&server, &plan, 0))).await;
    assert_eq!(asked(), 1);
    fixture.store.put_unconditional(&key, vec![object]).await.unwrap();
    assert_eq!(error_of(&server, &plan, 0).await, ErrorCode::KafkaStorageError);
    tokio::time::advance(FAILURE_LIFE).await;
    assert_eq!(fetch(&server, &plan, 0, 1).await.records.concat(), fixture.records(0));
    assert_eq!(asked(), 2);
}

/// R27: a plan that points into another partition's block gets nothing, cached or not.
#[tokio::test]
async fn another_partitions_block_is_never_answered() {
    let fixture = Fixture::in_memory(&[&[(0, 0, 5, 10), (1, 0, 5, 10)]]).await;
    let server = fixture.server(|_| {});
    let wrong = Plan { extents: fixture.plan(1).extents, ..fixture.plan(0) };
    assert_eq!(error_of(&server, &wrong, 0).await, ErrorCode::KafkaStorageError);
    assert_eq!(fetch(&server, &fixture.plan(1), 0, 1).await.error_code, 0);
    assert_eq!(error_of(&server, &wrong, 0).await, ErrorCode::KafkaStorageError);
}

/// The same over the hop, as a gateway asks: an authentic plan of one tenant with the byte range of
/// another's block in the same object, whose topic and partition may even be called the same.
#[tokio::test]
async fn another_tenants_byte_range_is_never_answered() {
    let counters = Counters::new();
    let _counting = counters.install();
    let mut fixture = Fixture::new(Store::memory("cold-reader")).await;
    let theirs = partition(0);
    let ours = PartitionId { tenant: TenantId(77), ..theirs };
    fixture.store_slot_of(&[(ours, batch(0, 5, 10)), (theirs, batch(0, 5, 10))]).await;
    let server = fixture.server(|_| {});
    let plan = fixture.plan_of(ours);
    let range = fixture.plan_of(theirs).extents;
    assert_eq!(range[0].location, plan.extents[0].location, "one object holds both");
    let wrong = Plan { extents: range, ..plan.clone() };
    // Not cached, cached for its owner, and in the place of a block that is the tenant's own.
    for owner_reads in [false, true] {
        if owner_reads {
            assert_eq!(fetch(&server, &fixture.plan_of(theirs), 0, 1).await.error_code, 0);
        }
        let response = ask_as(&server, ours.tenant, wrong.seal(&SECRET)).await;
        assert_eq!(response.error_code, ErrorCode::KafkaStorageError.code());
        assert!(response.records.is_empty(), "no byte of it");
    }
    let damaged = "cold_reader_fetch_errors_total{reason=\"damaged\"}";
    assert_eq!(counters.text(damaged).as_deref(), Some("2"));
    let response = ask_as(&server, ours.tenant, plan.seal(&SECRET)).await;
    assert_eq!((response.error_code, response.records.concat()), (0, batch(0, 5, 10).to_vec()));
}

#[tokio::test]
async fn a_plan_that_may_not_be_used_is_refused() {
    let fixture = Fixture::in_memory(&[&[(0, 0, 5, 10)]]).await;
    let server = fixture.server(|_| {});
    let plan = fixture.plan(0);
    let forged = ask(&server, plan.seal(b"another secret"), 0, 1).await;
    assert_eq!(forged.error_code, ErrorCode::InvalidRequest.code());
    let mut stranger = plan.clone();
    stranger.partition.tenant = TenantId(9);
    assert_eq!(error_of(&server, &stranger, 0).await, ErrorCode::InvalidRequest);
    for offset in [-1, 5, 100] {
        assert_eq!(error_of(&server, &plan, offset).await, ErrorCode::OffsetNotAvailable);
    }
}

/// By its age alone: the clocks of the owner and of the reader say nothing about each other's.
#[tokio::test]
async fn a_plan_is_refused_once_it_is_too_old() {
    let fixture = Fixture::in_memory(&[&[(0, 0, 5, 10)]]).await;
    let server = fixture.server(|_| {});
    let hour = std::time::Duration::from_secs(3_600);
    for made_at in [std::time::Duration::ZERO, hour] {
        let plan = Plan { made_at, ..fixture.plan(0) };
        let life_ms = u64::try_from(plan.life.as_millis()).unwrap();
        let code = async |plan_age_ms| {
            ask_later(&server, plan.seal(&SECRET), 0, 1, plan_age_ms).await.error_code
        };
        assert_eq!(code(life_ms - 1).await, 0);
        assert_eq!(code(life_ms).await, ErrorCode::OffsetNotAvailable.code());
    }
}

/// A plan whose extents leave a hole where it claims to have records.
#[tokio::test]
async fn a_plan_without_a_block_for_the_offset_is_a_storage_error() {
    let fixture = Fixture::in_memory(&[&[(0, 0, 5, 10)]]).await;
    let server = fixture.server(|_| {});
    let plan = Plan { extents: Vec::new(), ..fixture.plan(0) };
    assert_eq!(error_of(&server, &plan, 0).await, ErrorCode::KafkaStorageError);
}
