//! Footer: the table of contents at the end of a segment object.
//!
//! ```text
//! footer                                   entry, one per block
//! size field                               size field
//!    8 LSN start: first byte covered         52 block header, fields as in the block
//!    8 LSN end: first byte not covered        8 byte offset of the block in the object
//!    4 number of entries                      4 byte length of the block, header included
//!      entries                                4 number of batches
//!                                               batches
//! trailer
//! size field                               batch
//!    4 length of the footer                size field
//!    4 CRC32C of the footer                   8 base offset
//!    4 version, 1 or 2                        4 last offset delta
//!    4 magic "TCLF"                           8 producer id
//!                                             2 producer epoch
//!                                             2 attributes
//!                                             4 base sequence
//!                                             8 max timestamp
//!                                          version 2, a control batch only
//!                                             1 0 abort, 1 commit, 2 no marker
//!                                             4 coordinator epoch
//! ```
//! Version 2 is written where there is a control batch: without them nothing has changed.
//! Integers are big-endian. The trailer is found from the end of the object, so
//! one ranged GET of the last bytes mostly gets everything.

use std::ops::Range;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use protocol::batch::{
    ATTRIBUTE_CONTROL, ATTRIBUTE_TRANSACTIONAL, BatchView, EndTransactionMarker,
};

use super::block::BlockHeader;
use crate::keys::Key;
use crate::store::{Op, Store, StoreError};

/// Length of the trailer.
pub const TRAILER_LEN: usize = 16;

const MAGIC: [u8; 4] = *b"TCLF";
const VERSION: u32 = 1;
const VERSION_WITH_MARKERS: u32 = 2;
const FIXED_LEN: usize = 20;
const ENTRY_LEN: usize = 68;
const BATCH_LEN: usize = 36;
/// What a control batch has besides.
const MARKER_LEN: usize = 5;
/// The most that a batch takes.
pub const BATCH_LEN_MAX: usize = BATCH_LEN + MARKER_LEN;

const ABORT: u8 = 0;
const COMMIT: u8 = 1;
const NO_MARKER: u8 = 2;

/// First guess at trailer and footer: most footers fit (1,000 blocks are 104 KiB).
const TAIL_GUESS: u64 = 128 << 10;

/// What an object holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Footer {
    /// First LSN of the front that the object covers.
    pub lsn_start: u64,
    /// First LSN after those it covers.
    pub lsn_end: u64,
    /// Its blocks, in the order of their places.
    pub entries: Vec<BlockEntry>,
}

/// One block of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockEntry {
    /// Which records it holds.
    pub header: BlockHeader,
    /// Where it starts, from the start of the stored object.
    pub byte_offset: u64,
    /// Its length, header included.
    pub byte_len: u32,
    /// Its batches.
    pub batches: Vec<BatchMeta>,
}

impl BlockEntry {
    /// Its place in the stored object.
    pub fn range(&self) -> Range<u64> {
        self.byte_offset..self.byte_offset + u64::from(self.byte_len)
    }
}

/// Summary of one batch: what the producer table and the index need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMeta {
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record, from the first.
    pub last_offset_delta: i32,
    /// Producer id, -1 without idempotence.
    pub producer_id: i64,
    /// Producer epoch, -1 without idempotence.
    pub producer_epoch: i16,
    /// Kafka's attribute bits: compression, timestamp type, transactional, control.
    pub attributes: i16,
    /// Sequence of its first record, -1 without idempotence.
    pub base_sequence: i32,
    /// Largest timestamp of its records.
    pub max_timestamp: i64,
    /// What it says, if it ends a transaction.
    pub marker: Option<EndTransactionMarker>,
}

impl BatchMeta {
    pub(crate) fn of(view: &BatchView<'_>) -> Self {
        Self {
            base_offset: view.base_offset(),
            last_offset_delta: view.last_offset_delta(),
            producer_id: view.producer_id(),
            producer_epoch: view.producer_epoch(),
            attributes: view.attributes(),
            base_sequence: view.base_sequence(),
            max_timestamp: view.max_timestamp(),
            marker: EndTransactionMarker::of(view),
        }
    }

