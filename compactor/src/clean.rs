//! Compaction by key (`cleanup.policy=compact`): of each key the last value stays (C14).
//!
//! ```text
//! owner ── plan of its compacted objects, clean point
//!            │
//!            ├─ survey: the dirty part ──► last offset of each key, ends of transactions
//!            └─ filter: all from the log start to the new clean point ──► objects ──► offer
//! ```
//!
//! Two passes, each reads an object once. Memory is bounded: one piece of an object to read, one
//! object to write, and the table of keys. With more keys than fit, the clean point moves as far as
//! they do, and the rest waits for the next time. The owner puts the new objects in the place of the
//! old ones in one commit (R33), so a reader has either, and offsets never change.
//!
//! It works beside the merges of [`crate::rounds`], one partition at a time, and shares their rate.

mod filter;
mod keys;
mod output;
mod survey;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hop::HopHeader;
use hop::internal::{
    CleaningWorkRequest, CleaningWorkResponse, CommitCompactionRequest, CompactionOffer,
};
use metadata::model::{NodeRecord, NodeState};
use process::Drain;
use protocol::batch::BatchView;
use protocol::batch::records::RecordsError;
use protocol::ids::TenantId;
use segment::object::read_footer;
use segment::plan::PlanError;
use segment::{Extent, Location, Plan, StoreError};

use self::filter::Filter;
use self::keys::LatestOffsets;
use self::output::Output;
use self::survey::{Found, Survey};
use crate::blocks::{Covered, covered, expect, read_blocks};
use crate::config::Config;
use crate::limits::{CLEANING_READ_BYTES, COMMIT_TIMEOUT, WORK_TIMEOUT};
use crate::metrics;
use crate::objects::Objects;
use crate::pacer::Pacer;
use crate::rewrite::RewriteError;
use crate::role::Deps;
use crate::rounds::{Round, repeat};

/// Compacts by key what nodes offer.
pub struct Cleaner {
    config: Config,
    deps: Deps,
    pacer: Arc<Pacer>,
}

/// One partition to be cleaned.
struct Unit {
    token: Bytes,
    plan: Plan,
    cleaned_upto: i64,
    delete_retention_ms: i64,
}

/// A batch, by its place, and what is wrong with it.
type Unreadable = (i64, RecordsError);

/// Why a partition was not cleaned.
#[derive(Debug, thiserror::Error)]
enum CleanError {
    #[error("the cluster has no identity yet")]
    NoCluster,
    #[error("node does not answer: {0}")]
    Hop(#[from] hop::HopError),
    #[error("plan of a node: {0}")]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    #[error("it takes longer than its lease")]
    Late,
}

impl From<StoreError> for CleanError {
    fn from(error: StoreError) -> Self {
        Self::Rewrite(error.into())
    }
}

impl Cleaner {
    pub(crate) fn new(config: Config, deps: Deps, pacer: Arc<Pacer>) -> Self {
        Self { config, deps, pacer }
    }

    pub(crate) async fn run(self, drain: Drain) {
        repeat(&drain, self.config.interval, || self.round()).await;
    }

    /// Does what the nodes have to do, one node after the other.
    pub async fn round(&self) -> Round {
        let mut round = Round::default();
        for node in self.deps.view.nodes() {
            if node.state != NodeState::Live {
                continue;
            }
            if let Err(error) = self.clean_node(&node, &mut round).await {
                round.failed += 1;
                metrics::cleaning_failed();
                tracing::warn!(node = %node.node, %error, "compaction by key waits");
            }
        }
        round
    }

