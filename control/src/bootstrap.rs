//! The cluster's identity: founded once, found again at every start.
//!
//! The log on the object store and the metadata store must tell of the same cluster. Each may
//! be missing, and that decides:
//!
//! ```text
//! log       c/cluster
//! none      none        a new cluster: found it
//! founded   none        nobody ever led it: founding broke off here, go on
//! led       none        the metadata store was lost: refuse, `rebuild` brings it back (R9)
//! founded   older       another cluster took the bucket over: refuse (R50)
//! none      there       the wrong bucket, or an emptied one: refuse
//! founded   there       the same cluster, or refuse
//! ```
//!
//! Nobody leads yet and several processes may do this at once: the log's slots and the
//! transaction on `c/cluster` choose one founder, and the others find its work.

use std::collections::BTreeMap;

use metadata::{
    Entry, MetadataError, MetadataStore, Txn,
    keys::Key,
    model::{Beyond, ClusterRecord, DecodeError, Record, TopicRecord},
};
use process::Clock;
use protocol::ids::{TenantId, TopicId};
use protocol::release::{Release, Releases};
use segment::Store;

use crate::{
    Config,
    catalogue::{Catalogue, Founded},
    cluster_id,
    meta_log::{MetaLog, MetaLogError, MetaRecord},
    standby::retire,
};

/// Name of the internal topic that keeps the state of all tenants' groups.
pub const GROUP_STATE_TOPIC: &str = "__group_state";

