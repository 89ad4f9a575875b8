//! Holds a produce while its partition has no owner that serves, for a short time.
//!
//! A client that is told NOT_LEADER_OR_FOLLOWER backs off for up to a second and often longer than
//! the takeover lasts. So for as long as [`Takeovers`](crate::takeover::Takeovers) says, its batches
//! stay here, in their order, and go to the next owner once that says that it serves. Nothing has
//! been sent to anybody before, so this is no second try (R37).

use std::collections::HashMap;

use futures::future::join_all;
use hop::internal::{OpenPartition, OpenPartitionsRequest};
use protocol::ids::PartitionId;
use tokio::time::{Instant, sleep_until};

use super::split::Split;
use crate::context::Context;
use crate::metrics;

/// Waits until all partitions that are held have owners that serve, or no longer than they may be
/// held. Afterwards none is: what still has no owner is refused.
pub(super) async fn until_served(context: &Context, split: Split) -> Split {
    let Some(until) = split.held_until() else { return split };
    let began = Instant::now();
    let partitions: Vec<_> = split.held().collect();
    tokio::select! {
        () = sleep_until(until) => {}
        () = served(context, &partitions, until) => {}
    }
    metrics::produce_held(began.elapsed());
    split.release(context)
}

async fn served(context: &Context, partitions: &[PartitionId], until: Instant) {
    let mut changed = context.core.view.changed();
    loop {
        changed.mark_unchanged();
        if let Some(owners) = owners(context, partitions) {
            open(context, owners, until).await;
            // The epoch they serve in may be news to us, and they refuse another (R49).
            let _stale_at_worst = context.core.view.refresh().await;
            return;
        }
        if changed.changed().await.is_err() {
            return;
        }
    }
}

/// The addresses of the owners with what each has, or `None` while a partition has none.
fn owners(
    context: &Context,
    partitions: &[PartitionId],
) -> Option<HashMap<String, Vec<OpenPartition>>> {
    let mut owners: HashMap<String, Vec<OpenPartition>> = HashMap::new();
    for partition in partitions {
        let (node, _) = context.core.owner(*partition)?;
        owners.entry(node.address.clone()).or_default().push(OpenPartition::new(*partition));
    }
    Some(owners)
}

/// Returns when every owner serves its partitions, or has said that it cannot.
async fn open(context: &Context, owners: HashMap<String, Vec<OpenPartition>>, until: Instant) {
    let deadline = until.saturating_duration_since(Instant::now());
    let calls = owners.into_iter().map(|(address, partitions)| {
        let ids: Vec<_> = partitions.iter().map(OpenPartition::partition).collect();
        let call = context.ask(&address, deadline, OpenPartitionsRequest { partitions });
        async move { (call.await, ids) }
    });
    for (answer, ids) in join_all(calls).await {
        match answer {
            Ok(answer) => {
                let answered = ids.into_iter().zip(answer.error_codes);
                let serves = answered.filter(|(_, code)| *code == 0);
                context.core.takeovers.served(serves.filter_map(|(id, _)| id));
            }
            Err(error) => tracing::debug!(%error, "the next owner does not answer yet"),
        }
    }
}
