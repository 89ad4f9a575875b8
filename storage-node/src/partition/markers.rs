//! Markers: the end of a transaction, appended by its owner on behalf of the coordinator (R40, T11).
//!
//! ```text
//! marker's epoch below the known one           -> INVALID_PRODUCER_EPOCH
//! the known one, from transaction version 2 on,
//!   while a transaction of it is open          -> INVALID_PRODUCER_EPOCH: late, it ended the one before
//! coordinator's epoch below the known one      -> TRANSACTION_COORDINATOR_FENCED
//! nothing open and nothing new in it           -> success, nothing appended: a repeat
//! else                                         -> control batch; a higher epoch fences older ones (T7)
//! ```
//!
//! Whatever the answer, it is given when all that it rests on is durable.

use protocol::ErrorCode;
use protocol::batch::EndTransactionMarker;
use segment::AbortedTransaction;
use thiserror::Error;

use super::append::{NewBatch, Place};
use super::{Partition, State};
use crate::acks::Ack;
use crate::wal::FrontError;

/// From this version on a transaction's end bumps its producer's epoch (KIP-890).
const EPOCH_BUMPED_FROM: i32 = 2;

/// A transaction's end, as the coordinator decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) producer_id: i64,
    /// Of the marker, which may be above that of the transaction.
    pub(crate) producer_epoch: i16,
    pub(crate) end: EndTransactionMarker,
    pub(crate) transaction_version: i32,
}

/// Why a marker was not appended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum MarkerError {
    /// The partition takes no requests any more.
    #[error("the partition is closed: {0}")]
    Closed(ErrorCode),
    /// The producer has gone on since.
    #[error("the marker's epoch {epoch} is behind {known}, which the partition has seen")]
    StaleEpoch {
        /// Of the marker.
        epoch: i16,
        /// The latest.
        known: i16,
    },
    /// Another coordinator has taken over since.
    #[error("coordinator epoch {epoch} is older than {known}")]
    CoordinatorFenced {
        /// Of the marker.
        epoch: i32,
        /// The latest.
        known: i32,
    },
    /// The front did not take it.
    #[error(transparent)]
    Front(#[from] FrontError),
}

/// What is to be done with a marker.
enum MarkerVerdict {
    Append,
    Repeat,
}

// === impl MarkerError ===

impl MarkerError {
    /// What the coordinator is told.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Closed(code) => *code,
            Self::StaleEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            Self::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
            Self::Front(error) if error.is_transient() => ErrorCode::NotEnoughReplicas,
            Self::Front(_) => ErrorCode::NotLeaderOrFollower,
        }
    }

    /// Whether the coordinator gives the marker up for it: only the owner may say so (R6).
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::StaleEpoch { .. } | Self::CoordinatorFenced { .. })
    }
}

// === impl Marker ===

impl Marker {
    /// Whether a batch of this epoch, not yet appended, was sent in the transaction that it ends or
    /// in an earlier one.
    pub(super) fn ends(&self, epoch: i16) -> bool {
        epoch < self.producer_epoch
            || (epoch == self.producer_epoch && self.transaction_version < EPOCH_BUMPED_FROM)
    }
}

// === impl Partition ===

impl Partition {
    /// Appends a marker, unless it is there. `ack` is told when the answer may be given; it is
    /// forgotten where the error needs no durability.
    pub(crate) fn write_marker(
        &self,
        marker: &Marker,
        now_ms: i64,
        ack: Ack,
    ) -> Result<(), MarkerError> {
        let mut state = self.state.lock();
        if let Some(code) = state.closed {
            return Err(MarkerError::Closed(code));
        }
        match state.judge(marker) {
            Ok(MarkerVerdict::Append) => {}
            Ok(MarkerVerdict::Repeat) => {
                state.await_all(ack);
                return Ok(());
            }
            Err(error) => {
                state.await_all(ack);
                return Err(error);
            }
        }
        // Batches that wait for their verification were sent before the end (KIP-890's guard).
        state.end_verification(marker);
        let batch = NewBatch {
            bytes: marker.end.batch(marker.producer_id, marker.producer_epoch, now_ms),
            last_offset_delta: 0,
            max_timestamp: now_ms,
            // Transactions can be ended when producers have to wait (R28).
            internal: true,
            log_append_time: self.settings().log_append_time,
        };
        let Place { base_offset, .. } = self.hand_over(&mut state, batch, now_ms, ack)?;
        state.apply(marker, base_offset, now_ms);
        Ok(())
    }
}

// === impl State ===

impl State {
    fn judge(&self, marker: &Marker) -> Result<MarkerVerdict, MarkerError> {
        let Some(known) = self.producers.find(marker.producer_id) else {
            return Ok(MarkerVerdict::Append);
        };
        let is_open = known.txn_first_offset.is_some();
        let epoch = marker.producer_epoch;
        let bumped = marker.transaction_version >= EPOCH_BUMPED_FROM;
        let late = bumped && is_open && epoch == known.epoch;
        if epoch < known.epoch || late {
            return Err(MarkerError::StaleEpoch { epoch, known: known.epoch });
        }
        let (coordinator, known_coordinator) =
            (marker.end.coordinator_epoch, known.coordinator_epoch);
        if coordinator < known_coordinator && !process::mutation::on("R40") {
            let (epoch, known) = (coordinator, known_coordinator);
            return Err(MarkerError::CoordinatorFenced { epoch, known });
        }
        let says_nothing_new = !is_open && epoch == known.epoch && coordinator == known_coordinator;
        Ok(if says_nothing_new { MarkerVerdict::Repeat } else { MarkerVerdict::Append })
    }

    /// What a marker at `offset` changes. The last stable offset moves when it is durable.
    fn apply(&mut self, marker: &Marker, offset: i64, now_ms: i64) {
        let Marker { producer_id, producer_epoch, end, .. } = *marker;
        let begun = self.producers.end_transaction(
            producer_id,
            producer_epoch,
            end.coordinator_epoch,
            now_ms,
        );
        if let Some(first_offset) = begun {
            let ended = AbortedTransaction { producer_id, first_offset, last_offset: offset };
            self.transactions.end(ended, end.commit);
        }
    }

    /// Tells `ack` once everything that was appended so far is durable.
    fn await_all(&mut self, ack: Ack) {
        if self.high_watermark >= self.next_offset {
            ack.durable();
        } else {
            self.acks.push_back((self.next_offset - 1, ack));
        }
    }
}

#[cfg(test)]
mod tests;
