//! Where consumers are, and so which blocks somebody will come to, and how soon.
//!
//! A replay reads in order, so the future is known (predictive buffer management, Świtakowski et al.,
//! VLDB 2012). Of the blocks that were read, the one to drop is the one that is needed last:
//!
//! ```text
//! offsets   [ a ][ b ][ c ][ d ][ e ][ f ][ g ]
//!                  ▲                        ▲
//!               follower                  leader        dropped: first a, then f, e, d, c
//! ```
//!
//! By age, the follower's blocks would go just before it comes to them, while those that both have
//! passed stay.

use std::collections::HashMap;
use std::time::Duration;

use protocol::ids::PartitionId;
use tokio::time::Instant;

use crate::fair::Flow;
use crate::limits::{STREAM_LIFE, STREAMS_MAX};

/// How often it is looked for consumers that left.
const PRUNE_EVERY: Duration = Duration::from_secs(1);

/// The consumers of every partition.
pub(super) struct Consumers {
    partitions: HashMap<PartitionId, HashMap<Flow, Position>>,
    count: usize,
    pruned: Instant,
}

#[derive(Clone, Copy)]
struct Position {
    /// The first offset of the block it reads.
    offset: i64,
    seen: Instant,
}

impl Consumers {
    /// Notes that a consumer reads the block that starts at `offset`.
    pub(super) fn reads(&mut self, flow: &Flow, partition: PartitionId, offset: i64) {
        let now = Instant::now();
        self.prune(now);
        let here = Position { offset, seen: now };
        let consumers = self.partitions.get_mut(&partition);
        if let Some(position) = consumers.and_then(|consumers| consumers.get_mut(flow)) {
            *position = here;
        } else if self.count < STREAMS_MAX {
            self.count += 1;
            self.partitions.entry(partition).or_default().insert(flow.clone(), here);
        }
    }

    /// How many offsets before `last_offset` the nearest consumer is that still comes to it; `None` if
    /// nobody does.
    pub(super) fn until(&self, partition: PartitionId, last_offset: i64) -> Option<i64> {
        let consumers = self.partitions.get(&partition)?.values();
        let ahead = consumers.filter(|position| position.offset <= last_offset);
        ahead.map(|position| last_offset - position.offset).min()
    }

    fn prune(&mut self, now: Instant) {
        if now - self.pruned < PRUNE_EVERY {
            return;
        }
        self.pruned = now;
        self.partitions.retain(|_, consumers| {
            consumers.retain(|_, position| now - position.seen < STREAM_LIFE);
            !consumers.is_empty()
        });
        self.count = self.partitions.values().map(HashMap::len).sum();
    }
}

impl Default for Consumers {
    fn default() -> Self {
        Self { partitions: HashMap::new(), count: 0, pruned: Instant::now() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use protocol::ids::TenantId;

    use super::*;
    use crate::fixture::partition;

    fn flow(name: &str) -> Flow {
        Flow { tenant: TenantId::DEFAULT, name: Arc::from(name) }
    }

    #[tokio::test(start_paused = true)]
    async fn the_nearest_consumer_that_has_not_passed_counts() {
        let mut consumers = Consumers::default();
        for (name, offset) in [("follower", 10), ("leader", 50)] {
            consumers.reads(&flow(name), partition(0), offset);
        }
        for (last, until) in [(9, None), (10, Some(0)), (49, Some(39)), (60, Some(10))] {
            assert_eq!(consumers.until(partition(0), last), until, "block that ends at {last}");
        }
        assert_eq!(consumers.until(partition(1), 60), None);
        consumers.reads(&flow("follower"), partition(0), 20);
        assert_eq!(consumers.until(partition(0), 19), None, "it went on");
    }

    #[tokio::test(start_paused = true)]
    async fn who_stopped_is_not_waited_for_and_the_number_is_bounded() {
        let mut consumers = Consumers::default();
        consumers.reads(&flow("gone"), partition(0), 10);
        tokio::time::advance(STREAM_LIFE).await;
        consumers.reads(&flow("other"), partition(1), 10);
        assert_eq!(consumers.until(partition(0), 60), None);
        for n in 0..2 * STREAMS_MAX {
            consumers.reads(&flow(&n.to_string()), partition(0), 10);
        }
        assert_eq!(consumers.count, STREAMS_MAX);
    }
}
