//! Who owned what, as manifests and logs tell it.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use metadata::model::{Assignment, NodeRecord, NodeState};
use protocol::ids::{NodeId, PartitionId};
use segment::{
    Family, LogId, ManifestStore, Store,
    seqlog::{ReadError, SeqLogReader},
};

use super::RebuildError;
use crate::{catalogue::Catalogue, limits::SURVEY_IN_FLIGHT};

/// The ownership that the object store shows.
pub(crate) struct Survey {
    /// Partitions that were claimed, with their last owner's node and epoch.
    pub(crate) owned: Vec<(PartitionId, Assignment)>,
    /// The logs that may extend them.
    pub(crate) owners: BTreeMap<LogId, Vec<PartitionId>>,
    /// The latest incarnation of every node that owns something.
    pub(crate) nodes: BTreeMap<NodeId, NodeRecord>,
}

impl Survey {
    /// Reads the manifest of every partition of the catalogue, and the logs they name.
    pub(crate) async fn of(catalogue: &Catalogue, store: &Store) -> Result<Self, RebuildError> {
        let manifests = ManifestStore::new(store.clone());
        let claims: Vec<(PartitionId, i32, LogId)> = futures::stream::iter(partitions(catalogue))
            .map(|partition| {
                let manifests = &manifests;
                async move {
                    let loaded = manifests.load(&partition).await?;
                    let claimed = loaded.filter(|(manifest, _)| !manifest.deleted);
                    let claim = |(manifest, _): (segment::Manifest, _)| {
                        (partition, manifest.epoch, manifest.owner)
                    };
                    Ok::<_, RebuildError>(claimed.map(claim))
                }
            })
            .buffer_unordered(SURVEY_IN_FLIGHT)
            .try_filter_map(|claim| async move { Ok(claim) })
            .try_collect()
            .await?;
        let mut latest: BTreeMap<NodeId, LogId> = BTreeMap::new();
        let mut owners: BTreeMap<LogId, Vec<PartitionId>> = BTreeMap::new();
        for &(partition, _, log) in &claims {
            owners.entry(log).or_default().push(partition);
            let known = latest.entry(log.node).or_insert(log);
            if (log.generation, log.incarnation) > (known.generation, known.incarnation) {
                *known = log;
            }
        }
        let nodes = futures::stream::iter(latest.into_values())
            .map(|log| node_record(store, log))
            .buffer_unordered(SURVEY_IN_FLIGHT)
            .try_collect()
            .await?;
        let owned = claims
            .into_iter()
            .map(|(partition, epoch, log)| (partition, Assignment { node: log.node, epoch }));
        Ok(Self { owned: owned.collect(), owners, nodes })
    }

    /// Nodes whose log has no END yet.
    pub(crate) fn live_nodes(&self) -> usize {
        self.nodes.values().filter(|record| record.state == NodeState::Live).count()
    }
}

fn partitions(catalogue: &Catalogue) -> Vec<PartitionId> {
    let topics = catalogue.topics();
    topics
        .flat_map(|topic| {
            let of = |index| PartitionId::new(topic.tenant, topic.id, index);
            (0..topic.partitions).map(of)
        })
        .collect()
}

/// What the metadata store had about the log's node. Its address is in no log: it is empty until
/// the node registers again.
async fn node_record(store: &Store, log: LogId) -> Result<(NodeId, NodeRecord), RebuildError> {
    let reader = SeqLogReader::new(store.clone(), Family::Data, log);
    let open = reader.read(0).await.map_err(store_error)?.and_then(|slot| slot.open());
    let open = open.ok_or(RebuildError::NoFront { log })?;
    let front = String::from_utf8(open.front.to_vec());
    let front = front.map_err(|_| RebuildError::NoFront { log })?;
    let ended = reader.find_end().await.map_err(store_error)?.is_some();
    let record = NodeRecord {
        node: log.node,
        incarnation: log.incarnation,
        log_id: log.to_string(),
        state: if ended { NodeState::Ended } else { NodeState::Live },
        address: String::new(),
        zone: String::new(),
        front,
        // Said when the node begins its next incarnation.
        batch_bytes_max: 0,
    };
    Ok((log.node, record))
}

fn store_error(ReadError::Store(error): ReadError) -> RebuildError {
    RebuildError::Store(error)
}
