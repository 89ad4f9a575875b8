//! Block: one partition's batches, with everything needed to refuse the wrong bytes.
//!
//! ```text
//! offset size field
//!      0    4 magic "TCLB"
//!      4    1 version: 1, or 2 if sealed
//!      5    3 zero
//!      8    4 tenant
//!     12   16 topic UUID
//!     28    4 partition index
//!     32    8 base offset: of the first record, or of what compaction took away before it
//!     40    8 last offset: of the last record
//!     48    4 leader epoch of every batch
//!     52    8 max timestamp of any record
//!     60    4 length of what follows the header
//!     64    4 CRC32C of bytes 0..64 and what follows the header
//!     68      Kafka record batches (magic 2), one after the other; or the same, sealed
//! ```
//! A sealed block (see [`crate::seal`]) opens only with bytes 0..64 and the key of its object: as
//! this block of this partition, in this place. Its CRC is over what is stored, so that damage is
//! found without the key.
//!
//! Integers are big-endian. A shared object holds many tenants' blocks, and a
//! wrong range is a tenant's data in another's hands: so a reader says what it
//! expects and gets it or an error (R27).

use std::ops::Range;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use protocol::ids::{PartitionId, TenantId, TopicId};

use crate::extent::Extent;
use crate::keys::Key;
use crate::seal::{self, DataKey, Keyring, OpenError, Purpose, SEAL_OVERHEAD, SEAL_PREFIX_LEN};

/// Length of the header; the batches follow at once.
pub const BLOCK_HEADER_LEN: usize = 68;

const MAGIC: [u8; 4] = *b"TCLB";
const VERSION: u8 = 1;
const VERSION_SEALED: u8 = 2;
const VERSION_AT: usize = 4;
const CRC_AT: usize = BLOCK_HEADER_LEN - 4;

/// Which records a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// Whose records.
    pub partition: PartitionId,
    /// First offset that it covers: of its first record, or of one that compaction by key took away.
    pub base_offset: i64,
    /// Last offset of its last batch.
    pub last_offset: i64,
    /// Leader epoch of every batch.
    pub leader_epoch: i32,
    /// Largest timestamp of any record.
    pub max_timestamp: i64,
}

/// A verified block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its header.
    pub header: BlockHeader,
    /// Its batches, a slice of the bytes that were verified, unless these were sealed.
    pub batches: Bytes,
}

/// Bytes that are not the block the reader asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Fewer bytes than a header, or than the header says.
    #[error("block is cut short: {have} bytes of {want}")]
    Short {
        /// Bytes there.
        have: usize,
        /// Bytes needed.
        want: usize,
    },
    /// More bytes than the header says.
    #[error("block is {want} bytes, range holds {have}")]
    Long {
        /// Bytes there.
        have: usize,
        /// Bytes of the block.
        want: usize,
    },
    /// Another format or a newer version.
    #[error("no block of version {VERSION} or {VERSION_SEALED}")]
    Magic,
    /// Damaged.
    #[error("block fails its CRC")]
    Crc,
    /// Intact, but of another partition.
    #[error("block belongs to partition {0}")]
    Partition(PartitionId),
    /// Intact, but of other offsets.
    #[error("block holds offsets {base}..={last}")]
    Offsets {
        /// Its first offset.
        base: i64,
        /// Its last offset.
        last: i64,
    },
    /// Intact and of these offsets, but written by the owner of another epoch.
    #[error("block is of leader epoch {0}")]
    Epoch(i32),
    /// Sealed, and it does not open.
    #[error("block does not open: {0}")]
    Sealed(#[from] OpenError),
}

impl BlockError {
    /// Whether only its key is missing, which may come.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Sealed(OpenError::Key(_)))
    }
}

impl BlockHeader {
    /// The block as bytes, its batches as they are.
    pub(super) fn encode(&self, batches: Vec<Bytes>, out: &mut Vec<Bytes>) {
        let length = batches.iter().map(Bytes::len).sum();
        let mut header = self.open_header(VERSION, length);
        let crc = crc32c::crc32c(&header);
        header.put_u32(batches.iter().fold(crc, |crc, chunk| crc32c::crc32c_append(crc, chunk)));
        assert_eq!(header.len(), BLOCK_HEADER_LEN);
        out.push(header.freeze());
        out.extend(batches);
    }

    /// The block as bytes of the object `object`, its batches sealed: the one copy of them.
    pub(super) fn encode_sealed(
        &self,
        batches: &[Bytes],
        key: &DataKey,
        object: &Key,
        out: &mut Vec<Bytes>,
    ) {
        let length: usize = batches.iter().map(Bytes::len).sum();
        let mut header = self.open_header(VERSION_SEALED, length + SEAL_OVERHEAD);
        let mut sealed = BytesMut::with_capacity(length + SEAL_OVERHEAD);
        sealed.put_bytes(0, SEAL_PREFIX_LEN);
        batches.iter().for_each(|batch| sealed.put_slice(batch));
        sealed.resize(length + SEAL_OVERHEAD, 0);
        key.seal(Purpose::Block, &identity(&header, object), &mut sealed);
        let crc = crc32c::crc32c(&header);
        header.put_u32(crc32c::crc32c_append(crc, &sealed));
        assert_eq!(header.len(), BLOCK_HEADER_LEN);
        out.extend([header.freeze(), sealed.freeze()]);
    }

