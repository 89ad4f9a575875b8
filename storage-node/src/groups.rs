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

use coordinator::{Command, Reply, TopicNames};
use futures::future::BoxFuture;
use hop::{HopHeader, HopRequest, Response};
use metadata::ClusterView;
use metadata::model::ClusterRecord;
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
    topic_names: Arc<dyn TopicNames>,
    seed: Arc<AtomicU64>,
    drain: Drain,
    here: RwLock<BTreeMap<i32, ShardHandle>>,
}

/// Names of topics, as this node knows them.
struct ViewNames(ClusterView);

// === impl Groups ===

impl Groups {
    /// Hosts nothing yet. The cluster's record names the internal topic.
    pub(crate) fn new(cluster: &ClusterRecord, parts: GroupsParts) -> Self {
        metrics::describe();
        let GroupsParts { config, clock, store, view, seed, drain } = parts;
        let topic_names: Arc<dyn TopicNames> = Arc::new(ViewNames(view));
        let count = cluster.group_state_partitions;
        let shards = Shards::new(count, config, clock, topic_names, seed, drain);
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
        topic_names: Arc<dyn TopicNames>,
        seed: u64,
        drain: Drain,
    ) -> Self {
        let seed = Arc::new(AtomicU64::new(seed));
        Self { count, config, clock, topic_names, seed, drain, here: RwLock::default() }
    }

    /// Begins to load a shard from its log.
    fn start(&self, index: i32, log: Arc<dyn StateLog>) {
        let parts = Parts {
            index,
            config: self.config.coordinator(),
            snapshot_records: self.config.snapshot_records,
            clock: self.clock.clone(),
            topic_names: Arc::clone(&self.topic_names),
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

// === impl ViewNames ===

impl TopicNames for ViewNames {
    fn name(&self, tenant: TenantId, topic: TopicId) -> Option<StrBytes> {
        let topic = self.0.topic_by_id(tenant, topic)?;
        Some(StrBytes::from_string(topic.name().to_owned()))
    }
}
