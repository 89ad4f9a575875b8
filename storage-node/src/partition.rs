//! One owned partition: everything a node must know to append to it and to read its hot end.
//!
//! ```text
//!  log start        uploaded           high watermark     next offset
//!      ├── extents ─────┤                     │                │
//!      │      ├── hot batches (from the floor) ┤── in the front ┤
//! ```
//!
//! One lock per partition, held for one batch, never across an await. Offsets are assigned and the
//! batch is handed to the front inside it, so the order of offsets is the order of the log; the
//! front's thread takes it once more when the batch is durable. Nothing in here is the only copy of
//! anything acknowledged: bytes are in the front or the object store, the rest is rebuilt by
//! [`crate::open`].

mod append;
mod cleaning;
mod commit;
mod compaction;
mod epochs;
mod hot;
mod log_start;
mod manifest;
mod markers;
mod producers;
mod read;
mod retention;
mod verification;
mod waiters;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};
use protocol::ErrorCode;
use protocol::batch::Interrupted;
use protocol::ids::{PartitionId, TenantId};
use segment::{AbortedTransaction, Extent, Manifest, ManifestVersion, TransactionHistory};
use tokio::time::Instant;

use crate::acks::Ack;
use crate::cache::HotCache;
use crate::limits::{PRODUCERS_PER_PARTITION_MAX, TRANSACTION_LATE_MS};
use crate::load::Counters;
use crate::producer_state::ProducerTable;
use crate::settings::TopicSettings;
use crate::transactions::Transactions;
use crate::wal::Front;

pub(crate) use self::append::{Append, AppendError, Appended};
pub(crate) use self::compaction::{CompactionRules, CompactionWork, replaced_by};
pub(crate) use self::epochs::EpochHistory;
pub(crate) use self::hot::{HotBatch, ReadLimit};
pub(crate) use self::log_start::LogStartError;
pub(crate) use self::manifest::ChangeError;
pub(crate) use self::markers::{Marker, MarkerError};
pub(crate) use self::producers::ActiveProducer;
pub(crate) use self::read::Marks;
pub(crate) use self::read::{FetchPosition, HotRead, Isolation, TimestampSearch};
pub(crate) use self::verification::{Guard, Placement, TxnSupport};
pub(crate) use self::waiters::FetchWaiter;

use self::cleaning::CleaningLease;
use self::hot::HotBatches;
use self::verification::Verifying;
use self::waiters::Waiters;

/// What opening a partition found out: where the log stands when this incarnation takes over.
#[derive(Debug, Default)]
pub(crate) struct OpenedLog {
    /// The epoch this incarnation claimed.
    pub epoch: i32,
    /// The first offset there is.
    pub log_start: i64,
    /// The first offset nobody has (R26).
    pub log_end: i64,
    /// All epochs, the claimed one included.
    pub epochs: EpochHistory,
    /// What the producers did last.
    pub producers: ProducerTable,
    /// What became of their transactions.
    pub transactions: TransactionHistory,
    /// Everything below the log end, in offset order.
    pub extents: Vec<Extent>,
}

/// See the module.
pub(crate) struct Partition {
    id: PartitionId,
    epoch: i32,
    /// Where this incarnation's part begins.
    claimed_at: i64,
    front: Arc<dyn Front>,
    cache: Arc<HotCache>,
    settings: RwLock<TopicSettings>,
    counters: Counters,
    state: Mutex<State>,
    /// The manifest as this owner last committed it. Held over commits: one at a time (R33).
    manifest: tokio::sync::Mutex<(Manifest, ManifestVersion)>,
    /// Itself, for the front and the cache to hold.
    this: Weak<Partition>,
}

struct State {
    /// Why it takes no requests any more.
    closed: Option<ErrorCode>,
    log_start: i64,
    manifest_version: u64,
    next_offset: i64,
    high_watermark: i64,
    uploaded_upto: i64,
    /// The last LogAppendTime: clocks may step back, the log's may not (R71).
    last_append_ms: i64,
    epochs: EpochHistory,
    producers: ProducerTable,
    transactions: Transactions,
    /// Producers whose next transaction is being verified, by id.
    verifying: HashMap<i64, Verifying>,
    /// How many there were.
    verifications: u64,
    /// Producers of which a batch found no room, by id.
    interrupted: Interrupted<i64>,
    /// Compacted objects first, then blocks in logs.
    extents: Vec<Extent>,
    /// Since when there are blocks in logs, as far as this incarnation knows.
    uncompacted_since: Option<Instant>,
    /// Until when a compactor works on a part of it.
    compaction_leased: Option<Instant>,
    /// Where compaction by key has been.
    cleaned_upto: i64,
    /// Until when a compactor works on that.
    cleaning: Option<CleaningLease>,
    hot: HotBatches,
    /// Who waits for durability, by last offset.
    acks: VecDeque<(i64, Ack)>,
    waiters: Waiters,
}

/// A partition's part in its incarnation's index, taken when nothing is appended any more.
#[derive(Debug)]
pub(crate) struct FinalState {
    pub(crate) epoch: i32,
    pub(crate) start_offset: i64,
    pub(crate) end_offset: i64,
    pub(crate) extents: Vec<Extent>,
    pub(crate) producers: ProducerTable,
    /// By a marker in this incarnation's part.
    pub(crate) aborted: Vec<AbortedTransaction>,
}

// === impl Partition ===

