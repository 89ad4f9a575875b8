//! A lost metadata store, made again from the object store alone (R9, RELIABILITY §4.8).
//!
//! ```text
//! metadata log ─► next generation ─► topics, producer ids ─┐
//! manifests ─► owner and epoch of every partition ─────────┼─► metadata store ─► c/cluster
//! owners' logs ─► node records: Live, or Ended ────────────┘
//! ```
//!
//! The generation goes into the log first: from then on no leader of before can append. The
//! cluster's record comes last: nobody joins before all of it is there, and a rebuild that broke
//! off is simply run again. Nothing acknowledged is touched: manifests and logs are only read.
//!
//! The secret is new, for it is in no log. Whoever still runs with the old one notices the higher
//! generation, ends what it can and has to be started again; a node then ends its old log as at
//! any start. A node that does not come back is left as Live: ending it is failover's work.

pub(crate) mod survey;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use metadata::{
    MetadataError, MetadataStore, Txn, TxnOutcome,
    keys::Key,
    model::{ClusterRecord, ProducerIdRecord, Record},
};
use segment::{LogId, Store, StoreError, manifest::LoadError};

use self::survey::Survey;
use crate::{
    bootstrap::cluster_record,
    catalogue::Catalogue,
    limits::OPS_PER_TXN,
    meta_log::{MetaLog, MetaLogError, MetaRecord},
};

/// What a rebuild brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The cluster, as clients know it.
    pub cluster_id: String,
    /// Its new generation.
    pub generation: u16,
    /// Topics of all tenants, internal ones included.
    pub topics: usize,
    /// Their partitions.
    pub partitions: usize,
    /// Partitions that some node owned; the others get one from control.
    pub owned: usize,
    /// Nodes that owned them, and how many of those had not ended their log.
    pub nodes: (usize, usize),
}

/// Why the metadata store was not rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// There is nothing to rebuild from.
    #[error("the object store at {url} holds no cluster; point `store.url` to its bucket")]
    NoCluster {
        /// The object store.
        url: String,
    },
    /// The metadata store is in use.
    #[error(
        "the metadata store knows cluster `{cluster_id}`, generation {generation}; nothing is \
         rebuilt over it: point `metadata.url` to an empty one"
    )]
    NotEmpty {
        /// The cluster it knows.
        cluster_id: String,
        /// In which generation.
        generation: u16,
    },
    /// Somebody else does the same.
    #[error("another process rebuilt the metadata store meanwhile")]
    Overtaken,
    /// The names of generations ran out.
    #[error("generation {0} is the last that ids have room for")]
    LastGeneration(u16),
    /// A log's name is not readable.
    #[error("log {log} has no OPEN slot that says where its front is")]
    NoFront {
        /// The log.
        log: LogId,
    },
    /// The metadata log failed.
    #[error(transparent)]
    Log(#[from] MetaLogError),
    /// A manifest is not readable.
    #[error(transparent)]
    Manifest(#[from] LoadError),
    /// The object store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The metadata store failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Fills an empty metadata store from the object store.
pub async fn rebuild(metadata: &dyn MetadataStore, store: &Store) -> Result<Rebuilt, RebuildError> {
    refuse_if_in_use(metadata).await?;
    let (mut log, records) = MetaLog::open(store, 0).await?;
    let mut catalogue = Catalogue::replay(records);
    let no_cluster = || RebuildError::NoCluster { url: store.url().to_owned() };
    let before = catalogue.founded().ok_or_else(no_cluster)?.generation;
    let next = before.checked_add(1).ok_or(RebuildError::LastGeneration(before))?;
    log.append(&MetaRecord::Generation(next)).await?;
    catalogue.apply(MetaRecord::Generation(next));

    // A node that rolls over or comes back late must not go on in the generation before.
    segment::generation::begin(store, u32::from(next)).await?;
    let survey = Survey::of(&catalogue, store).await?;
    let record = fill(metadata, &catalogue, &survey).await?;
    Ok(Rebuilt {
        cluster_id: record.cluster_id,
        generation: next,
        topics: catalogue.topic_count(),
        partitions: catalogue.partition_count(),
        owned: survey.owned.len(),
        nodes: (survey.nodes.len(), survey.live_nodes()),
    })
}

/// Fills the metadata store; the cluster's record comes last.
pub(crate) async fn fill(
    metadata: &dyn MetadataStore,
    catalogue: &Catalogue,
    survey: &Survey,
) -> Result<ClusterRecord, RebuildError> {
    write(metadata, copies(catalogue, survey)).await?;
    let record = cluster_record(catalogue.founded().expect("only a founded cluster is filled in"));
    publish(metadata, &record).await?;
    Ok(record)
}

pub(crate) async fn refuse_if_in_use(metadata: &dyn MetadataStore) -> Result<(), RebuildError> {
    let Some(entry) = metadata.get(&Key::Cluster.to_string()).await? else { return Ok(()) };
    let (cluster_id, generation) = ClusterRecord::decode(&entry.value).map_or_else(
        |error| (error.to_string(), 0),
        |record| (record.cluster_id, record.generation),
    );
    Err(RebuildError::NotEmpty { cluster_id, generation })
}

/// Everything but the cluster's record.
fn copies(catalogue: &Catalogue, survey: &Survey) -> Vec<(String, Bytes)> {
    let mut copies = Vec::new();
    for record in survey.nodes.values() {
        copies.push((Key::Node(record.node).into(), record.encode()));
    }
    for topic in catalogue.topics() {
        copies.push((Key::Topic(topic.tenant, topic.id).into(), topic.encode()));
    }
    for (partition, assignment) in &survey.owned {
        let key = Key::Partition(partition.topic, partition.index);
        copies.push((key.into(), assignment.encode()));
    }
    let next = catalogue.next_producer_id();
    if next > 0 {
        copies.push((Key::ProducerIds.into(), ProducerIdRecord { next }.encode()));
    }
    copies.extend(catalogue.all_settings().map(|(key, value)| (key.into(), value.clone())));
    copies
}

/// In transactions of a legal size. What a rebuild before this one left is overwritten.
async fn write(
    metadata: &dyn MetadataStore,
    copies: Vec<(String, Bytes)>,
) -> Result<(), RebuildError> {
    for some in copies.chunks(OPS_PER_TXN) {
        let none_there = Txn::new().when_absent(Key::Cluster);
        let txn =
            some.iter().fold(none_there, |txn, (key, value)| txn.put(key.as_str(), value.clone()));
        if metadata.txn(txn).await? == TxnOutcome::Conflict {
            return Err(RebuildError::Overtaken);
        }
    }
    Ok(())
}

async fn publish(metadata: &dyn MetadataStore, record: &ClusterRecord) -> Result<(), RebuildError> {
    let txn = Txn::new().when_absent(Key::Cluster).put(Key::Cluster, record.encode());
    match metadata.txn(txn).await {
        Ok(TxnOutcome::Committed { .. }) => Ok(()),
        // Unknown: ours if it reads back as ours, for the secret in it is unique.
        Ok(TxnOutcome::Conflict) | Err(MetadataError::Unknown(_)) => {
            let entry = metadata.get(&Key::Cluster.to_string()).await?;
            let ours = entry.is_some_and(|entry| entry.value == record.encode());
            if ours { Ok(()) } else { Err(RebuildError::Overtaken) }
        }
        Err(error) => Err(error.into()),
    }
}
