//! Storage nodes whose incarnation is over, and partitions that go to another node, as soon as the
//! view says so.
//!
//! ```text
//! n/D  Live ──► Fenced or Ended    calls under way there are lost: nobody waits for a stuck process
//!      Live(i) ──► Live(i+1)       it is back: the next call connects
//! p/*  A ──► B                     B is assigned it, and begins to serve when A has let go
//! ```
//!
//! In each case partitions will serve again soon, so for some time produces to them wait here
//! rather than in their clients' back-off ([`crate::route::produce`]). None of this is a
//! fence: what the old incarnation may still acknowledge is decided where its bytes are (R1).

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

/// What was last seen of a partition.
#[derive(Debug, Clone, Copy)]
struct SeenOwner {
    node: NodeId,
    /// When it was another node's. `None`: it never was, or this one serves since.
    since: Option<Instant>,
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

    /// Until when a produce waits for its partition to serve. `None` if there is no reason to.
    pub(crate) fn held_until(&self, partition: PartitionId, owner: &NodeRecord) -> Option<Instant> {
        // Both are looked at in any case: a change that nobody looks at would count later.
        let moved = self.moved_until(partition, owner.node);
        self.node_held_until(owner).max(moved)
    }

    /// The partitions serve where they are now: whatever comes next need not wait.
    pub(crate) fn served(&self, partitions: impl Iterator<Item = PartitionId>) {
        let mut seen = self.partitions.write();
        for partition in partitions {
            if let Some(seen) = seen.get_mut(&partition) {
                seen.since = None;
            }
        }
    }

    /// Until when a produce waits for the partitions of a node to serve again. `None` of a node that
    /// has been what its record says for longer.
    fn node_held_until(&self, record: &NodeRecord) -> Option<Instant> {
        let until = self.since(record)? + self.hold;
        (Instant::now() < until).then_some(until)
    }

    /// The same for a partition that was another node's a moment ago.
    fn moved_until(&self, partition: PartitionId, owner: NodeId) -> Option<Instant> {
        let seen = self.partitions.read().get(&partition).copied();
        let since = match seen {
            Some(seen) if seen.node == owner => seen.since?,
            seen => {
                let since = seen.map(|_| Instant::now());
                let mut partitions = self.partitions.write();
                if partitions.len() >= OWNERS_SEEN_MAX {
                    partitions.clear();
                }
                partitions.insert(partition, SeenOwner { node: owner, since });
                since?
            }
        };
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
