//! Ending an incarnation from outside: what makes its partitions somebody else's to claim.
//!
//! ```text
//! sealed front ──► upload what the data log does not cover ──► index ──► END
//!      ▲                          │ slot taken by somebody else   │ log is longer
//!      └────── read what is new ◄─┴───────────────────────────────┘
//! ```
//!
//! One path for a restart in place and for a survivor that does it for a dead node (RELIABILITY
//! §4.5, steps 2 to 4). Every step may be repeated, by anybody, also by two at once, and also while
//! a PUT of the dead process is still on its way: whatever any of them uploads is durable in the
//! front (R24), so a slot that turns out to be taken is read and counted in, and END goes to the
//! first hole. What the next owner may know of the log is what lies before END (R3, R26).

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use segment::index::{self, IndexSnapshot};
use segment::object::{AddError, Footer, ObjectBuilder, read_footer};
use segment::seal::{KeyMissing, OpenError};
use segment::seqlog::{
    AppendError, EndOutcome, EndReason, EndRecord, ReadError, SeqLogReader, SeqLogWriter, SlotKind,
    Tail, try_end,
};
use segment::{Family, Key, Keyring, LogId, Store, StoreError, keys};
use thiserror::Error;

use crate::limits::{DRAIN_CUT_BYTES, FOOTERS_IN_FLIGHT};
use crate::wal::{self, Disks, FrontDescriptor, Lsn, SealedChunk, SealedFront, open_sealed};

