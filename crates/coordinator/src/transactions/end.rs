//! How transactions end: EndTxn, a timeout, or a new owner; and what follows until they are over.

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};

use super::key_of;
use super::transaction::{Producer, Transaction, TransactionState};
use crate::command::{Caller, Outputs, Reply};
use crate::coordinator::Coordinator;
use crate::record::{TopicPartition, TransactionKey};

/// How a client understands transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionVersion {
    /// One epoch for as long as the producer lives (KIP-98).
    V1,
    /// An epoch for each transaction: what is late can act on no other (KIP-890).
    V2,
}

/// What has to be written to the partitions of a transaction, now that its outcome is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markers {
    /// Whose transaction.
    pub key: TransactionKey,
    /// What the markers carry.
    pub producer: Producer,
    /// True if `producer`'s epoch is above that of the transaction: what has reached it already
    /// belongs to a later one, which the marker must leave alone (T8).
    pub bumped: bool,
    /// What a partition compares with that of the last marker (R40).
    pub coordinator_epoch: i32,
    /// Commit, or abort.
    pub commit: bool,
    /// Where.
    pub partitions: Vec<TopicPartition>,
}

/// Every partition of a transaction has its marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkersWritten {
    /// Whose transaction.
    pub transactional_id: StrBytes,
    /// What the markers carried.
    pub producer: Producer,
}

/// A decided outcome.
pub(super) struct Ending {
    pub(super) state: TransactionState,
    pub(super) producer: Producer,
    pub(super) bumped: bool,
    pub(super) previous: Option<Producer>,
    pub(super) next: Option<Producer>,
}

// === impl Ending ===

impl Ending {
    /// An abort that its producer did not ask for, under an epoch that it does not have. `was` is
    /// the producer if it is the one that goes on under that epoch: it wants to start over, or its time
    /// is over and nobody else has come in between.
    pub(super) fn fence(producer: Producer, was: Option<Producer>) -> Self {
        let state = TransactionState::PrepareAbort;
        Self { state, producer: producer.fencing(), bumped: true, previous: was, next: None }
    }

    /// Who the client is when the transaction is complete.
    fn owner(&self) -> Producer {
        self.next.unwrap_or(self.producer)
    }
}

// === impl Coordinator ===

