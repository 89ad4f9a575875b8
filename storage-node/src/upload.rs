//! Upload: what is durable in the front becomes a slot of the incarnation's data log.
//!
//! In: batches in log order from the cache. Out: one object of at most 32 MiB, its extents published
//! to the partitions, the front trimmed below it.
//! A partition that leaves this node gets a CLOSE slot once all its records are uploaded.
//! Never: an upload of what the front has not made durable (R24); a trim above what a successful PUT
//! of our own covers (R25); two slots in flight (a hole would cut the log short).
//!
//! ```text
//! cut ──► build ──► append slot ──ok──► publish extents ──► evictable ──► trim the front
//!                      │  ▲
//!                      └──┘ store away: the same bytes again (R14), for ever; nothing is dropped
//! ```

mod leaving;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use process::Drain;
use protocol::ids::PartitionId;
use segment::object::{AddError, Footer, ObjectBuilder};
use segment::seal::KeyMissing;
use segment::seqlog::{AppendError, SeqLogWriter, SlotKind};
use segment::{Extent, Family, Key, Keyring, LogId, keys};
use thiserror::Error;
use tokio::time::Instant;

use crate::cache::{HotCache, UploadCut};
use crate::limits::{OBJECT_BYTES_MAX, UPLOAD_BACKOFF_MIN};
use crate::metrics;
use crate::partition::Partition;
use crate::wal::{Front, Lsn, LsnRange};

pub(crate) use self::leaving::{Closing, Leaving};

/// Why an upload did not succeed.
#[derive(Debug, Error)]
pub enum UploadError {
    /// The store does not answer as it should. The upload is tried again with the same bytes.
    #[error(transparent)]
    Unavailable(AppendError),
    /// Somebody ended this incarnation's log: it is over.
    #[error("fenced: {0}")]
    Fenced(AppendError),
    /// A tenant's records are to be sealed, and its key is not here. Nothing is stored meanwhile.
    #[error(transparent)]
    Key(#[from] KeyMissing),
    /// Our own bytes make no object: a bug, and the end of this incarnation.
    #[error("batch cannot be stored: {0}")]
    Unstorable(#[from] AddError),
}

/// Uploads the cache's batches to one data log, and closes partitions that leave it.
pub(crate) struct Uploader {
    writer: SeqLogWriter,
    cache: Arc<HotCache>,
    front: Arc<dyn Front>,
    keyring: Keyring,
    /// Told to whoever claims partitions meanwhile.
    next_slot: Arc<AtomicU64>,
    /// The slot whose fate is not known.
    undecided: Option<Undecided>,
    leaving: Leaving,
}

/// What is in a slot on its way.
enum Undecided {
    Upload(Upload),
    Close(Closing),
}

/// An object on its way.
struct Upload {
    lsn: LsnRange,
    bytes: u64,
    footer: Footer,
    partitions: HashMap<PartitionId, Arc<Partition>>,
    started: Instant,
}

// === impl UploadError ===

impl From<AppendError> for UploadError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Unavailable(_) => Self::Unavailable(error),
            _ => Self::Fenced(error),
        }
    }
}

// === impl Uploader ===

impl Uploader {
    pub(crate) fn new(
        writer: SeqLogWriter,
        cache: Arc<HotCache>,
        front: Arc<dyn Front>,
        keyring: Keyring,
        next_slot: Arc<AtomicU64>,
        leaving: Leaving,
    ) -> Self {
        next_slot.store(writer.next_slot(), Ordering::Release);
        Self { writer, cache, front, keyring, next_slot, undecided: None, leaving }
    }

