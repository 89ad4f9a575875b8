//! What compactors ask of a node: what is to be rewritten, and to commit what was (R33).
//!
//! In: requests of compactors over the hop. Out: sealed plans as units of work; manifests that list
//! compacted objects.
//! Never: a read or a write of records. Rewriting is the compactor's work, in its own process, so
//! that it takes nothing from producers here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use hop::internal::{
    CommitCompactionRequest, CommitCompactionResponse, CompactedRun, CompactionOffer,
    CompactionWorkRequest, CompactionWorkResponse,
};
use process::Clock;
use protocol::ErrorCode;
use segment::manifest::{CompactedObject, Compaction, ProducersRef};
use segment::producers::{self, ProducerSnapshot};
use segment::{Extent, Key, ManifestStore, Plan};
use tokio::time::Instant;

use crate::limits::{COMPACTION_EXTENTS_MAX, COMPACTION_LEASE_MAX, MANIFEST_COMMITS_IN_FLIGHT};
use crate::metrics;
use crate::node::Node;
use crate::partition::{CompactionRules, CompactionWork, Partition, replaced_by};

/// Answers with work of about `budget_bytes`.
pub(crate) fn work(node: &Node, request: &CompactionWorkRequest) -> CompactionWorkResponse {
    let (now, made_at) = (Instant::now(), node.clock().since_boot());
    let rules = CompactionRules {
        bytes_min: request.min_bytes,
        age_max: Duration::from_millis(request.max_age_ms),
        extents_max: usize::try_from(request.max_extents).unwrap_or(usize::MAX),
        merge_objects: usize::try_from(request.merge_objects).unwrap_or(usize::MAX).max(2),
        bytes_max: request.max_bytes.min(request.budget_bytes),
        lease: Duration::from_millis(request.lease_ms).min(COMPACTION_LEASE_MAX),
    };
    let found = node.partitions().all().into_iter().filter_map(|partition| {
        let work = partition.compaction_work(&rules, now)?;
        Some((partition, work))
    });
    let found = longest_first_with_neighbours(found.collect());
    let (mut bytes, mut extents) = (0, 0);
    let mut plans = Vec::new();
    for (partition, work) in found {
        bytes += work.part.extents.iter().map(|it| u64::from(it.byte_len)).sum::<u64>();
        extents += work.part.extents.len();
        let first = plans.is_empty();
        if !first && (bytes > request.budget_bytes || extents > COMPACTION_EXTENTS_MAX) {
            partition.release_compaction();
            continue;
        }
        plans.push(node.planner().work(&partition, work, made_at, rules.lease));
    }
    CompactionWorkResponse { plans }
}

/// What waits longest, then what lies beside it in the objects of the log, which are sorted by
/// partition: blocks of neighbours are read with one request.
fn longest_first_with_neighbours(
    mut found: Vec<(Arc<Partition>, CompactionWork)>,
) -> Vec<(Arc<Partition>, CompactionWork)> {
    found.sort_by_key(|(partition, _)| partition.id());
    let longest = (0..found.len()).min_by_key(|place| found[*place].1.since).unwrap_or(0);
    found.rotate_left(longest);
    found
}

/// Commits what a compactor made of the work, and takes back what it made nothing of. Each offer has
/// its own outcome.
pub(crate) async fn commit(
    node: Arc<Node>,
    request: CommitCompactionRequest,
) -> CommitCompactionResponse {
    // Otherwise the lease outlives the work, by up to ten minutes.
    let given_back = request.given_back.iter().filter_map(|plan| opened(&node, plan).ok());
    given_back.for_each(|(partition, plan)| release(&partition, &plan));
    let offers: Vec<Result<Offer, ErrorCode>> =
        request.offers.iter().map(|offer| Offer::open(&node, offer)).collect();
    let mut codes: Vec<ErrorCode> = offers
        .iter()
        .map(|offer| offer.as_ref().map_or_else(|code| *code, |_| ErrorCode::None))
        .collect();
    let offers: Vec<(usize, Offer)> = offers
        .into_iter()
        .enumerate()
        .filter_map(|(place, offer)| Some((place, offer.ok()?)))
        .collect();
    match snapshot(&node, &offers).await {
        Ok(snapshots) => {
            let manifests = ManifestStore::new(node.store().clone());
            // Collected, and owning what they work on: a stream that borrows is not `Send`.
            let commits: Vec<_> = offers
                .into_iter()
                .zip(snapshots)
                .map(|((place, offer), producers)| {
                    let manifests = manifests.clone();
                    async move { (place, offer.commit(&manifests, producers).await) }
                })
                .collect();
            let mut commits =
                futures::stream::iter(commits).buffer_unordered(MANIFEST_COMMITS_IN_FLIGHT);
            while let Some((place, code)) = commits.next().await {
                codes[place] = code;
            }
        }
        Err(code) => offers.iter().for_each(|(place, offer)| {
            offer.release();
            codes[*place] = code;
        }),
    }
    codes.iter().for_each(|code| metrics::compaction_committed(*code));
    let error_codes = codes.into_iter().map(|code| i32::from(code.code())).collect();
    CommitCompactionResponse { error_codes }
}

/// What a compactor offers, once it is known to be what it was asked for.
struct Offer {
    partition: Arc<Partition>,
    compaction: Compaction,
    clock: Clock,
    expires_at: Duration,
}

