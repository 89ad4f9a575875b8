//! Reading ahead of consumers that go through a partition in order.
//!
//! A fetch is sequential when an earlier one ended where it starts, whoever made
//! it. Only then is it worth loading more than it asks for:
//!
//! ```text
//! fetch        [ served ]
//! loaded       [ served ][ ahead ··········]
//! next fetch             [ served ]        [ loaded now, in long GETs ]
//! ```
//!
//! The window is refilled when half of it is used up, so that GETs stay long.

use protocol::ids::PartitionId;
use quick_cache::sync::Cache;
use segment::{Extent, Plan};

use crate::limits::STREAMS_MAX;

/// Where consumers will go on, and how far ahead of them is loaded.
pub(crate) struct Readahead {
    window_bytes: u64,
    /// (partition, offset of the next fetch) → offset up to which blocks were asked for.
    streams: Cache<(PartitionId, i64), i64>,
}

impl Readahead {
    pub(crate) fn new(window_bytes: u64) -> Self {
        Self { window_bytes, streams: Cache::new(STREAMS_MAX) }
    }

    /// Notes that `from..next` was served by `plan`; returns the extents to load now.
    pub(crate) fn served<'a>(&self, plan: &'a Plan, from: i64, next: i64) -> &'a [Extent] {
        let before = self.streams.get(&(plan.partition, from));
        let (ahead, extents) = match before {
            Some(ahead) => self.refill(plan, next, ahead.max(next)),
            None => (next, &[][..]),
        };
        self.streams.insert((plan.partition, next), ahead);
        extents
    }

    /// What to add to the window, and where it ends then.
    fn refill<'a>(&self, plan: &'a Plan, next: i64, ahead: i64) -> (i64, &'a [Extent]) {
        let after =
            |offset: i64| plan.extents.partition_point(|extent| extent.last_offset < offset);
        // The block that holds `next` was loaded by the fetch itself, in part or whole.
        let (here, end) = (after(next), after(ahead));
        let pending = bytes(&plan.extents[here..end]);
        if pending > self.window_bytes / 2 {
            return (ahead, &[]);
        }
        let mut loaded = pending;
        let rest = &plan.extents[end..];
        let count = rest
            .iter()
            .take_while(|extent| {
                let wanted = loaded < self.window_bytes;
                loaded += u64::from(extent.byte_len);
                wanted
            })
            .count();
        let added = &rest[..count];
        (added.last().map_or(ahead, |extent| extent.last_offset + 1), added)
    }
}

fn bytes(extents: &[Extent]) -> u64 {
    extents.iter().map(|extent| u64::from(extent.byte_len)).sum()
}
