//! An owner that the metadata store has forgotten: ended by whoever is to have its partitions.
//!
//! ```text
//! n/D: X ── X ended, Y began ──► Y, claims p ──► the store goes back ──► n/D: X, p's owner is Y
//! ```
//!
//! A node registers an incarnation before that one claims anything, and has ended it before it
//! registers the next. So when a manifest names a log without END that is not the one in its node's
//! record, the metadata store went back to an older revision (R9): nobody knows that Y is there, so
//! nobody would ever end it, nor ask it to let go. Ending is safe at any time (R2, R3); should Y
//! still live, it finds its log ended and starts anew, this time registered.

use std::str::FromStr;

use hop::internal::EndIncarnationRequest;
use metadata::ClusterView;
use protocol::ErrorCode;
use segment::seqlog::{ReadError, SeqLogReader};
use segment::{Family, LogId, Manifest, Store};

use super::OpenError;
use crate::limits::PROMISE_WAIT;
use crate::survivor::Survivor;
use crate::wal::FrontDescriptor;

/// Ends what nobody remembers.
pub(crate) struct Forgotten {
    pub(crate) store: Store,
    pub(crate) view: ClusterView,
    pub(crate) survivor: Survivor,
}

impl Forgotten {
    /// Ends the manifest's owner if it is forgotten and its front can be reached. `false` if it is
    /// not for us to end.
    pub(crate) async fn end(&self, manifest: &Manifest) -> Result<bool, OpenError> {
        let log = manifest.owner;
        if self.is_registered(log) || self.view.refresh().await.is_err() {
            return Ok(false);
        }
        // A view that lagged does not any more: what it shows now is true (R10).
        if self.is_registered(log) {
            return Ok(false);
        }
        let front = self.front_of(log).await?;
        let Some(front) = front.filter(FrontDescriptor::is_reachable_by_others) else {
            // Its node ends it at its next start: the file says whose it is.
            return Ok(false);
        };
        tracing::warn!(%log, "the metadata store has forgotten this incarnation; ending it");
        if matches!(front, FrontDescriptor::SharedDisk { .. }) {
            // Its promise cannot be renewed against another record (R4).
            tokio::time::sleep(PROMISE_WAIT).await;
        }
        let request = EndIncarnationRequest { log_id: log.to_string(), front: front.to_string() };
        Ok(self.survivor.end(request).await == ErrorCode::None)
    }

    fn is_registered(&self, log: LogId) -> bool {
        self.view.node(log.node).is_some_and(|record| record.log_id == log.to_string())
    }

    /// The front as slot 0 of the log names it.
    async fn front_of(&self, log: LogId) -> Result<Option<FrontDescriptor>, OpenError> {
        let reader = SeqLogReader::new(self.store.clone(), Family::Data, log);
        let open =
            reader.read(0).await.map_err(|ReadError::Store(error)| OpenError::Store(error))?;
        let front = open.and_then(|slot| slot.open()).map(|open| open.front);
        let text = front.and_then(|front| String::from_utf8(front.to_vec()).ok());
        Ok(text.and_then(|text| FrontDescriptor::from_str(&text).ok()))
    }
}