    /// Offset of its last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// Whether it is part of a transaction, or ends one.
    pub fn is_transactional(&self) -> bool {
        self.attributes & ATTRIBUTE_TRANSACTIONAL != 0
    }

    pub(super) fn is_control(&self) -> bool {
        self.attributes & ATTRIBUTE_CONTROL != 0
    }
}

/// Bytes that are no footer, or a footer that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FooterError {
    /// Another format or a newer version.
    #[error("no footer of version {VERSION} or {VERSION_WITH_MARKERS}")]
    Magic,
    /// Damaged.
    #[error("footer fails its CRC")]
    Crc,
    /// A count or length goes beyond the bytes there are.
    #[error("footer is cut short")]
    Short,
    /// Bytes are left over.
    #[error("footer is longer than its entries")]
    Long,
    /// A block lies outside the object or over its neighbour, or holds no offsets.
    #[error("entry {0} of the footer is out of order")]
    Order(usize),
}

impl Footer {
    /// Footer and trailer as bytes.
    pub(super) fn encode(&self) -> Bytes {
        let batches = || self.entries.iter().flat_map(|entry| &entry.batches);
        let controls = batches().filter(|batch| batch.is_control()).count();
        let version = if controls == 0 { VERSION } else { VERSION_WITH_MARKERS };
        let length =
            Self::encoded_len(self.entries.len(), batches().count(), controls) - TRAILER_LEN;
        let mut out = BytesMut::with_capacity(length + TRAILER_LEN);
        out.put_u64(self.lsn_start);
        out.put_u64(self.lsn_end);
        out.put_u32(count(self.entries.len()));
        for entry in &self.entries {
            entry.header.put(&mut out);
            out.put_u64(entry.byte_offset);
            out.put_u32(entry.byte_len);
            out.put_u32(count(entry.batches.len()));
            entry.batches.iter().for_each(|batch| batch.put(&mut out));
        }
        assert_eq!(out.len(), length);
        let crc = crc32c::crc32c(&out);
        out.put_u32(count(length));
        out.put_u32(crc);
        out.put_u32(version);
        out.put_slice(&MAGIC);
        out.freeze()
    }

    /// Length of the encoded footer and trailer for this many blocks, batches and, among these,
    /// control batches.
    pub(super) fn encoded_len(blocks: usize, batches: usize, controls: usize) -> usize {
        FIXED_LEN + ENTRY_LEN * blocks + BATCH_LEN * batches + MARKER_LEN * controls + TRAILER_LEN
    }

    /// Length of footer and trailer, from the trailer at the end of `tail`.
    fn len_of(tail: &[u8]) -> Result<usize, FooterError> {
        let at = tail.len().checked_sub(TRAILER_LEN).ok_or(FooterError::Short)?;
        let mut trailer = &tail[at..];
        let length = trailer.get_u32() as usize;
        let _crc = trailer.get_u32();
        let version = trailer.get_u32();
        if !matches!(version, VERSION | VERSION_WITH_MARKERS) || trailer != MAGIC {
            return Err(FooterError::Magic);
        }
        Ok(length + TRAILER_LEN)
    }

    /// Reads the footer at the end of an object of `object_len` bytes, of which
    /// `tail` are the last.
    pub fn decode(tail: &[u8], object_len: u64) -> Result<Self, FooterError> {
        let length = Self::len_of(tail)?;
        let at = tail.len().checked_sub(length).ok_or(FooterError::Short)?;
        let (footer, mut trailer) = tail[at..].split_at(length - TRAILER_LEN);
        trailer.advance(4);
        if trailer.get_u32() != crc32c::crc32c(footer) {
            return Err(FooterError::Crc);
        }
        let with_markers = trailer.get_u32() == VERSION_WITH_MARKERS;
        let footer = Self::get(footer, with_markers)?;
        footer.check_order(object_len.saturating_sub(length as u64))?;
        Ok(footer)
    }