/// Why the cluster's identity cannot be established.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The object store belongs to another cluster.
    #[error(
        "the object store at {url} holds cluster `{in_log}`, the metadata store knows cluster \
         `{in_metadata}`; point `store.url` and the metadata URL to the same cluster"
    )]
    OtherCluster {
        /// The object store.
        url: String,
        /// The id in its metadata log.
        in_log: String,
        /// The id in the metadata store.
        in_metadata: String,
    },
    /// The object store has no cluster although there is one.
    #[error(
        "the object store at {url} holds no cluster, the metadata store knows cluster \
         `{in_metadata}`; point `store.url` to that cluster's bucket"
    )]
    NoSuchCluster {
        /// The object store.
        url: String,
        /// The id in the metadata store.
        in_metadata: String,
    },
    /// The metadata store is empty although there is a cluster.
    #[error(
        "the metadata store is empty, the object store at {url} holds cluster `{in_log}`; if that \
         cluster's metadata is lost, run `thermocline rebuild --from-bucket` with this file"
    )]
    MetadataLost {
        /// The object store.
        url: String,
        /// The id in its metadata log.
        in_log: String,
    },
    /// Another cluster serves what this one did.
    #[error(
        "the bucket at {url} was taken over{by} in generation {generation}, the metadata store knows \
         generation {known}; `thermocline demote` makes a standby of this cluster"
    )]
    TakenOver {
        /// The object store.
        url: String,
        /// Which site has it, in words.
        by: String,
        /// Its generation.
        generation: u16,
        /// Ours.
        known: u16,
    },
    /// The metadata store's record is unreadable.
    #[error("the cluster's record is unreadable: {0}")]
    Record(#[from] DecodeError),
    /// The cluster is of a release that this process cannot behave as.
    #[error(transparent)]
    Beyond(#[from] Beyond),
    /// The metadata store failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The metadata log failed.
    #[error(transparent)]
    Log(#[from] MetaLogError),
}

/// Finds the cluster's identity, or founds the cluster. To be called before anything that needs
/// the cluster's secret.
pub async fn bootstrap(
    config: &Config,
    clock: &Clock,
    metadata: &dyn MetadataStore,
    store: &Store,
) -> Result<ClusterRecord, BootstrapError> {
    bootstrap_within(Releases::OURS, config, clock, metadata, store).await
}

/// The same for a process that behaves as no other releases than these: a cluster that it founds
/// is of the newest of them.
pub async fn bootstrap_within(
    releases: Releases,
    config: &Config,
    clock: &Clock,
    metadata: &dyn MetadataStore,
    store: &Store,
) -> Result<ClusterRecord, BootstrapError> {
    loop {
        let (mut log, records) = MetaLog::open(store, 0).await?;
        let catalogue = Catalogue::replay(records);
        if catalogue.founded().is_some() {
            Beyond::check(catalogue.release(), releases)?;
        }
        let known = read(metadata).await?;
        let next = match (catalogue.founded(), known) {
            (Some(founded), Some((entry, record))) if founded.cluster_id == record.cluster_id => {
                if record.generation < founded.generation {
                    let known = record.generation;
                    retire(metadata, &entry, record).await?;
                    return Err(taken_over(store, founded, known));
                }
                return Ok(record);
            }
            (Some(founded), Some((_, record))) => {
                return Err(BootstrapError::OtherCluster {
                    url: store.url().to_owned(),
                    in_log: founded.cluster_id.clone(),
                    in_metadata: record.cluster_id,
                });
            }
            (None, Some((_, record))) => {
                return Err(BootstrapError::NoSuchCluster {
                    url: store.url().to_owned(),
                    in_metadata: record.cluster_id,
                });
            }
            (Some(founded), None) if catalogue.has_been_led() => {
                return Err(BootstrapError::MetadataLost {
                    url: store.url().to_owned(),
                    in_log: founded.cluster_id.clone(),
                });
            }
            (Some(founded), None) => {
                publish(metadata, founded).await?;
                continue;
            }
            (None, None) => found(config, clock, releases),
        };
        match log.append(&next).await {
            // Or somebody else wrote first: see what.
            Ok(_) | Err(MetaLogError::Overtaken) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Finishes the release of this program in a founded cluster that is this process alone, and that
/// nobody leads yet: there is nobody to ask, nor to be asked.
pub async fn finish_alone(store: &Store) -> Result<(), MetaLogError> {
    let (mut log, records) = MetaLog::open(store, 0).await?;
    if Catalogue::replay(records).release() < Release::THIS {
        log.append(&MetaRecord::ReleaseFinished(Release::THIS)).await?;
    }
    Ok(())
}

async fn read(
    metadata: &dyn MetadataStore,
) -> Result<Option<(Entry, ClusterRecord)>, BootstrapError> {
    let Some(entry) = metadata.get(&Key::Cluster.to_string()).await? else { return Ok(None) };
    let record = ClusterRecord::decode(&entry.value)?;
    Ok(Some((entry, record)))
}

fn taken_over(store: &Store, founded: &Founded, known: u16) -> BootstrapError {
    let by = founded.site.as_ref().map(|site| format!(" by site `{site}`"));
    BootstrapError::TakenOver {
        url: store.url().to_owned(),
        by: by.unwrap_or_default(),
        generation: founded.generation,
        known,
    }
}

fn found(config: &Config, clock: &Clock, releases: Releases) -> MetaRecord {
    let group_state = TopicRecord {
        tenant: TenantId::SYSTEM,
        id: TopicId::random(),
        name: GROUP_STATE_TOPIC.to_owned(),
        partitions: config.group_state_partitions,
        // Groups' state is trimmed by its coordinators, never by age.
        configs: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
        internal: true,
        created_ms: clock.now_ms(),
    };
    let (cluster_id, release) = (cluster_id::random(), releases.newest());
    MetaRecord::Founded { cluster_id, generation: 1, group_state, release }
}

/// The cluster's record with a new secret. That is in no log: whoever can read the bucket must not
/// be able to call the nodes.
pub(crate) fn cluster_record(founded: &Founded) -> ClusterRecord {
    let mut secret = [0; 32];
    aws_lc_rs::rand::fill(&mut secret).expect("the system has randomness");
    ClusterRecord {
        cluster_id: founded.cluster_id.clone(),
        generation: founded.generation,
        secret,
        group_state_topic: founded.group_state_topic,
        group_state_partitions: founded.group_state_partitions,
        retired: false,
        release: founded.release,
    }
}

/// Writes `c/cluster` if nobody did.
async fn publish(metadata: &dyn MetadataStore, founded: &Founded) -> Result<(), BootstrapError> {
    let record = cluster_record(founded);
    let txn = Txn::new().when_absent(Key::Cluster).put(Key::Cluster, record.encode());
    match metadata.txn(txn).await {
        Ok(outcome) => {
            if outcome.is_committed() {
                let ClusterRecord { cluster_id, generation, .. } = &record;
                tracing::info!(cluster_id, generation, "cluster published");
            }
            Ok(())
        }
        // The caller reads what is there.
        Err(MetadataError::Unknown(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
