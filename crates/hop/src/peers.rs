//! The processes this one calls, by address.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, future::BoxFuture};
use parking_lot::{Mutex, RwLock};
use process::{Drain, Net};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use crate::{
    Credentials, Role,
    api::{Api, Call, Response},
    client::{Dialler, Lane},
    error::HopError,
    limits::CONNECTIONS_PER_PEER,
    metrics::ClientMetrics,
    request::{Handler, HopHeader, HopRequest},
};

/// All peers of a process; cheap to clone.
#[derive(Clone)]
pub struct Peers {
    shared: Arc<Shared>,
}

struct Shared {
    dialler: Dialler,
    metrics: Arc<ClientMetrics>,
    entries: Mutex<HashMap<Arc<str>, Arc<Entry>>>,
}

/// One peer: a handler in this process, or a process elsewhere that is connected to when
/// first called and again when a connection is lost. Cheap to clone.
#[derive(Clone)]
pub struct Peer {
    entry: Arc<Entry>,
}

/// One address.
struct Entry {
    address: Arc<str>,
    local: RwLock<Option<Arc<dyn Handler>>>,
    lanes: [Arc<Lane>; CONNECTIONS_PER_PEER],
    metrics: Arc<ClientMetrics>,
}

type Answer = BoxFuture<'static, Result<Response, HopError>>;

/// A request that has its place, or none.
enum Sent {
    Local(Api, BoxFuture<'static, Response>),
    Remote(oneshot::Receiver<Result<Response, HopError>>),
    Refused(HopError),
}

// === impl Peers ===

impl Peers {
    /// Peers that this process will call as `role`. When `drain` begins, connections close
    /// as soon as nothing is under way on them.
    pub fn new(role: Role, credentials: impl Into<Credentials>, drain: Drain) -> Self {
        Self::on(Net::system(), role, credentials, drain)
    }

    /// The same on another network.
    pub fn on(net: Net, role: Role, credentials: impl Into<Credentials>, drain: Drain) -> Self {
        let dialler = Dialler { net, role, credentials: credentials.into(), drain };
        let metrics = Arc::new(ClientMetrics::new());
        Self { shared: Arc::new(Shared { dialler, metrics, entries: Mutex::default() }) }
    }

    /// What this process proves with that it is a member, also where it serves.
    pub fn credentials(&self) -> &Credentials {
        &self.shared.dialler.credentials
    }

    /// The network they are on: where this process listens, too.
    pub fn net(&self) -> &Net {
        &self.shared.dialler.net
    }

    /// Answers calls to `address` by a function call from now on, also of peers handed out.
    pub fn register_local(&self, address: &str, handler: Arc<dyn Handler>) {
        *self.entry(address).local.write() = Some(handler);
    }

    /// Undoes [`Peers::register_local`]: calls to `address` go over the network again.
    pub fn unregister_local(&self, address: &str) {
        *self.entry(address).local.write() = None;
    }

    /// The peer at `address` (`host:port`). Connects to nothing yet.
    pub fn peer(&self, address: &str) -> Peer {
        Peer { entry: self.entry(address) }
    }

    fn entry(&self, address: &str) -> Arc<Entry> {
        let mut entries = self.shared.entries.lock();
        if let Some(entry) = entries.get(address) {
            return Arc::clone(entry);
        }
        let address: Arc<str> = address.into();
        let entry = Arc::new(Entry {
            lanes: std::array::from_fn(|_| {
                Arc::new(Lane::new(Arc::clone(&address), self.shared.dialler.clone()))
            }),
            address: Arc::clone(&address),
            local: RwLock::default(),
            metrics: Arc::clone(&self.shared.metrics),
        });
        entries.insert(address, Arc::clone(&entry));
        entry
    }
}

// === impl Peer ===

impl Peer {
    /// Where the peer is.
    pub fn address(&self) -> &str {
        &self.entry.address
    }

    /// Sends a request. It has its place in its lane when this returns; the future waits for
    /// the answer, at most the header's deadline. Dropping the future gives up the answer,
    /// not the request.
    ///
    /// A lane's order ends with its connection: after [`HopError::Lost`] the peer may still
    /// be working on what was lost while it gets the next call. Whoever needs order beyond
    /// that must let everything under way end first (R45).
    pub fn call_ordered(&self, request: HopRequest) -> Answer {
        let started = Instant::now();
        let (api, deadline) = (request.body.api(), request.header.deadline);
        let metrics = Arc::clone(&self.entry.metrics);
        let sent = self.send(request);
        async move {
            let answer = timeout(deadline, sent.answer()).await.unwrap_or(Err(HopError::TimedOut));
            match &answer {
                Ok(_) => metrics.answered(api, started.elapsed()),
                Err(error) => metrics.failed(api, error),
            }
            answer
        }
        .boxed()
    }

    /// [`Peer::call_ordered`] with the types of one API.
    pub fn ask<M: Call>(
        &self,
        header: HopHeader,
        message: M,
    ) -> impl Future<Output = Result<M::Answer, HopError>> + Send + use<M> {
        let answer = self.call_ordered(HopRequest { header, body: message.into_request() });
        async move { M::answer(answer.await?).ok_or_else(another_question) }
    }

    /// Breaks its connections: calls under way end with [`HopError::Lost`] now. For a peer that is
    /// known to be over and may be too stuck to say so itself.
    pub fn disconnect(&self) {
        self.entry.lanes.iter().for_each(|lane| lane.disconnect());
    }

    /// Lets the next call connect, however often that failed before. For a peer that is known to
    /// be back.
    pub fn end_pause(&self) {
        self.entry.lanes.iter().for_each(|lane| lane.end_pause());
    }

    fn send(&self, request: HopRequest) -> Sent {
        let local = self.entry.local.read().clone();
        if let Some(handler) = local {
            return Sent::Local(request.body.api(), handler.call(request));
        }
        match self.entry.lane(request.header.lane).enqueue(request) {
            Ok(answer) => Sent::Remote(answer),
            Err(error) => Sent::Refused(error),
        }
    }
}

impl tower::Service<HopRequest> for Peer {
    type Response = Response;
    type Error = HopError;
    type Future = Answer;

    /// Always ready: what is too much is refused by the call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HopError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HopRequest) -> Self::Future {
        self.call_ordered(request)
    }
}

// === impl Entry ===

impl Entry {
    /// The connection that a lane keeps. Lanes may be numbered by anything, so the number is
    /// mixed first (Fibonacci hashing).
    fn lane(&self, lane: u64) -> &Arc<Lane> {
        let mixed = lane.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        &self.lanes[mixed as usize % CONNECTIONS_PER_PEER]
    }
}

// === impl Sent ===

impl Sent {
    async fn answer(self) -> Result<Response, HopError> {
        match self {
            Self::Local(api, answer) => {
                // What a server checks of its handler before it answers.
                let answer = answer.await;
                if answer.api() == api { Ok(answer) } else { Err(another_question()) }
            }
            // A connection always answers; if its task died instead, nobody knows more.
            Self::Remote(answer) => answer.await.unwrap_or(Err(HopError::Lost)),
            Self::Refused(error) => Err(error),
        }
    }
}

fn another_question() -> HopError {
    HopError::Protocol("peer answered another question".to_owned())
}
