//! Writes batches: for internal topics, markers and tests.

use bytes::{BufMut, Bytes, BytesMut};

use super::records::deflate;
use super::view::Compression;
use super::{
    ATTRIBUTE_CONTROL, ATTRIBUTE_TRANSACTIONAL, ATTRIBUTES_AT, CRC_AT, HEADER_BYTES, LENGTH_AT,
    LENGTH_OVERHEAD_BYTES, MAGIC, NO_PRODUCER_ID, NO_TIMESTAMP,
};

/// Collects records and seals them into one batch.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    base_offset: i64,
    leader_epoch: i32,
    attributes: i16,
    producer: (i64, i16, i32),
    base_timestamp: i64,
    max_timestamp: i64,
    count: i32,
    compression: Compression,
    records: BytesMut,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    /// An empty batch at offset 0, without a producer.
    pub fn new() -> Self {
        Self {
            base_offset: 0,
            leader_epoch: -1,
            attributes: 0,
            producer: (NO_PRODUCER_ID, -1, -1),
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            count: 0,
            compression: Compression::None,
            records: BytesMut::new(),
        }
    }

    /// Puts the batch at `base_offset`, appended in `leader_epoch`.
    #[must_use]
    pub fn at(mut self, base_offset: i64, leader_epoch: i32) -> Self {
        (self.base_offset, self.leader_epoch) = (base_offset, leader_epoch);
        self
    }

    /// Makes the batch one of an idempotent producer.
    #[must_use]
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> Self {
        self.producer = (id, epoch, base_sequence);
        self
    }

    /// Makes the batch part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.attributes |= ATTRIBUTE_TRANSACTIONAL;
        self
    }

    /// Makes the batch a control batch.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.attributes |= ATTRIBUTE_CONTROL;
        self
    }

    /// Has the records compressed together when the batch is built.
    #[must_use]
    pub fn compressed(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self.attributes |= compression.id();
        self
    }

    /// Adds a record.
    #[must_use]
    pub fn record(mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        self.push(timestamp, key, value);
        self
    }

    /// Adds a record.
    pub fn push(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.push_with_headers(timestamp, key, value, &[]);
    }

    /// Adds a record with headers.
    pub fn push_with_headers(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) {
        if self.count == 0 {
            (self.base_timestamp, self.max_timestamp) = (timestamp, timestamp);
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let mut body = BytesMut::new();
        body.put_u8(0); // attributes, unused
        put_varlong(&mut body, timestamp - self.base_timestamp);
        put_varlong(&mut body, i64::from(self.count));
        put_nullable(&mut body, key);
        put_nullable(&mut body, value);
        put_varlong(&mut body, headers.len() as i64);
        for (key, value) in headers {
            put_nullable(&mut body, Some(key.as_bytes()));
            put_nullable(&mut body, *value);
        }
        put_varlong(&mut self.records, body.len() as i64);
        self.records.put_slice(&body);
        self.count += 1;
    }

    /// Records so far.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// True before the first record.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that [`BatchBuilder::build`] would return without compression.
    pub fn len(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    /// The sealed batch. It must have a record.
    pub fn build(self) -> Bytes {
        assert!(self.count > 0, "a batch has at least one record");
        let (producer_id, producer_epoch, base_sequence) = self.producer;
        let records = deflate(self.compression.into(), &self.records);
        let length = HEADER_BYTES + records.len();
        let mut batch = BytesMut::with_capacity(length);
        batch.put_i64(self.base_offset);
        debug_assert_eq!(batch.len(), LENGTH_AT);
        batch.put_i32(i32::try_from(length - LENGTH_OVERHEAD_BYTES).expect("far below 2 GiB"));
        batch.put_i32(self.leader_epoch);
        batch.put_u8(MAGIC);
        batch.put_u32(0); // CRC, below
        debug_assert_eq!(batch.len(), ATTRIBUTES_AT);
        batch.put_i16(self.attributes);
        batch.put_i32(self.count - 1);
        batch.put_i64(self.base_timestamp);
        batch.put_i64(self.max_timestamp);
        batch.put_i64(producer_id);
        batch.put_i16(producer_epoch);
        batch.put_i32(base_sequence);
        batch.put_i32(self.count);
        assert_eq!(batch.len(), HEADER_BYTES);
        batch.put_slice(&records);
        let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
        batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        batch.freeze()
    }
}

/// Bytes with their length in front, -1 for null.
pub(super) fn put_nullable(out: &mut BytesMut, value: Option<&[u8]>) {
    put_varlong(out, value.map_or(-1, |value| value.len() as i64));
    out.put_slice(value.unwrap_or_default());
}

/// A zigzag varint. A 32-bit varint of the record format has the same bytes.
pub(super) fn put_varlong(out: &mut BytesMut, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.put_u8(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.put_u8(zigzag as u8);
}
