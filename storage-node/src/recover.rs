//! Start after a crash: ending what the previous incarnation of this node left behind.
//!
//! ```text
//! WAL of the last incarnation ──► upload what its data log does not cover ──► index ──► END
//! ```
//!
//! The same path as a forced failover, with the node itself as drainer (RELIABILITY §4.5): every
//! step may be repeated, also by a node that crashed while recovering, and also while a PUT of the
//! dead process is still on its way to the store (R24). Nothing is served before it is done, and
//! what is served afterwards belongs to a new incarnation.

use std::path::Path;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use metadata::MetadataError;
use metadata::model::{NodeRecord, NodeState};
use protocol::ids::NodeId;
use segment::index::{self, IndexSnapshot};
use segment::object::{AddError, Footer, ObjectBuilder, read_footer};
use segment::seqlog::{
    AppendError, EndOutcome, EndReason, EndRecord, ReadError, SeqLogReader, SeqLogWriter, SlotKind,
    Tail, try_end,
};
use segment::{Family, LogId, Store, StoreError, keys};
use thiserror::Error;

use crate::limits::{FOOTERS_IN_FLIGHT, RECOVERY_CHUNK_BYTES};
use crate::wal::{self, Lsn, Recovered, SealedChunk};

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
    /// The write-ahead log has records of a data log that the store does not know.
    #[error("the object store does not know log {log}; check `store.url`")]
    LogMissing {
        /// The log.
        log: LogId,
    },
    /// The record of this node is not readable.
    #[error("the node record names log `{log_id}`, which is no log id")]
    BadLogId {
        /// What it says.
        log_id: String,
    },
    /// The data log does not cover the front without a gap.
    #[error("log {log} covers the front up to {covered}, then from {next}")]
    Hole {
        /// The log.
        log: LogId,
        /// Up to where it is covered.
        covered: u64,
        /// Where coverage begins again.
        next: u64,
    },
    /// The object store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data log cannot be written.
    #[error(transparent)]
    Append(AppendError),
    /// A recovered entry is no record batch.
    #[error("a recovered batch cannot be stored: {0}")]
    Unstorable(#[from] AddError),
    /// The metadata store failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// A data log as it is in the store, not ended.
struct OpenLog {
    index: IndexSnapshot,
    /// Everything below is uploaded.
    covered: u64,
    /// The first hole.
    next_slot: u64,
}

/// What a new incarnation needs to know about its predecessor.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// The log in the file at `wal.path`, all of it uploaded and ended: it may be overwritten.
    pub(crate) ended: Option<String>,
}

impl From<ReadError> for RecoverError {
    fn from(ReadError::Store(error): ReadError) -> Self {
        Self::Store(error)
    }
}

/// Ends whatever the last incarnation left open. `record` is what the cluster knows of it.
pub(crate) async fn recover(
    store: &Store,
    node: NodeId,
    wal_path: &Path,
    record: Option<&NodeRecord>,
) -> Result<Recovery, RecoverError> {
    let path = wal_path.to_owned();
    let found = blocking(move || wal::recover(&path)).await?;
    let mut recovery = Recovery::default();
    if let Some(found) = found {
        let log_id = found.log_id().to_owned();
        let log = log_id.parse::<LogId>().ok().filter(|log| log.node == node);
        let Some(log) = log else { return Err(RecoverError::ForeignWal { log_id, node }) };
        finish(store, log, Arc::new(found)).await?;
        recovery.ended = Some(log_id);
    }
    if let Some(record) = record.filter(|record| record.state != NodeState::Ended)
        && recovery.ended.as_ref() != Some(&record.log_id)
    {
        require_ended(store, node, &record.log_id).await?;
    }
    Ok(recovery)
}

/// A log that another file than ours has the tail of must have ended by other means.
async fn require_ended(store: &Store, node: NodeId, log_id: &str) -> Result<(), RecoverError> {
    let log = log_id.parse::<LogId>();
    let log = log.map_err(|_| RecoverError::BadLogId { log_id: log_id.to_owned() })?;
    let ended = SeqLogReader::new(store.clone(), Family::Data, log).find_end().await?;
    ended.map(drop).ok_or(RecoverError::WalMissing { node, log })
}

