//! The writer of a log: one slot at a time, each frozen before its first attempt.
//!
//! ```text
//! Ready ──append──▶ Frozen ──created───────────▶ Ready (next slot)
//!                    │  ▲ └──another's object──▶ Closed: fenced, never acknowledge
//!                    └──┘ store unavailable: `resume` tries the same bytes (R14)
//! Ready ──end─────▶ Frozen ──created───────────▶ Closed
//! ```
//!
//! Slots go one after the other, so no slot can exist behind a hole of our own
//! making, and what `append` returned is durable with all slots before it (R15).

use bytes::Bytes;

use super::frozen::FrozenSlot;
use super::reader::{ReadError, SeqLogReader, Tail};
use super::record::{self, CloseRecord, EndRecord, OpenSlot};
use super::slot::SlotKind;
use crate::keys::Family;
use crate::log_id::LogId;
use crate::store::{Store, StoreError};

/// Slots are single PUTs of at most this (R21).
pub const PAYLOAD_BYTES_MAX: u64 = 32 << 20;

/// An append did not make its slot.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The slot is another's: this writer is fenced, for ever. What it was about
    /// to write must not be acknowledged on the strength of this log.
    #[error("slot {slot} holds {by:?} of another writer: fenced")]
    Fenced {
        /// The slot that was lost.
        slot: u64,
        /// What is in it.
        by: SlotKind,
    },
    /// Unknown whether the slot was made. Its bytes stay frozen: call
    /// [`SeqLogWriter::resume`] until it decides.
    #[error("log is not writable for now: {0}")]
    Unavailable(#[from] StoreError),
    /// An earlier append is undecided: [`SeqLogWriter::resume`] first.
    #[error("an earlier append is undecided")]
    Pending,
    /// The log was ended or lost before.
    #[error("log is closed for this writer")]
    Closed,
    /// The payload does not fit a slot.
    #[error("payload of {bytes} bytes is above the limit of {PAYLOAD_BYTES_MAX}")]
    TooLarge {
        /// Its length.
        bytes: u64,
    },
}

/// Appends to one log.
#[derive(Debug)]
pub struct SeqLogWriter {
    store: Store,
    family: Family,
    log: LogId,
    next: u64,
    frozen: Option<FrozenSlot>,
    closed: bool,
}

impl SeqLogWriter {
    /// Starts a new log with its OPEN slot.
    ///
    /// On an error the log may exist with nobody to write it; start again under
    /// another name.
    pub async fn create(
        store: Store,
        family: Family,
        log: LogId,
        open: &OpenSlot,
    ) -> Result<Self, AppendError> {
        let mut writer = Self::at(store, family, log, 0);
        writer.append(SlotKind::Open, vec![record::encode(open)]).await?;
        Ok(writer)
    }

    /// Continues at the first hole of an existing log: a drainer of a dead
    /// incarnation's data log (R24), or a new leader of the metadata log.
    pub async fn attach(store: Store, family: Family, log: LogId) -> Result<Self, AttachError> {
        let scan = SeqLogReader::new(store.clone(), family, log).scan(0).await?;
        match scan.tail {
            Tail::Hole(slot) => Ok(Self::at(store, family, log, slot)),
            Tail::End(slot, _) => Err(AttachError::Ended { slot }),
        }
    }

    /// Continues at `next`, which the caller found to be the first hole.
    pub fn at(store: Store, family: Family, log: LogId, next: u64) -> Self {
        Self { store, family, log, next, frozen: None, closed: false }
    }

    /// The log's name.
    pub fn log(&self) -> &LogId {
        &self.log
    }

    /// The slot that the next append makes.
    pub fn next_slot(&self) -> u64 {
        self.next
    }

    /// Appends one slot. Returns its number once it is durable.
    ///
    /// Dropping the future leaves the slot frozen, as an error does.
    pub async fn append(
        &mut self,
        kind: SlotKind,
        payload: Vec<Bytes>,
    ) -> Result<u64, AppendError> {
        if self.closed {
            return Err(AppendError::Closed);
        }
        if self.frozen.is_some() {
            return Err(AppendError::Pending);
        }
        let (store, next) = (self.store.clone(), self.next);
        let frozen = FrozenSlot::freeze(store, self.family, &self.log, next, kind, payload)?;
        self.frozen = Some(frozen);
        self.settle().await
    }

    /// Decides the append that was left undecided. `None` when there is none.
    pub async fn resume(&mut self) -> Result<Option<u64>, AppendError> {
        if self.frozen.is_none() {
            return Ok(None);
        }
        self.settle().await.map(Some)
    }

    /// Appends CLOSE: one partition has left the log.
    pub async fn close(&mut self, close: &CloseRecord) -> Result<u64, AppendError> {
        self.append(SlotKind::Close, vec![record::encode(close)]).await
    }

    /// Appends END. The log is over.
    pub async fn end(&mut self, end: &EndRecord) -> Result<u64, AppendError> {
        self.append(SlotKind::End, vec![record::encode(end)]).await
    }

    async fn settle(&mut self) -> Result<u64, AppendError> {
        let frozen = self.frozen.as_ref().expect("settle follows freeze");
        let kind = frozen.kind();
        match frozen.put().await {
            Err(AppendError::Unavailable(error)) => Err(AppendError::Unavailable(error)),
            settled => {
                self.closed = settled.is_err() || kind == SlotKind::End;
                self.next += u64::from(settled.is_ok());
                self.frozen = None;
                settled
            }
        }
    }
}

/// An existing log cannot be continued.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The log is over.
    #[error("log ended at slot {slot}")]
    Ended {
        /// Where END is.
        slot: u64,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}
