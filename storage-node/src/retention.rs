//! Retention: log starts move up as records get too old or partitions too large.
//!
//! As in Kafka, what goes are whole units from the oldest on, here extents: blocks in a log, or a
//! compacted object. Only what is uploaded goes, so never the part that producers work on. Both
//! limits are floors of what is kept: a partition keeps up to a tenth more, so that its manifest is
//! written ten times per retention time and not once per block.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use process::Drain;
use segment::{Extent, ManifestStore};

use crate::limits::{MANIFEST_COMMITS_IN_FLIGHT, RETENTION_SLACK_MS_MAX};
use crate::metrics;
use crate::node::Node;
use crate::partition::Partition;

/// What a topic keeps. `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Retention {
    /// `retention.ms`.
    pub(crate) ms: Option<i64>,
    /// `retention.bytes`, per partition.
    pub(crate) bytes: Option<u64>,
}

/// Enforces retention on all partitions, once per `interval`, until the node drains.
pub(crate) async fn run(node: Arc<Node>, interval: Duration, drain: Drain) {
    // Nodes that started together do not write their manifests together.
    let share = u32::try_from(node.log().nonce % 1_000).expect("below a thousand");
    let mut pause = interval * share / 1_000;
    loop {
        tokio::select! {
            () = drain.draining() => return,
            () = tokio::time::sleep(pause) => {}
        }
        enforce(&node).await;
        pause = interval;
    }
}

async fn enforce(node: &Node) {
    let now_ms = node.clock().now_ms();
    let manifests = ManifestStore::new(node.store().clone());
    let due = node.partitions().all().into_iter().filter_map(|partition| {
        let upto = partition.expired_upto(now_ms)?;
        Some((partition, upto))
    });
    let due: Vec<(Arc<Partition>, i64)> = due.collect();
    futures::stream::iter(due)
        .for_each_concurrent(MANIFEST_COMMITS_IN_FLIGHT, |(partition, upto)| {
            let manifests = &manifests;
            async move {
                match partition.advance_log_start(manifests, upto).await {
                    Ok(log_start) => {
                        metrics::retained();
                        tracing::debug!(partition = %partition.id(), log_start, "retention");
                    }
                    Err(error) => {
                        tracing::warn!(partition = %partition.id(), %error, "retention waits");
                    }
                }
            }
        })
        .await;
}

impl Retention {
    /// The log start that these limits ask for; `None` where it may stay.
    pub(crate) fn log_start(&self, extents: &[Extent], now_ms: i64) -> Option<i64> {
        let by_time = self.ms.map_or(0, |ms| expired(extents, ms, now_ms));
        let by_size = self.bytes.map_or(0, |bytes| surplus(extents, bytes));
        let gone = by_time.max(by_size).checked_sub(1)?;
        Some(extents[gone].last_offset + 1)
    }
}

/// How many of the oldest extents are too old.
///
/// An extent whose largest timestamp lies in the future, or that has none, says nothing about its
/// age; it goes with what was appended after it. A producer with a wrong clock can neither keep a
/// log for ever nor have another's records deleted (R71).
fn expired(extents: &[Extent], retention_ms: i64, now_ms: i64) -> usize {
    let slack = (retention_ms / 10).min(RETENTION_SLACK_MS_MAX);
    let (mut count, mut worth_it) = (0, false);
    for (position, extent) in extents.iter().enumerate() {
        if !(0..=now_ms).contains(&extent.max_timestamp) {
            continue;
        }
        let age = now_ms - extent.max_timestamp;
        if age <= retention_ms {
            break;
        }
        worth_it |= age > retention_ms.saturating_add(slack);
        count = position + 1;
    }
    if worth_it { count } else { 0 }
}

/// How many of the oldest extents can go with at least `retention_bytes` left.
fn surplus(extents: &[Extent], retention_bytes: u64) -> usize {
    let mut left: u64 = extents.iter().map(|extent| u64::from(extent.byte_len)).sum();
    if left < retention_bytes.saturating_add(retention_bytes / 10) {
        return 0;
    }
    let fit = extents.iter().take_while(|extent| {
        let without = left.checked_sub(u64::from(extent.byte_len));
        left = without.unwrap_or(0);
        without.is_some_and(|without| without >= retention_bytes)
    });
    fit.count()
}

#[cfg(test)]
mod tests {
    use protocol::ids::NodeId;
    use segment::{Location, LogId};

    use super::*;

    const NOW: i64 = 1_000_000;

    /// Extents of ten records each, of these lengths and ages.
    fn extents(shapes: &[(u32, i64)]) -> Vec<Extent> {
        let location = Location::Slot { log: LogId::fresh(NodeId(1), 1, 1), slot: 1 };
        let extents = (0..).zip(shapes).map(|(number, (byte_len, age))| Extent {
            location: location.clone(),
            byte_offset: 0,
            byte_len: *byte_len,
            base_offset: number * 10,
            last_offset: number * 10 + 9,
            leader_epoch: 0,
            max_timestamp: NOW - age,
        });
        extents.collect()
    }

    fn by_time(ages: &[i64]) -> Option<i64> {
        let shapes: Vec<_> = ages.iter().map(|age| (1, *age)).collect();
        Retention { ms: Some(1_000), bytes: None }.log_start(&extents(&shapes), NOW)
    }

    fn by_size(lengths: &[u32]) -> Option<i64> {
        let shapes: Vec<_> = lengths.iter().map(|length| (*length, 0)).collect();
        Retention { ms: None, bytes: Some(100) }.log_start(&extents(&shapes), NOW)
    }

    #[test]
    fn the_oldest_go_up_to_the_first_that_is_young_enough() {
        assert_eq!(by_time(&[5_000, 2_000, 1_000, 3_000]), Some(20));
        assert_eq!(by_time(&[1_000, 5_000]), None);
        assert_eq!(by_time(&[]), None);
        assert_eq!(by_time(&[5_000, 4_000]), Some(20), "the whole uploaded part may be too old");
    }

    #[test]
    fn a_manifest_is_not_written_for_every_block() {
        assert_eq!(by_time(&[1_100, 1_001]), None);
        assert_eq!(by_time(&[1_101, 1_001]), Some(20));
        assert_eq!(by_size(&[50, 59]), None);
    }

    #[test]
    fn a_timestamp_in_the_future_neither_keeps_a_log_nor_deletes_it() {
        assert_eq!(by_time(&[-9_000, 5_000, 500]), Some(20), "it goes with what follows");
        assert_eq!(by_time(&[5_000, -9_000, 500]), Some(10));
        assert_eq!(by_time(&[-9_000, -9_000]), None);
        assert_eq!(by_time(&[NOW + 1, 5_000]), Some(20), "no timestamp at all");
    }

    #[test]
    fn at_least_the_configured_size_stays() {
        assert_eq!(by_size(&[50, 50, 50, 50]), Some(20));
        assert_eq!(by_size(&[50, 50, 99]), Some(10));
        assert_eq!(by_size(&[500]), None, "the last extent never goes for its size");
    }

    #[test]
    fn whatever_limit_asks_for_more_wins_and_none_keeps_all() {
        let extents = extents(&[(50, 5_000), (50, 0), (50, 0), (50, 0)]);
        let both = Retention { ms: Some(1_000), bytes: Some(100) };
        assert_eq!(both.log_start(&extents, NOW), Some(20));
        assert_eq!(Retention::default().log_start(&extents, NOW), None);
    }
}
