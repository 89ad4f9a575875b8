//! One connection of a server: requests in, in their order, each started before the next is
//! looked at.

use std::sync::Arc;

use process::Drain;
use protocol::{DecodeError, preflight, preflight::PreflightError, release::Release};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Semaphore, mpsc},
};
use tokio_util::sync::CancellationToken;

use super::{
    calls::{Call, Permits},
    responder::{self, Item},
};
use crate::{
    Role,
    api::{Api, Request},
    caller::{self, CallerError},
    frame::{Frame, Kind},
    limits::{FRAME_TIMEOUT, REQUEST_BYTES_TAKEN_MAX, REQUESTS_IN_FLIGHT_MAX},
    metrics::ServerMetrics,
    request::{Handler, HopRequest},
    stream::{FrameReader, ReadError},
};

/// Keys from here on are ours, below they are Kafka's.
const FIRST_OWN_KEY: i16 = 10_000;

/// What a connection serves with.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) handler: Arc<dyn Handler>,
    pub(super) metrics: Arc<ServerMetrics>,
    pub(super) drain: Drain,
    /// What the peer is, and so what it may ask.
    pub(super) role: Role,
    /// What both ends behave as, and so at which versions the peer asks.
    pub(super) release: Release,
}

/// Why a connection ended that was not meant to. It is the only thing that ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("no whole frame in time")]
    Slow,
    #[error("answers cannot be written")]
    Write,
    #[error("peer sent a frame of kind {0:?}")]
    Kind(Kind),
    #[error("request {got} follows request {last}")]
    Correlation { last: u64, got: u64 },
    #[error(transparent)]
    Caller(#[from] CallerError),
    #[error("request cannot be read: {0}")]
    Preflight(#[from] PreflightError),
    #[error("request cannot be read: {0}")]
    Request(#[from] DecodeError),
}

/// Serves one connection until it ends or `drain` begins and the last answer is written.
pub(super) async fn serve<R, W>(serving: Serving, read: R, write: W) -> Result<(), ConnectionError>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let gone = CancellationToken::new();
    let (items, to_answer) = mpsc::channel(REQUESTS_IN_FLIGHT_MAX);
    let answering = responder::run(to_answer, write, Arc::clone(&serving.metrics), gone.clone());
    let responder = serving.drain.spawn("hop responder", answering);

    let mut taker = Taker::new(serving, items);
    let ended = taker.run(FrameReader::new(read)).await;
    if matches!(ended, Ok(Ended::Draining)) {
        // The last answers are written before the stream is closed.
        taker.finish().await;
    } else {
        gone.cancel();
        drop(taker);
    }
    let _ = responder.await;
    ended.map(drop)
}

/// How a connection ends when all is well.
enum Ended {
    /// The peer closed it.
    Closed,
    /// This process stops.
    Draining,
}

/// Takes requests from frames and starts them.
struct Taker {
    serving: Serving,
    items: mpsc::Sender<Item>,
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    /// Correlation of the request taken last.
    last: u64,
    /// It is loud once.
    has_asked_too_much: bool,
}

// === impl Taker ===

impl Taker {
    fn new(serving: Serving, items: mpsc::Sender<Item>) -> Self {
        Self {
            serving,
            items,
            requests: Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT_MAX)),
            bytes: Arc::new(Semaphore::new(REQUEST_BYTES_TAKEN_MAX)),
            last: 0,
            has_asked_too_much: false,
        }
    }

    async fn run<R>(&mut self, mut frames: FrameReader<R>) -> Result<Ended, ConnectionError>
    where
        R: AsyncRead + Unpin,
    {
        let draining = self.serving.drain.draining();
        tokio::pin!(draining);
        loop {
            let next = tokio::select! {
                biased;
                () = &mut draining => return Ok(Ended::Draining),
                next = tokio::time::timeout(FRAME_TIMEOUT, frames.next()) => next,
            };
            let Some(frame) = next.map_err(|_| ConnectionError::Slow)?? else {
                return Ok(Ended::Closed);
            };
            let item = match frame.head.kind {
                Kind::Request => self.take(frame).await?,
                Kind::Ping => Item::Pong,
                kind => return Err(ConnectionError::Kind(kind)),
            };
            self.items.send(item).await.map_err(|_| ConnectionError::Write)?;
        }
    }

    /// Reads and starts one request. Waits while too much is under way already: then TCP
    /// holds back the peer.
    async fn take(&mut self, frame: Frame) -> Result<Item, ConnectionError> {
        let Frame { head, caller, body } = frame;
        // The peer counts the same requests, or GoAway would mean different ones to us.
        if head.correlation != self.last + 1 {
            return Err(ConnectionError::Correlation { last: self.last, got: head.correlation });
        }
        let header = caller::parse(head.tenant, &caller)?;
        let permits = self.permits(body.len()).await;
        self.last = head.correlation;
        let version = head.api_version;
        let Some(api) = Api::from_wire(head.api_key, version, self.serving.release) else {
            // Nothing that the release has which was agreed on: it is told, and the connection
            // lives on.
            return Ok(Item::Refused(head));
        };
        if !self.may_ask(api) {
            return Ok(Item::Refused(head));
        }
        if api.key() < FIRST_OWN_KEY {
            preflight::walk(api.key(), version, &body)?;
        }
        let body = Request::decode(api, version, body)?;
        let request = HopRequest { header, body };
        Ok(Item::Call(Call::start(&*self.serving.handler, head, request, permits)))
    }

    /// Whether the peer has any business to ask this (R57).
    fn may_ask(&mut self, api: Api) -> bool {
        let role = self.serving.role;
        let may_ask = api.may_be_asked_by(role);
        if !may_ask {
            self.serving.metrics.refused("request");
            if !std::mem::replace(&mut self.has_asked_too_much, true) {
                tracing::warn!(%role, api = api.name(), "peer asked what its role may not");
            }
        }
        may_ask
    }

    async fn permits(&self, bytes: usize) -> Permits {
        const OPEN: &str = "these semaphores are never closed";
        let bytes = u32::try_from(bytes).expect("a frame is below 4 GiB");
        Permits {
            _request: Arc::clone(&self.requests).acquire_owned().await.expect(OPEN),
            _bytes: Arc::clone(&self.bytes).acquire_many_owned(bytes).await.expect(OPEN),
        }
    }

    /// Tells the peer which request was the last; the responder ends after its answer.
    async fn finish(self) {
        let _ = self.items.send(Item::GoAway(self.last)).await;
    }
}
