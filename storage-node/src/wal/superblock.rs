//! The format of the superblock: whose log the file holds, and where it starts.
//!
//! Persisted, keep stable: a change needs a new version number. Integers are little endian.
//!
//! ```text
//!   offset                 size
//!     0  magic "TCWALRNG"     8
//!     8  version = 1          4
//!    12  CRC-32C              4   of all 4096 bytes, this field being zero
//!    16  sequence             8   counts writes; its lowest bit names the copy
//!    24  nonce                8   in every block of this incarnation
//!    32  capacity             8   bytes of the ring
//!    40  trimmed              8   LSN below which nothing is needed any more
//!    48  start position       8   of the first block that is kept
//!    56  start LSN            8   of that block; at most `trimmed`
//!    64  start CRC            4   header CRC of the block before it
//!    68  zero                 4
//!    72  durable              8   position up to which the log was whole at this write
//!    80  log id length        1
//!    81  log id             255   UTF-8, zeros behind
//!   336  zeros             3760
//! ```
//!
//! There are two copies, written alternately, so that a torn write leaves the other. A new
//! incarnation writes both before its first block: a damaged copy then never leads back to the log
//! of an earlier incarnation.

use std::sync::Arc;

use bytes::{Buf, BufMut};

use super::Lsn;
use super::layout::{ALIGN, Position};

const MAGIC: [u8; 8] = *b"TCWALRNG";
const VERSION: u32 = 1;
const CRC_AT: usize = 12;
const LOG_ID_BYTES_MAX: usize = 255;

/// Length of a copy: a sector, so that a write does not touch the other.
pub(super) const SUPERBLOCK_BYTES: usize = ALIGN as usize;

/// One state of the superblock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) sequence: u64,
    pub(super) log_id: Arc<str>,
    pub(super) nonce: u64,
    pub(super) capacity: u64,
    pub(super) start: Start,
    pub(super) durable: Position,
}

/// Where the kept part of the log begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// The first entry that is still needed; it may lie inside the first block.
    pub(super) trimmed: Lsn,
    /// The first block.
    pub(super) position: Position,
    /// The LSN of the first entry in that block.
    pub(super) lsn: Lsn,
    /// The header CRC of the block before it, which its chain field repeats.
    pub(super) previous_crc: u32,
}

impl Superblock {
    /// Where in the file this state belongs.
    pub(super) fn offset(&self) -> u64 {
        (self.sequence % 2) * ALIGN
    }

    /// Writes the superblock into a zeroed `out`.
    ///
    /// # Panics
    /// When the log id is longer than 255 bytes.
    pub(super) fn encode(&self, out: &mut [u8]) {
        assert_eq!(out.len(), SUPERBLOCK_BYTES, "a superblock is one sector");
        assert!(self.log_id.len() <= LOG_ID_BYTES_MAX, "a log id is short");
        out.fill(0);
        let mut rest = &mut out[..];
        rest.put_slice(&MAGIC);
        rest.put_u32_le(VERSION);
        rest.put_u32_le(0);
        rest.put_u64_le(self.sequence);
        rest.put_u64_le(self.nonce);
        rest.put_u64_le(self.capacity);
        rest.put_u64_le(self.start.trimmed.0);
        rest.put_u64_le(self.start.position.0);
        rest.put_u64_le(self.start.lsn.0);
        rest.put_u32_le(self.start.previous_crc);
        rest.put_u32_le(0);
        rest.put_u64_le(self.durable.0);
        rest.put_u8(u8::try_from(self.log_id.len()).expect("checked above"));
        rest.put_slice(self.log_id.as_bytes());
        let crc = crc32c::crc32c(out);
        (&mut out[CRC_AT..]).put_u32_le(crc);
    }

    /// Reads one copy; `None` when it is damaged or was never written.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != SUPERBLOCK_BYTES || !bytes.starts_with(&MAGIC) {
            return None;
        }
        let stored_crc = (&bytes[CRC_AT..]).get_u32_le();
        let crc = crc32c::crc32c(&bytes[..CRC_AT]);
        let crc = crc32c::crc32c_append(crc, &[0; 4]);
        if crc32c::crc32c_append(crc, &bytes[CRC_AT + 4..]) != stored_crc {
            return None;
        }
        let mut rest = &bytes[MAGIC.len()..];
        if rest.get_u32_le() != VERSION {
            return None;
        }
        rest.advance(4);
        let (sequence, nonce, capacity) = (rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le());
        let start = Start {
            trimmed: Lsn(rest.get_u64_le()),
            position: Position(rest.get_u64_le()),
            lsn: Lsn(rest.get_u64_le()),
            previous_crc: rest.get_u32_le(),
        };
        rest.advance(4);
        let durable = Position(rest.get_u64_le());
        let log_id_bytes = usize::from(rest.get_u8());
        let log_id = std::str::from_utf8(&rest[..log_id_bytes]).ok()?.into();
        Some(Self { sequence, log_id, nonce, capacity, start, durable })
    }

    /// The later of two copies.
    pub(super) fn newest(copies: [Option<Self>; 2]) -> Option<Self> {
        copies.into_iter().flatten().max_by_key(|copy| copy.sequence)
    }
}

#[cfg(test)]
mod tests;
