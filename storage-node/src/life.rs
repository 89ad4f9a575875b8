//! The lives of a node: one incarnation after the other, in one process.
//!
//! ```text
//! begin ──► live ──► drain begins ──────────────► end: record ENDED
//!   ▲         │ └──► cannot go on ──────────────► stop: END is for whoever recovers
//!   │         └────► older than incarnation_max ► roll over: END, record stays LIVE ──┐
//!   └─────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Slots of a log that may grow are never deleted, because they could be made again (R8). So a log
//! must end for its slots to be collected, and a node that runs for months ends its own now and
//! then (ADR 0018). That is a restart in place without the restart: the listener and the sign of
//! life stay up, and partitions are away for as long as it takes to claim them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use metadata::model::ClusterRecord;
use process::Drain;
use protocol::ErrorCode;
use tokio::sync::{mpsc, watch};

use crate::config::Config;
use crate::incarnation::{self, Incarnation};
use crate::lease::{RegisterError, Registration};
use crate::limits::{
    END_RETRY_PAUSE, LEAVING_MAX, PRODUCER_EXPIRY_INTERVAL, ROLL_OVER_SPREAD_SHARES,
};
use crate::metrics;
use crate::node::{Node, NodeParts};
use crate::role::{Deps, NodeError};
use crate::upload::Uploader;
use crate::wal::{Front, FrontDescriptor, FrontError, FrontState};
use crate::watchdog::{Health, Watchdog, Watched};
use crate::{reconcile, retention};

/// What all incarnations of a process have in common.
pub(crate) struct Origin {
    pub(crate) config: Config,
    pub(crate) deps: Deps,
    pub(crate) cluster: Arc<ClusterRecord>,
    /// Where the others reach it.
    pub(crate) address: String,
}

/// One incarnation that serves.
pub(crate) struct Life {
    node: Arc<Node>,
    uploader: Uploader,
    registration: Registration,
    watchdog: Watchdog,
    drain: Drain,
}

/// Why a life was over in good order.
enum Over {
    /// The drain has begun.
    Drained,
    /// It has lived for long enough.
    Aged,
}

// === impl Origin ===

impl Origin {
    /// Ends the last incarnation if it did not, and begins the next.
    pub(crate) async fn begin(&self, drain: &Drain) -> Result<Life, NodeError> {
        let (config, deps) = (&self.config, &self.deps);
        let (generation, address) = (self.cluster.generation, self.address.clone());
        let incarnation = incarnation::begin(config, deps, generation, address, drain).await?;
        // Of its own: what belongs to this incarnation ends with it.
        let drain = drain.child();
        let Incarnation { log, front, writer, registration } = incarnation;
        let health = Health::default();
        let watchdog = Watchdog::start(watched(config, deps, &front, &registration), &health);
        let next_slot = Arc::new(AtomicU64::new(writer.next_slot()));
        let (leaving, leaves) = mpsc::channel(LEAVING_MAX);
        let parts = NodeParts { log, front, health, next_slot: Arc::clone(&next_slot), leaving };
        let node = Node::new(config.clone(), deps.clone(), &self.cluster, parts, &drain);
        let node = Arc::new(node);
        let uploader = node.uploader(writer, next_slot, leaves);
        drain.spawn("storage-node upkeep", upkeep(Arc::clone(&node), drain.clone()));
        let interval = node.config().retention_interval;
        let retention = retention::run(Arc::clone(&node), interval, drain.clone());
        drain.spawn("storage-node retention", retention);
        Ok(Life { node, uploader, registration, watchdog, drain })
    }

    /// The same for a successor: its predecessor has ended, so there is nothing to give up for. Not
    /// cut short by the drain either: a life that begins then ends in order.
    async fn begin_next(&self, drain: &Drain) -> Result<Life, NodeError> {
        loop {
            match self.begin(drain).await {
                Err(NodeError::Register(RegisterError::Metadata(error)))
                    if !drain.is_draining() =>
                {
                    tracing::warn!(%error, "the next incarnation waits for the metadata store");
                    tokio::time::sleep(END_RETRY_PAUSE).await;
                }
                begun => return begun,
            }
        }
    }

    /// Lives this life and those after it, until the drain begins or the node cannot go on. Says
    /// in `current` which it is.
    pub(crate) async fn live(
        &self,
        mut life: Life,
        current: watch::Sender<Arc<Node>>,
        drain: Drain,
    ) -> Result<(), NodeError> {
        while let Over::Aged = life.live().await? {
            life = self.begin_next(&drain).await?;
            metrics::rolled_over();
            current.send_replace(Arc::clone(&life.node));
        }
        Ok(())
    }
}

