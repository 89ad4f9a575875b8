//! Moving the log start: durable in the manifest before it is visible (RELIABILITY §4.4).

use protocol::ErrorCode;
use segment::ManifestStore;
use segment::manifest::{CommitError, LoadError};
use thiserror::Error;

use super::Partition;

/// Why the log start did not move, or not surely.
#[derive(Debug, Error)]
pub(crate) enum LogStartError {
    /// The offset lies beyond the high watermark.
    #[error("offset {asked} is beyond the high watermark {high_watermark}")]
    OutOfRange {
        /// What was asked for.
        asked: i64,
        /// What is durable.
        high_watermark: i64,
    },
    /// Another incarnation owns the partition. It is closed here now.
    #[error("the partition is owned by another incarnation")]
    NotOwner,
    /// The object store failed; the log start may have moved in the manifest. Try again.
    #[error(transparent)]
    Unknown(#[from] CommitError),
    /// The manifest could not be read back.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl Partition {
    /// Moves the log start up to `offset`; what lies below may be deleted from then on. Returns
    /// the log start, which is higher if it was before.
    pub(crate) async fn advance_log_start(
        &self,
        manifests: &ManifestStore,
        offset: i64,
    ) -> Result<i64, LogStartError> {
        let high_watermark = self.state.lock().high_watermark;
        if offset > high_watermark {
            return Err(LogStartError::OutOfRange { asked: offset, high_watermark });
        }
        let mut held = self.manifest.lock().await;
        if offset > held.0.log_start_offset {
            let mut next = held.0.clone();
            next.log_start_offset = offset;
            match manifests.commit(&next, Some(&held.1)).await {
                Ok(committed) => *held = committed,
                // Ours, with its answer lost, or another owner's: read back which (R13).
                Err(CommitError::Conflict | CommitError::Unknown(_)) => {
                    let current = manifests.load(&self.id).await?;
                    let ours = current.filter(|(manifest, _)| manifest.owner == held.0.owner);
                    let Some(current) = ours else {
                        self.close(ErrorCode::NotLeaderOrFollower);
                        return Err(LogStartError::NotOwner);
                    };
                    *held = current;
                    if held.0.log_start_offset < offset {
                        return Err(CommitError::Conflict.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        let (log_start, version) = (held.0.log_start_offset, held.0.version);
        self.raise_log_start(log_start, version);
        Ok(log_start)
    }

    fn raise_log_start(&self, offset: i64, manifest_version: u64) {
        let mut state = self.state.lock();
        state.log_start = state.log_start.max(offset);
        state.manifest_version = manifest_version;
        let log_start = state.log_start;
        // This incarnation's own stay: its index must say what its footers do (R26).
        state.extents.retain(|extent| {
            extent.last_offset >= log_start || extent.base_offset >= self.claimed_at
        });
        state.waiters.changed();
    }
}
