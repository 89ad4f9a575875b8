//! Storage nodes whose incarnation is over, and partitions that go to another node, as soon as the
//! view says so.
//!
//! ```text
//! n/D  Live ──► Fenced or Ended    calls under way there are lost: nobody waits for a stuck process
//!      Live(i) ──► Live(i+1)       it is back: the next call connects
//! p/*  A ──► B                     B is assigned it; A serves until next to nothing is left to upload
//!      A refuses                   it has let go, and B begins to serve
//! ```
//!
//! In each case partitions will serve again soon, so for some time produces to them wait here
//! rather than in their clients' back-off ([`crate::route::produce`]). While a partition moves, A is
//! still sent what is produced: a move is a hundred times longer than what nobody serves of it. None
//! of this is a fence: what the old incarnation may still acknowledge is decided where its bytes are
//! (R1).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hop::Peers;
use metadata::ClusterView;
use metadata::model::{NodeRecord, NodeState};
use parking_lot::RwLock;
use process::Drain;
use protocol::ids::{NodeId, PartitionId};
use tokio::time::Instant;

use crate::context::{Owner, is_live};
use crate::limits::OWNERS_SEEN_MAX;
use crate::metrics;

/// When nodes, and the owners of partitions, were last seen to change. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Takeovers {
    hold: Duration,
    nodes: Arc<RwLock<HashMap<NodeId, Seen>>>,
    /// Of the partitions that were produced to.
    partitions: Arc<RwLock<HashMap<PartitionId, SeenOwner>>>,
}

/// Where a produce goes.
#[derive(Debug)]
pub(crate) enum Place {
    /// To the owner.
    Owner,
    /// To the one before: the owner has not taken the partition yet, as far as is known.
    Before(Owner),
    /// To the owner as soon as that serves, until then at the latest: the one before has let go.
    Next(Instant),
    /// It waits until then, with all that comes after it: the owner's node has just gone or come.
    Nowhere(Instant),
}

/// Who had a partition before, and in which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Before {
    node: NodeId,
    epoch: i32,
}

/// What was last seen of a partition.
#[derive(Debug, Clone, Copy)]
struct SeenOwner {
    node: NodeId,
    epoch: i32,
    phase: Phase,
}

/// How far a partition is on its way to its owner.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// It was never another's, or this one serves since.
    There,
    /// The node before serves.
    Leaving(Before),
    /// That one has let go.
    Left(Instant),
}

/// What was last seen of a node.
#[derive(Debug, Clone, Copy)]
struct Seen {
    incarnation: u64,
    state: NodeState,
    /// `None`: it was so from the beginning.
    since: Option<Instant>,
}

/// Follows the nodes' records.
pub(crate) struct Follower {
    takeovers: Takeovers,
    view: ClusterView,
    peers: Peers,
    nodes: HashMap<NodeId, Arc<NodeRecord>>,
}

// === impl Takeovers ===

impl Takeovers {
    /// Produces are held for `hold` after a node's change.
    pub(crate) fn new(hold: Duration) -> Self {
        Self { hold, nodes: Arc::default(), partitions: Arc::default() }
    }

    /// Where a produce goes whose partition is `owner`'s.
    pub(crate) fn place(&self, partition: PartitionId, owner: &Owner, view: &ClusterView) -> Place {
        // Both are looked at in any case: a change that nobody looks at would count later.
        let phase = self.phase(partition, owner);
        let held = self.node_held_until(&owner.0);
        let next = |since| held.max(self.until(since)).map(Place::Next);
        let place = match phase {
            Phase::There => held.map(Place::Nowhere),
            Phase::Left(since) => next(since),
            Phase::Leaving(before) => {
                match view.node(before.node).map(|node| (node, before.epoch)) {
                    Some(owner) if is_live(&owner) => Some(Place::Before(owner)),
                    _ => next(self.left(partition)),
                }
            }
        };
        place.unwrap_or(Place::Owner)
    }

    /// How long a request may wait.
    pub(crate) fn hold(&self) -> Duration {
        self.hold
    }