/// Why an incarnation could not be ended, or not yet.
#[derive(Debug, Error)]
pub enum EndError {
    /// The front cannot be read. It may hold acknowledged records, so nothing is thrown away: see
    /// the operations guide before doing so by hand (R69).
    #[error("write-ahead log: {0}")]
    Wal(#[from] wal::RecoverError),
    /// There is no front where the incarnation had it, and its log has not ended.
    #[error("log {log} has not ended, and its write-ahead log is not here")]
    FrontMissing {
        /// The log.
        log: LogId,
    },
    /// The front has records of a data log that the store does not know.
    #[error("the object store does not know log {log}; check `store.url`")]
    LogMissing {
        /// The log.
        log: LogId,
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
    /// A tenant's records are to be sealed, and its key is not here.
    #[error(transparent)]
    Key(#[from] KeyMissing),
    /// An entry of the front is no record batch.
    #[error("a recovered batch cannot be stored: {0}")]
    Unstorable(#[from] AddError),
}

impl EndError {
    /// Whether the object store is away, or a tenant's key: the same attempt may succeed later.
    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Append(AppendError::Unavailable(_))
                | Self::Key(_)
                | Self::Wal(wal::RecoverError::Sealed(OpenError::Key(_)))
        )
    }
}

impl From<ReadError> for EndError {
    fn from(ReadError::Store(error): ReadError) -> Self {
        Self::Store(error)
    }
}

/// Whether the log carries END. Asked before its front is touched: a node that came back may use
/// the same front for its next incarnation already.
pub(crate) async fn has_ended(store: &Store, log: LogId) -> Result<bool, EndError> {
    let reader = SeqLogReader::new(store.clone(), Family::Data, log);
    Ok(reader.find_end().await?.is_some())
}

/// Seals the front of an incarnation, wherever its node is, and ends its log.
pub(crate) async fn seal_and_end(
    store: &Store,
    disks: &Disks,
    log: LogId,
    front: &FrontDescriptor,
    reason: EndReason,
) -> Result<(), EndError> {
    if has_ended(store, log).await? {
        return Ok(());
    }
    let sealed = open_sealed(front, log, store, disks).await?;
    let sealed = sealed.ok_or(EndError::FrontMissing { log })?;
    end_incarnation(store, log, &sealed, reason).await
}

/// Ends an incarnation of a cluster that is taken over, if the bucket alone is enough for that
/// (R51): the promise of a node with a disk cannot be outlasted from another cluster (R4), and its
/// records cannot be read there.
pub async fn end_for_takeover(store: &Store, log: LogId) -> Result<(), EndError> {
    let front = FrontDescriptor::Object;
    seal_and_end(store, &Disks::machine(), log, &front, EndReason::Takeover).await
}

/// Uploads what `log` lacks of its front, writes the index, places END. Returns when the log
/// carries END, whoever placed it.
pub(crate) async fn end_incarnation(
    store: &Store,
    log: LogId,
    front: &Arc<dyn SealedFront>,
    reason: EndReason,
) -> Result<(), EndError> {
    let mut open = OpenLog::new(log);
    loop {
        match open.catch_up(store).await? {
            Found::Ended => return Ok(()),
            // A front prepared for an incarnation that never came to life.
            Found::Nothing if front.start() == front.end() => return Ok(()),
            Found::Nothing => return Err(EndError::LogMissing { log }),
            Found::Open => {}
        }
        // What was trimmed was covered (R25); if the store shows less, records are gone.
        open.require(front.start())?;
        tracing::info!(
            %log,
            covered = open.covered,
            end = %front.end(),
            next_slot = open.next_slot,
            "ending an incarnation"
        );
        match drain(store, &mut open, front).await {
            Ok(()) => {}
            Err(EndError::Append(AppendError::Fenced { .. })) => continue,
            Err(error) => return Err(error),
        }
        // §4.5 step 3: only what is covered without a hole may be ended.
        open.require(front.end())?;
        let index = index::write(store, &open.index).await?;
        let end = EndRecord { reason: reason as i32, lsn: front.end().0, index: Some(index) };
        match try_end(store, Family::Data, &log, open.next_slot, &end).await? {
            EndOutcome::Placed | EndOutcome::Ended(_) => return Ok(()),
            EndOutcome::Occupied(_) => {}
        }
    }
}

/// A data log as far as it was read, not ended there.
struct OpenLog {
    index: IndexSnapshot,
    /// Everything below is uploaded.
    covered: u64,
    /// The first slot that was not read.
    next_slot: u64,
}

/// What the store holds of a log.
enum Found {
    Nothing,
    Open,
    Ended,
}

impl OpenLog {
    fn new(log: LogId) -> Self {
        Self { index: IndexSnapshot::empty(log), covered: 0, next_slot: 0 }
    }

    /// Reads the slots that were not read yet.
    async fn catch_up(&mut self, store: &Store) -> Result<Found, EndError> {
        let log = self.index.log;
        let reader = SeqLogReader::new(store.clone(), Family::Data, log);
        let scan = reader.scan(self.next_slot).await?;
        let next_slot = match scan.tail {
            Tail::End(..) => return Ok(Found::Ended),
            Tail::Hole(0) => return Ok(Found::Nothing),
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
        for (slot, footer) in &footers {
            self.add(*slot, footer)?;
        }
        self.next_slot = next_slot;
        Ok(Found::Open)
    }

    /// Counts a segment in. Segments cover the front without a gap (§4.5 step 3); two that overlap
    /// hold the same records.
    fn add(&mut self, slot: u64, footer: &Footer) -> Result<(), EndError> {
        self.require(Lsn(footer.lsn_start))?;
        self.covered = self.covered.max(footer.lsn_end);
        self.index.add_segment(slot, footer);
        Ok(())
    }

    /// Everything below `next` must be covered.
    fn require(&self, next: Lsn) -> Result<(), EndError> {
        if self.covered < next.0 {
            let (log, covered, next) = (self.index.log, self.covered, next.0);
            return Err(EndError::Hole { log, covered, next });
        }
        Ok(())
    }
}

/// Uploads the entries of the front that the log does not cover, one slot after the other: two in
/// flight could leave a hole that somebody else's slot fills otherwise.
async fn drain(
    store: &Store,
    open: &mut OpenLog,
    front: &Arc<dyn SealedFront>,
) -> Result<(), EndError> {
    let log = open.index.log;
    let mut writer = SeqLogWriter::at(store.clone(), Family::Data, log, open.next_slot);
    while open.covered < front.end().0 {
        let chunk = read_cut(&**front, Lsn(open.covered)).await?;
        let key = keys::slot(Family::Data, &log, writer.next_slot());
        let (payload, footer) = object_of(open.covered, chunk, &key, store.keyring())?;
        let slot = writer.append(SlotKind::Data, payload).await.map_err(EndError::Append)?;
        open.add(slot, &footer)?;
        open.next_slot = slot + 1;
    }
    Ok(())
}

/// The entries from `from` up to the next multiple of the cut, or one that crosses it: wherever two
/// drainers begin, they cut at the same places, and what one has uploaded is whole slots to the
/// other.
async fn read_cut(front: &dyn SealedFront, from: Lsn) -> Result<SealedChunk, EndError> {
    let boundary = (from.0 / DRAIN_CUT_BYTES + 1) * DRAIN_CUT_BYTES;
    let bytes_max = usize::try_from(boundary - from.0).expect("a cut fits in memory");
    // Positions count at least the bytes of the batches, so this reads up to the boundary.
    let mut chunk = front.read_sealed(from, bytes_max).await?;
    let whole = chunk.entries.partition_point(|entry| entry.lsn.end.0 <= boundary);
    chunk.entries.truncate(whole.max(1));
    if let Some(last) = chunk.entries.last() {
        chunk.next = last.lsn.end;
    }
    Ok(chunk)
}

fn object_of(
    covered: u64,
    chunk: SealedChunk,
    key: &Key,
    keyring: &Keyring,
) -> Result<(Vec<bytes::Bytes>, Footer), EndError> {
    let mut object = ObjectBuilder::new();
    for entry in chunk.entries {
        object.add(entry.partition, entry.batch)?;
    }
    Ok(object.finish(covered..chunk.next.0, key, keyring)?)
}
