//! Taking leave: a node that is told to stop says so, and serves on while control moves its
//! partitions to others one by one, as from a node that is drained. What it has not given away by
//! then goes all at once, when its log ends.
//!
//! Nobody has to take it back, as an operator's drain has to be: it is said with the sign of life, and
//! gone with it.

use std::sync::Arc;
use std::time::Duration;

use metadata::ClusterView;
use metadata::model::NodeLiveRecord;
use process::Drain;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::limits::FAREWELL_LOOK_PAUSE;
use crate::node::Node;
use crate::wal::FrontDescriptor;

/// What a node that may be told to stop needs to leave in order.
pub(crate) struct Farewell {
    pub(crate) view: ClusterView,
    /// What the node says of itself.
    pub(crate) word: watch::Sender<NodeLiveRecord>,
    /// The incarnation that serves.
    pub(crate) nodes: watch::Receiver<Arc<Node>>,
    /// How long it may take.
    pub(crate) patience: Duration,
}

// === impl Farewell ===

impl Farewell {
    /// Waits for `told`, takes leave, and begins the node's own drain; over when the node is.
    pub(crate) async fn take(self, told: Drain, drain: Drain) {
        tokio::select! {
            () = drain.draining() => return,
            () = told.draining() => {}
        }
        if !self.patience.is_zero() {
            tokio::select! {
                () = drain.draining() => {}
                () = self.give_away() => {}
            }
        }
        drain.begin();
    }

    /// Until nothing is left here, nobody is left to take it, or it takes too long.
    async fn give_away(&self) {
        let (started, had) = (Instant::now(), self.left());
        self.word.send_modify(|word| word.is_leaving = true);
        while self.left() > 0 && self.somebody_takes() && started.elapsed() < self.patience {
            tokio::time::sleep(FAREWELL_LOOK_PAUSE).await;
        }
        tracing::info!(had, left = self.left(), took = ?started.elapsed(), "partitions given away");
    }

    /// Partitions that are assigned to it or that it still serves, whichever are more.
    fn left(&self) -> usize {
        let node = self.nodes.borrow();
        self.view.assigned_to(node.id()).len().max(node.partitions().len())
    }

    /// Whether there is a node that its partitions can go to: when a whole cluster stops, there is
    /// none.
    fn somebody_takes(&self) -> bool {
        let own = self.nodes.borrow().id();
        let is_object = |front: &str| matches!(front.parse(), Ok(FrontDescriptor::Object));
        let Some(kind) = self.view.node(own).map(|record| is_object(&record.front)) else {
            return false;
        };
        self.view.nodes().iter().any(|other| {
            other.node != own
                && is_object(&other.front) == kind
                && self.view.node_is_up(other.node)
                && !self.view.node_is_leaving(other.node)
        })
    }
}