/// What the watchdog needs to know of this incarnation. A front that nobody else can drain is safe
/// to go on with after any pause.
fn watched(
    config: &Config,
    deps: &Deps,
    front: &Arc<dyn Front>,
    registration: &Registration,
) -> Watched {
    let descriptor = registration.record().and_then(|record| record.front.parse().ok());
    let is = |kind: fn(&FrontDescriptor) -> bool| descriptor.as_ref().is_some_and(kind);
    Watched {
        clock: deps.clock.clone(),
        front: Arc::clone(front),
        device_is_local: !is(|front| matches!(front, FrontDescriptor::Object)),
        suspend_max: is(FrontDescriptor::is_reachable_by_others).then_some(config.suspend_max),
    }
}

// === impl Life ===

impl Life {
    /// The node of this life.
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Uploads and follows assignments until this life is over, then ends the incarnation in
    /// order. If it fails before, it only stops: END is for whoever recovers.
    async fn live(mut self) -> Result<Over, NodeError> {
        let node = Arc::clone(&self.node);
        let upload = &node.config().upload;
        let lived = tokio::select! {
            uploaded = self.uploader.run(upload.interval, upload.backoff_max, &self.drain) => {
                uploaded.map(|()| Over::Drained).map_err(NodeError::from)
            }
            failure = reconcile::follow(&node) => failure.map(|()| Over::Drained),
            failure = front_failure(node.front()) => Err(failure.into()),
            gap = self.watchdog.suspended() => Err(NodeError::Suspended { gap }),
            () = aged(&node) => Ok(Over::Aged),
        };
        let drain = self.drain.clone();
        let ended = match lived {
            Ok(over) => self.end(over).await,
            Err(error) => {
                tracing::error!(%error, log = %node.log(), "incarnation is over");
                node.partitions().close_all(ErrorCode::NotLeaderOrFollower);
                node.front().abandon();
                Err(error)
            }
        };
        drain.begin();
        node.let_go();
        ended
    }

    async fn end(self, over: Over) -> Result<Over, NodeError> {
        let Self { node, uploader, mut registration, .. } = self;
        incarnation::end(&node, uploader).await?;
        match over {
            // Others may have its partitions.
            Over::Drained => registration.end(node.metadata()).await?,
            // The next life has the place of this one's front, and its partitions.
            Over::Aged => {
                let front = node.shared_front();
                node.disks().run(move || front.vacate()).await;
            }
        }
        Ok(over)
    }
}

/// Resolves when the incarnation has lived for long enough and the next one can begin: without the
/// metadata store this one goes on (R10).
async fn aged(node: &Node) {
    tokio::time::sleep(life_of(node.config().incarnation_max, node.log().nonce)).await;
    while let Err(error) = Registration::read(node.metadata(), node.id()).await {
        tracing::info!(%error, "an old incarnation goes on without the metadata store");
        tokio::time::sleep(END_RETRY_PAUSE).await;
    }
    tracing::info!(log = %node.log(), "incarnation is old and makes room for the next");
}

/// Up to a tenth less than the most, by chance, so that nodes that were started together do not roll
/// over together.
fn life_of(max: Duration, nonce: u64) -> Duration {
    let share = u32::try_from(nonce % u64::from(ROLL_OVER_SPREAD_SHARES)).expect("it is less");
    max - max / 10 / ROLL_OVER_SPREAD_SHARES * share
}

/// Resolves when the front has failed.
async fn front_failure(front: &dyn Front) -> FrontError {
    let mut state = front.state();
    loop {
        if let FrontState::Poisoned(reason) = &*state.borrow_and_update() {
            return FrontError::Poisoned(Arc::clone(reason));
        }
        if state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// What has to be done now and then.
async fn upkeep(node: Arc<Node>, drain: Drain) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let mut expiry = tokio::time::interval(PRODUCER_EXPIRY_INTERVAL);
    loop {
        tokio::select! {
            () = drain.draining() => return,
            _ = seconds.tick() => {
                node.levels().publish();
                node.measure_load();
            }
            _ = expiry.tick() => node.expire_producers(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_started_together_grow_old_at_different_times_and_none_too_old() {
        let max = Duration::from_secs(36_000);
        let lives: Vec<_> = (0..1_000).map(|nonce| life_of(max, nonce * 7_919)).collect();
        assert!(lives.iter().all(|life| (max * 9 / 10..=max).contains(life)));
        let distinct: std::collections::HashSet<_> = lives.iter().collect();
        assert!(distinct.len() > 900, "{}", distinct.len());
    }
}
