//! The record format's primitive types, read from bytes that nobody vouches for.

use super::RecordsError;

/// Reads front to back; every read says where it failed.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Where `rest` starts in the payload.
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    /// Everything not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Where the unread bytes start, if there are any.
    pub(super) fn rest_at(&self) -> Option<usize> {
        (!self.rest.is_empty()).then_some(self.at)
    }

    pub(super) fn skip_attributes(&mut self) -> Result<(), RecordsError> {
        self.take(1).map(drop)
    }

    /// A zigzag varint of 32 bits.
    pub(super) fn varint(&mut self) -> Result<i32, RecordsError> {
        let malformed = self.malformed();
        i32::try_from(self.varlong()?).map_err(|_| malformed)
    }

    /// A zigzag varint of 64 bits: at most ten bytes, the last of which holds one bit.
    pub(super) fn varlong(&mut self) -> Result<i64, RecordsError> {
        let malformed = self.malformed();
        let mut zigzag = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            if shift == 63 && byte > 1 {
                break;
            }
            zigzag |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
            }
        }
        Err(malformed)
    }

    /// Bytes with their length in front; -1 is null.
    pub(super) fn nullable(&mut self) -> Result<Option<&'a [u8]>, RecordsError> {
        let malformed = self.malformed();
        match self.varint()? {
            -1 => Ok(None),
            length => self.take(usize::try_from(length).map_err(|_| malformed)?).map(Some),
        }
    }

    /// A reader of a record: what its length covers.
    pub(super) fn sized(&mut self) -> Result<Self, RecordsError> {
        let malformed = self.malformed();
        let bytes = self.nullable()?.ok_or(malformed)?;
        Ok(Self { rest: bytes, at: self.at - bytes.len() })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], RecordsError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.malformed())?;
        self.rest = rest;
        self.at += count;
        Ok(taken)
    }

    fn malformed(&self) -> RecordsError {
        RecordsError::Malformed { at: self.at }
    }
}
