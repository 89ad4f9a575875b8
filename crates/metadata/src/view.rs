//! The watched copy of the metadata that every process decides from.
//!
//! One task lists everything, watches from there, and lists again every 30 s, when history was
//! compacted, or when the store was away. Readers look things up in memory and never wait for
//! the store. The copy may lag: whatever is *decided* from it is checked again by whoever owns
//! the truth (a transaction's compares, the manifest on the object store).

mod follow;
mod refresh;
mod state;

use std::{sync::Arc, time::Duration};

use parking_lot::RwLock;
use process::Drain;
use protocol::{
    ids::{NodeId, PartitionId, TenantId, TopicId},
    release::Releases,
};
use tokio::sync::watch;

use self::{refresh::Barrier, state::State};
use crate::{
    gateway_sets::ActiveSet,
    keys::Key,
    limits::REBUILT_INTERVAL,
    model::{
        Assignment, Beyond, ClusterRecord, GatewayRecord, LeaderRecord, NodeRecord, NodeState,
        ReaderRecord, Record, TopicRecord,
    },
    settings::{SettingKind, Settings},
    store::{MetadataError, MetadataStore},
};

/// A handle on the copy; clones share it.
#[derive(Clone)]
pub struct ClusterView {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn MetadataStore>,
    state: RwLock<State>,
    revision: watch::Sender<i64>,
    barrier: Barrier,
}

/// A topic with the owners of its partitions, as of one moment.
///
/// 12 bytes per partition here and 24 in the index by node: 100 k partitions fit in a few MiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The topic.
    pub record: TopicRecord,
    /// Who should own each partition; `None` while nobody is assigned.
    pub owners: Vec<Option<Assignment>>,
}

/// Why a process has to leave the cluster that it joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The store holds it in a higher generation, with another secret: join again.
    Rebuilt {
        /// That generation.
        generation: u16,
    },
    /// Another cluster has its bucket.
    TakenOver,
    /// A release was finished that this process does not know.
    Outgrown(Beyond),
}

const _: () = assert!(size_of::<Option<Assignment>>() <= 12, "the view holds 100 k of these");

// === impl Topic ===

impl Topic {
    /// The topic's id.
    pub fn id(&self) -> TopicId {
        self.record.id
    }

    /// The topic's name.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// The number of partitions.
    pub fn partitions(&self) -> i32 {
        self.record.partitions
    }

    /// A config as it is in force: set on the topic, or its default. `None` for an unknown name.
    pub fn config(&self, name: &str) -> Option<&str> {
        crate::topic_config::effective(&self.record.configs, name)
    }

    /// The assignment of one partition.
    pub fn owner(&self, index: i32) -> Option<Assignment> {
        self.owners.get(usize::try_from(index).ok()?).copied().flatten()
    }

    fn partition(&self, index: usize) -> PartitionId {
        let index = i32::try_from(index).expect("partition counts are i32");
        PartitionId { tenant: self.record.tenant, topic: self.record.id, index }
    }
}

// === impl ClusterView ===

impl ClusterView {
    /// Loads the copy, then follows the store until the drain begins.
    pub async fn start(
        store: Arc<dyn MetadataStore>,
        drain: &Drain,
    ) -> Result<Self, MetadataError> {
        let listing = store.list("").await?;
        let mut state = State::default();
        state.reset(listing);
        let inner = Arc::new(Inner {
            store,
            revision: watch::Sender::new(state.revision),
            state: RwLock::new(state),
            barrier: Barrier::default(),
        });
        drain.spawn("metadata view", follow::follow(Arc::clone(&inner), drain.clone()));
        Ok(Self { inner })
    }

    /// A topic by name.
    pub fn topic_by_name(&self, tenant: TenantId, name: &str) -> Option<Arc<Topic>> {
        self.inner.state.read().topic_by_name(tenant, name)
    }

    /// A topic by id, if it is this tenant's (R56: another tenant's is as good as none).
    pub fn topic_by_id(&self, tenant: TenantId, id: TopicId) -> Option<Arc<Topic>> {
        let topic = self.inner.state.read().topics.get(&id).cloned()?;
        (topic.record.tenant == tenant || process::mutation::on("R56")).then_some(topic)
    }

    /// A tenant's topics in name order.
    pub fn topics(&self, tenant: TenantId) -> Vec<Arc<Topic>> {
        self.inner.state.read().topics_of(tenant)
    }

    /// Every tenant's topics, in no order. For control and nodes, never for an answer to a client.
    pub fn all_topics(&self) -> Vec<Arc<Topic>> {
        self.inner.state.read().topics.values().cloned().collect()
    }

    /// Another number whenever a topic was created, changed or deleted. Owners of partitions come
    /// and go without it.
    pub fn topics_revision(&self) -> u64 {
        self.inner.state.read().topics_revision
    }

    /// A tenant's settings of one kind.
    pub fn settings(&self, tenant: TenantId, kind: SettingKind) -> Arc<Settings> {
        self.inner.state.read().settings.of(tenant, kind)
    }

    /// All tenants' settings of one kind, in no order. Never for an answer to a client.
    pub fn settings_of_all(&self, kind: SettingKind) -> Vec<(TenantId, Arc<Settings>)> {
        self.inner.state.read().settings.of_all(kind)
    }

