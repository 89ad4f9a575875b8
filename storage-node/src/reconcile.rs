//! Following the assignments: opens what this node should own, drops what was deleted.
//!
//! Assignments are intent, so nothing here is urgent or final: a partition that cannot be opened yet
//! is tried again, and one that is assigned elsewhere while this incarnation lives stays open, for
//! only END lets another claim it (R2).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use metadata::keys::{self, Key};
use metadata::model::{Assignment, ClusterRecord, NodeState, Record};
use metadata::{MetadataError, Topic, Txn, TxnOutcome};
use protocol::ErrorCode;
use protocol::ids::{PartitionId, TenantId, TopicId};

use crate::limits::{
    EPOCH_TXNS_IN_FLIGHT, EPOCHS_INTERVAL, EPOCHS_PER_TXN, OPEN_RETRY_MAX, OPEN_RETRY_MIN,
    RECONCILE_INTERVAL,
};
use crate::node::Node;
use crate::open::OpenError;
use crate::role::NodeError;

/// Runs until the node drains. An error means that this incarnation is over.
pub(crate) async fn follow(node: &Node) -> Result<(), NodeError> {
    let mut changed = node.view().changed();
    let mut retry = OPEN_RETRY_MIN;
    loop {
        changed.mark_unchanged();
        check_incarnation(node)?;
        let all_open = open_assigned(node).await;
        node.forget_claims();
        follow_topics(node).await;
        publish_epochs(node).await;
        if all_open {
            node.set_caught_up();
            retry = OPEN_RETRY_MIN;
        }
        let pause = if all_open { RECONCILE_INTERVAL } else { retry };
        tokio::select! {
            // The view outlives the node: a closed channel is as good as no news.
            _ = changed.changed() => retry = OPEN_RETRY_MIN,
            () = tokio::time::sleep(pause) => retry = (retry * 2).min(OPEN_RETRY_MAX),
        }
    }
}

/// R2: control, or another process under our id, may end this incarnation. Its log decides that, and
/// the next upload would find out; this is only sooner.
fn check_incarnation(node: &Node) -> Result<(), NodeError> {
    let Some(record) = node.view().node(node.id()) else { return Ok(()) };
    let ours = record.log_id == node.log().to_string();
    if ours && record.state != NodeState::Live {
        return Err(NodeError::Fenced);
    }
    if !ours && record.incarnation > node.log().incarnation {
        return Err(NodeError::Replaced { log_id: record.log_id.clone() });
    }
    Ok(())
}

/// Opens what is assigned and not open. True if nothing is left.
///
/// Epochs are published meanwhile, not at the end: until its epoch is known, nobody routes to a
/// partition. But now and then, not after each: that looks at all there is, and opening ten thousand
/// would take minutes.
async fn open_assigned(node: &Node) -> bool {
    let missing: Vec<PartitionId> =
        node.view().assigned_to(node.id()).into_iter().filter(|id| !node.has_opened(*id)).collect();
    let mut opened = futures::stream::iter(missing)
        .map(|id| async move { (id, node.open_assigned(id).await) })
        .buffer_unordered(node.config().open_concurrency);
    let opening = async {
        let mut all_open = true;
        while let Some((partition, outcome)) = opened.next().await {
            if let Err(error) = outcome {
                all_open &= error.is_final();
                tell_failure(partition, &error);
            }
        }
        all_open
    };
    let publishing = async {
        loop {
            tokio::time::sleep(EPOCHS_INTERVAL).await;
            publish_epochs(node).await;
        }
    };
    tokio::select! {
        all_open = opening => all_open,
        () = publishing => unreachable!("it goes on until everything is open"),
    }
}

fn tell_failure(partition: PartitionId, error: &OpenError) {
    match error {
        OpenError::NotEnded { .. } | OpenError::Conflict => {
            tracing::info!(%partition, %error, "partition is not open yet");
        }
        error if error.is_final() => {
            tracing::debug!(%partition, %error, "partition stays closed");
        }
        error => tracing::warn!(%partition, %error, "partition cannot be opened"),
    }
}

