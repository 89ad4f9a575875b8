//! The state of the front behind its one lock: queue, space and life. Decides, does no I/O.
//!
//! Appends go through [`Log::admit`], writer threads ask [`Log::next_work`] what to do. The lock is
//! held for these decisions only: neither copying nor writing nor calling a target happens under it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::block::{ENTRY_HEADER_BYTES, HEADER_BYTES};
use super::layout::{Position, Ring, padded};
use super::life::Life;
use super::room;
use super::space::{Mark, Space};
use super::superblock::Start;
use super::{Entry, FrontError, FrontState, FrontUsage, Lsn, LsnRange};

/// A record batch header: nothing shorter is a batch.
pub(super) const BATCH_BYTES_MIN: usize = protocol::batch::HEADER_BYTES;

/// The bounds of one front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) ring: Ring,
    pub(super) group_bytes_max: u64,
    pub(super) pending_bytes_max: u64,
}

/// See the module.
pub(super) struct Log {
    bounds: Bounds,
    queue: VecDeque<Queued>,
    queued_bytes: u64,
    pending_bytes: u64,
    space: Space,
    end: Lsn,
    groups: u64,
    groups_in_flight: u64,
    superblock_in_flight: bool,
    life: Life,
    closing: bool,
}

/// An accepted entry with its place.
pub(super) struct Queued {
    pub(super) lsn: LsnRange,
    pub(super) entry: Entry,
}

impl Queued {
    /// Bytes the entry takes in a payload.
    pub(super) fn framed_bytes(&self) -> u64 {
        self.lsn.end.0 - self.lsn.start.0
    }
}

/// Entries that will be one block, and the room for it.
pub(super) struct Group {
    /// Counts groups; they complete in this order.
    pub(super) sequence: u64,
    pub(super) entries: Vec<Queued>,
    pub(super) payload_bytes: u64,
    pub(super) position: Position,
    pub(super) skipped: u64,
    /// Up to where the log is durable now.
    pub(super) durable: Position,
}

/// What a writer thread does next.
pub(super) enum Work {
    /// Write these entries.
    Write(Group),
    /// Tell these entries that they failed, in their turn.
    Fail { sequence: u64, entries: Vec<Queued> },
    /// Write a superblock with this start and durable position. One that `seals` has the end of
    /// the log as its durable position: a log that ends earlier is then known to be damaged.
    Superblock { start: Start, durable: Position, seals: bool },
    /// The front was dropped while full: what is queued can never be written.
    Abandon,
    /// Nothing will come any more.
    Stop,
}

