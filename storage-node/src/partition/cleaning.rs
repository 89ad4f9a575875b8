//! The owner's side of compaction by key: what is handed out, and what nobody else may take then.

use std::time::Duration;

use segment::Extent;
use tokio::time::Instant;

use super::{CompactionWork, Partition, State};
use crate::cleaning::{Cleaning, Dirty};
use crate::plan::ColdPart;

/// A compactor is at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CleaningLease {
    /// Until when nobody else is offered the same.
    until: Instant,
    /// What lies below is being rewritten: merges leave it alone.
    upto: i64,
}

impl Partition {
    /// What of it is clean and what is not.
    pub(crate) fn dirty(&self, cleaning: &Cleaning, now_ms: i64) -> Dirty {
        let state = self.state.lock();
        state.dirty(cleaning, now_ms)
    }

    /// The clean part, which every value of a key in the dirty part may make obsolete, and the dirty
    /// part; and where the one ends and the other begins. Whoever gets it has a lease on it.
    pub(crate) fn cleaning_work(
        &self,
        cleaning: &Cleaning,
        now_ms: i64,
        now: Instant,
        lease: Duration,
    ) -> Option<(i64, CompactionWork)> {
        let mut state = self.state.lock();
        if state.closed.is_some() || state.cleaning.is_some_and(|lease| now < lease.until) {
            return None;
        }
        let dirty = state.dirty(cleaning, now_ms);
        let extents = state.extents[..dirty.extents].to_vec();
        let (first, last) = (extents.first()?, extents.last()?);
        let offsets = first.base_offset..last.last_offset + 1;
        state.cleaning = Some(CleaningLease { until: now + lease, upto: offsets.end });
        let part = ColdPart {
            marks: state.marks(),
            manifest_version: state.manifest_version,
            extents,
            offsets,
            // Whoever rewrites records reads markers.
            aborted: Vec::new(),
        };
        let work = CompactionWork { part, since: None };
        Some((state.cleaned_upto, work))
    }

    /// Gives back work that was not done.
    pub(crate) fn release_cleaning(&self) {
        self.state.lock().cleaning = None;
    }
}

impl State {
    fn dirty(&self, cleaning: &Cleaning, now_ms: i64) -> Dirty {
        cleaning.dirty(&self.extents, self.cleaned_upto..self.last_stable_offset(), now_ms)
    }

    /// Merges leave alone what is clean, which would be dirty again with what it is joined with, and
    /// what is being cleaned.
    pub(super) fn may_merge(&self, run: &Extent, now: Instant) -> bool {
        let leased = self.cleaning.filter(|lease| now < lease.until);
        run.base_offset >= self.cleaned_upto.max(leased.map_or(0, |lease| lease.upto))
    }
}
