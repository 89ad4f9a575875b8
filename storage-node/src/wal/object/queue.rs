//! The state of the object front behind its one lock: queue, room and life. Decides, does no I/O.

use std::collections::VecDeque;
use std::sync::Arc;

use segment::seal::{DataKey, SEAL_OVERHEAD};

use super::format::{FRAME_BYTES, HEADER_BYTES, PayloadHeader};
use crate::limits::BATCH_BYTES_MAX;
use crate::wal::life::Life;
use crate::wal::log::BATCH_BYTES_MIN;
use crate::wal::room;
use crate::wal::{Entry, FrontError, FrontState, FrontUsage, Lsn, LsnRange};

/// The bounds of one front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes that may wait for upload.
    pub(super) capacity_bytes: u64,
    /// Bytes that may wait to be durable (R28).
    pub(super) pending_bytes_max: u64,
    /// Bytes of entries after which an object takes no more.
    pub(super) object_bytes_max: u64,
}

/// See the module.
pub(super) struct Queue {
    bounds: Bounds,
    entries: VecDeque<Queued>,
    queued_bytes: u64,
    end: Lsn,
    durable: Lsn,
    trimmed: Lsn,
    /// The slots with entries above `trimmed`, each with the end of its entries.
    slots: VecDeque<(u64, Lsn)>,
    life: Life,
    end_begun: bool,
}

/// An accepted entry with its place.
pub(super) struct Queued {
    pub(super) lsn: LsnRange,
    pub(super) entry: Entry,
    /// What its batch is sealed with, if it is.
    pub(super) key: Option<Arc<DataKey>>,
}

/// When the next slot should be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing waits.
    Never,
    /// At the end of the window.
    InTime,
    /// An object is full, or the log ends.
    Now,
}

impl Queued {
    /// Bytes the entry takes in a payload.
    pub(super) fn framed_bytes(&self) -> u64 {
        self.lsn.end.0 - self.lsn.start.0
    }
}

/// What goes into the next slot.
pub(super) enum Work {
    /// These entries.
    Put(Group),
    /// The end of the log, at this position.
    End(Lsn),
}

/// Entries that will be one object.
pub(super) struct Group {
    pub(super) entries: Vec<Queued>,
    pub(super) header: PayloadHeader,
    pub(super) framed_bytes: u64,
}

