//! Holds a produce while its partition has no owner that serves, for a short time.
//!
//! A client that is told NOT_LEADER_OR_FOLLOWER backs off for up to a second and often longer than
//! the takeover lasts. So for as long as [`Takeovers`](crate::takeover::Takeovers) says, its batches
//! stay here, in their order, and go to the next owner once that says that it serves. Nothing has
//! been sent to anybody before, so this is no second try (R37).

use tokio::time::Instant;

use super::split::Split;
use crate::context::Context;
use crate::metrics;
use crate::route::handover;

/// Waits until all partitions that are held have owners that serve, or no longer than they may be
/// held. Afterwards none is: what still has no owner is refused.
pub(super) async fn until_served(context: &Context, split: Split) -> Split {
    let Some(until) = split.held_until() else { return split };
    let began = Instant::now();
    let partitions: Vec<_> = split.held().collect();
    handover::served(context, &partitions, until).await;
    metrics::produce_held(began.elapsed());
    split.release(context)
}
