//! One incarnation of a node: what it is made of, shared by everything that serves for it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hop::internal::DescribeLoadResponse;
use metadata::model::{Assignment, ClusterRecord};
use metadata::{ClusterView, MetadataStore, Topic};
use process::{Clock, Drain};
use protocol::ids::{NodeId, PartitionId, TenantId};
use segment::seqlog::SeqLogWriter;
use segment::{LogId, Store};
use tokio::sync::{mpsc, watch};

use crate::cache::HotCache;
use crate::config::Config;
use crate::group_host::GroupHost;
use crate::groups::{Groups, GroupsParts};
use crate::load::Meter;
use crate::metrics::{self, Levels};
use crate::open::{Forgotten, OpenError, Opener, OpenerParts};
use crate::partition::Partition;
use crate::partitions::Partitions;
use crate::plan::Planner;
use crate::producer_ids::ProducerIds;
use crate::release::{self, Releases};
use crate::role::Deps;
use crate::settings::TopicSettings;
use crate::survivor::Survivor;
use crate::upload::{Closing, Leaving, Uploader};
use crate::verifier::Verifier;
use crate::wal::{Disks, Front};
use crate::watchdog::Health;

/// One incarnation of a node, shared by everything that serves for it.
pub struct Node {
    id: NodeId,
    config: Config,
    deps: Deps,
    /// Identity and generation of the cluster when this incarnation began.
    cluster: (String, u16),
    log: LogId,
    front: Arc<dyn Front>,
    health: Health,
    leaving: mpsc::Sender<Closing>,
    survivor: Survivor,
    cache: Arc<HotCache>,
    partitions: Arc<Partitions>,
    opener: Opener,
    planner: Planner,
    producer_ids: Arc<ProducerIds>,
    verifier: Verifier,
    groups: Arc<dyn GroupHost>,
    meter: Meter,
    caught_up: watch::Sender<bool>,
}

/// What an incarnation has when it begins.
pub(crate) struct NodeParts {
    pub(crate) log: LogId,
    pub(crate) front: Arc<dyn Front>,
    pub(crate) health: Health,
    pub(crate) next_slot: Arc<AtomicU64>,
    pub(crate) leaving: mpsc::Sender<Closing>,
}

// === impl Node ===

impl Node {
    pub(crate) fn new(
        config: Config,
        deps: Deps,
        cluster: &ClusterRecord,
        parts: NodeParts,
        drain: &Drain,
    ) -> Self {
        let NodeParts { log, front, health, next_slot, leaving } = parts;
        let to_usize =
            |size: bytesize::ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        let cache =
            Arc::new(HotCache::new(to_usize(config.cache_size), to_usize(config.upload.size)));
        let partitions = Arc::new(Partitions::default());
        let producer_ids = Arc::new(ProducerIds::new(deps.view.clone(), deps.peers.clone()));
        let groups = GroupsParts {
            config: config.groups.clone(),
            clock: deps.clock.clone(),
            store: deps.store.clone(),
            view: deps.view.clone(),
            peers: deps.peers.clone(),
            producer_ids: Arc::clone(&producer_ids),
            seed: log.nonce,
            drain: drain.clone(),
        };
        let groups: Arc<dyn GroupHost> = Arc::new(Groups::new(cluster, groups));
        let survivor = Survivor::new(log, &deps, drain.clone());
        let opener = Opener::new(OpenerParts {
            store: deps.store.clone(),
            clock: deps.clock.clone(),
            log,
            front: Arc::clone(&front),
            cache: Arc::clone(&cache),
            partitions: Arc::clone(&partitions),
            next_slot,
            groups: Arc::clone(&groups),
            releases: Releases { view: deps.view.clone(), peers: deps.peers.clone() },
            forgotten: Forgotten {
                store: deps.store.clone(),
                view: deps.view.clone(),
                survivor: survivor.clone(),
            },
            concurrency: config.open_concurrency,
        });
        let planner = Planner {
            secret: cluster.secret,
            bytes: config.plan_size.as_u64(),
            life: config.plan_life,
        };
        let verifier = Verifier {
            view: deps.view.clone(),
            peers: deps.peers.clone(),
            clock: deps.clock.clone(),
            drain: drain.clone(),
            state_topic: cluster.group_state_topic,
            state_partitions: cluster.group_state_partitions,
        };
        Self {
            id: NodeId(config.node_id),
            meter: Meter::new(deps.clock.is_simulated()),
            verifier,
            producer_ids,
            survivor,
            health,
            leaving,
            cluster: (cluster.cluster_id.clone(), cluster.generation),
            config,
            deps,
            log,
            front,
            cache,
            partitions,
            opener,
            planner,
            groups,
            caught_up: watch::Sender::new(false),
        }
    }

    /// Who this is.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Where ring files are.
    pub(crate) fn disks(&self) -> &Disks {
        &self.deps.disks
    }

    /// This incarnation's data log.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// What it serves.
    pub(crate) fn partitions(&self) -> &Arc<Partitions> {
        &self.partitions
    }

