//! Failover: from "that node does not answer" to "its partitions may be claimed" (RELIABILITY §4.5).
//!
//! ```text
//! pings ──► first witness ──► second witness ──► brake ──► FENCED ──► a survivor drains ──► ENDED
//! [`detector`]                [`witness`]       [`brake`]  └───────── [`eviction`] ─────────┘
//! ```
//!
//! Safety rests on none of this: what a fenced node acknowledges is decided where its bytes are
//! (R1), every step may be repeated by anybody, and every change compares that this process leads
//! (R11). What is decided here is only *when*, and the cost of being wrong is a move. So a node goes
//! only when two see it gone, few nodes go at a time, and none while this process may be the one that
//! is cut off (R12). After the metadata store was away everybody gets some time to show up. After a
//! term began only those do whom this leader has not seen well yet, for they may be starting with
//! everything else; and meanwhile the second witness must be a node, for leases may have ended while
//! the store was away before this term.
//!
//! Once a node's incarnation has ended, [`crate::assign`] gives its partitions away as it does after
//! a clean stop.

mod brake;
mod config;
mod detector;
mod eviction;
mod front;
mod pings;
mod witness;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, future::BoxFuture};
use hop::Peers;
use metadata::ClusterView;
use metadata::model::{NodeRecord, NodeState};
use protocol::ids::NodeId;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

pub use self::config::FailoverConfig;

use self::brake::Brake;
use self::detector::Detector;
use self::eviction::{Evicted, Eviction};
pub(crate) use self::front::FrontReach;
use self::pings::{Pinged, ping};
use crate::guard::Guard;
use crate::limits::{METADATA_CHECK_INTERVAL, METADATA_CHECK_TIMEOUT};
use crate::metrics;

/// What failover works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) config: FailoverConfig,
    pub(crate) guard: Guard,
    pub(crate) view: ClusterView,
    pub(crate) peers: Peers,
}

/// One leader's watch over the nodes.
pub(crate) struct Failover {
    parts: Parts,
    detector: Detector,
    brake: Brake,
    /// Until then nobody is evicted: the metadata store was away.
    quiet_until: Instant,
    /// Until then nobody is who was not well in this term, and the metadata store is no witness.
    grace_until: Instant,
    metadata_is_away: bool,
    /// Nodes that a second witness is asked about, or that are being fenced.
    on_trial: BTreeSet<NodeId>,
    /// Logs that are being ended.
    ending: BTreeSet<String>,
    /// Suspects that were spoken of, so that each is spoken of once.
    told: BTreeSet<NodeId>,
}

/// The questions under way.
#[derive(Default)]
struct UnderWay {
    pings: FuturesUnordered<BoxFuture<'static, Pinged>>,
    trials: FuturesUnordered<BoxFuture<'static, (NodeId, Option<Fenced>)>>,
    endings: FuturesUnordered<BoxFuture<'static, (String, Evicted)>>,
}

/// A node that was fenced a moment ago.
type Fenced = Arc<NodeRecord>;

// === impl Failover ===

impl Failover {
    pub(crate) fn new(parts: Parts) -> Self {
        let now = Instant::now();
        let brake = Brake::new(parts.config.evictions_per_minute, parts.config.evictions_share);
        let nodes = parts.view.nodes();
        // What a leader before did a moment ago counts: leaders that come and go evict no more.
        for _ in nodes.iter().filter(|node| node.state == NodeState::Fenced) {
            brake.take(now, nodes.len());
        }
        Self {
            detector: Detector::new(parts.config.suspect_after),
            brake,
            quiet_until: now,
            grace_until: now + parts.config.grace,
            metadata_is_away: false,
            on_trial: BTreeSet::new(),
            ending: BTreeSet::new(),
            told: BTreeSet::new(),
            parts,
        }
    }