/// Gives open partitions their topic's configs, and closes those whose topic is gone.
async fn follow_topics(node: &Node) {
    let mut gone: HashSet<(TenantId, TopicId)> = HashSet::new();
    for partition in node.partitions().all() {
        let id = partition.id();
        match node.view().topic_by_id(id.tenant, id.topic) {
            Some(topic) => partition.set_settings(node.settings_of(&topic)),
            None => drop(gone.insert((id.tenant, id.topic))),
        }
    }
    for (tenant, topic) in gone {
        match is_deleted(node, tenant, topic).await {
            Ok(true) => close_topic(node, topic),
            Ok(false) => {}
            Err(error) => tracing::warn!(%topic, %error, "deletion is not confirmed"),
        }
    }
}

/// Whether a topic that the view lacks is gone for good. A partition that is closed does not come
/// back, so a view that lags, or a metadata store that was emptied or rebuilt, must not close any:
/// the store itself has to say so, while it still is the cluster this incarnation began in (R9).
async fn is_deleted(node: &Node, tenant: TenantId, topic: TopicId) -> Result<bool, MetadataError> {
    if node.metadata().get(&Key::Topic(tenant, topic).to_string()).await?.is_some() {
        return Ok(false);
    }
    let cluster = node.metadata().get(&Key::Cluster.to_string()).await?;
    let cluster = cluster.and_then(|entry| ClusterRecord::decode(&entry.value).ok());
    Ok(cluster.is_some_and(|cluster| node.began_in(&cluster)))
}

fn close_topic(node: &Node, topic: TopicId) {
    for partition in node.partitions().all() {
        let id = partition.id();
        if id.topic == topic {
            node.partitions().remove(id, ErrorCode::UnknownTopicOrPartition);
            node.groups().closed(id);
            tracing::info!(partition = %id, "topic deleted, partition closed");
        }
    }
}

/// Raises the epochs in the metadata store to those that were claimed. A restart in place claims
/// without control, and clients must hear of the new epoch, or they are fenced for ever (R49).
pub(crate) async fn publish_epochs(node: &Node) {
    let mut behind: HashMap<TopicId, HashMap<i32, i32>> = HashMap::new();
    for partition in node.partitions().all() {
        let id = partition.id();
        let topic = node.view().topic_by_id(id.tenant, id.topic);
        let assigned = topic.and_then(|topic: Arc<Topic>| topic.owner(id.index));
        if assigned.is_some_and(|assigned| node.is_behind(assigned, partition.epoch())) {
            behind.entry(id.topic).or_default().insert(id.index, partition.epoch());
        }
    }
    let topics = behind.into_iter().map(|(topic, epochs)| async move {
        if let Err(error) = publish_topic(node, topic, &epochs).await {
            tracing::warn!(%topic, %error, "epochs are not published");
        }
    });
    // Collected: a stream that borrows is not `Send`.
    let topics: Vec<_> = topics.collect();
    futures::stream::iter(topics).buffer_unordered(EPOCH_TXNS_IN_FLIGHT).collect::<()>().await;
}

async fn publish_topic(
    node: &Node,
    topic: TopicId,
    epochs: &HashMap<i32, i32>,
) -> Result<(), MetadataError> {
    let listing = node.metadata().list(&keys::partitions_of(topic)).await?;
    let stale: Vec<_> = listing
        .entries
        .iter()
        .filter_map(|entry| {
            let Some(Key::Partition(_, index)) = Key::parse(&entry.key) else { return None };
            let epoch = *epochs.get(&index)?;
            let assigned = Assignment::decode(&entry.value).ok()?;
            node.is_behind(assigned, epoch).then_some((entry, epoch))
        })
        .collect();
    for chunk in stale.chunks(EPOCHS_PER_TXN) {
        let txn = chunk.iter().fold(Txn::new(), |txn, (entry, epoch)| {
            let assignment = Assignment { node: node.id(), epoch: *epoch };
            txn.when_mod(&entry.key, entry.mod_revision).put(&entry.key, assignment.encode())
        });
        // A conflict means that control moved something meanwhile: look again at the next change.
        if let TxnOutcome::Conflict = node.metadata().txn(txn).await? {
            tracing::debug!(%topic, "assignments changed while epochs were published");
        }
    }
    Ok(())
}
