//! Markers: the control batches that end transactions (KIP-98). Only partitions' owners write them
//! (R59).
//!
//! ```text
//! their one record   key     2 version, 0    2 type: 0 abort, 1 commit
//!                    value   2 version, 0    4 coordinator epoch
//! ```

use bytes::{Buf, Bytes};

use super::records::RecordSet;
use super::{BatchBuilder, BatchView};

const VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;
/// A marker has no sequence, so that it is never taken for a batch of its producer.
const NO_SEQUENCE: i32 = -1;
/// More than the record of a marker ever takes.
const RECORD_BYTES_MAX: usize = 256;

/// How a transaction ended, as its marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Commit, or abort.
    pub commit: bool,
    /// Epoch of the coordinator that decided it.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// What a batch says; `None` if it is no marker.
    pub fn of(batch: &BatchView<'_>) -> Option<Self> {
        if !batch.is_control() {
            return None;
        }
        let records = RecordSet::open(batch, RECORD_BYTES_MAX).ok()?;
        let record = records.iter().next()?.ok()?;
        let (mut key, mut value) = (record.key?, record.value?);
        let _version = key.try_get_i16().ok()?;
        let commit = match key.try_get_i16().ok()? {
            ABORT => false,
            COMMIT => true,
            _ => return None,
        };
        let _version = value.try_get_i16().ok()?;
        Some(Self { commit, coordinator_epoch: value.try_get_i32().ok()? })
    }

    /// The batch to append.
    pub fn batch(self, producer_id: i64, producer_epoch: i16, now_ms: i64) -> Bytes {
        let kind = if self.commit { COMMIT } else { ABORT };
        let key = [VERSION.to_be_bytes(), kind.to_be_bytes()].concat();
        let value = [&VERSION.to_be_bytes()[..], &self.coordinator_epoch.to_be_bytes()].concat();
        BatchBuilder::new()
            .producer(producer_id, producer_epoch, NO_SEQUENCE)
            .transactional()
            .control()
            .record(now_ms, Some(&key), Some(&value))
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_says_what_was_written() {
        for commit in [false, true] {
            let marker = EndTransactionMarker { commit, coordinator_epoch: 7 };
            let batch = marker.batch(4_000, 3, 1_000);
            let view = BatchView::whole(&batch).unwrap();
            assert_eq!(EndTransactionMarker::of(&view), Some(marker));
            assert!(view.is_control() && view.is_transactional());
            assert_eq!((view.producer_id(), view.producer_epoch()), (4_000, 3));
            assert_eq!((view.base_sequence(), view.record_count()), (-1, 1));
            assert_eq!(view.verify(), Ok(()));
        }
    }

    /// The bytes that a broker of Apache Kafka writes, and consumers of it read.
    #[test]
    fn its_record_is_that_of_kafka() {
        let batch = EndTransactionMarker { commit: true, coordinator_epoch: 2 }.batch(9, 1, 5);
        let view = BatchView::whole(&batch).unwrap();
        let records = RecordSet::open(&view, RECORD_BYTES_MAX).unwrap();
        let record = records.iter().next().unwrap().unwrap();
        assert_eq!(record.key, Some(&[0, 0, 0, 1][..]));
        assert_eq!(record.value, Some(&[0, 0, 0, 0, 0, 2][..]));
    }

    #[test]
    fn other_batches_are_no_markers() {
        let data = BatchBuilder::new().record(0, Some(&[0, 0, 0, 1]), Some(&[0; 6])).build();
        assert_eq!(EndTransactionMarker::of(&BatchView::whole(&data).unwrap()), None);
        for key in [&[0, 0, 0, 2][..], &[0, 0], &[]] {
            let other = BatchBuilder::new().control().record(0, Some(key), Some(&[0; 6])).build();
            assert_eq!(EndTransactionMarker::of(&BatchView::whole(&other).unwrap()), None);
        }
    }
}
