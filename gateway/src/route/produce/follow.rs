//! Batches that follow their partition to its next owner.
//!
//! While a partition moves, the node that leaves it still serves, and from some moment on refuses,
//! before it appends anything (R44). What it refused goes to the next owner as soon as that serves
//! (R49), for a client that was told would back off for longer than that takes. What comes after the
//! first refusal is sent to nobody in between, and treated as if it had been refused as well.
//!
//! Order (R45): the node refuses everything of a partition from the first refusal on. Produces that
//! may be refused take [turns](Turn) in the order in which they came, for being sent again. Those that
//! come when the next owner serves are not sent before all that were refused are in its lane, because
//! until then they count as under way to the one before ([`UnderWay::settled`]). Nor is anything sent
//! again while what was sent before the move was seen has no answer: if that comes again, what is
//! behind it has to wait for it ([`UnderWay::keep_order`]). All the while other
//! partitions of the connection go on.

use protocol::ErrorCode;
use protocol::messages::{ProduceRequest, ProduceResponse};
use tokio::time::Instant;

use super::order::{Sent, Turn, UnderWay};
use super::split::{Split, Unrouted};
use super::{hold, send};
use crate::context::Context;
use crate::metrics;

/// What one produce sends to nodes that are about to give partitions up.
pub(super) struct Following {
    message: ProduceRequest,
    batches: Vec<Unrouted>,
    turn: Turn,
    /// What is sent to nobody yet is under way all the same.
    astray: Vec<Sent>,
}

// === impl Following ===

impl Following {
    /// What `split` has of it, mostly nothing. To be called in the order of sending.
    pub(super) fn of(split: &mut Split, tracker: &UnderWay) -> Option<Self> {
        let astray = split.astray().map(|batch| tracker.begin(None, vec![batch]));
        let astray = astray.collect();
        let (message, batches) = split.following()?;
        Some(Self { message, batches, turn: tracker.turn(), astray })
    }

    /// Sends what was refused to those who serve now, and puts their answers in the place of the
    /// refusals. `under_way` is what was sent before.
    pub(super) async fn run(
        self,
        context: &Context,
        tracker: UnderWay,
        response: ProduceResponse,
        under_way: Vec<Sent>,
    ) -> ProduceResponse {
        let Self { message, batches, mut turn, astray } = self;
        let is_refused =
            |batch: &Unrouted| batch.slot.code(&response) == ErrorCode::NotLeaderOrFollower;
        let refused: Vec<_> = batches.into_iter().filter(is_refused).collect();
        if refused.is_empty() {
            // Whoever has the next turn comes after the one before, too.
            turn.come().await;
            return response;
        }
        metrics::produce_followed(refused.len());
        let takeovers = &context.core.takeovers;
        let left = refused.iter().map(|batch| takeovers.left(batch.id)).max();
        let until = left.unwrap_or_else(Instant::now) + takeovers.hold();
        let places: Vec<_> = refused.iter().map(|batch| (batch.id, batch.slot)).collect();
        let split = Split::again(response, message, refused, until);
        let mut split = hold::until_served(context, split).await;
        turn.come().await;
        // What had been sent before the move was seen has no turn.
        tracker.unturned_settled(places.iter().map(|(partition, _)| *partition).collect()).await;
        tracker.keep_order(&mut split);
        let sent = send(context, split, &tracker);
        drop((under_way, astray));
        drop(turn);
        let (response, _) = sent.await;
        for (partition, slot) in places {
            let code = slot.code(&response);
            if code == ErrorCode::NotLeaderOrFollower {
                tracing::debug!(%partition, "nobody serves the partition yet");
            }
        }
        response
    }
}
