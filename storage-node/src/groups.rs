//! The consumer groups whose state lives in internal partitions of this node (ADR 0005).
//!
//! In: group requests of gateways, and the news which partitions this node owns.
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

use coordinator::{Command, Reply, TopicShape, Topics};
use futures::future::BoxFuture;
use hop::{HopHeader, HopRequest, Response};
use metadata::model::ClusterRecord;
use metadata::{ClusterView, Topic};
use parking_lot::RwLock;
use process::{Clock, Drain};
use protocol::StrBytes;
use protocol::ids::{PartitionId, TenantId, TopicId, coordinator_index};
use segment::Store;
use tokio::sync::oneshot;

use crate::group_host::GroupHost;
use crate::partition::Partition;

mod refusal;
mod route;

mod partition_log;
mod shard;
mod state_log;

mod config;
mod limits;
mod metrics;

#[cfg(test)]
mod tests;

pub use config::GroupsConfig;

use partition_log::PartitionLog;
use shard::{Client, Parts, Refusal, ShardHandle};
use state_log::StateLog;

/// What the host of the groups works with.
pub(crate) struct GroupsParts {
    pub(crate) config: GroupsConfig,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) view: ClusterView,
    /// Makes member ids unlike those of any other incarnation.
    pub(crate) seed: u64,
    pub(crate) drain: Drain,
}

/// The node's groups: see the module.
pub(crate) struct Groups {
    /// The internal topic.
    topic: TopicId,
    store: Store,
    shards: Shards,
}

/// The shards of this node, by the index of their internal partition.
struct Shards {
    /// How many there are in the cluster. Never changes: groups are hashed onto it.
    count: i32,
    config: GroupsConfig,
    clock: Clock,
    topics: Arc<dyn Topics>,
    seed: Arc<AtomicU64>,
    drain: Drain,
    here: RwLock<BTreeMap<i32, ShardHandle>>,
}

/// The topics that this node knows.
struct ViewTopics(ClusterView);

// === impl Groups ===

impl Groups {
    /// Hosts nothing yet. The cluster's record names the internal topic.
    pub(crate) fn new(cluster: &ClusterRecord, parts: GroupsParts) -> Self {
        metrics::describe();
        let GroupsParts { config, clock, store, view, seed, drain } = parts;
        let topics: Arc<dyn Topics> = Arc::new(ViewTopics(view));
        let count = cluster.group_state_partitions;
        let shards = Shards::new(count, config, clock, topics, seed, drain);
        Self { topic: cluster.group_state_topic, store, shards }
    }

    fn is_ours(&self, id: PartitionId) -> bool {
        id.tenant == TenantId::SYSTEM && id.topic == self.topic
    }
}

impl GroupHost for Groups {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        self.shards.call(&request.header, request.body)
    }

    fn keeps_state_in(&self, topic: TopicId) -> bool {
        topic == self.topic
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
    fn new(
        count: i32,
        config: GroupsConfig,
        clock: Clock,
        topics: Arc<dyn Topics>,
        seed: u64,
        drain: Drain,
    ) -> Self {
        let seed = Arc::new(AtomicU64::new(seed));
        Self { count, config, clock, topics, seed, drain, here: RwLock::default() }
    }

    /// Begins to load a shard from its log.
    fn start(&self, index: i32, log: Arc<dyn StateLog>) {
        let parts = Parts {
            index,
            config: self.config.coordinator(),
            snapshot_records: self.config.snapshot_records,
            clock: self.clock.clone(),
            topics: Arc::clone(&self.topics),
            seed: Arc::clone(&self.seed),
            log,
        };
        let shard = ShardHandle::start(parts, &self.drain);
        self.here.write().insert(index, shard);
    }

    fn stop(&self, index: i32) {
        self.here.write().remove(&index);
    }

    fn hosted(&self) -> Vec<i32> {
        self.here.read().keys().copied().collect()
    }

    fn shard_of(&self, header: &HopHeader, group: &StrBytes) -> i32 {
        coordinator_index(header.tenant, group, self.count)
    }

    fn send_to(
        &self,
        index: i32,
        client: Client,
        command: Command,
    ) -> Result<oneshot::Receiver<Reply>, Refusal> {
        let here = self.here.read();
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
}

fn name_of(topic: &Topic) -> StrBytes {
    StrBytes::from_string(topic.name().to_owned())
}

fn shape_of(topic: &Topic) -> TopicShape {
    TopicShape { id: topic.id(), partitions: topic.partitions() }
}