    async fn clean_node(&self, node: &NodeRecord, round: &mut Round) -> Result<(), CleanError> {
        while let Some(unit) = self.ask(node).await? {
            let cleaned = tokio::time::timeout(self.config.lease, self.clean(&unit)).await;
            let offer = match cleaned.unwrap_or(Err(CleanError::Late)) {
                Ok(Some(offer)) => offer,
                // An open transaction begins where the clean part ends: there is another time.
                Ok(None) => continue,
                Err(CleanError::Rewrite(error)) if !error.is_of(&unit.plan) => {
                    self.commit(node, Vec::new(), vec![unit.token]).await?;
                    return Err(error.into());
                }
                // It keeps its lease, so that it does not hold up others in every round.
                Err(error) => {
                    metrics::uncleanable();
                    tracing::error!(partition = %unit.plan.partition, %error, "cannot be compacted by key");
                    round.failed += 1;
                    continue;
                }
            };
            let codes = self.commit(node, vec![offer], Vec::new()).await?;
            let refused = codes.iter().filter(|code| **code != 0).count();
            codes.iter().for_each(|code| metrics::unit(*code == 0));
            round.committed += codes.len() - refused;
            round.refused += refused;
            if refused > 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn ask(&self, node: &NodeRecord) -> Result<Option<Unit>, CleanError> {
        let secret = self.deps.view.cluster().ok_or(CleanError::NoCluster)?.secret;
        let request = CleaningWorkRequest {
            max_bytes: self.config.clean_max.as_u64(),
            lease_ms: u64::try_from(self.config.lease.as_millis()).unwrap_or(u64::MAX),
        };
        let header = HopHeader::internal(TenantId::SYSTEM, WORK_TIMEOUT);
        let answer = self.deps.peers.peer(&node.address).ask(header, request).await?;
        let CleaningWorkResponse { plan: token, cleaned_upto, delete_retention_ms } = answer;
        if token.is_empty() {
            return Ok(None);
        }
        let plan = Plan::open(&token, &secret, Duration::ZERO)?;
        Ok(Some(Unit { token, plan, cleaned_upto, delete_retention_ms }))
    }

    async fn commit(
        &self,
        node: &NodeRecord,
        offers: Vec<CompactionOffer>,
        given_back: Vec<Bytes>,
    ) -> Result<Vec<i32>, CleanError> {
        let header = HopHeader::internal(TenantId::SYSTEM, COMMIT_TIMEOUT);
        let request = CommitCompactionRequest { offers, given_back };
        Ok(self.deps.peers.peer(&node.address).ask(header, request).await?.error_codes)
    }

    /// Writes the objects and says up to where they are clean. `None` if nothing can be said about
    /// the dirty part yet.
    async fn clean(&self, unit: &Unit) -> Result<Option<CompactionOffer>, CleanError> {
        let found = self.survey(unit).await?;
        if found.upto <= unit.cleaned_upto {
            if found.full {
                let (partition, offset) = (unit.plan.partition, found.upto);
                return Err(RewriteError::Keys { partition, offset }.into());
            }
            return Ok(None);
        }
        let upto = found.upto;
        let now_ms = self.deps.store.now_ms().await?;
        let mut filter = Filter::new(found, now_ms, unit.delete_retention_ms);
        let part_bytes = usize::try_from(self.config.part_size.as_u64()).unwrap_or(usize::MAX);
        let objects = Objects { store: &self.deps.store, pacer: &self.pacer, part_bytes };
        let object_max = usize::try_from(self.config.object_max.as_u64()).unwrap_or(usize::MAX);
        let (partition, start) = (unit.plan.partition, unit.plan.start_offset);
        let mut output = Output::new(objects, object_max, partition, start);
        let mut cleaned_upto = None;
        for run in unit.plan.extents.iter().take_while(|run| run.base_offset < upto) {
            for piece in self.pieces(unit, run).await? {
                let batches = self.read(unit, &piece).await?;
                let (back, left) = filtered(filter, batches, upto, unit).await?;
                filter = back;
                for (batch, left) in left {
                    if batch.last_offset >= upto && cleaned_upto.is_none() {
                        cleaned_upto = Some(output.cut().await?);
                    }
                    output.push(&batch, left).await?;
                }
            }
        }
        let at_end = output.cut().await?;
        let [before, after] = filter.records;
        metrics::cleaned(before, after);
        let cleaned_upto = cleaned_upto.unwrap_or(at_end);
        tracing::info!(%partition, before, after, cleaned_upto, "compacted by key");
        let objects = output.finish().await?;
        Ok(Some(CompactionOffer { plan: unit.token.clone(), objects, cleaned_upto }))
    }

    async fn survey(&self, unit: &Unit) -> Result<Found, CleanError> {
        let keys_max = LatestOffsets::max_in(self.config.clean_memory.as_u64());
        let mut survey = Survey::new(unit.cleaned_upto, keys_max);
        let dirty = unit.plan.extents.iter().filter(|run| run.last_offset >= unit.cleaned_upto);
        for run in dirty {
            for piece in self.pieces(unit, run).await? {
                if survey.is_full() {
                    return Ok(survey.finish());
                }
                let batches = self.read(unit, &piece).await?;
                survey = surveyed(survey, batches, unit).await?;
            }
        }
        Ok(survey.finish())
    }

    /// The blocks of a run, in pieces that fit into memory.
    async fn pieces(&self, unit: &Unit, run: &Extent) -> Result<Vec<Vec<Extent>>, CleanError> {
        let partition = unit.plan.partition;
        let Location::Run(key) = &run.location else { return Ok(vec![vec![run.clone()]]) };
        let footer = read_footer(&self.deps.store, key).await?;
        let mut next = run.base_offset;
        let mut bytes = CLEANING_READ_BYTES;
        let mut pieces: Vec<Vec<Extent>> = Vec::new();
        for block in footer.blocks_of(partition, key) {
            expect(partition, next, block.base_offset)?;
            next = block.last_offset + 1;
            bytes += u64::from(block.byte_len);
            if bytes > CLEANING_READ_BYTES {
                pieces.push(Vec::new());
                bytes = u64::from(block.byte_len);
            }
            pieces.last_mut().expect("pushed above").push(block);
        }
        expect(partition, run.last_offset + 1, next)?;
        Ok(pieces)
    }

    async fn read(&self, unit: &Unit, piece: &[Extent]) -> Result<Vec<Covered>, CleanError> {
        let mut read = read_blocks(&self.deps.store, &self.pacer, piece).await?;
        let (partition, keyring) = (unit.plan.partition, self.deps.store.keyring());
        let mut next = piece.first().map_or(0, |block| block.base_offset);
        let mut batches = Vec::new();
        for block in piece {
            batches.extend(covered(partition, block, &mut read, &mut next, keyring)?);
        }
        Ok(batches)
    }
}

/// Decompressing takes long: not on a thread that others wait for (R63).
async fn surveyed(
    mut survey: Survey,
    batches: Vec<Covered>,
    unit: &Unit,
) -> Result<Survey, CleanError> {
    let work = move || -> Result<Survey, Unreadable> {
        for batch in &batches {
            let added = view(batch).and_then(|view| survey.add(&view));
            added.map_err(|error| (batch.from, error))?;
        }
        Ok(survey)
    };
    let done = tokio::task::spawn_blocking(work).await.expect("reading batches does not panic");
    done.map_err(|error| unreadable(unit, error))
}

/// Each batch with what is left of it; those from `upto` on as they are.
async fn filtered(
    mut filter: Filter,
    batches: Vec<Covered>,
    upto: i64,
    unit: &Unit,
) -> Result<(Filter, Vec<(Covered, Option<Bytes>)>), CleanError> {
    let work = move || -> Result<_, Unreadable> {
        let mut left = Vec::with_capacity(batches.len());
        for batch in batches {
            let stays = if batch.last_offset < upto {
                filter.batch(&batch.bytes).map_err(|error| (batch.from, error))?
            } else {
                Some(batch.bytes.clone())
            };
            left.push((batch, stays));
        }
        Ok((filter, left))
    };
    let done = tokio::task::spawn_blocking(work).await.expect("reading batches does not panic");
    done.map_err(|error| unreadable(unit, error))
}

fn view(batch: &Covered) -> Result<BatchView<'_>, RecordsError> {
    Ok(BatchView::whole(&batch.bytes)?)
}

fn unreadable(unit: &Unit, (offset, error): Unreadable) -> CleanError {
    RewriteError::Records { partition: unit.plan.partition, offset, error }.into()
}

#[cfg(test)]
mod tests;
