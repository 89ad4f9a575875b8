//! Which part of the ring is in use.
//!
//! ```text
//!   persisted        reached        durable              tail
//!   ├── trimmed, not ──┼── needed ────┼── being written ────┤ free ... up to persisted + capacity
//!       yet reusable
//! ```
//!
//! Trimming moves `reached` at once, but the bytes may be overwritten only after a superblock says
//! that the log starts behind them: recovery begins where the superblock points, and would find a
//! later lap there. So free space counts from `persisted`.

use std::collections::VecDeque;

use super::Lsn;
use super::layout::{Position, Ring};
use super::superblock::Start;

/// Trim points are kept at this distance at least, and 256 to a lap at most.
const MARK_BYTES_MAX: u64 = 1 << 20;
const MARKS_PER_LAP: u64 = 256;

/// A superblock is written when it would free this part of the ring ...
const PERSIST_PARTS: u64 = 16;

/// ... or anything at all once this part is in use.
const PERSIST_EAGERLY_PARTS: u64 = 2;

/// The bookkeeping of the ring.
#[derive(Debug)]
pub(super) struct Space {
    ring: Ring,
    tail: Position,
    durable: Mark,
    marks: VecDeque<Mark>,
    reached: Start,
    persisted: Start,
}

/// The end of a durable block: a place where the log could start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) end: Position,
    pub(super) lsn: Lsn,
    pub(super) crc: u32,
}

impl Space {
    /// An empty ring, as its first superblock says.
    pub(super) fn new(ring: Ring) -> Self {
        Self {
            ring,
            tail: Position::default(),
            durable: Mark::default(),
            marks: VecDeque::new(),
            reached: Start::default(),
            persisted: Start::default(),
        }
    }

    /// Bytes that may not be overwritten.
    pub(super) fn used(&self) -> u64 {
        self.tail.since(self.persisted.position)
    }

    /// Takes room for a block of `bytes`; returns the place and the bytes skipped to get there.
    pub(super) fn reserve(&mut self, bytes: u64) -> Option<(Position, u64)> {
        let position = self.ring.place(self.tail, bytes);
        let end = position.plus(bytes);
        if end.since(self.persisted.position) > self.ring.capacity() {
            return None;
        }
        let skipped = position.since(self.tail);
        self.tail = end;
        Some((position, skipped))
    }

    /// The log is whole up to `mark`, the end of the next block.
    pub(super) fn durable_up_to(&mut self, mark: Mark) {
        assert!(mark.end > self.durable.end, "blocks become durable in order");
        self.durable = mark;
        let spacing = (self.ring.capacity() / MARKS_PER_LAP).min(MARK_BYTES_MAX);
        let before_last = self.marks.len().checked_sub(2).and_then(|at| self.marks.get(at));
        let start = before_last.map_or(self.reached.position, |mark| mark.end);
        match self.marks.back_mut() {
            Some(last) if mark.end.since(start) <= spacing => *last = mark,
            _ => self.marks.push_back(mark),
        }
    }

    /// Up to where the log is durable.
    pub(super) fn durable(&self) -> Mark {
        self.durable
    }

    /// What was trimmed, whether or not the bytes are free already.
    pub(super) fn reached(&self) -> Start {
        self.reached
    }

    /// Gives up entries below `upto`, which must be durable.
    pub(super) fn trim(&mut self, upto: Lsn) {
        assert!(upto <= self.durable.lsn, "only what is durable can be covered by an upload");
        self.reached.trimmed = self.reached.trimmed.max(upto);
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.lsn <= upto) {
            self.reached.position = mark.end;
            self.reached.lsn = mark.lsn;
            self.reached.previous_crc = mark.crc;
        }
    }

    /// True when a superblock would free something.
    pub(super) fn can_free(&self) -> bool {
        self.reached.position > self.persisted.position
    }

    /// True when freeing is worth a write now.
    pub(super) fn should_free(&self) -> bool {
        let freed = self.reached.position.since(self.persisted.position);
        let capacity = self.ring.capacity();
        freed >= capacity / PERSIST_PARTS
            || freed > 0 && self.used() >= capacity / PERSIST_EAGERLY_PARTS
    }

    /// A superblock with this start is durable.
    pub(super) fn persisted(&mut self, start: Start) {
        assert!(start.position >= self.persisted.position, "the log does not start earlier again");
        self.persisted = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::layout::{ALIGN, RING_START};

    fn space(sectors: u64) -> Space {
        Space::new(Ring::of_file(RING_START + sectors * ALIGN).expect("large enough"))
    }

    fn write(space: &mut Space, sectors: u64, lsn: u64) -> bool {
        let Some((position, _)) = space.reserve(sectors * ALIGN) else { return false };
        let end = position.plus(sectors * ALIGN);
        space.durable_up_to(Mark { end, lsn: Lsn(lsn), crc: 7 });
        true
    }

    #[test]
    fn trimmed_space_is_free_only_after_the_superblock() {
        let mut space = space(16);
        for lsn in 1..=4 {
            assert!(write(&mut space, 4, lsn));
        }
        assert!(!write(&mut space, 4, 5));
        space.trim(Lsn(2));
        assert!(space.should_free());
        assert_eq!(space.used(), 16 * ALIGN);
        assert!(!write(&mut space, 4, 5));
        space.persisted(space.reached());
        assert!(!space.can_free());
        assert_eq!(space.used(), 8 * ALIGN);
        assert!(write(&mut space, 4, 5) && write(&mut space, 4, 6) && !write(&mut space, 4, 7));
    }

    #[test]
    fn trimming_inside_a_block_keeps_the_block() {
        let mut space = space(16);
        assert!(write(&mut space, 2, 100) && write(&mut space, 2, 200));
        space.trim(Lsn(150));
        let start = space.reached();
        assert_eq!((start.trimmed, start.lsn), (Lsn(150), Lsn(100)));
        assert_eq!(start.position, Position(2 * ALIGN));
        assert_eq!(start.previous_crc, 7);
    }

    #[test]
    fn small_blocks_share_a_mark() {
        let mut space = space(256 * 8);
        for lsn in 1..=80 {
            assert!(write(&mut space, 1, lsn));
        }
        assert!(space.marks.len() <= 11, "{} marks", space.marks.len());
        space.trim(Lsn(80));
        assert_eq!(space.reached().position, Position(80 * ALIGN));
    }

    #[test]
    #[should_panic(expected = "only what is durable")]
    fn trimming_what_is_not_durable_is_refused() {
        space(16).trim(Lsn(1));
    }
}
