//! The storage node as a process role: what it needs, how it starts, lives and stops.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hop::{ClusterSecret, Handler, Peers};
use metadata::{ClusterView, MetadataStore};
use process::{Clock, Drain};
use protocol::ErrorCode;
use segment::Store;
use segment::seqlog::AppendError;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::{Config, ConfigError};
use crate::incarnation::{self, Incarnation};
use crate::lease::{self, RegisterError, Registration};
use crate::limits::{CLUSTER_WAIT, LEAVING_MAX, PRODUCER_EXPIRY_INTERVAL, SERVER_GRACE};
use crate::metrics;
use crate::node::{Node, NodeParts};
use crate::recover::RecoverError;
use crate::server::Server;
use crate::upload::{UploadError, Uploader};
use crate::wal::{self, Front, FrontDescriptor, FrontError, FrontState};
use crate::watchdog::{Health, Watchdog, Watched};
use crate::{reconcile, retention};

/// What a node needs from the process that runs it.
#[derive(Clone)]
pub struct Deps {
    /// The wall clock.
    pub clock: Clock,
    /// The metadata store.
    pub metadata: Arc<dyn MetadataStore>,
    /// The watched copy of it.
    pub view: ClusterView,
    /// The object store.
    pub store: Store,
    /// The other processes.
    pub peers: Peers,
}

