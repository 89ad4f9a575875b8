//! Keeps the produces of one connection in order where sending them at once would not (R45).
//!
//! Usually nothing is needed: a produce is in its lane before the next frame is read, and a lane
//! keeps its order. Four cases break that, and all close the *gate*, the readiness of the
//! connection's stack, until the produce in question is in its lane:
//!
//! - a topic is unknown and must be looked up first: the next produce would overtake;
//! - a partition has moved while a produce to its old owner is under way: the new owner could
//!   append first. The produce waits for the old owner's answer, and for what that refused to be in
//!   the new one's lane (see [`super::follow`]), which happens in [turns](Turn);
//! - a partition's node has just gone or come back: the produce waits for it to serve again (see
//!   [`super::hold`]);
//! - batches must be packed anew (see [`super::recompress`]), which takes other threads their time.
//!
//! And a batch of an idempotent producer that failed takes those sent behind it with it, until it
//! comes again ([`Interrupted`]): the owner may be another by then, or have room again.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use hop::HopError;
use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::batch::Interrupted;
use protocol::ids::{NodeId, PartitionId};
use protocol::messages::ProduceResponse;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::split::{Routed, Split};
use crate::limits::INTERRUPTED_MAX;

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
    state: Mutex<State>,
    ended: Notify,
}

#[derive(Debug)]
struct State {
    routes: HashMap<PartitionId, Route>,
    interrupted: Interrupted<PartitionId>,
    /// Ends with the last [`Turn`] that was given out.
    last_turn: Option<oneshot::Receiver<()>>,
}

#[derive(Debug, Clone, Copy)]
struct Route {
    /// Where all of them are, and by which epoch. `None`: with several owners, or with none yet, so
    /// that whatever is sent now could come before one of them.
    lane: Option<(NodeId, i32)>,
    produces: usize,
    /// Those among them that have no turn.
    unturned: usize,
}

/// A place among the produces that may have to be sent again; the next one's turn comes when this is
/// dropped.
pub(super) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _next: oneshot::Sender<()>,
}

/// Produces under way to one owner; they end when this is dropped.
pub(super) struct Sent {
    under_way: UnderWay,
    batches: Vec<Routed>,
}

impl Default for State {
    fn default() -> Self {
        let interrupted = Interrupted::new(INTERRUPTED_MAX);
        Self { routes: HashMap::new(), interrupted, last_turn: None }
    }
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
    /// The partitions that moved while produces to their old owner are under way, or to nobody yet.
    pub(super) fn moved(&self, split: &Split) -> Vec<PartitionId> {
        let state = self.0.state.lock();
        let moved = split.routes().filter(|(partition, owner, epoch)| {
            let before = state.routes.get(partition);
            before.is_some_and(|before| before.differs(*owner, *epoch))
        });
        moved.map(|(partition, ..)| partition).collect()
    }

    /// Refuses what was sent behind a batch that failed and has not come again.
    pub(super) fn keep_order(&self, split: &mut Split) {
        let deferred = split.take_deferred();
        let State { interrupted, .. } = &mut *self.0.state.lock();
        if !interrupted.is_empty() {
            split.refuse(|partition, sequence| interrupted.is_behind(partition, sequence));
        }
        for (partition, sequence) in deferred {
            if !interrupted.is_behind(partition, sequence) {
                interrupted.fail(partition, sequence);
            }
        }
    }

    /// Counts produces in until the result is answered or dropped. `owner` is `None` of what is sent
    /// to nobody yet.
    pub(super) fn begin(&self, owner: Option<NodeId>, batches: Vec<Routed>) -> Sent {
        let mut state = self.0.state.lock();
        for Routed { partition, epoch, turned, .. } in &batches {
            let lane = owner.map(|owner| (owner, *epoch));
            let route = Route { lane, produces: 0, unturned: 0 };
            let route = state.routes.entry(*partition).or_insert(route);
            route.lane = route.lane.filter(|_| route.lane == lane);
            route.produces += 1;
            route.unturned += usize::from(!*turned);
        }
        drop(state);
        Sent { under_way: self.clone(), batches }
    }

