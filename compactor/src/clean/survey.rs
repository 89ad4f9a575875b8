//! First pass, over the dirty part: the last offset of each key, and how transactions ended.
//!
//! ```text
//!            clean point                      survey ends: full, or the end of the dirty part
//!  offsets  ─────┼── a=1 ── [P: b=1 ── abort P] ── [Q: c=1 ── │
//!                                                  ▲ Q is open: the next clean point
//! ```
//!
//! Batch headers and markers decide, and nothing else (KIP-98): records of a transaction count when
//! its commit is seen, and are dropped with its abort. What belongs to a transaction whose end is
//! not seen stays above the clean point, and so does all that follows: the last stable offset is
//! never crossed, wherever its owner says it is.

use std::collections::HashMap;
use std::ops::Range;

use protocol::batch::BatchView;
use protocol::batch::records::{RecordSet, RecordsError};

use super::keys::{KeyHash, LatestOffsets, hash};
use crate::limits::CLEANED_BATCH_BYTES_MAX;

/// The type of a marker, in the third and fourth byte of its key: Kafka's `ControlRecordType`.
const COMMIT: [u8; 2] = [0, 1];
const ABORT: [u8; 2] = [0, 0];

/// Takes the batches of the dirty part, in order.
#[derive(Debug)]
pub(crate) struct Survey {
    latest: LatestOffsets,
    /// By producer.
    open: HashMap<i64, Open>,
    /// Keys of open transactions.
    waiting: usize,
    aborted: HashMap<i64, Vec<Range<i64>>>,
    next_offset: i64,
    full: bool,
}

/// A transaction whose end was not seen.
#[derive(Debug)]
struct Open {
    first_offset: i64,
    keys: Vec<(KeyHash, i64)>,
}

/// What a marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// The transaction is committed.
    Commit,
    /// It is aborted.
    Abort,
    /// Something else than a transaction's end; it stays as it is.
    Other,
}

/// What the survey found out.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) latest: LatestOffsets,
    /// By producer, in order: from the first record of a transaction to its marker.
    aborted: HashMap<i64, Vec<Range<i64>>>,
    /// Below this offset all is known.
    pub(crate) upto: i64,
    /// There were more keys than memory.
    pub(crate) full: bool,
}

impl Marker {
    /// Of a control batch, which has one record. `None` if compaction has emptied it.
    pub(crate) fn of(batch: &BatchView<'_>) -> Result<Option<Self>, RecordsError> {
        let records = RecordSet::open(batch, CLEANED_BATCH_BYTES_MAX)?;
        let Some(record) = records.iter().next().transpose()? else { return Ok(None) };
        let kind = record.key.and_then(|key| key.get(2..4)).unwrap_or_default();
        Ok(Some(match kind {
            _ if kind == COMMIT => Self::Commit,
            _ if kind == ABORT => Self::Abort,
            _ => Self::Other,
        }))
    }
}

impl Survey {
    /// From the clean point on, with room for `keys_max` keys.
    pub(crate) fn new(cleaned_upto: i64, keys_max: usize) -> Self {
        Self {
            latest: LatestOffsets::new(keys_max),
            open: HashMap::new(),
            waiting: 0,
            aborted: HashMap::new(),
            next_offset: cleaned_upto,
            full: false,
        }
    }

    /// Whether it takes nothing more.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Takes a batch, unless its keys may not fit.
    pub(crate) fn add(&mut self, batch: &BatchView<'_>) -> Result<(), RecordsError> {
        let records = usize::try_from(batch.record_count()).unwrap_or(0);
        self.full |= !self.latest.has_room_for(self.waiting.saturating_add(records));
        if self.full {
            return Ok(());
        }
        if batch.is_control() {
            self.end_transaction(batch)?;
        } else if records > 0 {
            self.add_records(batch)?;
        }
        self.next_offset = batch.last_offset() + 1;
        Ok(())
    }

    fn add_records(&mut self, batch: &BatchView<'_>) -> Result<(), RecordsError> {
        let records = RecordSet::open(batch, CLEANED_BATCH_BYTES_MAX)?;
        let mut keys = Vec::new();
        for record in records.iter() {
            let record = record?;
            keys.extend(record.key.map(|key| (hash(key), record.offset)));
        }
        if batch.is_transactional() {
            self.waiting += keys.len();
            let first_offset = batch.base_offset();
            let open = self.open.entry(batch.producer_id());
            let open = open.or_insert_with(|| Open { first_offset, keys: Vec::new() });
            open.keys.append(&mut keys);
        } else {
            keys.into_iter().for_each(|(key, offset)| self.latest.put(key, offset));
        }
        Ok(())
    }

    fn end_transaction(&mut self, batch: &BatchView<'_>) -> Result<(), RecordsError> {
        let marker = Marker::of(batch)?;
        if !matches!(marker, Some(Marker::Commit | Marker::Abort)) {
            return Ok(());
        }
        // Of a transaction without a record here, or below the clean point.
        let Some(open) = self.open.remove(&batch.producer_id()) else { return Ok(()) };
        self.waiting -= open.keys.len();
        if marker == Some(Marker::Commit) {
            open.keys.into_iter().for_each(|(key, offset)| self.latest.put(key, offset));
        } else {
            let aborted = self.aborted.entry(batch.producer_id()).or_default();
            aborted.push(open.first_offset..batch.base_offset());
        }
        Ok(())
    }

    /// What is known now.
    pub(crate) fn finish(self) -> Found {
        let first_open = self.open.values().map(|open| open.first_offset).min();
        Found {
            latest: self.latest,
            aborted: self.aborted,
            upto: first_open.unwrap_or(self.next_offset).min(self.next_offset),
            full: self.full,
        }
    }
}

impl Found {
    /// Whether the record at `offset` belongs to a transaction that this producer aborted.
    pub(crate) fn is_aborted(&self, producer_id: i64, offset: i64) -> bool {
        let aborted = self.aborted.get(&producer_id).map_or(&[][..], Vec::as_slice);
        let position = aborted.partition_point(|transaction| transaction.end <= offset);
        aborted.get(position).is_some_and(|transaction| transaction.contains(&offset))
    }
}
