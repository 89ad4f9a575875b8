//! The records inside a batch, for the few who must look: search by timestamp, internal topics,
//! the inspector, topics that have batches packed anew. Never on the data path of other topics.
//!
//! Bytes come from clients (the CRC only says that they arrived as sent), so inflating is capped
//! and every length is checked.

use std::borrow::Cow;

use bytes::BytesMut;
use thiserror::Error;

use super::builder::{put_nullable, put_varlong};
use super::{BatchError, BatchView, TimestampType};
use crate::error::ErrorCode;
use crate::limits::BATCH_INFLATED_BYTES_MAX;

mod deflate;
mod inflate;
mod reader;

pub(super) use deflate::deflate;
use reader::Reader;

/// Why the records of a batch cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordsError {
    /// The header names an unknown compression type.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The compressed bytes are broken.
    #[error("records do not decompress: {reason}")]
    Decompress {
        /// What the codec said.
        reason: String,
    },
    /// The records inflate to more than the caller allows.
    #[error("records inflate to more than {max} bytes")]
    TooLarge {
        /// What was allowed.
        max: usize,
    },
    /// The records are not as the format says.
    #[error("records are malformed at byte {at}")]
    Malformed {
        /// Where, counted in the decompressed records.
        at: usize,
    },
    /// A record has another offset than its place in the batch gives it.
    #[error("record {index} has offset delta {delta}")]
    Offset {
        /// Its place.
        index: i32,
        /// What it says.
        delta: i64,
    },
}

impl RecordsError {
    /// What a producer is told of such a batch. Kafka's choices (`LogValidator`).
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Batch(error) => error.code(),
            Self::Decompress { .. } => ErrorCode::CorruptMessage,
            Self::TooLarge { .. } => ErrorCode::MessageTooLarge,
            Self::Malformed { .. } | Self::Offset { .. } => ErrorCode::InvalidRecord,
        }
    }
}

/// The first record of `batch` from offset `from` on with a timestamp of `timestamp` or later: its
/// offset and timestamp.
///
/// Record granularity, as Kafka's ListOffsets has it. With the batch's own max timestamp it finds
/// the record that has it (KIP-734).
pub fn first_at_or_after(
    batch: &BatchView<'_>,
    from: i64,
    timestamp: i64,
) -> Result<Option<(i64, i64)>, RecordsError> {
    if batch.max_timestamp() < timestamp {
        return Ok(None);
    }
    let records = RecordSet::open(batch, BATCH_INFLATED_BYTES_MAX)?;
    for record in records.iter() {
        let record = record?;
        if record.offset >= from && record.timestamp >= timestamp {
            return Ok(Some((record.offset, record.timestamp)));
        }
    }
    Ok(None)
}

/// The same for whoever owes a client an answer: a batch that cannot or will not be inflated counts
/// as one record. Its first offset is never too late for a consumer.
pub fn search_by_time(batch: &BatchView<'_>, from: i64, timestamp: i64) -> Option<(i64, i64)> {
    let found = first_at_or_after(batch, from, timestamp);
    found.unwrap_or_else(|_| Some((batch.base_offset().max(from), batch.max_timestamp())))
}

/// The records of one batch, decompressed.
#[derive(Debug, Clone)]
pub struct RecordSet<'a> {
    payload: Cow<'a, [u8]>,
    count: i32,
    base_offset: i64,
    base_timestamp: i64,
    /// The timestamp of all records, if it is the log's.
    log_append_time: Option<i64>,
}

impl<'a> RecordSet<'a> {
    /// Decompresses the records of `batch` into at most `max` bytes. Copies nothing if they are not
    /// compressed.
    pub fn open(batch: &BatchView<'a>, max: usize) -> Result<Self, RecordsError> {
        Ok(Self {
            payload: inflate::inflate(batch.compression()?, batch.payload(), max)?,
            count: batch.record_count(),
            base_offset: batch.base_offset(),
            base_timestamp: batch.base_timestamp(),
            log_append_time: (batch.timestamp_type() == TimestampType::LogAppendTime)
                .then(|| batch.max_timestamp()),
        })
    }

    /// The records as they stand after each other.
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The records in order. Ends after the first error, which includes bytes after the last one.
    pub fn iter(&self) -> Records<'_> {
        Records { set: self, reader: Reader::new(&self.payload), left: self.count }
    }
}

/// One record; key, value and headers are slices of its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, or the batch's if that is the log's.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; null is a tombstone.
    pub value: Option<&'a [u8]>,
    header_count: i32,
    headers: &'a [u8],
}

impl<'a> Record<'a> {
    /// Writes the record as one of a batch that begins at `base_offset` and counts timestamps from
    /// `base_timestamp`. `scratch` is overwritten.
    pub(super) fn put(
        &self,
        out: &mut BytesMut,
        scratch: &mut BytesMut,
        base_offset: i64,
        base_timestamp: i64,
    ) {
        scratch.clear();
        scratch.extend_from_slice(&[0]); // attributes, unused
        put_varlong(scratch, self.timestamp.wrapping_sub(base_timestamp));
        put_varlong(scratch, self.offset.wrapping_sub(base_offset));
        put_nullable(scratch, self.key);
        put_nullable(scratch, self.value);
        put_varlong(scratch, i64::from(self.header_count));
        scratch.extend_from_slice(self.headers);
        put_varlong(out, scratch.len() as i64);
        out.extend_from_slice(scratch);
    }

    /// Its headers in order: keys may repeat. Ends at the first that is malformed.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        let mut reader = Reader::new(self.headers);
        (0..self.header_count).map_while(move |_| {
            let key = reader.nullable().ok()??;
            Some((key, reader.nullable().ok()?))
        })
    }
}

/// Iterator of [`RecordSet::iter`].
#[derive(Debug, Clone)]
pub struct Records<'a> {
    set: &'a RecordSet<'a>,
    reader: Reader<'a>,
    left: i32,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            let rest_at = self.reader.rest_at()?;
            self.reader = Reader::new(&[]);
            return Some(Err(RecordsError::Malformed { at: rest_at }));
        }
        self.left -= 1;
        let record = self.record();
        if record.is_err() {
            (self.left, self.reader) = (0, Reader::new(&[]));
        }
        Some(record)
    }
}

impl<'a> Records<'a> {
    fn record(&mut self) -> Result<Record<'a>, RecordsError> {
        let set = self.set;
        let mut body = self.reader.sized()?;
        body.skip_attributes()?;
        // Wrapping, for the deltas are the client's.
        let timestamp = set.base_timestamp.wrapping_add(body.varlong()?);
        let offset = set.base_offset.wrapping_add(i64::from(body.varint()?));
        Ok(Record {
            offset,
            timestamp: set.log_append_time.unwrap_or(timestamp),
            key: body.nullable()?,
            value: body.nullable()?,
            header_count: body.varint()?,
            headers: body.rest(),
        })
    }
}

#[cfg(test)]
mod tests;
