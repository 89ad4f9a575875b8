//! The way of a transaction's outcome to its partitions: each owner is told at once, and again for
//! as long as it takes (R40).
//!
//! Whatever becomes of a call, the same marker may be written again (T11). What is sure to be no
//! use any more ends the trying: a deleted topic, or a producer that has gone on.

use std::collections::BTreeMap;

use coordinator::{Markers, MarkersWritten, TopicPartition};
use futures::future::join_all;
use hop::internal::{TxnMarker, TxnPartition};
use protocol::ErrorCode;
use protocol::ids::{PartitionId, TenantId, TopicId};
use tokio::time::{Instant, sleep};

use super::neighbours::{Neighbours, Owner};
use crate::groups::limits::{MARKER_ALARM, RETRY_MAX, RETRY_MIN};
use crate::groups::metrics;

/// How the markers of a transaction have fared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Every partition has its marker, or is gone.
    Done(TenantId, MarkersWritten),
    /// A partition has heard of a later coordinator than the one that sent them.
    Fenced,
}

/// Where markers come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    /// The internal topic: partitions of it are the system's, not the tenant's.
    pub(crate) internal: TopicId,
    /// Which of its partitions has decided.
    pub(crate) shard: i32,
}

/// What became of one partition's marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Again,
    Fenced,
}

/// Delivers the markers of one transaction. Returns when nothing is left to do.
pub(crate) async fn deliver(
    neighbours: &dyn Neighbours,
    source: Source,
    markers: Markers,
) -> Delivery {
    let tenant = markers.key.tenant;
    let began = Instant::now();
    let mut left = markers.partitions.clone();
    let mut pause = RETRY_MIN;
    let mut alarmed = false;
    loop {
        left = match round(neighbours, source, &markers, left).await {
            Some(left) => left,
            None => return Delivery::Fenced,
        };
        if left.is_empty() {
            metrics::transaction_ended(began.elapsed().as_secs_f64());
            let written =
                MarkersWritten { transactional_id: markers.key.id, producer: markers.producer };
            return Delivery::Done(tenant, written);
        }
        if began.elapsed() > MARKER_ALARM && !alarmed {
            alarmed = true;
            metrics::markers_late();
            tracing::warn!(
                %tenant,
                transactional_id = %markers.key.id,
                partitions = left.len(),
                "a transaction's markers are not written yet: its readers wait"
            );
        }
        sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

/// Tells every owner once. Returns the partitions that have to be told again, or `None` if it is
/// not ours to tell any more.
async fn round(
    neighbours: &dyn Neighbours,
    source: Source,
    markers: &Markers,
    partitions: Vec<TopicPartition>,
) -> Option<Vec<TopicPartition>> {
    let owners = join_all(partitions.iter().map(|at| neighbours.owner(source.whole(markers, *at))));
    let owners = owners.await;
    let mut again = Vec::new();
    let mut by_owner: BTreeMap<String, Vec<TopicPartition>> = BTreeMap::new();
    for (at, owner) in partitions.into_iter().zip(owners) {
        match owner {
            Owner::At(address) => by_owner.entry(address).or_default().push(at),
            Owner::Nobody => again.push(at),
            Owner::Gone => {}
        }
    }
    let calls = by_owner.into_iter().map(|(address, partitions)| async move {
        let outcomes = tell(neighbours, source, markers, &address, &partitions).await;
        partitions.into_iter().zip(outcomes)
    });
    for (at, outcome) in join_all(calls).await.into_iter().flatten() {
        match outcome {
            Outcome::Done => {}
            Outcome::Again => again.push(at),
            Outcome::Fenced => return None,
        }
    }
    Some(again)
}

async fn tell(
    neighbours: &dyn Neighbours,
    source: Source,
    markers: &Markers,
    address: &str,
    partitions: &[TopicPartition],
) -> Vec<Outcome> {
    let travelling = partitions.iter().map(|at| TxnPartition::new(source.whole(markers, *at)));
    let marker = TxnMarker {
        producer_id: markers.producer.id,
        producer_epoch: markers.producer.epoch.into(),
        coordinator_epoch: markers.coordinator_epoch,
        commit: markers.commit,
        partitions: travelling.collect(),
        transaction_version: if markers.bumped { 2 } else { 1 },
        coordinator: source.shard,
    };
    match neighbours.write_marker(address, markers.key.tenant, marker).await {
        Ok(codes) if codes.len() == partitions.len() => codes.into_iter().map(outcome).collect(),
        Ok(_) => vec![Outcome::Again; partitions.len()],
        Err(error) => {
            tracing::debug!(%error, address, "markers were not delivered");
            vec![Outcome::Again; partitions.len()]
        }
    }
}

fn outcome(code: ErrorCode) -> Outcome {
    match code {
        ErrorCode::None => Outcome::Done,
        ErrorCode::TransactionCoordinatorFenced => Outcome::Fenced,
        // The producer has written under a higher epoch there: nothing of this transaction is open
        // any more, and nothing could be done about it if it were.
        ErrorCode::InvalidProducerEpoch => {
            tracing::warn!("a marker came after its producer had gone on");
            Outcome::Done
        }
        // Also of an unknown topic: whether it is deleted shows when its owner is looked up again.
        _ => Outcome::Again,
    }
}

// === impl Source ===

impl Source {
    fn whole(self, markers: &Markers, at: TopicPartition) -> PartitionId {
        let tenant = if at.topic == self.internal { TenantId::SYSTEM } else { markers.key.tenant };
        PartitionId::new(tenant, at.topic, at.index)
    }
}
