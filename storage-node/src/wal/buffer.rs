//! Memory for blocks: aligned as direct I/O needs it, and used again.
//!
//! Alignment comes from asking for a sector more than needed and starting at the first boundary,
//! which takes no unsafe code. A block's buffer lives as long as somebody holds a slice of it (the
//! hot cache), then returns here: mapping fresh memory for every block costs more than filling it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::layout::ALIGN;

const ALIGN_BYTES: usize = ALIGN as usize;

/// Blocks up to this size come in steps of one sector, larger ones in steps of this: few enough
/// sizes to find one again, and little left over.
const STEP_BYTES: usize = 64 << 10;

/// Bytes of unused buffers that are kept: what a node writes in some tens of milliseconds.
const IDLE_BYTES_MAX: usize = 32 << 20;

/// Zeroed memory that starts at a multiple of 4096.
#[derive(Debug, Default)]
pub(super) struct AlignedBuffer {
    memory: Vec<u8>,
    start: usize,
    bytes: usize,
}

impl AlignedBuffer {
    /// `bytes` of zeros.
    pub(super) fn zeroed(bytes: usize) -> Self {
        let memory = vec![0; bytes + ALIGN_BYTES - 1];
        let start = memory.as_ptr().align_offset(ALIGN_BYTES);
        assert!(start < ALIGN_BYTES, "a boundary lies within any 4096 bytes");
        Self { memory, start, bytes }
    }
}

impl AsRef<[u8]> for AlignedBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.bytes]
    }
}

impl AsMut<[u8]> for AlignedBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.bytes]
    }
}

/// Hands out buffers and takes them back. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    idle: Arc<Mutex<Idle>>,
}

#[derive(Debug, Default)]
struct Idle {
    by_size: BTreeMap<usize, Vec<AlignedBuffer>>,
    bytes: usize,
}

impl Pool {
    /// A buffer of `bytes`, with whatever its last user left in it.
    pub(super) fn take(&self, bytes: usize) -> BlockBuffer {
        let size = pooled_size(bytes);
        let recycled = {
            let mut idle = self.idle.lock();
            let found = idle.by_size.get_mut(&size).and_then(Vec::pop);
            idle.bytes -= found.as_ref().map_or(0, |_| size);
            found
        };
        let buffer = recycled.unwrap_or_else(|| AlignedBuffer::zeroed(size));
        BlockBuffer { buffer, bytes, pool: self.clone() }
    }

    fn put_back(&self, buffer: AlignedBuffer) {
        let mut idle = self.idle.lock();
        if idle.bytes + buffer.bytes <= IDLE_BYTES_MAX {
            idle.bytes += buffer.bytes;
            idle.by_size.entry(buffer.bytes).or_default().push(buffer);
        }
    }
}

fn pooled_size(bytes: usize) -> usize {
    bytes.next_multiple_of(if bytes <= STEP_BYTES { ALIGN_BYTES } else { STEP_BYTES })
}

/// A buffer that returns to its pool when dropped.
#[derive(Debug)]
pub(super) struct BlockBuffer {
    buffer: AlignedBuffer,
    bytes: usize,
    pool: Pool,
}

impl BlockBuffer {
    /// The memory this buffer keeps from other uses.
    pub(super) fn memory_bytes(&self) -> usize {
        self.buffer.memory.len()
    }
}

impl AsRef<[u8]> for BlockBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.buffer.as_ref()[..self.bytes]
    }
}

impl AsMut<[u8]> for BlockBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.buffer.as_mut()[..self.bytes]
    }
}

impl Drop for BlockBuffer {
    fn drop(&mut self) {
        self.pool.put_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn buffers_are_aligned_and_have_the_asked_length() {
        let pool = Pool::default();
        for bytes in [4096, 8192, 65_536, 69_632, 1 << 20, (1 << 20) + 4096] {
            let buffer = pool.take(bytes);
            assert_eq!(buffer.as_ref().len(), bytes);
            assert_eq!(buffer.as_ref().as_ptr().align_offset(4096), 0);
        }
    }

    #[test]
    fn a_buffer_comes_back_when_its_last_slice_is_dropped() {
        let pool = Pool::default();
        let buffer = pool.take(8192);
        let place = buffer.as_ref().as_ptr();
        let slice = Bytes::from_owner(buffer).slice(100..200);
        assert_ne!(pool.take(8192).as_ref().as_ptr(), place);
        drop(slice);
        let both = [pool.take(8192), pool.take(8192)];
        assert!(both.iter().any(|buffer| buffer.as_ref().as_ptr() == place));
    }

    #[test]
    fn the_pool_keeps_no_more_than_its_limit() {
        let pool = Pool::default();
        let buffers: Vec<_> = (0..40).map(|_| pool.take(1 << 20)).collect();
        drop(buffers);
        assert_eq!(pool.idle.lock().bytes, IDLE_BYTES_MAX);
    }
}
