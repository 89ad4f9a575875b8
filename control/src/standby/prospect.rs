//! What a promotion would find: reads only, so it may be asked for at any time.
//!
//! A log without END belongs to an incarnation that may be acknowledging. If its front is in the
//! bucket, anybody can end it and nothing is lost. If it is on a disk of the other site, what it has
//! not uploaded is there and nowhere else (R51).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt};
use protocol::ids::{NodeId, PartitionId, TenantId};
use segment::{
    Family, LogId, ManifestStore, Store, generation, index,
    seqlog::{EndReason, ReadError, SeqLogReader},
};

use super::PromoteError;
use crate::{
    catalogue::Catalogue, failover::FrontReach, limits::SURVEY_IN_FLIGHT, rebuild::survey::Survey,
};

/// The cluster in the bucket, as a promotion would find it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prospect {
    /// As clients know it.
    pub cluster_id: String,
    /// Its generation.
    pub generation: u16,
    /// The site that began it by a takeover, if one did.
    pub site: Option<String>,
    /// Topics of all tenants, internal ones included.
    pub topics: usize,
    /// Their partitions.
    pub partitions: usize,
    /// Slots of the metadata log.
    pub slots: u64,
    /// Logs without END that the bucket alone is enough to end.
    pub open: usize,
    /// Those for which it is not.
    pub at_risk: Vec<AtRisk>,
}

/// A log of which a part may be on a disk only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtRisk {
    /// Its node.
    pub node: NodeId,
    /// Its name.
    pub log: String,
    /// Where its node writes before it uploads.
    pub front: String,
    /// The partitions that it owns.
    pub partitions: Vec<Risk>,
}

/// A partition of such a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// Whose topic.
    pub tenant: TenantId,
    /// Its name.
    pub topic: String,
    /// Which partition.
    pub partition: i32,
    /// Everything below is in the bucket. Records from here on, if there are any, are not.
    pub stored_upto: i64,
}

/// An incarnation that nobody ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenLog {
    pub(super) log: LogId,
    pub(super) front: String,
}

// === impl OpenLog ===

impl OpenLog {
    /// Whether the bucket holds all that the incarnation acknowledged.
    pub(super) fn is_in_bucket(&self) -> bool {
        FrontReach::of(&self.front) == FrontReach::Everybody
    }
}

/// How logs stand.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Those without END.
    pub(super) open: Vec<OpenLog>,
    /// Those that were ended without what their front had.
    pub(super) given_up: BTreeSet<LogId>,
}

/// How these logs stand. There may be any number of them: most ended long ago.
pub(super) async fn standing_of(store: &Store, logs: Vec<LogId>) -> Result<Standing, PromoteError> {
    let mut ends = futures::stream::iter(logs)
        .map(|log| async move { end_of(store, log).await.map(|end| (log, end)) })
        .buffer_unordered(SURVEY_IN_FLIGHT);
    let mut standing = Standing::default();
    while let Some((log, end)) = ends.try_next().await? {
        match end {
            Err(front) => standing.open.push(OpenLog { log, front }),
            Ok(reason) if reason == EndReason::GivenUp as i32 => {
                standing.given_up.insert(log);
            }
            Ok(_) => {}
        }
    }
    Ok(standing)
}

/// Why the log ended, or where its front is.
async fn end_of(store: &Store, log: LogId) -> Result<Result<i32, String>, ReadError> {
    let reader = SeqLogReader::new(store.clone(), Family::Data, log);
    if let Some((_, end)) = reader.find_end().await? {
        return Ok(Ok(end.reason));
    }
    let open = reader.read(0).await?.and_then(|slot| slot.open());
    let front = open.map(|open| String::from_utf8_lossy(&open.front).into_owned());
    Ok(Err(front.unwrap_or_default()))
}

/// The incarnations that may live, of generations before `next`: the last of every node. A node ends
/// one before it begins the next. Where the metadata store went back to an older revision, two have
/// the same number.
pub(super) async fn last_incarnations(
    store: &Store,
    next: u32,
) -> Result<Vec<LogId>, PromoteError> {
    let mut last = BTreeMap::<NodeId, Vec<LogId>>::new();
    for log in generation::logs(store).await? {
        if log.generation >= next {
            continue;
        }
        let known = last.entry(log.node).or_default();
        let age = |log: &LogId| (log.generation, log.incarnation);
        match known.first().map(age) {
            Some(newest) if newest > age(&log) => {}
            Some(newest) if newest == age(&log) => known.push(log),
            _ => *known = vec![log],
        }
    }
    Ok(last.into_values().flatten().collect())
}

/// What is at risk in these logs, partition by partition.
pub(super) async fn at_risk(
    store: &Store,
    catalogue: &Catalogue,
    logs: Vec<OpenLog>,
) -> Result<Vec<AtRisk>, PromoteError> {
    if logs.is_empty() {
        return Ok(Vec::new());
    }
    let mut survey = Survey::of(catalogue, store).await?;
    let mut all = Vec::new();
    for OpenLog { log, front } in logs {
        let owned = survey.owners.remove(&log).unwrap_or_default();
        let partitions = risks(store, catalogue, log, owned).await?;
        all.push(AtRisk { node: log.node, log: log.to_string(), front, partitions });
    }
    Ok(all)
}

async fn risks(
    store: &Store,
    catalogue: &Catalogue,
    log: LogId,
    owned: Vec<PartitionId>,
) -> Result<Vec<Risk>, PromoteError> {
    let stored = index::rebuild(store, log).await.map_err(PromoteError::Index)?;
    let ends = stored.partitions.iter().map(|(id, index)| (*id, index.end_offset));
    let ends: HashMap<PartitionId, i64> = ends.collect();
    let manifests = ManifestStore::new(store.clone());
    let mut risks = Vec::new();
    for id in owned {
        let stored_upto = match ends.get(&id) {
            Some(&end) => end,
            // Nothing was uploaded since it was claimed.
            None => {
                manifests.load(&id).await?.map_or(0, |(manifest, _)| manifest.head().start_offset)
            }
        };
        let topic = catalogue.topic(id.topic).map(|topic| topic.name.clone());
        let topic = topic.unwrap_or_else(|| id.topic.to_string());
        risks.push(Risk { tenant: id.tenant, topic, partition: id.index, stored_upto });
    }
    risks.sort_by(|a, b| (a.tenant, &a.topic, a.partition).cmp(&(b.tenant, &b.topic, b.partition)));
    Ok(risks)
}
