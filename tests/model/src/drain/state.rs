//! The state of the drain: front, data log, old owner, drainers.

use crate::seq_log::SeqLog;

/// Drainers at work at the same time.
pub const DRAINERS: usize = 2;

/// Everything there is, as one value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The old owner's records by number, which is their LSN and their offset.
    pub(super) records: Vec<Record>,
    /// Records below this are durable in the front, or were before they were trimmed.
    pub(super) durable: u8,
    /// Records below this are no longer in the front.
    pub(super) trimmed: u8,
    pub(super) lease: bool,
    /// The old owner's data log in the object store.
    pub(super) log: SeqLog<Span>,
    pub(super) uploader: Uploader,
    /// What each drainer read from the front.
    pub(super) snapshots: [Option<Span>; DRAINERS],
    /// Where the next owner appends, once decided.
    pub(super) decided_end: Option<u8>,
}

/// How far the owner is with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Record {
    Accepted,
    Durable,
    /// The acknowledgement is decided and on its way; nothing can hold it back.
    Approved,
    Acknowledged,
    /// The lease was gone: the producer hears "unknown" (R44). The record stays durable.
    Unknown,
}

/// Records `from..to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Span {
    pub(super) from: u8,
    pub(super) to: u8,
}

/// The old owner's upload, as it sees it itself: one slot at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Uploader {
    pub(super) next_slot: u8,
    /// Records below this are in slots that our own PUTs created.
    pub(super) committed: u8,
    /// The PUT under way to `next_slot`.
    pub(super) in_flight: Option<Span>,
    /// Has found its slot taken.
    pub(super) fenced: bool,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            records: Vec::new(),
            durable: 0,
            trimmed: 0,
            lease: true,
            log: SeqLog::new(),
            uploader: Uploader { next_slot: 0, committed: 0, in_flight: None, fenced: false },
            snapshots: [None; DRAINERS],
            decided_end: None,
        }
    }

    /// Records below this are in the data log: spans before END, without a hole.
    pub(super) fn covered(&self) -> u8 {
        self.log.data().fold(
            0,
            |covered, span| {
                if span.from <= covered { covered.max(span.to) } else { covered }
            },
        )
    }
}
