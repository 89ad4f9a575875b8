//! The first batch of a transaction waits until its coordinator says that the partition is part of it
//! (KIP-890, R38).
//!
//! ```text
//! batch of (producer, epoch)
//!   transaction open here        -> appended at once
//!   else                         -> waits, and so do those behind it; the coordinator is asked once
//!        coordinator says yes    -> all are appended, in their order
//!        it says no              -> all are refused
//!        a marker comes first    -> all are refused: their transaction is over, whatever the
//!                                   coordinator said when it was asked
//! ```
//!
//! Without this a batch that comes late would open a transaction that nobody ever ends (T8). Only the
//! producer's own batches wait. What is verified is remembered by the open transaction, which is in
//! the log; so nothing in here has to survive a failover.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use protocol::ErrorCode;
use protocol::batch::Sequence;
use tokio::sync::oneshot;

use super::append::{Append, AppendError, Appended};
use super::{Marker, Partition, State};
use crate::acks::Ack;
use crate::limits::VERIFYING_BATCHES_MAX;
use crate::producer_state::{SequenceError, Verdict};

/// What a client's Produce version says about how it uses transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TxnSupport {
    /// It knows TRANSACTION_ABORTABLE: Produce 11.
    pub(crate) abortable: bool,
    /// Its batches add their partitions to the transaction, and each transaction has an epoch of its
    /// own: Produce 12.
    pub(crate) adds: bool,
}

/// Tells a verification under way from a later one of the same producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guard {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    number: u64,
}

/// What became of a transactional batch for now.
#[derive(Debug)]
pub(crate) enum Placement {
    /// It has its place in the log, or was refused.
    Told(Result<Appended, AppendError>),
    /// It waits. With a guard nobody has asked the coordinator yet.
    Waits(oneshot::Receiver<Result<Appended, AppendError>>, Option<Guard>),
}

/// A verification under way.
#[derive(Debug)]
pub(super) struct Verifying {
    guard: Guard,
    waiting: VecDeque<Waiting>,
}

/// A batch that waits for it.
#[derive(Debug)]
struct Waiting {
    append: Append,
    sequence: Sequence,
    support: TxnSupport,
    ack: Ack,
    told: oneshot::Sender<Result<Appended, AppendError>>,
}

// === impl TxnSupport ===

impl TxnSupport {
    /// That of a client which speaks this version of Produce.
    pub(crate) fn of(produce_version: i16) -> Self {
        Self { abortable: produce_version >= 11, adds: produce_version >= 12 }
    }

    /// What a client is told whose batch is in no open transaction.
    pub(crate) fn not_in_transaction(self) -> ErrorCode {
        if self.abortable { ErrorCode::TransactionAbortable } else { ErrorCode::InvalidTxnState }
    }
}

// === impl Partition ===

impl Partition {
    /// Appends a batch of a transaction, or lets it wait for the verification of the transaction.
    pub(crate) fn append_transactional(
        &self,
        append: Append,
        support: TxnSupport,
        expected_epoch: Option<i32>,
        now_ms: i64,
        ack: Ack,
    ) -> Placement {
        if let Err(error) = self.check_expected(expected_epoch) {
            return Placement::Told(Err(error));
        }
        let Some(sequence) = append.sequence else {
            // Validated before: a transaction needs a producer.
            return Placement::Told(Err(AppendError::OtherTransaction));
        };
        let mut state = self.state.lock();
        if let Some(code) = state.closed {
            return Placement::Told(Err(AppendError::Closed(code)));
        }
        let waits = state.verifying.contains_key(&sequence.producer_id);
        if !waits {
            match state.needs_verification(sequence) {
                Ok(true) => {}
                Ok(false) => return Placement::Told(self.take(&mut state, append, now_ms, ack)),
                Err(error) => return Placement::Told(Err(error)),
            }
        }
        let (told, hears) = oneshot::channel();
        match state.wait(Waiting { append, sequence, support, ack, told }) {
            Ok(guard) => Placement::Waits(hears, guard),
            Err(error) => Placement::Told(Err(error)),
        }
    }