    /// Whether it makes progress (R7).
    pub(crate) fn is_well(&self) -> bool {
        self.health.is_well()
    }

    /// What it does for other nodes.
    pub(crate) fn survivor(&self) -> &Survivor {
        &self.survivor
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
                self.let_go_below(id, owner.epoch).await;
                self.opener.open(id, owner.epoch, self.settings_of(&topic)).await
            }
            None => Err(OpenError::NotAssigned),
        }
    }

    /// Whether a partition that is assigned to this node needs nothing more from it.
    pub(crate) fn has_opened(&self, id: PartitionId) -> bool {
        let topic = self.deps.view.topic_by_id(id.tenant, id.topic);
        let assigned = topic.and_then(|topic| topic.owner(id.index));
        let open = self.partitions.find(id);
        open.is_some_and(|open| assigned.is_none_or(|assigned| open.epoch() >= assigned.epoch))
    }

    /// Closes a partition that went away and came back before anybody asked for it: clients were
    /// told of the later epoch and wait for it.
    async fn let_go_below(&self, id: PartitionId, epoch: i32) {
        let open = self.partitions.find(id).filter(|open| open.epoch() < epoch);
        if let Some(open) = open
            && let Err(code) = release::close(self, open).await
        {
            tracing::warn!(partition = %id, ?code, "the former epoch is not closed yet");
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

    /// Whether this is still the cluster, in the generation, that this incarnation began in.
    pub(crate) fn began_in(&self, cluster: &ClusterRecord) -> bool {
        (&cluster.cluster_id, cluster.generation) == (&self.cluster.0, self.cluster.1)
    }

    /// Whether the metadata store shows an older epoch of ours.
    pub(crate) fn is_behind(&self, assigned: Assignment, epoch: i32) -> bool {
        assigned.node == self.id && assigned.epoch < epoch
    }

    /// What uploads for this incarnation.
    pub(crate) fn uploader(
        &self,
        writer: SeqLogWriter,
        next_slot: Arc<AtomicU64>,
        leaving: mpsc::Receiver<Closing>,
    ) -> Uploader {
        let groups = Arc::clone(&self.groups);
        let stop_groups = Box::new(move |id| groups.closed(id));
        let leaving = Leaving::new(leaving, Arc::clone(&self.partitions), stop_groups);
        let (cache, front) = (Arc::clone(&self.cache), Arc::clone(&self.front));
        let keyring = self.store().keyring().clone();
        Uploader::new(writer, cache, front, keyring, next_slot, leaving)
    }

    /// Takes partitions that are to leave this log.
    pub(crate) fn leaving(&self) -> &mpsc::Sender<Closing> {
        &self.leaving
    }

    /// Says that everything assigned is open.
    pub(crate) fn set_caught_up(&self) {
        self.caught_up.send_replace(true);
    }

    /// Waits until everything assigned was open once.
    pub(crate) async fn wait_caught_up(&self) {
        let mut caught_up = self.caught_up.subscribe();
        caught_up.wait_for(|open| *open).await.expect("the node holds the sender");
    }

    /// Frees the memory of an incarnation that is over, however long somebody holds on to it.
    pub(crate) fn let_go(&self) {
        self.cache.clear();
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

    pub(crate) fn store(&self) -> &Store {
        &self.deps.store
    }

    pub(crate) fn front(&self) -> &dyn Front {
        &*self.front
    }

    pub(crate) fn shared_front(&self) -> Arc<dyn Front> {
        Arc::clone(&self.front)
    }

    pub(crate) fn planner(&self) -> &Planner {
        &self.planner
    }

    pub(crate) fn producer_ids(&self) -> &ProducerIds {
        &self.producer_ids
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    pub(crate) fn groups(&self) -> &dyn GroupHost {
        &*self.groups
    }

    /// What the gauges show.
    pub(crate) fn levels(&self) -> Levels {
        let (hot_bytes, pending_bytes) = self.cache.bytes();
        Levels {
            partitions: self.partitions.len(),
            hot_bytes,
            pending_bytes,
            front_used_share: self.front.usage().used_share(),
        }
    }

    /// Looks at what the partitions do. Once a second.
    pub(crate) fn measure_load(&self) {
        self.meter.look(&self.partitions.all());
    }

    /// What control is told of it.
    pub(crate) fn load(&self) -> DescribeLoadResponse {
        self.meter.describe(self.log.to_string())
    }

    /// Forgets producers that were silent for long enough, and tells of transactions that hang.
    pub(crate) fn expire_producers(&self) {
        let after = self.config.producer_id_expiration.as_millis();
        let after_ms = i64::try_from(after).unwrap_or(i64::MAX);
        let now_ms = self.deps.clock.now_ms();
        let partitions = self.partitions.all();
        let late = partitions.iter().filter(|it| it.expire_producers(now_ms, after_ms)).count();
        metrics::late_transactions(late);
    }
}