impl Coordinator {
    pub(crate) fn end_txn(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &EndTxnRequest,
        version: TransactionVersion,
        out: &mut Outputs,
    ) {
        let response = match self.try_end(now_ms, caller, request, version, out) {
            Ok(producer) => EndTxnResponse::default()
                .with_producer_id(ProducerId(producer.id))
                .with_producer_epoch(producer.epoch),
            Err(code) => EndTxnResponse::default()
                .with_error_code(code.code())
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1),
        };
        out.replies.push((caller.token, Reply::EndTxn(response)));
    }

    fn try_end(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &EndTxnRequest,
        version: TransactionVersion,
        out: &mut Outputs,
    ) -> Result<Producer, ErrorCode> {
        let key = key_of(caller, &request.transactional_id)?;
        let producer = Producer { id: request.producer_id.0, epoch: request.producer_epoch };
        let transaction =
            self.ledger.transaction(&key).ok_or(ErrorCode::InvalidProducerIdMapping)?;
        // The last epoch of an id is nobody's, see [`Producer::next_epoch`].
        let has_next = transaction.producer.epoch < i16::MAX;
        let was_it = transaction.previous == Some(producer);
        if version == TransactionVersion::V2 && was_it && has_next {
            // It has been given its next epoch. A repetition finds what it did; anything else that
            // still comes under the old epoch is late.
            return match transaction.state {
                TransactionState::Empty | TransactionState::Ongoing => {
                    Err(ErrorCode::ProducerFenced)
                }
                _ => repeated(transaction, request.committed),
            };
        }
        let transaction = self.transaction_of(&key, producer)?;
        match (transaction.state, version) {
            (TransactionState::Ongoing, _) => {}
            // With an epoch per transaction this is no repetition, but a transaction in which
            // nothing was sent. Its client counts on another epoch; only an abort makes sense.
            (state, TransactionVersion::V2) if state.is_idle() && !request.committed => {}
            // Its client was told the next epoch when the outcome was durable, and may be here with
            // it before every marker is.
            (state, TransactionVersion::V2) if state.is_prepared() => {
                return Err(ErrorCode::ConcurrentTransactions);
            }
            (_, TransactionVersion::V2) | (TransactionState::Empty, TransactionVersion::V1) => {
                return Err(ErrorCode::InvalidTxnState);
            }
            (_, TransactionVersion::V1) => return repeated(transaction, request.committed),
        }
        let ending = self.decide(producer, request.committed, version)?;
        let owner = ending.owner();
        self.end(now_ms, key, ending, out);
        Ok(owner)
    }

    /// The outcome its own client asks for.
    fn decide(
        &mut self,
        producer: Producer,
        commit: bool,
        version: TransactionVersion,
    ) -> Result<Ending, ErrorCode> {
        let state =
            if commit { TransactionState::PrepareCommit } else { TransactionState::PrepareAbort };
        if version == TransactionVersion::V1 {
            return Ok(Ending { state, producer, bumped: false, previous: None, next: None });
        }
        let next = match producer.next_epoch() {
            Some(_) => None,
            None => Some(Producer { id: self.next_producer_id()?, epoch: 0 }),
        };
        let previous = Some(producer);
        Ok(Ending { state, producer: producer.fencing(), bumped: true, previous, next })
    }

    /// Makes an outcome durable, and sees to its markers. Nothing is left to do for a transaction
    /// without partitions.
    pub(super) fn end(
        &mut self,
        now_ms: i64,
        key: TransactionKey,
        ending: Ending,
        out: &mut Outputs,
    ) {
        let open = self.ledger.transaction(&key).expect("the caller has looked");
        let prepared = open.prepared(&ending, now_ms);
        if prepared.partitions.is_empty() {
            let completed = prepared.completed(now_ms);
            self.emit_transaction(now_ms, key, completed, out);
            return;
        }
        out.markers.push(self.markers(&key, &prepared));
        self.emit_transaction(now_ms, key, prepared, out);
    }

    /// The transaction has been open for as long as its client allowed.
    pub(crate) fn on_transaction_timer(
        &mut self,
        now_ms: i64,
        key: TransactionKey,
        out: &mut Outputs,
    ) {
        let open = self.ledger.transaction(&key);
        let open = open.filter(|transaction| transaction.state == TransactionState::Ongoing);
        if let Some(open) = open {
            // As in Kafka: the producer may ask for the abort that happened, and go on under the epoch
            // of it. What it has sent under its own is below the markers and comes too late (T7).
            let ending = Ending::fence(open.producer, Some(open.producer));
            self.end(now_ms, key, ending, out);
        }
    }

    pub(crate) fn markers_written(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        written: &MarkersWritten,
        out: &mut Outputs,
    ) {
        if let Ok(key) = key_of(caller, &written.transactional_id) {
            let prepared = self.ledger.transaction(&key);
            let prepared = prepared.filter(|transaction| {
                transaction.state.is_prepared() && transaction.producer == written.producer
            });
            if let Some(prepared) = prepared {
                let completed = prepared.completed(now_ms);
                self.emit_transaction(now_ms, key, completed, out);
            }
        }
        out.replies.push((caller.token, Reply::MarkersWritten));
    }

    /// The markers of every transaction that is decided and not complete. After a load nobody else
    /// sends them (R40).
    pub fn unfinished(&self) -> Vec<Markers> {
        let all = self.ledger.transactions();
        let prepared = all.filter(|(_, transaction)| transaction.state.is_prepared());
        prepared.map(|(key, transaction)| self.markers(key, transaction)).collect()
    }

    fn markers(&self, key: &TransactionKey, prepared: &Transaction) -> Markers {
        Markers {
            key: key.clone(),
            producer: prepared.producer,
            bumped: prepared.bumped,
            coordinator_epoch: self.shard.epoch,
            commit: prepared.state == TransactionState::PrepareCommit,
            partitions: prepared.partitions.iter().copied().collect(),
        }
    }
}

/// The answer to EndTxn for a transaction whose end was asked for already.
fn repeated(transaction: &Transaction, commit: bool) -> Result<Producer, ErrorCode> {
    match (transaction.state, commit) {
        (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) => {
            Ok(transaction.producer)
        }
        // Its markers are under way. Told to come again, the client waits until the next
        // transaction can begin.
        (TransactionState::PrepareCommit, true) | (TransactionState::PrepareAbort, false) => {
            Err(ErrorCode::ConcurrentTransactions)
        }
        _ => Err(ErrorCode::InvalidTxnState),
    }
}
