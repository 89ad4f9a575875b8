//! The consumer groups and transactions whose state lives in internal partitions of this node
//! (ADR 0005, ADR 0020).
//!
//! In: requests of gateways about groups and transactions, what partitions ask, and the news which partitions this node owns.
//! Out: answers, once what they show is durable; records, in the internal partitions.
//! Never: an answer from a state that is not fully loaded (R41), or not proven to be ours (R6).
//!
//! ```text
//!   call ─ route ─▶ shard (one task per internal partition) ─▶ coordinator (pure)
//!                     │  ▲ replay, then replies once durable        │
//!                     ▼  │                                          ▼
//!                   state log = the partition's own append ◀──── records
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use coordinator::{Command, GroupConfigs, Reply, TopicShape, Topics};
use futures::future::BoxFuture;
use hop::{HopRequest, Peers, Response};
use metadata::model::{ClusterRecord, Record};
use metadata::settings::SettingKind;
use metadata::settings::group::{
    CONSUMER_HEARTBEAT_INTERVAL, CONSUMER_SESSION_TIMEOUT, GroupRecord,
};
use metadata::{ClusterView, Topic};
use parking_lot::RwLock;
use process::{Clock, Drain};
use protocol::StrBytes;
use protocol::ids::{PartitionId, TenantId, TopicId, coordinator_index};
use segment::Store;
use tokio::sync::oneshot;

use crate::group_host::GroupHost;
use crate::partition::Partition;
use crate::producer_ids::ProducerIds;

mod refusal;
mod route;

mod partition_log;
mod shard;
mod state_log;
mod transactions;

mod config;
mod limits;
mod metrics;

#[cfg(test)]
mod tests;

pub use config::{GroupsConfig, MigrationPolicy, TransactionsConfig};
pub(crate) use transactions::neighbours::{Cluster, Neighbours};

use partition_log::PartitionLog;
use shard::{Client, Parts, Refusal, ShardHandle};
use state_log::StateLog;
use transactions::verification::Verifications;

/// What the host of the groups works with.
pub(crate) struct GroupsParts {
    pub(crate) config: GroupsConfig,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) view: ClusterView,
    pub(crate) peers: Peers,
    pub(crate) producer_ids: Arc<ProducerIds>,
    /// Makes member ids unlike those of any other incarnation.
    pub(crate) seed: u64,
    pub(crate) drain: Drain,
}

/// The node's groups: see the module.
pub(crate) struct Groups {
    store: Store,
    shards: Shards,
}

/// The shards of this node, by the index of their internal partition.
struct Shards {
    /// How many there are in the cluster. Never changes: groups are hashed onto it.
    count: i32,
    /// The internal topic.
    topic: TopicId,
    config: GroupsConfig,
    clock: Clock,
    topics: Arc<dyn Topics>,
    neighbours: Arc<dyn Neighbours>,
    seed: Arc<AtomicU64>,
    drain: Drain,
    here: Here,
    verifications: Verifications,
}

/// The shards that are here now.
#[derive(Clone, Default)]
struct Here(Arc<RwLock<BTreeMap<i32, ShardHandle>>>);

/// What all shards of a node share.
struct Shared {
    /// How many shards there are in the cluster.
    count: i32,
    /// The internal topic.
    topic: TopicId,
    config: GroupsConfig,
    clock: Clock,
    topics: Arc<dyn Topics>,
    neighbours: Arc<dyn Neighbours>,
    /// Makes member ids unlike those of any other incarnation.
    seed: u64,
    drain: Drain,
}

/// The topics that this node knows.
struct ViewTopics(ClusterView);

// === impl Groups ===

impl Groups {
    /// Hosts nothing yet. The cluster's record names the internal topic.
    pub(crate) fn new(cluster: &ClusterRecord, parts: GroupsParts) -> Self {
        metrics::describe();
        let GroupsParts { config, clock, store, view, peers, producer_ids, seed, drain } = parts;
        let shards = Shards::new(Shared {
            count: cluster.group_state_partitions,
            topic: cluster.group_state_topic,
            config,
            clock,
            topics: Arc::new(ViewTopics(view.clone())),
            neighbours: Arc::new(Cluster { view, peers, producer_ids }),
            seed,
            drain,
        });
        Self { store, shards }
    }

