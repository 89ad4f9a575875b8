//! Where the blocks of the log lie in the ring file.
//!
//! A [`Position`] counts the bytes of the log from the start of the incarnation, padding included,
//! and never goes back. The file holds the last `capacity` of them:
//!
//! ```text
//!   file     0         4096      8192                                            end
//!            │ super A │ super B │ ring                                          │
//!
//!   lap 0    ·         ·         │ 0 ... block ...│ block │ block      │ skipped │
//!   lap 1    ·         ·         │ capacity ... block │ block ...
//! ```
//!
//! Position `p` lies at offset `8192 + p mod capacity`. Blocks start at multiples of 4096 and are
//! never split: what does not fit before the end of the lap starts the next one.

/// Blocks and their buffers start at multiples of this: what direct I/O asks for on every disk in
/// use, and the largest sector that is written as a whole.
pub(super) const ALIGN: u64 = 4096;

/// Where the ring begins: behind two superblocks.
pub(super) const RING_START: u64 = 2 * ALIGN;

/// The smallest ring: enough for tests, far too little for use.
const CAPACITY_MIN: u64 = 16 * ALIGN;

/// The largest block. An entry must fit into one object of the data log, which is 32 MiB (R21).
const BLOCK_BYTES_MAX: u64 = 16 << 20;

/// The share of the ring one block may take: skipping the rest of a lap then costs less than what
/// is kept free, so an entry that was let in has room.
const BLOCKS_PER_LAP_MIN: u64 = 16;

/// The share of the ring after which a block takes no further entry.
const GROUPS_PER_LAP_MIN: u64 = 32;

/// A byte of the log, counted from the start of the incarnation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(pub(super) u64);

impl Position {
    /// The position `bytes` further on.
    pub(super) fn plus(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }

    /// Bytes from `earlier` to here.
    pub(super) fn since(self, earlier: Self) -> u64 {
        self.0.checked_sub(earlier.0).expect("positions are compared with earlier ones")
    }
}

/// The size of the ring, and with it the place of every position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ring {
    capacity: u64,
}

impl Ring {
    /// The ring of a file of `size` bytes; `None` when that is too small for one.
    pub(super) fn of_file(size: u64) -> Option<Self> {
        let capacity = size.checked_sub(RING_START)? / ALIGN * ALIGN;
        (capacity >= CAPACITY_MIN).then_some(Self { capacity })
    }

    /// Bytes of log the ring holds.
    pub(super) fn capacity(self) -> u64 {
        self.capacity
    }

    /// The largest block this ring takes.
    pub(super) fn block_bytes_max(self) -> u64 {
        (self.capacity / BLOCKS_PER_LAP_MIN / ALIGN * ALIGN).min(BLOCK_BYTES_MAX)
    }

    /// The largest block of several entries.
    pub(super) fn group_bytes_max(self) -> u64 {
        (self.capacity / GROUPS_PER_LAP_MIN).next_multiple_of(ALIGN).min(self.block_bytes_max())
    }

    /// Where in the file `position` lies.
    pub(super) fn offset(self, position: Position) -> u64 {
        RING_START + position.0 % self.capacity
    }

    /// The first position of the lap after the one `position` is in.
    pub(super) fn next_lap(self, position: Position) -> Position {
        Position((position.0 / self.capacity + 1) * self.capacity)
    }

    /// Where a block of `bytes` goes when the log ends at `tail`.
    pub(super) fn place(self, tail: Position, bytes: u64) -> Position {
        assert!(bytes <= self.capacity, "a block fits into a lap");
        let next_lap = self.next_lap(tail);
        if next_lap.since(tail) >= bytes { tail } else { next_lap }
    }
}

/// `bytes` rounded up to whole sectors.
pub(super) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_ring_is_what_the_superblocks_leave() {
        assert_eq!(Ring::of_file(0), None);
        assert_eq!(Ring::of_file(RING_START + CAPACITY_MIN - 1), None);
        let ring = Ring::of_file(RING_START + CAPACITY_MIN + 4095).expect("large enough");
        assert_eq!(ring.capacity(), CAPACITY_MIN);
    }

    proptest! {
        #[test]
        fn a_placed_block_lies_within_one_lap(
            sectors in 16_u64..1000,
            tail in 0_u64..100_000,
            bytes in 1_u64..200_000,
        ) {
            let ring = Ring::of_file(RING_START + sectors * ALIGN).expect("large enough");
            let bytes = padded(bytes.min(ring.block_bytes_max()));
            let tail = Position(tail * ALIGN);
            let at = ring.place(tail, bytes);
            prop_assert!(at >= tail && at.since(tail) < bytes);
            prop_assert!(ring.offset(at) + bytes <= RING_START + ring.capacity());
            prop_assert!(at == tail || ring.offset(at) == RING_START);
        }
    }
}
