//! A batch's header read in place.

use super::{
    ATTRIBUTE_COMPRESSION, ATTRIBUTE_CONTROL, ATTRIBUTE_DELETE_HORIZON, ATTRIBUTE_LOG_APPEND_TIME,
    ATTRIBUTE_TRANSACTIONAL, ATTRIBUTES_AT, BASE_OFFSET_AT, BASE_SEQUENCE_AT, BASE_TIMESTAMP_AT,
    BatchError, CRC_AT, HEADER_BYTES, LAST_OFFSET_DELTA_AT, LEADER_EPOCH_AT, LENGTH_AT,
    LENGTH_OVERHEAD_BYTES, MAGIC, MAGIC_AT, MAX_TIMESTAMP_AT, NO_PRODUCER_ID, PRODUCER_EPOCH_AT,
    PRODUCER_ID_AT, RECORD_COUNT_AT, advance_sequence,
};

/// One batch: exactly its bytes, of the right length and format. Nothing else is vouched for until
/// [`BatchView::verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchView<'a> {
    bytes: &'a [u8],
}

/// How the records of a batch are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are Kafka's")]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Compression {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// Its bits in the attributes.
    pub(super) fn id(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }
}

/// How a batch is to be packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Codec {
    /// With what.
    pub compression: Compression,
    /// How hard; the codec's own default if there is none.
    pub level: Option<i32>,
}

impl From<Compression> for Codec {
    fn from(compression: Compression) -> Self {
        Self { compression, level: None }
    }
}

/// Whose clock the timestamps of a batch are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// Ours: every record has the batch's max timestamp.
    LogAppendTime,
}

