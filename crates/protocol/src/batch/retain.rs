//! A batch with records taken out: what compaction by key leaves of it.
//!
//! ```text
//! before   base 40, last delta 3      [ 40: a=1 ][ 41: b=1 ][ 42: a=2 ][ 43: b=2 ]
//! after    base 40, last delta 3                            [ 42: a=2 ][ 43: b=2 ]
//! emptied  base 40, last delta 3
//! ```
//!
//! Its place in the log, its epoch and its producer's sequence are what they were, and so is the
//! offset of every record that is left. Count, timestamps and CRC are new, and the delete horizon is
//! where KIP-534 puts it: in the place of the base timestamp, which records only count from.

use bytes::{Bytes, BytesMut};

use super::records::{RecordSet, RecordsError, deflate};
use super::view::{BatchView, Compression};
use super::{
    ATTRIBUTE_COMPRESSION, ATTRIBUTE_DELETE_HORIZON, ATTRIBUTES_AT, BASE_TIMESTAMP_AT,
    BatchBuilder, CRC_AT, HEADER_BYTES, LAST_OFFSET_DELTA_AT, LENGTH_AT, LENGTH_OVERHEAD_BYTES,
    MAX_TIMESTAMP_AT, NO_TIMESTAMP, RECORD_COUNT_AT,
};

/// What the header of a batch that is written anew says other than before.
pub(super) struct Renewed {
    pub(super) attributes: i16,
    pub(super) base_timestamp: i64,
    pub(super) max_timestamp: i64,
    pub(super) count: i32,
}

/// The batch with those of its records for which `keep` holds, in their order, compressed as it was.
///
/// `records` are its own. With `delete_horizon_ms` its tombstones may go at that time.
pub fn retain(
    batch: &BatchView<'_>,
    records: &RecordSet<'_>,
    keep: &[bool],
    delete_horizon_ms: Option<i64>,
) -> Result<Bytes, RecordsError> {
    let mut renewed = Renewed {
        attributes: batch.attributes() & !ATTRIBUTE_DELETE_HORIZON,
        base_timestamp: batch.base_timestamp(),
        max_timestamp: NO_TIMESTAMP,
        count: 0,
    };
    if let Some(horizon) = delete_horizon_ms {
        renewed.attributes |= ATTRIBUTE_DELETE_HORIZON;
        renewed.base_timestamp = horizon;
    }
    let (mut out, mut scratch) = (BytesMut::new(), BytesMut::new());
    for (record, keep) in records.iter().zip(keep) {
        let record = record?;
        if *keep {
            record.put(&mut out, &mut scratch, batch.base_offset(), renewed.base_timestamp);
            renewed.max_timestamp = renewed.max_timestamp.max(record.timestamp);
            renewed.count += 1;
        }
    }
    let payload = deflate(batch.compression()?.into(), &out);
    Ok(renewed.seal(batch, &payload))
}

/// The batch without a record: it still says which offsets there were. Consumers step over it.
pub fn emptied(batch: &BatchView<'_>) -> Bytes {
    let cleared = ATTRIBUTE_COMPRESSION | ATTRIBUTE_DELETE_HORIZON;
    let renewed = Renewed {
        attributes: batch.attributes() & !cleared | Compression::None.id(),
        base_timestamp: NO_TIMESTAMP,
        max_timestamp: NO_TIMESTAMP,
        count: 0,
    };
    renewed.seal(batch, &[])
}

/// A batch without a record that stands for `offsets` offsets from `base_offset` on.
pub fn gap(base_offset: i64, offsets: i32, leader_epoch: i32) -> Bytes {
    let one = BatchBuilder::new().at(base_offset, leader_epoch).record(0, None, None).build();
    let one = BatchView::whole(&one).expect("just built");
    let mut batch = BytesMut::from(&emptied(&one)[..]);
    put(&mut batch, LAST_OFFSET_DELTA_AT, (offsets - 1).to_be_bytes());
    let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    put(&mut batch, CRC_AT, crc.to_be_bytes());
    batch.freeze()
}

impl Renewed {
    pub(super) fn seal(&self, batch: &BatchView<'_>, payload: &[u8]) -> Bytes {
        let length = HEADER_BYTES + payload.len();
        let mut out = BytesMut::with_capacity(length);
        out.extend_from_slice(&batch.bytes()[..HEADER_BYTES]);
        out.extend_from_slice(payload);
        let counted = i32::try_from(length - LENGTH_OVERHEAD_BYTES).expect("far below 2 GiB");
        put(&mut out, LENGTH_AT, counted.to_be_bytes());
        put(&mut out, ATTRIBUTES_AT, self.attributes.to_be_bytes());
        put(&mut out, BASE_TIMESTAMP_AT, self.base_timestamp.to_be_bytes());
        put(&mut out, MAX_TIMESTAMP_AT, self.max_timestamp.to_be_bytes());
        put(&mut out, RECORD_COUNT_AT, self.count.to_be_bytes());
        let crc = crc32c::crc32c(&out[ATTRIBUTES_AT..]);
        put(&mut out, CRC_AT, crc.to_be_bytes());
        out.freeze()
    }
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1 << 20;

