//! Second pass: every log, against the manifests of the first.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;

use super::finding::Defect;
use super::ledger::{Ledger, Stray, Verdict};
use super::log::{Job, Outcome, scrub_log};
use super::report::{Note, Tally};
use super::source::Source;
use super::{PREFIXES, ScrubError};
use crate::keys::{self, Family, Key, Parsed};
use crate::log_id::LogId;
use crate::store::Listed;

/// Logs read at the same time: most are short, and then bound by round trips.
const LOGS_IN_FLIGHT: usize = 4;

/// Reads all logs and compares them with the ledger.
pub(super) async fn scrub_logs(
    source: &Source<'_>,
    ledger: &mut Ledger,
    tally: &mut Tally,
) -> Result<(), ScrubError> {
    let listed = source.list("meta").await?;
    scrub_group(source, Group::sort([listed], tally), ledger, tally).await?;
    for prefix in 0..PREFIXES {
        // A log's index has the log's own prefix, so orphans are known when the
        // group is done.
        let listed = [
            source.list(&format!("l/{prefix:02x}")).await?,
            source.list(&format!("w/{prefix:02x}")).await?,
            source.list(&format!("x/{prefix:02x}")).await?,
        ];
        scrub_group(source, Group::sort(listed, tally), ledger, tally).await?;
    }
    for claim in ledger.unmet() {
        let (log, epoch) = (claim.link.log, claim.link.epoch);
        let key = keys::slot(Family::Data, &log, 0);
        tally.finding(key, Some(claim.partition), Defect::MissingLog { log, epoch });
    }
    Ok(())
}

/// Objects that belong together.
#[derive(Default)]
struct Group {
    /// Slots by log, ascending.
    logs: BTreeMap<(Family, LogId), Vec<u64>>,
    indexes: BTreeSet<Key>,
}

impl Group {
    fn sort(listings: impl IntoIterator<Item = Vec<Listed>>, tally: &mut Tally) -> Self {
        let mut group = Self::default();
        for Listed { key, .. } in listings.into_iter().flatten() {
            match keys::parse(&key) {
                Some(Parsed::LogSlot(family, log, slot)) => {
                    group.logs.entry((family, log)).or_default().push(slot);
                }
                Some(Parsed::MetaSlot(slot)) => {
                    group.logs.entry((Family::Meta, meta_log())).or_default().push(slot);
                }
                Some(Parsed::Index(..)) => _ = group.indexes.insert(key),
                // Looked at with the manifests that name them.
                Some(Parsed::Producers(_)) => {}
                _ => tally.note(Note::UnknownKey(key)),
            }
        }
        group
    }
}

async fn scrub_group(
    source: &Source<'_>,
    mut group: Group,
    ledger: &mut Ledger,
    tally: &mut Tally,
) -> Result<(), ScrubError> {
    let jobs: Vec<Job> = std::mem::take(&mut group.logs)
        .into_iter()
        .map(|((family, log), listed)| {
            let claims = match family {
                Family::Data => ledger.take_claims(&log),
                Family::Wal | Family::Meta => Vec::new(),
            };
            Job { family, log, listed, claims }
        })
        .collect();
    let mut outcomes = futures::stream::iter(jobs)
        .map(|job| scrub_log(source, job))
        .buffer_unordered(LOGS_IN_FLIGHT);
    while let Some(outcome) = outcomes.next().await {
        let Outcome { tally: part, strays, index } = outcome?;
        tally.absorb(part);
        strays.iter().for_each(|stray| judge(stray, ledger, tally));
        if let Some(key) = index {
            group.indexes.remove(&key);
        }
    }
    group.indexes.into_iter().for_each(|key| tally.note(Note::Unreferenced(key)));
    Ok(())
}

/// Records that no link names are garbage, or lost.
fn judge(stray: &Stray, ledger: &mut Ledger, tally: &mut Tally) {
    let Stray { partition, log, slot, end_offset: end } = *stray;
    match ledger.judge(stray) {
        Verdict::Dead => {}
        Verdict::Lost => {
            let key = keys::slot(Family::Data, &log, slot);
            tally.finding(key, Some(partition), Defect::OutsideChain { log, end });
        }
        Verdict::Unowned => {
            let key = keys::manifest(&partition);
            tally.finding(key, Some(partition), Defect::ManifestMissing { log });
        }
    }
}

/// The metadata log has no name of its own; its reader takes any.
fn meta_log() -> LogId {
    LogId { node: protocol::ids::NodeId(0), generation: 0, incarnation: 0, nonce: 0 }
}
