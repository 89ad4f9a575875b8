//! Changing the manifest while owning it: one change at a time, by compare-and-swap (R22, R33).
//!
//! Compaction, retention, DeleteRecords: what others propose, the owner commits, because only its
//! next manifest is known to descend from the one it holds.

use protocol::ErrorCode;
use segment::manifest::{CommitError, CompactionError, LoadError};
use segment::{Manifest, ManifestStore};
use thiserror::Error;

use super::Partition;

/// Why a manifest was not changed, or not surely.
#[derive(Debug, Error)]
pub(crate) enum ChangeError {
    /// Another incarnation owns the partition, or its topic is gone. It is closed here now.
    #[error("the partition is not this incarnation's any more")]
    NotOwner,
    /// What is proposed does not fit the manifest.
    #[error(transparent)]
    Refused(#[from] CompactionError),
    /// The object store failed; the change may have happened. Try again.
    #[error(transparent)]
    Unknown(#[from] CommitError),
    /// The manifest could not be read back.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl ChangeError {
    /// What whoever asked for the change is told.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NotOwner => ErrorCode::NotLeaderOrFollower,
            Self::Refused(_) => ErrorCode::InvalidRequest,
            Self::Unknown(_) | Self::Load(_) => ErrorCode::KafkaStorageError,
        }
    }
}

impl Partition {
    /// Commits what `change` makes of the manifest, `None` for nothing to do, and returns what is
    /// current then. `change` is asked again when an attempt's outcome had to be read back: it must
    /// recognise its own work.
    pub(super) async fn change_manifest(
        &self,
        manifests: &ManifestStore,
        change: impl Fn(&Manifest) -> Result<Option<Manifest>, CompactionError>,
    ) -> Result<Manifest, ChangeError> {
        let mut held = self.manifest.lock().await;
        let Some(next) = change(&held.0)? else { return Ok(held.0.clone()) };
        let failure = match manifests.commit(&next, Some(&held.1)).await {
            Ok(committed) => {
                *held = committed;
                return Ok(held.0.clone());
            }
            Err(error @ (CommitError::Conflict | CommitError::Unknown(_))) => error,
            Err(error) => return Err(error.into()),
        };
        // Ours, with its answer lost, or another owner's: read back which (R13).
        let current = manifests.load(&self.id).await?;
        let ours =
            current.filter(|(manifest, _)| manifest.owner == held.0.owner && !manifest.deleted);
        let Some(current) = ours else {
            self.close(ErrorCode::NotLeaderOrFollower);
            return Err(ChangeError::NotOwner);
        };
        *held = current;
        match change(&held.0)? {
            None => Ok(held.0.clone()),
            Some(_) => Err(failure.into()),
        }
    }
}
