//! One lane to one peer: a queue that a connection empties in order.
//!
//! ```text
//! no connection ──call──▶ connecting ──▶ connected ──lost──▶ no connection
//!       ▲                     │
//!       └── after a pause ◀───┘ failed: calls are refused meanwhile
//! ```
//!
//! Nothing connects unless a call wants to. A call that finds the pause refuses at once:
//! waiting there would hold up its caller for an answer that is known already.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use process::{Drain, Net};
use protocol::{release::Release, rope::Rope};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, mpsc::error::TrySendError, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{connection, pending::Reply};
use crate::{
    Credentials, Role,
    api::{Api, Request, Response},
    caller,
    error::HopError,
    frame::HEAD_BYTES,
    limits::{
        BACKOFF_MAX, BACKOFF_MIN, FRAME_BYTES_MAX, REQUEST_BYTES_QUEUED_MAX, REQUESTS_IN_FLIGHT_MAX,
    },
    request::{HopHeader, HopRequest},
};

/// What fits a frame besides head and caller block.
const BODY_BYTES_MAX: usize = FRAME_BYTES_MAX - HEAD_BYTES - caller::BLOCK_BYTES_MAX;

/// As whom this process connects, and until when.
#[derive(Clone)]
pub(crate) struct Dialler {
    pub(crate) net: Net,
    pub(crate) role: Role,
    pub(crate) credentials: Credentials,
    pub(crate) drain: Drain,
}

/// A lane.
pub(crate) struct Lane {
    pub(super) address: Arc<str>,
    pub(super) dialler: Dialler,
    state: Mutex<State>,
    /// The number of the release that the connection's ends agreed on; 0 while there is none.
    release: AtomicU16,
    /// Requests queued or under way.
    requests: Arc<Semaphore>,
    /// Bytes queued.
    bytes: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    /// To the connection's writer, if there is or will be one.
    queue: Option<mpsc::Sender<Outgoing>>,
    /// The newest connection, which may be over already.
    newest: Tenure,
    /// Connections that failed in a row.
    failures: u32,
    /// The end of the pause after the last failure.
    retry_at: Option<Instant>,
}

/// One connection's time on its lane.
#[derive(Debug, Clone, Default)]
pub(super) struct Tenure {
    /// Which of the lane's connections it is.
    number: u64,
    /// The lane's word that nobody waits for the peer any more.
    pub(super) given_up: CancellationToken,
}

/// A request that waits to be written.
pub(super) struct Outgoing {
    pub(super) api: Api,
    pub(super) message: Message,
    pub(super) header: HopHeader,
    pub(super) queued_at: Instant,
    pub(super) reply: Reply,
    pub(super) request_permit: OwnedSemaphorePermit,
    pub(super) byte_permit: OwnedSemaphorePermit,
}

/// A request's bytes, at the version that its connection speaks as far as that is known.
pub(super) struct Message {
    pub(super) version: i16,
    pub(super) body: Rope,
    /// What to write again at another version, if the connection was not made yet.
    request: Option<Box<Request>>,
}

// === impl Message ===

impl Message {
    /// Writes a request for a peer of this release; for one that is not known yet as for `newest`.
    pub(super) fn new(
        request: Request,
        known: Option<Release>,
        newest: Release,
    ) -> Result<Self, HopError> {
        let (version, body) = encode(&request, known.unwrap_or(newest))?;
        // Once a connection is there, nothing is allocated for this.
        let request = known.is_none().then(|| Box::new(request));
        Ok(Self { version, body, request })
    }

    /// The same for a connection of this release.
    pub(super) fn settle(self, api: Api, release: Release) -> Result<(i16, Rope), HopError> {
        match (api.version_in(release), self.request) {
            (Some(version), _) if version == self.version => Ok((version, self.body)),
            (_, Some(request)) => encode(&request, release),
            // The connection that it was written for was replaced by one of another release in
            // just this moment; nobody saw it.
            (_, None) => Err(HopError::Unreachable),
        }
    }
}

fn encode(request: &Request, release: Release) -> Result<(i16, Rope), HopError> {
    let api = request.api();
    let lacking = || {
        let name = api.name();
        HopError::Protocol(format!("{name} is not spoken with a peer of release {release}"))
    };
    let version = api.version_in(release).ok_or_else(lacking)?;
    let body = request.encode(version).map_err(|error| HopError::Protocol(error.to_string()))?;
    Ok((version, body))
}

// === impl Lane ===