    fn is_ours(&self, id: PartitionId) -> bool {
        id.tenant == TenantId::SYSTEM && id.topic == self.shards.topic
    }
}

impl GroupHost for Groups {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        self.shards.call(&request.header, request.body)
    }

    fn keeps_state_in(&self, topic: TopicId) -> bool {
        topic == self.shards.topic
    }

    fn opened(&self, partition: &Arc<Partition>) {
        let id = partition.id();
        if self.is_ours(id) {
            let (store, clock) = (self.store.clone(), self.shards.clock.clone());
            let log = PartitionLog::new(Arc::clone(partition), store, clock);
            self.shards.start(id.index, Arc::new(log));
        }
    }

    fn closed(&self, partition: PartitionId) {
        if self.is_ours(partition) {
            self.shards.stop(partition.index);
        }
    }
}

// === impl Shards ===

impl Shards {
    fn new(shared: Shared) -> Self {
        let Shared { count, topic, config, clock, topics, neighbours, seed, drain } = shared;
        Self {
            count,
            topic,
            config,
            clock,
            topics,
            neighbours,
            seed: Arc::new(AtomicU64::new(seed)),
            drain,
            here: Here::default(),
            verifications: Verifications::default(),
        }
    }

    /// Begins to load a shard from its log.
    fn start(&self, index: i32, log: Arc<dyn StateLog>) {
        let parts = Parts {
            index,
            topic: self.topic,
            count: self.count,
            neighbours: Arc::clone(&self.neighbours),
            config: self.config.coordinator(),
            snapshot_records: self.config.snapshot_records,
            clock: self.clock.clone(),
            topics: Arc::clone(&self.topics),
            seed: Arc::clone(&self.seed),
            log,
        };
        let shard = ShardHandle::start(parts, &self.drain);
        self.here.0.write().insert(index, shard);
    }

    fn stop(&self, index: i32) {
        self.here.0.write().remove(&index);
    }

    fn hosted(&self) -> Vec<i32> {
        self.here.0.read().keys().copied().collect()
    }

    /// The shard that keeps a group or a transactional id.
    fn shard_of(&self, tenant: TenantId, key: &StrBytes) -> i32 {
        coordinator_index(tenant, key, self.count)
    }
}

// === impl Here ===

impl Here {
    fn send(
        &self,
        index: i32,
        client: Client,
        command: Command,
    ) -> Result<oneshot::Receiver<Reply>, Refusal> {
        let here = self.0.read();
        here.get(&index).ok_or(Refusal::NotHere)?.send(client, command)
    }
}

// === impl ViewTopics ===

impl Topics for ViewTopics {
    fn name(&self, tenant: TenantId, topic: TopicId) -> Option<StrBytes> {
        self.0.topic_by_id(tenant, topic).map(|topic| name_of(&topic))
    }

    fn find(&self, tenant: TenantId, name: &str) -> Option<TopicShape> {
        self.0.topic_by_name(tenant, name).map(|topic| shape_of(&topic))
    }

    fn all(&self, tenant: TenantId) -> Vec<(StrBytes, TopicShape)> {
        let topics = self.0.topics(tenant);
        topics.iter().map(|topic| (name_of(topic), shape_of(topic))).collect()
    }

    fn revision(&self) -> u64 {
        self.0.topics_revision()
    }

    fn group_configs(&self, tenant: TenantId, group: &str) -> GroupConfigs {
        let settings = self.0.settings(tenant, SettingKind::Group);
        let Some(value) = settings.entries.get(group) else { return GroupConfigs::default() };
        // One that cannot be read is of a newer version, which a newer node will heed.
        let Ok(set) = GroupRecord::decode(value) else { return GroupConfigs::default() };
        GroupConfigs {
            consumer_session_timeout_ms: set.get(&CONSUMER_SESSION_TIMEOUT),
            consumer_heartbeat_interval_ms: set.get(&CONSUMER_HEARTBEAT_INTERVAL),
        }
    }
}

fn name_of(topic: &Topic) -> StrBytes {
    StrBytes::from_string(topic.name().to_owned())
}

fn shape_of(topic: &Topic) -> TopicShape {
    TopicShape { id: topic.id(), partitions: topic.partitions() }
}