    /// Uploads whenever enough waits, or has waited for long enough, until the drain begins.
    pub(crate) async fn run(
        &mut self,
        interval: Duration,
        backoff_max: Duration,
        drain: &Drain,
    ) -> Result<(), UploadError> {
        let mut backoff = UPLOAD_BACKOFF_MIN;
        loop {
            // What is undecided comes first, and need not wait for more.
            if self.undecided.is_none() {
                let cache = Arc::clone(&self.cache);
                tokio::select! {
                    () = drain.draining() => return Ok(()),
                    () = cache.upload_due(interval) => {}
                    () = self.leaving.due() => {}
                }
            }
            match self.step().await {
                Ok(true) => backoff = UPLOAD_BACKOFF_MIN,
                // A partition leaves whose last commits are on their way from the front.
                Ok(false) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(error @ (UploadError::Unavailable(_) | UploadError::Key(_))) => {
                    tracing::warn!(%error, ?backoff, "upload failed; trying again");
                    tokio::select! {
                        () = drain.draining() => return Ok(()),
                        () = tokio::time::sleep(backoff) => {}
                    }
                    backoff = (backoff * 2).min(backoff_max);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Uploads everything below `end`, the end of the sealed front: the last act of an incarnation
    /// that ends in order. Waits for the store as long as it takes; whoever has a deadline drops
    /// the future, and recovery does the rest.
    pub(crate) async fn flush(
        &mut self,
        end: Lsn,
        backoff_max: Duration,
    ) -> Result<(), UploadError> {
        let mut backoff = UPLOAD_BACKOFF_MIN;
        while self.undecided.is_some() || self.front.usage().trimmed < end {
            match self.upload_one().await {
                Ok(true) => backoff = UPLOAD_BACKOFF_MIN,
                // The last commits are on their way from the front's thread.
                Ok(false) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(error @ (UploadError::Unavailable(_) | UploadError::Key(_))) => {
                    tracing::warn!(%error, ?backoff, "last upload failed; trying again");
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(backoff_max);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes one slot: a CLOSE if a partition is ready to leave, else an upload.
    async fn step(&mut self) -> Result<bool, UploadError> {
        if self.undecided.is_none()
            && let Some((closing, record)) = self.leaving.next(*self.writer.log()).await
        {
            self.undecided = Some(Undecided::Close(closing));
            let appended = self.writer.close(&record).await;
            self.decided(appended)?;
            return Ok(true);
        }
        self.upload_one().await
    }

    /// Uploads one object. False if nothing waits.
    pub(crate) async fn upload_one(&mut self) -> Result<bool, UploadError> {
        let appended = match &self.undecided {
            Some(_) => self
                .writer
                .resume()
                .await
                .map(|slot| slot.expect("what is undecided has a frozen slot")),
            None => {
                let Some(cut) = self.cache.cut(OBJECT_BYTES_MAX) else { return Ok(false) };
                let object = keys::slot(Family::Data, self.writer.log(), self.writer.next_slot());
                let (payload, upload) = build(cut, &object, &self.keyring)?;
                if process::mutation::on("R25") {
                    self.front.trim(upload.lsn.end);
                }
                self.undecided = Some(Undecided::Upload(upload));
                self.writer.append(SlotKind::Data, payload).await
            }
        };
        self.decided(appended)?;
        Ok(true)
    }

    /// Acts upon a slot that was made.
    fn decided(&mut self, appended: Result<u64, AppendError>) -> Result<(), UploadError> {
        let slot = appended.inspect_err(|_| metrics::upload_failed())?;
        self.next_slot.store(slot + 1, Ordering::Release);
        match self.undecided.take().expect("a slot is begun with what is in it") {
            Undecided::Upload(upload) => self.publish(upload, *self.writer.log(), slot),
            Undecided::Close(closing) => self.leaving.left(closing, slot),
        }
        Ok(())
    }

    /// Ends the log. Everything was uploaded.
    pub(crate) fn into_writer(self) -> SeqLogWriter {
        assert!(self.undecided.is_none(), "END follows the last decided slot");
        self.writer
    }

    fn publish(&self, upload: Upload, log: LogId, slot: u64) {
        let mut extents: HashMap<PartitionId, Vec<Extent>> = HashMap::new();
        for (partition, extent) in upload.footer.extents(log, slot) {
            extents.entry(partition).or_default().push(extent);
        }
        for (id, extents) in extents {
            upload.partitions[&id].publish(extents);
        }
        // In this order: a plan for a batch must be possible before the batch may be evicted.
        self.cache.uploaded(upload.lsn.end);
        self.front.trim(upload.lsn.end);
        metrics::uploaded(upload.bytes, upload.started.elapsed().as_secs_f64());
        tracing::debug!(slot, bytes = upload.bytes, lsn = %upload.lsn.end, "uploaded");
    }
}

/// The object of a cut: the very bytes that are in the cache, unless their tenant's are sealed.
fn build(
    cut: UploadCut,
    key: &Key,
    keyring: &Keyring,
) -> Result<(Vec<bytes::Bytes>, Upload), UploadError> {
    let mut object = ObjectBuilder::new();
    for (partition, first, last) in &cut.ranges {
        let mut next = *first;
        while next <= *last {
            let (batches, after) = partition.hot_range(next, *last);
            assert!(after > next, "{}: nothing is evicted before its upload", partition.id());
            for batch in batches {
                object.add(partition.id(), batch)?;
            }
            next = after;
        }
    }
    let (payload, footer) = object.finish(cut.lsn.start.0..cut.lsn.end.0, key, keyring)?;
    let upload = Upload {
        lsn: cut.lsn,
        bytes: payload.iter().map(|chunk| chunk.len() as u64).sum(),
        footer,
        partitions: cut
            .ranges
            .into_iter()
            .map(|(partition, ..)| (partition.id(), partition))
            .collect(),
        started: Instant::now(),
    };
    Ok((payload, upload))
}

#[cfg(test)]
mod tests;
