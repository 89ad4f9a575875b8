//! Appending: sequence check, offset, log, in one lock.

use bytes::{Bytes, BytesMut};
use protocol::ErrorCode;
use protocol::batch::{self, BatchView, NO_TIMESTAMP, Sequence};
use segment::ceiling::RESERVED_OFFSETS;
use thiserror::Error;

use super::{Partition, State};
use crate::acks::Ack;
use crate::producer_state::{SequenceError, SequencedBatch, Verdict};
use crate::wal::{Entry, FrontError};

/// A batch that has passed every check that needs no state.
#[derive(Debug, Clone)]
pub(crate) struct Append {
    batch: Bytes,
    last_offset_delta: i32,
    max_timestamp: i64,
    pub(super) sequence: Option<Sequence>,
    transactional: bool,
}

/// Bytes for the front, whoever wrote them.
pub(super) struct NewBatch {
    pub(super) bytes: Bytes,
    pub(super) last_offset_delta: i32,
    pub(super) max_timestamp: i64,
    /// May use the room that is kept for the cluster's own records (R28).
    pub(super) internal: bool,
    /// The time of its arrival takes the place of the timestamps.
    pub(super) log_append_time: bool,
}

/// What a batch got with its place in the log.
pub(super) struct Place {
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
    max_timestamp: i64,
}

/// Where a batch is. Not durable yet: that is what its [`Ack`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Offset of its first record: the original one for a duplicate.
    pub base_offset: i64,
    /// The node's timestamp of a LogAppendTime topic, else -1.
    pub log_append_time_ms: i64,
    /// The first offset there is.
    pub log_start_offset: i64,
}

/// Why a batch was not appended. All of these are definite (R44).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum AppendError {
    /// The partition takes no requests any more.
    #[error("the partition is closed: {0}")]
    Closed(ErrorCode),
    /// The sender's route is of another epoch (R49).
    #[error("expected epoch {expected}, the partition is in {actual}")]
    Epoch {
        /// What the sender believes.
        expected: i32,
        /// What is.
        actual: i32,
    },
    /// The producer's sequence forbids it.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// The front had no room for a batch of the producer, which has not come again yet. This one may
    /// not take its place.
    #[error("sent behind a batch that was refused")]
    Behind,
    /// The producer has a transaction open here, and the batch is none of it.
    #[error("the producer's open transaction is another")]
    OtherTransaction,
    /// The coordinator did not say that the batch is part of an open transaction, or it said so and
    /// the transaction has ended since. The code is what this client understands.
    #[error("not verified as part of an open transaction: {0}")]
    Unverified(ErrorCode),
    /// The front did not take it.
    #[error(transparent)]
    Front(#[from] FrontError),
}

// === impl Append ===

impl Append {
    /// `view` is of `batch`.
    pub(crate) fn new(batch: Bytes, view: &BatchView<'_>) -> Self {
        Self {
            last_offset_delta: view.last_offset_delta(),
            max_timestamp: view.max_timestamp(),
            sequence: Sequence::of(view),
            transactional: view.is_transactional(),
            batch,
        }
    }
}

// === impl AppendError ===

impl AppendError {
    /// What the producer is told.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Closed(code) | Self::Unverified(code) => *code,
            Self::OtherTransaction => ErrorCode::InvalidTxnState,
            Self::Epoch { .. } => ErrorCode::NotLeaderOrFollower,
            Self::Sequence(SequenceError::StaleEpoch { .. }) => ErrorCode::InvalidProducerEpoch,
            Self::Sequence(SequenceError::OutOfOrder { .. }) => ErrorCode::OutOfOrderSequenceNumber,
            // Retriable and definite for every client: "cannot be made durable just now" (R28).
            Self::Behind => ErrorCode::NotEnoughReplicas,
            Self::Front(error) if error.is_transient() => ErrorCode::NotEnoughReplicas,
            Self::Front(FrontError::BatchSize { .. }) => ErrorCode::MessageTooLarge,
            // The incarnation is over; its successor will be the leader.
            Self::Front(_) => ErrorCode::NotLeaderOrFollower,
        }
    }
}

// === impl Partition ===

impl Partition {
    /// Gives the batch its offset and hands it to the front.
    ///
    /// On success `ack` is told when the batch is durable, at once if it is a duplicate of one that
    /// is. On error nothing was appended, and never will be.
    pub(crate) fn append(
        &self,
        append: Append,
        expected_epoch: Option<i32>,
        now_ms: i64,
        ack: Ack,
    ) -> Result<Appended, AppendError> {
        self.check_expected(expected_epoch)?;
        let mut state = self.state.lock();
        if let Some(code) = state.closed {
            return Err(AppendError::Closed(code));
        }
        self.take(&mut state, append, now_ms, ack)
    }

    /// Refuses what was routed by another epoch (R49).
    pub(super) fn check_expected(&self, expected_epoch: Option<i32>) -> Result<(), AppendError> {
        let actual = self.epoch;
        match expected_epoch.filter(|expected| *expected != actual) {
            Some(expected) if !process::mutation::on("R49") => {
                Err(AppendError::Epoch { expected, actual })
            }
            _ => Ok(()),
        }
    }

