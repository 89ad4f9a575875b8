//! Compaction by key: when a partition of a topic with `cleanup.policy=compact` is worth it.
//!
//! ```text
//!  log start          cleaned upto                              uploaded upto
//!      ├─ run ─┬─ run ─┼─ run ─┬─ run ─┬─ run ─┬ block ┬ block ┤
//!      └─── clean ─────┘└─── dirty ────┘└ young ┘└── not merged yet ──
//! ```
//!
//! Kafka's rules, with compacted objects in the place of closed segments: what producers work on is
//! in the logs of nodes, and never looked at. The work itself is the compactor's.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use hop::internal::{CleaningWorkRequest, CleaningWorkResponse};
use segment::Extent;
use tokio::time::Instant;

use crate::limits::COMPACTION_LEASE_MAX;
use crate::metrics;
use crate::node::Node;
use crate::partition::Partition;

/// The configs of a topic that say when and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cleaning {
    /// `min.cleanable.dirty.ratio`, in thousandths.
    pub(crate) dirty_permille: u64,
    /// `min.compaction.lag.ms`: younger records stay.
    pub(crate) lag_min_ms: i64,
    /// `max.compaction.lag.ms`: a dirty record does not become older.
    pub(crate) lag_max_ms: i64,
    /// `delete.retention.ms`: tombstones stay this long once they were seen.
    pub(crate) delete_retention_ms: i64,
}

/// What a partition has to be cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dirty {
    /// So many extents, from the first on, are clean or may be cleaned.
    pub(crate) extents: usize,
    /// Bytes below the clean point.
    pub(crate) clean_bytes: u64,
    /// Bytes from it on that may be cleaned.
    pub(crate) dirty_bytes: u64,
    /// Some record waits longer than it may.
    pub(crate) overdue: bool,
}

/// How urgent: what is overdue first, then what has the largest dirty part, as in Kafka.
pub(crate) type Urgency = (bool, u64);

impl Cleaning {
    /// Reads the configs through `config`. Control has validated them.
    pub(crate) fn read<'a>(config: impl Fn(&str) -> Option<&'a str>) -> Self {
        let number = |name: &str, default: i64| {
            config(name).and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        let ratio = config("min.cleanable.dirty.ratio").and_then(|text| text.parse::<f64>().ok());
        let ratio = ratio.unwrap_or(0.5).clamp(0.0, 1.0);
        Self {
            dirty_permille: (ratio * 1_000.0).round() as u64,
            lag_min_ms: number("min.compaction.lag.ms", 0),
            lag_max_ms: number("max.compaction.lag.ms", i64::MAX),
            delete_retention_ms: number("delete.retention.ms", 24 * 60 * 60 * 1_000),
        }
    }

    /// How long a block may stay in a log where only compacted objects are cleaned: half of what
    /// its records may wait in all.
    pub(crate) fn merge_age_max(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.lag_max_ms / 2).unwrap_or(0))
    }

    /// What there is to clean in `extents`: those below `bounds` are clean, those that reach beyond
    /// it, the last stable offset, have transactions that are not decided.
    pub(crate) fn dirty(&self, extents: &[Extent], bounds: Range<i64>, now_ms: i64) -> Dirty {
        let runs = extents.iter().take_while(|extent| extent.is_run()).count();
        let first_dirty = extents[..runs].partition_point(|run| run.last_offset < bounds.start);
        let old_enough = |run: &&Extent| {
            self.lag_min_ms <= 0 || run.max_timestamp <= now_ms.saturating_sub(self.lag_min_ms)
        };
        let dirty = extents[first_dirty..runs].iter();
        let dirty = dirty.take_while(|run| run.last_offset < bounds.end).take_while(old_enough);
        let dirty = dirty.count();
        let (clean, dirty) = (&extents[..first_dirty], &extents[first_dirty..first_dirty + dirty]);
        // Of the first dirty record's own time nothing is known but that the records before it are
        // older, mostly.
        let since = clean.last().or_else(|| dirty.first()).map(|run| run.max_timestamp);
        let waits_ms = since.map_or(0, |since| now_ms.saturating_sub(since));
        Dirty {
            extents: first_dirty + dirty.len(),
            clean_bytes: bytes_of(clean),
            dirty_bytes: bytes_of(dirty),
            overdue: !dirty.is_empty() && waits_ms > self.lag_max_ms,
        }
    }

    /// How urgent it is to clean that; `None` while it is not worth it.
    pub(crate) fn urgency(&self, dirty: &Dirty) -> Option<Urgency> {
        let all = dirty.clean_bytes + dirty.dirty_bytes;
        let permille = dirty.dirty_bytes.saturating_mul(1_000) / all.max(1);
        let due = dirty.dirty_bytes.saturating_mul(1_000) > self.dirty_permille * all;
        (dirty.overdue || due).then_some((dirty.overdue, permille))
    }
}

