//! Reading one partition's state: hot batches, bounds, epochs, timestamps.
//!
//! Final answers ("out of range", "this is the end", "no such epoch") are given only by the owner
//! (R6, C7): whoever tells one to a client samples the state here first, then has it proven by
//! [`Partition::prove`], then answers. In this order, or the proof says nothing about the sample.
//! A closed partition answers nothing but its closing code.

use std::sync::Arc;

use bytes::Bytes;
use protocol::ErrorCode;
use segment::plan::bound_aborted;
use segment::{AbortedTransaction, Extent};

use super::{FetchWaiter, Partition, ReadLimit, State};
use crate::limits::{PLAN_EXTENTS_MAX, QUEUE_STEP};
use crate::metrics;
use crate::plan::ColdPart;
use crate::wal::NotProven;

/// More bytes than any fetch waits for.
const ALL_THERE_IS: u64 = u64::MAX / 4;

/// Where the log stands, seen at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The first offset there is.
    pub log_start: i64,
    /// From here on the node serves fetches itself.
    pub hot_floor: i64,
    /// Below this offset everything is in the object store.
    pub uploaded_upto: i64,
    /// The end of what is durable, and so of what is visible (D9).
    pub high_watermark: i64,
    /// The end of what is decided: below it no transaction is open.
    pub last_stable_offset: i64,
}

/// What a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// All that is durable.
    ReadUncommitted,
    /// What is decided, with word of what was aborted.
    ReadCommitted,
}

/// Where a fetch begins and what it believes about the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetchPosition {
    pub(crate) offset: i64,
    /// The epoch the client believes to be current; -1 if it does not say (KIP-320).
    pub(crate) current_epoch: i32,
    /// The epoch of the last record it has; -1 if it does not say (KIP-595).
    pub(crate) last_fetched_epoch: i32,
    pub(crate) isolation: Isolation,
}

/// What a fetch found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HotRead {
    /// Whole batches from the offset on; none at the end of the log or when the limit is too small.
    Records {
        slices: Vec<Bytes>,
        /// The limit held back what is there.
        limited: bool,
        /// Those that touch the records, if only committed ones are wanted.
        aborted: Vec<AbortedTransaction>,
    },
    /// Below the hot floor: a cold reader has it.
    Cold,
    /// The client's log and this one part here.
    Diverging { epoch: i32, end_offset: i64 },
    /// Not to be had.
    Refused(ErrorCode),
}

/// Where to look next for the first record at or after a timestamp.
#[derive(Debug, Clone)]
pub(crate) enum TimestampSearch {
    /// In the object store, at this offset or later.
    Cold(i64),
    /// In this batch.
    Hot(Bytes),
    /// There is none.
    Nowhere,
}

// === impl Partition ===

impl Partition {
    /// Where the log stands; `Err` once the partition is closed.
    pub(crate) fn marks(&self) -> Result<Marks, ErrorCode> {
        let state = self.state.lock();
        state.closed.map_or_else(|| Ok(state.marks()), Err)
    }

    /// What it takes in the object store, and of what is not there yet, in the front.
    pub(crate) fn stored_bytes(&self) -> u64 {
        let state = self.state.lock();
        let uploaded: u64 = state.extents.iter().map(|extent| u64::from(extent.byte_len)).sum();
        uploaded + state.hot.bytes_from(state.uploaded_upto)
    }

    /// Proves that this incarnation was the owner after the state was read: R6. `Err` is what the
    /// client is told instead of the answer.
    pub(crate) async fn prove(&self) -> Result<(), ErrorCode> {
        if process::mutation::on("R6") {
            return Ok(());
        }
        self.front.prove().await.map_err(|NotProven| {
            metrics::not_proven();
            ErrorCode::NotLeaderOrFollower
        })
    }

