//! What the view holds and how changes are applied to it. Pure: no I/O, no clock.
//!
//! R10: the state remembers the revision it shows and takes nothing older. A listing from a
//! lagging server, a repeated event or a watch that travels back changes nothing. The one
//! exception is a listing of a higher cluster generation: then the store was rebuilt and
//! counts anew.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use protocol::ids::{BrokerId, NodeId, PartitionId, ReaderId, TenantId, TopicId};

use super::Topic;
use crate::{
    gateway_sets::ActiveSet,
    keys::{Key, PROCESSES, VANTAGE_POINTS},
    model::{
        Assignment, ClusterRecord, GatewayRecord, LeaderRecord, NodeLiveRecord, NodeRecord,
        ReaderRecord, Record, TopicRecord,
    },
    settings::{AllSettings, SettingKey},
    store::{Entry, Event, Listing, WatchBatch},
};

/// The cluster at one revision.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) revision: i64,
    pub(super) cluster: Option<Arc<ClusterRecord>>,
    pub(super) leader: Option<LeaderRecord>,
    pub(super) active_set: Option<Arc<ActiveSet>>,
    pub(super) nodes: HashMap<NodeId, Arc<NodeRecord>>,
    pub(super) live_nodes: HashMap<NodeId, NodeLiveRecord>,
    pub(super) gateways: BTreeMap<BrokerId, GatewayRecord>,
    pub(super) readers: BTreeMap<ReaderId, ReaderRecord>,
    pub(super) topics: HashMap<TopicId, Arc<Topic>>,
    /// Counts the changes of topics, for those who need not look at anything else.
    pub(super) topics_revision: u64,
    pub(super) settings: AllSettings,
    names: HashMap<TenantId, BTreeMap<String, TopicId>>,
    assigned: HashMap<NodeId, HashSet<PartitionId>>,
}

impl State {
    /// Replaces everything by a full listing. False if the listing is older than the state.
    pub(super) fn reset(&mut self, listing: Listing) -> bool {
        let mut fresh = Self::load(listing);
        if !process::mutation::on("R10")
            && fresh.revision < self.revision
            && fresh.generation() <= self.generation()
        {
            return false;
        }
        let topics_revision = self.topics_revision + 1;
        fresh.settings.succeed(&self.settings);
        *self = Self { topics_revision, ..fresh };
        true
    }

    /// Applies one revision's changes. False if the state shows them already.
    pub(super) fn apply(&mut self, batch: WatchBatch) -> bool {
        if batch.revision <= self.revision {
            return false;
        }
        for event in batch.events {
            match event {
                Event::Put(entry) => self.put(&entry),
                Event::Delete { key, .. } => self.delete(&key),
            }
        }
        self.revision = batch.revision;
        true
    }

    /// A topic by its tenant's name for it.
    pub(super) fn topic_by_name(&self, tenant: TenantId, name: &str) -> Option<Arc<Topic>> {
        let id = self.names.get(&tenant)?.get(name)?;
        self.topics.get(id).cloned()
    }

    /// A tenant's topics in name order.
    pub(super) fn topics_of(&self, tenant: TenantId) -> Vec<Arc<Topic>> {
        let names = self.names.get(&tenant).into_iter().flatten();
        names.filter_map(|(_, id)| self.topics.get(id).cloned()).collect()
    }

    /// What is assigned to a node, in no order.
    pub(super) fn assigned_to(&self, node: NodeId) -> Vec<PartitionId> {
        self.assigned.get(&node).into_iter().flatten().copied().collect()
    }

    fn load(listing: Listing) -> Self {
        let mut state = Self { revision: listing.revision, ..Self::default() };
        // In key order assignments come before topics; an assignment needs its topic.
        let (late, early): (Vec<_>, Vec<_>) = listing
            .entries
            .into_iter()
            .partition(|entry| matches!(Key::parse(&entry.key), Some(Key::Partition(..))));
        for entry in early.iter().chain(&late) {
            state.put(entry);
        }
        state
    }

    fn generation(&self) -> u16 {
        self.cluster.as_ref().map_or(0, |cluster| cluster.generation)
    }

