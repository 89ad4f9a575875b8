//! What a node does for the cluster when another one seems dead: be a witness, be a drainer.
//!
//! Control never touches a front or a data log: it asks a node that lives (RELIABILITY §4.5). Asking
//! several, or the same one again, is harmless: an incarnation that is being ended here is not begun
//! a second time, the second asker waits for the same end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hop::internal::{EndIncarnationRequest, PingRequest, ProbeRequest};
use hop::{HopHeader, Peers};
use parking_lot::Mutex;
use process::Drain;
use protocol::ErrorCode;
use protocol::ids::TenantId;
use segment::seqlog::EndReason;
use segment::{LogId, Store};
use tokio::sync::{Semaphore, watch};

use crate::ending::{EndError, seal_and_end};
use crate::limits::{ENDINGS_MAX, PROBE_TIMEOUT};
use crate::metrics;
use crate::role::Deps;
use crate::wal::{Disks, FrontDescriptor};

/// The services of one node to the others. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Survivor {
    shared: Arc<Shared>,
}

struct Shared {
    /// The log of this incarnation: its own end is not its business as a survivor.
    own: LogId,
    store: Store,
    disks: Disks,
    peers: Peers,
    permits: Semaphore,
    /// What is being ended, and what came of it when that is known.
    under_way: Mutex<HashMap<LogId, watch::Receiver<Option<ErrorCode>>>>,
    drain: Drain,
}

impl Survivor {
    pub(crate) fn new(own: LogId, deps: &Deps, drain: Drain) -> Self {
        let Deps { store, disks, peers, .. } = deps.clone();
        let permits = Semaphore::new(ENDINGS_MAX);
        let under_way = Mutex::default();
        Self { shared: Arc::new(Shared { own, store, disks, peers, permits, under_way, drain }) }
    }

    /// Whether that incarnation answers from here and calls itself healthy (R12).
    pub(crate) async fn probe(&self, request: ProbeRequest, deadline: Duration) -> bool {
        let header = HopHeader::internal(TenantId::SYSTEM, deadline.min(PROBE_TIMEOUT));
        let answer = self.shared.peers.peer(&request.address).ask(header, PingRequest {}).await;
        answer.is_ok_and(|answer| answer.healthy && answer.log_id == request.log_id)
    }

    /// Ends an incarnation, or waits for the end that is under way. What was begun goes on when the
    /// asker has given up.
    pub(crate) async fn end(&self, request: EndIncarnationRequest) -> ErrorCode {
        let Ok(log) = request.log_id.parse::<LogId>() else { return ErrorCode::InvalidRequest };
        let Ok(front) = request.front.parse::<FrontDescriptor>() else {
            return ErrorCode::InvalidRequest;
        };
        if log == self.shared.own || !front.is_reachable_by_others() {
            return ErrorCode::InvalidRequest;
        }
        let mut ended = self.join_or_begin(log, front);
        let outcome = ended.wait_for(Option::is_some).await;
        outcome.ok().and_then(|outcome| *outcome).unwrap_or(ErrorCode::UnknownServerError)
    }

    fn join_or_begin(
        &self,
        log: LogId,
        front: FrontDescriptor,
    ) -> watch::Receiver<Option<ErrorCode>> {
        let mut under_way = self.shared.under_way.lock();
        if let Some(ended) = under_way.get(&log) {
            return ended.clone();
        }
        let (tell, ended) = watch::channel(None);
        under_way.insert(log, ended.clone());
        let shared = Arc::clone(&self.shared);
        self.shared.drain.spawn("ending an incarnation", async move {
            let outcome = tokio::select! {
                outcome = shared.end_one(log, &front) => outcome,
                () = shared.drain.draining() => ErrorCode::CoordinatorNotAvailable,
            };
            shared.under_way.lock().remove(&log);
            tell.send_replace(Some(outcome));
        });
        ended
    }
}

impl Shared {
    async fn end_one(&self, log: LogId, front: &FrontDescriptor) -> ErrorCode {
        let _permit = self.permits.acquire().await.expect("never closed");
        match self.try_end(log, front).await {
            Ok(()) => {
                tracing::info!(%log, "the incarnation of another node is over");
                metrics::ended_for_another(true);
                ErrorCode::None
            }
            Err(error) => {
                tracing::warn!(%log, %error, "the incarnation of another node is not ended");
                metrics::ended_for_another(false);
                ErrorCode::KafkaStorageError
            }
        }
    }

    async fn try_end(&self, log: LogId, front: &FrontDescriptor) -> Result<(), EndError> {
        seal_and_end(&self.store, &self.disks, log, front, EndReason::Failover).await
    }
}