    /// Checks a client's belief about the current epoch (KIP-320).
    pub(crate) fn check_epoch(&self, believed: i32) -> Result<(), ErrorCode> {
        match believed {
            -1 => Ok(()),
            epoch if epoch < self.epoch => Err(ErrorCode::FencedLeaderEpoch),
            epoch if epoch > self.epoch => Err(ErrorCode::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// Reads hot batches, or says why not. The marks are of the same instant.
    pub(crate) fn fetch(&self, at: FetchPosition, limit: ReadLimit) -> (Marks, HotRead) {
        let state = self.state.lock();
        let marks = state.marks();
        let refused = |code| (marks, HotRead::Refused(code));
        if let Some(code) = state.closed {
            return refused(code);
        }
        if let Err(code) = self.check_epoch(at.current_epoch) {
            return refused(code);
        }
        if at.last_fetched_epoch > self.epoch {
            return refused(ErrorCode::UnknownLeaderEpoch);
        }
        if at.last_fetched_epoch >= 0
            && let Some((epoch, end_offset)) =
                state.epochs.end_of(at.last_fetched_epoch, marks.high_watermark)
            && (epoch < at.last_fetched_epoch || end_offset < at.offset)
        {
            return (marks, HotRead::Diverging { epoch, end_offset });
        }
        // Up to the next offset nothing is proven: it may be durable the moment after (C7).
        if at.offset < state.log_start || at.offset > state.next_offset {
            return refused(ErrorCode::OffsetOutOfRange);
        }
        let upto = marks.visible_upto(at.isolation);
        if at.offset < marks.hot_floor {
            // Where nothing is decided yet no cold reader has anything either: wait for it here.
            let read = if at.offset < upto { HotRead::Cold } else { HotRead::nothing() };
            return (marks, read);
        }
        (marks, state.read_hot(at, upto, limit))
    }

    /// Wakes `waiter` for what happens from now on.
    pub(crate) fn add_waiter(&self, waiter: &Arc<FetchWaiter>, isolation: Isolation) {
        self.state.lock().waiters.add(waiter, isolation);
    }

    /// Forgets a waiter.
    pub(crate) fn remove_waiter(&self, waiter: &Arc<FetchWaiter>) {
        self.state.lock().waiters.remove(waiter);
    }

    /// A step's worth of the batches of `first..=last`, for their upload, and where the next begin.
    pub(crate) fn hot_range(&self, first: i64, last: i64) -> (Vec<Bytes>, i64) {
        let state = self.state.lock();
        let mut next = first;
        let step = state.hot.range(first, last).take(QUEUE_STEP);
        let batches = step.inspect(|batch| next = batch.last_offset + 1);
        (batches.map(|batch| batch.bytes.clone()).collect(), next)
    }

    /// The uploaded extents that hold `offset` and what follows, about `bytes_max` of them; none if
    /// `offset` is not uploaded yet, or not visible.
    pub(crate) fn cold_part(
        &self,
        offset: i64,
        bytes_max: u64,
        isolation: Isolation,
    ) -> Result<ColdPart, ErrorCode> {
        let state = self.state.lock();
        if let Some(code) = state.closed {
            return Err(code);
        }
        if offset < state.log_start || offset > state.next_offset {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        let marks = state.marks();
        let visible_upto = marks.visible_upto(isolation);
        let first = state.extents.partition_point(|extent| extent.last_offset < offset);
        let mut bytes = 0;
        let extents = state.extents[first..].iter().take(PLAN_EXTENTS_MAX).take_while(|extent| {
            let more = bytes < bytes_max && extent.base_offset < visible_upto;
            bytes += u64::from(extent.byte_len);
            more
        });
        let mut extents: Vec<Extent> = extents.cloned().collect();
        let stored = extents.last().map_or(offset, |last| last.last_offset + 1);
        let mut offsets = offset..stored.min(visible_upto).max(offset);
        if offsets.is_empty() {
            extents.clear();
        }
        let mut aborted = match isolation {
            Isolation::ReadCommitted if !process::mutation::on("R35") => {
                state.transactions.aborted_in(&offsets)
            }
            _ => Vec::new(),
        };
        bound_aborted(&mut aborted, &mut offsets);
        let manifest_version = state.manifest_version;
        Ok(ColdPart { marks, manifest_version, extents, offsets, aborted })
    }

    /// The hot batches from `offset` on, all of them, with the offset after each.
    pub(crate) fn hot_from(&self, offset: i64) -> Vec<(Bytes, i64)> {
        let state = self.state.lock();
        state.hot.from(offset).map(|batch| (batch.bytes.clone(), batch.last_offset + 1)).collect()
    }

    /// Where the first record at or after `timestamp` and `offset` may be, judged by the largest
    /// timestamps of extents and batches.
    pub(crate) fn search_timestamp(&self, timestamp: i64, offset: i64) -> TimestampSearch {
        let state = self.state.lock();
        let floor = state.hot.floor();
        let from = offset.max(state.log_start);
        if from < floor {
            let first = state.extents.partition_point(|extent| extent.last_offset < from);
            let mut cold = state.extents[first..].iter();
            let cold = cold.find(|extent| extent.max_timestamp >= timestamp);
            if let Some(extent) = cold.filter(|extent| extent.base_offset < floor) {
                return TimestampSearch::Cold(extent.base_offset.max(from));
            }
        }
        let mut hot = state.hot.from(from);
        let hot = hot.find(|batch| batch.max_timestamp >= timestamp);
        hot.map_or(TimestampSearch::Nowhere, |batch| TimestampSearch::Hot(batch.bytes.clone()))
    }

    /// The largest timestamp in the log; `None` if the log is empty.
    pub(crate) fn max_timestamp(&self) -> Option<i64> {
        let state = self.state.lock();
        let kept = state.extents.iter().filter(|extent| extent.last_offset >= state.log_start);
        let cold = kept.map(|extent| extent.max_timestamp);
        let hot = state.hot.from(state.log_start).map(|batch| batch.max_timestamp);
        cold.chain(hot).max()
    }

    /// The epoch of the record at `offset`; -1 if nothing is known.
    pub(crate) fn epoch_at(&self, offset: i64) -> i32 {
        self.state.lock().epochs.epoch_at(offset).unwrap_or(-1)
    }

    /// The largest epoch at or below `asked` and where it ends (KIP-101).
    pub(crate) fn end_of_epoch(&self, asked: i32) -> Option<(i32, i64)> {
        let state = self.state.lock();
        state.epochs.end_of(asked, state.high_watermark)
    }
}

// === impl State ===

impl Marks {
    /// The end of what a reader may see.
    pub(crate) fn visible_upto(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::ReadUncommitted => self.high_watermark,
            Isolation::ReadCommitted => self.last_stable_offset,
        }
    }
}

impl HotRead {
    /// No records, and no reason to say so at once.
    fn nothing() -> Self {
        Self::Records { slices: Vec::new(), limited: false, aborted: Vec::new() }
    }
}

impl State {
    pub(super) fn marks(&self) -> Marks {
        Marks {
            log_start: self.log_start,
            hot_floor: self.hot.floor(),
            uploaded_upto: self.uploaded_upto,
            high_watermark: self.high_watermark,
            last_stable_offset: self.last_stable_offset(),
        }
    }

    /// The end of what is decided, never below the log start: records of an open transaction may be
    /// deleted, as in Kafka.
    pub(super) fn last_stable_offset(&self) -> i64 {
        let undecided = self.transactions.first_undecided();
        let undecided = undecided.map_or(i64::MAX, |offset| offset.max(self.log_start));
        undecided.min(self.high_watermark)
    }

    /// How much became stable since the last stable offset was `before`, for those who wait for it.
    pub(super) fn stable_bytes(&self, before: i64) -> u64 {
        let after = self.last_stable_offset();
        if before >= after {
            return 0;
        }
        let hot = self.hot.range(before, after - 1).map(|batch| batch.bytes.len() as u64);
        // What left the memory meanwhile is no less worth waking for.
        if before < self.hot.floor() { ALL_THERE_IS } else { hot.sum() }
    }

    fn read_hot(&self, at: FetchPosition, upto: i64, limit: ReadLimit) -> HotRead {
        let (batches, limited) = self.hot.read(at.offset, upto, limit);
        let aborted = match (at.isolation, batches.last()) {
            (Isolation::ReadCommitted, Some(last)) => {
                self.transactions.aborted_in(&(at.offset..last.last_offset + 1))
            }
            _ => Vec::new(),
        };
        let slices = batches.into_iter().map(|batch| batch.bytes).collect();
        HotRead::Records { slices, limited, aborted }
    }
}
