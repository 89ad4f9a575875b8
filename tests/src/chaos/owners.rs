//! Which node owns which partition, as the cluster's metadata says at the moment.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use metadata::MetadataStore;
use metadata::keys::{self, Key};
use metadata::model::{Assignment, Record, TopicRecord};
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
            let topics = self.store.list(keys::TOPICS).await?;
            let records = topics.entries.iter().map(|entry| TopicRecord::decode(&entry.value));
            let records: Vec<TopicRecord> = records.collect::<Result<_, _>>()?;
            let record = records.into_iter().find(|record| record.name == topic);
            let id = record.with_context(|| format!("no topic {topic}"))?.id;
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
}
