//! Keeps the produces of one connection in order where sending them at once would not (R45).
//!
//! Usually nothing is needed: a produce is in its lane before the next frame is read, and a lane
//! keeps its order. Three cases break that, and all close the *gate*, the readiness of the
//! connection's stack, until the produce in question is in its lane:
//!
//! - a topic is unknown and must be looked up first: the next produce would overtake;
//! - a partition has moved while a produce to its old owner is under way: the new owner could
//!   append first. The produce waits for the old owner's answer;
//! - a partition's node has just gone or come back: the produce waits for it to serve again (see
//!   [`super::hold`]).

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use parking_lot::Mutex;
use protocol::ids::{NodeId, PartitionId};
use tokio::sync::{Notify, oneshot};

use super::split::Split;

/// One connection's order.
#[derive(Default)]
pub(crate) struct Order {
    gate: Option<oneshot::Receiver<()>>,
    under_way: UnderWay,
}

/// Keeps the gate closed while it exists.
pub(super) struct Gate(#[expect(dead_code, reason = "dropping it is its use")] oneshot::Sender<()>);

/// The partitions with produces under way, and to whom. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    partitions: Mutex<HashMap<PartitionId, Route>>,
    ended: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Route {
    owner: NodeId,
    epoch: i32,
    produces: usize,
}

/// Produces under way to one owner; they end when this is dropped.
pub(super) struct Sent {
    under_way: UnderWay,
    partitions: Vec<(PartitionId, i32)>,
}

// === impl Order ===

impl Order {
    /// Ready when nothing must be waited for before the next request is started.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(gate) = &mut self.gate else { return Poll::Ready(()) };
        // An error is a gate whose produce was dropped: its client is gone.
        let open = gate.poll_unpin(cx).map(|_| ());
        if open.is_ready() {
            self.gate = None;
        }
        open
    }

    /// Lets no further request in until the gate is dropped.
    pub(super) fn close_gate(&mut self) -> Gate {
        let (sender, receiver) = oneshot::channel();
        self.gate = Some(receiver);
        Gate(sender)
    }

    pub(super) fn tracker(&self) -> UnderWay {
        self.under_way.clone()
    }
}

// === impl UnderWay ===

impl UnderWay {
    /// The partitions that moved while produces to their old owner are under way.
    pub(super) fn moved(&self, split: &Split) -> Vec<PartitionId> {
        let under_way = self.0.partitions.lock();
        let moved = split.routes().filter(|(partition, owner, epoch)| {
            let before = under_way.get(partition);
            before.is_some_and(|before| (before.owner, before.epoch) != (*owner, *epoch))
        });
        moved.map(|(partition, ..)| partition).collect()
    }

    /// Counts produces in until the result is dropped.
    pub(super) fn begin(&self, owner: NodeId, partitions: Vec<(PartitionId, i32)>) -> Sent {
        let mut under_way = self.0.partitions.lock();
        for (partition, epoch) in &partitions {
            let route =
                under_way.entry(*partition).or_insert(Route { owner, epoch: *epoch, produces: 0 });
            route.produces += 1;
        }
        drop(under_way);
        Sent { under_way: self.clone(), partitions }
    }

    /// Waits until no produce to any of `partitions` is under way.
    pub(super) async fn settled(&self, partitions: Vec<PartitionId>) {
        loop {
            let ended = self.0.ended.notified();
            let mut ended = std::pin::pin!(ended);
            // Registered before looking, or an end in between would be missed.
            ended.as_mut().enable();
            {
                let under_way = self.0.partitions.lock();
                if !partitions.iter().any(|partition| under_way.contains_key(partition)) {
                    return;
                }
            }
            ended.await;
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let mut under_way = self.under_way.0.partitions.lock();
        for (partition, _) in &self.partitions {
            if let Some(route) = under_way.get_mut(partition) {
                route.produces -= 1;
                if route.produces == 0 {
                    under_way.remove(partition);
                }
            }
        }
        drop(under_way);
        self.under_way.0.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker_ref;
    use protocol::ids::{TenantId, TopicId};

    use super::*;

    fn partition(index: i32) -> PartitionId {
        PartitionId::new(TenantId::DEFAULT, TopicId::NIL, index)
    }

    #[tokio::test]
    async fn a_partition_is_settled_once_its_last_produce_has_ended() {
        let under_way = UnderWay::default();
        let first = under_way.begin(NodeId(1), vec![(partition(0), 5)]);
        let second = under_way.begin(NodeId(1), vec![(partition(0), 5), (partition(1), 5)]);
        let mut settled = Box::pin(under_way.settled(vec![partition(0)]));
        assert!(settled.as_mut().now_or_never().is_none());
        drop(first);
        assert!(settled.as_mut().now_or_never().is_none(), "the second is under way still");
        drop(second);
        settled.await;
        assert!(under_way.0.partitions.lock().is_empty());
    }

    #[test]
    fn the_gate_opens_when_its_produce_is_sent_or_dropped() {
        let mut cx = Context::from_waker(noop_waker_ref());
        let mut order = Order::default();
        assert!(order.poll_ready(&mut cx).is_ready());
        let gate = order.close_gate();
        assert!(order.poll_ready(&mut cx).is_pending());
        drop(gate);
        assert!(order.poll_ready(&mut cx).is_ready());
    }
}
