//! Start after a crash: ending what the previous incarnation of this node left behind.
//!
//! The same path as a forced failover ([`crate::ending`]), with the node itself as drainer. Nothing
//! is served before it is done, and what is served afterwards belongs to a new incarnation. A
//! survivor may be ending the same incarnation meanwhile, or may have done so: both are harmless,
//! and the file is then no more than space to be used again.

use std::sync::Arc;

use metadata::MetadataError;
use metadata::model::{NodeRecord, NodeState};
use protocol::ids::NodeId;
use segment::seqlog::EndReason;
use segment::{LogId, Store};
use thiserror::Error;

use crate::config::{WalConfig, WalKind};
use crate::ending::{EndError, end_incarnation, has_ended};
use crate::limits::END_RETRY_PAUSE;
use crate::wal::{self, Disks, FrontDescriptor, SealedFront};

/// Why a node cannot start from what it finds.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// The write-ahead log cannot be read. It may hold acknowledged records, so nothing is thrown
    /// away: see the operations guide before doing so by hand (R69).
    #[error("write-ahead log: {0}")]
    Wal(#[from] wal::RecoverError),
    /// The file belongs to something else.
    #[error("the write-ahead log is that of `{log_id}`, not of node {node}; check `wal.path`")]
    ForeignWal {
        /// Whose it is.
        log_id: String,
        /// Who we are.
        node: NodeId,
    },
    /// The last incarnation's records are on another disk.
    #[error(
        "the last incarnation of node {node} wrote log {log}, which has not ended, and its \
         write-ahead log is not at `wal.path`; start the node where that file is"
    )]
    WalMissing {
        /// Who we are.
        node: NodeId,
        /// The log that must be ended first.
        log: LogId,
    },
    /// The record of this node is not readable.
    #[error("the node record names log `{log_id}`, which is no log id")]
    BadLogId {
        /// What it says.
        log_id: String,
    },
    /// The last incarnation cannot be ended.
    #[error(transparent)]
    End(#[from] EndError),
    /// The metadata store failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// What a new incarnation needs to know about its predecessor.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// The log in the file at `wal.path`, all of it uploaded and ended: it may be overwritten.
    pub(crate) ended: Option<String>,
}

/// Ends whatever the last incarnation left open. `record` is what the cluster knows of it.
pub(crate) async fn recover(
    store: &Store,
    disks: &Disks,
    node: NodeId,
    config: &WalConfig,
    record: Option<&NodeRecord>,
) -> Result<Recovery, RecoverError> {
    let mut recovery = Recovery::default();
    let found = match config.kind {
        WalKind::Disk => {
            let (path, own) = (config.path.clone(), disks.clone());
            disks.run(move || wal::recover(&own, &path)).await?
        }
        WalKind::Object => None,
    };
    if let Some(found) = found {
        let log_id = found.log_id().to_owned();
        let log = log_id.parse::<LogId>().ok().filter(|log| log.node == node);
        let Some(log) = log else { return Err(RecoverError::ForeignWal { log_id, node }) };
        finish(store, log, Arc::new(Arc::new(found))).await?;
        recovery.ended = Some(log_id);
    }
    if let Some(record) = record.filter(|record| record.state != NodeState::Ended)
        && recovery.ended.as_ref() != Some(&record.log_id)
    {
        end_recorded(store, disks, node, config.kind, record).await?;
    }
    Ok(recovery)
}

/// Ends the incarnation that the cluster knows of. Its front is where its record says, unless that
/// is a file and ours is one too: then it should have been ours.
async fn end_recorded(
    store: &Store,
    disks: &Disks,
    node: NodeId,
    kind: WalKind,
    record: &NodeRecord,
) -> Result<(), RecoverError> {
    let log = record.log_id.parse::<LogId>();
    let log = log.map_err(|_| RecoverError::BadLogId { log_id: record.log_id.clone() })?;
    if has_ended(store, log).await? {
        return Ok(());
    }
    let missing = RecoverError::WalMissing { node, log };
    let front: FrontDescriptor = match record.front.parse() {
        Ok(FrontDescriptor::Disk { .. }) if kind == WalKind::Disk => return Err(missing),
        Ok(front) => front,
        Err(_) => return Err(missing),
    };
    let sealed = wal::open_sealed(&front, log, store, disks).await?.ok_or(missing)?;
    finish(store, log, sealed).await
}

/// Ends the log. Nobody waits for a node that starts, so it waits for the store.
async fn finish(
    store: &Store,
    log: LogId,
    front: Arc<dyn SealedFront>,
) -> Result<(), RecoverError> {
    loop {
        match end_incarnation(store, log, &front, EndReason::Restart).await {
            Err(error) if error.is_unavailable() => {
                tracing::warn!(%log, %error, "the store, or a key, is away; recovery waits");
                tokio::time::sleep(END_RETRY_PAUSE).await;
            }
            ended => return Ok(ended?),
        }
    }
}
