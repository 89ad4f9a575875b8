//! Writing and loading index snapshots.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use process::mutation;
use protocol::ids::PartitionId;

use super::{IndexSnapshot, PartitionIndex, wire};
use crate::keys::{self, Family, Key};
use crate::log_id::LogId;
use crate::object::read_footer;
use crate::seqlog::{CloseRecord, IndexReference, ReadError, SeqLogReader, SlotKind, Tail};
use crate::store::{Store, StoreError};
use crate::token::WriterToken;

/// Footers read at the same time: a rebuild is bound by round trips.
const FOOTERS_IN_FLIGHT: usize = 16;

/// A log has no index yet, or it cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IndexError {
    /// Claims are made from ended logs only: place END first, then read (R3).
    #[error("log {log} has no END")]
    NotEnded {
        /// The log.
        log: LogId,
    },
    /// There is no CLOSE of this partition at this slot.
    #[error("slot {slot} of log {log} does not close partition {partition}")]
    NotClosed {
        /// The log.
        log: LogId,
        /// The slot.
        slot: u64,
        /// The partition.
        partition: PartitionId,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store failed, or a segment is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stores a snapshot under a fresh name. Goes into END.
pub async fn write(store: &Store, index: &IndexSnapshot) -> Result<IndexReference, StoreError> {
    let key = keys::index(&index.log, uuid::Uuid::new_v4());
    let object = wire::encode(index, WriterToken::random());
    let crc = crc32c::crc32c(&object);
    store.put_unconditional(&key, vec![object]).await?;
    Ok(IndexReference { key: key.to_string(), crc })
}

/// The index of an ended log: END's snapshot, or one rebuilt from footers.
pub async fn load(store: &Store, log: LogId) -> Result<IndexSnapshot, IndexError> {
    let reader = SeqLogReader::new(store.clone(), Family::Data, log);
    let Some((_, end)) = reader.find_end().await? else {
        return if mutation::on("R3") {
            rebuild(store, log).await
        } else {
            Err(IndexError::NotEnded { log })
        };
    };
    if let Some(reference) = &end.index {
        match snapshot(store, log, reference).await {
            Ok(index) => return Ok(index),
            Err(cause) => tracing::warn!(%log, cause, "index snapshot is unusable: rebuilding"),
        }
    }
    rebuild(store, log).await
}

/// A partition as it left its log by CLOSE.
#[derive(Debug, Clone)]
pub struct ClosedPart {
    /// What the CLOSE says.
    pub record: CloseRecord,
    /// Its index up to there; `None` if the log got no record of it.
    pub index: Option<PartitionIndex>,
}

/// What `partition` was in a log when it left it by the CLOSE at `slot`: the snapshot that CLOSE
/// names, or one rebuilt from the footers of `first_slot` to there. The log may go on.
pub async fn load_closed(
    store: &Store,
    log: LogId,
    partition: PartitionId,
    first_slot: u64,
    slot: u64,
) -> Result<ClosedPart, IndexError> {
    let reader = SeqLogReader::new(store.clone(), Family::Data, log);
    let record = reader.read(slot).await?.and_then(|slot| slot.close());
    let record = record.filter(|record| record.partition() == Some(partition));
    let record = record.ok_or(IndexError::NotClosed { log, slot, partition })?;
    if let Some(reference) = &record.snapshot {
        match snapshot(store, log, reference).await {
            Ok(mut index) => {
                let index = index.partitions.remove(&partition);
                return Ok(ClosedPart { record, index });
            }
            Err(cause) => {
                tracing::warn!(%log, slot, cause, "snapshot of a CLOSE is unusable: rebuilding");
            }
        }
    }
    let headers = reader.scan(first_slot).await?.slots.into_iter();
    let segments = headers.filter(|header| header.kind == SlotKind::Data && header.slot < slot);
    let segments: Vec<u64> = segments.map(|header| header.slot).collect();
    let mut index = fold(store, log, segments).await?;
    Ok(ClosedPart { record, index: index.partitions.remove(&partition) })
}

/// The index of a log up to END or its first hole, from the footers of its segments.
pub async fn rebuild(store: &Store, log: LogId) -> Result<IndexSnapshot, IndexError> {
    let scan = SeqLogReader::new(store.clone(), Family::Data, log).scan(0).await?;
    // Collected: a stream over a borrowing iterator makes the whole future lose `Send`.
    let segments = scan.slots.iter().filter(|header| header.kind == SlotKind::Data);
    let segments: Vec<u64> = segments.map(|header| header.slot).collect();
    let index = fold(store, log, segments).await?;
    if let Tail::Hole(slot) = scan.tail {
        tracing::debug!(%log, slot, "index rebuilt of a log that may still grow");
    }
    Ok(index)
}

/// The index of some slots.
async fn fold(store: &Store, log: LogId, segments: Vec<u64>) -> Result<IndexSnapshot, StoreError> {
    let footers: Vec<_> = futures::stream::iter(segments)
        .map(|slot| async move {
            let key = keys::slot(Family::Data, &log, slot);
            read_footer(store, &key).await.map(|footer| (slot, footer))
        })
        .buffered(FOOTERS_IN_FLIGHT)
        .try_collect()
        .await?;
    let mut index = IndexSnapshot::empty(log);
    footers.iter().for_each(|(slot, footer)| index.add_segment(*slot, footer));
    Ok(index)
}

/// The snapshot that END or a CLOSE names, or what is wrong with it.
pub(crate) async fn snapshot(
    store: &Store,
    log: LogId,
    reference: &IndexReference,
) -> Result<IndexSnapshot, String> {
    let object: Bytes =
        store.get(&Key::from_text(&reference.key)).await.map_err(|error| error.to_string())?;
    if crc32c::crc32c(&object) != reference.crc {
        return Err("is not the snapshot that END names".to_owned());
    }
    let index = wire::decode(&object)?;
    if index.log != log {
        return Err(format!("belongs to log {}", index.log));
    }
    Ok(index)
}
