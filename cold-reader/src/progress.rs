//! What each group gets and costs, how far it is behind the end of what it replays, and when it will
//! have caught up.
//!
//! ```text
//! fetches ──► lag of each partition ─┬─► every ten seconds, by group: lag, estimate, what it used
//! blocks  ──► hits, misses, GETs ────┘
//! ```
//!
//! The lag is as of the plan that a fetch came with, some minutes old at the most. The estimate is
//! what is left at the pace of the last ten seconds, in which producers went on: a group that does
//! not come closer has none.
//!
//! Names are the clients' to choose, and a series once made stays. So the first names have series of
//! their own, and all others share one (R66).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use process::Drain;
use protocol::ids::{PartitionId, TenantId};
use tokio::time::{Instant, sleep};

use crate::fair::Flow;
use crate::limits::{GROUPS_NAMED_MAX, PROGRESS_EVERY, STREAM_LIFE, STREAMS_MAX};
use crate::metrics;

/// The name of all groups without a series of their own.
const OTHERS: &str = "others";

/// The groups that replay now.
#[derive(Default)]
pub(crate) struct Progress {
    groups: Mutex<Groups>,
}

#[derive(Default)]
struct Groups {
    lags: HashMap<(Flow, PartitionId), Lag>,
    /// Since the last report.
    used: HashMap<Flow, Used>,
    /// What the last report said.
    reported: HashMap<Series, i64>,
    named: HashSet<Flow>,
}

/// What a group asked for, got and cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// Bytes of records.
    pub(crate) bytes: u64,
    pub(crate) fetches: u64,
    /// From each fetch to its first byte, together.
    pub(crate) waited: Duration,
    /// Blocks that were there or on their way.
    pub(crate) hits: u64,
    /// Blocks that had to be loaded.
    pub(crate) misses: u64,
    /// GETs that this group was the first to want, also ahead of it.
    pub(crate) gets: u64,
}

#[derive(Clone, Copy)]
struct Lag {
    records: i64,
    seen: Instant,
}

/// A tenant and the name of a group, or of those without one.
type Series = (TenantId, String);

impl Progress {
    /// A group was given `bytes` of a partition after it had waited, and `records` are left to its end.
    pub(crate) fn fetched(
        &self,
        flow: &Flow,
        partition: PartitionId,
        records: i64,
        bytes: usize,
        waited: Duration,
    ) {
        let mut groups = self.groups.lock();
        let lag = Lag { records: records.max(0), seen: Instant::now() };
        let key = (flow.clone(), partition);
        if groups.lags.len() < STREAMS_MAX || groups.lags.contains_key(&key) {
            groups.lags.insert(key, lag);
        }
        groups.used_by(flow, |used| {
            used.bytes += bytes as u64;
            used.fetches += 1;
            used.waited += waited;
        });
    }

    /// A group wanted blocks, of which so many were there or on their way.
    pub(crate) fn looked_up(&self, flow: &Flow, known: usize, missing: usize) {
        self.groups.lock().used_by(flow, |used| {
            used.hits += known as u64;
            used.misses += missing as u64;
        });
    }

    /// A GET was made that a group was the first to want.
    pub(crate) fn got(&self, flow: &Flow) {
        self.groups.lock().used_by(flow, |used| used.gets += 1);
    }

    /// Reports until the role drains.
    pub(crate) async fn report(&self, drain: Drain) {
        let draining = drain.draining();
        let mut draining = std::pin::pin!(draining);
        loop {
            tokio::select! {
                () = sleep(PROGRESS_EVERY) => self.groups.lock().report(),
                () = &mut draining => return,
            }
        }
    }
}

impl Groups {
    fn used_by(&mut self, flow: &Flow, add: impl FnOnce(&mut Used)) {
        if let Some(used) = self.used.get_mut(flow) {
            add(used);
        } else if self.used.len() < STREAMS_MAX {
            add(self.used.entry(flow.clone()).or_default());
        }
    }

