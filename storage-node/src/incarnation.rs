//! The life of one incarnation of the node: how it begins and how it ends in good order.
//!
//! ```text
//! recover the last one ─► OPEN slot ─► front ─► node record LIVE ─► serve
//!                                                                     │ drain
//! node record ENDED ◄─ END ◄─ index ◄─ upload everything ◄─ seal front ◄┘
//! ```
//!
//! The record becomes LIVE last: before it nobody routes here, and an incarnation that fails on the
//! way leaves an empty log that no manifest names. It goes from the last incarnation to this one in
//! one step, so that a node which restarts in place keeps its partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use metadata::MetadataStore;
use metadata::model::{NodeRecord, NodeState};
use process::Drain;
use protocol::ErrorCode;
use protocol::ids::NodeId;
use segment::index::{self, IndexError, IndexSnapshot, PartitionIndex};
use segment::seqlog::{EndReason, EndRecord, OpenSlot, SeqLogWriter};
use segment::{Family, LogId, Store};

use crate::config::{Config, ObjectWalConfig, WalKind};
use crate::ending::has_ended;
use crate::lease::Registration;
use crate::limits::{FOOTERS_IN_FLIGHT, PROMISE_WAIT};
use crate::node::Node;
use crate::partition::FinalState;
use crate::promise::{NodePromise, Renewal};
use crate::recover;
use crate::role::{Deps, NodeError};
use crate::upload::Uploader;
use crate::wal::disk::Tuning;
use crate::wal::{
    DiskFront, DiskFrontConfig, Front, FrontDescriptor, NoPromise, ObjectFront, ObjectTuning,
    Promise,
};

/// An incarnation that may acknowledge.
pub(crate) struct Incarnation {
    pub(crate) log: LogId,
    pub(crate) front: Arc<dyn Front>,
    pub(crate) writer: SeqLogWriter,
    pub(crate) registration: Registration,
}

/// Ends the last incarnation if it did not, and begins the next.
pub(crate) async fn begin(
    config: &Config,
    deps: &Deps,
    generation: u16,
    address: String,
    drain: &Drain,
) -> Result<Incarnation, NodeError> {
    let (store, metadata) = (&deps.store, &*deps.metadata);
    let node = NodeId(config.node_id);
    refuse_if_over(store, generation).await?;
    let mut registration = Registration::read(metadata, node).await?;
    outlast_promise(&mut registration, metadata, store).await?;
    let recovery =
        recover::recover(store, &deps.disks, node, &config.wal, registration.record()).await?;

    let incarnation = registration.next_incarnation();
    let log = LogId::fresh(node, u32::from(generation), incarnation);
    let descriptor = config.wal.descriptor();
    let open = OpenSlot {
        wal_kind: descriptor.wal_kind() as i32,
        front: Bytes::from(descriptor.to_string()),
        control_slot: 0,
    };
    let writer = SeqLogWriter::create(store.clone(), Family::Data, log, &open).await?;
    // Who takes over lists the logs after it has said so. It sees this one, or is seen here (R50).
    refuse_if_over(store, generation).await?;
    let promise = config.wal.shared.then(|| NodePromise::new(deps.clock.clone()));
    let front: Arc<dyn Front> = match config.wal.kind {
        WalKind::Disk => Arc::new(open_disk(config, deps, log, recovery.ended, &promise).await?),
        WalKind::Object => Arc::new(open_object(config, store, log, drain).await?),
    };
    let record = NodeRecord {
        node,
        incarnation,
        log_id: log.to_string(),
        state: NodeState::Live,
        address,
        zone: config.zone.clone(),
        front: descriptor.to_string(),
        batch_bytes_max: front.batch_bytes_max() as u64,
    };
    registration.succeed(metadata, record.clone()).await?;
    if let Some(promise) = promise {
        let metadata = Arc::clone(&deps.metadata);
        let renewal = Renewal::new(promise, metadata, record, registration.mod_revision());
        drain.spawn("storage-node promise", renewal.run(front.state()));
    }
    tracing::info!(%node, %log, "incarnation began");
    Ok(Incarnation { log, front, writer, registration })
}

/// A process whose cluster was taken over begins nothing. What it would acknowledge was not lost,
/// but it would take partitions from the cluster that has them now.
async fn refuse_if_over(store: &Store, generation: u16) -> Result<(), NodeError> {
    match segment::generation::is_over(store, u32::from(generation)).await? {
        true => Err(NodeError::TakenOver { generation }),
        false => Ok(()),
    }
}

