//! One connection of a lane: a writer and a reader until it ends.
//!
//! How it ends decides what callers hear. Whatever never left the queue was surely not
//! delivered; whatever was written and not answered is unknown, unless the peer said that
//! it would not take it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use protocol::release::Release;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{
    connect,
    connect::Established,
    lane::{Lane, Outgoing, Tenure},
    pending::{Mismatch, Pending},
};
use crate::{
    Role,
    api::{Api, Response},
    error::HopError,
    frame::{Frame, Head, Kind},
    limits::{FRAMES_PER_WRITE_MAX, PING_INTERVAL, SILENCE_MAX},
    stream::{FrameBatch, FrameReader, ReadError, write_all},
};

/// Why a connection ended that was not meant to.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("peer is silent")]
    Silent,
    #[error("peer closed the connection")]
    Closed,
    #[error("cannot write")]
    Write,
    #[error("this process gave the peer up")]
    GivenUp,
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    #[error("answer cannot be read: {0}")]
    Answer(#[from] protocol::DecodeError),
    #[error("peer sent a frame of kind {0:?}")]
    Kind(Kind),
}

/// Connects and serves the lane's queue until the connection ends, or it is given up.
pub(super) async fn run(lane: Arc<Lane>, queue: mpsc::Receiver<Outgoing>, tenure: Tenure) {
    let connecting = connect::establish(&lane.dialler, &lane.address);
    let Some(connected) = tenure.given_up.run_until_cancelled(connecting).await else {
        return refuse(queue).await;
    };
    match connected {
        Ok(Established { read, write, role, release }) => {
            lane.agreed(&tenure, release);
            converse(Arc::new(Shared::new(lane, tenure, role, release)), queue, read, write).await;
        }
        Err(error) => {
            let failures = lane.failed();
            error.report(&lane.address, failures);
            refuse(queue).await;
        }
    }
}

/// The queue's requests were surely not delivered.
async fn refuse(mut queue: mpsc::Receiver<Outgoing>) {
    queue.close();
    while let Some(outgoing) = queue.recv().await {
        let _ = outgoing.reply.send(Err(HopError::Unreachable));
    }
}

/// What reader and writer of one connection share.
struct Shared {
    lane: Arc<Lane>,
    pending: Pending,
    tenure: Tenure,
    /// What the peer is, if that is certain.
    role: Option<Role>,
    /// What both ends behave as.
    release: Release,
    /// Ends the connection; comes with the lane's giving it up.
    stop: CancellationToken,
    /// Ends the writing; comes with `stop`, or before it when the peer goes away.
    stop_writing: CancellationToken,
    /// The lane does not put requests into this connection's queue any more.
    retired: AtomicBool,
}

impl Shared {
    fn new(lane: Arc<Lane>, tenure: Tenure, role: Option<Role>, release: Release) -> Self {
        let stop = tenure.given_up.child_token();
        let stop_writing = stop.child_token();
        let retired = AtomicBool::new(false);
        let pending = Pending::default();
        Self { lane, pending, tenure, role, release, stop, stop_writing, retired }
    }

    /// No more requests on this connection. The lane hears it first: a call that comes
    /// now gets a new connection rather than a place in a queue that nobody empties.
    fn stop_writing(&self) {
        if !self.retired.swap(true, Ordering::AcqRel) {
            self.lane.retire(&self.tenure);
        }
        self.stop_writing.cancel();
    }

    fn stop(&self) {
        self.stop_writing();
        self.stop.cancel();
    }

    /// Whether the peer is one that answers this. Another process may have the address now that
    /// somebody was told of long ago.
    fn answers(&self, api: Api) -> bool {
        let answers = self.role.is_none_or(|role| api.is_answered_by(role));
        if !answers {
            let (peer, role, api) = (&self.lane.address, self.role, api.name());
            tracing::debug!(%peer, ?role, api, "peer is of a role that does not answer this");
        }
        answers
    }

    fn why_stopped(&self) -> ConnectionError {
        let given_up = self.tenure.given_up.is_cancelled();
        if given_up { ConnectionError::GivenUp } else { ConnectionError::Write }
    }
}

async fn converse<R, W>(shared: Arc<Shared>, queue: mpsc::Receiver<Outgoing>, read: R, write: W)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let writing = write_requests(Arc::clone(&shared), queue, write);
    let writer = shared.lane.dialler.drain.spawn("hop writer", writing);
    let mut heard = false;
    let ended = read_answers(&shared, FrameReader::new(read), &mut heard).await;

    report(&shared.lane.address, &ended);
    if !heard {
        // It would be connected to in a loop otherwise.
        shared.lane.failed();
    }
    shared.stop();
    // The writer may have one batch in its hands: only when it is done is nothing added to
    // what is under way.
    let _ = writer.await;
    shared.pending.lost();
}

fn report(peer: &str, ended: &Result<(), ConnectionError>) {
    match ended {
        Ok(()) => tracing::debug!(peer, "connection closed"),
        Err(error @ (ConnectionError::Mismatch(_) | ConnectionError::Answer(_))) => {
            tracing::error!(peer, %error, "connection broken");
        }
        Err(error) => tracing::info!(peer, %error, "connection lost"),
    }
}

