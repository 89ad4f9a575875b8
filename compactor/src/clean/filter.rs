//! Second pass, from the log start to the new clean point: what stays of each batch.
//!
//! | record or marker | stays |
//! |---|---|
//! | a later record of the key is known | no |
//! | no key: not from a producer of a compacted topic | no |
//! | of an aborted transaction | no |
//! | tombstone | until the delete horizon of its batch, which is set when it is first seen here |
//! | commit marker | as long as records of its transaction do, and then until its own horizon |
//! | abort marker | yes: owners name the transaction to consumers, which forget it at the marker |
//! | anything else | yes |

use std::collections::HashSet;

use bytes::Bytes;
use protocol::batch::records::{Record, RecordSet, RecordsError};
use protocol::batch::{BatchView, retain};

use super::keys::hash;
use super::survey::{Found, Marker};
use crate::limits::CLEANED_BATCH_BYTES_MAX;

/// Takes the batches below the new clean point, in order.
#[derive(Debug)]
pub(crate) struct Filter {
    found: Found,
    now_ms: i64,
    /// The delete horizon of what is seen for the first time.
    horizon_ms: i64,
    /// Producers of whose present transaction there were records.
    in_transaction: HashSet<i64>,
    /// Records that were there, and that stay.
    pub(crate) records: [u64; 2],
}

impl Filter {
    /// `now_ms` by the store's clock, as the horizons in the batches are.
    pub(crate) fn new(found: Found, now_ms: i64, delete_retention_ms: i64) -> Self {
        Self {
            found,
            now_ms,
            horizon_ms: now_ms.saturating_add(delete_retention_ms),
            in_transaction: HashSet::new(),
            records: [0; 2],
        }
    }

    /// What stays of a batch: all of it as it is, a part of it, or nothing.
    pub(crate) fn batch(&mut self, bytes: &Bytes) -> Result<Option<Bytes>, RecordsError> {
        let batch = BatchView::whole(bytes)?;
        if batch.is_control() {
            return self.marker(&batch, bytes);
        }
        if batch.record_count() == 0 {
            return Ok(None);
        }
        self.records[0] += u64::try_from(batch.record_count()).unwrap_or(0);
        if batch.is_transactional() {
            self.in_transaction.insert(batch.producer_id());
            if self.found.is_aborted(batch.producer_id(), batch.base_offset()) {
                return Ok(None);
            }
        }
        self.data(&batch, bytes)
    }

    fn data(
        &mut self,
        batch: &BatchView<'_>,
        bytes: &Bytes,
    ) -> Result<Option<Bytes>, RecordsError> {
        let records = RecordSet::open(batch, CLEANED_BATCH_BYTES_MAX)?;
        let horizon = batch.delete_horizon_ms();
        let (mut keep, mut left, mut tombstones) = (Vec::new(), 0, false);
        for record in records.iter() {
            let record = record?;
            let stays = self.stays(&record, horizon);
            left += usize::from(stays);
            tombstones |= stays && record.value.is_none();
            keep.push(stays);
        }
        self.records[1] += left as u64;
        let first_seen = (tombstones && horizon.is_none()).then_some(self.horizon_ms);
        if left == 0 {
            Ok(None)
        } else if left == keep.len() && first_seen.is_none() {
            Ok(Some(bytes.clone()))
        } else {
            retain(batch, &records, &keep, horizon.or(first_seen)).map(Some)
        }
    }

    fn stays(&self, record: &Record<'_>, horizon: Option<i64>) -> bool {
        let latest =
            record.key.is_some_and(|key| !self.found.latest.is_obsolete(&hash(key), record.offset));
        latest && (record.value.is_some() || horizon.is_none_or(|horizon| self.now_ms < horizon))
    }

    fn marker(
        &mut self,
        batch: &BatchView<'_>,
        bytes: &Bytes,
    ) -> Result<Option<Bytes>, RecordsError> {
        let marker = Marker::of(batch)?;
        let had_records = match marker {
            None => return Ok(None),
            Some(Marker::Other) => return Ok(Some(bytes.clone())),
            Some(Marker::Commit | Marker::Abort) => {
                self.in_transaction.remove(&batch.producer_id())
            }
        };
        if had_records || marker == Some(Marker::Abort) {
            return Ok(Some(bytes.clone()));
        }
        match batch.delete_horizon_ms() {
            Some(horizon) if self.now_ms >= horizon => Ok(None),
            Some(_) => Ok(Some(bytes.clone())),
            None => {
                let records = RecordSet::open(batch, CLEANED_BATCH_BYTES_MAX)?;
                retain(batch, &records, &[true], Some(self.horizon_ms)).map(Some)
            }
        }
    }
}