    /// A storage node's incarnation.
    pub fn node(&self, node: NodeId) -> Option<Arc<NodeRecord>> {
        self.inner.state.read().nodes.get(&node).cloned()
    }

    /// All known storage nodes, in no order.
    pub fn nodes(&self) -> Vec<Arc<NodeRecord>> {
        self.inner.state.read().nodes.values().cloned().collect()
    }

    /// Whether the node's process seems to be up. A hint (R5): never a reason to take its
    /// partitions away.
    pub fn node_is_up(&self, node: NodeId) -> bool {
        let state = self.inner.state.read();
        let is_live = |record: &Arc<NodeRecord>| record.state == NodeState::Live;
        state.live_nodes.contains_key(&node) && state.nodes.get(&node).is_some_and(is_live)
    }

    /// Whether the node says that its clock is wrong (R71): it is to get no more partitions.
    pub fn node_clock_is_wrong(&self, node: NodeId) -> bool {
        let state = self.inner.state.read();
        state.live_nodes.get(&node).is_some_and(|live| live.clock_is_wrong)
    }

    /// The node a partition is assigned to, and the epoch of the assignment.
    pub fn owner(&self, partition: PartitionId) -> Option<(Arc<NodeRecord>, i32)> {
        let state = self.inner.state.read();
        let topic = state.topics.get(&partition.topic)?;
        if topic.record.tenant != partition.tenant {
            return None;
        }
        let assignment = topic.owner(partition.index)?;
        let node = state.nodes.get(&assignment.node)?;
        Some((Arc::clone(node), assignment.epoch))
    }

    /// What is assigned to a node, in no order.
    pub fn assigned_to(&self, node: NodeId) -> Vec<PartitionId> {
        self.inner.state.read().assigned_to(node)
    }

    /// The gateways, by broker id.
    pub fn gateways(&self) -> Vec<GatewayRecord> {
        self.inner.state.read().gateways.values().cloned().collect()
    }

    /// The gateway set that the clients' name stands for; `None` where nobody switches sets.
    pub fn active_set(&self) -> Option<Arc<ActiveSet>> {
        self.inner.state.read().active_set.clone()
    }

    /// The cold readers, by id.
    pub fn readers(&self) -> Vec<ReaderRecord> {
        self.inner.state.read().readers.values().cloned().collect()
    }

    /// The control leader.
    pub fn leader(&self) -> Option<LeaderRecord> {
        self.inner.state.read().leader.clone()
    }

    /// The cluster's identity; `None` before control wrote it.
    pub fn cluster(&self) -> Option<Arc<ClusterRecord>> {
        self.inner.state.read().cluster.clone()
    }

    /// The revision the copy shows.
    pub fn revision(&self) -> i64 {
        *self.inner.revision.borrow()
    }

    /// Tells of every change, by its revision.
    pub fn changed(&self) -> watch::Receiver<i64> {
        self.inner.revision.subscribe()
    }

    /// Waits until the copy shows at least this revision. False if `timeout` ends first.
    pub async fn wait_for_revision(&self, revision: i64, timeout: Duration) -> bool {
        let mut changed = self.changed();
        let reached = changed.wait_for(|shown| *shown >= revision);
        tokio::time::timeout(timeout, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    /// Waits until the cluster's identity is known. For start-up: control writes it first.
    pub async fn wait_for_cluster(&self, timeout: Duration) -> Option<Arc<ClusterRecord>> {
        let mut changed = self.changed();
        let known = changed.wait_for(|_| self.cluster().is_some());
        tokio::time::timeout(timeout, known).await.ok()?.ok()?;
        self.cluster()
    }

    /// Waits until a process of these releases that joined this cluster in generation `known` has
    /// to leave it.
    pub async fn over_since(&self, known: u16, releases: Releases) -> Over {
        loop {
            tokio::time::sleep(REBUILT_INTERVAL).await;
            // A store that is away or empty says nothing.
            let Ok(Some(entry)) = self.inner.store.get(&Key::Cluster.to_string()).await else {
                continue;
            };
            match ClusterRecord::decode(&entry.value) {
                Ok(record) if record.retired => return Over::TakenOver,
                Ok(record) if record.generation > known => {
                    return Over::Rebuilt { generation: record.generation };
                }
                Ok(record) => {
                    if let Err(beyond) = Beyond::check(record.release, releases) {
                        return Over::Outgrown(beyond);
                    }
                }
                Err(_) => {}
            }
        }
    }

    /// Makes the copy show at least what the store holds now (linearizable). Concurrent calls
    /// share one read.
    pub async fn refresh(&self) -> Result<(), MetadataError> {
        refresh::refresh(&self.inner).await
    }

    /// Looks a topic up after a refresh: knows every topic whose creation was answered, on
    /// whichever gateway it is asked for.
    pub async fn refresh_topic(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<Option<Arc<Topic>>, MetadataError> {
        if let Some(topic) = self.topic_by_name(tenant, name) {
            return Ok(Some(topic));
        }
        self.refresh().await?;
        Ok(self.topic_by_name(tenant, name))
    }
}

// === impl Inner ===

impl Inner {
    /// Changes the state and, if it moved, tells whoever waits.
    fn update(&self, change: impl FnOnce(&mut State) -> bool) {
        let mut state = self.state.write();
        if change(&mut state) {
            let revision = state.revision;
            drop(state);
            self.revision.send_replace(revision);
        }
    }
}

#[cfg(test)]
mod tests;
