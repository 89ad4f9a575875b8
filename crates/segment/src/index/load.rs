//! Writing and loading index snapshots.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};

use super::{IndexSnapshot, wire};
use crate::keys::{self, Family, Key};
use crate::log_id::LogId;
use crate::object::read_footer;
use crate::seqlog::{IndexReference, ReadError, SeqLogReader, SlotKind, Tail};
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
    let Some((_, end)) = reader.find_end().await? else { return Err(IndexError::NotEnded { log }) };
    if let Some(reference) = &end.index {
        match snapshot(store, log, reference).await {
            Ok(index) => return Ok(index),
            Err(cause) => tracing::warn!(%log, cause, "index snapshot is unusable: rebuilding"),
        }
    }
    rebuild(store, log).await
}

/// The index of a log up to END or its first hole, from the footers of its segments.
pub async fn rebuild(store: &Store, log: LogId) -> Result<IndexSnapshot, IndexError> {
    let scan = SeqLogReader::new(store.clone(), Family::Data, log).scan(0).await?;
    // Collected: a stream over a borrowing iterator makes the whole future lose `Send`.
    let segments = scan.slots.iter().filter(|header| header.kind == SlotKind::Data);
    let segments: Vec<u64> = segments.map(|header| header.slot).collect();
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
    if let Tail::Hole(slot) = scan.tail {
        tracing::debug!(%log, slot, "index rebuilt of a log that may still grow");
    }
    Ok(index)
}

async fn snapshot(
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
