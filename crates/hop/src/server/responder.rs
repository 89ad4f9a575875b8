//! Answers out, as they complete: whatever is complete goes into one write.

use std::sync::Arc;

use bytes::Buf;
use futures::{FutureExt, Stream, StreamExt, stream::FuturesUnordered};
use protocol::rope::Rope;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::calls::{Answered, Call};
use crate::{
    frame::{HEAD_BYTES, Head, Kind},
    limits::{FRAME_BYTES_MAX, FRAMES_PER_WRITE_MAX},
    metrics::ServerMetrics,
    stream::{FrameBatch, write_all},
};

/// What a connection owes its peer.
pub(super) enum Item {
    /// The answer to a request.
    Call(Call),
    /// The word that a request was not taken.
    Refused(Head),
    /// The answer to a ping.
    Pong,
    /// The word that requests after this one will not be taken.
    GoAway(u64),
}

/// Answers until there will be no more items and all calls are answered, or until the peer
/// is `gone`. Calls still waiting then are dropped.
pub(super) async fn run<W>(
    mut items: mpsc::Receiver<Item>,
    mut stream: W,
    metrics: Arc<ServerMetrics>,
    gone: CancellationToken,
) where
    W: AsyncWrite + Unpin,
{
    let mut calls = FuturesUnordered::new();
    let mut batch = Batch { frames: FrameBatch::default(), metrics };
    let mut open = true;
    while open || !calls.is_empty() {
        tokio::select! {
            biased;
            () = gone.cancelled() => return,
            Some(answered) = calls.next() => batch.answer(answered),
            item = items.recv(), if open => match item {
                Some(item) => batch.admit(item, |call| calls.push(call.answered())),
                None => open = false,
            },
        }
        // Whatever else is ready rides along.
        while batch.frames.len() < FRAMES_PER_WRITE_MAX
            && let Ok(item) = items.try_recv()
        {
            batch.admit(item, |call| calls.push(call.answered()));
        }
        batch.gather(&mut calls);
        if batch.frames.len() == 0 {
            continue;
        }
        let written = tokio::select! {
            biased;
            () = gone.cancelled() => return,
            written = write_all(&mut stream, batch.frames.take()) => written,
        };
        if let Err(error) = written {
            return tracing::debug!(%error, "answers cannot be written");
        }
    }
    // The peer hears the end of the stream after its last answer.
    let _ = stream.shutdown().await;
}

/// Frames for one write.
struct Batch {
    frames: FrameBatch,
    metrics: Arc<ServerMetrics>,
}

impl Batch {
    fn admit(&mut self, item: Item, start: impl FnOnce(Call)) {
        match item {
            Item::Call(call) => start(call),
            Item::Refused(head) => {
                self.frames.frame(head.answered(Kind::Refused), &Rope::default());
            }
            Item::Pong => self.frames.frame(Head::bare(Kind::Pong, 0), &Rope::default()),
            Item::GoAway(last) => {
                self.frames.frame(Head::bare(Kind::GoAway, last), &Rope::default());
            }
        }
    }

    /// Adds the answers that are complete, without waiting for one.
    fn gather(&mut self, calls: &mut (impl Stream<Item = Answered> + Unpin)) {
        while self.frames.len() < FRAMES_PER_WRITE_MAX
            && let Some(Some(answered)) = calls.next().now_or_never()
        {
            self.answer(answered);
        }
    }

    fn answer(&mut self, answered: Answered) {
        let Answered { head, api, started, response } = answered;
        self.metrics.answered(api, started.elapsed(), response.is_some());
        match response.map(|response| response.encode(head.api_version)) {
            Some(Ok(body)) if HEAD_BYTES + body.remaining() <= FRAME_BYTES_MAX => {
                self.frames.frame(head.answered(Kind::Response), &body);
            }
            Some(Ok(body)) => {
                tracing::error!(api = api.name(), bytes = body.remaining(), "answer is too large");
                self.frames.frame(head.answered(Kind::Failed), &Rope::default());
            }
            Some(Err(error)) => {
                tracing::error!(api = api.name(), %error, "answer cannot be written");
                self.frames.frame(head.answered(Kind::Failed), &Rope::default());
            }
            None => self.frames.frame(head.answered(Kind::Failed), &Rope::default()),
        }
    }
}
