//! Reading a FetchResponse that came over the internal hop. It names no leaders: those are for clients.
//!
//! Record sets stay slices of the frame. The sender is one of ours, but a count is still checked
//! against what is left before memory is reserved for it.

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;

use crate::error::DecodeError;
use crate::ids::TopicId;
use crate::messages::TopicName;
use crate::preflight::Cursor;

use super::{
    AbortedTransaction, FLEXIBLE_FROM, FetchPartition, FetchResponse, FetchTopic,
    TAG_DIVERGING_EPOCH, TAG_HOT_FLOOR, TOPIC_ID_FROM, VERSIONS,
};

/// Least bytes of an aborted transaction, of a partition and of a topic in any version.
const ABORTED_BYTES_MIN: usize = 16;
const PARTITION_BYTES_MIN: usize = 24;
const TOPIC_BYTES_MIN: usize = 3;

impl FetchResponse {
    /// Reads a whole response; nothing may follow it.
    pub fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        if !VERSIONS.contains(&version) {
            return Err(malformed("FetchResponse has no such version"));
        }
        let flexible = version >= FLEXIBLE_FROM;
        let mut decoder = Decoder { body: &body, cursor: Cursor::new(&body), version, flexible };
        let response = decoder.response()?;
        match decoder.cursor.remaining() {
            0 => Ok(response),
            _ => Err(malformed("bytes follow the FetchResponse")),
        }
    }
}

struct Decoder<'a> {
    body: &'a Bytes,
    cursor: Cursor<'a>,
    version: i16,
    flexible: bool,
}

impl Decoder<'_> {
    fn response(&mut self) -> Result<FetchResponse, DecodeError> {
        let throttle_time_ms = self.cursor.i32()?;
        let sessions = self.version >= 7;
        let error_code = if sessions { self.cursor.i16()? } else { 0 };
        let session_id = if sessions { self.cursor.i32()? } else { 0 };
        let topics = self.array(TOPIC_BYTES_MIN, Self::topic)?.unwrap_or_default();
        self.no_tags()?;
        Ok(FetchResponse {
            throttle_time_ms,
            error_code,
            session_id,
            topics,
            ..FetchResponse::default()
        })
    }

    fn topic(&mut self) -> Result<FetchTopic, DecodeError> {
        let (id, name) = if self.version >= TOPIC_ID_FROM {
            (TopicId(self.cursor.uuid()?), TopicName::default())
        } else {
            (TopicId::NIL, TopicName(self.string()?))
        };
        let partitions = self.array(PARTITION_BYTES_MIN, Self::partition)?.unwrap_or_default();
        self.no_tags()?;
        Ok(FetchTopic { id, name, partitions })
    }

    fn partition(&mut self) -> Result<FetchPartition, DecodeError> {
        let mut partition = FetchPartition::new(self.cursor.i32()?);
        partition.error_code = self.cursor.i16()?;
        partition.high_watermark = self.cursor.i64()?;
        partition.last_stable_offset = self.cursor.i64()?;
        if self.version >= 5 {
            partition.log_start_offset = self.cursor.i64()?;
        }
        partition.aborted_transactions = self.array(ABORTED_BYTES_MIN, Self::aborted)?;
        if self.version >= 11 {
            partition.preferred_read_replica = self.cursor.i32()?;
        }
        let length = self.count()?.unwrap_or(0);
        let records = self.body.slice(self.cursor.skip(length)?);
        partition.records.extend(Some(records).filter(|records| !records.is_empty()));
        if self.flexible {
            self.partition_tags(&mut partition)?;
        }
        Ok(partition)
    }

    fn aborted(&mut self) -> Result<AbortedTransaction, DecodeError> {
        let (producer_id, first_offset) = (self.cursor.i64()?, self.cursor.i64()?);
        self.no_tags()?;
        Ok(AbortedTransaction { producer_id, first_offset })
    }

    fn partition_tags(&mut self, partition: &mut FetchPartition) -> Result<(), DecodeError> {
        for _ in 0..self.cursor.varint()? {
            let (tag, length) = (self.cursor.varint()?, self.cursor.varint()? as usize);
            let end = self.cursor.position() + length;
            match tag {
                TAG_DIVERGING_EPOCH => {
                    partition.diverging_epoch = Some((self.cursor.i32()?, self.cursor.i64()?));
                    self.no_tags()?;
                }
                TAG_HOT_FLOOR => partition.hot_floor = self.cursor.i64()?,
                _ => self.cursor.skip(length).map(drop)?,
            }
            if self.cursor.position() != end {
                return Err(malformed("tagged field is not as long as it says"));
            }
        }
        Ok(())
    }

    fn array<T>(
        &mut self,
        element_size_min: usize,
        element: impl Fn(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.count()? else { return Ok(None) };
        if count > self.cursor.remaining() / element_size_min {
            return Err(malformed("array is longer than the response"));
        }
        (0..count).map(|_| element(self)).collect::<Result<_, _>>().map(Some)
    }

    fn count(&mut self) -> Result<Option<usize>, DecodeError> {
        let count = match self.flexible {
            true => self.cursor.length_compact(),
            false => self.cursor.length_i32(),
        };
        Ok(count?)
    }

    fn string(&mut self) -> Result<StrBytes, DecodeError> {
        let length = match self.flexible {
            true => self.cursor.length_compact(),
            false => self.cursor.length_i16(),
        };
        let range = self.cursor.skip(length?.unwrap_or(0))?;
        StrBytes::from_utf8(self.body.slice(range)).map_err(DecodeError::from_generated)
    }

    fn no_tags(&mut self) -> Result<(), DecodeError> {
        if self.flexible {
            self.cursor.skip_tagged_fields()?;
        }
        Ok(())
    }
}

fn malformed(reason: &str) -> DecodeError {
    DecodeError::from_generated(reason)
}
