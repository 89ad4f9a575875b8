//! Deleted topics: their manifests say so for ever, then everything else of them is garbage.
//!
//! A topic that the view lacks is only suspected: a metadata store can be emptied, or restored to
//! an old revision. The metadata log is the authority (R9), and what it calls deleted stays so,
//! because topic ids are never used twice.

use protocol::ids::TopicId;
use segment::manifest::CommitError;
use segment::{Manifest, ManifestVersion};

use super::{Collector, GcError, Known};

impl Collector {
    /// The manifest, marked deleted if its topic is. The one change of a manifest that is not its
    /// owner's: it is final, and an owner that still lives loses its next swap and closes.
    pub(super) async fn follow_topic(
        &self,
        manifest: Manifest,
        version: ManifestVersion,
        known: &mut Known,
    ) -> Result<Manifest, GcError> {
        let partition = manifest.partition;
        let listed = self.view.topic_by_id(partition.tenant, partition.topic).is_some();
        if manifest.deleted || listed || !self.is_deleted(partition.topic, known).await? {
            return Ok(manifest);
        }
        let dead = Manifest { deleted: true, ..manifest.clone() };
        match self.manifests.commit(&dead, Some(&version)).await {
            Ok((dead, _)) => {
                tracing::info!(%partition, "topic is deleted, and so is the partition");
                Ok(dead)
            }
            // Its owner was faster, or the answer was lost: the next cycle sees.
            Err(CommitError::Conflict | CommitError::Unknown(_)) => Ok(manifest),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a topic is deleted for ever. The log is read at most once per cycle.
    pub(super) async fn is_deleted(
        &self,
        topic: TopicId,
        known: &mut Known,
    ) -> Result<bool, GcError> {
        if known.deleted_topics.is_none() {
            known.deleted_topics = Some((self.deleted_topics)().await.map_err(GcError::Topics)?);
        }
        Ok(known.deleted_topics.as_ref().is_some_and(|deleted| deleted.contains(&topic)))
    }
}
