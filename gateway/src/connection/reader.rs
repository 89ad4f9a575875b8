//! The reading half: cuts frames and hands them to the stack, in order, within the limits.
//!
//! A length is looked at before anything is allocated for it, and once the client is known memory is
//! reserved before it is read into (R61). How long each step may take is R62:
//!
//! ```text
//! accept ──10 s──► first request whole      then, per request:
//!                  idle ──10 min──► first byte ──30 s or 16 KiB/s──► whole
//! ```

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use process::net::ReadHalf;
use protocol::frame;
use protocol::header::{self, RequestHeader};
use protocol::limits::{FRAME_BYTES_MAX_BEFORE_AUTHENTICATION, FRAME_BYTES_MAX_OF_TOKEN};
use protocol::messages::ApiKey;
use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep, timeout_at};
use tower::{Service, ServiceExt};

use super::budget::{Budget, Reserved, Share};
use super::pace::Pace;
use super::{Pending, Permits, Shared};
use crate::call::{Client, Disconnect, Inbound};
use crate::config::LimitsConfig;
use crate::context::Core;
use crate::limits::{MUTE_LOOK, READ_BYTES};
use crate::quota::Mute;
use crate::stack::{self, RequestStack};
use crate::strangers::Stranger;

/// How a connection ended that did nothing wrong.
pub(super) enum Ended {
    /// The client closed it between two requests.
    ByClient,
    /// This process is shutting down; requests under way may finish.
    ByDrain,
}

/// Reads one connection.
pub(super) struct Reader {
    socket: ReadHalf,
    buffer: BytesMut,
    stack: RequestStack,
    client: Arc<Client>,
    shared: Shared,
    limits: LimitsConfig,
    /// KiB of requests under way on this connection.
    bytes: Budget,
    /// For requests being read or answered in this process.
    memory: Share,
    /// Until the client is known and has asked something.
    stranger: Option<Stranger>,
    /// While set, this is when a request must have been read, and the client be known.
    first_request_by: Option<Instant>,
    has_asked: bool,
}

/// One whole frame, without its length.
struct Frame {
    bytes: Bytes,
    of_connection: OwnedSemaphorePermit,
    of_process: Option<Reserved>,
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(
        core: &Arc<Core>,
        socket: ReadHalf,
        client: &Arc<Client>,
        stranger: Stranger,
        shared: Shared,
    ) -> Self {
        let limits = core.config.limits.clone();
        // The handshake was a part of it.
        let patience = stranger.left_of(limits.first_request_timeout);
        Self {
            socket,
            buffer: BytesMut::new(),
            stack: stack::requests(core, client),
            client: Arc::clone(client),
            shared,
            bytes: Budget::new(limits.bytes_in_flight.as_u64()),
            memory: core.request_memory.share(client.tenant),
            stranger: Some(stranger),
            first_request_by: Some(Instant::now() + patience),
            has_asked: false,
            limits,
        }
    }

    /// Reads requests until the connection ends. Dropping the sender tells the writer so.
    pub(super) async fn run(
        mut self,
        pending: mpsc::Sender<Pending>,
        draining: impl Future<Output = ()>,
    ) -> Result<Ended, Disconnect> {
        let mut draining = pin!(draining);
        loop {
            let next = tokio::select! {
                biased;
                () = &mut draining => return Ok(Ended::ByDrain),
                next = self.next_unless_ended() => next?,
            };
            let Some((Frame { bytes, of_connection, of_process }, request)) = next else {
                return Ok(Ended::ByClient);
            };
            let inbound = self.inbound(bytes)?;
            let fetch = self.turn(&inbound).await;
            let answer = self.stack.ready().await?.call(inbound);
            let permits = Permits {
                _request: request,
                _bytes: of_connection,
                _memory: of_process,
                _fetch: fetch,
            };
            if pending.send(Pending { answer: Box::pin(answer), permits }).await.is_err() {
                // The writer has ended, and says why.
                return std::future::pending().await;
            }
        }
    }

    fn inbound(&self, mut bytes: Bytes) -> Result<Inbound, Disconnect> {
        let header = if self.stack.takes_bare_tokens() {
            RequestHeader::of_bare_token()
        } else {
            header::parse(&mut bytes)?
        };
        let client = Arc::clone(&self.client);
        Ok(Inbound { header, body: bytes, client, received: Instant::now() })
    }

    /// Waits until the answer to the last fetch is written, if this is another.
    async fn turn(&self, inbound: &Inbound) -> Option<OwnedSemaphorePermit> {
        if inbound.header.api() != Some(ApiKey::Fetch) {
            return None;
        }
        let turn = Arc::clone(&self.shared.fetches).acquire_owned().await;
        Some(turn.expect("never closed"))
    }

    /// The next frame, unless the client's session ends before it is there.
    async fn next_unless_ended(
        &mut self,
    ) -> Result<Option<(Frame, OwnedSemaphorePermit)>, Disconnect> {
        // What the frame may be depends on what became of those before it.
        self.stack.settled().await;
        if self.has_asked && self.stack.is_known() {
            self.first_request_by = None;
            self.stranger = None;
        }
        let end = self.stack.session_end();
        tokio::select! {
            why = end => Err(why),
            next = self.next() => next,
        }
    }