impl Lane {
    pub(crate) fn new(address: Arc<str>, dialler: Dialler) -> Self {
        Self {
            address,
            dialler,
            state: Mutex::default(),
            release: AtomicU16::new(0),
            requests: Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT_MAX)),
            bytes: Arc::new(Semaphore::new(REQUEST_BYTES_QUEUED_MAX)),
        }
    }

    /// Puts a request in the queue; it has its place when this returns.
    pub(crate) fn enqueue(
        self: &Arc<Self>,
        request: HopRequest,
    ) -> Result<oneshot::Receiver<Result<Response, HopError>>, HopError> {
        let HopRequest { header, body } = request;
        let api = body.api();
        let message =
            Message::new(body, self.release(), self.dialler.credentials.releases().newest())?;
        let (reply, answer) = oneshot::channel();
        let outgoing = Outgoing {
            api,
            header,
            reply,
            request_permit: self.request_permit()?,
            byte_permit: self.byte_permit(&message.body)?,
            message,
            queued_at: Instant::now(),
        };
        self.send(outgoing)?;
        Ok(answer)
    }

    fn release(&self) -> Option<Release> {
        Release::new(self.release.load(Ordering::Relaxed))
    }

    fn request_permit(&self) -> Result<OwnedSemaphorePermit, HopError> {
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| HopError::Overloaded)
    }

    fn byte_permit(&self, body: &Rope) -> Result<OwnedSemaphorePermit, HopError> {
        let bytes = bytes::Buf::remaining(body);
        if bytes > BODY_BYTES_MAX {
            return Err(HopError::Protocol(format!("request of {bytes} bytes is too large")));
        }
        let bytes = u32::try_from(bytes).expect("a frame is below 4 GiB");
        Arc::clone(&self.bytes).try_acquire_many_owned(bytes).map_err(|_| HopError::Overloaded)
    }

    fn send(self: &Arc<Self>, outgoing: Outgoing) -> Result<(), HopError> {
        let mut state = self.state.lock();
        let outgoing = match &state.queue {
            None => outgoing,
            Some(queue) => match queue.try_send(outgoing) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(_)) => return Err(HopError::Overloaded),
                Err(TrySendError::Closed(outgoing)) => outgoing,
            },
        };
        self.forget(&mut state);
        if state.retry_at.is_some_and(|at| Instant::now() < at) {
            return Err(HopError::Unreachable);
        }
        // As long as the count of permits: sending to it never fails for being full.
        let (queue, outgoings) = mpsc::channel(REQUESTS_IN_FLIGHT_MAX);
        queue.try_send(outgoing).map_err(|_| HopError::Overloaded)?;
        state.queue = Some(queue);
        let number = state.newest.number + 1;
        state.newest = Tenure { number, given_up: CancellationToken::new() };
        let connection = connection::run(Arc::clone(self), outgoings, state.newest.clone());
        self.dialler.drain.spawn("hop connection", connection);
        Ok(())
    }

    /// Gives up the connection, with what is under way on it.
    pub(crate) fn disconnect(&self) {
        let mut state = self.state.lock();
        self.forget(&mut state);
        state.newest.given_up.cancel();
    }

    /// Ends the pause after a failure: the next call connects.
    pub(crate) fn end_pause(&self) {
        let mut state = self.state.lock();
        (state.failures, state.retry_at) = (0, None);
    }

    /// Connected → no connection. The connection that calls this takes no more requests.
    pub(super) fn retire(&self, tenure: &Tenure) {
        let mut state = self.state.lock();
        // Its successor keeps its queue.
        if state.newest.number == tenure.number {
            self.forget(&mut state);
        }
    }

    /// Connecting → connected: what the two ends agreed on.
    pub(super) fn agreed(&self, tenure: &Tenure, release: Release) {
        let state = self.state.lock();
        if state.newest.number == tenure.number && state.queue.is_some() {
            self.release.store(release.number(), Ordering::Relaxed);
        }
    }

    /// The next connection may lead to another process, of another release.
    fn forget(&self, state: &mut State) {
        state.queue = None;
        self.release.store(0, Ordering::Relaxed);
    }

    /// Connecting → paused.
    pub(super) fn failed(&self) -> u32 {
        let mut state = self.state.lock();
        state.failures = state.failures.saturating_add(1);
        state.retry_at = Some(Instant::now() + backoff(state.failures));
        state.failures
    }

    /// Connecting → connected: the peer has answered something.
    pub(super) fn succeeded(&self) {
        self.end_pause();
    }

    /// Whether nothing is queued or under way.
    pub(super) fn is_idle(&self) -> bool {
        self.requests.available_permits() == REQUESTS_IN_FLIGHT_MAX
    }
}

/// How long to refuse calls after this many failures in a row.
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    BACKOFF_MIN.saturating_mul(1 << doublings).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_bound() {
        assert_eq!(backoff(1), BACKOFF_MIN);
        assert_eq!(backoff(2), BACKOFF_MIN * 2);
        assert_eq!(backoff(4), BACKOFF_MIN * 8);
        assert_eq!(backoff(u32::MAX), BACKOFF_MAX);
    }
}
