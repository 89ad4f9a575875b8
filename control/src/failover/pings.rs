//! Asking a node whether it is well.

use std::sync::Arc;

use hop::internal::PingRequest;
use hop::{HopError, HopHeader};
use metadata::model::NodeRecord;
use protocol::ids::{NodeId, TenantId};

use super::Parts;
use crate::limits::PING_LANE;

/// What one ping found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pinged {
    pub(super) node: NodeId,
    /// The incarnation that was asked.
    pub(super) log_id: String,
    pub(super) answer: Answer,
}

/// How a node answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// That incarnation, and it makes progress.
    Well,
    /// It says itself that it makes none (R7), or it is another incarnation.
    Unwell,
    /// Nobody listens there, or the connection broke.
    Refused,
    /// Nothing in time.
    Silent,
}

/// Asks once. The answer may be as late as the suspicion: a node that is slow is not gone.
pub(super) fn ping(
    parts: &Parts,
    record: Arc<NodeRecord>,
) -> impl Future<Output = Pinged> + Send + use<> {
    let header = HopHeader {
        // Not behind what control has to say to its nodes.
        lane: PING_LANE,
        ..HopHeader::internal(TenantId::SYSTEM, parts.config.suspect_after)
    };
    let peer = parts.peers.peer(&record.address);
    async move {
        let answer = match peer.ask(header, PingRequest {}).await {
            Ok(answer) if answer.healthy && answer.log_id == record.log_id => Answer::Well,
            Ok(_) => Answer::Unwell,
            Err(HopError::Unreachable | HopError::Lost) => Answer::Refused,
            Err(HopError::TimedOut | HopError::Overloaded | HopError::Protocol(_)) => {
                Answer::Silent
            }
        };
        Pinged { node: record.node, log_id: record.log_id.clone(), answer }
    }
}
