//! The writer of a log with several slots in flight: for object WALs, where each batch of entries
//! waits for its slot and one slot at a time would be one round trip per batch.
//!
//! ```text
//!   slots:    5 ✓   6 ✓   7 …   8 ✓        7 is being put
//!   settled:  5     6                      8 is made, but nobody hears of it before 7 (R15)
//! ```
//!
//! - Slots are settled strictly in order, so what is reported is durable with all slots before it.
//! - A slot is begun only when the one `in_flight_max` before it is settled. So a slot that exists
//!   proves that all but the last few before it do, which is what [`SeqLogReader::find_tail`] uses.
//! - A slot that was begun is put until its fate is known, the same bytes for ever (R14): after 7
//!   failed, 8 cannot be taken back, and nothing else may ever go into 7.
//!
//! [`SeqLogReader::find_tail`]: super::SeqLogReader::find_tail

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use tokio::time::Instant;

use super::frozen::FrozenSlot;
use super::pace::Pace;
use super::record::{self, EndRecord, OpenSlot};
use super::slot::SlotKind;
use super::writer::AppendError;
use crate::keys::Family;
use crate::log_id::LogId;
use crate::store::{Store, StoreErrorKind};

/// Most slots in flight (R15).
pub const IN_FLIGHT_MAX: usize = 4;

/// First pause after a failed attempt; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

type Settling = BoxFuture<'static, Result<u64, AppendError>>;

/// Appends to one log, several slots at a time.
pub struct PipelinedWriter {
    store: Store,
    family: Family,
    log: LogId,
    next: u64,
    in_flight_max: usize,
    in_flight: FuturesOrdered<Settling>,
    pace: Arc<Pace>,
    closed: bool,
}

impl PipelinedWriter {
    /// Starts a new log with its OPEN slot.
    ///
    /// On an error the log may exist with nobody to write it; start again under another name.
    ///
    /// # Panics
    /// When `in_flight_max` is not from 1 to [`IN_FLIGHT_MAX`].
    pub async fn create(
        store: Store,
        family: Family,
        log: LogId,
        open: &OpenSlot,
        in_flight_max: usize,
    ) -> Result<Self, AppendError> {
        assert!((1..=IN_FLIGHT_MAX).contains(&in_flight_max), "readers count on this bound");
        let payload = vec![record::encode(open)];
        FrozenSlot::freeze(store.clone(), family, &log, 0, SlotKind::Open, payload)?.put().await?;
        Ok(Self {
            store,
            family,
            log,
            next: 1,
            in_flight_max,
            in_flight: FuturesOrdered::new(),
            pace: Arc::default(),
            closed: false,
        })
    }

    /// The log's name.
    pub fn log(&self) -> &LogId {
        &self.log
    }

    /// The slot that is begun next.
    pub fn next_slot(&self) -> u64 {
        self.next
    }

    /// What recent attempts say about the store.
    pub fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }

    /// Slots begun and not settled.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// True when [`PipelinedWriter::begin`] will take a slot.
    pub fn has_room(&self) -> bool {
        !self.closed && self.in_flight.len() < self.in_flight_max
    }

    /// Begins the next slot and returns its number. It goes on its way while
    /// [`PipelinedWriter::settled`] is polled.
    pub fn begin(&mut self, kind: SlotKind, payload: Vec<Bytes>) -> Result<u64, AppendError> {
        if self.closed {
            return Err(AppendError::Closed);
        }
        // END proves that all before it is made.
        if !self.has_room() || kind == SlotKind::End && self.in_flight() > 0 {
            return Err(AppendError::Pending);
        }
        let (slot, store) = (self.next, self.store.clone());
        let frozen = FrozenSlot::freeze(store, self.family, &self.log, slot, kind, payload)?;
        self.next += 1;
        self.closed = kind == SlotKind::End;
        self.in_flight.push_back(Box::pin(put(frozen, Arc::clone(&self.pace))));
        Ok(slot)
    }

    /// Begins END, once nothing is in flight. The log is over when it is settled.
    pub fn begin_end(&mut self, end: &EndRecord) -> Result<u64, AppendError> {
        self.begin(SlotKind::End, vec![record::encode(end)])
    }

    /// Waits until the lowest slot in flight is made; `None` when there is none. Safe to cancel.
    ///
    /// An error is final: the writer is fenced, and the slots behind the lost one, made or not, are
    /// no part of the log.
    pub async fn settled(&mut self) -> Option<Result<u64, AppendError>> {
        let settled = self.in_flight.next().await?;
        if settled.is_err() {
            self.closed = true;
            self.in_flight = FuturesOrdered::new();
        }
        Some(settled)
    }
}

/// Puts one slot until it is made or another's.
async fn put(frozen: FrozenSlot, pace: Arc<Pace>) -> Result<u64, AppendError> {
    let mut pause = PAUSE_MIN;
    loop {
        match attempt(&frozen, &pace).await {
            Err(AppendError::Unavailable(error)) => {
                if error.kind == StoreErrorKind::Overloaded {
                    pace.overloaded(Instant::now());
                }
                let (slot, kind) = (frozen.slot(), frozen.kind());
                tracing::warn!(%error, slot, ?kind, ?pause, "slot is not written; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            settled => return settled,
        }
    }
}

/// One attempt, and a second with the same bytes when the first is late (R18): whichever settles the
/// slot first. An attempt that fails leaves it to the other.
async fn attempt(frozen: &FrozenSlot, pace: &Pace) -> Result<u64, AppendError> {
    let first = timed(frozen, pace);
    let Some(late_after) = pace.late_after() else { return first.await };
    tokio::pin!(first);
    if let Ok(answered) = tokio::time::timeout(late_after, &mut first).await {
        return answered;
    }
    let second = timed(frozen, pace);
    tokio::pin!(second);
    tokio::select! {
        answered = &mut first => settled_or(answered, second).await,
        answered = &mut second => settled_or(answered, first).await,
    }
}

async fn settled_or(
    answered: Result<u64, AppendError>,
    other: impl Future<Output = Result<u64, AppendError>>,
) -> Result<u64, AppendError> {
    match answered {
        Err(AppendError::Unavailable(_)) => other.await,
        settled => settled,
    }
}

async fn timed(frozen: &FrozenSlot, pace: &Pace) -> Result<u64, AppendError> {
    let started = Instant::now();
    let answered = frozen.try_put().await;
    if answered.is_ok() {
        pace.succeeded(started.elapsed());
    }
    answered
}
