//! Demotion: what is left of a cluster whose bucket was taken over becomes a standby.
//!
//! ```text
//! record: retired ──► every process leaves ──► everything but the record is deleted ──► the record
//! ```
//!
//! Only a cluster that the bucket says is over is demoted, so this cannot hurt the one that serves.
//! The record goes last: a demotion that broke off is run again, and nobody joins in between.

use std::{sync::Arc, time::Duration};

use metadata::{
    MetadataError, MetadataStore, Txn,
    keys::{Key, VANTAGE_POINTS},
    model::{ClusterRecord, Record},
};
use segment::Store;
use tokio::time::{Instant, sleep};

use super::retire;
use crate::{
    catalogue::Catalogue,
    limits::{DEMOTE_POLL, OPS_PER_TXN},
    meta_log::{MetaLog, MetaLogError},
};

/// What a demotion came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demoted {
    /// The generation in which this cluster served.
    pub generation: u16,
    /// The one that the bucket is in.
    pub by: u16,
    /// Keys that were deleted.
    pub keys: usize,
}

/// Why a cluster was not demoted.
#[derive(Debug, thiserror::Error)]
pub enum DemoteError {
    /// There is nothing to demote.
    #[error("the metadata store knows no cluster: with `[control.standby]` it stands by as it is")]
    Empty,
    /// It is the one that serves.
    #[error(
        "this cluster serves, in generation {0}: run `thermocline promote` at the other site first"
    )]
    Serves(u16),
    /// The bucket is not this cluster's.
    #[error("the object store at {url} does not hold cluster `{cluster_id}`")]
    OtherBucket {
        /// The object store.
        url: String,
        /// The cluster in the metadata store.
        cluster_id: String,
    },
    /// Its processes have not left.
    #[error("processes of this cluster are still up ({keys}): stop them and run this again")]
    StillUp {
        /// The keys that say so.
        keys: String,
    },
    /// Somebody else changed the cluster's record.
    #[error("another process changed the cluster's record meanwhile: run this again")]
    Meddled,
    /// The metadata log failed.
    #[error(transparent)]
    Log(#[from] MetaLogError),
    /// The metadata store failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Empties the metadata store of a cluster whose bucket was taken over. Its processes are told to
/// leave, and waited for at most `patience`.
pub async fn demote(
    metadata: &Arc<dyn MetadataStore>,
    store: &Store,
    patience: Duration,
) -> Result<Demoted, DemoteError> {
    let entry = metadata.get(&Key::Cluster.to_string()).await?.ok_or(DemoteError::Empty)?;
    let unreadable = |error| MetadataError::Refused(format!("`{}`: {error}", entry.key));
    let record = ClusterRecord::decode(&entry.value).map_err(unreadable)?;
    let by = generation_of(store, &record).await?;
    if by <= record.generation {
        return Err(DemoteError::Serves(record.generation));
    }
    let revision = match record.retired {
        true => entry.mod_revision,
        false => retire(&**metadata, &entry, record.clone()).await?.ok_or(DemoteError::Meddled)?,
    };
    wait_until_left(metadata, patience).await?;
    let keys = delete_all(metadata, revision).await?;
    Ok(Demoted { generation: record.generation, by, keys })
}

/// The generation that the bucket is in.
async fn generation_of(store: &Store, record: &ClusterRecord) -> Result<u16, DemoteError> {
    let (_, records) = MetaLog::open(store, 0).await?;
    let catalogue = Catalogue::replay(records);
    match catalogue.founded() {
        Some(founded) if founded.cluster_id == record.cluster_id => Ok(founded.generation),
        _ => Err(DemoteError::OtherBucket {
            url: store.url().to_owned(),
            cluster_id: record.cluster_id.clone(),
        }),
    }
}

async fn wait_until_left(
    metadata: &Arc<dyn MetadataStore>,
    patience: Duration,
) -> Result<(), DemoteError> {
    let deadline = Instant::now() + patience;
    loop {
        let up = signs_of_life(metadata).await?;
        if up.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(DemoteError::StillUp { keys: up.join(", ") });
        }
        sleep(DEMOTE_POLL).await;
    }
}

/// Keys that hang on leases of processes.
async fn signs_of_life(metadata: &Arc<dyn MetadataStore>) -> Result<Vec<String>, MetadataError> {
    let mut up = Vec::new();
    for prefix in ["c/leader", "g/", "nl/", "r/"] {
        up.extend(metadata.list(prefix).await?.entries.into_iter().map(|entry| entry.key));
    }
    Ok(up)
}

/// Deletes everything, the record last and only while it is the one that was retired.
async fn delete_all(
    metadata: &Arc<dyn MetadataStore>,
    revision: i64,
) -> Result<usize, DemoteError> {
    let record = Key::Cluster.to_string();
    let all = metadata.list("").await?.entries;
    let mut keys: Vec<String> = all.into_iter().map(|entry| entry.key).collect();
    // Vantage points are of no cluster: they look on, and say what they find when it changes.
    keys.retain(|key| *key != record && !key.starts_with(VANTAGE_POINTS));
    keys.push(record);
    for some in keys.chunks(OPS_PER_TXN) {
        let unchanged = Txn::new().when_mod(Key::Cluster, revision);
        let txn = some.iter().fold(unchanged, |txn, key| txn.delete(key.as_str()));
        if !metadata.txn(txn).await?.is_committed() {
            return Err(DemoteError::Meddled);
        }
    }
    Ok(keys.len())
}
