//! One client connection: frames in, answers out, in order.
//!
//! One task drives both halves. [`reader`] cuts frames under the limits and calls the request
//! stack, which starts each request before the next is read (R45); [`writer`] polls all answers
//! under way, puts them back in request order and writes those that are ready in one go.
//!
//! ```text
//! socket ─► reader ── stack.call ──► pending answers ──► writer ─► socket
//!              ▲     one permit per request and byte     │
//!              └───────────── given back ────────────────┘
//! ```
//!
//! What is under way is bounded by those permits; a client that sends more is not read from, and
//! TCP tells it so. A connection that fails takes nothing with it: its unsent requests are dropped
//! (R37), answers that nobody waits for any more are dropped where they arrive.

mod budget;
mod pace;
mod reader;
mod writer;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use process::net::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tower::Service;

pub(crate) use self::budget::RequestMemory;
use self::budget::Reserved;
use self::reader::{Ended, Reader};
use self::writer::Writer;
use crate::call::{Client, Disconnect, Reply, Secured};
use crate::context::Core;
#[cfg(test)]
use crate::layers::Stages;
use crate::limits::FETCHES_IN_FLIGHT;
use crate::metrics;
use crate::quota::Mute;
#[cfg(test)]
use crate::stack;
use crate::strangers::Stranger;

/// Serves connections, each with a request stack of its own.
#[derive(Clone)]
pub(crate) struct Connections {
    core: Arc<Core>,
}

/// A request under way: its answer, and the permits it holds until that is written.
struct Pending {
    answer: BoxFuture<'static, Result<Reply, Disconnect>>,
    permits: Permits,
}

/// What a request under way occupies. Only ever dropped.
struct Permits {
    _request: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
    /// Not of a client that proves who it is: those are few, and their frames short, so that nobody's
    /// requests keep them out, nor theirs anybody.
    _memory: Option<Reserved>,
    /// If it is one.
    _fetch: Option<OwnedSemaphorePermit>,
}

/// What reader and writer of one connection share.
#[derive(Clone)]
struct Shared {
    /// Requests under way; the idle timeout runs only while all permits are home.
    requests: Arc<Semaphore>,
    requests_max: usize,
    fetches: Arc<Semaphore>,
    /// Not to be read from before this is paid (KIP-219).
    mute: Arc<Mutex<Mute>>,
}

// === impl Connections ===

impl Connections {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

impl Service<Secured> for Connections {
    type Response = ();
    type Error = Disconnect;
    type Future = BoxFuture<'static, Result<(), Disconnect>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Secured { stream, client, stranger }: Secured) -> Self::Future {
        let core = Arc::clone(&self.core);
        async move {
            let result = serve(&core, stream, &client, stranger).await;
            if let Err(error) = &result {
                metrics::disconnected(error.reason());
                tracing::debug!(client = %client.host.as_str(), %error, "connection ended");
            }
            result
        }
        .boxed()
    }
}

#[cfg(test)]
impl Stages for Connections {
    fn stages(&self, names: &mut Vec<&'static str>) {
        names.push("frame limit");
        stack::requests(&self.core, &Arc::new(Client::for_tests())).stages(names);
    }
}

async fn serve(
    core: &Arc<Core>,
    stream: Stream,
    client: &Arc<Client>,
    stranger: Stranger,
) -> Result<(), Disconnect> {
    let limits = &core.config.limits;
    let (read_half, write_half) = stream.into_inner();
    let (pending_sender, pending) = mpsc::channel(limits.requests_in_flight);
    let shared = Shared {
        requests: Arc::new(Semaphore::new(limits.requests_in_flight)),
        requests_max: limits.requests_in_flight,
        fetches: Arc::new(Semaphore::new(FETCHES_IN_FLIGHT)),
        mute: Arc::default(),
    };
    let reader = Reader::new(core, read_half, client, stranger, shared.clone());
    let writer = Writer::new(write_half, limits.write_timeout, core.background.clone(), shared);
    let mut writing = pin!(writer.run(pending));
    let ending = async {
        tokio::select! {
            () = core.drain.draining() => {}
            () = core.departure.of(client) => {}
        }
    };
    let end = core.directory.end_of(client.tenant);
    tokio::select! {
        ended = reader.run(pending_sender, ending) => match ended? {
            Ended::ByClient => Ok(()),
            Ended::ByDrain => finish(writing, core.config.drain_timeout).await,
        },
        written = &mut writing => written,
        // What is under way is for nobody any more.
        () = end.cancelled() => Err(Disconnect::NoTenant),
    }
}

/// Lets the requests under way finish, but not for ever: a join may wait for minutes.
async fn finish(
    writing: impl Future<Output = Result<(), Disconnect>>,
    patience: Duration,
) -> Result<(), Disconnect> {
    timeout(patience, writing).await.unwrap_or(Ok(()))
}