    #[test]
    fn a_gap_stands_for_its_offsets_and_holds_nothing() {
        let bytes = gap(40, 1 << 30, 7);
        let batch = BatchView::whole(&bytes).unwrap();
        assert_eq!((batch.base_offset(), batch.last_offset()), (40, 40 + (1 << 30) - 1));
        assert_eq!((batch.leader_epoch(), batch.record_count()), (7, 0));
        assert_eq!(batch.verify_stored(), Ok(()));
        assert!(batch.verify().is_err(), "no client may send one");
        assert!(RecordSet::open(&batch, MAX).unwrap().iter().next().is_none());
    }

    fn batch(compression: Compression) -> Bytes {
        let mut builder = BatchBuilder::new().at(40, 7).producer(5, 1, 90).compressed(compression);
        builder.push(1_000, Some(b"a"), Some(b"one"));
        builder.push(1_009, Some(b"b"), None);
        builder.push_with_headers(1_005, Some(b"c"), Some(b"three"), &[("h", Some(b"v"))]);
        builder.build()
    }

    /// Offset, timestamp, key and value of a record.
    type Owned = (i64, i64, Vec<u8>, Option<Vec<u8>>);

    fn records(bytes: &[u8]) -> Vec<Owned> {
        let view = BatchView::whole(bytes).unwrap();
        let set = RecordSet::open(&view, MAX).unwrap();
        let owned = |record: super::super::records::Record<'_>| {
            let key = record.key.unwrap().to_vec();
            (record.offset, record.timestamp, key, record.value.map(<[u8]>::to_vec))
        };
        set.iter().map(|record| owned(record.unwrap())).collect()
    }

    fn crc_is_right(bytes: &[u8]) -> bool {
        BatchView::whole(bytes).unwrap().crc() == crc32c::crc32c(&bytes[ATTRIBUTES_AT..])
    }

    #[test]
    fn what_is_left_keeps_its_offsets_in_every_codec() {
        for codec in Compression::ALL {
            let before = batch(codec);
            let view = BatchView::whole(&before).unwrap();
            let set = RecordSet::open(&view, MAX).unwrap();
            let after = retain(&view, &set, &[false, true, true], None).unwrap();
            assert_eq!(records(&after), records(&before)[1..], "{codec:?}");
            let left = BatchView::whole(&after).unwrap();
            assert!(crc_is_right(&after));
            assert_eq!(left.compression(), Ok(codec));
            assert_eq!((left.base_offset(), left.last_offset(), left.leader_epoch()), (40, 42, 7));
            assert_eq!((left.base_sequence(), left.last_sequence()), (90, 92));
            assert_eq!((left.record_count(), left.max_timestamp()), (2, 1_009));
            let set = RecordSet::open(&left, MAX).unwrap();
            let last = set.iter().last().unwrap().unwrap();
            assert_eq!(last.headers().collect::<Vec<_>>(), [(&b"h"[..], Some(&b"v"[..]))]);
        }
    }

    #[test]
    fn a_delete_horizon_changes_no_timestamp_and_stays() {
        let before = batch(Compression::Zstd);
        let view = BatchView::whole(&before).unwrap();
        assert_eq!(view.delete_horizon_ms(), None);
        let set = RecordSet::open(&view, MAX).unwrap();
        let after = retain(&view, &set, &[true; 3], Some(99_999)).unwrap();
        assert_eq!(records(&after), records(&before));
        let left = BatchView::whole(&after).unwrap();
        assert_eq!((left.delete_horizon_ms(), left.max_timestamp()), (Some(99_999), 1_009));
    }

    #[test]
    fn log_append_time_is_that_of_the_batch_as_before() {
        let mut before = batch(Compression::None).to_vec();
        crate::batch::set_log_append_time(&mut before, 5_000);
        let view = BatchView::whole(&before).unwrap();
        let set = RecordSet::open(&view, MAX).unwrap();
        let after = retain(&view, &set, &[true, false, false], Some(7_000)).unwrap();
        assert_eq!(records(&after), records(&before)[..1]);
        assert_eq!(records(&after)[0].1, 5_000);
    }

    #[test]
    fn an_emptied_batch_says_where_it_was() {
        for codec in Compression::ALL {
            let before = batch(codec);
            let after = emptied(&BatchView::whole(&before).unwrap());
            let left = BatchView::whole(&after).unwrap();
            assert!(crc_is_right(&after) && records(&after).is_empty());
            assert_eq!((left.base_offset(), left.last_offset(), left.record_count()), (40, 42, 0));
            assert_eq!((left.producer_id(), left.last_sequence()), (5, 92));
            assert_eq!(left.compression(), Ok(Compression::None));
        }
    }
}
