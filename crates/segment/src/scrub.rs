//! Scrub: reads a whole bucket and says which of its promises are broken.
//!
//! In: the store, and nothing else: what a cluster acknowledged is in the bucket.
//! Out: a report. Findings break a rule: records are lost, doubled or unreadable,
//! or will be at the next claim. Notes are garbage and names we do not know.
//! Never: a repair, a deletion, a write of any kind.
//!
//! ```text
//! 1  manifests   each for itself: chain, epochs, history; compacted objects
//!        │       links ──► ledger
//! 2  logs        each slot by slot: OPEN … END, front covered, blocks, batches
//!        │       compared with the links of the ledger and with END's index
//! 3  second look a manifest that changed meanwhile proves nothing against its log
//! ```
//!
//! In this order a bucket may be in use: what a manifest refers to was there
//! before the manifest was. One defect is one finding: what cannot be read is
//! reported once, and what follows from it is not.
//!
//! Memory is bounded by the manifests, not by the records: about a hundred bytes
//! per partition and link, one listing of a 256th of the bucket, and per read
//! that runs a footer and 4 MiB of blocks.

mod finding;
mod ledger;
mod links;
mod log;
mod logs;
mod manifests;
mod parts;
mod report;
mod segment;
mod slots;
mod source;

use std::collections::BTreeSet;

use protocol::ids::PartitionId;

use crate::keys;
use crate::manifest::inspect;
use crate::store::{Store, StoreError, StoreErrorKind};

pub use finding::{Defect, Finding, Rule};
pub use report::{Counts, Note, ScrubReport};

use ledger::Ledger;
use report::Tally;
use source::Source;

/// Keys are spread over this many prefixes (R29).
const PREFIXES: u16 = 256;

/// How deep to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Manifests, slot headers, footers and indexes: finds what is missing or
    /// does not fit together, in a small part of the bytes.
    Quick,
    /// Every byte that a reader may get.
    Full,
}

/// How to scrub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubOptions {
    /// How deep to look. Default: everything.
    pub depth: Depth,
    /// Objects read at the same time. More is faster until the store or the
    /// network is busy, and takes up to 5 MiB each. Default 16.
    pub parallel: usize,
    /// Findings, and notes, that are kept; more are counted. Default 10,000.
    pub findings_max: usize,
}

impl Default for ScrubOptions {
    fn default() -> Self {
        Self { depth: Depth::Full, parallel: 16, findings_max: 10_000 }
    }
}

/// The scrub is incomplete and says nothing about the bucket.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ScrubError {
    /// The store did not answer. What it answered with "missing" or with wrong
    /// bytes is in the report instead.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads the whole bucket.
pub async fn scrub(store: &Store, options: ScrubOptions) -> Result<ScrubReport, ScrubError> {
    let source = Source::new(store, &options);
    let mut tally = Tally::new(options.findings_max);
    let mut ledger = Ledger::default();
    manifests::scrub_manifests(&source, &mut ledger, &mut tally).await?;
    logs::scrub_logs(&source, &mut ledger, &mut tally).await?;
    look_again(&source, &ledger, &mut tally).await?;
    Ok(tally.finish(source.bytes_read()))
}

/// Takes back what was found by comparing objects with manifests that are all
/// outdated by now: the partition was claimed, trimmed, compacted or deleted meanwhile.
async fn look_again(
    source: &Source<'_>,
    ledger: &Ledger,
    tally: &mut Tally,
) -> Result<(), ScrubError> {
    let suspects: BTreeSet<PartitionId> =
        tally.report.findings.iter().flat_map(|finding| tally.compared_with(finding)).collect();
    let mut changed = BTreeSet::new();
    for partition in suspects {
        let version = current_version(source, &partition).await?;
        if version.is_some() && version != ledger.version(&partition) {
            changed.insert(partition);
        }
    }
    let mut findings = std::mem::take(&mut tally.report.findings);
    findings.retain(|finding| {
        let compared_with = tally.compared_with(finding);
        compared_with.is_empty() || !compared_with.is_subset(&changed)
    });
    tally.report.findings = findings;
    for partition in changed {
        tally.note(Note::Changed { key: keys::manifest(&partition), partition });
    }
    Ok(())
}

/// The version of a manifest as it is now; `None` when it cannot be read.
async fn current_version(
    source: &Source<'_>,
    partition: &PartitionId,
) -> Result<Option<u64>, ScrubError> {
    match source.reads().await.object(&keys::manifest(partition)).await {
        Ok(object) => {
            let manifest = inspect::decode_unchecked(&object).ok();
            Ok(manifest.map(|manifest| manifest.version))
        }
        Err(error) if matches!(error.kind, StoreErrorKind::NotFound | StoreErrorKind::Damaged) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
