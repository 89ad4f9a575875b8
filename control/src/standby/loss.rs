//! Giving up what is on the other site's disks and not in the bucket (R51), without using its offsets
//! again (R52).
//!
//! ```text
//! END of the lost log ──► gap log: one gap per partition, END ──► claim for it, by manifest CAS
//! ```
//!
//! END comes first: from then on what the log has stored does not change, whatever its node still
//! acknowledges from its disk. The gaps come before the claims, so nobody opens a partition at an
//! offset that was given up. Whose partition it is, only the swap decides: one that the lost node took
//! meanwhile is found by the next look.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use protocol::ids::PartitionId;
use segment::{
    Family, LogId, Manifest, ManifestStore, ManifestVersion, Store,
    ceiling::{self, GAP_SLOT, Gap},
    generation, index,
    manifest::CommitError,
    seqlog::{EndReason, EndRecord, place_end},
};

use super::PromoteError;

/// The incarnation of gap logs: nodes count from 1.
const GAP_INCARNATION: u64 = 0;

/// Ends a log whose front is given up: what it has stored is all that is left of it.
pub(super) async fn give_up(store: &Store, log: LogId) -> Result<(), PromoteError> {
    let end = EndRecord { reason: EndReason::GivenUp as i32, lsn: 0, index: None };
    place_end(store, Family::Data, &log, &end).await?;
    Ok(())
}

/// Claims the partitions of logs that were given up for gap logs of this generation. Those that
/// somebody else changed meanwhile are left for the next look.
pub(super) async fn reserve(
    store: &Store,
    owners: &BTreeMap<LogId, Vec<PartitionId>>,
    given_up: &BTreeSet<LogId>,
    generation: u32,
) -> Result<(), PromoteError> {
    for log in given_up {
        let owned = owners.get(log).map(Vec::as_slice).unwrap_or_default();
        let lost = lost_partitions(store, *log, owned).await?;
        let gaps: Vec<Gap> = lost.values().map(|lost| lost.gap).collect();
        for (gap_log, gaps) in gap_logs(store, *log, generation, gaps).await? {
            for gap in gaps {
                claim(store, gap_log, &lost[&gap.partition]).await?;
            }
        }
    }
    Ok(())
}

/// A partition as its lost owner left it.
struct Lost {
    gap: Gap,
    manifest: Manifest,
    version: ManifestVersion,
}

async fn lost_partitions(
    store: &Store,
    log: LogId,
    owned: &[PartitionId],
) -> Result<HashMap<PartitionId, Lost>, PromoteError> {
    let stored = index::load(store, log).await.map_err(PromoteError::Index)?;
    let manifests = ManifestStore::new(store.clone());
    let mut lost = HashMap::new();
    for &partition in owned {
        let Some((manifest, version)) = manifests.load(&partition).await? else { continue };
        if manifest.owner != log || manifest.deleted {
            continue;
        }
        // As the next owner would find the end.
        let end = stored.partitions.get(&partition).map_or(0, |index| index.end_offset);
        let from = end.max(manifest.head().start_offset).max(manifest.floor());
        let gap = Gap { partition, from, epoch: manifest.epoch + 1 };
        lost.insert(partition, Lost { gap, manifest, version });
    }
    Ok(lost)
}

/// Logs that hold these gaps: those that a promotion which broke off has written, and a new one for
/// the rest.
async fn gap_logs(
    store: &Store,
    lost: LogId,
    generation: u32,
    mut gaps: Vec<Gap>,
) -> Result<Vec<(LogId, Vec<Gap>)>, PromoteError> {
    let mut logs = Vec::new();
    for log in generation::logs(store).await? {
        let is_gap_log = (log.node, log.generation) == (lost.node, generation)
            && log.incarnation == GAP_INCARNATION;
        if !is_gap_log {
            continue;
        }
        let end = EndRecord { reason: EndReason::Takeover as i32, lsn: 0, index: None };
        place_end(store, Family::Data, &log, &end).await?;
        let held = ceiling::read(store, log).await.map_err(PromoteError::Index)?;
        let is_held = |gap: &Gap| held.get(&gap.partition) == Some(gap);
        let (reused, rest): (Vec<_>, Vec<_>) = gaps.into_iter().partition(is_held);
        gaps = rest;
        logs.push((log, reused));
    }
    if !gaps.is_empty() {
        let log = LogId::fresh(lost.node, generation, GAP_INCARNATION);
        ceiling::write(store, log, &gaps).await?;
        logs.push((log, gaps));
    }
    Ok(logs)
}

async fn claim(store: &Store, log: LogId, lost: &Lost) -> Result<(), PromoteError> {
    let Lost { gap, manifest, version } = lost;
    let next = manifest.claimed(gap.epoch, log, GAP_SLOT, gap.from)?;
    match ManifestStore::new(store.clone()).commit(&next, Some(version)).await {
        Ok(_) | Err(CommitError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
