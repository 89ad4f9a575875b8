//! Moving the log start: durable in the manifest before it is visible (RELIABILITY §4.4).

use segment::{Manifest, ManifestStore};
use thiserror::Error;

use super::{ChangeError, Partition};

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
    /// The manifest was not changed.
    #[error(transparent)]
    Change(#[from] ChangeError),
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
        let moved = |manifest: &Manifest| {
            let moves = offset > manifest.log_start_offset;
            Ok(moves.then(|| manifest.with_log_start(offset)))
        };
        let manifest = self.change_manifest(manifests, moved).await?;
        self.raise_log_start(&manifest);
        Ok(manifest.log_start_offset)
    }

    /// The extents below go: plans are made from what may be read. The index of this incarnation
    /// may leave them out, because its reader knows the log start too.
    pub(super) fn raise_log_start(&self, manifest: &Manifest) {
        let mut state = self.state.lock();
        state.log_start = state.log_start.max(manifest.log_start_offset);
        state.manifest_version = state.manifest_version.max(manifest.version);
        let log_start = state.log_start;
        state.extents.retain(|extent| extent.last_offset >= log_start);
        state.transactions.forget_below(log_start);
        state.waiters.changed();
    }
}
