//! Whose turn it is: a queue that gives tenants equal shares of bytes, and within a tenant its
//! flows.
//!
//! A flow is what a consumer group, or a client outside of groups, fetches. Start-time fair
//! queueing on two levels: everybody has a clock that moves by the bytes it was given, and the one
//! whose clock is furthest behind is next.
//!
//! ```text
//! tenant 1 at 40 ─┬─ flow a at 16 [8][8][8]        next: tenant 2, flow c
//!                 └─ flow b at 24 [4]              its clocks move to 48 and 48
//! tenant 2 at 32 ─── flow c at 32 [16]
//! ```
//!
//! Who comes back starts at the present, not in the past: idle time is no credit. A group that
//! asks for ten times as much has a longer queue and no larger share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use protocol::ids::TenantId;

/// Who is served.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Flow {
    pub(crate) tenant: TenantId,
    pub(crate) name: Arc<str>,
}

/// Things to do, each of some bytes.
pub(crate) struct FairQueue<T> {
    tenants: Turns<TenantId, Flows<T>>,
}

/// The flows of one tenant, and what each has to do, with its bytes.
type Flows<T> = Turns<Arc<str>, VecDeque<(u64, T)>>;

/// Classes that take turns.
struct Turns<K, Q> {
    classes: BTreeMap<K, Class<Q>>,
    /// The clock of whoever had the last turn.
    now: u64,
}

struct Class<Q> {
    clock: u64,
    queue: Q,
}

trait Queue: Default {
    fn is_empty(&self) -> bool;
}

impl<T> FairQueue<T> {
    pub(crate) fn push(&mut self, flow: &Flow, bytes: u64, item: T) {
        let flows = self.tenants.enter(flow.tenant);
        flows.enter(Arc::clone(&flow.name)).push_back((bytes, item));
    }

    /// What [`FairQueue::pop`] would take.
    pub(crate) fn peek(&self) -> Option<&T> {
        let flows = &self.tenants.next()?.1.queue;
        flows.next()?.1.queue.front().map(|(_, item)| item)
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let tenant = *self.tenants.next()?.0;
        let flows = self.tenants.enter(tenant);
        let name = Arc::clone(flows.next()?.0);
        let (bytes, item) = flows.enter(Arc::clone(&name)).pop_front()?;
        flows.charge(&name, bytes);
        self.tenants.charge(&tenant, bytes);
        Some(item)
    }
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { tenants: Turns::default() }
    }
}

impl<K: Ord, Q: Queue> Turns<K, Q> {
    /// The class furthest behind of those that have something to do.
    fn next(&self) -> Option<(&K, &Class<Q>)> {
        let waiting = self.classes.iter().filter(|(_, class)| !class.queue.is_empty());
        waiting.min_by_key(|(_, class)| class.clock)
    }

    fn enter(&mut self, key: K) -> &mut Q {
        let now = self.now;
        let new = || Class { clock: now, queue: Q::default() };
        let class = self.classes.entry(key).or_insert_with(new);
        if class.queue.is_empty() {
            class.clock = class.clock.max(now);
        }
        &mut class.queue
    }

    fn charge(&mut self, key: &K, bytes: u64) {
        if let Some(class) = self.classes.get_mut(key) {
            self.now = self.now.max(class.clock);
            class.clock += bytes;
        }
        // Who has nothing to do is remembered as long as it is ahead of the others: else whoever
        // asks for one thing at a time would never be charged.
        let now = self.now;
        let idle = self.classes.values().all(|class| class.queue.is_empty());
        self.classes.retain(|_, class| !idle && (!class.queue.is_empty() || class.clock > now));
    }
}

impl<K, Q> Default for Turns<K, Q> {
    fn default() -> Self {
        Self { classes: BTreeMap::new(), now: 0 }
    }
}