    /// The coordinator has answered: appends what waits, or refuses it. Nothing happens if the
    /// verification is over.
    pub(crate) fn verified(
        &self,
        guard: Guard,
        outcome: impl Fn(TxnSupport) -> Result<(), ErrorCode>,
        now_ms: i64,
    ) {
        let mut state = self.state.lock();
        let Entry::Occupied(verifying) = state.verifying.entry(guard.producer_id) else { return };
        if verifying.get().guard != guard {
            return;
        }
        let closed = state.closed;
        let mut told = Vec::new();
        for waiting in state.verifying.remove(&guard.producer_id).expect("found").waiting {
            let Waiting { append, sequence, support, ack, told: tell } = waiting;
            let result = match (closed, outcome(support)) {
                (Some(code), _) => Err(AppendError::Closed(code)),
                // Its request is over, and its client may have sent it again.
                _ if tell.is_closed() => Err(AppendError::Behind),
                (None, Err(code)) => Err(AppendError::Unverified(code)),
                (None, Ok(())) => self.take_verified(&mut state, append, support, now_ms, ack),
            };
            if let Err(error) = &result {
                state.interrupt(sequence, error.code());
            }
            told.push((tell, result));
        }
        drop(state);
        for (tell, result) in told {
            // Whoever asked may have given up.
            let _ = tell.send(result);
        }
    }

    fn take_verified(
        &self,
        state: &mut State,
        append: Append,
        support: TxnSupport,
        now_ms: i64,
        ack: Ack,
    ) -> Result<Appended, AppendError> {
        // An epoch is one transaction's: its first batch is missing (KIP-890).
        if let Some(Sequence { producer_id, epoch, first, .. }) = append.sequence
            && support.adds
            && first != 0
            && state.producers.find(producer_id).is_none()
        {
            return Err(SequenceError::OutOfOrder { epoch, first, known: -1, last: -1 }.into());
        }
        self.take(state, append, now_ms, ack)
    }
}

// === impl State ===

impl State {
    /// Whether the coordinator must be asked before the batch is taken. A repeated batch is taken,
    /// for nothing is appended.
    fn needs_verification(&mut self, sequence: Sequence) -> Result<bool, AppendError> {
        let is_repeated = matches!(self.admit(sequence)?, Verdict::Duplicate(_));
        let known = self.producers.find(sequence.producer_id);
        let is_open = known
            .is_some_and(|known| known.txn_first_offset.is_some() && known.epoch == sequence.epoch);
        Ok(!is_repeated && !is_open && !process::mutation::on("R38"))
    }

    /// Puts a batch behind those of its producer that wait. Returns a guard if it is the first.
    fn wait(&mut self, waiting: Waiting) -> Result<Option<Guard>, AppendError> {
        let Sequence { producer_id, epoch, .. } = waiting.sequence;
        if let Some(verifying) = self.verifying.get_mut(&producer_id) {
            let known = verifying.guard.producer_epoch;
            if epoch < known {
                return Err(SequenceError::StaleEpoch { epoch, known }.into());
            }
            if epoch == known {
                if verifying.waiting.len() >= VERIFYING_BATCHES_MAX {
                    self.interrupt(waiting.sequence, ErrorCode::NotEnoughReplicas);
                    return Err(AppendError::Behind);
                }
                verifying.waiting.push_back(waiting);
                return Ok(None);
            }
            self.refuse_waiting(producer_id, |_| ErrorCode::InvalidProducerEpoch);
        }
        self.verifications += 1;
        let guard = Guard { producer_id, producer_epoch: epoch, number: self.verifications };
        self.verifying.insert(producer_id, Verifying { guard, waiting: [waiting].into() });
        Ok(Some(guard))
    }

    /// A marker was accepted: what waits was sent in a transaction that is over.
    pub(super) fn end_verification(&mut self, marker: &Marker) {
        let verifying = self.verifying.get(&marker.producer_id);
        if verifying.is_some_and(|it| marker.ends(it.guard.producer_epoch)) {
            self.refuse_waiting(marker.producer_id, TxnSupport::not_in_transaction);
        }
    }

    /// The partition closes: nothing that waits will be appended.
    pub(super) fn stop_verifying(&mut self, code: ErrorCode) {
        for (_, verifying) in std::mem::take(&mut self.verifying) {
            for waiting in verifying.waiting {
                let _ = waiting.told.send(Err(AppendError::Closed(code)));
            }
        }
    }

    fn refuse_waiting(&mut self, producer_id: i64, code: impl Fn(TxnSupport) -> ErrorCode) {
        let Some(verifying) = self.verifying.remove(&producer_id) else { return };
        for waiting in verifying.waiting {
            let _ = waiting.told.send(Err(AppendError::Unverified(code(waiting.support))));
        }
    }

    /// What was refused and will be sent again takes those behind it with it.
    fn interrupt(&mut self, sequence: Sequence, code: ErrorCode) {
        if matches!(code, ErrorCode::NotEnoughReplicas | ErrorCode::ConcurrentTransactions) {
            self.interrupted.fail(sequence.producer_id, sequence);
        }
    }
}

#[cfg(test)]
mod tests;
