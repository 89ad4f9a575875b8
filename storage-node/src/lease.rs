//! Registration: the node's record and the sign that its process is up.
//!
//! `n/{node}` says which incarnation there is and whether its log has ended; it changes by
//! compare-and-swap only. `nl/{node}` hangs on a lease and is a hint for membership: nothing
//! depends on its timing (R5), and losing it takes nothing from this node.

use std::sync::Arc;
use std::time::Duration;

use metadata::keys::Key;
use metadata::model::{DecodeError, NodeLiveRecord, NodeRecord, NodeState, Record};
use metadata::{LeaseId, MetadataError, MetadataStore, Txn, TxnOutcome};
use process::Drain;
use protocol::ids::NodeId;
use thiserror::Error;
use tokio::sync::watch;

/// Why the node's record could not be written.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// Somebody else changed it: two processes run as this node, or control fenced it.
    #[error("the record of node {node} was changed by another process")]
    Taken {
        /// The node.
        node: NodeId,
    },
    /// It is not readable by this version.
    #[error("the record of node {node} is unreadable: {cause}")]
    Unreadable {
        /// The node.
        node: NodeId,
        /// Why.
        cause: DecodeError,
    },
    /// The metadata store failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// The record of a node at one revision; the only way to change it.
#[derive(Debug)]
pub(crate) struct Registration {
    node: NodeId,
    record: Option<NodeRecord>,
    mod_revision: i64,
}

impl Registration {
    /// Reads what the cluster knows of this node.
    pub(crate) async fn read(
        metadata: &dyn MetadataStore,
        node: NodeId,
    ) -> Result<Self, RegisterError> {
        let Some(entry) = metadata.get(&Key::Node(node).to_string()).await? else {
            return Ok(Self { node, record: None, mod_revision: 0 });
        };
        let record = NodeRecord::decode(&entry.value)
            .map_err(|cause| RegisterError::Unreadable { node, cause })?;
        Ok(Self { node, record: Some(record), mod_revision: entry.mod_revision })
    }

    /// The record as it was last read or written.
    pub(crate) fn record(&self) -> Option<&NodeRecord> {
        self.record.as_ref()
    }

    /// Of the record: while it is this, the record is unchanged.
    pub(crate) fn mod_revision(&self) -> i64 {
        self.mod_revision
    }

    /// The number of the next incarnation.
    pub(crate) fn next_incarnation(&self) -> u64 {
        self.record.as_ref().map_or(1, |record| record.incarnation + 1)
    }

    /// Replaces the record, if it is still the one that was read.
    pub(crate) async fn write(
        &mut self,
        metadata: &dyn MetadataStore,
        record: NodeRecord,
    ) -> Result<(), RegisterError> {
        let key = Key::Node(self.node).to_string();
        let txn = Txn::new().when_mod(&key, self.mod_revision).put(&key, record.encode());
        match metadata.txn(txn).await {
            Ok(TxnOutcome::Committed { revision }) => {
                (self.record, self.mod_revision) = (Some(record), revision);
                Ok(())
            }
            // Unknown: ours if it reads back as ours, for the log id in it is unique.
            Ok(TxnOutcome::Conflict) | Err(MetadataError::Unknown(_)) => {
                let now = Self::read(metadata, self.node).await?;
                if now.record.as_ref() != Some(&record) {
                    return Err(RegisterError::Taken { node: self.node });
                }
                *self = now;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the record of an incarnation whose log has ended. Somebody else may be ending it as
    /// well and move its state on meanwhile: that changes nothing, for a log ends once.
    pub(crate) async fn succeed(
        &mut self,
        metadata: &dyn MetadataStore,
        record: NodeRecord,
    ) -> Result<(), RegisterError> {
        let over = self.record.as_ref().map(|record| record.log_id.clone());
        loop {
            match self.write(metadata, record.clone()).await {
                Err(RegisterError::Taken { node }) => {
                    let now = Self::read(metadata, node).await?;
                    if now.record.as_ref().map(|record| &record.log_id) != over.as_ref() {
                        return Err(RegisterError::Taken { node });
                    }
                    *self = now;
                }
                written => return written,
            }
        }
    }

    /// Says that the incarnation's log has ended: its partitions may be claimed by others.
    pub(crate) async fn end(&mut self, metadata: &dyn MetadataStore) -> Result<(), RegisterError> {
        let record = self.record.clone().expect("an incarnation has registered");
        self.succeed(metadata, NodeRecord { state: NodeState::Ended, ..record }).await
    }
}

/// Keeps the sign of life up, with what the node says of itself, until the drain begins; then takes
/// it down.
pub(crate) async fn keep_alive(
    metadata: Arc<dyn MetadataStore>,
    node: NodeId,
    ttl: Duration,
    mut word: watch::Receiver<NodeLiveRecord>,
    drain: Drain,
) {
    let mut lease = None;
    let mut said = None;
    loop {
        let say = *word.borrow_and_update();
        let is_said = lease.is_some() && said == Some(say);
        match renew(&*metadata, node, ttl, say, lease, is_said).await {
            Ok(renewed) => (lease, said) = (Some(renewed), Some(say)),
            Err(MetadataError::LeaseGone(_)) => {
                lease = None;
                continue;
            }
            // Produce and fetch go on without the metadata store (R10).
            Err(error) => tracing::warn!(%error, "liveness lease is not renewed"),
        }
        tokio::select! {
            () = drain.draining() => break,
            Ok(()) = word.changed() => {}
            () = tokio::time::sleep(ttl / 3) => {}
        }
    }
    if let Some(lease) = lease
        && let Err(error) = metadata.revoke_lease(lease).await
    {
        tracing::info!(%error, "liveness lease is left to expire");
    }
}

async fn renew(
    metadata: &dyn MetadataStore,
    node: NodeId,
    ttl: Duration,
    say: NodeLiveRecord,
    lease: Option<LeaseId>,
    is_said: bool,
) -> Result<LeaseId, MetadataError> {
    let lease = match lease {
        Some(lease) => {
            metadata.keep_alive(lease).await?;
            lease
        }
        None => metadata.grant_lease(ttl).await?,
    };
    if !is_said {
        let key = Key::NodeLive(node).to_string();
        let outcome = metadata.txn(Txn::new().put_leased(key, say.encode(), lease)).await?;
        debug_assert_ne!(outcome, TxnOutcome::Conflict, "nothing is compared");
    }
    Ok(lease)
}
