//! A position in bytes that nobody vouches for: moves forward or says why not, never allocates.

use std::ops::Range;

use uuid::Uuid;

use super::PreflightError;

/// A reader of Kafka's primitive types.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// Skips `count` bytes and says where they were.
    pub(crate) fn skip(&mut self, count: usize) -> Result<Range<usize>, PreflightError> {
        if count > self.remaining() {
            return Err(PreflightError::Truncated { at: self.position });
        }
        let start = self.position;
        self.position += count;
        Ok(start..self.position)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], PreflightError> {
        let at = self.position;
        let chunk = self.bytes[at..].first_chunk::<N>();
        self.position += N * usize::from(chunk.is_some());
        chunk.copied().ok_or(PreflightError::Truncated { at })
    }

    pub(crate) fn i8(&mut self) -> Result<i8, PreflightError> {
        self.take().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, PreflightError> {
        self.take().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, PreflightError> {
        self.take().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, PreflightError> {
        self.take().map(i64::from_be_bytes)
    }

    pub(crate) fn uuid(&mut self) -> Result<Uuid, PreflightError> {
        self.take().map(Uuid::from_bytes)
    }

    /// An unsigned varint of at most 32 bits. The fifth byte has room for four of them.
    pub(crate) fn varint(&mut self) -> Result<u32, PreflightError> {
        let at = self.position;
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take()?;
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(PreflightError::VarintOverflow { at })
    }

    /// A length or count of `i16`; -1 means null.
    pub(crate) fn length_i16(&mut self) -> Result<Option<usize>, PreflightError> {
        let at = self.position;
        let length = self.i16()?;
        nullable(at, i32::from(length))
    }

    /// A length or count of `i32`; -1 means null.
    pub(crate) fn length_i32(&mut self) -> Result<Option<usize>, PreflightError> {
        let at = self.position;
        let length = self.i32()?;
        nullable(at, length)
    }

    /// A compact length or count: one more than it means, 0 means null.
    pub(crate) fn length_compact(&mut self) -> Result<Option<usize>, PreflightError> {
        Ok(self.varint()?.checked_sub(1).map(|length| length as usize))
    }

    /// A string as it was before compact ones, and where its text is.
    pub(crate) fn nullable_string(&mut self) -> Result<Option<Range<usize>>, PreflightError> {
        self.length_i16()?.map(|length| self.skip(length)).transpose()
    }

    /// The tagged fields of a structure of which we know none.
    pub(crate) fn skip_tagged_fields(&mut self) -> Result<(), PreflightError> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.skip(length as usize)?;
        }
        Ok(())
    }
}

fn nullable(at: usize, length: i32) -> Result<Option<usize>, PreflightError> {
    match length {
        -1 => Ok(None),
        _ => usize::try_from(length).map(Some).map_err(|_| PreflightError::NegativeLength { at }),
    }
}
