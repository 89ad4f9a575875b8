//! Rounds over the storage nodes: ask for work, rewrite, offer the result.
//!
//! ```text
//! node ── plans ──► read ──► write objects ──► offer ──► node commits manifests
//! ```
//!
//! In this order (R34): an object is there before a manifest names it. Whatever breaks off in
//! between leaves objects that nobody names, and work that is offered again: at once if it was given
//! back, when its lease ends if the compactor is gone or the work itself cannot be done.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hop::HopHeader;
use hop::internal::{
    CommitCompactionRequest, CommitCompactionResponse, CompactionOffer, CompactionWorkRequest,
};
use metadata::model::{NodeRecord, NodeState};
use process::Drain;
use protocol::ids::TenantId;
use segment::plan::PlanError;
use segment::{Plan, StoreError};

use crate::clean::Cleaner;
use crate::config::Config;
use crate::limits::{COMMIT_TIMEOUT, WORK_TIMEOUT};
use crate::metrics;
use crate::pacer::Pacer;
use crate::rewrite::{self, RewriteError, Unit};
use crate::role::Deps;

/// Compacts what nodes offer.
pub struct Rounds {
    config: Config,
    deps: Deps,
    pacer: Arc<Pacer>,
}

/// What one round came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Units of work whose objects are in their manifests now.
    pub committed: usize,
    /// Units that their owner refused.
    pub refused: usize,
    /// Nodes whose work broke off.
    pub failed: usize,
}

/// Why a round did not come to its end.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("the cluster has no identity yet")]
    NoCluster,
    #[error("node does not answer: {0}")]
    Hop(#[from] hop::HopError),
    #[error("plan of a node: {0}")]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One round after the other, with a pause between them, until the drain.
pub(crate) async fn repeat<F>(drain: &Drain, pause: Duration, round: impl Fn() -> F)
where
    F: Future<Output = Round>,
{
    loop {
        tokio::select! {
            () = drain.draining() => return,
            _ = round() => {}
        }
        tokio::select! {
            () = drain.draining() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Rounds {
    /// Rounds with this configuration.
    pub fn new(config: Config, deps: Deps) -> Self {
        let pacer = Arc::new(Pacer::new(config.rate.as_u64()));
        Self { config, deps, pacer }
    }

    /// What compacts by key beside them, at the same rate.
    pub fn cleaner(&self) -> Cleaner {
        Cleaner::new(self.config.clone(), self.deps.clone(), Arc::clone(&self.pacer))
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
            if let Err(error) = self.compact(&node, &mut round).await {
                round.failed += 1;
                metrics::round_failed();
                tracing::warn!(node = %node.node, %error, "compaction of a node's partitions waits");
            }
        }
        round
    }

    /// Does all the work that a node has.
    async fn compact(&self, node: &NodeRecord, round: &mut Round) -> Result<(), RoundError> {
        loop {
            let units = self.ask(node).await?;
            if units.is_empty() {
                return Ok(());
            }
            let rewritten =
                rewrite::rewrite(&self.deps.store, &self.config, &self.pacer, &units).await;
            let offers = match rewritten {
                Ok(offers) => offers,
                Err(error) => {
                    self.give_back(node, units, &error).await;
                    return Err(error.into());
                }
            };
            let answer = self.commit(node, offers, Vec::new()).await?;
            let units = answer.error_codes.len();
            let refused = answer.error_codes.iter().filter(|code| **code != 0).count();
            answer.error_codes.iter().for_each(|code| metrics::unit(*code == 0));
            tracing::info!(node = %node.node, units, refused, "compaction committed");
            round.committed += units - refused;
            round.refused += refused;
            if refused > 0 {
                // Whatever made the owner refuse is better looked at after a pause.
                return Ok(());
            }
        }
    }

    /// All but what made the rewrite fail: that keeps its lease, so that a block that cannot be read
    /// holds up the other partitions once in a lease and not in every round.
    async fn give_back(&self, node: &NodeRecord, units: Vec<Unit>, error: &RewriteError) {
        let others = units.into_iter().filter(|unit| !error.is_of(&unit.plan));
        let others = others.map(|unit| unit.token).collect();
        if let Err(error) = self.commit(node, Vec::new(), others).await {
            tracing::warn!(node = %node.node, %error, "work is not given back: its lease must end");
        }
    }

    async fn commit(
        &self,
        node: &NodeRecord,
        offers: Vec<CompactionOffer>,
        given_back: Vec<Bytes>,
    ) -> Result<CommitCompactionResponse, RoundError> {
        let header = HopHeader::internal(TenantId::SYSTEM, COMMIT_TIMEOUT);
        let request = CommitCompactionRequest { offers, given_back };
        Ok(self.deps.peers.peer(&node.address).ask(header, request).await?)
    }

    async fn ask(&self, node: &NodeRecord) -> Result<Vec<Unit>, RoundError> {
        let secret = self.deps.view.cluster().ok_or(RoundError::NoCluster)?.secret;
        let config = &self.config;
        let request = CompactionWorkRequest {
            min_bytes: config.object_min.as_u64(),
            max_bytes: config.object_max.as_u64(),
            max_age_ms: u64::try_from(config.max_age.as_millis()).unwrap_or(u64::MAX),
            max_extents: config.max_blocks,
            merge_objects: config.merge_objects,
            budget_bytes: config.memory.as_u64(),
            lease_ms: u64::try_from(config.lease.as_millis()).unwrap_or(u64::MAX),
        };
        let header = HopHeader::internal(TenantId::SYSTEM, WORK_TIMEOUT);
        let answer = self.deps.peers.peer(&node.address).ask(header, request).await?;
        let units = answer.plans.into_iter().map(|token| {
            let plan = Plan::open(&token, &secret, Duration::ZERO)?;
            Ok(Unit { token, plan })
        });
        units.collect()
    }
}