/// A shared volume may still be written by the process that had it before: attaching it here does
/// not stop that. So its incarnation is fenced, and its promise waited out, before the log is read
/// (R4). Not if its data log carries END: whoever placed that has waited, or had sealed its own
/// front.
async fn outlast_promise(
    registration: &mut Registration,
    metadata: &dyn MetadataStore,
    store: &Store,
) -> Result<(), NodeError> {
    let Some(record) = registration.record().filter(|record| record.state != NodeState::Ended)
    else {
        return Ok(());
    };
    if !matches!(record.front.parse(), Ok(FrontDescriptor::SharedDisk { .. })) {
        return Ok(());
    }
    if let Ok(log) = record.log_id.parse()
        && has_ended(store, log).await.map_err(recover::RecoverError::End)?
    {
        return Ok(());
    }
    let fenced = NodeRecord { state: NodeState::Fenced, ..record.clone() };
    tracing::info!(
        log = fenced.log_id,
        "fenced the last incarnation; waiting for its promise to end"
    );
    registration.write(metadata, fenced).await?;
    tokio::time::sleep(PROMISE_WAIT).await;
    Ok(())
}

/// Opens the ring file where it may block: its first use writes all of it.
async fn open_disk(
    config: &Config,
    deps: &Deps,
    log: LogId,
    ended: Option<String>,
    promise: &Option<Arc<NodePromise>>,
) -> Result<DiskFront, NodeError> {
    // Nobody but this node itself drains a front on its own disk, and only before it begins: then
    // there is no promise to keep (R4).
    let promise: Arc<dyn Promise> = match promise {
        Some(promise) => Arc::clone(promise) as _,
        None => Arc::new(NoPromise),
    };
    let tuning = Tuning { writers: config.wal.writers, ..Tuning::default() };
    let path = config.wal.path.clone();
    let size_bytes = config.wal.size.as_u64();
    let disks = deps.disks.clone();
    let disk = DiskFrontConfig { path, size_bytes, tuning, disks: disks.clone() };
    let opened =
        disks.run(move || DiskFront::open(&disk, &log.to_string(), ended.as_deref(), promise));
    Ok(opened.await?.with_keyring(deps.store.keyring().clone()))
}

/// Begins the object WAL, of the same name as the data log.
async fn open_object(
    config: &Config,
    store: &Store,
    log: LogId,
    drain: &Drain,
) -> Result<ObjectFront, NodeError> {
    let ObjectWalConfig { window, in_flight } = config.wal.object;
    let capacity_bytes = config.wal.size.as_u64();
    let tuning = ObjectTuning { window, in_flight, capacity_bytes, ..ObjectTuning::default() };
    let created = ObjectFront::create(store.clone(), log, tuning, drain).await;
    created.map_err(NodeError::ObjectLog)
}

/// Ends the incarnation's log in good order. May be dropped at any await: then the next start
/// recovers.
pub(crate) async fn end(node: &Node, mut uploader: Uploader) -> Result<(), NodeError> {
    node.partitions().close_all(ErrorCode::NotLeaderOrFollower);
    let lsn = node.front().seal().await?;
    uploader.flush(lsn, node.config().upload.backoff_max).await?;
    let mut writer = uploader.into_writer();
    let written = async {
        let snapshot = index_of(node, *writer.log()).await?;
        Ok::<_, IndexError>(index::write(node.store(), &snapshot).await?)
    };
    let index = written
        .await
        .inspect_err(|error| {
            tracing::warn!(%error, "index is not written; the next owner reads the footers");
        })
        .ok();
    let end = EndRecord { reason: EndReason::Shutdown as i32, lsn: lsn.0, index };
    let slot = writer.end(&end).await?;
    tracing::info!(log = %writer.log(), slot, "incarnation ended");
    Ok(())
}

/// Everything that this log's END hands over.
async fn index_of(node: &Node, log: LogId) -> Result<IndexSnapshot, IndexError> {
    let all = node.partitions().all();
    let open = all.iter().map(|partition| (partition.id(), entry_of(partition.final_state())));
    let mut partitions: BTreeMap<_, _> = open.collect();
    // Those that left by a CLOSE, too: an owner that comes for one later finds END, and asks no more
    // whether there was a CLOSE. Whether somebody has come only the manifest says; the assignment
    // changes before.
    let (store, left) = (node.store(), node.partitions().all_released());
    let closed: Vec<_> = left
        .into_iter()
        .map(|(id, released)| async move {
            let closed = index::load_closed(store, log, id, 0, released.slot).await?;
            Ok::<_, IndexError>(closed.index.map(|index| (id, index)))
        })
        .collect();
    let mut closed = futures::stream::iter(closed).buffer_unordered(FOOTERS_IN_FLIGHT);
    while let Some(part) = closed.try_next().await? {
        partitions.extend(part);
    }
    Ok(IndexSnapshot { log, partitions })
}

pub(crate) fn entry_of(state: FinalState) -> PartitionIndex {
    PartitionIndex {
        leader_epoch: state.epoch,
        start_offset: state.start_offset,
        end_offset: state.end_offset,
        extents: state.extents,
        producers: state.producers.states(),
        aborted: state.aborted,
        // The table began with what the logs before knew.
        producers_complete: true,
    }
}