    fn put(&mut self, entry: &Entry) {
        match Key::parse(&entry.key) {
            Some(Key::Leader) => read(entry, |record| self.leader = Some(record)),
            Some(Key::Cluster) => read(entry, |record| self.cluster = Some(Arc::new(record))),
            Some(Key::ActiveSet) => read(entry, |record| self.active_set = Some(Arc::new(record))),
            Some(Key::Node(node)) => {
                read(entry, |record| drop(self.nodes.insert(node, Arc::new(record))));
            }
            Some(Key::NodeLive(node)) => {
                // It is up, whatever it says.
                let record = NodeLiveRecord::decode(&entry.value).unwrap_or_default();
                self.live_nodes.insert(node, record);
            }
            Some(Key::Gateway(broker)) => {
                read(entry, |record| drop(self.gateways.insert(broker, record)));
            }
            Some(Key::Reader(reader)) => {
                read(entry, |record| drop(self.readers.insert(reader, record)));
            }
            Some(Key::Topic(..)) => read(entry, |record| self.put_topic(record)),
            Some(Key::Partition(topic, index)) => {
                read(entry, |assignment| self.assign(topic, index, Some(assignment)));
            }
            Some(Key::Standby | Key::ProducerIds | Key::NodePromise(_)) => {}
            None if [VANTAGE_POINTS, PROCESSES].iter().any(|it| entry.key.starts_with(it)) => {}
            None => match SettingKey::parse(&entry.key) {
                Some(key) => self.settings.set(&key, Some(entry.value.clone())),
                None => tracing::debug!(key = entry.key, "metadata key of an unknown kind"),
            },
        }
    }

    fn delete(&mut self, key: &str) {
        match Key::parse(key) {
            Some(Key::Leader) => self.leader = None,
            Some(Key::Cluster) => self.cluster = None,
            Some(Key::ActiveSet) => self.active_set = None,
            Some(Key::Node(node)) => drop(self.nodes.remove(&node)),
            Some(Key::NodeLive(node)) => drop(self.live_nodes.remove(&node)),
            Some(Key::Gateway(broker)) => drop(self.gateways.remove(&broker)),
            Some(Key::Reader(reader)) => drop(self.readers.remove(&reader)),
            Some(Key::Topic(_, topic)) => self.remove_topic(topic),
            Some(Key::Partition(topic, index)) => self.assign(topic, index, None),
            Some(Key::Standby | Key::ProducerIds | Key::NodePromise(_)) => {}
            None => {
                if let Some(key) = SettingKey::parse(key) {
                    self.settings.set(&key, None);
                }
            }
        }
    }

    fn put_topic(&mut self, record: TopicRecord) {
        self.topics_revision += 1;
        let names = self.names.entry(record.tenant).or_default();
        names.insert(record.name.clone(), record.id);
        let partitions = usize::try_from(record.partitions).expect("decoded as positive");
        match self.topics.get_mut(&record.id) {
            Some(topic) => {
                let topic = Arc::make_mut(topic);
                // Topics only grow; an index that is gone would leave its owner behind.
                topic.owners.resize(partitions.max(topic.owners.len()), None);
                topic.record = record;
            }
            None => {
                let topic = Topic { owners: vec![None; partitions], record };
                self.topics.insert(topic.record.id, Arc::new(topic));
            }
        }
    }

    fn remove_topic(&mut self, id: TopicId) {
        let Some(topic) = self.topics.remove(&id) else { return };
        self.topics_revision += 1;
        if let Some(names) = self.names.get_mut(&topic.record.tenant)
            // The name may belong to a topic that was created since.
            && names.get(&topic.record.name) == Some(&id)
        {
            names.remove(&topic.record.name);
        }
        for (index, owner) in topic.owners.iter().enumerate() {
            if let Some(owner) = owner {
                self.unindex(owner.node, topic.partition(index));
            }
        }
    }

    fn assign(&mut self, id: TopicId, index: i32, assignment: Option<Assignment>) {
        // An assignment of a topic that is gone: its own deletion follows.
        let Some(topic) = self.topics.get_mut(&id) else { return };
        let Some(at) = usize::try_from(index).ok().filter(|at| *at < topic.owners.len()) else {
            return;
        };
        let partition = topic.partition(at);
        let before = std::mem::replace(&mut Arc::make_mut(topic).owners[at], assignment);
        if let Some(before) = before {
            self.unindex(before.node, partition);
        }
        if let Some(after) = assignment {
            self.assigned.entry(after.node).or_default().insert(partition);
        }
    }

    fn unindex(&mut self, node: NodeId, partition: PartitionId) {
        if let Some(partitions) = self.assigned.get_mut(&node) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.assigned.remove(&node);
            }
        }
    }
}

/// Hands over a decoded record. One unreadable value must not stop the view: it is logged and
/// the key stays as it was.
fn read<R: Record>(entry: &Entry, take: impl FnOnce(R)) {
    match R::decode(&entry.value) {
        Ok(record) => take(record),
        Err(error) => {
            tracing::error!(key = entry.key, %error, "metadata record cannot be read");
        }
    }
}

#[cfg(test)]
mod tests;