    /// Watches for as long as this process leads; whoever runs it ends it with the leadership.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(self.parts.config.ping_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut under_way = UnderWay::default();
        let mut check = check_metadata(self.parts.guard.clone()).boxed();
        loop {
            tokio::select! {
                _ = ticks.tick() => self.tick(&mut under_way),
                reachable = &mut check => {
                    self.metadata_answered(reachable);
                    check = check_metadata(self.parts.guard.clone()).boxed();
                }
                Some(pinged) = under_way.pings.next() => self.detector.hear(&pinged, Instant::now()),
                Some((node, fenced)) = under_way.trials.next() => {
                    self.on_trial.remove(&node);
                    if let Some(record) = fenced {
                        self.end(record, &mut under_way);
                    }
                }
                Some((log, evicted)) = under_way.endings.next() => {
                    self.ending.remove(&log);
                    tracing::info!(log, ?evicted, "a fenced incarnation is dealt with");
                }
            }
        }
    }

    /// Looks at the cluster, asks every live node, and acts on what is known.
    fn tick(&mut self, under_way: &mut UnderWay) {
        let now = Instant::now();
        let nodes = self.parts.view.nodes();
        let live: Vec<_> = nodes.iter().filter(|node| node.state == NodeState::Live).collect();
        self.detector.follow(now, live.iter().map(|node| (node.node, node.log_id.as_str())));
        for record in &live {
            under_way.pings.push(ping(&self.parts, Arc::clone(record)).boxed());
        }
        // Also those that a leader before fenced and did not see ended.
        for record in nodes.iter().filter(|node| node.state == NodeState::Fenced) {
            self.end(Arc::clone(record), under_way);
        }
        let suspects = self.detector.suspects(now);
        self.told.retain(|node| suspects.contains(node));
        let accused = live.iter().filter(|node| suspects.contains(&node.node));
        let mut held = 0;
        let mut waiting = 0;
        for record in accused {
            match self.sentence(record, live.len(), now) {
                Sentence::Try => self.accuse(record, under_way),
                Sentence::Held => held += 1,
                Sentence::Waits => waiting += 1,
                Sentence::NotYet => {}
            }
        }
        metrics::suspects(suspects.len(), held, waiting);
    }

    /// What to do about a node that does not answer us.
    fn sentence(&mut self, record: &NodeRecord, live: usize, now: Instant) -> Sentence {
        let node = record.node;
        if FrontReach::of(&record.front) == FrontReach::Own {
            self.tell_once(
                node,
                "only the node itself can drain its front: waiting for its restart",
            );
            return Sentence::Waits;
        }
        let nobody_left = self.detector.well(now).iter().all(|well| *well == node);
        let may_be_starting = now < self.grace_until && !self.detector.was_well(node);
        let is_quiet = now < self.quiet_until || self.metadata_is_away;
        if may_be_starting || is_quiet || nobody_left {
            self.tell_once(node, "not evicted yet: others must have time to show up first");
            return Sentence::NotYet;
        }
        if self.on_trial.contains(&node) {
            return Sentence::NotYet;
        }
        if !self.brake.allows(now, live) {
            self.tell_once(
                node,
                "NOT EVICTED: too many nodes went within a minute. Look at the \
                                  network between control and the nodes, then at the nodes",
            );
            return Sentence::Held;
        }
        Sentence::Try
    }

    fn tell_once(&mut self, node: NodeId, what: &'static str) {
        if self.told.insert(node) {
            tracing::warn!(%node, what, "a storage node does not answer");
        }
    }

    /// Asks a second witness and, if it agrees, fences.
    fn accuse(&mut self, record: &Arc<NodeRecord>, under_way: &mut UnderWay) {
        let node = record.node;
        self.on_trial.insert(node);
        let (parts, record) = (self.parts.clone(), Arc::clone(record));
        let witnesses = self.detector.well(Instant::now());
        let brake = self.brake.clone();
        let store_counts = Instant::now() >= self.grace_until;
        let trial = async move {
            if !witness::confirms(&parts, &record, &witnesses, store_counts).await {
                return (node, None);
            }
            // Counted here: a suspicion that nobody shares uses nothing up.
            if !brake.take(Instant::now(), parts.view.nodes().len()) {
                return (node, None);
            }
            (node, eviction::fence(&parts.guard, &record).await)
        };
        under_way.trials.push(trial.boxed());
    }

    /// Has a fenced incarnation ended, unless that is under way.
    fn end(&mut self, record: Arc<NodeRecord>, under_way: &mut UnderWay) {
        if FrontReach::of(&record.front) == FrontReach::Own
            || !self.ending.insert(record.log_id.clone())
        {
            return;
        }
        let log = record.log_id.clone();
        let suspects = self.detector.suspects(Instant::now());
        let ending = Eviction::new(self.parts.clone(), record, suspects).run();
        under_way.endings.push(ending.map(|evicted| (log, evicted)).boxed());
    }

    fn metadata_answered(&mut self, reachable: bool) {
        if reachable && self.metadata_is_away {
            tracing::warn!("the metadata store is back: no evictions until all nodes had time");
            self.quiet_until = Instant::now() + self.parts.config.grace;
        }
        self.metadata_is_away = !reachable;
    }
}

/// What becomes of a suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sentence {
    /// A second witness decides.
    Try,
    /// The brake is on.
    Held,
    /// Nobody but the node can end its incarnation.
    Waits,
    /// It is too early, or it is on trial already.
    NotYet,
}

/// Whether the metadata store answers, a little later.
async fn check_metadata(guard: Guard) -> bool {
    sleep(METADATA_CHECK_INTERVAL).await;
    matches!(timeout(METADATA_CHECK_TIMEOUT, guard.leads()).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests;