    /// The next frame, once there is room for one more request and the client may be read from.
    async fn next(&mut self) -> Result<Option<(Frame, OwnedSemaphorePermit)>, Disconnect> {
        let request = Arc::clone(&self.shared.requests).acquire_owned();
        let request = request.await.expect("never closed");
        self.unmuted().await;
        Ok(self.frame().await?.map(|frame| (frame, request)))
    }

    /// Waits out the pause that a quota imposed (KIP-219).
    async fn unmuted(&self) {
        loop {
            let wait = {
                let mut mute = self.shared.mute.lock();
                let wait = mute.wait();
                if wait.is_zero() {
                    *mute = Mute::default();
                    return;
                }
                wait
            };
            // Shares of quotas change, and with them how long it takes.
            sleep(wait.min(MUTE_LOOK)).await;
        }
    }

    /// The next frame; `None` if the client closed the connection before one began.
    async fn frame(&mut self) -> Result<Option<Frame>, Disconnect> {
        self.stranger.iter().for_each(Stranger::is_awaited);
        let Some(total) = self.length().await? else { return Ok(None) };
        // For what comes now it may be us who are late.
        self.stranger.iter().for_each(Stranger::is_heard);
        let of_connection = self.bytes.take(total).await;
        let of_process = match self.stack.is_known() {
            true => Some(self.memory.take(total).await),
            false => None,
        };
        self.stranger.iter().for_each(Stranger::is_awaited);
        self.fill(total).await?;
        self.stranger.iter().for_each(Stranger::is_heard);
        self.has_asked = true;
        Ok(Some(Frame { bytes: self.cut(total), of_connection, of_process }))
    }

    /// The length of the next frame, its prefix included, as soon as the prefix is there.
    async fn length(&mut self) -> Result<Option<usize>, Disconnect> {
        loop {
            let bytes_max = self.frame_bytes_max();
            let total = if self.stack.takes_bare_tokens() {
                frame::expected_bare(&self.buffer, bytes_max)?
            } else {
                frame::expected(&self.buffer, bytes_max)?
            };
            if let Some(total) = total {
                return Ok(Some(total));
            }
            let begun = !self.buffer.is_empty();
            let wait = if begun { self.limits.frame_timeout } else { self.limits.idle_timeout };
            match self.read(wait).await? {
                Some(0) if begun => return Err(Disconnect::Truncated),
                Some(0) => return Ok(None),
                Some(_) => {}
                None if begun => return Err(Disconnect::SlowRequest),
                // Waiting for an answer is not idling: a join may take minutes.
                None if self.awaits_answers() && self.first_request_by.is_none() => {}
                None => return Err(Disconnect::Silent),
            }
        }
    }

    /// How long a frame may be of whom the client is said or known to be.
    fn frame_bytes_max(&self) -> usize {
        if self.stack.is_known() {
            return usize::try_from(self.limits.request_size.as_u64()).unwrap_or(usize::MAX);
        }
        match self.stack.is_proving() {
            true => FRAME_BYTES_MAX_OF_TOKEN,
            false => FRAME_BYTES_MAX_BEFORE_AUTHENTICATION,
        }
    }

    /// Reads until `total` bytes are there.
    async fn fill(&mut self, total: usize) -> Result<(), Disconnect> {
        if self.buffer.len() >= total {
            return Ok(());
        }
        self.buffer.reserve(total - self.buffer.len());
        let (pace, there) = (Pace::new(self.limits.frame_timeout), self.buffer.len());
        while self.buffer.len() < total {
            match self.read_by(pace.deadline(self.buffer.len() - there)).await? {
                Some(0) => return Err(Disconnect::Truncated),
                Some(_) => {}
                None => return Err(Disconnect::SlowRequest),
            }
        }
        Ok(())
    }

    /// Reads once; `None` if nothing came in time.
    async fn read(&mut self, wait: Duration) -> Result<Option<usize>, Disconnect> {
        self.read_by(Instant::now() + wait).await
    }

    async fn read_by(&mut self, deadline: Instant) -> Result<Option<usize>, Disconnect> {
        let deadline = self.first_request_by.map_or(deadline, |by| deadline.min(by));
        if self.buffer.capacity() == self.buffer.len() {
            self.buffer.reserve(READ_BYTES);
        }
        match timeout_at(deadline, self.socket.read_buf(&mut self.buffer)).await {
            // Over TLS the end without a word; what it cuts off, the frame's length tells.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(Some(0)),
            Ok(arrived) => Ok(Some(arrived?)),
            Err(_) => Ok(None),
        }
    }

    fn cut(&mut self, total: usize) -> Bytes {
        let mut frame = self.buffer.split_to(total);
        frame.advance(frame::PREFIX_BYTES);
        if self.buffer.is_empty() {
            // What is left of the allocation would keep the whole frame alive while we idle.
            self.buffer = BytesMut::new();
        }
        frame.freeze()
    }

    fn awaits_answers(&self) -> bool {
        // One permit is for the request being read.
        self.shared.requests.available_permits() + 1 < self.shared.requests_max
    }
}
