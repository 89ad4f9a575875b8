//! The storage node as a process role: what it needs, how it starts, lives and stops.

use std::sync::Arc;
use std::time::Duration;

use hop::{Handler, Peers};
use metadata::{ClusterView, MetadataStore};
use process::{Clock, Drain};
use segment::Store;
use segment::seqlog::AppendError;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock_watch::ClockWatch;
use crate::config::{Config, ConfigError};
use crate::lease::{self, RegisterError};
use crate::life::Origin;
use crate::limits::{CLUSTER_WAIT, SERVER_GRACE};
use crate::metrics;
use crate::node::Node;
use crate::recover::RecoverError;
use crate::server::Server;
use crate::upload::UploadError;
use crate::wal::{self, Disks, FrontError};

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
    /// Where the log of a disk front is.
    pub disks: Disks,
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
    /// The bucket is in a later generation: another cluster serves what this one did (R50).
    #[error(
        "generation {generation} of this cluster is over: the bucket was taken over or rebuilt, \
         and nothing may be acknowledged here any more"
    )]
    TakenOver {
        /// The generation that this node joined.
        generation: u16,
    },
    /// A later generation cannot be looked for.
    #[error(transparent)]
    Store(#[from] segment::StoreError),
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
    /// The incarnation that serves.
    nodes: watch::Receiver<Arc<Node>>,
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

    // Of its own, so that a node that fails stops alone; begun with the process's.
    let drain = drain.child();
    let (lease, credentials) = (config.lease, deps.peers.credentials().clone());
    let metadata = Arc::clone(&deps.metadata);
    let release = deps.peers.credentials().releases().newest();
    let clock_watch = ClockWatch::new(deps.store.clone(), release);
    let origin = Origin { config, deps, cluster, address: address.clone() };
    let life = origin.begin(&drain).await?;
    let node = life.node().id();
    let (current, nodes) = watch::channel(Arc::clone(life.node()));
    let handler: Arc<dyn Handler> = Arc::new(Server(nodes.clone()));

    // Serves until the last incarnation is over, not only until the drain begins: a node that ends
    // in order must not look dead meanwhile (R12).
    let server = Drain::new();
    let serving = hop::serve(listener, Arc::clone(&handler), credentials, server.clone());
    server.spawn("storage-node server", serving);
    let alive = lease::keep_alive(metadata, node, lease, clock_watch.word(), drain.clone());
    drain.spawn("storage-node lease", alive);
    drain.spawn("storage-node clock", clock_watch.run(drain.clone()));
    let lives = drain.clone();
    let lifecycle = drain.spawn("storage-node", async move {
        let lived = origin.live(life, current, lives.clone()).await;
        lives.begin();
        server.finish(SERVER_GRACE).await;
        lived
    });
    tracing::info!(%node, address, "storage node serves");
    Ok(NodeHandle { address, nodes, handler, lifecycle })
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

    /// The incarnation that serves now.
    pub fn node(&self) -> Arc<Node> {
        Arc::clone(&self.nodes.borrow())
    }

    /// Waits until everything that was assigned at the start is open, so that the first client finds
    /// its partitions served. Not all of it may ever be: the caller has a deadline.
    pub async fn caught_up(&self) {
        self.node().wait_caught_up().await;
    }

    /// Waits until the node has stopped: in order after the drain began, or with the reason why it
    /// could not go on.
    pub async fn finished(self) -> Result<(), NodeError> {
        self.lifecycle.await.expect("the node's task does not panic")
    }
}
