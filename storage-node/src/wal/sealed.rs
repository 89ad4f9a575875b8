//! The log of an incarnation that is over, for whoever ends it: the node itself at its next start,
//! or a survivor.
//!
//! In: a front's descriptor and the incarnation's log id. Out: every entry that incarnation may have
//! acknowledged and not trimmed, and nothing it can still add to.
//! Never: a change of the log other than its end.

use std::sync::Arc;

use futures::future::BoxFuture;
use segment::{LogId, Store};

use super::disks::off_thread;
use super::object::SealedObject;
use super::recover::{RecoverError, Recovered, recover, recover_unlocked};
use super::{Disks, FrontDescriptor, Lsn, SealedChunk};

/// A log that has an end. Nothing below `end` changes and nothing is added, whatever its writer
/// still believes.
pub trait SealedFront: Send + Sync {
    /// Everything below was trimmed, that is: uploaded. More may have been uploaded since.
    fn start(&self) -> Lsn;

    /// The end of the durable prefix. Everything acknowledged lies below.
    fn end(&self) -> Lsn;

    /// Reads the entries that end above `from`, about `bytes_max` of them but at least one. An empty
    /// chunk means the end of the log.
    fn read_sealed(
        &self,
        from: Lsn,
        bytes_max: usize,
    ) -> BoxFuture<'_, Result<SealedChunk, RecoverError>>;
}

/// Seals and opens the front at `descriptor` of the incarnation that writes `log`, from outside.
///
/// `None`: there is no such log, so nothing was ever acknowledged in it, or the volume is not
/// attached here; the data log tells which. For a shared disk the caller has waited until the node's
/// promise cannot hold any more (R4), and the file is read without its lock, which a paused process of
/// this machine would keep.
pub async fn open_sealed(
    descriptor: &FrontDescriptor,
    log: LogId,
    store: &Store,
    disks: &Disks,
) -> Result<Option<Arc<dyn SealedFront>>, RecoverError> {
    match descriptor {
        FrontDescriptor::Disk { path } | FrontDescriptor::SharedDisk { path } => {
            let (path, shared) =
                (path.clone(), matches!(descriptor, FrontDescriptor::SharedDisk { .. }));
            let own = disks.clone();
            let found = disks.run(move || match shared {
                true => recover_unlocked(&own, &path),
                false => recover(&own, &path),
            });
            let Some(found) = found.await? else { return Ok(None) };
            if found.log_id() != log.to_string() {
                return Err(RecoverError::Foreign { log_id: found.log_id().to_owned() });
            }
            Ok(Some(Arc::new(Arc::new(found))))
        }
        FrontDescriptor::Object => Ok(Some(Arc::new(SealedObject::open(store, log).await?))),
    }
}

/// Reads the file as it goes, where that may block.
impl SealedFront for Arc<Recovered> {
    fn start(&self) -> Lsn {
        Recovered::start(self)
    }

    fn end(&self) -> Lsn {
        Recovered::end(self)
    }

    fn read_sealed(
        &self,
        from: Lsn,
        bytes_max: usize,
    ) -> BoxFuture<'_, Result<SealedChunk, RecoverError>> {
        let log = Arc::clone(self);
        Box::pin(off_thread(log.is_simulated(), move || log.read(from, bytes_max)))
    }
}
