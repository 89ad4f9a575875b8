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
//! The window is refilled when half of it is used up, so that GETs stay long, and
//! doubles each time, so that a consumer who stops early has cost little. What all
//! windows may take is half of the memory: every flow has an equal part of it, and
//! so has every partition that the flow replays.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::ids::PartitionId;
use quick_cache::sync::Cache;
use segment::{Extent, Plan};
use tokio::time::Instant;

use crate::fair::Flow;
use crate::limits::{STREAM_LIFE, STREAMS_MAX, WINDOW_START};

/// How often it is looked for streams that ended.
const PRUNE_EVERY: Duration = Duration::from_secs(1);

/// Where consumers will go on, and how far ahead of them is loaded.
pub(crate) struct Readahead {
    window_max: u64,
    /// What all windows may take together.
    memory: u64,
    /// (partition, offset of the next fetch) → how far ahead of it is loaded.
    streams: Cache<(PartitionId, i64), Stream>,
    active: Mutex<Active>,
}

#[derive(Debug, Clone, Copy)]
struct Stream {
    /// Blocks up to here were asked for.
    ahead: i64,
    /// What the next refill makes of the window.
    window: u64,
    /// What the last refill made of it.
    filled: u64,
}

/// Who is reading in order, and since when not any more.
struct Active {
    flows: HashMap<Flow, HashMap<PartitionId, Instant>>,
    pruned: Instant,
}

/// What a fetch that was served means for those to come.
#[derive(Debug, PartialEq)]
pub(crate) struct Ahead<'a> {
    /// Asked for before, and still wanted.
    pub(crate) pending: &'a [Extent],
    /// To be loaded now.
    pub(crate) load: &'a [Extent],
}

impl Readahead {
    pub(crate) fn new(window_max: u64, memory: u64) -> Self {
        let active = Active { flows: HashMap::new(), pruned: Instant::now() };
        let streams = Cache::new(STREAMS_MAX);
        Self { window_max, memory: memory / 2, streams, active: Mutex::new(active) }
    }

    /// Notes that `from..next` was served to `flow` by `plan`.
    pub(crate) fn served<'a>(
        &self,
        flow: &Flow,
        plan: &'a Plan,
        from: i64,
        next: i64,
    ) -> Ahead<'a> {
        let nothing = Ahead { pending: &[], load: &[] };
        let (stream, ahead) = match self.streams.get(&(plan.partition, from)) {
            Some(before) => self.refill(flow, plan, next, before),
            None => (Stream { ahead: next, window: WINDOW_START, filled: 0 }, nothing),
        };
        self.streams.insert((plan.partition, next), stream);
        ahead
    }

    /// What to add to the window, and what it is then.
    fn refill<'a>(
        &self,
        flow: &Flow,
        plan: &'a Plan,
        next: i64,
        before: Stream,
    ) -> (Stream, Ahead<'a>) {
        let share = self.active.lock().share(flow, plan.partition, self.memory);
        let window = before.window.min(self.window_max).min(share);
        let ahead = before.ahead.max(next);
        let after =
            |offset: i64| plan.extents.partition_point(|extent| extent.last_offset < offset);
        // The block that holds `next` was loaded by the fetch itself, in part or whole.
        let (here, end) = (after(next), after(ahead));
        let pending = &plan.extents[here..end.max(here)];
        let mut loaded = bytes(pending);
        if loaded > before.filled.min(window) / 2 {
            return (Stream { ahead, ..before }, Ahead { pending, load: &[] });
        }
        let rest = &plan.extents[end..];
        let fits = rest.iter().take_while(|extent| {
            loaded += u64::from(extent.byte_len);
            loaded <= window
        });
        let load = &rest[..fits.count()];
        let Some(last) = load.last() else {
            return (Stream { ahead, ..before }, Ahead { pending, load });
        };
        let filled = bytes(pending) + bytes(load);
        let window = before.window.saturating_mul(2).min(self.window_max);
        (Stream { ahead: last.last_offset + 1, window, filled }, Ahead { pending, load })
    }
}

impl Active {
    /// The part of `memory` that the windows of this stream may take.
    fn share(&mut self, flow: &Flow, partition: PartitionId, memory: u64) -> u64 {
        let now = Instant::now();
        if now - self.pruned >= PRUNE_EVERY {
            self.pruned = now;
            self.flows.retain(|_, streams| {
                streams.retain(|_, seen| now - *seen < STREAM_LIFE);
                !streams.is_empty()
            });
        }
        if !self.flows.contains_key(flow) {
            self.flows.insert(flow.clone(), HashMap::new());
        }
        let flows = self.flows.len() as u64;
        let streams = self.flows.get_mut(flow).expect("it was added if it was not there");
        streams.insert(partition, now);
        memory / flows / streams.len() as u64
    }
}

fn bytes(extents: &[Extent]) -> u64 {
    extents.iter().map(|extent| u64::from(extent.byte_len)).sum()
}

#[cfg(test)]
mod tests;
