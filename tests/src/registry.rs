//! What the cluster's metadata says at the moment: who owns what, and how to call it; and moves, which
//! are changes of that, as control makes them (RELIABILITY §4.6).

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use metadata::keys::{self, Key};
use metadata::model::{
    Assignment, ClusterRecord, LeaderRecord, NodeRecord, NodeState, Record, TopicRecord,
};
use metadata::{Entry, MetadataStore, Txn, TxnOutcome};
use protocol::ids::{NodeId, TopicId};
use tokio::runtime::Runtime;

/// Looks metadata up for code without a runtime.
pub struct Registry {
    runtime: Runtime,
    store: Arc<dyn MetadataStore>,
}

impl Registry {
    /// Connects to the metadata store at `url`.
    pub fn connect(url: &str) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let store = runtime.block_on(metadata::open(url))?;
        Ok(Self { runtime, store })
    }

    /// The cluster's own record.
    pub fn cluster(&self) -> Result<ClusterRecord> {
        self.record(Key::Cluster)
    }

    /// A node's record.
    pub fn node(&self, node: i32) -> Result<NodeRecord> {
        self.record(Key::Node(NodeId(node)))
    }

    /// The name of the control process that leads; `None` while there is none.
    pub fn leader(&self) -> Result<Option<String>> {
        let entry = self.entry(Key::Leader)?;
        let record = entry.map(|entry| LeaderRecord::decode(&entry.value)).transpose()?;
        Ok(record.map(|record| record.control_id))
    }

    /// Takes the leadership from whoever has it and does not tell: its lease lives on.
    pub fn depose_leader(&self) -> Result<()> {
        let outcome = self.runtime.block_on(self.store.txn(Txn::new().delete(Key::Leader)))?;
        anyhow::ensure!(outcome.is_committed(), "nothing is compared");
        Ok(())
    }

    /// The id of a topic.
    pub fn topic(&self, name: &str) -> Result<TopicId> {
        let topics = self.runtime.block_on(self.store.list(keys::TOPICS))?;
        let records = topics.entries.iter().map(|entry| TopicRecord::decode(&entry.value));
        let records: Vec<TopicRecord> = records.collect::<Result<_, _>>()?;
        let record = records.into_iter().find(|record| record.name == name);
        Ok(record.with_context(|| format!("no topic {name}"))?.id)
    }

    /// Every partition of a topic with its owner and epoch.
    pub fn assignments(&self, topic: TopicId) -> Result<HashMap<i32, Assignment>> {
        let listing = self.runtime.block_on(self.store.list(&keys::partitions_of(topic)))?;
        let mut assignments = HashMap::new();
        for entry in listing.entries {
            let Some(Key::Partition(_, index)) = Key::parse(&entry.key) else { continue };
            assignments.insert(index, Assignment::decode(&entry.value)?);
        }
        Ok(assignments)
    }

    /// The partitions of the topic of this name by the id of the node that they are assigned to.
    pub fn owners(&self, topic: &str) -> Result<HashMap<i32, Vec<u32>>> {
        let mut owners: HashMap<i32, Vec<u32>> = HashMap::new();
        for (index, assignment) in self.assignments(self.topic(topic)?)? {
            owners.entry(assignment.node.0).or_default().push(u32::try_from(index)?);
        }
        Ok(owners)
    }

    /// All partitions of all topics, internal ones as well, with the nodes that they are assigned to.
    pub fn partitions(&self) -> Result<Vec<((TopicId, i32), NodeId)>> {
        let listing = self.runtime.block_on(self.store.list(keys::PARTITIONS))?;
        let mut partitions = Vec::new();
        for entry in listing.entries {
            let Some(Key::Partition(topic, index)) = Key::parse(&entry.key) else { continue };
            partitions.push(((topic, index), Assignment::decode(&entry.value)?.node));
        }
        Ok(partitions)
    }

    /// Assigns a partition to another node, in the next epoch. False if it is there already, if that
    /// node's incarnation is over, or if somebody changed the same in between.
    pub fn give(&self, topic: &str, partition: u32, to: i32) -> Result<bool> {
        self.give_partition(self.topic(topic)?, i32::try_from(partition)?, to)
    }

    /// The same for a topic of which only the id is known.
    pub fn give_partition(&self, topic: TopicId, index: i32, to: i32) -> Result<bool> {
        let partition = Key::Partition(topic, index);
        let node = Key::Node(NodeId(to));
        let (Some(assigned), Some(heir)) = (self.entry(partition)?, self.entry(node)?) else {
            return Ok(false);
        };
        let Assignment { node: from, epoch } = Assignment::decode(&assigned.value)?;
        let is_live = NodeRecord::decode(&heir.value)?.state == NodeState::Live;
        if from == NodeId(to) || !is_live {
            return Ok(false);
        }
        let next = Assignment { node: NodeId(to), epoch: epoch + 1 };
        let txn = Txn::new()
            .when_mod(node, heir.mod_revision)
            .when_mod(partition, assigned.mod_revision)
            .put(partition, next.encode());
        let outcome = self.runtime.block_on(self.store.txn(txn))?;
        Ok(matches!(outcome, TxnOutcome::Committed { .. }))
    }

    fn record<R: Record>(&self, key: Key) -> Result<R> {
        let entry = self.entry(key)?.with_context(|| format!("no {key}"))?;
        Ok(R::decode(&entry.value)?)
    }

    fn entry(&self, key: Key) -> Result<Option<Entry>> {
        Ok(self.runtime.block_on(self.store.get(&key.to_string()))?)
    }
}
