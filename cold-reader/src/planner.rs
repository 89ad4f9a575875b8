//! Plans from manifests, for partitions whose owner is down.
//!
//! ```text
//! manifest ─┬─ compacted objects                      one GET
//!           └─ links of logs that ended ─► indexes    one more per log, kept
//! ```
//!
//! What is stored is stored, whoever owns the partition: a consumer that replays need not wait for
//! the next owner. All of a plan is from one version of the manifest (R35). It says less than an
//! owner's: of the last owner's log only what is compacted, and nothing is final. An offset that it
//! does not cover may be readable all the same, so the answer is an error to retry (R6, R31).
//!
//! For committed reads it covers what is known to be decided: transactions are put together from the
//! producer snapshot and the same indexes as by the next owner (T4).

use std::sync::Arc;
use std::time::Duration;

use hop::internal::{PlanRequest, PlanResponse};
use protocol::ErrorCode;
use protocol::ids::{PartitionId, TenantId};
use quick_cache::sync::Cache;
use segment::index::{self, IndexError, IndexSnapshot, PartitionIndex};
use segment::manifest::{Link, LoadError, Manifest, ManifestStore, ProducersRef};
use segment::plan::bound_aborted;
use segment::producers::{self, ProducerSnapshot};
use segment::{Extent, Key, LogId, Plan, Store, TransactionHistory};

use crate::limits::{INDEXES_MAX, PLAN_BYTES_MAX, PLAN_LIFE, SNAPSHOTS_MAX};
use crate::metrics;

/// Makes plans without an owner.
pub(crate) struct Planner {
    store: Store,
    manifests: ManifestStore,
    indexes: Cache<LogId, Arc<IndexSnapshot>>,
    snapshots: Cache<Key, Arc<ProducerSnapshot>>,
    secret: [u8; 32],
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
enum NoPlan {
    #[error(transparent)]
    Manifest(#[from] LoadError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("partition has no manifest, or was deleted")]
    NoManifest,
    #[error("offset {offset} is not among the stored offsets {start}..{end}")]
    NotStored { offset: i64, start: i64, end: i64 },
}

impl Planner {
    pub(crate) fn new(store: Store, secret: [u8; 32]) -> Self {
        let manifests = ManifestStore::new(store.clone());
        let (indexes, snapshots) = (Cache::new(INDEXES_MAX), Cache::new(SNAPSHOTS_MAX));
        Self { store, manifests, indexes, snapshots, secret }
    }

    /// A plan, or an error to retry.
    pub(crate) async fn answer(&self, tenant: TenantId, request: &PlanRequest) -> PlanResponse {
        let Some(partition) = request.partition(tenant) else {
            return PlanResponse::refused(ErrorCode::InvalidRequest);
        };
        let asked = u64::try_from(request.max_bytes).unwrap_or(0);
        let bytes = if asked == 0 { PLAN_BYTES_MAX } else { asked.min(PLAN_BYTES_MAX) };
        match self.plan(partition, request, bytes).await {
            Ok(plan) => {
                metrics::planned();
                PlanResponse {
                    start_offset: plan.start_offset,
                    end_offset: plan.end_offset,
                    life_ms: u64::try_from(plan.life.as_millis()).expect("minutes fit"),
                    high_watermark: plan.high_watermark,
                    last_stable_offset: plan.last_stable_offset,
                    log_start_offset: plan.log_start_offset,
                    plan: plan.seal(&self.secret),
                    ..PlanResponse::refused(ErrorCode::None)
                }
            }
            Err(error) => {
                tracing::info!(%partition, offset = request.fetch_offset, %error, "no plan from the manifest");
                PlanResponse::refused(ErrorCode::OffsetNotAvailable)
            }
        }
    }