    /// Takes a client's batch. One of a transaction is known to be of an open one, or verified.
    pub(super) fn take(
        &self,
        state: &mut State,
        append: Append,
        now_ms: i64,
        ack: Ack,
    ) -> Result<Appended, AppendError> {
        let log_append_time = self.settings().log_append_time;
        if let Some(sequence) = append.sequence {
            if let Verdict::Duplicate(batch) = state.admit(sequence)? {
                return Ok(state.repeat(batch, log_append_time, ack));
            }
            state.check_open_transaction(sequence, append.transactional)?;
        }
        let Append { batch: bytes, last_offset_delta, max_timestamp, .. } = append;
        let internal = self.is_internal();
        let batch = NewBatch { bytes, last_offset_delta, max_timestamp, internal, log_append_time };
        let placed = self.hand_over(state, batch, now_ms, ack);
        let placed = placed.inspect_err(|error| state.refused(append.sequence, error))?;
        let Place { base_offset, last_offset, max_timestamp } = placed;
        if let Some(Sequence { producer_id, epoch, first, last }) = append.sequence {
            let written = SequencedBatch {
                base_sequence: first,
                last_sequence: last,
                base_offset,
                last_offset,
                max_timestamp,
            };
            state.producers.record(producer_id, epoch, written, now_ms);
            if append.transactional && state.producers.begin_transaction(producer_id, base_offset) {
                state.transactions.begin(base_offset);
            }
        }
        Ok(Appended {
            base_offset,
            log_append_time_ms: if log_append_time { max_timestamp } else { NO_TIMESTAMP },
            log_start_offset: state.log_start,
        })
    }

    /// Gives a batch its offset and hands it to the front.
    pub(super) fn hand_over(
        &self,
        state: &mut State,
        batch: NewBatch,
        now_ms: i64,
        ack: Ack,
    ) -> Result<Place, FrontError> {
        let (bytes, max_timestamp) = if batch.log_append_time {
            let stamp = now_ms.max(state.last_append_ms);
            (stamped(&batch.bytes, stamp), stamp)
        } else {
            (batch.bytes, batch.max_timestamp)
        };
        let base_offset = state.next_offset;
        let last_offset = base_offset + i64::from(batch.last_offset_delta);
        let length = bytes.len();
        let ahead = last_offset + 1 - state.uploaded_upto;
        if ahead > i64::from(RESERVED_OFFSETS) {
            return Err(FrontError::Ahead { offsets: ahead });
        }
        self.front.append(Entry {
            partition: self.id,
            base_offset,
            leader_epoch: self.epoch,
            last_offset,
            batch: bytes,
            internal: batch.internal,
            target: self.this.upgrade().expect("a partition in use is alive"),
        })?;
        self.counters.produced(length);
        state.next_offset = last_offset + 1;
        state.acks.push_back((last_offset, ack));
        if batch.log_append_time {
            state.last_append_ms = max_timestamp;
        }
        Ok(Place { base_offset, last_offset, max_timestamp })
    }
}

// === impl State ===

impl State {
    /// Decides about a batch of an idempotent producer.
    pub(super) fn admit(&mut self, sequence: Sequence) -> Result<Verdict, AppendError> {
        let behind = self.interrupted.is_behind(sequence.producer_id, sequence);
        match self.producers.check(sequence) {
            Ok(Verdict::Duplicate(batch)) => Ok(Verdict::Duplicate(batch)),
            _ if behind => Err(AppendError::Behind),
            verdict => Ok(verdict?),
        }
    }

    /// While a transaction is open, its producer writes nothing else.
    fn check_open_transaction(
        &self,
        sequence: Sequence,
        transactional: bool,
    ) -> Result<(), AppendError> {
        let entry = self.producers.find(sequence.producer_id);
        let open = entry.filter(|entry| entry.txn_first_offset.is_some());
        match open {
            Some(entry) if !transactional || entry.epoch != sequence.epoch => {
                Err(AppendError::OtherTransaction)
            }
            _ => Ok(()),
        }
    }

    /// The front has no room, or no key, just now: the producer will send the batch again.
    fn refused(&mut self, sequence: Option<Sequence>, error: &FrontError) {
        if let Some(sequence) = sequence
            && error.is_transient()
        {
            self.interrupted.fail(sequence.producer_id, sequence);
        }
    }

    /// Acknowledges a batch that is here already, once it is durable: the first attempt may still
    /// be on its way.
    pub(super) fn repeat(
        &mut self,
        batch: SequencedBatch,
        log_append_time: bool,
        ack: Ack,
    ) -> Appended {
        if batch.last_offset < self.high_watermark {
            ack.durable();
        } else {
            let behind = self.acks.partition_point(|(last, _)| *last <= batch.last_offset);
            self.acks.insert(behind, (batch.last_offset, ack));
        }
        Appended {
            base_offset: batch.base_offset,
            log_append_time_ms: if log_append_time { batch.max_timestamp } else { NO_TIMESTAMP },
            log_start_offset: self.log_start,
        }
    }
}

/// The batch with the node's time in it. The one case in which a batch is copied before the log:
/// the timestamp is under the checksum.
fn stamped(batch: &Bytes, now_ms: i64) -> Bytes {
    let mut own = BytesMut::from(batch.as_ref());
    batch::set_log_append_time(&mut own, now_ms);
    own.freeze()
}
