//! The storage node as a process role: what it is made of and how it starts and stops.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hop::{ClusterSecret, Handler, Peers};
use metadata::model::{Assignment, ClusterRecord};
use metadata::{ClusterView, MetadataStore, Topic};
use process::{Clock, Drain};
use protocol::ids::{NodeId, PartitionId, TenantId};
use segment::seqlog::AppendError;
use segment::{LogId, Store};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::cache::HotCache;
use crate::config::{Config, ConfigError};
use crate::group_host::GroupHost;
use crate::groups::{Groups, GroupsParts};
use crate::incarnation::{self, Incarnation};
use crate::lease::{self, RegisterError, Registration};
use crate::limits::{CLUSTER_WAIT, PRODUCER_EXPIRY_INTERVAL};
use crate::list_offsets::TimestampReader;
use crate::metrics::{self, Levels};
use crate::open::{OpenError, Opener, OpenerParts};
use crate::partition::Partition;
use crate::partitions::Partitions;
use crate::plan::Planner;
use crate::producer_ids::ProducerIds;
use crate::reconcile;
use crate::recover::RecoverError;
use crate::server::Server;
use crate::settings::TopicSettings;
use crate::upload::{UploadError, Uploader};
use crate::wal::{self, Front, FrontError, FrontState};

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
    #[error("cannot listen on `{address}` (`listen`): {source}")]
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
    #[error("cannot open the write-ahead log (`wal.path`): {0}")]
    Wal(#[from] wal::OpenError),
    /// The node's record cannot be written.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The data log cannot be written.
    #[error("data log: {0}")]
    DataLog(#[from] AppendError),
    /// Uploads cannot go on.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The write-ahead log failed: this incarnation is over (R68).
    #[error(transparent)]
    Front(#[from] FrontError),
    /// Control ended this incarnation.
    #[error("this incarnation was fenced by control")]
    Fenced,
    /// Another process runs under this node's id.
    #[error("another process registered as this node with log `{log_id}`")]
    Replaced {
        /// Its log.
        log_id: String,
    },
}

/// One incarnation of a node, shared by everything that serves for it.
pub struct Node {
    id: NodeId,
    config: Config,
    deps: Deps,
    log: LogId,
    front: Arc<dyn Front>,
    cache: Arc<HotCache>,
    partitions: Arc<Partitions>,
    opener: Opener,
    planner: Planner,
    timestamps: Arc<TimestampReader>,
    producer_ids: ProducerIds,
    groups: Arc<dyn GroupHost>,
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
    let listener = TcpListener::bind(&config.listen).await.map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?.to_string();
    let address = config.advertised_address.clone().unwrap_or(bound);
    let incarnation = incarnation::begin(
        &config,
        &deps.store,
        &*deps.metadata,
        cluster.generation,
        address.clone(),
    )
    .await?;

    // Of its own, so that an incarnation that fails stops alone; begun with the process's.
    let drain = drain.child();
    let Incarnation { log, front, writer, registration } = incarnation;
    let next_slot = Arc::new(AtomicU64::new(writer.next_slot()));
    let node = Node::new(config, deps, &cluster, log, front, Arc::clone(&next_slot), &drain);
    let node = Arc::new(node);
    let uploader =
        Uploader::new(writer, Arc::clone(&node.cache), Arc::clone(&node.front), next_slot);
    let handler: Arc<dyn Handler> = Arc::new(Server(Arc::clone(&node)));

    let secret = ClusterSecret::new(&cluster.secret);
    let serving = hop::serve(listener, Arc::clone(&handler), secret, drain.clone());
    drain.spawn("storage-node server", serving);
    let metadata = Arc::clone(&node.deps.metadata);
    let alive = lease::keep_alive(metadata, node.id, node.config.lease, drain.clone());
    drain.spawn("storage-node lease", alive);
    drain.spawn("storage-node upkeep", upkeep(Arc::clone(&node), drain.clone()));
    let life = live(Arc::clone(&node), uploader, registration, drain.clone());
    let lifecycle = drain.spawn("storage-node", life);
    tracing::info!(node = %node.id, address, "storage node serves");
    Ok(NodeHandle { address, node, handler, lifecycle })
}

/// Uploads and follows assignments until the drain begins, then ends the incarnation in order. If
/// it fails before, it only stops: END is for whoever recovers.
async fn live(
    node: Arc<Node>,
    mut uploader: Uploader,
    registration: Registration,
    drain: Drain,
) -> Result<(), NodeError> {
    let upload = node.config.upload.clone();
    let lived = tokio::select! {
        uploaded = uploader.run(upload.interval, upload.backoff_max, &drain) => {
            uploaded.map_err(NodeError::from)
        }
        failure = reconcile::follow(&node) => failure,
        failure = front_failure(&*node.front) => Err(failure.into()),
    };
    let ended = match lived {
        Ok(()) => {
            incarnation::end(
                &node.config,
                &node.deps.store,
                &*node.deps.metadata,
                &node.partitions,
                &*node.front,
                uploader,
                registration,
            )
            .await
        }
        Err(error) => {
            tracing::error!(%error, log = %node.log, "incarnation is over");
            node.partitions.close_all(protocol::ErrorCode::NotLeaderOrFollower);
            Err(error)
        }
    };
    drain.begin();
    node.cache.clear();
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

// === impl Node ===

impl Node {
    fn new(
        config: Config,
        deps: Deps,
        cluster: &ClusterRecord,
        log: LogId,
        front: Arc<dyn Front>,
        next_slot: Arc<AtomicU64>,
        drain: &Drain,
    ) -> Self {
        let to_usize =
            |size: bytesize::ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        let cache =
            Arc::new(HotCache::new(to_usize(config.cache_size), to_usize(config.upload.size)));
        let partitions = Arc::new(Partitions::default());
        let groups = GroupsParts {
            config: config.groups.clone(),
            clock: deps.clock.clone(),
            store: deps.store.clone(),
            view: deps.view.clone(),
            seed: log.nonce,
            drain: drain.clone(),
        };
        let groups: Arc<dyn GroupHost> = Arc::new(Groups::new(cluster, groups));
        let opener = Opener::new(OpenerParts {
            store: deps.store.clone(),
            clock: deps.clock.clone(),
            log,
            front: Arc::clone(&front),
            cache: Arc::clone(&cache),
            partitions: Arc::clone(&partitions),
            next_slot,
            groups: Arc::clone(&groups),
            concurrency: config.open_concurrency,
        });
        let planner = Planner {
            secret: cluster.secret,
            bytes: config.plan_size.as_u64(),
            life_ms: i64::try_from(config.plan_life.as_millis()).unwrap_or(i64::MAX),
        };
        Self {
            id: NodeId(config.node_id),
            timestamps: Arc::new(TimestampReader::new(deps.store.clone())),
            producer_ids: ProducerIds::new(deps.view.clone(), deps.peers.clone()),
            config,
            deps,
            log,
            front,
            cache,
            partitions,
            opener,
            planner,
            groups,
        }
    }

    /// Who this is.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// This incarnation's data log.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// What it serves.
    pub(crate) fn partitions(&self) -> &Arc<Partitions> {
        &self.partitions
    }

    /// Bytes of batches in memory, and how many of them wait for upload.
    pub fn cache_bytes(&self) -> (usize, usize) {
        self.cache.bytes()
    }

    /// Opens a partition that is assigned to this node.
    pub(crate) async fn open_assigned(&self, id: PartitionId) -> Result<Arc<Partition>, OpenError> {
        let topic = self.deps.view.topic_by_id(id.tenant, id.topic);
        let assigned = topic.and_then(|topic| Some((topic.owner(id.index)?, topic)));
        match assigned.filter(|(owner, _)| owner.node == self.id) {
            Some((owner, topic)) => {
                self.opener.open(id, owner.epoch, self.settings_of(&topic)).await
            }
            None => Err(OpenError::NotAssigned),
        }
    }

    /// The same, for somebody who knows that it is assigned while the view may not show it yet.
    /// Waits for as long as it takes: the caller has a deadline.
    pub(crate) async fn open_when_assigned(
        &self,
        id: PartitionId,
    ) -> Result<Arc<Partition>, OpenError> {
        let mut changed = self.deps.view.changed();
        loop {
            match self.open_assigned(id).await {
                Err(OpenError::NotAssigned) => {}
                opened => return opened,
            }
            if changed.changed().await.is_err() {
                return Err(OpenError::NotAssigned);
            }
        }
    }

    /// What a topic's configs mean here.
    pub(crate) fn settings_of(&self, topic: &Topic) -> TopicSettings {
        if topic.record.tenant == TenantId::SYSTEM {
            return TopicSettings::internal();
        }
        TopicSettings::read(|name| topic.config(name))
    }

    /// Whether the metadata store shows an older epoch of ours.
    pub(crate) fn is_behind(&self, assigned: Assignment, epoch: i32) -> bool {
        assigned.node == self.id && assigned.epoch < epoch
    }

    /// Frees what was read for claims.
    pub(crate) fn forget_claims(&self) {
        self.opener.forget_indexes();
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.deps.clock
    }

    pub(crate) fn view(&self) -> &ClusterView {
        &self.deps.view
    }

    pub(crate) fn metadata(&self) -> &dyn MetadataStore {
        &*self.deps.metadata
    }

    pub(crate) fn front(&self) -> &dyn Front {
        &*self.front
    }

    pub(crate) fn planner(&self) -> &Planner {
        &self.planner
    }

    pub(crate) fn timestamps(&self) -> Arc<TimestampReader> {
        Arc::clone(&self.timestamps)
    }

    pub(crate) fn producer_ids(&self) -> &ProducerIds {
        &self.producer_ids
    }

    pub(crate) fn groups(&self) -> &dyn GroupHost {
        &*self.groups
    }

    fn levels(&self) -> Levels {
        let (hot_bytes, pending_bytes) = self.cache.bytes();
        Levels {
            partitions: self.partitions.len(),
            hot_bytes,
            pending_bytes,
            front_used_share: self.front.usage().used_share(),
        }
    }

    fn expire_producers(&self) {
        let after = self.config.producer_id_expiration.as_millis();
        let after_ms = i64::try_from(after).unwrap_or(i64::MAX);
        let now_ms = self.deps.clock.now_ms();
        for partition in self.partitions.all() {
            partition.expire_producers(now_ms, after_ms);
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

    /// Waits until the node has stopped: in order after the drain began, or with the reason why it
    /// could not go on.
    pub async fn finished(self) -> Result<(), NodeError> {
        self.lifecycle.await.expect("the node's task does not panic")
    }
}
