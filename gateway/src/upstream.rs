//! The gateway's calls to the other roles.
//!
//! One [`hop::Peers`] for all connections; a client connection is a lane on it, so that its
//! requests to one node keep their order (R45). What a failed call means to a client is decided in
//! [`crate::errors`]. Nothing here tries again (R37), with one exception: a request to control
//! that surely did not arrive waits for the next leader.

use std::time::Duration;

use hop::{Call, HopError, HopHeader, Peers};
use metadata::ClusterView;
use tokio::time::{Instant, sleep};

use crate::limits::LEADER_PAUSE;

/// The way to nodes, readers and control.
#[derive(Clone)]
pub(crate) struct Upstream {
    peers: Peers,
    view: ClusterView,
}

impl Upstream {
    pub(crate) fn new(peers: Peers, view: ClusterView) -> Self {
        Self { peers, view }
    }

    /// Asks the process at `address`. The request has its place in its lane when this returns.
    pub(crate) fn ask<M: Call>(
        &self,
        address: &str,
        header: HopHeader,
        message: M,
    ) -> impl Future<Output = Result<M::Answer, HopError>> + Send + use<M> {
        self.peers.peer(address).ask(header, message)
    }

    /// Asks the control leader, for as long as the header's deadline.
    ///
    /// While there is no leader, or the one we know surely did not get the request, or says that
    /// it leads no longer (`refused`), the next one is waited for.
    pub(crate) async fn ask_control<M>(
        &self,
        header: HopHeader,
        message: M,
        refused: impl Fn(&M::Answer) -> bool,
    ) -> Result<M::Answer, HopError>
    where
        M: Call + Clone,
    {
        let deadline = Instant::now() + header.deadline;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let header = HopHeader { deadline: left, ..header.clone() };
            let answer = match self.view.leader() {
                Some(leader) => self.ask(&leader.address, header, message.clone()).await,
                None => Err(HopError::Unreachable),
            };
            let again = match &answer {
                Ok(answer) => refused(answer),
                Err(error) => error.is_definite(),
            };
            if !again || left <= LEADER_PAUSE {
                return answer;
            }
            self.next_leader(LEADER_PAUSE).await;
        }
    }

    /// Waits for any change of the view, at most `pause`.
    async fn next_leader(&self, pause: Duration) {
        let mut changed = self.view.changed();
        tokio::select! {
            () = sleep(pause) => {}
            // A storm of unrelated changes must not become a storm of calls.
            _ = changed.changed() => sleep(pause / 10).await,
        }
    }
}
