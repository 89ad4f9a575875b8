//! Walks the blocks of a log in the ring file, from one to the next.

use bytes::Bytes;

use super::Lsn;
use super::block::{BlockHeader, HEADER_BYTES};
use super::buffer::AlignedBuffer;
use super::io::WalIo;
use super::layout::{ALIGN, Position, Ring, padded};
use super::recover::{Damage, RecoverError};

/// Bytes per read: many small blocks at once.
const WINDOW_BYTES: usize = 1 << 20;

/// A place between two blocks, and what the next one must look like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) position: Position,
    pub(super) lsn: Lsn,
    pub(super) previous_crc: u32,
}

/// A whole block.
pub(super) struct ReadBlock {
    pub(super) header: BlockHeader,
    pub(super) payload: Bytes,
}

/// See the module.
pub(super) struct Cursor<'io> {
    io: &'io dyn WalIo,
    ring: Ring,
    nonce: u64,
    place: Place,
    window: Window,
}

impl<'io> Cursor<'io> {
    /// A cursor over the blocks of incarnation `nonce`, starting at `place`.
    pub(super) fn new(io: &'io dyn WalIo, ring: Ring, nonce: u64, place: Place) -> Self {
        Self { io, ring, nonce, place, window: Window::default() }
    }

    /// Where the cursor stands.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Reads the next block; `None` when there is no whole block that could be it.
    ///
    /// Fails on a whole block that contradicts the ones before it: no crash leaves that.
    pub(super) fn next(&mut self) -> Result<Option<ReadBlock>, RecoverError> {
        let here = self.place.position;
        if let Some((block, crc)) = self.block_at(here)? {
            if !self.continues(&block.header) {
                return Err(RecoverError::corrupt(here, Damage::Chain));
            }
            return Ok(Some(self.pass(block, crc)));
        }
        // The block may not have fitted into the rest of the lap.
        let next_lap = self.ring.next_lap(here);
        match self.block_at(next_lap)? {
            Some((block, crc)) if self.continues(&block.header) => Ok(Some(self.pass(block, crc))),
            _ => Ok(None),
        }
    }

    /// The first block from `from` on to just below `limit` that was begun when the log was durable
    /// beyond `bad`. Looks at headers only: one that is whole speaks the truth.
    pub(super) fn find_later(
        &mut self,
        bad: Position,
        limit: Position,
    ) -> Result<Option<Position>, RecoverError> {
        let mut position = bad.plus(ALIGN);
        while position < limit {
            let header = self.header_at(position)?;
            if header.is_some_and(|(header, _)| header.durable > bad) {
                return Ok(Some(position));
            }
            position = position.plus(ALIGN);
        }
        Ok(None)
    }

    fn pass(&mut self, block: ReadBlock, crc: u32) -> ReadBlock {
        let header = &block.header;
        self.place = Place {
            position: header.position.plus(padded(header.block_bytes())),
            lsn: Lsn(header.lsn.0 + u64::from(header.payload_bytes)),
            previous_crc: crc,
        };
        block
    }

    fn continues(&self, header: &BlockHeader) -> bool {
        header.position == self.place.position.plus(u64::from(header.skipped))
            && header.lsn == self.place.lsn
            && header.previous_crc == self.place.previous_crc
    }

    /// The header of the block at `position`, whatever its payload.
    fn header_at(
        &mut self,
        position: Position,
    ) -> Result<Option<(BlockHeader, u32)>, RecoverError> {
        let sector = self.window.read(self.io, self.ring.offset(position), ALIGN)?;
        let header = BlockHeader::decode(&sector[..HEADER_BYTES], self.nonce);
        Ok(header.filter(|(header, _)| header.position == position))
    }

    fn block_at(&mut self, position: Position) -> Result<Option<(ReadBlock, u32)>, RecoverError> {
        let Some((header, crc)) = self.header_at(position)? else { return Ok(None) };
        let bytes = header.block_bytes();
        if bytes > self.ring.block_bytes_max() || self.ring.place(position, bytes) != position {
            return Err(RecoverError::corrupt(position, Damage::Chain));
        }
        let block = self.window.read(self.io, self.ring.offset(position), padded(bytes))?;
        let end = usize::try_from(bytes).expect("blocks are at most 16 MiB");
        let payload = &block[HEADER_BYTES..end];
        if crc32c::crc32c(payload) != header.payload_crc {
            return Ok(None);
        }
        Ok(Some((ReadBlock { header, payload: Bytes::copy_from_slice(payload) }, crc)))
    }
}

/// The part of the file that was read last.
#[derive(Default)]
struct Window {
    buffer: AlignedBuffer,
    offset: u64,
}

impl Window {
    /// `bytes` from `offset`, both aligned.
    fn read(&mut self, io: &dyn WalIo, offset: u64, bytes: u64) -> std::io::Result<&[u8]> {
        let end = self.offset + self.buffer.as_ref().len() as u64;
        if offset < self.offset || offset + bytes > end {
            let length = bytes.max(WINDOW_BYTES as u64).min(io.size() / ALIGN * ALIGN - offset);
            let length = length_in_memory(length);
            if self.buffer.as_ref().len() != length {
                self.buffer = AlignedBuffer::zeroed(length);
            }
            io.read_at(self.buffer.as_mut(), offset)?;
            self.offset = offset;
        }
        let start = length_in_memory(offset - self.offset);
        Ok(&self.buffer.as_ref()[start..start + length_in_memory(bytes)])
    }
}

fn length_in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a window is small")
}