    /// The node before serves the partition no more. Since when that is known.
    pub(crate) fn left(&self, partition: PartitionId) -> Instant {
        let now = Instant::now();
        let mut seen = self.partitions.write();
        let Some(seen) = seen.get_mut(&partition) else { return now };
        match seen.phase {
            Phase::Left(since) => since,
            Phase::There => now,
            Phase::Leaving(_) => {
                seen.phase = Phase::Left(now);
                now
            }
        }
    }

    /// These nodes have said that they serve these partitions: whatever comes next need not wait.
    pub(crate) fn served(
        &self,
        partitions: impl IntoIterator<Item = (PartitionId, NodeId)>,
        view: &ClusterView,
    ) {
        for (partition, node) in partitions {
            // It may have moved on meanwhile.
            if let Some((_, epoch)) = view.owner(partition).filter(|(owner, _)| owner.node == node)
            {
                self.saw(partition, SeenOwner { node, epoch, phase: Phase::There });
            }
        }
    }

    /// Until when a produce waits for the partitions of a node to serve again. `None` of a node that
    /// has been what its record says for longer.
    fn node_held_until(&self, record: &NodeRecord) -> Option<Instant> {
        self.until(self.since(record)?)
    }

    fn phase(&self, partition: PartitionId, owner: &Owner) -> Phase {
        let (node, epoch) = (owner.0.node, owner.1);
        let seen = self.partitions.read().get(&partition).copied();
        if let Some(seen) = seen.filter(|seen| (seen.node, seen.epoch) == (node, epoch)) {
            return seen.phase;
        }
        let phase = match seen {
            None => Phase::There,
            // It claimed the partition, or began another incarnation.
            Some(seen) if seen.node == node => seen.phase,
            // Whoever serves goes on, wherever the partition goes next.
            Some(SeenOwner { phase: leaving @ Phase::Leaving(_), .. }) => leaving,
            Some(SeenOwner { node, epoch, .. }) => Phase::Leaving(Before { node, epoch }),
        };
        self.saw(partition, SeenOwner { node, epoch, phase });
        phase
    }

    fn saw(&self, partition: PartitionId, owner: SeenOwner) {
        let mut partitions = self.partitions.write();
        if partitions.len() >= OWNERS_SEEN_MAX {
            partitions.clear();
        }
        partitions.insert(partition, owner);
    }

    fn until(&self, since: Instant) -> Option<Instant> {
        let until = since + self.hold;
        (Instant::now() < until).then_some(until)
    }

    /// Since when the record says what it says, as far as was seen.
    fn since(&self, record: &NodeRecord) -> Option<Instant> {
        let same =
            |seen: &Seen| (seen.incarnation, seen.state) == (record.incarnation, record.state);
        if let Some(seen) = self.nodes.read().get(&record.node).filter(|seen| same(seen)) {
            return seen.since;
        }
        let mut nodes = self.nodes.write();
        let before = nodes.get(&record.node);
        if let Some(seen) = before.filter(|seen| same(seen)) {
            return seen.since;
        }
        let since = before.is_some().then(Instant::now);
        let (incarnation, state) = (record.incarnation, record.state);
        nodes.insert(record.node, Seen { incarnation, state, since });
        since
    }
}

// === impl Follower ===

impl Follower {
    pub(crate) fn new(takeovers: Takeovers, view: ClusterView, peers: Peers) -> Self {
        let mut follower = Self { takeovers, view, peers, nodes: HashMap::new() };
        follower.look();
        follower
    }

    /// Runs until the drain begins.
    pub(crate) async fn run(mut self, drain: Drain) {
        let mut changed = self.view.changed();
        loop {
            tokio::select! {
                () = drain.draining() => return,
                _ = changed.changed() => self.look(),
            }
        }
    }

    fn look(&mut self) {
        for record in self.view.nodes() {
            // Whoever sees a change first, this or a produce, its time begins then.
            self.takeovers.since(&record);
            let before = self.nodes.get(&record.node);
            if before.is_some_and(|before| *before != record) {
                self.heed(&record);
            }
            self.nodes.insert(record.node, record);
        }
    }

    fn heed(&self, record: &NodeRecord) {
        let peer = self.peers.peer(&record.address);
        if record.state == NodeState::Live {
            peer.end_pause();
        } else {
            metrics::node_given_up();
            peer.disconnect();
        }
    }
}
