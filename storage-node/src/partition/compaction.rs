//! The owner's side of compaction: which part of the log is worth it, and the commit (R33).
//!
//! ```text
//!            log start                                     uploaded upto
//!  extents     ├─ run ─┬─ run ─┬─ run ─┬ block ┬ block ┬ block ┤
//!              └ large ┘└──── small ───┴─ in the logs of nodes ┘
//!                        └──────────── one unit of work ───────┘
//! ```

use std::time::Duration;

use protocol::ids::PartitionId;
use segment::manifest::{Compaction, ProducersRef};
use segment::producers::PartitionProducers;
use segment::{Extent, Location, Manifest, ManifestStore};
use tokio::time::Instant;

use super::{ChangeError, Partition, State};
use crate::limits::DURABILITY_POLL;
use crate::plan::ColdPart;

/// When a partition is worth compacting, and how much of it at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CompactionRules {
    /// As soon as the logs hold this much of it.
    pub(crate) bytes_min: u64,
    /// Or as soon as they hold some of it for this long.
    pub(crate) age_max: Duration,
    /// Or this many blocks, which the owner keeps in memory one by one.
    pub(crate) extents_max: usize,
    /// Adjacent objects below `bytes_min` that are joined, with what the logs hold, into one.
    pub(crate) merge_objects: usize,
    /// At most this much, but always one block.
    pub(crate) bytes_max: u64,
    /// For how long nobody else is offered the same.
    pub(crate) lease: Duration,
}

/// A part of a partition to be rewritten. `part.extents` is empty where only links of the chain
/// are to be let go.
#[derive(Debug)]
pub(crate) struct CompactionWork {
    pub(crate) part: ColdPart,
    /// Since when it waits.
    pub(crate) since: Option<Instant>,
}

impl Partition {
    /// What there is to compact, if anything. Whoever gets it has a lease on it.
    pub(crate) fn compaction_work(
        &self,
        rules: &CompactionRules,
        now: Instant,
    ) -> Option<CompactionWork> {
        // Somebody is committing: there is another time.
        let dead_links = has_dead_links(&self.manifest.try_lock().ok()?.0);
        let mut state = self.state.lock();
        if state.closed.is_some() || state.compaction_leased.is_some_and(|until| now < until) {
            return None;
        }
        let since = state.uncompacted_since;
        let first_block = state.extents.partition_point(Extent::is_run);
        let blocks = &state.extents[first_block..];
        let bytes = bytes_of(blocks);
        let cleaned = self.settings().cleaning;
        let age_max = cleaned.map_or(rules.age_max, |it| it.merge_age_max().min(rules.age_max));
        let old = since.is_some_and(|since| now.duration_since(since) >= age_max);
        let due = bytes >= rules.bytes_min || blocks.len() >= rules.extents_max;
        if !due && !(old && (!blocks.is_empty() || dead_links)) {
            return None;
        }
        let first = state.first_to_merge(first_block, bytes, rules, now);
        let extents = take_bytes(&state.extents[first..], rules.bytes_max);
        let floor = state.extents.last().map_or(state.log_start, |last| last.last_offset + 1);
        let start_offset = extents.first().map_or(floor, |extent| extent.base_offset);
        let end_offset = extents.last().map_or(start_offset, |extent| extent.last_offset + 1);
        let offsets = start_offset..end_offset;
        let part = ColdPart {
            marks: state.marks(),
            manifest_version: state.manifest_version,
            extents: extents.to_vec(),
            // Whoever rewrites records reads markers.
            aborted: Vec::new(),
            offsets,
        };
        state.compaction_leased = Some(now + rules.lease);
        Some(CompactionWork { part, since })
    }