    fn get(mut fields: &[u8], with_markers: bool) -> Result<Self, FooterError> {
        let fields = &mut fields;
        need(fields, 1, FIXED_LEN)?;
        let (lsn_start, lsn_end) = (fields.get_u64(), fields.get_u64());
        let entries = fields.get_u32() as usize;
        // Before anything is allocated: a count is never larger than its bytes (R61).
        need(fields, entries, ENTRY_LEN)?;
        let entries = (0..entries).map(|_| BlockEntry::get(fields, with_markers));
        let entries = entries.collect::<Result<_, _>>()?;
        if !fields.is_empty() {
            return Err(FooterError::Long);
        }
        Ok(Self { lsn_start, lsn_end, entries })
    }

    /// Blocks follow each other, before `blocks_end`, and each holds offsets.
    fn check_order(&self, blocks_end: u64) -> Result<(), FooterError> {
        let mut free = 0;
        for (position, entry) in self.entries.iter().enumerate() {
            let Some(end) = entry.byte_offset.checked_add(u64::from(entry.byte_len)) else {
                return Err(FooterError::Order(position));
            };
            let BlockHeader { base_offset, last_offset, .. } = entry.header;
            let offsets = 0 <= base_offset && base_offset <= last_offset;
            if entry.byte_offset < free || end > blocks_end || !offsets {
                return Err(FooterError::Order(position));
            }
            free = end;
        }
        Ok(())
    }
}

impl BlockEntry {
    fn get(fields: &mut &[u8], with_markers: bool) -> Result<Self, FooterError> {
        need(fields, 1, ENTRY_LEN)?;
        let header = BlockHeader::get(fields);
        let (byte_offset, byte_len) = (fields.get_u64(), fields.get_u32());
        let batches = fields.get_u32() as usize;
        need(fields, batches, BATCH_LEN)?;
        let batches = (0..batches).map(|_| BatchMeta::get(fields, with_markers));
        let batches = batches.collect::<Result<_, _>>()?;
        Ok(Self { header, byte_offset, byte_len, batches })
    }
}

impl BatchMeta {
    fn put(&self, out: &mut BytesMut) {
        out.put_i64(self.base_offset);
        out.put_i32(self.last_offset_delta);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_i16(self.attributes);
        out.put_i32(self.base_sequence);
        out.put_i64(self.max_timestamp);
        if self.is_control() {
            let kind = |marker: EndTransactionMarker| if marker.commit { COMMIT } else { ABORT };
            out.put_u8(self.marker.map_or(NO_MARKER, kind));
            out.put_i32(self.marker.map_or(-1, |marker| marker.coordinator_epoch));
        }
    }

    fn get(fields: &mut &[u8], with_markers: bool) -> Result<Self, FooterError> {
        need(fields, 1, BATCH_LEN)?;
        let mut batch = Self {
            base_offset: fields.get_i64(),
            last_offset_delta: fields.get_i32(),
            producer_id: fields.get_i64(),
            producer_epoch: fields.get_i16(),
            attributes: fields.get_i16(),
            base_sequence: fields.get_i32(),
            max_timestamp: fields.get_i64(),
            marker: None,
        };
        if with_markers && batch.is_control() {
            need(fields, 1, MARKER_LEN)?;
            let (kind, coordinator_epoch) = (fields.get_u8(), fields.get_i32());
            let marker = EndTransactionMarker { commit: kind == COMMIT, coordinator_epoch };
            batch.marker = (kind != NO_MARKER).then_some(marker);
        }
        Ok(batch)
    }
}

/// Reads an object's footer: one ranged GET, two for a footer above 128 KiB.
pub async fn read_footer(store: &Store, key: &Key) -> Result<Footer, StoreError> {
    let damaged = |error: FooterError| StoreError::damaged(Op::GetRange, key, error);
    let (mut tail, object_len) = store.get_suffix(key, TAIL_GUESS).await?;
    let length = Footer::len_of(&tail).map_err(damaged)? as u64;
    if length > object_len {
        return Err(damaged(FooterError::Short));
    }
    if length > tail.len() as u64 {
        tail = store.get_range(key, object_len - length..object_len).await?;
    }
    Footer::decode(&tail, object_len).map_err(damaged)
}

fn need(fields: &[u8], count: usize, each: usize) -> Result<(), FooterError> {
    let wanted = count.checked_mul(each).ok_or(FooterError::Short)?;
    if fields.len() < wanted { Err(FooterError::Short) } else { Ok(()) }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("an object is smaller than 4 GiB")
}
