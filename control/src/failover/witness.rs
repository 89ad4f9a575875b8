//! The second witness (R12): somebody else must see the node gone before it goes.
//!
//! Another node that cannot reach it either, or the metadata store, from which its sign of life has
//! vanished, if that store has been there for long enough. One that can reach it is enough to let it live: then it is this process that is cut off.

use futures::future::join_all;
use hop::HopHeader;
use hop::internal::ProbeRequest;
use metadata::keys::Key;
use metadata::model::NodeRecord;
use protocol::ids::{NodeId, TenantId};

use super::Parts;
use crate::limits::{PROBE_TIMEOUT, WITNESSES_MAX};

/// Whether anybody shares the suspicion, and nobody contradicts. With `store_counts` the metadata store
/// is somebody.
pub(super) async fn confirms(
    parts: &Parts,
    suspect: &NodeRecord,
    well: &[NodeId],
    store_counts: bool,
) -> bool {
    let others = well.iter().filter(|node| **node != suspect.node).take(WITNESSES_MAX);
    let probes = others.map(|node| probe(parts, *node, suspect));
    let (seen, vanished) = tokio::join!(join_all(probes), has_vanished(parts, suspect.node));
    let confirmed = judge(&seen, vanished && store_counts);
    tracing::info!(node = %suspect.node, ?seen, vanished, confirmed, "witnesses were heard");
    confirmed
}

/// `seen`: what each witness says about the node's being well, if it says anything.
fn judge(seen: &[Option<bool>], vanished: bool) -> bool {
    let contradicted = seen.contains(&Some(true));
    let shared = vanished || seen.contains(&Some(false));
    shared && !contradicted
}

async fn probe(parts: &Parts, witness: NodeId, suspect: &NodeRecord) -> Option<bool> {
    let record = parts.view.node(witness)?;
    let header = HopHeader::internal(TenantId::SYSTEM, PROBE_TIMEOUT);
    let request = ProbeRequest { address: suspect.address.clone(), log_id: suspect.log_id.clone() };
    let answer = parts.peers.peer(&record.address).ask(header, request).await;
    answer.ok().map(|answer| answer.well)
}

/// Read from the store: the view may lag (R10).
async fn has_vanished(parts: &Parts, node: NodeId) -> bool {
    let key = Key::NodeLive(node).to_string();
    matches!(parts.guard.metadata().get(&key).await, Ok(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspicion_must_be_shared_and_not_contradicted() {
        assert!(judge(&[Some(false)], false));
        assert!(judge(&[], true), "a cluster of two: the metadata store is the witness");
        assert!(judge(&[None, Some(false)], false));
        assert!(!judge(&[], false));
        assert!(!judge(&[None, None], false), "silence is no witness");
        assert!(!judge(&[Some(true), Some(false)], true), "somebody reaches it");
    }
}
