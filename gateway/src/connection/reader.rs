//! The reading half: cuts frames and hands them to the stack, in order, within the limits.
//!
//! A length is looked at before anything is allocated for it, and memory is reserved from the
//! process's budget before it is read into (R61). How long each step may take is R62:
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
use protocol::limits::FRAME_BYTES_MAX_BEFORE_AUTHENTICATION;
use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout_at};
use tower::{Service, ServiceExt};

use super::{Pending, Permits, Shared};
use crate::call::{Client, Disconnect, Inbound};
use crate::config::LimitsConfig;
use crate::context::Core;
use crate::limits::{FRAME_BYTES_PER_SECOND_MIN, MUTE_LOOK, READ_BYTES};
use crate::quota::Mute;
use crate::stack::{self, RequestStack};

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
    /// KiB of requests being read or answered in this process.
    memory: Budget,
    /// While set, this is when a request must have been read, and the client be known.
    first_request_by: Option<Instant>,
    has_asked: bool,
}

/// A number of KiB to be shared out.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    permits: Arc<Semaphore>,
    kilobytes: u32,
}

/// One whole frame, without its length.
struct Frame {
    bytes: Bytes,
    of_connection: OwnedSemaphorePermit,
    of_process: OwnedSemaphorePermit,
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(
        core: &Arc<Core>,
        socket: ReadHalf,
        client: &Arc<Client>,
        shared: Shared,
    ) -> Self {
        let limits = core.config.limits.clone();
        Self {
            socket,
            buffer: BytesMut::new(),
            stack: stack::requests(core, client),
            client: Arc::clone(client),
            shared,
            bytes: Budget::new(limits.bytes_in_flight.as_u64()),
            memory: core.request_memory.clone(),
            first_request_by: Some(Instant::now() + limits.first_request_timeout),
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
            let answer = self.stack.ready().await?.call(inbound);
            let permits = Permits { _request: request, _bytes: of_connection, _memory: of_process };
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

    /// The next frame, unless the client's session ends before it is there.
    async fn next_unless_ended(
        &mut self,
    ) -> Result<Option<(Frame, OwnedSemaphorePermit)>, Disconnect> {
        // What the frame may be depends on what became of those before it.
        self.stack.settled().await;
        if self.has_asked && self.stack.is_known() {
            self.first_request_by = None;
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
        let Some(total) = self.length().await? else { return Ok(None) };
        let of_connection = self.bytes.take(total).await;
        let of_process = self.memory.take(total).await;
        self.fill(total).await?;
        self.has_asked = true;
        Ok(Some(Frame { bytes: self.cut(total), of_connection, of_process }))
    }

    /// The length of the next frame, its prefix included, as soon as the prefix is there.
    async fn length(&mut self) -> Result<Option<usize>, Disconnect> {
        loop {
            let bytes_max = if self.stack.is_known() {
                usize::try_from(self.limits.request_size.as_u64()).unwrap_or(usize::MAX)
            } else {
                FRAME_BYTES_MAX_BEFORE_AUTHENTICATION
            };
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

    /// Reads until `total` bytes are there.
    async fn fill(&mut self, total: usize) -> Result<(), Disconnect> {
        if self.buffer.len() >= total {
            return Ok(());
        }
        self.buffer.reserve(total - self.buffer.len());
        let slowest = Duration::from_secs(total as u64 / FRAME_BYTES_PER_SECOND_MIN);
        let deadline = Instant::now() + self.limits.frame_timeout.max(slowest);
        while self.buffer.len() < total {
            match self.read(deadline.saturating_duration_since(Instant::now())).await? {
                Some(0) => return Err(Disconnect::Truncated),
                Some(_) => {}
                None => return Err(Disconnect::SlowRequest),
            }
        }
        Ok(())
    }

    /// Reads once; `None` if nothing came in time.
    async fn read(&mut self, wait: Duration) -> Result<Option<usize>, Disconnect> {
        let deadline = Instant::now() + wait;
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

// === impl Budget ===

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        let kilobytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX >> 3).max(1);
        Self { permits: Arc::new(Semaphore::new(kilobytes as usize)), kilobytes }
    }

    /// Waits for `bytes` of it; more than there is takes all of it.
    async fn take(&self, bytes: usize) -> OwnedSemaphorePermit {
        let kilobytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let permits = Arc::clone(&self.permits);
        let taken = permits.acquire_many_owned(kilobytes.min(self.kilobytes)).await;
        taken.expect("never closed")
    }

    /// `bytes` of it if they are there now.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kilobytes = u32::try_from(bytes.div_ceil(1024)).ok()?;
        Arc::clone(&self.permits).try_acquire_many_owned(kilobytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_budget_lets_one_oversized_request_through_alone() {
        let budget = Budget::new(8 * 1024);
        let small = budget.take(100).await;
        assert!(budget.take(1 << 30).now_or_never().is_none(), "not beside another");
        drop(small);
        let large = budget.take(1 << 30).now_or_never().expect("alone");
        assert!(budget.take(1).now_or_never().is_none());
        drop(large);
        assert!(budget.take(1).now_or_never().is_some());
    }
}