impl<'a> BatchView<'a> {
    /// The batch at the start of `bytes`, and what follows it. Checks borders and format only.
    pub fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), BatchError> {
        let available = bytes.len();
        if available < HEADER_BYTES {
            return Err(BatchError::Truncated { available, needed: HEADER_BYTES });
        }
        let whole = Self { bytes };
        // Formats 0 and 1 keep the magic in the same place; their length means something else.
        if bytes[MAGIC_AT] != MAGIC {
            return Err(BatchError::Magic { magic: bytes[MAGIC_AT] });
        }
        let length = whole.batch_length();
        let needed = usize::try_from(length).map_or(0, |length| length + LENGTH_OVERHEAD_BYTES);
        if needed < HEADER_BYTES {
            return Err(BatchError::Length { length });
        }
        if available < needed {
            return Err(BatchError::Truncated { available, needed });
        }
        let (bytes, rest) = bytes.split_at(needed);
        Ok((Self { bytes }, rest))
    }

    /// The batch that `bytes` are, with nothing after it.
    pub fn whole(bytes: &'a [u8]) -> Result<Self, BatchError> {
        match Self::split(bytes)? {
            (batch, []) => Ok(batch),
            _ => Err(BatchError::NotOne("more")),
        }
    }

    /// Checks everything that any stored batch must satisfy: CRC, dense offsets, known attributes.
    pub fn verify(&self) -> Result<(), BatchError> {
        self.verify_crc()?;
        let (records, last_offset_delta) = (self.record_count(), self.last_offset_delta());
        // A delta of 2³¹−1 would make the count overflow, and the sequence wrap onto itself.
        if records < 1 || records - 1 != last_offset_delta {
            return Err(BatchError::Count { records, last_offset_delta });
        }
        self.compression().map(drop)
    }

    /// The same for what is in the object store, where a batch without a record may stand for offsets
    /// that were given up ([`super::gap`]). No client may send one.
    pub fn verify_stored(&self) -> Result<(), BatchError> {
        if self.record_count() == 0 { self.verify_crc() } else { self.verify() }
    }

    fn verify_crc(&self) -> Result<(), BatchError> {
        let (expected, actual) = (self.crc(), crc32c::crc32c(&self.bytes[ATTRIBUTES_AT..]));
        if expected == actual { Ok(()) } else { Err(BatchError::Crc { expected, actual }) }
    }

    /// The batch's bytes, header included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The records as they are, compressed or not.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// Offset of the first record.
    pub fn base_offset(&self) -> i64 {
        i64::from_be_bytes(self.at(BASE_OFFSET_AT))
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset().wrapping_add(i64::from(self.last_offset_delta()))
    }

    /// Bytes of the batch, less [`LENGTH_OVERHEAD_BYTES`].
    pub fn batch_length(&self) -> i32 {
        i32::from_be_bytes(self.at(LENGTH_AT))
    }

    /// Epoch of the owner that appended the batch.
    pub fn leader_epoch(&self) -> i32 {
        i32::from_be_bytes(self.at(LEADER_EPOCH_AT))
    }

    /// The checksum as it stands in the batch.
    pub fn crc(&self) -> u32 {
        u32::from_be_bytes(self.at(CRC_AT))
    }

    /// All attribute bits.
    pub fn attributes(&self) -> i16 {
        i16::from_be_bytes(self.at(ATTRIBUTES_AT))
    }

    /// Offset of the last record, relative to the first.
    pub fn last_offset_delta(&self) -> i32 {
        i32::from_be_bytes(self.at(LAST_OFFSET_DELTA_AT))
    }

    /// Timestamp that the records' deltas count from.
    pub fn base_timestamp(&self) -> i64 {
        i64::from_be_bytes(self.at(BASE_TIMESTAMP_AT))
    }

    /// The largest timestamp of a record, as the producer says.
    pub fn max_timestamp(&self) -> i64 {
        i64::from_be_bytes(self.at(MAX_TIMESTAMP_AT))
    }

    /// The producer's id, [`NO_PRODUCER_ID`] without idempotence.
    pub fn producer_id(&self) -> i64 {
        i64::from_be_bytes(self.at(PRODUCER_ID_AT))
    }

    /// True if the batch is from an idempotent producer.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id() > NO_PRODUCER_ID
    }

    /// The producer's epoch.
    pub fn producer_epoch(&self) -> i16 {
        i16::from_be_bytes(self.at(PRODUCER_EPOCH_AT))
    }

    /// Sequence number of the first record.
    pub fn base_sequence(&self) -> i32 {
        i32::from_be_bytes(self.at(BASE_SEQUENCE_AT))
    }

    /// Sequence number of the last record; wraps after 2³¹−1. -1 if the batch has no sequence.
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence() {
            -1 => -1,
            base => advance_sequence(base, self.last_offset_delta()),
        }
    }

    /// How many records the batch has.
    pub fn record_count(&self) -> i32 {
        i32::from_be_bytes(self.at(RECORD_COUNT_AT))
    }

    /// True for a part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes() & ATTRIBUTE_TRANSACTIONAL != 0
    }

    /// True for a marker that ends a transaction.
    pub fn is_control(&self) -> bool {
        self.attributes() & ATTRIBUTE_CONTROL != 0
    }

    /// When tombstones and markers in the batch may go (KIP-534): compaction that was the first to
    /// see them in the clean part of the log has put it in the place of the base timestamp.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        let set = self.attributes() & ATTRIBUTE_DELETE_HORIZON != 0;
        set.then(|| self.base_timestamp())
    }

    /// Whose clock the timestamps are from.
    pub fn timestamp_type(&self) -> TimestampType {
        match self.attributes() & ATTRIBUTE_LOG_APPEND_TIME {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        }
    }

    /// How the records are packed.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        match self.attributes() & ATTRIBUTE_COMPRESSION {
            0 => Ok(Compression::None),
            1 => Ok(Compression::Gzip),
            2 => Ok(Compression::Snappy),
            3 => Ok(Compression::Lz4),
            4 => Ok(Compression::Zstd),
            id => Err(BatchError::Compression { id }),
        }
    }

    fn at<const N: usize>(&self, at: usize) -> [u8; N] {
        *self.bytes[at..].first_chunk().expect("the header is there")
    }
}