/// Why a node did not start, or did not go on.
#[derive(Debug, Error)]
pub enum NodeError {
    /// A value in the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Control has not written the cluster's identity.
    #[error("the cluster has no identity yet; is a control process running?")]
    NoCluster,
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`: {source}; set `listen` to a free address")]
    Listen {
        /// As configured.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The last incarnation cannot be ended.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The write-ahead log cannot be opened.
    #[error("cannot open the write-ahead log; set `wal.path` to a file in a writable directory")]
    Wal(#[from] wal::OpenError),
    /// The node's record cannot be written.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The data log cannot be written.
    #[error("data log: {0}")]
    DataLog(#[from] AppendError),
    /// The write-ahead log in the object store cannot be begun.
    #[error("cannot begin the write-ahead log in the object store: {0}")]
    ObjectLog(#[source] AppendError),
    /// Uploads cannot go on.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The write-ahead log failed: this incarnation is over (R68).
    #[error(transparent)]
    Front(#[from] FrontError),
    /// Control ended this incarnation.
    #[error("this incarnation was fenced by control")]
    Fenced,
    /// The process slept for so long that somebody else may have ended its incarnation (R7).
    #[error("the process was suspended for {gap:?}, longer than `suspend_max`: start it again")]
    Suspended {
        /// For how long.
        gap: Duration,
    },
    /// Another process runs under this node's id.
    #[error("another process registered as this node with log `{log_id}`")]
    Replaced {
        /// Its log.
        log_id: String,
    },
}

/// A node that serves.
pub struct NodeHandle {
    address: String,
    node: Arc<Node>,
    handler: Arc<dyn Handler>,
    lifecycle: JoinHandle<Result<(), NodeError>>,
}

/// Runs a node until the drain begins, or until it cannot go on.
pub async fn run(config: Config, deps: Deps, drain: Drain) -> Result<(), NodeError> {
    start(config, deps, drain).await?.finished().await
}

/// Starts a node: returns when it has ended its last incarnation, begun a new one and serves.
/// Partitions open one after the other from then on.
pub async fn start(config: Config, deps: Deps, drain: Drain) -> Result<NodeHandle, NodeError> {
    config.check()?;
    metrics::describe();
    let cluster = deps.view.wait_for_cluster(CLUSTER_WAIT).await.ok_or(NodeError::NoCluster)?;
    let listen = |source| NodeError::Listen { address: config.listen.clone(), source };
    let listener = deps.peers.net().listen(&config.listen).await.map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?.to_string();
    let address = config.advertised_address.clone().unwrap_or(bound);
    let generation = cluster.generation;
    let incarnation =
        incarnation::begin(&config, &deps, generation, address.clone(), &drain).await?;

    // Of its own, so that an incarnation that fails stops alone; begun with the process's.
    let drain = drain.child();
    let Incarnation { log, front, writer, registration } = incarnation;
    let health = Health::default();
    let watchdog = Watchdog::start(watched(&config, &deps.clock, &front, &registration), &health);
    let next_slot = Arc::new(AtomicU64::new(writer.next_slot()));
    let metadata = Arc::clone(&deps.metadata);
    let (leaving, leaves) = mpsc::channel(LEAVING_MAX);
    let parts = NodeParts { log, front, health, next_slot: Arc::clone(&next_slot), leaving };
    let node = Arc::new(Node::new(config, deps, &cluster, parts, &drain));
    let uploader = node.uploader(writer, next_slot, leaves);
    let handler: Arc<dyn Handler> = Arc::new(Server(Arc::clone(&node)));

    // Serves until the incarnation is over, not only until the drain begins: a node that ends in
    // order must not look dead meanwhile (R12).
    let server = Drain::new();
    let secret = ClusterSecret::new(&cluster.secret);
    let serving = hop::serve(listener, Arc::clone(&handler), secret, server.clone());
    server.spawn("storage-node server", serving);
    let alive = lease::keep_alive(metadata, node.id(), node.config().lease, drain.clone());
    drain.spawn("storage-node lease", alive);
    drain.spawn("storage-node upkeep", upkeep(Arc::clone(&node), drain.clone()));
    let interval = node.config().retention_interval;
    let retention = retention::run(Arc::clone(&node), interval, drain.clone());
    drain.spawn("storage-node retention", retention);
    let life = live(Arc::clone(&node), uploader, registration, watchdog, drain.clone());
    let lifecycle = drain.spawn("storage-node", async move {
        let lived = life.await;
        server.finish(SERVER_GRACE).await;
        lived
    });
    tracing::info!(node = %node.id(), address, "storage node serves");
    Ok(NodeHandle { address, node, handler, lifecycle })
}

/// What the watchdog needs to know of this incarnation. A front that nobody else can drain is safe
/// to go on with after any pause.
fn watched(
    config: &Config,
    clock: &Clock,
    front: &Arc<dyn Front>,
    registration: &Registration,
) -> Watched {
    let descriptor = registration.record().and_then(|record| record.front.parse().ok());
    let is = |kind: fn(&FrontDescriptor) -> bool| descriptor.as_ref().is_some_and(kind);
    Watched {
        clock: clock.clone(),
        front: Arc::clone(front),
        device_is_local: !is(|front| matches!(front, FrontDescriptor::Object)),
        suspend_max: is(FrontDescriptor::is_reachable_by_others).then_some(config.suspend_max),
    }
}

/// Uploads and follows assignments until the drain begins, then ends the incarnation in order. If
/// it fails before, it only stops: END is for whoever recovers.
async fn live(
    node: Arc<Node>,
    mut uploader: Uploader,
    registration: Registration,
    watchdog: Watchdog,
    drain: Drain,
) -> Result<(), NodeError> {
    let upload = &node.config().upload;
    let lived = tokio::select! {
        uploaded = uploader.run(upload.interval, upload.backoff_max, &drain) => {
            uploaded.map_err(NodeError::from)
        }
        failure = reconcile::follow(&node) => failure,
        failure = front_failure(node.front()) => Err(failure.into()),
        gap = watchdog.suspended() => Err(NodeError::Suspended { gap }),
    };
    let ended = match lived {
        Ok(()) => incarnation::end(&node, uploader, registration).await,
        Err(error) => {
            tracing::error!(%error, log = %node.log(), "incarnation is over");
            node.partitions().close_all(ErrorCode::NotLeaderOrFollower);
            node.front().abandon();
            Err(error)
        }
    };
    drain.begin();
    node.let_go();
    ended
}

/// Resolves when the front has failed.
async fn front_failure(front: &dyn Front) -> FrontError {
    let mut state = front.state();
    loop {
        if let FrontState::Poisoned(reason) = &*state.borrow_and_update() {
            return FrontError::Poisoned(Arc::clone(reason));
        }
        if state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// What has to be done now and then.
async fn upkeep(node: Arc<Node>, drain: Drain) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let mut expiry = tokio::time::interval(PRODUCER_EXPIRY_INTERVAL);
    loop {
        tokio::select! {
            () = drain.draining() => return,
            _ = seconds.tick() => node.levels().publish(),
            _ = expiry.tick() => node.expire_producers(),
        }
    }
}

// === impl NodeHandle ===

impl NodeHandle {
    /// The address told to the others.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Answers requests without a socket: for [`Peers::register_local`].
    pub fn handler(&self) -> Arc<dyn Handler> {
        Arc::clone(&self.handler)
    }

    /// The node itself.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Waits until everything that was assigned at the start is open, so that the first client finds
    /// its partitions served. Not all of it may ever be: the caller has a deadline.
    pub async fn caught_up(&self) {
        self.node.wait_caught_up().await;
    }

    /// Waits until the node has stopped: in order after the drain began, or with the reason why it
    /// could not go on.
    pub async fn finished(self) -> Result<(), NodeError> {
        self.lifecycle.await.expect("the node's task does not panic")
    }
}
