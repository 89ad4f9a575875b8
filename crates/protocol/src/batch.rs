//! Record batches of format 2: the 61-byte header in place, records opaque.
//!
//! ```text
//! at  bytes  field                     covered by the CRC
//!  0    8    base offset               no: the partition's owner assigns it
//!  8    4    batch length              no: counts what follows it
//! 12    4    partition leader epoch    no: the owner's
//! 16    1    magic, always 2           no
//! 17    4    CRC-32C of all after it
//! 21    2    attributes                yes, and all that follows
//! 23    4    last offset delta
//! 27    8    base timestamp
//! 35    8    max timestamp
//! 43    8    producer id
//! 51    2    producer epoch
//! 53    4    base sequence
//! 57    4    record count
//! 61         records, possibly compressed together
//! ```
//!
//! [`batches`] finds the borders, [`BatchView::verify`] trusts nothing, [`validate_produced`] is
//! what a client's batch must pass before a node takes it (R59), [`records`] looks inside.

use thiserror::Error;

use crate::error::ErrorCode;

mod builder;
mod marker;
mod patch;
mod recompress;
pub mod records;
mod retain;
mod sequence;
mod validate;
mod view;

pub use builder::BatchBuilder;
pub use marker::EndTransactionMarker;
pub use patch::{set_log_append_time, set_offsets};
pub use recompress::recompressed;
pub use retain::{emptied, gap, retain};
pub use sequence::{Interrupted, Sequence};
pub use validate::{validate_produced, validate_single};
pub use view::{BatchView, Codec, Compression, TimestampType};

/// Bytes before the first record.
pub const HEADER_BYTES: usize = 61;
/// Bytes that the batch length does not count: base offset and the length itself.
pub const LENGTH_OVERHEAD_BYTES: usize = 12;
/// No producer id, epoch or sequence.
pub const NO_PRODUCER_ID: i64 = -1;
/// No timestamp.
pub const NO_TIMESTAMP: i64 = -1;

pub(crate) const BASE_OFFSET_AT: usize = 0;
pub(crate) const LENGTH_AT: usize = 8;
pub(crate) const LEADER_EPOCH_AT: usize = 12;
pub(crate) const MAGIC_AT: usize = 16;
pub(crate) const CRC_AT: usize = 17;
pub(crate) const ATTRIBUTES_AT: usize = 21;
pub(crate) const LAST_OFFSET_DELTA_AT: usize = 23;
pub(crate) const BASE_TIMESTAMP_AT: usize = 27;
pub(crate) const MAX_TIMESTAMP_AT: usize = 35;
pub(crate) const PRODUCER_ID_AT: usize = 43;
pub(crate) const PRODUCER_EPOCH_AT: usize = 51;
pub(crate) const BASE_SEQUENCE_AT: usize = 53;
pub(crate) const RECORD_COUNT_AT: usize = 57;

pub(crate) const MAGIC: u8 = 2;

pub(crate) const ATTRIBUTE_COMPRESSION: i16 = 0b0000_0111;
pub(crate) const ATTRIBUTE_LOG_APPEND_TIME: i16 = 0b0000_1000;
/// The attribute bit of a batch that is part of a transaction, or ends one.
pub const ATTRIBUTE_TRANSACTIONAL: i16 = 0b0001_0000;
/// The attribute bit of a batch that says something about the log: a marker.
pub const ATTRIBUTE_CONTROL: i16 = 0b0010_0000;
pub(crate) const ATTRIBUTE_DELETE_HORIZON: i16 = 0b0100_0000;

/// What is wrong with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BatchError {
    /// The bytes end inside a batch.
    #[error("batch is cut short: {available} of {needed} bytes")]
    Truncated {
        /// Bytes there are.
        available: usize,
        /// Bytes the batch needs.
        needed: usize,
    },
    /// The length is shorter than the header.
    #[error("batch length {length} is impossible")]
    Length {
        /// As it stands in the batch.
        length: i32,
    },
    /// Message sets of format 0 and 1 are history (KIP-724).
    #[error("message format {magic} is not supported")]
    Magic {
        /// As it stands in the batch.
        magic: u8,
    },
    /// The batch is not what its sender sealed.
    #[error("CRC-32C is {actual:08x}, the batch says {expected:08x}")]
    Crc {
        /// As it stands in the batch.
        expected: u32,
        /// As computed.
        actual: u32,
    },
    /// The record count and the offsets disagree, or there is no record.
    #[error("{records} records with last offset delta {last_offset_delta}")]
    Count {
        /// As it stands in the batch.
        records: i32,
        /// As it stands in the batch.
        last_offset_delta: i32,
    },
    /// Attribute bits that mean nothing to us, or are not for a producer to set.
    #[error("attributes {attributes:#06x} are not allowed")]
    Attributes {
        /// As they stand in the batch.
        attributes: i16,
    },
    /// An unknown compression type.
    #[error("compression type {id} is unknown")]
    Compression {
        /// As it stands in the attributes.
        id: i16,
    },
    /// A control batch, which only we write.
    #[error("clients may not write control batches")]
    Control,
    /// The transactional bit does not match the request's transactional id.
    #[error("the batch's transactional bit is {batch}, the request says otherwise")]
    Transactional {
        /// What the batch says.
        batch: bool,
    },
    /// Producer id, epoch and sequence do not go together.
    #[error("producer {producer_id} with epoch {epoch} and sequence {sequence}")]
    Producer {
        /// As it stands in the batch.
        producer_id: i64,
        /// As it stands in the batch.
        epoch: i16,
        /// As it stands in the batch.
        sequence: i32,
    },
    /// Producers do not set the timestamp type.
    #[error("clients may not choose log append time")]
    TimestampType,
    /// A produce request carries exactly one batch per partition.
    #[error("{0} instead of one batch")]
    NotOne(&'static str),
}

impl BatchError {
    /// What the producer is told. Kafka's choices (`LogValidator`, `ProduceRequest`).
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Truncated { .. } | Self::Length { .. } | Self::Crc { .. } => {
                ErrorCode::CorruptMessage
            }
            Self::Compression { .. } => ErrorCode::UnsupportedCompressionType,
            Self::TimestampType => ErrorCode::InvalidTimestamp,
            Self::Magic { .. }
            | Self::Count { .. }
            | Self::Attributes { .. }
            | Self::Control
            | Self::Transactional { .. }
            | Self::Producer { .. }
            | Self::NotOne(_) => ErrorCode::InvalidRecord,
        }
    }
}

/// The consecutive batches in `bytes`. Ends after the first error; a partial batch is one.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { rest: bytes }
}

/// Iterator of [`batches`].
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let split = BatchView::split(self.rest);
        self.rest = split.as_ref().map_or(&[], |(_, rest)| rest);
        Some(split.map(|(batch, _)| batch))
    }
}

/// `sequence` moved on by `delta`: after 2³¹−1 comes 0.
pub fn advance_sequence(sequence: i32, delta: i32) -> i32 {
    ((i64::from(sequence) + i64::from(delta)) % (i64::from(i32::MAX) + 1)) as i32
}

#[cfg(test)]
mod tests;