/// Uploads what `log` lacks of its front, writes the index, places END.
async fn finish(store: &Store, log: LogId, front: Arc<Recovered>) -> Result<(), RecoverError> {
    // Each round starts from what the store holds: a slot that turns out to be taken, by a PUT of
    // the dead process that was still on its way, is read and counted in the next.
    loop {
        let Some(mut open) = read_open(store, log, &front).await? else { return Ok(()) };
        tracing::info!(
            %log,
            covered = open.covered,
            end = %front.end(),
            next_slot = open.next_slot,
            "ending the log of the previous incarnation"
        );
        match drain(store, &mut open, &front).await {
            Ok(()) => {}
            Err(RecoverError::Append(AppendError::Fenced { .. })) => continue,
            Err(error) => return Err(error),
        }
        let index = index::write(store, &open.index).await?;
        let reason = EndReason::Restart as i32;
        let end = EndRecord { reason, lsn: front.end().0, index: Some(index) };
        match try_end(store, Family::Data, &log, open.next_slot, &end).await? {
            EndOutcome::Placed | EndOutcome::Ended(_) => return Ok(()),
            EndOutcome::Occupied(_) => {}
        }
    }
}

/// What the store holds of a log; `None` if the log is over, or never began.
async fn read_open(
    store: &Store,
    log: LogId,
    front: &Recovered,
) -> Result<Option<OpenLog>, RecoverError> {
    let scan = SeqLogReader::new(store.clone(), Family::Data, log).scan(0).await?;
    let next_slot = match scan.tail {
        Tail::End(..) => return Ok(None),
        // A file prepared for an incarnation that never came to life.
        Tail::Hole(0) if front.start() == front.end() => return Ok(None),
        Tail::Hole(0) => return Err(RecoverError::LogMissing { log }),
        Tail::Hole(slot) => slot,
    };
    let segments = scan.slots.into_iter().filter(|slot| slot.kind == SlotKind::Data);
    let segments: Vec<u64> = segments.map(|slot| slot.slot).collect();
    let footers: Vec<(u64, Footer)> = futures::stream::iter(segments)
        .map(|slot| async move {
            let key = keys::slot(Family::Data, &log, slot);
            read_footer(store, &key).await.map(|footer| (slot, footer))
        })
        .buffered(FOOTERS_IN_FLIGHT)
        .try_collect()
        .await?;
    let mut open = OpenLog { index: IndexSnapshot::empty(log), covered: 0, next_slot };
    for (slot, footer) in &footers {
        open.add(*slot, footer)?;
    }
    // What was trimmed was covered (R25); if the store shows less, records are gone.
    if open.covered < front.start().0 {
        let (covered, next) = (open.covered, front.start().0);
        return Err(RecoverError::Hole { log, covered, next });
    }
    Ok(Some(open))
}

/// Uploads the entries of the front that the log does not cover.
async fn drain(
    store: &Store,
    open: &mut OpenLog,
    front: &Arc<Recovered>,
) -> Result<(), RecoverError> {
    let log = open.index.log;
    let mut writer = SeqLogWriter::at(store.clone(), Family::Data, log, open.next_slot);
    while open.covered < front.end().0 {
        let (from, reader) = (Lsn(open.covered), Arc::clone(front));
        let chunk = blocking(move || reader.read(from, RECOVERY_CHUNK_BYTES)).await?;
        let (payload, footer) = object_of(open.covered, chunk)?;
        let mut appended = writer.append(SlotKind::Data, payload).await;
        while let Err(AppendError::Unavailable(error)) = appended {
            tracing::warn!(%log, %error, "object store is away; recovery waits");
            let resumed = writer.resume().await;
            appended = resumed.map(|slot| slot.expect("the slot is frozen"));
        }
        let slot = appended.map_err(RecoverError::Append)?;
        open.add(slot, &footer)?;
        open.next_slot = slot + 1;
    }
    Ok(())
}

fn object_of(
    covered: u64,
    chunk: SealedChunk,
) -> Result<(Vec<bytes::Bytes>, Footer), RecoverError> {
    let mut object = ObjectBuilder::new();
    for entry in chunk.entries {
        object.add(entry.partition, entry.batch)?;
    }
    Ok(object.finish(covered..chunk.next.0))
}

impl OpenLog {
    /// Counts a segment in. Segments cover the front without a gap (§4.5 step 3); two that overlap
    /// hold the same records.
    fn add(&mut self, slot: u64, footer: &Footer) -> Result<(), RecoverError> {
        if footer.lsn_start > self.covered {
            let (log, covered, next) = (self.index.log, self.covered, footer.lsn_start);
            return Err(RecoverError::Hole { log, covered, next });
        }
        self.covered = self.covered.max(footer.lsn_end);
        self.index.add_segment(slot, footer);
        Ok(())
    }
}

/// Runs file I/O where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, wal::RecoverError> + Send + 'static,
) -> Result<T, RecoverError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.expect("reading the log does not panic")?)
}