    fn report(&mut self) {
        for (flow, used) in std::mem::take(&mut self.used) {
            let (tenant, group) = self.series_of(&flow);
            metrics::group_used(tenant, &group, used);
        }
        self.lags.retain(|_, lag| lag.seen.elapsed() < STREAM_LIFE + PROGRESS_EVERY);
        // Who has left is reported once more, with nothing left to read.
        let mut left: HashMap<Series, i64> =
            self.reported.keys().map(|series| (series.clone(), 0)).collect();
        let lags: Vec<(Flow, i64)> =
            self.lags.iter().map(|((flow, _), lag)| (flow.clone(), lag.records)).collect();
        let mut present = HashSet::new();
        for (flow, records) in lags {
            let series = self.series_of(&flow);
            *left.entry(series.clone()).or_default() += records;
            present.insert(series);
        }
        for ((tenant, group), records) in &left {
            let before = self.reported.get(&(*tenant, group.clone())).copied();
            let closer = before.map_or(0, |before| before - records);
            metrics::group_behind(*tenant, group.clone(), *records, caught_up_in(*records, closer));
        }
        left.retain(|series, _| present.contains(series));
        self.reported = left;
    }

    fn series_of(&mut self, flow: &Flow) -> Series {
        let is_named = self.named.contains(flow)
            || self.named.len() < GROUPS_NAMED_MAX && self.named.insert(flow.clone());
        (flow.tenant, if is_named { flow.name.to_string() } else { OTHERS.to_owned() })
    }
}

/// How long it takes to read what is left when it became so much less since the last report.
fn caught_up_in(left: i64, closer: i64) -> Option<Duration> {
    match (left, closer) {
        (0, _) => Some(Duration::ZERO),
        (_, ..=0) => None,
        _ => Some(PROGRESS_EVERY.mul_f64(left as f64 / closer as f64)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fixture::{Counters, partition};

    fn flow(name: &str) -> Flow {
        Flow { tenant: TenantId(7), name: Arc::from(name) }
    }

    fn series(name: &str, group: &str) -> String {
        format!("cold_reader_group_{name}{{tenant=\"7\",group=\"{group}\"}}")
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_comes_closer_is_told_when_it_will_be_there() {
        let counters = Counters::new();
        let _counting = counters.install();
        let progress = Progress::default();
        let estimate = || counters.text(&series("caught_up_seconds", "a"));
        let waited = Duration::from_millis(40);
        progress.fetched(&flow("a"), partition(0), 1_000, 5, waited);
        progress.fetched(&flow("a"), partition(1), 500, 5, waited);
        progress.groups.lock().report();
        assert_eq!(counters.text(&series("lag_records", "a")).as_deref(), Some("1500"));
        assert_eq!(counters.text(&series("bytes_total", "a")).as_deref(), Some("10"));
        assert_eq!(estimate().as_deref(), Some("inf"), "nothing to compare with");
        progress.fetched(&flow("a"), partition(0), 700, 5, waited);
        progress.groups.lock().report();
        // 300 in one period, so 1,200 in four.
        let expected = PROGRESS_EVERY.as_secs() * 4;
        assert_eq!(estimate(), Some(expected.to_string()));
        tokio::time::advance(STREAM_LIFE + PROGRESS_EVERY).await;
        progress.groups.lock().report();
        assert_eq!(counters.text(&series("lag_records", "a")).as_deref(), Some("0"), "it left");
        assert!(progress.groups.lock().reported.is_empty());
    }

    #[test]
    fn what_a_group_used_is_told_once() {
        let counters = Counters::new();
        let _counting = counters.install();
        let progress = Progress::default();
        progress.looked_up(&flow("a"), 3, 1);
        progress.looked_up(&flow("b"), 4, 0);
        progress.got(&flow("a"));
        progress.fetched(&flow("a"), partition(0), 10, 7, Duration::from_millis(1_500));
        progress.groups.lock().report();
        progress.groups.lock().report();
        for (group, name, value) in [
            ("a", "bytes_total", "7"),
            ("a", "fetches_total", "1"),
            ("a", "wait_milliseconds_total", "1500"),
            ("a", "cache_hits_total", "3"),
            ("a", "cache_misses_total", "1"),
            ("a", "get_total", "1"),
            ("b", "cache_hits_total", "4"),
            ("b", "get_total", "0"),
        ] {
            assert_eq!(
                counters.text(&series(name, group)).as_deref(),
                Some(value),
                "{group} {name}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_series_is_bounded_whatever_clients_call_themselves() {
        let counters = Counters::new();
        let _counting = counters.install();
        let progress = Progress::default();
        for n in 0..3 * GROUPS_NAMED_MAX {
            progress.fetched(&flow(&n.to_string()), partition(0), 10, 1, Duration::ZERO);
        }
        progress.groups.lock().report();
        assert_eq!(progress.groups.lock().reported.len(), GROUPS_NAMED_MAX + 1);
        let others = counters.text(&series("bytes_total", OTHERS));
        assert_eq!(others, Some((2 * GROUPS_NAMED_MAX).to_string()));
    }
}
