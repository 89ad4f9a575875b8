//! Who leads: the process whose lease holds `c/leader`.
//!
//! The lease makes a dead leader go away and nothing else (R5). What makes a live one harmless
//! after it was succeeded is that all its transactions compare the key's create_revision, and
//! that its appends to the metadata log collide (R11).
//!
//! ```text
//! Candidate => Leading     put c/leader if absent, with a lease
//! Leading => Candidate     lease gone, a compare failed, or the process drains
//! ```

use std::{sync::Arc, time::Duration};

use metadata::{
    ClusterView, Entry, LeaseId, MetadataError, MetadataStore, Txn, TxnOutcome,
    keys::Key,
    model::{LeaderRecord, Record},
};
use process::Drain;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::limits::{CANDIDATE_PAUSE, RETRY_PAUSE, VACANCY_PAUSE};

/// One process's wish to lead.
pub(crate) struct Candidate {
    pub(crate) metadata: Arc<dyn MetadataStore>,
    pub(crate) view: ClusterView,
    pub(crate) record: LeaderRecord,
    pub(crate) ttl: Duration,
    pub(crate) drain: Drain,
    /// Until the first success: what then holds our name is our own dead predecessor.
    pub(crate) has_led: bool,
}

/// The right to lead, while it lasts.
pub(crate) struct Leadership {
    /// The create_revision of `c/leader`: names the term.
    pub(crate) term: i64,
    lease: LeaseId,
    lost: CancellationToken,
}

// === impl Candidate ===

impl Candidate {
    /// Waits until this process leads.
    pub(crate) async fn win(&mut self) -> Leadership {
        loop {
            match self.try_win().await {
                Ok(Some(leadership)) => {
                    self.has_led = true;
                    self.keep(&leadership);
                    return leadership;
                }
                Ok(None) => self.wait_for_change().await,
                Err(error) => {
                    tracing::warn!(%error, "cannot stand for election");
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    async fn try_win(&self) -> Result<Option<Leadership>, MetadataError> {
        if let Some(holder) = self.metadata.get(&Key::Leader.to_string()).await?
            && !self.evict_predecessor(&holder).await?
        {
            return Ok(None);
        }
        let lease = self.metadata.grant_lease(self.ttl).await?;
        let txn = Txn::new().when_absent(Key::Leader).put_leased(
            Key::Leader,
            self.record.encode(),
            lease,
        );
        match self.metadata.txn(txn).await {
            Ok(TxnOutcome::Committed { revision }) => {
                Ok(Some(Leadership { term: revision, lease, lost: CancellationToken::new() }))
            }
            // Also after an unknown outcome: without its lease the key goes away.
            refused => {
                self.metadata.revoke_lease(lease).await?;
                refused.map(|_| None)
            }
        }
    }

    /// Removes the key of an earlier life of this process, so that a restart does not wait for
    /// its lease. False if somebody else leads.
    async fn evict_predecessor(&self, holder: &Entry) -> Result<bool, MetadataError> {
        let record = LeaderRecord::decode(&holder.value);
        let is_ours = record.is_ok_and(|record| record.control_id == self.record.control_id);
        if !is_ours {
            return Ok(false);
        }
        if self.has_led {
            // We are alive and this is not our lease: two processes have one name.
            tracing::error!(control_id = self.record.control_id, "another process has this id");
            return Ok(false);
        }
        let txn = Txn::new().when_created(Key::Leader, holder.create_revision).delete(Key::Leader);
        Ok(self.metadata.txn(txn).await?.is_committed())
    }

    async fn wait_for_change(&self) {
        let mut changed = self.view.changed();
        let vacant = changed.wait_for(|_| self.view.leader().is_none());
        // The view is a hint: look by ourselves from time to time.
        let _ = timeout(CANDIDATE_PAUSE, vacant).await;
        sleep(VACANCY_PAUSE).await;
    }

    /// Keeps the lease in a task of its own: a busy leader must not look dead.
    fn keep(&self, leadership: &Leadership) {
        let keeping = keep(
            Arc::clone(&self.metadata),
            leadership.lease,
            self.ttl / 3,
            leadership.lost.clone(),
        );
        self.drain.spawn("control leadership", keeping);
    }
}

async fn keep(
    metadata: Arc<dyn MetadataStore>,
    lease: LeaseId,
    interval: Duration,
    lost: CancellationToken,
) {
    loop {
        tokio::select! {
            () = lost.cancelled() => return,
            () = sleep(interval) => {}
        }
        match metadata.keep_alive(lease).await {
            Ok(()) => {}
            Err(MetadataError::LeaseGone(_)) => {
                tracing::warn!("leadership lost: its lease has ended");
                lost.cancel();
            }
            Err(error) => tracing::warn!(%error, "leadership is not renewed"),
        }
    }
}

// === impl Leadership ===

impl Leadership {
    /// Resolves when the lease is known to be gone.
    pub(crate) fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        self.lost.clone().cancelled_owned()
    }

    /// Gives the right up, so that the next leader need not wait.
    pub(crate) async fn resign(self, metadata: &dyn MetadataStore) {
        self.lost.cancel();
        if let Err(error) = metadata.revoke_lease(self.lease).await {
            tracing::info!(%error, "leadership is left to expire");
        }
    }
}

#[cfg(test)]
mod tests;
