//! Loads over a slow store, in virtual time: memory, shares, and what nobody wants.

use std::collections::HashMap;
use std::time::Duration;

use protocol::ids::TenantId;
use segment::faulty::FaultyStore;
use tokio::time::{Instant, advance, sleep, timeout};

use super::*;
use crate::fixture::{Batch, Counters, Fixture, partition};
use crate::limits::LINGER;

const MIB: u64 = 1 << 20;
const DELAY: Duration = Duration::from_millis(20);

fn flow(name: &str) -> Flow {
    Flow { tenant: TenantId::DEFAULT, name: Arc::from(name) }
}

/// `partitions` partitions of `blocks` blocks each, of about one MiB, every block in its own object.
async fn stored(partitions: i32, blocks: i64) -> (Arc<FaultyStore>, Fixture) {
    let faulty = FaultyStore::with([]);
    let mut fixture = Fixture::new(faulty.store()).await;
    for block in 0..blocks {
        for index in 0..partitions {
            let batch: Batch = (index, block, 1, MIB as usize);
            fixture.add_slot(&[batch]).await;
        }
    }
    faulty.set_read_delay(DELAY);
    (faulty, fixture)
}

fn blocks(fixture: &Fixture, memory: u64, in_flight: u64, bandwidth: Option<u64>) -> Blocks {
    let budget = Budget { memory, in_flight, bandwidth };
    Blocks::new(fixture.store.clone(), budget, Arc::default(), Drain::new())
}

/// What a group that replays a partition from its first block on has got, when it ends.
async fn replay(blocks: &Blocks, fixture: &Fixture, flow: &Flow, index: i32) -> Vec<u8> {
    let extents = fixture.plan(index).extents;
    let (mut at, mut read) = (0, Vec::new());
    while at < extents.len() {
        let got = blocks.fetch(flow, partition(index), &extents[at..]).await.unwrap();
        at += got.len();
        for block in got {
            assert!(blocks.memory().used() <= blocks.memory().max());
            // An answer takes a while to leave, and its blocks stay in memory until then.
            sleep(Duration::from_millis(1)).await;
            read.extend_from_slice(&block.batches);
        }
    }
    read
}

/// Fifty groups want five times what there is room for: nobody exceeds it, everybody ends.
#[tokio::test(start_paused = true)]
async fn memory_is_never_exceeded_and_everybody_gets_on() {
    let (_, fixture) = stored(50, 3).await;
    let blocks = blocks(&fixture, 32 * MIB, 1 << 30, None);
    let names: Vec<_> = (0..50).map(|n| flow(&n.to_string())).collect();
    let replays = (0..50).map(|n| replay(&blocks, &fixture, &names[n as usize], n));
    for (read, index) in futures::future::join_all(replays).await.into_iter().zip(0..) {
        assert!(read == fixture.records(index), "partition {index}");
    }
}

/// Ten groups with one partition each, and one with ten: the eleven share what the store gives.
#[tokio::test(start_paused = true)]
async fn a_group_that_asks_for_ten_times_as_much_starves_nobody() {
    let (_, fixture) = stored(20, 12).await;
    // One GET at a time.
    let blocks = blocks(&fixture, 256 * MIB, 1, None);
    let got = Mutex::new(HashMap::<String, usize>::new());
    let replay = |name: String, index: i32| {
        let (blocks, fixture, got) = (&blocks, &fixture, &got);
        async move {
            for extent in fixture.plan(index).extents {
                blocks.fetch(&flow(&name), partition(index), &[extent]).await.unwrap();
                *got.lock().entry(name.clone()).or_default() += 1;
            }
        }
    };
    let modest = (0..10).map(|n| replay(n.to_string(), n));
    let greedy = (10..20).map(|n| replay("greedy".to_owned(), n));
    let all = futures::future::join_all(modest.chain(greedy));
    // Long enough for 88 GETs: a fair share is eight.
    assert!(timeout(DELAY * 88 + DELAY / 2, all).await.is_err(), "it is not over by then");
    let got = got.into_inner();
    for name in (0..10).map(|n| n.to_string()) {
        assert!((7..=9).contains(&got[&name]), "{got:?}");
    }
    assert!((7..=9).contains(&got["greedy"]), "{got:?}");
}

/// A group three quarters of the memory behind another one finds all that the other one loaded.
#[tokio::test(start_paused = true)]
async fn what_a_lagging_group_comes_to_is_kept_for_it() {
    let counters = Counters::new();
    let _counting = counters.install();
    let (_, fixture) = stored(1, 100).await;
    let blocks = blocks(&fixture, 32 * MIB, 1 << 30, None);
    let extents = fixture.plan(0).extents;
    let (leader, follower) = (flow("leader"), flow("follower"));
    for at in 0..100 + 24 {
        if let Some(extent) = extents.get(at) {
            blocks.fetch(&leader, partition(0), std::slice::from_ref(extent)).await.unwrap();
        }
        if let Some(extent) = at.checked_sub(24).map(|at| &extents[at]) {
            blocks.fetch(&follower, partition(0), std::slice::from_ref(extent)).await.unwrap();
        }
    }
    assert_eq!(counters.value("cold_reader_get_total"), 100);
}

/// One that is behind by more than fits finds as much as fits, and not nothing.
#[tokio::test(start_paused = true)]
async fn a_group_too_far_behind_finds_what_fits() {
    let counters = Counters::new();
    let _counting = counters.install();
    let (_, fixture) = stored(1, 200).await;
    let blocks = blocks(&fixture, 32 * MIB, 1 << 30, None);
    let extents = fixture.plan(0).extents;
    let (leader, follower) = (flow("leader"), flow("follower"));
    for at in 0..200 + 45 {
        if let Some(extent) = extents.get(at) {
            blocks.fetch(&leader, partition(0), std::slice::from_ref(extent)).await.unwrap();
        }
        if let Some(extent) = at.checked_sub(45).map(|at| &extents[at]) {
            blocks.fetch(&follower, partition(0), std::slice::from_ref(extent)).await.unwrap();
        }
    }
    let again = counters.value("cold_reader_get_total") - 200;
    assert!((40..100).contains(&again), "a third of 200 does not fit: {again}");
}

