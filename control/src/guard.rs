//! Transactions of one leader: each compares that it still leads (R11).

use std::sync::Arc;

use metadata::{MetadataError, MetadataStore, Txn, TxnOutcome, keys::Key};

use crate::metrics;

/// The metadata store, as one term's leader writes to it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Guard {
    metadata: Arc<dyn MetadataStore>,
    /// When this leader's `c/leader` came into being: the term.
    term: i64,
}

/// Why a leader's transaction was not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuardError {
    /// Somebody else leads, or nobody.
    #[error("this process does not lead any more")]
    Superseded,
    /// Another of its compares failed.
    #[error("the metadata changed meanwhile")]
    Conflict,
    /// The store failed; with an unknown outcome the change may still be there.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl Guard {
    pub(crate) fn new(metadata: Arc<dyn MetadataStore>, term: i64) -> Self {
        Self { metadata, term }
    }

    /// The store, for reads.
    pub(crate) fn metadata(&self) -> &dyn MetadataStore {
        &*self.metadata
    }

    /// Applies a transaction if this leader still leads. Returns its revision.
    pub(crate) async fn commit(&self, txn: Txn) -> Result<i64, GuardError> {
        let guarded = match process::mutation::on("R11") {
            true => txn,
            false => txn.when_created(Key::Leader, self.term),
        };
        match self.metadata.txn(guarded).await? {
            TxnOutcome::Committed { revision } => Ok(revision),
            TxnOutcome::Conflict => Err(self.conflict().await?),
        }
    }

    /// Whether this leader still led, a moment ago.
    pub(crate) async fn leads(&self) -> Result<bool, MetadataError> {
        let leader = self.metadata.get(&Key::Leader.to_string()).await?;
        Ok(leader.is_some_and(|entry| entry.create_revision == self.term))
    }

    async fn conflict(&self) -> Result<GuardError, MetadataError> {
        if self.leads().await? {
            return Ok(GuardError::Conflict);
        }
        metrics::superseded();
        Ok(GuardError::Superseded)
    }
}
