//! A batch packed anew, for a topic whose `compression.type` is another than the producer's.

use bytes::Bytes;

use super::records::{RecordSet, RecordsError, deflate};
use super::retain::Renewed;
use super::view::{BatchView, Codec};
use super::{ATTRIBUTE_COMPRESSION, NO_TIMESTAMP};

/// The same records under `codec`. They may inflate to `max` bytes.
///
/// Every record is looked at, as Kafka does when it writes a batch anew: its offset must be that of its
/// place, and the max timestamp becomes that of the records. Everything else that the batch says, its
/// producer's sequence above all, stays. `batch` has been verified: its checksum ends here.
pub fn recompressed(
    batch: &BatchView<'_>,
    codec: Codec,
    max: usize,
) -> Result<Bytes, RecordsError> {
    let set = RecordSet::open(batch, max)?;
    let mut max_timestamp = NO_TIMESTAMP;
    for (index, record) in (0..).zip(set.iter()) {
        let record = record?;
        let delta = record.offset.wrapping_sub(batch.base_offset());
        if delta != i64::from(index) {
            return Err(RecordsError::Offset { index, delta });
        }
        max_timestamp = max_timestamp.max(record.timestamp);
    }
    let renewed = Renewed {
        attributes: batch.attributes() & !ATTRIBUTE_COMPRESSION | codec.compression.id(),
        base_timestamp: batch.base_timestamp(),
        max_timestamp,
        count: batch.record_count(),
    };
    Ok(renewed.seal(batch, &deflate(codec, set.payload())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, Compression, validate_produced};

    const MAX: usize = 1 << 20;

    fn batch(compression: Compression) -> Bytes {
        let batch = BatchBuilder::new().producer(5, 1, i32::MAX - 1).transactional();
        let mut batch = batch.compressed(compression);
        batch.push(1_000, Some(b"a"), Some(&[b'x'; 5_000]));
        batch.push(1_009, None, None);
        batch.push_with_headers(995, Some(b"c"), Some(b""), &[("h", Some(b"v")), ("n", None)]);
        batch.build()
    }

    fn payload(bytes: &[u8]) -> Vec<u8> {
        let view = BatchView::whole(bytes).unwrap();
        RecordSet::open(&view, MAX).unwrap().payload().to_vec()
    }

    #[test]
    fn every_codec_becomes_every_other_and_nothing_else_changes() {
        for (from, to) in
            Compression::ALL.iter().flat_map(|from| Compression::ALL.map(|to| (*from, to)))
        {
            let before = batch(from);
            let old = BatchView::whole(&before).unwrap();
            let after = recompressed(&old, to.into(), MAX).unwrap();
            let new = validate_produced(&after, true).expect("a batch that a node takes");
            assert_eq!(new.compression(), Ok(to));
            assert_eq!(payload(&after), payload(&before), "{from:?} to {to:?}");
            let says = |batch: &BatchView<'_>| {
                let sequence = (batch.producer_id(), batch.producer_epoch(), batch.base_sequence());
                let times = (batch.base_timestamp(), batch.max_timestamp());
                let count = (batch.record_count(), batch.last_offset_delta());
                (sequence, batch.last_sequence(), times, count, batch.is_transactional())
            };
            assert_eq!(says(&new), says(&old));
        }
    }

    #[test]
    fn levels_are_the_topic_s_and_none_is_too_high() {
        let text: String = (0..4_000).map(|n| format!("{} ", n * n % 977)).collect();
        let plain = BatchBuilder::new().record(0, None, Some(text.as_bytes())).build();
        let view = BatchView::whole(&plain).unwrap();
        let size = |compression, level| {
            let codec = Codec { compression, level };
            let packed = recompressed(&view, codec, MAX).unwrap();
            assert_eq!(payload(&packed), payload(&plain));
            packed.len()
        };
        assert!(size(Compression::Gzip, Some(9)) < size(Compression::Gzip, Some(1)));
        assert_eq!(size(Compression::Gzip, Some(-1)), size(Compression::Gzip, None));
        assert!(size(Compression::Gzip, Some(0)) > text.len(), "stored");
        assert!(size(Compression::Zstd, Some(19)) < size(Compression::Zstd, Some(-100)));
        assert_eq!(size(Compression::Zstd, Some(22)), size(Compression::Zstd, Some(19)));
        assert_eq!(size(Compression::Zstd, Some(3)), size(Compression::Zstd, None));
    }

    #[test]
    fn the_max_timestamp_is_that_of_the_records() {
        let mut lying = batch(Compression::None).to_vec();
        lying[super::super::MAX_TIMESTAMP_AT..][..8].copy_from_slice(&7_i64.to_be_bytes());
        let view = BatchView::whole(&lying).unwrap();
        let after = recompressed(&view, Compression::Gzip.into(), MAX).unwrap();
        assert_eq!(BatchView::whole(&after).unwrap().max_timestamp(), 1_009);
    }

    #[test]
    fn what_is_no_proper_batch_is_refused() {
        let zeros = BatchBuilder::new().compressed(Compression::Zstd);
        let bomb = zeros.record(0, None, Some(&[0; MAX])).build();
        let refused = |bytes: &[u8]| {
            let view = BatchView::whole(bytes).unwrap();
            recompressed(&view, Compression::Lz4.into(), MAX).unwrap_err()
        };
        assert_eq!(refused(&bomb), RecordsError::TooLarge { max: MAX });

        let mut sparse = BatchBuilder::new().record(0, None, Some(b"v")).build().to_vec();
        // Length, attributes, timestamp delta, then the offset delta: a zigzag 3.
        sparse[crate::batch::HEADER_BYTES + 3] = 6;
        assert_eq!(refused(&sparse), RecordsError::Offset { index: 0, delta: 3 });

        let mut fewer = batch(Compression::None).to_vec();
        fewer[super::super::RECORD_COUNT_AT + 3] = 2;
        assert!(matches!(refused(&fewer), RecordsError::Malformed { .. }));
    }
}