    /// A turn after all that were given out before.
    pub(super) fn turn(&self) -> Turn {
        let (next, ended) = oneshot::channel();
        let before = self.0.state.lock().last_turn.replace(ended);
        Turn { before, _next: next }
    }

    /// Waits until no produce to any of `partitions` is under way.
    pub(super) async fn settled(&self, partitions: Vec<PartitionId>) {
        self.ended(|routes| !partitions.iter().any(|it| routes.contains_key(it))).await;
    }

    /// Waits until none that has no turn is: what failed of those is remembered by then.
    pub(super) async fn unturned_settled(&self, partitions: Vec<PartitionId>) {
        let turned = |route: Option<&Route>| route.is_none_or(|route| route.unturned == 0);
        self.ended(|routes| partitions.iter().all(|it| turned(routes.get(it)))).await;
    }

    async fn ended(&self, is_so: impl Fn(&HashMap<PartitionId, Route>) -> bool) {
        loop {
            let ended = self.0.ended.notified();
            let mut ended = std::pin::pin!(ended);
            // Registered before looking, or an end in between would be missed.
            ended.as_mut().enable();
            {
                if is_so(&self.0.state.lock().routes) {
                    return;
                }
            }
            ended.await;
        }
    }
}

impl Route {
    /// Whether a produce to `owner` may overtake one of these.
    fn differs(&self, owner: NodeId, epoch: i32) -> bool {
        self.lane != Some((owner, epoch))
    }
}

impl Turn {
    /// Waits until it has come.
    pub(super) async fn come(&mut self) {
        if let Some(before) = self.before.take() {
            // An error is a turn that was dropped, and that is how they end.
            let _ended = before.await;
        }
    }
}

impl Sent {
    /// The owner has answered, or cannot. What comes again is remembered before these produces end:
    /// whoever waits for that must know. Returned while some may yet be sent to a next owner.
    pub(super) fn answered(self, answer: &Result<ProduceResponse, HopError>) -> Option<Self> {
        let told = || answer.iter().flat_map(told);
        if told().filter(|(_, code)| !comes_again(*code)).count() >= self.batches.len() {
            return None;
        }
        let told: HashMap<_, _> = told().collect();
        let mut state = self.under_way.0.state.lock();
        for Routed { partition, sequence, leaving, .. } in &self.batches {
            // What an owner did not mention is unknown, and comes again too.
            let code = told.get(&(partition.topic.0, partition.index));
            let follows = *leaving && code == Some(&ErrorCode::NotLeaderOrFollower);
            let again = !follows && code.is_none_or(|code| comes_again(*code));
            if let Some(sequence) = sequence.filter(|_| again) {
                state.interrupted.fail(*partition, sequence);
            }
        }
        // An end takes the lock, too.
        drop(state);
        self.batches.iter().any(|batch| batch.leaving).then_some(self)
    }
}

/// What an owner says of each partition.
fn told(answer: &ProduceResponse) -> impl Iterator<Item = ((Uuid, i32), ErrorCode)> {
    answer.responses.iter().flat_map(|topic| {
        let told = topic.partition_responses.iter();
        told.map(|it| ((topic.topic_id, it.index), ErrorCode::from_code(it.error_code)))
    })
}

/// Of what owners answer to a produce, the codes upon which clients send it again.
fn comes_again(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower
            | ErrorCode::NotEnoughReplicas
            | ErrorCode::RequestTimedOut
            | ErrorCode::KafkaStorageError
            | ErrorCode::ConcurrentTransactions
    )
}