/// Takes the producers of all partitions, and stores those there are under one name.
async fn snapshot(
    node: &Node,
    offers: &[(usize, Offer)],
) -> Result<Vec<Option<ProducersRef>>, ErrorCode> {
    let taken = offers.iter().map(|(_, offer)| offer.partition.durable_producers());
    let taken = futures::future::join_all(taken).await;
    let known = offers.iter().zip(&taken).filter_map(|((_, offer), taken)| {
        let (_, producers) = taken.as_ref().filter(|(_, producers)| !producers.is_empty())?;
        Some((offer.partition.id(), producers.clone()))
    });
    let snapshot = ProducerSnapshot { partitions: known.collect::<BTreeMap<_, _>>() };
    let key = if snapshot.partitions.is_empty() {
        None
    } else {
        let written = producers::write(node.store(), &snapshot).await;
        Some(written.map_err(|error| {
            tracing::warn!(%error, "producer snapshot is not written");
            ErrorCode::KafkaStorageError
        })?)
    };
    let refs = taken.into_iter().map(|taken| {
        let (upto, producers) = taken?;
        Some(ProducersRef { key: key.clone().filter(|_| !producers.is_empty()), upto })
    });
    Ok(refs.collect())
}

/// Whatever a compactor says about a partition is in the plan that this cluster sealed (R36).
fn opened(node: &Node, token: &[u8]) -> Result<(Arc<Partition>, Plan), ErrorCode> {
    // Of another process it would have another epoch, as each claim has.
    let plan = Plan::open_own(token, &node.planner().secret, node.clock().since_boot())
        .map_err(|_| ErrorCode::InvalidRequest)?;
    let partition = node.partitions().find(plan.partition);
    let partition = partition.filter(|partition| partition.epoch() == plan.leader_epoch);
    Ok((partition.ok_or(ErrorCode::NotLeaderOrFollower)?, plan))
}

/// Takes work back. What is to be compacted by key is in objects already; any other work reaches into
/// the logs.
fn release(partition: &Partition, plan: &Plan) {
    if !plan.extents.is_empty() && plan.extents.iter().all(Extent::is_run) {
        partition.release_cleaning();
    } else {
        partition.release_compaction();
    }
}

impl Offer {
    fn open(node: &Node, offer: &CompactionOffer) -> Result<Self, ErrorCode> {
        let (partition, plan) = opened(node, &offer.plan)?;
        let objects: Vec<CompactedObject> = offer.objects.iter().map(object).collect();
        let end_offset = match objects.last() {
            // As far as the keys of the dirty part fitted into memory.
            Some(last) if offer.cleaned_upto > 0 => last.last_offset + 1,
            _ => plan.end_offset,
        };
        let compaction = Compaction {
            offsets: plan.start_offset..end_offset,
            replaced: replaced_by(&plan.extents),
            objects,
            cleaned_upto: offer.cleaned_upto,
        };
        let clock = node.clock().clone();
        Ok(Self { partition, compaction, clock, expires_at: plan.expires_at() })
    }

    fn release(&self) {
        if self.compaction.cleaned_upto > 0 {
            self.partition.release_cleaning();
        } else {
            self.partition.release_compaction();
        }
    }

    async fn commit(
        &self,
        manifests: &ManifestStore,
        producers: Option<ProducersRef>,
    ) -> ErrorCode {
        let Some(producers) = producers else { return ErrorCode::NotLeaderOrFollower };
        // Objects that no manifest names are collected some time after the lease (R30).
        if self.clock.since_boot() >= self.expires_at {
            self.release();
            return ErrorCode::RequestTimedOut;
        }
        match self.partition.commit_compaction(manifests, &self.compaction, &producers).await {
            Ok(()) => ErrorCode::None,
            Err(error) => {
                tracing::warn!(partition = %self.partition.id(), %error, "compaction is dropped");
                error.code()
            }
        }
    }
}

fn object(run: &CompactedRun) -> CompactedObject {
    CompactedObject {
        key: Key::from_text(&run.key),
        base_offset: run.base_offset,
        last_offset: run.last_offset,
        size: run.size,
        max_timestamp: run.max_timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::plan::ColdPart;

    #[tokio::test(start_paused = true)]
    async fn what_waits_longest_comes_first_and_its_neighbours_with_it() {
        let mut partitions = Vec::new();
        for _ in 0..4 {
            partitions.push(Fixture::new().await.partition);
        }
        partitions.sort_by_key(|partition| partition.id());
        let start = Instant::now();
        let work = |partition: &Arc<Partition>, waiting_s: u64| {
            let marks = partition.marks().expect("it is open");
            let part = ColdPart {
                marks,
                manifest_version: 1,
                extents: Vec::new(),
                offsets: 0..0,
                aborted: Vec::new(),
            };
            let since = Some(start - Duration::from_secs(waiting_s));
            (Arc::clone(partition), CompactionWork { part, since })
        };
        let found = [(3, 1), (0, 5), (2, 9), (1, 2)];
        let found = found.map(|(place, waiting_s)| work(&partitions[place], waiting_s));
        let order = longest_first_with_neighbours(found.into());
        let order: Vec<_> = order.iter().map(|(partition, _)| partition.id()).collect();
        assert_eq!(order, [2, 3, 0, 1].map(|place: usize| partitions[place].id()));
    }
}