    /// Puts compacted objects in the place of a part of the log, in the manifest first.
    pub(crate) async fn commit_compaction(
        &self,
        manifests: &ManifestStore,
        compaction: &Compaction,
        producers: &ProducersRef,
    ) -> Result<(), ChangeError> {
        let uploaded_upto = self.state.lock().uploaded_upto;
        assert!(compaction.offsets.end <= uploaded_upto, "{}: not in the store yet", self.id);
        let change = |manifest: &Manifest| {
            let done = |object: &_| manifest.objects.contains(object);
            if !compaction.objects.is_empty() && compaction.objects.iter().all(done) {
                return Ok(None);
            }
            manifest.compacted(compaction, producers.clone()).map(Some)
        };
        let committed = self.change_manifest(manifests, change).await;
        let mut state = self.state.lock();
        if compaction.cleaned_upto > 0 {
            state.cleaning = None;
        } else {
            state.compaction_leased = None;
        }
        let manifest = committed?;
        state.cleaned_upto = manifest.cleaned_upto;
        state.replace(self.id, compaction);
        state.manifest_version = state.manifest_version.max(manifest.version);
        Ok(())
    }

    /// Gives back work that was not done.
    pub(crate) fn release_compaction(&self) {
        self.state.lock().compaction_leased = None;
    }

    /// The producers as of an offset up to which everything is durable: a snapshot must not know
    /// of a batch that may yet be lost, or its retry would pass for a duplicate (T1). `None` once
    /// the partition is closed.
    pub(crate) async fn durable_producers(&self) -> Option<(i64, PartitionProducers)> {
        let (upto, producers) = {
            let state = self.state.lock();
            let aborted = state.transactions.aborted_from(state.log_start);
            let producers = PartitionProducers { producers: state.producers.states(), aborted };
            (state.next_offset, producers)
        };
        loop {
            if self.marks().ok()?.high_watermark >= upto {
                return Some((upto, producers));
            }
            tokio::time::sleep(DURABILITY_POLL).await;
        }
    }
}

impl State {
    /// Where the work begins: at the first block in a log, or at the first of the small objects
    /// before it if there are enough of them. Without that a quiet partition would end up as a
    /// thousand small ranges, and its manifest with a thousand lines.
    fn first_to_merge(
        &self,
        first_block: usize,
        bytes: u64,
        rules: &CompactionRules,
        now: Instant,
    ) -> usize {
        let mut total = bytes;
        let small = self.extents[..first_block].iter().rev().take_while(|run| {
            total += u64::from(run.byte_len);
            let fits = u64::from(run.byte_len) < rules.bytes_min && total <= rules.bytes_max;
            fits && self.may_merge(run, now)
        });
        let small = small.count();
        if small >= rules.merge_objects { first_block - small } else { first_block }
    }

    fn replace(&mut self, id: PartitionId, compaction: &Compaction) {
        let range = &compaction.offsets;
        let from = self.extents.partition_point(|extent| extent.base_offset < range.start);
        let upto = self.extents.partition_point(|extent| extent.base_offset < range.end);
        let log_start = self.log_start;
        let runs = compaction.objects.iter().map(Extent::run_of);
        let runs = runs.filter(|run| run.last_offset >= log_start).collect::<Vec<_>>();
        self.extents.splice(from..upto.max(from), runs);
        assert!(
            self.extents.is_sorted_by(|a, b| a.last_offset < b.base_offset),
            "{id}: compaction keeps the order of offsets"
        );
        if compaction.cleaned_upto == 0 {
            let left = self.extents.last().is_some_and(|last| !last.is_run());
            self.uncompacted_since = left.then(Instant::now);
        }
    }
}

/// Links that only wait for a snapshot of their producers.
fn has_dead_links(manifest: &Manifest) -> bool {
    let floor = manifest.floor();
    manifest.chain.iter().any(|link| link.end_offset.is_some_and(|end| end <= floor))
}

fn bytes_of(extents: &[Extent]) -> u64 {
    extents.iter().map(|extent| u64::from(extent.byte_len)).sum()
}

/// The longest prefix of at most `bytes_max`, but always one.
fn take_bytes(extents: &[Extent], bytes_max: u64) -> &[Extent] {
    let mut bytes = 0;
    let fit = extents.iter().take_while(|extent| {
        bytes += u64::from(extent.byte_len);
        bytes <= bytes_max
    });
    &extents[..fit.count().max(1).min(extents.len())]
}

/// Compacted objects among what is to be rewritten.
pub(crate) fn replaced_by(extents: &[Extent]) -> Vec<segment::Key> {
    let runs = extents.iter().filter_map(|extent| match &extent.location {
        Location::Run(key) => Some(key.clone()),
        Location::Object(_) | Location::Slot { .. } => None,
    });
    runs.collect()
}