impl Drop for Sent {
    fn drop(&mut self) {
        let mut state = self.under_way.0.state.lock();
        for Routed { partition, turned, .. } in &self.batches {
            if let Some(route) = state.routes.get_mut(partition) {
                route.produces -= 1;
                route.unturned -= usize::from(!*turned);
                if route.produces == 0 {
                    state.routes.remove(partition);
                }
            }
        }
        drop(state);
        self.under_way.0.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker_ref;
    use protocol::batch::Sequence;
    use protocol::ids::{TenantId, TopicId};
    use protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};

    use super::*;

    fn partition(index: i32) -> PartitionId {
        PartitionId::new(TenantId::DEFAULT, TopicId::NIL, index)
    }

    fn batch(index: i32, first: i32) -> Routed {
        let sequence = Some(Sequence { producer_id: 7, epoch: 0, first, last: first });
        Routed {
            partition: partition(index),
            epoch: 5,
            sequence,
            packing: None,
            leaving: false,
            turned: false,
        }
    }

    fn answer(index: i32, code: ErrorCode) -> Result<ProduceResponse, HopError> {
        let partition = PartitionProduceResponse::default();
        let partition = partition.with_index(index).with_error_code(code.code());
        let topic = TopicProduceResponse::default().with_partition_responses(vec![partition]);
        Ok(ProduceResponse::default().with_responses(vec![topic]))
    }

    fn is_behind(under_way: &UnderWay, Routed { partition, sequence, .. }: Routed) -> bool {
        under_way.0.state.lock().interrupted.is_behind(partition, sequence.unwrap())
    }

    #[tokio::test]
    async fn a_partition_is_settled_once_its_last_produce_has_ended() {
        let under_way = UnderWay::default();
        let first = under_way.begin(Some(NodeId(1)), vec![batch(0, 0)]);
        let second = under_way.begin(Some(NodeId(1)), vec![batch(0, 1), batch(1, 0)]);
        let mut settled = Box::pin(under_way.settled(vec![partition(0)]));
        assert!(settled.as_mut().now_or_never().is_none());
        drop(first);
        assert!(settled.as_mut().now_or_never().is_none(), "the second is under way still");
        drop(second);
        settled.await;
        assert!(under_way.0.state.lock().routes.is_empty());
    }

    #[test]
    fn a_partition_has_moved_until_all_of_it_is_with_one_owner() {
        let under_way = UnderWay::default();
        let has_moved = || {
            let route = under_way.0.state.lock().routes.get(&partition(0)).copied();
            route.is_some_and(|route| route.differs(NodeId(1), 5))
        };
        let first = under_way.begin(Some(NodeId(1)), vec![batch(0, 0)]);
        assert!(!has_moved(), "it comes after what is in the same lane");
        let astray = under_way.begin(None, vec![batch(0, 1)]);
        assert!(has_moved(), "it may not come before what is in none");
        drop(first);
        assert!(has_moved());
        drop(astray);
        let elsewhere = under_way.begin(Some(NodeId(2)), vec![batch(0, 2)]);
        let here = under_way.begin(Some(NodeId(1)), vec![batch(0, 3)]);
        assert!(has_moved());
        drop((elsewhere, here));
        assert!(!has_moved());
    }

    #[test]
    fn a_batch_that_will_come_again_holds_up_those_behind_it() {
        let under_way = UnderWay::default();
        for (index, code, again) in [
            (0, ErrorCode::NotLeaderOrFollower, true),
            (1, ErrorCode::RequestTimedOut, true),
            (5, ErrorCode::ConcurrentTransactions, true),
            (2, ErrorCode::None, false),
            (3, ErrorCode::MessageTooLarge, false),
        ] {
            under_way.begin(Some(NodeId(1)), vec![batch(index, 4)]).answered(&answer(index, code));
            assert_eq!(is_behind(&under_way, batch(index, 5)), again, "{code}");
        }
        let lost = under_way.begin(Some(NodeId(1)), vec![batch(4, 4)]);
        lost.answered(&Err(HopError::Lost));
        assert!(is_behind(&under_way, batch(4, 5)));
        assert!(!is_behind(&under_way, batch(4, 4)), "it comes again");
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
