//! One shard: the coordinator of one internal partition, as a task.
//!
//! ```text
//!            ┌─────── pause: our bug, or no proof of ownership ──────────┐
//!            ▼                                                           │
//!   load: replay the log ──► serve: commands, ticks, snapshots ──────────┤
//!            │ not ours any more        │ not ours any more, or draining │
//!            └──────────────────────────┴──────────► gone
//! ```
//!
//! The task owns the state; others hold a [`ShardHandle`]. Whoever waits for an answer when the
//! shard goes is told so by the closed channel.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use coordinator::{Command, Reply, Topics};
use futures::FutureExt;
use process::{Clock, Drain};
use protocol::StrBytes;
use protocol::ids::{TenantId, TopicId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::limits::{INBOX_COMMANDS_MAX, RETRY_MAX, RETRY_MIN};
use super::state_log::StateLog;
use super::transactions::neighbours::Neighbours;

mod append;
mod load;
mod serving;
mod snapshots;

use serving::Serving;

/// Who asks, as the coordinator needs to know it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) tenant: TenantId,
    pub(crate) id: StrBytes,
    pub(crate) host: StrBytes,
}

/// A command on its way to the shard's task.
pub(crate) struct Message {
    pub(crate) client: Client,
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// Why a command was not carried out, or not surely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The shard reads its log (R41).
    Loading,
    /// The shard is not here, or has just gone.
    NotHere,
    /// Too many commands wait.
    Busy,
}

/// How far the shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Status {
    Loading,
    Serving,
    Gone,
}

/// What a shard works with.
pub(crate) struct Parts {
    /// The internal partition's index, for the log.
    pub(crate) index: i32,
    /// The internal topic.
    pub(crate) topic: TopicId,
    /// How many partitions it has.
    pub(crate) count: i32,
    /// The rest of the cluster.
    pub(crate) neighbours: Arc<dyn Neighbours>,
    pub(crate) config: coordinator::Config,
    pub(crate) snapshot_records: usize,
    pub(crate) clock: Clock,
    pub(crate) topics: Arc<dyn Topics>,
    /// Raised with every load: member ids of two loads must never meet.
    pub(crate) seed: Arc<AtomicU64>,
    pub(crate) log: Arc<dyn StateLog>,
}

/// The way to a shard. Dropping it ends the shard.
pub(crate) struct ShardHandle {
    inbox: mpsc::Sender<Message>,
    status: Arc<AtomicU8>,
    stop: CancellationToken,
}

/// How a shard's service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// No proof that the log is ours: it is another's, or the store is away.
    Lost,
    /// The handle was dropped, or the process drains.
    Stopped,
    /// Memory and log may differ: start over from the log.
    Reload,
}

/// The pauses between loads of a shard whose proofs fail, none before the first: a load reads all
/// of the log, and each request would cost another one for as long as the store is away.
#[derive(Default)]
struct Pauses(Duration);

// === impl ShardHandle ===

impl ShardHandle {
    /// Starts to load the shard.
    pub(crate) fn start(parts: Parts, drain: &Drain) -> Self {
        let (sender, inbox) = mpsc::channel(INBOX_COMMANDS_MAX);
        let status = Arc::new(AtomicU8::new(Status::Loading as u8));
        let stop = CancellationToken::new();
        let (stopped, draining) = (stop.clone().cancelled_owned(), drain.draining());
        let ended = async move {
            tokio::select! {
                () = stopped => {}
                () = draining => {}
            }
        };
        drain.spawn("group shard", live(parts, inbox, Arc::clone(&status), ended));
        Self { inbox: sender, status, stop }
    }

    /// Hands a command to the shard. Commands are carried out in the order of these calls.
    pub(crate) fn send(
        &self,
        client: Client,
        command: Command,
    ) -> Result<oneshot::Receiver<Reply>, Refusal> {
        match self.status.load(Ordering::Acquire) {
            status if status == Status::Serving as u8 => {}
            status if status == Status::Loading as u8 => return Err(Refusal::Loading),
            _ => return Err(Refusal::NotHere),
        }
        let (reply, answer) = oneshot::channel();
        self.inbox.try_send(Message { client, command, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::Busy,
            mpsc::error::TrySendError::Closed(_) => Refusal::NotHere,
        })?;
        Ok(answer)
    }
}

impl Drop for ShardHandle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

// === impl Pauses ===

impl Pauses {
    /// The next one. Service that lasted `served` shows whether things were well meanwhile.
    fn next(&mut self, served: Duration) -> Duration {
        let pause = if served > RETRY_MAX { Duration::ZERO } else { self.0 };
        self.0 = (pause * 2).clamp(RETRY_MIN, RETRY_MAX);
        pause
    }
}

// === the task ===

async fn live(
    parts: Parts,
    mut inbox: mpsc::Receiver<Message>,
    status: Arc<AtomicU8>,
    ended: impl Future<Output = ()>,
) {
    tokio::pin!(ended);
    let set = |next: Status| status.store(next as u8, Ordering::Release);
    let mut pauses = Pauses::default();
    loop {
        let loaded = tokio::select! {
            loaded = load::load(&parts) => loaded,
            () = &mut ended => None,
        };
        let Some(loaded) = loaded else { break };
        let began = Instant::now();
        let mut serving = Serving::new(&parts, loaded);
        set(Status::Serving);
        let served = AssertUnwindSafe(serving.run(&mut inbox, ended.as_mut())).catch_unwind().await;
        set(Status::Loading);
        let end = served.unwrap_or_else(|_panic| {
            tracing::error!(shard = parts.index, "group coordinator panicked and is reloaded");
            End::Reload
        });
        if end == End::Stopped {
            set(Status::Gone);
        }
        // What is on its way to the disk must have arrived before anybody reads the log again.
        serving.finish().await;
        // Whoever still waits is told to come back, now rather than after the pause.
        drop(serving);
        // A proof may fail because the store is away. If the log is another's now, loading says so;
        // else the shard is still nobody's but ours, and nobody else would serve it. Clients are
        // told that it loads.
        let pause = match end {
            End::Stopped => break,
            End::Lost => pauses.next(began.elapsed()),
            End::Reload => RETRY_MAX,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = &mut ended => break,
        }
    }
    set(Status::Gone);
    tracing::info!(shard = parts.index, "groups are not served here any more");
}
