//! The records of transactions as they stand in the log. What is said of field numbers in
//! [`super`] is true here.

use prost::Message;

use super::{RecordError, WireOffset, WirePartition, partition};
use crate::transactions::{Producer, Transaction, TransactionState};

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct WireProducer {
    #[prost(int64, tag = "1")]
    pub(super) id: i64,
    #[prost(int32, tag = "2")]
    pub(super) epoch: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WirePending {
    #[prost(message, optional, tag = "1")]
    pub(super) producer: Option<WireProducer>,
    #[prost(message, repeated, tag = "2")]
    pub(super) offsets: Vec<WireOffset>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct WireMarker {
    #[prost(message, optional, tag = "1")]
    pub(super) producer: Option<WireProducer>,
    #[prost(bool, tag = "2")]
    pub(super) commit: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WireTransaction {
    #[prost(message, optional, tag = "1")]
    producer: Option<WireProducer>,
    #[prost(bool, tag = "2")]
    bumped: bool,
    #[prost(message, optional, tag = "3")]
    previous: Option<WireProducer>,
    #[prost(message, optional, tag = "4")]
    next: Option<WireProducer>,
    #[prost(int32, tag = "5")]
    timeout_ms: i32,
    #[prost(uint32, tag = "6")]
    state: u32,
    #[prost(message, repeated, tag = "7")]
    partitions: Vec<WirePartition>,
    #[prost(int64, optional, tag = "8")]
    started_at_ms: Option<i64>,
    #[prost(int64, tag = "9")]
    updated_at_ms: i64,
}

/// A producer that has to be there.
pub(super) fn producer(wire: Option<WireProducer>) -> Result<Producer, RecordError> {
    wire.ok_or(RecordError::Malformed("no producer"))?.try_into()
}

fn state(number: u32) -> Result<TransactionState, RecordError> {
    Ok(match number {
        0 => TransactionState::Empty,
        1 => TransactionState::Ongoing,
        2 => TransactionState::PrepareCommit,
        3 => TransactionState::PrepareAbort,
        4 => TransactionState::CompleteCommit,
        5 => TransactionState::CompleteAbort,
        _ => return Err(RecordError::Malformed("unknown state of a transaction")),
    })
}

impl From<&Producer> for WireProducer {
    fn from(producer: &Producer) -> Self {
        Self { id: producer.id, epoch: producer.epoch.into() }
    }
}

impl TryFrom<WireProducer> for Producer {
    type Error = RecordError;

    fn try_from(wire: WireProducer) -> Result<Self, RecordError> {
        let epoch = wire.epoch.try_into();
        Ok(Self { id: wire.id, epoch: epoch.map_err(|_| RecordError::Malformed("epoch"))? })
    }
}

impl From<&Transaction> for WireTransaction {
    fn from(transaction: &Transaction) -> Self {
        Self {
            producer: Some((&transaction.producer).into()),
            bumped: transaction.bumped,
            previous: transaction.previous.as_ref().map(WireProducer::from),
            next: transaction.next.as_ref().map(WireProducer::from),
            timeout_ms: transaction.timeout_ms,
            state: transaction.state as u32,
            partitions: transaction.partitions.iter().map(WirePartition::from).collect(),
            started_at_ms: transaction.started_at_ms,
            updated_at_ms: transaction.updated_at_ms,
        }
    }
}

impl TryFrom<WireTransaction> for Transaction {
    type Error = RecordError;

    fn try_from(wire: WireTransaction) -> Result<Self, RecordError> {
        let partitions = wire.partitions.iter().map(|at| partition(&at.topic, at.index));
        Ok(Self {
            producer: producer(wire.producer)?,
            bumped: wire.bumped,
            previous: wire.previous.map(Producer::try_from).transpose()?,
            next: wire.next.map(Producer::try_from).transpose()?,
            timeout_ms: wire.timeout_ms,
            state: state(wire.state)?,
            partitions: partitions.collect::<Result<_, _>>()?,
            started_at_ms: wire.started_at_ms,
            updated_at_ms: wire.updated_at_ms,
        })
    }
}
