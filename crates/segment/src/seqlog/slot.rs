//! Slot header: the first 72 bytes of every SeqLog object.
//!
//! ```text
//! offset size field
//!      0    4 magic "TCLS"
//!      4    1 version, 1
//!      5    1 family: 1 data, 2 wal, 3 meta
//!      6    1 kind: 1 OPEN, 2 DATA, 3 FRONT, 4 CLOSE, 5 END
//!      7    1 zero
//!      8   16 writer token, new for each frozen slot
//!     24    8 slot number
//!     32    4 node        ┐ the log's name; in the metadata log
//!     36    4 generation  │ the name of the leader that wrote the slot
//!     40    8 incarnation │
//!     48    8 nonce       ┘
//!     56    8 payload length
//!     64    4 CRC32C of the payload, zero where the payload checks itself
//!     68    4 CRC32C of bytes 0..68
//! ```
//! Integers are big-endian. Ids are persisted: keep them stable.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use protocol::ids::NodeId;

use crate::keys::Family;
use crate::log_id::LogId;
use crate::token::WriterToken;

/// Length of the header; the payload follows at once.
pub const HEADER_LEN: usize = 72;

const MAGIC: [u8; 4] = *b"TCLS";
const VERSION: u8 = 1;
const CRC_AT: usize = HEADER_LEN - 4;

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// Slot 0: who writes the log, and where its front is.
    Open = 1,
    /// Records: a segment object, WAL entries, or a change of the catalogue.
    Data = 2,
    /// The front moved; written before the first acknowledgement under it.
    Front = 3,
    /// One partition left this log by a cooperative move.
    Close = 4,
    /// The log is over. Never deleted (R8).
    End = 5,
}

impl SlotKind {
    fn from_id(id: u8) -> Option<Self> {
        [Self::Open, Self::Data, Self::Front, Self::Close, Self::End]
            .into_iter()
            .find(|kind| *kind as u8 == id)
    }
}

/// The header of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotHeader {
    /// Which use of the SeqLog.
    pub family: Family,
    /// What the payload is.
    pub kind: SlotKind,
    /// Names the frozen attempt that made this slot.
    pub token: WriterToken,
    /// Its number.
    pub slot: u64,
    /// The log, or in the metadata log the leader that wrote the slot.
    pub log: LogId,
    /// Length of the payload.
    pub payload_len: u64,
    /// CRC32C of the payload; zero where [`SlotHeader::payload_checks_itself`].
    pub payload_crc: u32,
}

impl SlotHeader {
    /// Data-log segments are read by range; their blocks and footer carry their
    /// own checksums, and summing up 32 MiB a second time would buy nothing.
    pub fn payload_checks_itself(family: Family, kind: SlotKind) -> bool {
        family == Family::Data && kind == SlotKind::Data
    }

    /// The header as bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER_LEN);
        out.put_slice(&MAGIC);
        out.put_u8(VERSION);
        out.put_u8(family_id(self.family));
        out.put_u8(self.kind as u8);
        out.put_u8(0);
        out.put_slice(&self.token.0);
        out.put_u64(self.slot);
        out.put_i32(self.log.node.0);
        out.put_u32(self.log.generation);
        out.put_u64(self.log.incarnation);
        out.put_u64(self.log.nonce);
        out.put_u64(self.payload_len);
        out.put_u32(self.payload_crc);
        out.put_u32(crc32c::crc32c(&out));
        assert_eq!(out.len(), HEADER_LEN);
        out.freeze()
    }

    /// Reads the header at the start of an object.
    pub fn decode(object: &[u8]) -> Result<Self, SlotHeaderError> {
        let header = object.get(..HEADER_LEN).ok_or(SlotHeaderError::Short(object.len()))?;
        if header[..4] != MAGIC || header[4] != VERSION {
            return Err(SlotHeaderError::Magic);
        }
        let mut fields = &header[CRC_AT..];
        if fields.get_u32() != crc32c::crc32c(&header[..CRC_AT]) {
            return Err(SlotHeaderError::Crc);
        }
        let family = family_of(header[5]).ok_or(SlotHeaderError::Id)?;
        let kind = SlotKind::from_id(header[6]).ok_or(SlotHeaderError::Id)?;
        let token = WriterToken::of(header).expect("the header is longer than the preamble");
        let mut fields = &header[24..CRC_AT];
        Ok(Self {
            family,
            kind,
            token,
            slot: fields.get_u64(),
            log: LogId {
                node: NodeId(fields.get_i32()),
                generation: fields.get_u32(),
                incarnation: fields.get_u64(),
                nonce: fields.get_u64(),
            },
            payload_len: fields.get_u64(),
            payload_crc: fields.get_u32(),
        })
    }
}

/// Bytes that are no slot header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlotHeaderError {
    /// Fewer bytes than a header.
    #[error("{0} bytes are too few for a slot header")]
    Short(usize),
    /// Another format or a newer version.
    #[error("no slot header of version {VERSION}")]
    Magic,
    /// The header is damaged.
    #[error("slot header fails its CRC")]
    Crc,
    /// An unknown family or kind.
    #[error("unknown family or kind of slot")]
    Id,
}

fn family_id(family: Family) -> u8 {
    match family {
        Family::Data => 1,
        Family::Wal => 2,
        Family::Meta => 3,
    }
}

fn family_of(id: u8) -> Option<Family> {
    [Family::Data, Family::Wal, Family::Meta].into_iter().find(|family| family_id(*family) == id)
}
