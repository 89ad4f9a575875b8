//! Scrub: a sound bucket has no findings, and each corruption has exactly its own.

mod blocks;
mod bucket;
mod clean;
mod logs;
mod manifests;
mod repaired;

use super::{Defect, Depth, Finding, ScrubOptions, ScrubReport, scrub};
use crate::keys::Key;
use crate::store::Store;
use protocol::ids::PartitionId;

async fn report(store: &Store, depth: Depth) -> ScrubReport {
    scrub(store, ScrubOptions { depth, ..ScrubOptions::default() }).await.unwrap()
}

/// The findings of a full scrub, which a quick one must not contradict.
async fn findings(store: &Store) -> Vec<Finding> {
    let full = full_findings(store).await;
    for finding in quick_findings(store).await {
        assert!(full.contains(&finding), "only found quickly: {finding}");
    }
    full
}

/// The findings of a full scrub, where a quick one sees other signs of the same defect.
async fn full_findings(store: &Store) -> Vec<Finding> {
    report(store, Depth::Full).await.findings
}

/// The findings of a scrub that does not look into blocks.
async fn quick_findings(store: &Store) -> Vec<Finding> {
    report(store, Depth::Quick).await.findings
}

fn finding(key: Key, partition: impl Into<Option<PartitionId>>, defect: Defect) -> Finding {
    Finding { key, partition: partition.into(), defect }
}
