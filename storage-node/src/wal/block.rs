//! The format of a block: the entries of one write, and what proves that they are whole.
//!
//! Persisted, keep stable: a change needs a new version number. Integers are little endian.
//!
//! ```text
//!   ┌────────┬──────────────┬───────┬──────────────┬───────┬─────────┐
//!   │ header │ entry header │ batch │ entry header │ batch │ zeros   │  to a multiple of 4096
//!   └────────┴──────────────┴───────┴──────────────┴───────┴─────────┘
//!   0        64             └── payload: payload CRC ──────┘
//!
//!   header              size
//!    0  magic "TCWB"       4
//!    4  version = 1        2
//!    6  zero               2
//!    8  nonce              8   of the incarnation; other blocks are left-overs (R69)
//!   16  position           8   of this header, in bytes of log
//!   24  durable            8   position below which all was durable when this was assembled
//!   32  LSN                8   of the first entry
//!   40  payload length     4
//!   44  entries            4
//!   48  skipped            4   bytes left unused before this block, at the end of the lap
//!   52  previous CRC       4   header CRC of the block before: the chain
//!   56  payload CRC        4   CRC-32C
//!   60  header CRC         4   CRC-32C of bytes 0..60, thus of the payload too
//!
//!   entry header        size
//!    0  batch length       4
//!    4  tenant             4
//!    8  topic             16
//!   24  partition          4
//!   28  leader epoch       4
//!   32  base offset        8
//!   40  last offset        8
//! ```
//!
//! `durable` is what tells a torn tail from damage when several writes are in flight (R69): a bad
//! block below the `durable` of any later block was once whole.

use bytes::{Buf, BufMut, Bytes};
use protocol::ids::{PartitionId, TenantId, TopicId};

use super::layout::Position;
use super::{LoggedEntry, Lsn, LsnRange};

const MAGIC: [u8; 4] = *b"TCWB";
const VERSION: u16 = 1;

/// Length of a block's header.
pub(super) const HEADER_BYTES: usize = 64;

/// Length of the header in front of each batch.
pub(super) const ENTRY_HEADER_BYTES: usize = 48;

/// What the header says apart from the fields that only guard it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHeader {
    pub(super) position: Position,
    pub(super) durable: Position,
    pub(super) lsn: Lsn,
    pub(super) payload_bytes: u32,
    pub(super) entries: u32,
    pub(super) skipped: u32,
    pub(super) previous_crc: u32,
    pub(super) payload_crc: u32,
}

impl BlockHeader {
    /// Writes the header; returns its CRC, which the next block repeats.
    pub(super) fn encode(&self, nonce: u64, out: &mut [u8; HEADER_BYTES]) -> u32 {
        let mut rest = &mut out[..];
        rest.put_slice(&MAGIC);
        rest.put_u16_le(VERSION);
        rest.put_u16_le(0);
        rest.put_u64_le(nonce);
        rest.put_u64_le(self.position.0);
        rest.put_u64_le(self.durable.0);
        rest.put_u64_le(self.lsn.0);
        rest.put_u32_le(self.payload_bytes);
        rest.put_u32_le(self.entries);
        rest.put_u32_le(self.skipped);
        rest.put_u32_le(self.previous_crc);
        rest.put_u32_le(self.payload_crc);
        assert_eq!(rest.len(), 4, "the header CRC closes the header");
        let crc = crc32c::crc32c(&out[..HEADER_BYTES - 4]);
        (&mut out[HEADER_BYTES - 4..]).put_u32_le(crc);
        crc
    }

    /// Reads a header with its CRC; `None` when these bytes are no header of incarnation `nonce`.
    pub(super) fn decode(mut bytes: &[u8], nonce: u64) -> Option<(Self, u32)> {
        let guarded = bytes.get(..HEADER_BYTES - 4)?;
        let crc = (&bytes[HEADER_BYTES - 4..]).try_get_u32_le().ok()?;
        let known = guarded.starts_with(&MAGIC) && crc == crc32c::crc32c(guarded);
        bytes.advance(MAGIC.len());
        if !known || bytes.get_u16_le() != VERSION {
            return None;
        }
        bytes.advance(2);
        if bytes.get_u64_le() != nonce {
            return None;
        }
        let header = Self {
            position: Position(bytes.get_u64_le()),
            durable: Position(bytes.get_u64_le()),
            lsn: Lsn(bytes.get_u64_le()),
            payload_bytes: bytes.get_u32_le(),
            entries: bytes.get_u32_le(),
            skipped: bytes.get_u32_le(),
            previous_crc: bytes.get_u32_le(),
            payload_crc: bytes.get_u32_le(),
        };
        Some((header, crc))
    }

    /// The length of header and payload, without padding.
    pub(super) fn block_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.payload_bytes)
    }
}

/// What stands in front of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryHeader {
    pub(super) batch_bytes: u32,
    pub(super) partition: PartitionId,
    pub(super) leader_epoch: i32,
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
}

impl EntryHeader {
    /// Writes the header into `out`, which has exactly its length.
    pub(super) fn encode(&self, mut out: &mut [u8]) {
        assert_eq!(out.len(), ENTRY_HEADER_BYTES, "an entry header has a fixed length");
        out.put_u32_le(self.batch_bytes);
        out.put_u32_le(self.partition.tenant.0);
        out.put_slice(self.partition.topic.as_bytes());
        out.put_i32_le(self.partition.index);
        out.put_i32_le(self.leader_epoch);
        out.put_i64_le(self.base_offset);
        out.put_i64_le(self.last_offset);
    }

    /// Reads a header off the front of `bytes`.
    pub(super) fn decode(bytes: &mut Bytes) -> Option<Self> {
        if bytes.len() < ENTRY_HEADER_BYTES {
            return None;
        }
        let batch_bytes = bytes.get_u32_le();
        let tenant = TenantId(bytes.get_u32_le());
        let topic = TopicId::from_slice(&bytes.split_to(16))?;
        let index = bytes.get_i32_le();
        Some(Self {
            batch_bytes,
            partition: PartitionId { tenant, topic, index },
            leader_epoch: bytes.get_i32_le(),
            base_offset: bytes.get_i64_le(),
            last_offset: bytes.get_i64_le(),
        })
    }
}

/// The entries of a payload whose first has LSN `lsn`; `None` when they do not fill it exactly.
///
/// A payload with the right CRC always reads, so `None` is our own mistake or a forged CRC.
pub(super) fn decode_entries(mut payload: Bytes, lsn: Lsn, count: u32) -> Option<Vec<LoggedEntry>> {
    let mut entries = Vec::new();
    let mut start = lsn;
    while !payload.is_empty() {
        let header = EntryHeader::decode(&mut payload)?;
        let batch_bytes = usize::try_from(header.batch_bytes).ok()?;
        if batch_bytes > payload.len() {
            return None;
        }
        let end = Lsn(start.0 + (ENTRY_HEADER_BYTES + batch_bytes) as u64);
        entries.push(LoggedEntry {
            lsn: LsnRange { start, end },
            partition: header.partition,
            base_offset: header.base_offset,
            last_offset: header.last_offset,
            leader_epoch: header.leader_epoch,
            batch: payload.split_to(batch_bytes),
        });
        start = end;
    }
    (entries.len() == usize::try_from(count).ok()?).then_some(entries)
}

#[cfg(test)]
mod tests;
