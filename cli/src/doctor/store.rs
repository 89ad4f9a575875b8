//! The object store: whether it lets us in, keeps the promises that acknowledgements rest on (R16),
//! and agrees about the time (R71).

use std::time::Duration;

use segment::{ProbeSize, Store, StoreConfig, probe};
use tokio::time::Instant;

use super::Finding;

/// A clock further away than this makes a node refuse partitions.
const SKEW_MAX_MS: i64 = 500;
/// Requests whose time is looked at.
const ROUNDS: usize = 8;
/// A store slower than this makes slow failovers and cold reads.
const SLOW: Duration = Duration::from_millis(500);

pub(super) async fn examine(config: &StoreConfig, full: bool) -> Vec<Finding> {
    let store = match Store::open(config, "doctor") {
        Ok(store) => store,
        Err(error) => {
            return vec![Finding::bad("object store", error.to_string(), "see store.url")];
        }
    };
    let size = if full { ProbeSize::Full } else { ProbeSize::Quick };
    if let Err(error) = probe(&store, size).await {
        // The error itself names the key and the fix.
        return vec![Finding::bad("object store", error.to_string(), "as it says")];
    }
    let tried = if full { "thousands of races" } else { "a dozen races; --full tries thousands" };
    let seen = format!("{}: conditional writes are atomic ({tried})", config.url);
    vec![Finding::good("object store", seen), latency(&store).await, clock(&store)]
}

/// The median of a write, a head and a removal.
async fn latency(store: &Store) -> Finding {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        if let Err(error) = store.now_ms().await {
            return Finding::poor("store latency", error.to_string(), "see the store's own log");
        }
        times.push(started.elapsed() / 3);
    }
    times.sort_unstable();
    let median = times[ROUNDS / 2];
    let seen = format!("{median:.1?} per small request (median)");
    if median > SLOW {
        let fix = "put the store nearer: failovers and cold reads wait for it";
        Finding::poor("store latency", seen, fix)
    } else {
        Finding::good("store latency", seen)
    }
}

fn clock(store: &Store) -> Finding {
    let Some(skew) = store.clock_skew() else {
        return Finding::good("clock", "the store is no server: nothing to compare with");
    };
    let seen = format!(
        "{} ms away from the store's for certain, {} ms at the most",
        skew.certain_ms(),
        skew.least_ms.abs().max(skew.most_ms.abs())
    );
    if skew.certain_ms().abs() > SKEW_MAX_MS {
        Finding::bad("clock", seen, "set this machine's clock right (NTP)")
    } else {
        Finding::good("clock", seen)
    }
}