/// Answers with the partition that needs it most, if any does.
pub(crate) fn work(node: &Node, request: &CleaningWorkRequest) -> CleaningWorkResponse {
    let lease = Duration::from_millis(request.lease_ms).min(COMPACTION_LEASE_MAX);
    let (now, now_ms) = (Instant::now(), node.clock().now_ms());
    let (mut clean, mut dirty, mut too_large) = (0, 0, 0);
    let mut found: Vec<(Urgency, Arc<Partition>)> = Vec::new();
    for partition in node.partitions().all() {
        let Some(cleaning) = partition.settings().cleaning else { continue };
        let state = partition.dirty(&cleaning, now_ms);
        clean += state.clean_bytes;
        dirty += state.dirty_bytes;
        let Some(urgency) = cleaning.urgency(&state) else { continue };
        if state.clean_bytes + state.dirty_bytes > request.max_bytes {
            tracing::debug!(partition = %partition.id(), "too large to be compacted by key");
            too_large += 1;
            continue;
        }
        found.push((urgency, partition));
    }
    metrics::cleanable(clean, dirty, too_large);
    found.sort_by_key(|(urgency, _)| std::cmp::Reverse(*urgency));
    let work = found.into_iter().find_map(|(_, partition)| {
        let cleaning = partition.settings().cleaning?;
        let work = partition.cleaning_work(&cleaning, now_ms, now, lease)?;
        Some((partition, cleaning, work))
    });
    let Some((partition, cleaning, (cleaned_upto, work))) = work else {
        return CleaningWorkResponse::default();
    };
    CleaningWorkResponse {
        plan: node.planner().work(&partition, work, node.clock().since_boot(), lease),
        cleaned_upto,
        delete_retention_ms: cleaning.delete_retention_ms,
    }
}

fn bytes_of(extents: &[Extent]) -> u64 {
    extents.iter().map(|extent| u64::from(extent.byte_len)).sum()
}

#[cfg(test)]
mod tests {
    use protocol::ids::NodeId;
    use segment::{Key, Location, LogId};

    use super::*;

    const NOW: i64 = 1_000_000;

    fn extent(number: i64, location: Location, byte_len: u32, age: i64) -> Extent {
        Extent {
            location,
            byte_offset: 0,
            byte_len,
            base_offset: number * 10,
            last_offset: number * 10 + 9,
            leader_epoch: 0,
            max_timestamp: NOW - age,
        }
    }

    /// Runs of ten offsets each, of these lengths and ages, and a block behind them.
    fn extents(shapes: &[(u32, i64)]) -> Vec<Extent> {
        let run = || Location::Run(Key::from_text("d/00/packs/1"));
        let runs = (0..).zip(shapes);
        let mut extents: Vec<_> =
            runs.map(|(number, (length, age))| extent(number, run(), *length, *age)).collect();
        let block = Location::Slot { log: LogId::fresh(NodeId(1), 1, 1), slot: 1 };
        extents.push(extent(shapes.len() as i64, block, 1_000, 0));
        extents
    }

    fn cleaning(configs: &[(&'static str, &'static str)]) -> Cleaning {
        let configs = configs.to_vec();
        Cleaning::read(|name| configs.iter().find(|known| known.0 == name).map(|known| known.1))
    }

    #[test]
    fn kafkas_defaults_are_in_force_where_nothing_is_set() {
        let expected = Cleaning {
            dirty_permille: 500,
            lag_min_ms: 0,
            lag_max_ms: i64::MAX,
            delete_retention_ms: 86_400_000,
        };
        assert_eq!(cleaning(&[]), expected);
        assert_eq!(cleaning(&[("min.cleanable.dirty.ratio", "0.01")]).dirty_permille, 10);
    }

    #[test]
    fn a_partition_is_cleaned_when_enough_of_it_is_new() {
        let rules = cleaning(&[]);
        let extents = extents(&[(100, 0), (60, 0), (40, 0)]);
        let dirty = rules.dirty(&extents, 10..40, NOW);
        let expected = Dirty { extents: 3, clean_bytes: 100, dirty_bytes: 100, overdue: false };
        assert_eq!(dirty, expected, "the block is in a log still");
        assert_eq!(rules.urgency(&dirty), None, "more than half, not half");
        assert_eq!(rules.urgency(&rules.dirty(&extents, 0..40, NOW)), Some((false, 1_000)));
        assert_eq!(rules.urgency(&rules.dirty(&extents, 30..40, NOW)), None);
        let always = cleaning(&[("min.cleanable.dirty.ratio", "0")]);
        assert_eq!(always.urgency(&always.dirty(&extents, 20..40, NOW)), Some((false, 200)));
        assert_eq!(always.urgency(&always.dirty(&extents, 30..40, NOW)), None, "nothing is dirty");
    }

    #[test]
    fn what_is_not_decided_stays() {
        let rules = cleaning(&[]);
        let extents = extents(&[(10, 0), (10, 0), (10, 0)]);
        assert_eq!(rules.dirty(&extents, 0..20, NOW).extents, 2);
        assert_eq!(rules.dirty(&extents, 0..19, NOW).extents, 1, "it holds an open transaction");
        assert_eq!(rules.dirty(&extents, 10..10, NOW).extents, 1, "the clean part");
    }

    #[test]
    fn young_records_stay_and_whatever_follows_them() {
        let rules = cleaning(&[("min.compaction.lag.ms", "1000")]);
        let dirty = rules.dirty(&extents(&[(10, 5_000), (10, 999), (10, 5_000)]), 0..99, NOW);
        assert_eq!((dirty.extents, dirty.dirty_bytes), (1, 10));
        let future = rules.dirty(&extents(&[(10, -9_000)]), 0..99, NOW);
        assert_eq!((future.extents, rules.urgency(&future)), (0, None));
    }

    #[test]
    fn what_waits_too_long_is_cleaned_whatever_the_ratio() {
        let rules = cleaning(&[("max.compaction.lag.ms", "1000")]);
        let young = rules.dirty(&extents(&[(100, 900), (1, 100)]), 10..99, NOW);
        assert_eq!(rules.urgency(&young), None);
        let old = rules.dirty(&extents(&[(100, 1_100), (1, 900)]), 10..99, NOW);
        assert_eq!(rules.urgency(&old), Some((true, 9)));
        let none = rules.dirty(&extents(&[(100, 5_000)]), 10..99, NOW);
        assert_eq!(rules.urgency(&none), None, "all of it is clean");
        assert_eq!(rules.merge_age_max(), Duration::from_millis(500));
    }
}