/// Writes what is queued, as much as there is in one write, until stopped. Returns the
/// stream, for closing it would tell the peer not to answer.
async fn write_requests<W>(
    shared: Arc<Shared>,
    mut queue: mpsc::Receiver<Outgoing>,
    mut stream: W,
) -> W
where
    W: AsyncWrite + Unpin,
{
    let mut taken = Vec::with_capacity(FRAMES_PER_WRITE_MAX);
    let mut batch = FrameBatch::default();
    let mut pings = tokio::time::interval(PING_INTERVAL);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shared.stop_writing.cancelled() => break,
            count = queue.recv_many(&mut taken, FRAMES_PER_WRITE_MAX) => {
                if count == 0 {
                    // Retired.
                    break;
                }
            }
            _ = pings.tick() => batch.frame(Head::bare(Kind::Ping, 0), &Default::default()),
        }
        let byte_permits = number(&shared, &mut taken, &mut batch);
        let written = tokio::select! {
            biased;
            () = shared.stop.cancelled() => break,
            written = write_all(&mut stream, batch.take()) => written,
        };
        drop(byte_permits);
        if written.is_err() {
            shared.stop();
            break;
        }
    }
    refuse(queue).await;
    stream
}

/// Moves requests from the queue to those under way. They are there before the first byte
/// is written, as an answer can be faster than the write's return.
fn number(
    shared: &Shared,
    taken: &mut Vec<Outgoing>,
    batch: &mut FrameBatch,
) -> Vec<OwnedSemaphorePermit> {
    let now = Instant::now();
    let mut byte_permits = Vec::with_capacity(taken.len());
    let mut refuses = false;
    for outgoing in taken.drain(..) {
        let Outgoing { api, mut header, message, queued_at, reply, request_permit, byte_permit } =
            outgoing;
        header.deadline = header.deadline.saturating_sub(now - queued_at);
        if refuses || !shared.answers(api) {
            let _ = reply.send(Err(HopError::Unreachable));
            continue;
        }
        let (version, body) = match message.settle(api, shared.release) {
            Ok(settled) => settled,
            Err(error) => {
                if error.is_definite() {
                    // Nothing of the lane is delivered after something that was not (R45).
                    refuses = true;
                    shared.stop_writing();
                }
                let _ = reply.send(Err(error));
                continue;
            }
        };
        match shared.pending.insert((api, version), header.tenant, reply, request_permit) {
            Ok(head) => {
                batch.request(head, &header, &body);
                byte_permits.push(byte_permit);
            }
            Err(reply) => {
                let _ = reply.send(Err(HopError::Unreachable));
            }
        }
    }
    byte_permits
}

/// Hands answers to their callers until the connection ends or is not needed any more.
/// `heard` becomes true with the first byte that comes.
async fn read_answers<R>(
    shared: &Shared,
    mut frames: FrameReader<R>,
    heard: &mut bool,
) -> Result<(), ConnectionError>
where
    R: AsyncRead + Unpin,
{
    let drain = &shared.lane.dialler.drain;
    let draining = drain.draining();
    tokio::pin!(draining);
    loop {
        while let Some(frame) = frames.take().map_err(ReadError::from)? {
            hand_over(shared, frame)?;
        }
        if drain.is_draining() && shared.lane.is_idle() {
            return Ok(());
        }
        let filled = tokio::select! {
            () = shared.stop.cancelled() => return Err(shared.why_stopped()),
            () = &mut draining, if !drain.is_draining() => continue,
            filled = tokio::time::timeout(SILENCE_MAX, frames.fill()) => filled,
        };
        if !filled.map_err(|_| ConnectionError::Silent)?? {
            // Expected of a peer that said it goes away.
            let expected = shared.stop_writing.is_cancelled();
            return if expected { Ok(()) } else { Err(ConnectionError::Closed) };
        }
        if !*heard {
            *heard = true;
            shared.lane.succeeded();
        }
    }
}

fn hand_over(shared: &Shared, frame: Frame) -> Result<(), ConnectionError> {
    let Frame { head, body, .. } = frame;
    let answer = match head.kind {
        Kind::Pong => return Ok(()),
        Kind::GoAway => {
            shared.stop_writing();
            shared.pending.go_away(head.correlation);
            return Ok(());
        }
        Kind::Response | Kind::Failed | Kind::Refused => shared.pending.take(&head)?,
        Kind::Request | Kind::Ping => return Err(ConnectionError::Kind(head.kind)),
    };
    if answer.reply.is_closed() {
        // A tombstone: the caller gave up, nobody needs the body read.
        return Ok(());
    }
    let outcome = match head.kind {
        Kind::Failed => Err(HopError::Lost),
        Kind::Refused => {
            let refused = format!("peer does not serve {}", answer.api.name());
            Err(HopError::Protocol(refused))
        }
        _ => match Response::decode(answer.api, head.api_version, body) {
            Ok(response) => Ok(response),
            Err(error) => {
                let _ = answer.reply.send(Err(HopError::Lost));
                return Err(error.into());
            }
        },
    };
    let _ = answer.reply.send(outcome);
    Ok(())
}

#[cfg(test)]
mod tests;