    /// The header up to its CRC.
    fn open_header(&self, version: u8, length: usize) -> BytesMut {
        let mut out = BytesMut::with_capacity(BLOCK_HEADER_LEN);
        out.put_slice(&MAGIC);
        out.put_u8(version);
        out.put_slice(&[0; 3]);
        self.put(&mut out);
        out.put_u32(u32::try_from(length).expect("an object is smaller than 4 GiB"));
        out
    }

    /// The fields that the footer repeats: 52 bytes.
    pub(super) fn put(&self, out: &mut BytesMut) {
        out.put_u32(self.partition.tenant.0);
        out.put_slice(self.partition.topic.as_bytes());
        out.put_i32(self.partition.index);
        out.put_i64(self.base_offset);
        out.put_i64(self.last_offset);
        out.put_i32(self.leader_epoch);
        out.put_i64(self.max_timestamp);
    }

    /// The inverse of [`BlockHeader::put`]; the caller made sure of 52 bytes.
    pub(super) fn get(fields: &mut &[u8]) -> Self {
        let tenant = TenantId(fields.get_u32());
        let mut topic = [0; 16];
        fields.copy_to_slice(&mut topic);
        let topic = TopicId(uuid::Uuid::from_bytes(topic));
        Self {
            partition: PartitionId { tenant, topic, index: fields.get_i32() },
            base_offset: fields.get_i64(),
            last_offset: fields.get_i64(),
            leader_epoch: fields.get_i32(),
            max_timestamp: fields.get_i64(),
        }
    }
}

impl BlockHeader {
    /// Whether this is the block of `partition` that `extent` tells of, and no other: not another
    /// tenant's, not another partition's, not the same offsets as another owner wrote them (R27).
    pub fn expect(&self, partition: PartitionId, extent: &Extent) -> Result<(), BlockError> {
        let Self { base_offset: base, last_offset: last, leader_epoch, .. } = *self;
        if self.partition != partition {
            return Err(BlockError::Partition(self.partition));
        }
        if (base, last) != (extent.base_offset, extent.last_offset) {
            return Err(BlockError::Offsets { base, last });
        }
        if leader_epoch != extent.leader_epoch {
            return Err(BlockError::Epoch(leader_epoch));
        }
        Ok(())
    }
}

/// Checks that `bytes` are exactly the block of `partition` at `extent`, undamaged, and returns it
/// (R27): without copying, unless it is sealed.
pub fn open_block(
    bytes: &Bytes,
    partition: PartitionId,
    extent: &Extent,
    keyring: &Keyring,
) -> Result<Block, BlockError> {
    if is_sealed(bytes) {
        let mut copy = BytesMut::from(&bytes[..]);
        let (header, batches) = open_block_in_place(&mut copy, partition, extent, keyring)?;
        return Ok(Block { header, batches: copy.freeze().slice(batches) });
    }
    let header = read_block_header(bytes)?;
    header.expect(partition, extent)?;
    Ok(Block { header, batches: bytes.slice(BLOCK_HEADER_LEN..) })
}

/// The same of bytes that are the caller's own: where in them the batches are, in plain text then.
/// After an error they hold nothing of use.
pub fn open_block_in_place(
    bytes: &mut [u8],
    partition: PartitionId,
    extent: &Extent,
    keyring: &Keyring,
) -> Result<(BlockHeader, Range<usize>), BlockError> {
    let header = read_block_header(bytes)?;
    header.expect(partition, extent)?;
    let (sealed, (head, body)) = (is_sealed(bytes), bytes.split_at_mut(BLOCK_HEADER_LEN));
    if !sealed {
        return Ok((header, BLOCK_HEADER_LEN..BLOCK_HEADER_LEN + body.len()));
    }
    let identity = identity(&head[..CRC_AT], &extent.location.key());
    let opened = seal::open(keyring, partition.tenant, Purpose::Block, &identity, body)?;
    let start = BLOCK_HEADER_LEN + SEAL_PREFIX_LEN;
    Ok((header, start..start + opened.len()))
}

/// Whether this is the beginning of a sealed block.
pub fn is_sealed(block: &[u8]) -> bool {
    block.starts_with(&MAGIC) && block.get(VERSION_AT) == Some(&VERSION_SEALED)
}

/// What is authenticated with a sealed block: all that its header says, and which object it is in.
fn identity(header: &[u8], object: &Key) -> Vec<u8> {
    [header, object.as_str().as_bytes()].concat()
}

/// The header of a block that is whole and undamaged, whosever it is.
pub fn read_block_header(bytes: &[u8]) -> Result<BlockHeader, BlockError> {
    let (have, want) = (bytes.len(), BLOCK_HEADER_LEN);
    let head = bytes.get(..BLOCK_HEADER_LEN).ok_or(BlockError::Short { have, want })?;
    if head[..4] != MAGIC || !matches!(head[VERSION_AT], VERSION | VERSION_SEALED) {
        return Err(BlockError::Magic);
    }
    let mut fields = &head[8..];
    let header = BlockHeader::get(&mut fields);
    let want = BLOCK_HEADER_LEN + fields.get_u32() as usize;
    let crc = fields.get_u32();
    if have < want {
        return Err(BlockError::Short { have, want });
    }
    if have > want {
        return Err(BlockError::Long { have, want });
    }
    let actual = crc32c::crc32c_append(crc32c::crc32c(&head[..CRC_AT]), &bytes[BLOCK_HEADER_LEN..]);
    if actual != crc && !process::mutation::on("R27") {
        return Err(BlockError::Crc);
    }
    Ok(header)
}