impl Partition {
    /// A partition that takes over where `opened` says.
    pub(crate) fn new(
        id: PartitionId,
        opened: OpenedLog,
        manifest: (Manifest, ManifestVersion),
        settings: TopicSettings,
        front: Arc<dyn Front>,
        cache: Arc<HotCache>,
    ) -> Arc<Self> {
        // The clock of the last owner may have been ahead of ours (R71).
        let last = opened.extents.last().filter(|_| settings.log_append_time);
        let last_append_ms = last.map_or(i64::MIN, |last| last.max_timestamp);
        let (log_start, log_end) = (opened.log_start, opened.log_end);
        let state = State {
            closed: None,
            log_start: opened.log_start,
            manifest_version: manifest.0.version,
            next_offset: opened.log_end,
            high_watermark: opened.log_end,
            uploaded_upto: opened.log_end,
            last_append_ms,
            epochs: opened.epochs,
            producers: opened.producers,
            transactions: Transactions::new(&opened.transactions, log_start, log_end),
            verifying: HashMap::new(),
            verifications: 0,
            interrupted: Interrupted::new(PRODUCERS_PER_PARTITION_MAX),
            uncompacted_since: Some(Instant::now()),
            compaction_leased: None,
            cleaned_upto: manifest.0.cleaned_upto,
            cleaning: None,
            extents: opened.extents,
            hot: HotBatches::new(opened.log_end),
            acks: VecDeque::new(),
            waiters: Waiters::default(),
        };
        Arc::new_cyclic(|this| Self {
            id,
            epoch: opened.epoch,
            claimed_at: opened.log_end,
            front,
            cache,
            settings: RwLock::new(settings),
            counters: Counters::default(),
            state: Mutex::new(state),
            manifest: tokio::sync::Mutex::new(manifest),
            this: Weak::clone(this),
        })
    }

    /// Which partition this is.
    pub(crate) fn id(&self) -> PartitionId {
        self.id
    }

    /// The epoch under which this incarnation owns it.
    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Whether only the cluster itself writes it.
    pub(crate) fn is_internal(&self) -> bool {
        self.id.tenant == TenantId::SYSTEM
    }

    /// What it has done so far.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The configs in force.
    pub(crate) fn settings(&self) -> TopicSettings {
        *self.settings.read()
    }

    /// Follows a change of the topic's configs.
    pub(crate) fn set_settings(&self, settings: TopicSettings) {
        *self.settings.write() = settings;
    }

    /// Ends the service: every request from now on is answered with `code`, sleeping fetches are
    /// woken to hear it. Batches already in the front keep their way.
    pub(crate) fn close(&self, code: ErrorCode) {
        let mut state = self.state.lock();
        let code = *state.closed.get_or_insert(code);
        state.waiters.changed();
        state.stop_verifying(code);
    }

    /// Whether it is closed, and everything that was appended before is uploaded.
    pub(crate) fn is_uploaded(&self) -> bool {
        let state = self.state.lock();
        state.closed.is_some() && state.uploaded_upto == state.next_offset
    }

    /// The offset of the next record.
    pub(crate) fn next_offset(&self) -> i64 {
        self.state.lock().next_offset
    }

    /// Whether everything below this offset is uploaded.
    pub(crate) fn is_uploaded_upto(&self, offset: i64) -> bool {
        self.state.lock().uploaded_upto >= offset
    }

    /// Gives up the oldest hot batches, up to and including the one that starts at `base_offset`.
    /// They are uploaded.
    pub(crate) fn evict_upto(&self, base_offset: i64) {
        let mut state = self.state.lock();
        let mut evicted = Vec::new();
        while let Some(batch) = state.hot.evict_upto(base_offset) {
            evicted.push(batch);
        }
        // The last slice of a block returns its buffer: not inside the lock.
        drop(state);
    }

    /// Makes an upload visible to plans. Uploads are published in log order.
    pub(crate) fn publish(&self, extents: Vec<Extent>) {
        let Some(end) = extents.last().map(|extent| extent.last_offset + 1) else { return };
        let mut state = self.state.lock();
        assert!(
            extents.first().is_some_and(|first| first.base_offset == state.uploaded_upto),
            "{}: uploads leave no gap (R25)",
            self.id
        );
        state.uploaded_upto = end;
        state.uncompacted_since.get_or_insert_with(Instant::now);
        state.extents.extend(extents);
    }

    /// Forgets producers that were silent for `after_ms`. Returns whether a transaction is open whose
    /// producer has been silent for longer than any coordinator waits (T6).
    pub(crate) fn expire_producers(&self, now_ms: i64, after_ms: i64) -> bool {
        let mut state = self.state.lock();
        state.producers.expire(now_ms, after_ms);
        let silent_since = now_ms.saturating_sub(TRANSACTION_LATE_MS);
        let entries = state.producers.iter();
        let mut open = entries.filter(|(_, entry)| entry.txn_first_offset.is_some());
        open.any(|(_, entry)| entry.touched_ms < silent_since)
    }

    /// What the index says about this partition. Everything it has is uploaded by now.
    pub(crate) fn final_state(&self) -> FinalState {
        let state = self.state.lock();
        let claimed_at = self.claimed_at;
        let in_own_log = |extent: &&Extent| !extent.is_run() && extent.base_offset >= claimed_at;
        let own = state.extents.iter().filter(in_own_log);
        FinalState {
            epoch: self.epoch,
            start_offset: claimed_at,
            end_offset: state.uploaded_upto,
            extents: own.cloned().collect(),
            producers: state.producers.clone(),
            aborted: state.transactions.aborted_from(claimed_at),
        }
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition")
            .field("id", &self.id)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
