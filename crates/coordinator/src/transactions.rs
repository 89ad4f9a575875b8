//! Transactions: who may write under a transactional id, and how each transaction ends (KIP-98, and
//! KIP-890's version 2).
//!
//! ```text
//!                       partitions            EndTxn           all markers written
//!   InitProducerId ─▶ Empty ───▶ Ongoing ───────────▶ Prepare… ───────────────▶ Complete…
//!                       ▲          ▲  │ fenced, or timeout  ▲ abort                │ │
//!                       │          │  └─────────────────────┘                      │ │
//!                       │          └──────────── partitions ───────────────────────┘ │
//!                       └─────────────────────── InitProducerId ─────────────────────┘
//! ```
//!
//! Every step is a record, and its answer waits for it (R39). Markers are handed to the host as
//! [`crate::Markers`] and go out once the Prepare is durable: from then on the outcome stands, and
//! whoever loads the log sends them again until every partition has them (R40). A transactional id
//! without a record is what Kafka calls Dead.

mod admin;
mod end;
mod expiry;
mod init;
mod partitions;
mod transaction;

pub use end::{Markers, MarkersWritten, TransactionVersion};
pub use partitions::AddPartitions;
pub use transaction::{Producer, Transaction, TransactionState};

use protocol::StrBytes;
use protocol::error::ErrorCode;

use crate::command::{Caller, Outputs};
use crate::coordinator::Coordinator;
use crate::limits::TEXT_BYTES_MAX;
use crate::owned::owned;
use crate::record::{Record, TransactionKey};
use crate::timers::Timer;

impl Coordinator {
    /// Makes `transaction` the state of its id, and its timeout run while it is open.
    fn emit_transaction(
        &mut self,
        now_ms: i64,
        key: TransactionKey,
        transaction: Transaction,
        out: &mut Outputs,
    ) {
        let timer = Timer::Transaction(key.clone());
        let open = transaction.state == TransactionState::Ongoing;
        let was_open = self
            .ledger
            .transaction(&key)
            .is_some_and(|before| before.state == TransactionState::Ongoing);
        if open && !was_open {
            self.timers.arm(timer, now_ms, i64::from(transaction.timeout_ms));
        } else if !open {
            self.timers.disarm(&timer);
        }
        self.emit(Record::Transaction { key, transaction }, out);
    }

    /// Starts the timeouts of all open transactions, each in full (R42).
    pub(crate) fn start_transactions(&mut self, now_ms: i64) {
        for (key, transaction) in self.ledger.transactions() {
            if transaction.state == TransactionState::Ongoing {
                let timer = Timer::Transaction(key.clone());
                self.timers.arm(timer, now_ms, i64::from(transaction.timeout_ms));
            }
        }
        let check_ms = self.config.transactional_id_expiration_check_ms.max(1);
        self.timers.arm(Timer::TransactionExpiry, now_ms, check_ms);
    }

    /// The transaction of `key`, if `producer` is the one that may act in it.
    fn transaction_of(
        &self,
        key: &TransactionKey,
        producer: Producer,
    ) -> Result<&Transaction, ErrorCode> {
        let transaction =
            self.ledger.transaction(key).ok_or(ErrorCode::InvalidProducerIdMapping)?;
        if transaction.producer.id != producer.id {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if transaction.producer.epoch != producer.epoch {
            return Err(ErrorCode::ProducerFenced);
        }
        Ok(transaction)
    }
}

/// The id as state is kept under it. An empty one is none.
fn key_of(caller: &Caller, id: &StrBytes) -> Result<TransactionKey, ErrorCode> {
    if id.is_empty() || id.len() > TEXT_BYTES_MAX {
        return Err(ErrorCode::InvalidRequest);
    }
    Ok(TransactionKey { tenant: caller.tenant, id: owned(id) })
}