/// Who holds blocks does not wait for memory, so that all of it being held is not the end.
#[tokio::test(start_paused = true)]
async fn what_answers_hold_is_waited_for() {
    let (_, fixture) = stored(1, 40).await;
    let blocks = blocks(&fixture, 32 * MIB, 1 << 30, None);
    let extents = fixture.plan(0).extents;
    let flow = flow("a");
    let held = blocks.fetch(&flow, partition(0), &extents).await.unwrap();
    assert!((30..=32).contains(&held.len()), "as many as fit: {}", held.len());
    let next = blocks.fetch(&flow, partition(0), &extents[held.len()..]);
    let mut next = std::pin::pin!(next);
    assert!(timeout(LINGER / 2, &mut next).await.is_err(), "there is no room");
    drop(held);
    assert_eq!(next.await.unwrap().len(), 40 - 31);
}

#[tokio::test(start_paused = true)]
async fn a_load_lingers_when_its_fetch_is_gone_and_then_is_given_up() {
    let counters = Counters::new();
    let _counting = counters.install();
    let (faulty, fixture) = stored(1, 2).await;
    faulty.set_read_delay(LINGER * 10);
    // One runs, the other one waits for its turn.
    let blocks = blocks(&fixture, 64 * MIB, 1, None);
    let extents = fixture.plan(0).extents;
    let flow = flow("a");
    let fetch = blocks.fetch(&flow, partition(0), &extents);
    assert!(timeout(DELAY, fetch).await.is_err());
    advance(LINGER - 2 * DELAY).await;
    assert!(blocks.memory().used() > 0, "it goes on");
    blocks.renew(&extents[..1]);
    advance(2 * DELAY).await;
    sleep(DELAY).await;
    assert!(blocks.memory().used() > 0, "somebody still wants it");
    sleep(LINGER).await;
    assert_eq!(blocks.memory().used(), 0);
    assert_eq!(counters.value("cold_reader_loads_given_up_total"), 1, "the other one never ran");
    assert_eq!(counters.value("cold_reader_get_total"), 0);

    faulty.set_read_delay(DELAY);
    assert_eq!(blocks.fetch(&flow, partition(0), &extents).await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_read_per_second_than_configured() {
    let (_, fixture) = stored(1, 10).await;
    let blocks = blocks(&fixture, 64 * MIB, 1 << 30, Some(MIB));
    let started = Instant::now();
    let read = replay(&blocks, &fixture, &flow("a"), 0).await;
    assert!(read == fixture.records(0));
    assert!((9..=10).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_away_is_tried_again() {
    let (faulty, fixture) = stored(1, 3).await;
    let blocks = blocks(&fixture, 64 * MIB, 1 << 30, None);
    let extents = fixture.plan(0).extents;
    faulty.set_down(true);
    let failed = blocks.fetch(&flow("a"), partition(0), &extents).await;
    assert!(matches!(failed, Err(LoadError::Store(_))), "{failed:?}");
    let left = blocks.shared.window.lock().bytes();
    assert!(left < 1 << 30, "a store in trouble is asked for less at a time");
    faulty.set_down(false);
    sleep(crate::limits::FAILURE_LIFE).await;
    assert_eq!(blocks.fetch(&flow("a"), partition(0), &extents).await.unwrap().len(), 3);
    assert!(blocks.shared.window.lock().bytes() > left);
}

/// What does not fit is dropped from the end that was used longest ago.
#[tokio::test(start_paused = true)]
async fn what_was_used_last_stays() {
    let counters = Counters::new();
    let _counting = counters.install();
    let (_, fixture) = stored(1, 40).await;
    let blocks = blocks(&fixture, 32 * MIB, 1 << 30, None);
    let extents = fixture.plan(0).extents;
    for extent in &extents {
        for wanted in [extent, &extents[0]] {
            blocks.fetch(&flow("a"), partition(0), std::slice::from_ref(wanted)).await.unwrap();
        }
    }
    assert_eq!(counters.value("cold_reader_get_total"), 40, "the first one was never dropped");
    blocks.fetch(&flow("a"), partition(0), &extents[1..2]).await.unwrap();
    assert_eq!(counters.value("cold_reader_get_total"), 41);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_stops_fails_what_waits() {
    let (_, fixture) = stored(1, 2).await;
    let drain = Drain::new();
    let budget = Budget { memory: 64 * MIB, in_flight: 1, bandwidth: None };
    let blocks = Blocks::new(fixture.store.clone(), budget, Arc::default(), drain.clone());
    let extents = fixture.plan(0).extents;
    let queued = blocks.clone();
    let (first, second) = (extents[..1].to_vec(), extents[1..].to_vec());
    let running = {
        let blocks = blocks.clone();
        drain.spawn("first", async move { blocks.fetch(&flow("a"), partition(0), &first).await })
    };
    sleep(DELAY / 4).await;
    let waiting =
        drain.spawn("second", async move { queued.fetch(&flow("a"), partition(0), &second).await });
    sleep(DELAY / 4).await;
    drain.begin();
    assert!(matches!(waiting.await.unwrap(), Err(LoadError::Stopped)));
    assert_eq!(running.await.unwrap().unwrap().len(), 1, "what runs ends");
    let late = blocks.fetch(&flow("a"), partition(0), &extents[1..]).await;
    assert!(matches!(late, Err(LoadError::Stopped)));
}