impl Log {
    /// An empty, open log.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            queue: VecDeque::new(),
            queued_bytes: 0,
            pending_bytes: 0,
            space: Space::new(bounds.ring),
            end: Lsn(0),
            groups: 0,
            groups_in_flight: 0,
            superblock_in_flight: false,
            life: Life::Open,
            closing: false,
        }
    }

    /// Takes an entry, or says why not.
    pub(super) fn admit(&mut self, entry: Entry) -> Result<LsnRange, FrontError> {
        self.life.check_open()?;
        let bytes = entry.batch.len();
        let bytes_max = self.batch_bytes_max();
        if bytes < BATCH_BYTES_MIN || bytes > bytes_max {
            return Err(FrontError::BatchSize { bytes, bytes_min: BATCH_BYTES_MIN, bytes_max });
        }
        let framed_bytes = (ENTRY_HEADER_BYTES + bytes) as u64;
        self.check_room(framed_bytes, entry.internal)?;
        let lsn = LsnRange { start: self.end, end: Lsn(self.end.0 + framed_bytes) };
        self.end = lsn.end;
        self.queued_bytes += framed_bytes;
        self.pending_bytes += framed_bytes;
        self.queue.push_back(Queued { lsn, entry });
        Ok(lsn)
    }

    fn check_room(&self, framed_bytes: u64, internal: bool) -> Result<(), FrontError> {
        let capacity_bytes = self.bounds.ring.capacity();
        let used_bytes = self.space.used() + self.queued_blocks_bytes();
        let block_bytes = padded(HEADER_BYTES as u64 + framed_bytes);
        room::check(used_bytes, used_bytes + block_bytes, capacity_bytes, internal)?;
        let bytes_max = self.bounds.pending_bytes_max;
        room::check_pending(self.pending_bytes, framed_bytes, bytes_max, internal)
    }

    /// The largest batch that fits into a block.
    pub(super) fn batch_bytes_max(&self) -> usize {
        let block_bytes = usize::try_from(self.bounds.ring.block_bytes_max());
        block_bytes.unwrap_or(usize::MAX) - HEADER_BYTES - ENTRY_HEADER_BYTES
    }

    /// The ring space the queue will take, if it is written as one block.
    fn queued_blocks_bytes(&self) -> u64 {
        if self.queue.is_empty() { 0 } else { padded(HEADER_BYTES as u64 + self.queued_bytes) }
    }

    /// What a writer does next; `None` when it has to wait.
    pub(super) fn next_work(&mut self) -> Option<Work> {
        if self.life.is_poisoned() {
            return match self.queue.is_empty() {
                false => Some(self.fail_queue()),
                true => self.closing.then_some(Work::Stop),
            };
        }
        if self.superblock_due() {
            return Some(self.begin_superblock());
        }
        if self.queue.is_empty() {
            let ended = self.closing && self.life != Life::Sealing;
            return ended.then_some(Work::Stop);
        }
        match self.take_group() {
            Some(group) => Some(Work::Write(group)),
            None if self.closing && !self.superblock_in_flight => Some(Work::Abandon),
            None => None,
        }
    }

    /// A group that finds no room waits for this: the ring is more than half full then, so the
    /// first trim makes a superblock due.
    fn superblock_due(&self) -> bool {
        let free = self.space.should_free() || self.closing && self.space.can_free();
        !self.superblock_in_flight && (free || self.seal_due())
    }

    fn seal_due(&self) -> bool {
        self.life == Life::Sealing && self.queue.is_empty() && self.groups_in_flight == 0
    }

    fn begin_superblock(&mut self) -> Work {
        self.superblock_in_flight = true;
        Work::Superblock {
            start: self.space.reached(),
            durable: self.space.durable().end,
            seals: self.seal_due(),
        }
    }

    fn take_group(&mut self) -> Option<Group> {
        let (count, payload_bytes) = self.group_size();
        let block_bytes = padded(HEADER_BYTES as u64 + payload_bytes);
        let (position, skipped) = self.space.reserve(block_bytes)?;
        self.queued_bytes -= payload_bytes;
        Some(Group {
            sequence: self.next_sequence(),
            entries: self.queue.drain(..count).collect(),
            payload_bytes,
            position,
            skipped,
            durable: self.space.durable().end,
        })
    }

    /// Everything queued, up to the limit of a group, but at least one entry.
    fn group_size(&self) -> (usize, u64) {
        let mut payload_bytes = 0;
        let mut count = 0;
        for queued in &self.queue {
            let with_this = payload_bytes + queued.framed_bytes();
            if count > 0 && HEADER_BYTES as u64 + with_this > self.bounds.group_bytes_max {
                break;
            }
            payload_bytes = with_this;
            count += 1;
        }
        (count, payload_bytes)
    }

    fn fail_queue(&mut self) -> Work {
        self.queued_bytes = 0;
        let entries = self.queue.drain(..).collect();
        Work::Fail { sequence: self.next_sequence(), entries }
    }

    fn next_sequence(&mut self) -> u64 {
        self.groups_in_flight += 1;
        self.groups += 1;
        self.groups - 1
    }

    /// The next group in order was written. False when it must not be acknowledged any more.
    pub(super) fn group_durable(&mut self, mark: Mark) -> bool {
        if self.life.is_poisoned() {
            return false;
        }
        self.space.durable_up_to(mark);
        true
    }

    /// The targets of a group of `payload_bytes` know what became of it.
    pub(super) fn group_finished(&mut self, payload_bytes: u64) {
        self.pending_bytes -= payload_bytes;
        self.groups_in_flight -= 1;
    }

    /// A superblock from [`Log::next_work`] is durable.
    pub(super) fn superblock_durable(&mut self, start: Start, seals: bool) {
        self.superblock_in_flight = false;
        self.space.persisted(start);
        if seals {
            self.life.sealed();
        }
    }

    /// Gives up what lies below `upto`; true when a writer should look.
    pub(super) fn trim(&mut self, upto: Lsn) -> bool {
        self.space.trim(upto);
        self.superblock_due()
    }

    /// Refuses appends from now on; the log ends once all is written.
    pub(super) fn begin_seal(&mut self) {
        self.life.begin_seal();
    }

    /// No appends, trims or seals follow: writers stop when they are done.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// True when [`Log::close`] was called.
    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Ends the log with an error. False when it had ended before.
    pub(super) fn poison(&mut self, reason: &Arc<str>) -> bool {
        self.life.poison(reason)
    }

    /// The state that others see.
    pub(super) fn state(&self) -> FrontState {
        self.life.state(self.end)
    }

    /// See [`super::Front::usage`].
    pub(super) fn usage(&self) -> FrontUsage {
        FrontUsage {
            capacity_bytes: self.bounds.ring.capacity(),
            used_bytes: self.space.used() + self.queued_blocks_bytes(),
            pending_bytes: self.pending_bytes,
            trimmed: self.space.reached().trimmed,
            durable: self.space.durable().lsn,
            end: self.end,
        }
    }
}
