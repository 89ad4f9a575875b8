//! Waits for partitions on their way to another owner.
//!
//! Whoever is to serve a partition is asked to open it, and answers when it does. Nobody waits for
//! longer than a takeover usually lasts: a client that is refused then comes again by itself.

use std::collections::HashMap;

use futures::future::join_all;
use hop::internal::{OpenPartition, OpenPartitionsRequest};
use protocol::ids::{NodeId, PartitionId};
use tokio::time::{Instant, sleep_until};

use crate::context::Context;

/// A node's address, and partitions of it.
type Owned = (String, Vec<PartitionId>);

/// Returns when all partitions have owners that serve them or said that they cannot, at `until` at the
/// latest.
pub(super) async fn served(context: &Context, partitions: &[PartitionId], until: Instant) {
    tokio::select! {
        () = sleep_until(until) => {}
        () = opened(context, partitions, until) => {}
    }
}

async fn opened(context: &Context, partitions: &[PartitionId], until: Instant) {
    let mut changed = context.core.view.changed();
    loop {
        changed.mark_unchanged();
        if let Some(owners) = owners(context, partitions) {
            let served = open(context, owners, until).await;
            // The epoch they serve in may be news to us, and they refuse another (R49).
            let _stale_at_worst = context.core.view.refresh().await;
            context.core.takeovers.served(served, &context.core.view);
            return;
        }
        if changed.changed().await.is_err() {
            return;
        }
    }
}

/// The owners with what each has, or `None` while a partition has none.
fn owners(context: &Context, partitions: &[PartitionId]) -> Option<HashMap<NodeId, Owned>> {
    let mut owners: HashMap<NodeId, Owned> = HashMap::new();
    for partition in partitions {
        let (node, _) = context.core.owner(*partition)?;
        let owned = owners.entry(node.node).or_insert_with(|| (node.address.clone(), Vec::new()));
        owned.1.push(*partition);
    }
    Some(owners)
}

/// Returns when every owner serves its partitions, or has said that it cannot: what is served by whom.
async fn open(
    context: &Context,
    owners: HashMap<NodeId, Owned>,
    until: Instant,
) -> Vec<(PartitionId, NodeId)> {
    let deadline = until.saturating_duration_since(Instant::now());
    let calls = owners.into_iter().map(|(node, (address, ids))| {
        let partitions = ids.iter().copied().map(OpenPartition::new).collect();
        let call = context.ask(&address, deadline, OpenPartitionsRequest { partitions });
        async move { (node, ids, call.await) }
    });
    let mut served = Vec::new();
    for (node, ids, answer) in join_all(calls).await {
        match answer {
            Ok(answer) => {
                let answered = ids.into_iter().zip(answer.error_codes);
                served.extend(answered.filter(|(_, code)| *code == 0).map(|(id, _)| (id, node)));
            }
            Err(error) => tracing::debug!(%error, "the next owner does not answer yet"),
        }
    }
    served
}
