//! Windows over plans of equal blocks, ten offsets and one MiB each.

use std::sync::Arc;

use protocol::ids::{NodeId, TenantId, TopicId};
use segment::{Location, LogId};

use super::*;

const MIB: u64 = 1 << 20;

fn flow(name: &str) -> Flow {
    Flow { tenant: TenantId::DEFAULT, name: Arc::from(name) }
}

fn plan(index: i32) -> Plan {
    let log = LogId { node: NodeId(1), generation: 1, incarnation: 1, nonce: 1 };
    let extents = (0..100).map(|block| Extent {
        location: Location::Slot { log, slot: 1 },
        byte_offset: block as u64 * MIB,
        byte_len: MIB as u32,
        base_offset: block * 10,
        last_offset: block * 10 + 9,
        leader_epoch: 1,
        max_timestamp: 0,
    });
    Plan {
        partition: PartitionId { tenant: TenantId::DEFAULT, topic: TopicId::NIL, index },
        extents: extents.collect(),
        aborted: Vec::new(),
        high_watermark: 1_000,
        last_stable_offset: 1_000,
        log_start_offset: 0,
        leader_epoch: 1,
        manifest_version: 1,
        start_offset: 0,
        end_offset: 1_000,
        made_at: Duration::ZERO,
        life: Duration::ZERO,
    }
}

/// Blocks that a consumer which reads one block after the other has loaded ahead of it, per fetch.
fn ahead_of(readahead: &Readahead, flow: &Flow, plan: &Plan, fetches: i64) -> Vec<usize> {
    let fetch = |n: i64| readahead.served(flow, plan, n * 10, n * 10 + 10).load.len();
    (0..fetches).map(fetch).collect()
}

#[tokio::test(start_paused = true)]
async fn the_window_grows_with_a_stream_and_is_refilled_by_halves() {
    let readahead = Readahead::new(32 * MIB, 1 << 30);
    let loaded = ahead_of(&readahead, &flow("a"), &plan(0), 22);
    let refills: Vec<_> = loaded.iter().enumerate().filter(|(_, blocks)| **blocks > 0).collect();
    // 8 MiB at first; 16 MiB when 4 are left of it; 32 MiB when 8 are left of that.
    assert_eq!(refills, [(1, &8), (5, &12), (13, &24)], "{loaded:?}");
}

#[tokio::test(start_paused = true)]
async fn who_jumps_about_is_not_read_ahead_of() {
    let readahead = Readahead::new(32 * MIB, 1 << 30);
    for from in [0, 50, 20, 70] {
        let served = readahead.served(&flow("a"), &plan(0), from, from + 10).load.len();
        assert_eq!(served, 0);
    }
    let off = Readahead::new(0, 1 << 30);
    assert!(ahead_of(&off, &flow("a"), &plan(0), 20).iter().all(|blocks| *blocks == 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_pending_is_still_wanted() {
    let (readahead, plan) = (Readahead::new(8 * MIB, 1 << 30), plan(0));
    readahead.served(&flow("a"), &plan, 0, 10);
    readahead.served(&flow("a"), &plan, 10, 20);
    let ahead = readahead.served(&flow("a"), &plan, 20, 30);
    assert_eq!((ahead.pending, ahead.load), (&plan.extents[3..10], &[][..]));
}

/// Many flows, and many partitions of one flow, share what there is; none has it all.
#[tokio::test(start_paused = true)]
async fn all_windows_together_keep_to_half_of_the_memory() {
    let readahead = Readahead::new(64 * MIB, 64 * MIB);
    let streams: Vec<_> = (0..8).map(|n| (flow(&n.to_string()), plan(n))).collect();
    let mut pending = vec![0; 8];
    for n in 0..40 {
        for ((flow, plan), pending) in streams.iter().zip(&mut pending) {
            let ahead = readahead.served(flow, plan, n * 10, n * 10 + 10);
            *pending = ahead.pending.len() + ahead.load.len();
        }
    }
    assert_eq!(pending.iter().max(), Some(&4), "{pending:?}");
    // The one who is left has all of it, and ten partitions of it share that.
    tokio::time::advance(STREAM_LIFE).await;
    let alone = ahead_of(&readahead, &flow("alone"), &plan(9), 30);
    assert!(alone.iter().max() > Some(&8), "{alone:?}");
    for index in 10..20 {
        ahead_of(&readahead, &flow("alone"), &plan(index), 3);
    }
    let share = readahead.active.lock().share(&flow("alone"), plan(10).partition, 32 * MIB);
    assert!(share < 3 * MIB);
}