    async fn plan(
        &self,
        partition: PartitionId,
        request: &PlanRequest,
        bytes: u64,
    ) -> Result<Plan, NoPlan> {
        let offset = request.fetch_offset;
        let loaded = self.manifests.load(&partition).await?;
        let manifest = loaded.map(|(manifest, _)| manifest).filter(|manifest| !manifest.deleted);
        let manifest = manifest.ok_or(NoPlan::NoManifest)?;
        // The last owner's log may go on; everything before it has ended.
        let (start, stored) = (manifest.log_start_offset, stored_upto(&manifest));
        let transactions = match request.read_committed {
            true => Some(self.transactions(&manifest).await?),
            false => None,
        };
        let stable = transactions.as_ref().map(TransactionHistory::stable_upto);
        let end = stable.map_or(stored, |stable| stable.min(stored));
        if !(start..end).contains(&offset) {
            return Err(NoPlan::NotStored { offset, start, end });
        }
        let extents = self.extents(&manifest, offset, bytes).await?;
        let upto = extents.last().map_or(offset, |last| last.last_offset + 1).min(end);
        if extents.first().is_none_or(|first| first.base_offset > offset) {
            return Err(NoPlan::NotStored { offset, start, end });
        }
        let mut offsets = offset..upto;
        let mut aborted = transactions.map_or_else(Vec::new, |known| known.aborted_in(&offsets));
        bound_aborted(&mut aborted, &mut offsets);
        Ok(Plan {
            partition,
            extents,
            aborted,
            high_watermark: stored,
            last_stable_offset: end,
            log_start_offset: start,
            leader_epoch: manifest.epoch,
            manifest_version: manifest.version,
            start_offset: offsets.start,
            end_offset: offsets.end,
            made_at: Duration::ZERO,
            life: PLAN_LIFE,
        })
    }

    /// What became of the partition's transactions up to where its last owner took over.
    async fn transactions(&self, manifest: &Manifest) -> Result<TransactionHistory, NoPlan> {
        let mut history = TransactionHistory::default();
        if let Some(ProducersRef { key, upto }) = &manifest.producers {
            if let Some(key) = key {
                let snapshot = self.snapshots.get_or_insert_async(key, async {
                    producers::load(&self.store, key).await.map(Arc::new)
                });
                let snapshot = snapshot.await.map_err(IndexError::from)?;
                if let Some(known) = snapshot.partitions.get(&manifest.partition) {
                    history.add_snapshot(known, *upto);
                }
            }
            history.knows_upto(*upto);
        }
        for link in &manifest.chain {
            let Some(end) = link.end_offset else { continue };
            if let Some(part) = self.part_of(manifest.partition, link).await? {
                history.add_part(&part);
            }
            history.knows_upto(end);
        }
        Ok(history)
    }

    /// What is stored from the extent that holds `offset` on, about `bytes` of it, without a hole.
    async fn extents(
        &self,
        manifest: &Manifest,
        offset: i64,
        bytes: u64,
    ) -> Result<Vec<Extent>, NoPlan> {
        let mut extents = Vec::new();
        let mut next = offset;
        let mut found = 0;
        let mut add = |extent: Extent| {
            // Nothing is taken behind a hole; what is asked for then is not in the plan.
            if found < bytes && extent.base_offset <= next && extent.last_offset >= next {
                found += u64::from(extent.byte_len);
                next = extent.last_offset + 1;
                extents.push(extent);
            }
        };
        manifest.objects.iter().map(Extent::run_of).for_each(&mut add);
        for link in
            manifest.chain.iter().filter(|link| link.end_offset.is_some_and(|end| end > offset))
        {
            let part = self.part_of(manifest.partition, link).await?;
            part.into_iter().flat_map(|part| part.extents).for_each(&mut add);
        }
        Ok(extents)
    }

    /// What a partition has in a log that it has left, or that ended.
    async fn part_of(
        &self,
        partition: PartitionId,
        link: &Link,
    ) -> Result<Option<PartitionIndex>, NoPlan> {
        if let Some(slot) = link.close_slot {
            let closed =
                index::load_closed(&self.store, link.log, partition, link.first_slot, slot).await?;
            return Ok(closed.index);
        }
        let index = self.indexes.get_or_insert_async(&link.log, async {
            index::load(&self.store, link.log).await.map(Arc::new)
        });
        Ok(index.await?.partitions.get(&partition).cloned())
    }
}

/// The offset below which everything that is not below the log start is known to be stored.
fn stored_upto(manifest: &Manifest) -> i64 {
    manifest.head().start_offset.max(manifest.compacted_upto)
}

#[cfg(test)]
mod tests;
