//! AddPartitionsToTxn and AddOffsetsToTxn: where a transaction's markers will have to go.
//!
//! Clients of older versions say so themselves before they write; a partition then asks whether it
//! was said (`verify_only`). With KIP-890's version 2 the partition adds itself. Either way nothing
//! is written in a transaction of which its coordinator does not durably know (T9, R38, R39).

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::coordinator_index;
use protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::key_of;
use super::transaction::{Producer, TransactionState};
use crate::command::{Caller, Outputs, Reply};
use crate::coordinator::Coordinator;
use crate::limits::TRANSACTION_PARTITIONS_MAX;
use crate::record::TopicPartition;

/// Partitions that are to be part of a transaction, or are asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddPartitions {
    /// Whose transaction.
    pub transactional_id: StrBytes,
    /// Who writes.
    pub producer: Producer,
    /// Adds nothing, and says INVALID_TXN_STATE of what was not added.
    pub verify_only: bool,
    /// Where.
    pub partitions: Vec<TopicPartition>,
}

impl Coordinator {
    pub(crate) fn add_partitions(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &AddPartitions,
        out: &mut Outputs,
    ) {
        let asked = &request.partitions;
        let codes = match self.try_add(now_ms, caller, request, out) {
            Ok(codes) => codes,
            Err(code) => vec![code; asked.len()],
        };
        out.replies.push((caller.token, Reply::AddPartitions(codes)));
    }

    /// Offsets of a group will be committed in the transaction: the marker has to go to the
    /// partition that keeps the group.
    pub(crate) fn add_offsets_to_txn(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &AddOffsetsToTxnRequest,
        out: &mut Outputs,
    ) {
        let adding = AddPartitions {
            transactional_id: request.transactional_id.0.clone(),
            producer: Producer { id: request.producer_id.0, epoch: request.producer_epoch },
            verify_only: false,
            partitions: vec![self.partition_of_group(caller, &request.group_id)],
        };
        let code = self.try_add(now_ms, caller, &adding, out).err().unwrap_or(ErrorCode::None);
        let response = AddOffsetsToTxnResponse::default().with_error_code(code.code());
        out.replies.push((caller.token, Reply::AddOffsetsToTxn(response)));
    }

    fn partition_of_group(&self, caller: &Caller, group: &str) -> TopicPartition {
        let index = coordinator_index(caller.tenant, group, self.shard.count);
        TopicPartition { topic: self.shard.topic, index }
    }

    fn try_add(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &AddPartitions,
        out: &mut Outputs,
    ) -> Result<Vec<ErrorCode>, ErrorCode> {
        let key = key_of(caller, &request.transactional_id)?;
        let transaction = self.transaction_of(&key, request.producer)?;
        if transaction.state.is_prepared() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        let asked = &request.partitions;
        // Partitions are there only while a transaction is open.
        let has = |at: &TopicPartition| transaction.partitions.contains(at);
        if request.verify_only {
            let verdict = |at| if has(at) { ErrorCode::None } else { ErrorCode::InvalidTxnState };
            return Ok(asked.iter().map(verdict).collect());
        }
        let known = transaction.state == TransactionState::Ongoing && asked.iter().all(has);
        if !known {
            let grown = transaction.with(asked.iter().copied(), now_ms);
            if grown.partitions.len() > TRANSACTION_PARTITIONS_MAX {
                return Err(ErrorCode::InvalidRequest);
            }
            self.emit_transaction(now_ms, key, grown, out);
        }
        Ok(vec![ErrorCode::None; asked.len()])
    }
}