impl<T> Queue for VecDeque<T> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl<K: Ord, Q: Queue> Queue for Turns<K, Q> {
    fn is_empty(&self) -> bool {
        self.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn flow(tenant: u32, name: &str) -> Flow {
        Flow { tenant: TenantId(tenant), name: Arc::from(name) }
    }

    /// Bytes each flow was given in `turns` turns, when all have more to do than that.
    fn given(flows: &[(Flow, u64)], turns: usize) -> HashMap<Flow, u64> {
        let mut queue = FairQueue::default();
        for (flow, bytes) in flows {
            (0..turns).for_each(|_| queue.push(flow, *bytes, (flow.clone(), *bytes)));
        }
        let mut given = HashMap::new();
        for _ in 0..turns {
            let (flow, bytes) = queue.pop().unwrap();
            *given.entry(flow).or_default() += bytes;
        }
        given
    }

    #[test]
    fn what_one_flow_asks_for_comes_in_its_order() {
        let mut queue = FairQueue::default();
        (0..5).for_each(|item| queue.push(&flow(1, "a"), 10, item));
        assert_eq!(queue.peek(), Some(&0));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [0, 1, 2, 3, 4]);
        assert_eq!(queue.peek(), None);
    }

    /// The flow with a queue ten times as long gets no more than the others.
    #[test]
    fn a_flow_that_asks_for_ten_times_as_much_has_no_larger_share() {
        let mut queue = FairQueue::default();
        (0..1_000).for_each(|_| queue.push(&flow(1, "greedy"), 8, "greedy"));
        (0..100).for_each(|_| queue.push(&flow(1, "modest"), 8, "modest"));
        let modest = (0..200).filter(|_| queue.pop() == Some("modest")).count();
        assert_eq!(modest, 100);
    }

    #[test]
    fn a_tenant_with_many_flows_has_no_larger_share() {
        let many = (0..9).map(|n| (flow(1, &n.to_string()), 8));
        let flows: Vec<_> = many.chain([(flow(2, "only"), 8)]).collect();
        let given = given(&flows, 180);
        assert_eq!(given[&flow(2, "only")], 90 * 8);
        assert_eq!(given[&flow(1, "3")], 10 * 8);
    }

    /// One request at a time is enough for a full share, and not for more.
    #[test]
    fn a_flow_that_asks_for_one_thing_at_a_time_is_charged_for_each() {
        let mut queue = FairQueue::default();
        (0..200).for_each(|_| queue.push(&flow(1, "busy"), 8, "busy"));
        let mut single = 0;
        queue.push(&flow(1, "single"), 8, "single");
        for _ in 0..200 {
            if queue.pop() == Some("single") {
                single += 1;
                queue.push(&flow(1, "single"), 8, "single");
            }
        }
        assert_eq!(single, 100);
    }

    #[test]
    fn idle_time_is_no_credit() {
        let mut queue = FairQueue::default();
        (0..100).for_each(|_| queue.push(&flow(1, "early"), 8, "early"));
        (0..50).for_each(|_| assert_eq!(queue.pop(), Some("early")));
        (0..50).for_each(|_| queue.push(&flow(1, "late"), 8, "late"));
        let late = (0..20).filter(|_| queue.pop() == Some("late")).count();
        assert_eq!(late, 10);
    }

    proptest! {
        /// However large their pieces: no flow is ahead of another by more than one piece of each.
        #[test]
        fn shares_are_equal_up_to_a_piece(sizes in vec(1u64..64, 2..8), turns in 1usize..400) {
            let flows: Vec<_> = sizes.iter().enumerate()
                .map(|(n, bytes)| (flow(1, &n.to_string()), *bytes)).collect();
            let given = given(&flows, turns);
            let of = |flow: &Flow| given.get(flow).copied().unwrap_or_default();
            for (a, a_bytes) in &flows {
                for (b, b_bytes) in &flows {
                    prop_assert!(of(a) <= of(b) + a_bytes + b_bytes);
                }
            }
        }

        #[test]
        fn nothing_is_lost(pushes in vec((0u32..3, 0u8..4, 1u64..9), 0..60)) {
            let mut queue = FairQueue::default();
            for (at, (tenant, name, bytes)) in pushes.iter().enumerate() {
                queue.push(&flow(*tenant, &name.to_string()), *bytes, at);
            }
            let mut popped: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
            popped.sort_unstable();
            prop_assert_eq!(popped, (0..pushes.len()).collect::<Vec<_>>());
        }
    }
}
