//! Which node owns which partition, as the cluster's metadata says at the moment; and moves, which
//! are changes of that, as control makes them (RELIABILITY §4.6).

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use metadata::keys::{self, Key};
use metadata::model::{Assignment, NodeRecord, NodeState, Record, TopicRecord};
use metadata::{Entry, MetadataStore, Txn, TxnOutcome};
use protocol::ids::{NodeId, TopicId};
use tokio::runtime::Runtime;

/// Looks assignments up for code without a runtime.
pub(super) struct Owners {
    runtime: Runtime,
    store: Arc<dyn MetadataStore>,
}

impl Owners {
    /// Connects to the metadata store at `url`.
    pub(super) fn connect(url: &str) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let store = runtime.block_on(metadata::open(url))?;
        Ok(Self { runtime, store })
    }

    /// The partitions of `topic` by the id of the node that they are assigned to.
    pub(super) fn of(&self, topic: &str) -> Result<HashMap<i32, Vec<u32>>> {
        self.runtime.block_on(async {
            let id = self.id_of(topic).await?;
            let listing = self.store.list(&keys::partitions_of(id)).await?;
            let mut owners: HashMap<i32, Vec<u32>> = HashMap::new();
            for entry in listing.entries {
                let Some(Key::Partition(_, index)) = Key::parse(&entry.key) else { continue };
                let assignment = Assignment::decode(&entry.value)?;
                owners.entry(assignment.node.0).or_default().push(u32::try_from(index)?);
            }
            Ok(owners)
        })
    }

    /// Assigns a partition to another node, in the next epoch. False if it is there already, if that
    /// node's incarnation is over, or if somebody changed the same in between.
    pub(super) fn give(&self, topic: &str, partition: u32, to: i32) -> Result<bool> {
        self.runtime.block_on(async {
            let partition = Key::Partition(self.id_of(topic).await?, i32::try_from(partition)?);
            let node = Key::Node(NodeId(to));
            let (Some(assigned), Some(heir)) = (self.get(partition).await?, self.get(node).await?)
            else {
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
            Ok(matches!(self.store.txn(txn).await?, TxnOutcome::Committed { .. }))
        })
    }

    async fn id_of(&self, topic: &str) -> Result<TopicId> {
        let topics = self.store.list(keys::TOPICS).await?;
        let records = topics.entries.iter().map(|entry| TopicRecord::decode(&entry.value));
        let records: Vec<TopicRecord> = records.collect::<Result<_, _>>()?;
        let record = records.into_iter().find(|record| record.name == topic);
        Ok(record.with_context(|| format!("no topic {topic}"))?.id)
    }

    async fn get(&self, key: Key) -> Result<Option<Entry>> {
        Ok(self.store.get(&key.to_string()).await?)
    }
}
