//! Evicting one incarnation: Live, Fenced, drained by a survivor, Ended.
//!
//! ```text
//! n/D  Live ──CAS──► Fenced ──wait out the promise (R4)──► survivor: seal, drain, END ──CAS──► Ended
//! ```
//!
//! Only the first and the last step change metadata, both by compare-and-swap on the record and on
//! this leadership (R11). In between nothing is remembered: a leader that finds a record Fenced goes
//! on from there, and a node that comes back meanwhile ends its old incarnation itself.

use std::sync::Arc;
use std::time::Duration;

use hop::HopHeader;
use hop::internal::EndIncarnationRequest;
use metadata::keys::Key;
use metadata::model::{NodeRecord, NodeState, Record};
use metadata::{MetadataError, Txn};
use protocol::ids::{NodeId, TenantId};
use tokio::time::{Instant, sleep};

use super::Parts;
use super::front::FrontReach;
use crate::guard::{Guard, GuardError};
use crate::limits::{DRAIN_RETRY_MAX, DRAIN_RETRY_MIN, PROMISE_WAIT, RETRY_PAUSE};
use crate::metrics;

/// How an eviction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evicted {
    /// The record says Ended: the partitions may be given away.
    Ended,
    /// The node came back first, as another incarnation.
    Returned,
    /// This process does not lead any more.
    Superseded,
}

/// One fenced incarnation on its way to its end.
pub(super) struct Eviction {
    parts: Parts,
    record: Arc<NodeRecord>,
    /// Nodes that do not answer either: the last to be asked.
    suspects: Vec<NodeId>,
    began: Instant,
}

/// Fences the incarnation if it is still the one that was suspected, and live. The new record.
pub(super) async fn fence(guard: &Guard, suspect: &NodeRecord) -> Option<Arc<NodeRecord>> {
    let node = suspect.node;
    match advance(guard, suspect, NodeState::Live, NodeState::Fenced).await {
        Ok(Some(record)) => {
            metrics::evicted();
            tracing::warn!(%node, log = record.log_id, "storage node fenced: two witnesses");
            Some(Arc::new(record))
        }
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(%node, %error, "storage node is not fenced");
            None
        }
    }
}

/// Moves the record of `incarnation` on, if it still is in state `from`.
async fn advance(
    guard: &Guard,
    incarnation: &NodeRecord,
    from: NodeState,
    to: NodeState,
) -> Result<Option<NodeRecord>, GuardError> {
    let key = Key::Node(incarnation.node);
    let Some(entry) = guard.metadata().get(&key.to_string()).await? else { return Ok(None) };
    let unreadable = |error| MetadataError::Refused(format!("`{}`: {error}", entry.key));
    let record = NodeRecord::decode(&entry.value).map_err(unreadable)?;
    if record.log_id != incarnation.log_id || record.state != from {
        return Ok(None);
    }
    let record = NodeRecord { state: to, ..record };
    let txn = Txn::new().when_mod(key, entry.mod_revision).put(key, record.encode());
    guard.commit(txn).await.map(|_| Some(record))
}

// === impl Eviction ===

impl Eviction {
    pub(super) fn new(parts: Parts, record: Arc<NodeRecord>, suspects: Vec<NodeId>) -> Self {
        Self { parts, record, suspects, began: Instant::now() }
    }

    /// Goes on until the record says Ended or somebody else moved it on. Repeats what fails, for
    /// ever: nobody else will, and the partitions wait.
    pub(super) async fn run(self) -> Evicted {
        if FrontReach::of(&self.record.front) == FrontReach::SharedVolume {
            // A leader before may have waited already; nobody knows.
            sleep(PROMISE_WAIT).await;
        }
        if !self.drained().await {
            return Evicted::Returned;
        }
        loop {
            let ended =
                advance(&self.parts.guard, &self.record, NodeState::Fenced, NodeState::Ended);
            match ended.await {
                Ok(Some(_)) => {
                    metrics::failed_over(self.began.elapsed());
                    return Evicted::Ended;
                }
                Ok(None) => return Evicted::Returned,
                Err(GuardError::Superseded) => return Evicted::Superseded,
                Err(error) => {
                    tracing::warn!(node = %self.record.node, %error, "end is not recorded yet");
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Asks one node after the other. False if the incarnation is not fenced any more.
    async fn drained(&self) -> bool {
        let mut pause = DRAIN_RETRY_MIN;
        loop {
            for survivor in self.survivors() {
                if !self.is_fenced() {
                    return false;
                }
                if self.ask(survivor).await {
                    return true;
                }
            }
            if !self.is_fenced() {
                return false;
            }
            sleep(pause).await;
            pause = (pause * 2).min(DRAIN_RETRY_MAX);
        }
    }

    /// Nodes that seem up, those with the least to do first. Of nodes that went together some may
    /// still seem so.
    fn survivors(&self) -> Vec<NodeId> {
        let view = &self.parts.view;
        let nodes = view.nodes().into_iter().map(|record| record.node);
        let up = nodes.filter(|node| *node != self.record.node && view.node_is_up(*node));
        let (suspects, mut survivors): (Vec<_>, Vec<_>) =
            up.partition(|node| self.suspects.contains(node));
        survivors.sort_by_key(|node| (view.assigned_to(*node).len(), *node));
        // Several incarnations that end at once are spread over the survivors.
        let turn = usize::try_from(self.record.node.0).unwrap_or(0);
        let turn = turn % survivors.len().max(1);
        survivors.rotate_left(turn);
        survivors.extend(suspects);
        survivors
    }

    /// What the view shows of a moment ago: a node that came back stops this.
    fn is_fenced(&self) -> bool {
        self.parts.view.node(self.record.node).is_none_or(|now| now.log_id == self.record.log_id)
    }

    async fn ask(&self, survivor: NodeId) -> bool {
        let Some(peer) = self.parts.view.node(survivor) else { return false };
        let header = HopHeader::internal(TenantId::SYSTEM, self.parts.config.drain_patience);
        let request = EndIncarnationRequest {
            log_id: self.record.log_id.clone(),
            front: self.record.front.clone(),
        };
        let (node, log) = (self.record.node, &self.record.log_id);
        match self.parts.peers.peer(&peer.address).ask(header, request).await {
            Ok(answer) if answer.error_code == 0 => {
                let took: Duration = self.began.elapsed();
                tracing::info!(%node, log, %survivor, ?took, "incarnation drained and ended");
                true
            }
            Ok(answer) => {
                let code = answer.error_code;
                tracing::warn!(%node, log, %survivor, code, "incarnation is not ended yet");
                false
            }
            Err(error) => {
                tracing::warn!(%node, log, %survivor, %error, "incarnation is not ended yet");
                false
            }
        }
    }
}