impl Queue {
    /// An empty, open log.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: VecDeque::new(),
            queued_bytes: 0,
            end: Lsn(0),
            durable: Lsn(0),
            trimmed: Lsn(0),
            slots: VecDeque::new(),
            life: Life::Open,
            end_begun: false,
        }
    }

    /// Takes an entry, whose batch will be sealed with `key`, or says why not.
    pub(super) fn admit(
        &mut self,
        entry: Entry,
        key: Option<Arc<DataKey>>,
    ) -> Result<LsnRange, FrontError> {
        self.life.check_open()?;
        let bytes = entry.batch.len();
        if !(BATCH_BYTES_MIN..=BATCH_BYTES_MAX).contains(&bytes) {
            let (bytes_min, bytes_max) = (BATCH_BYTES_MIN, BATCH_BYTES_MAX);
            return Err(FrontError::BatchSize { bytes, bytes_min, bytes_max });
        }
        let seal_bytes = if key.is_some() { SEAL_OVERHEAD } else { 0 };
        let framed_bytes = (FRAME_BYTES + bytes + seal_bytes) as u64;
        self.check_room(framed_bytes, entry.internal)?;
        let lsn = LsnRange { start: self.end, end: Lsn(self.end.0 + framed_bytes) };
        self.end = lsn.end;
        self.queued_bytes += framed_bytes;
        self.entries.push_back(Queued { lsn, entry, key });
        Ok(lsn)
    }

    fn check_room(&self, framed_bytes: u64, internal: bool) -> Result<(), FrontError> {
        let used_bytes = self.end.0 - self.trimmed.0;
        let capacity_bytes = self.bounds.capacity_bytes;
        room::check(used_bytes, used_bytes + framed_bytes, capacity_bytes, internal)?;
        let pending_bytes = self.end.0 - self.durable.0;
        let bytes_max = self.bounds.pending_bytes_max;
        room::check_pending(pending_bytes, framed_bytes, bytes_max, internal)
    }

    /// When [`Queue::next_work`] should be asked.
    pub(super) fn due(&self) -> Due {
        let settled = self.durable == self.end;
        match self.life {
            Life::Sealing if !self.entries.is_empty() => Due::Now,
            // END follows what is made.
            Life::Sealing if settled && !self.end_begun => Due::Now,
            Life::Open if self.queued_bytes >= self.bounds.object_bytes_max => Due::Now,
            Life::Open if !self.entries.is_empty() => Due::InTime,
            _ => Due::Never,
        }
    }

    /// What goes into `slot`.
    pub(super) fn next_work(&mut self, slot: u64) -> Option<Work> {
        if self.entries.is_empty() {
            let ends = self.due() == Due::Now;
            self.end_begun |= ends;
            return ends.then_some(Work::End(self.end));
        }
        let (count, framed_bytes) = self.group_size();
        let entries: Vec<Queued> = self.entries.drain(..count).collect();
        self.queued_bytes -= framed_bytes;
        let first = entries.first().expect("a group has an entry").lsn.start;
        self.slots.push_back((slot, Lsn(first.0 + framed_bytes)));
        let header = PayloadHeader {
            first,
            trimmed: self.trimmed,
            needed_slot: self.slots.front().expect("pushed above").0,
            entries: u32::try_from(count).expect("an entry has more than one byte"),
            sealed: entries.iter().any(|queued| queued.key.is_some()),
        };
        Some(Work::Put(Group { entries, header, framed_bytes }))
    }

    /// Everything queued, up to the limit of an object, but at least one entry.
    fn group_size(&self) -> (usize, u64) {
        let (mut count, mut framed_bytes) = (0, 0);
        for queued in &self.entries {
            let with_this = framed_bytes + queued.framed_bytes();
            if count > 0 && HEADER_BYTES as u64 + with_this > self.bounds.object_bytes_max {
                break;
            }
            (count, framed_bytes) = (count + 1, with_this);
        }
        (count, framed_bytes)
    }

    /// The log is durable up to `end`. False when nothing may be acknowledged any more.
    pub(super) fn durable_up_to(&mut self, end: Lsn) -> bool {
        assert!(end > self.durable, "slots are settled in order");
        if self.life.is_poisoned() {
            return false;
        }
        self.durable = end;
        true
    }

    /// END is made.
    pub(super) fn sealed(&mut self) {
        self.life.sealed();
    }

    /// Gives up what lies below `upto`. The slots stay where they are, because a slot that is deleted
    /// could be made again (R8); later slots say that they are not needed.
    pub(super) fn trim(&mut self, upto: Lsn) {
        assert!(upto <= self.durable, "only what is durable can be covered by an upload");
        self.trimmed = self.trimmed.max(upto);
        while self.slots.pop_front_if(|(_, end)| *end <= upto).is_some() {}
    }

    /// Refuses appends from now on; the log ends once all is made.
    pub(super) fn begin_seal(&mut self) {
        self.life.begin_seal();
    }

    /// Ends the log with an error. False when it had ended before.
    pub(super) fn poison(&mut self, reason: &Arc<str>) -> bool {
        self.life.poison(reason)
    }

    /// What will never be put.
    pub(super) fn take_all(&mut self) -> VecDeque<Queued> {
        self.queued_bytes = 0;
        std::mem::take(&mut self.entries)
    }

    /// The state that others see.
    pub(super) fn state(&self) -> FrontState {
        self.life.state(self.end)
    }

    /// See [`crate::wal::Front::usage`].
    pub(super) fn usage(&self) -> FrontUsage {
        FrontUsage {
            capacity_bytes: self.bounds.capacity_bytes,
            used_bytes: self.end.0 - self.trimmed.0,
            pending_bytes: self.end.0 - self.durable.0,
            trimmed: self.trimmed,
            durable: self.durable,
            end: self.end,
        }
    }
}
