//! The promise of a node whose log is on a volume that others can attach (R4): up to when it may
//! acknowledge without asking.
//!
//! ```text
//!   before sending          committed                                 deadline
//!   ├───────────────────────────┼──────────────────────────────────────────┤ = before sending + T
//!   if n/{node} is unchanged: put np/{node}      acknowledge what is durable │ hold it back
//!
//!   a survivor:     n/{node} LIVE → FENCED ──── waits 1.02 T + 200 ms ──── reads the volume
//! ```
//!
//! A volume that is attached elsewhere does not stop a process that still has it open, so what is
//! durable proves nothing by itself (R1). The renewal is a transaction and not a lease: leases may
//! end early or late (R5), while a renewal that commits was sent before the fence, so its deadline
//! lies before the reading begins. The deadline counts time since boot, which goes on while the
//! machine sleeps. It is looked at after the bytes are durable and before anybody is told.
//!
//! Expired is no end: the metadata store was away, what is durable waits. Lost is: the record says
//! that this incarnation is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use metadata::keys::Key;
use metadata::model::{NodeRecord, NodeState, Record};
use metadata::{MetadataError, MetadataStore, Txn, TxnOutcome};
use process::Clock;
use tokio::sync::watch;

use crate::limits::{PROMISE_LIFE, PROMISE_RENEWALS};
use crate::wal::{FrontState, Promise, PromiseState};

/// See the module. Shared by the front, which asks, and the renewal, which extends.
#[derive(Debug)]
pub(crate) struct NodePromise {
    clock: Clock,
    /// Milliseconds since boot; 0 before the first renewal.
    deadline_ms: AtomicU64,
    lost: AtomicBool,
}

impl Promise for NodePromise {
    fn state(&self) -> PromiseState {
        if self.lost.load(Ordering::Acquire) {
            return PromiseState::Lost;
        }
        if millis(self.clock.since_boot()) < self.deadline_ms.load(Ordering::Acquire) {
            PromiseState::Held
        } else {
            PromiseState::Expired
        }
    }
}

impl NodePromise {
    /// A promise that was not given yet.
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, deadline_ms: AtomicU64::new(0), lost: AtomicBool::new(false) })
    }

    fn extend(&self, deadline: Duration) {
        self.deadline_ms.fetch_max(millis(deadline), Ordering::AcqRel);
    }

    fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }
}

/// Rounds down: a deadline may come early, never late.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Renews one incarnation's promise.
pub(crate) struct Renewal {
    promise: Arc<NodePromise>,
    metadata: Arc<dyn MetadataStore>,
    /// The LIVE record of this incarnation.
    record: NodeRecord,
    mod_revision: i64,
}

impl Renewal {
    pub(crate) fn new(
        promise: Arc<NodePromise>,
        metadata: Arc<dyn MetadataStore>,
        record: NodeRecord,
        mod_revision: i64,
    ) -> Self {
        Self { promise, metadata, record, mod_revision }
    }

    /// Renews until the front is sealed or has failed, or the promise is lost: also while the
    /// process drains, because the last batches wait for it too.
    pub(crate) async fn run(mut self, mut front: watch::Receiver<FrontState>) {
        let mut ticks = tokio::time::interval(PROMISE_LIFE / PROMISE_RENEWALS);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _over = front.wait_for(|state| *state != FrontState::Open) => return,
                _ = ticks.tick() => {}
            }
            // One that hangs must not keep the next from being sent.
            let renewed = tokio::time::timeout(PROMISE_LIFE / 2, self.renew()).await;
            match renewed {
                Ok(Ok(PromiseState::Lost)) => {
                    tracing::error!(node = %self.record.node, "fenced: the promise is lost");
                    return;
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the promise is not renewed"),
                Err(_late) => tracing::warn!("the metadata store is late, the promise runs out"),
            }
        }
    }

    /// One renewal.
    async fn renew(&mut self) -> Result<PromiseState, MetadataError> {
        // Before sending: whatever the way there and back takes counts against us.
        let deadline = self.promise.clock.since_boot() + PROMISE_LIFE;
        let (node, kept) = (Key::Node(self.record.node), Key::NodePromise(self.record.node));
        let value = self.record.log_id.clone().into_bytes();
        let txn = Txn::new().when_mod(node, self.mod_revision).put(kept, value);
        match self.metadata.txn(txn).await? {
            TxnOutcome::Committed { .. } => self.promise.extend(deadline),
            TxnOutcome::Conflict => self.look_again().await?,
        }
        Ok(self.promise.state())
    }

    /// The record has changed: fenced, unless it still says what it said.
    async fn look_again(&mut self) -> Result<(), MetadataError> {
        let entry = self.metadata.get(&Key::Node(self.record.node).to_string()).await?;
        let live = entry.and_then(|entry| {
            let record = NodeRecord::decode(&entry.value).ok()?;
            let ours = record.log_id == self.record.log_id && record.state == NodeState::Live;
            ours.then_some(entry.mod_revision)
        });
        match live {
            Some(mod_revision) => self.mod_revision = mod_revision,
            None => self.promise.lose(),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
