//! Every codec is read back, none inflates beyond its cap, and nothing panics.

use std::io::Write;

use proptest::prelude::{any, prop};
use proptest::{prop_assert_eq, proptest};

use super::*;
use crate::batch::{BatchBuilder, Compression, HEADER_BYTES};

macro_rules! from_clients {
    ($($name:literal)*) => {
        [$((
            $name,
            include_bytes!(concat!("../../../testdata/batches/", $name, ".bin")).as_slice(),
        ),)*]
    };
}

/// One batch per client and codec, see testdata/README.md.
const FROM_CLIENTS: [(&str, &[u8]); 10] = from_clients! {
    "java-none" "java-gzip" "java-snappy" "java-lz4" "java-zstd"
    "kcat-none" "kcat-gzip" "kcat-snappy" "kcat-lz4" "kcat-zstd"
};

const MAX: usize = 1 << 20;

fn all(batch: &BatchView<'_>) -> Result<usize, RecordsError> {
    let set = RecordSet::open(batch, MAX)?;
    set.iter().try_fold(0, |count, record| record.map(|_| count + 1))
}

#[test]
fn batches_of_real_clients_are_read_in_every_codec() {
    for (name, bytes) in FROM_CLIENTS {
        let batch = BatchView::whole(bytes).unwrap();
        batch.verify().unwrap();
        let codec = format!("{:?}", batch.compression().unwrap()).to_lowercase();
        assert!(name.ends_with(&codec), "{name} is {codec}");
        let set = RecordSet::open(&batch, MAX).unwrap();
        let records: Vec<_> = set.iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(records.len(), 10, "{name}");
        for (number, record) in (1..).zip(&records) {
            assert_eq!(record.offset, number - 1);
            assert_eq!(record.key, Some(format!("key{number}").as_bytes()));
            let value = std::str::from_utf8(record.value.unwrap()).unwrap();
            assert!(value.starts_with("the quick") && value.ends_with(&format!("mind {number}")));
            let headers: Vec<_> = record.headers().collect();
            let (h, v) = (&b"h"[..], &b"v"[..]);
            if name.starts_with("java") {
                assert_eq!(headers, [(h, Some(v)), (h, None)]);
                assert_eq!(record.timestamp, 1_700_000_000_000 + number);
            } else {
                assert_eq!(headers, [(h, Some(v))]);
            }
        }
    }
}

#[test]
fn nothing_inflates_beyond_the_callers_cap() {
    for (name, bytes) in FROM_CLIENTS {
        let batch = BatchView::whole(bytes).unwrap();
        let size = RecordSet::open(&batch, MAX).unwrap().payload.len();
        assert!(RecordSet::open(&batch, size).is_ok(), "{name}");
        let refused = RecordSet::open(&batch, size - 1).map(drop);
        assert_eq!(refused, Err(RecordsError::TooLarge { max: size - 1 }), "{name}");
    }
}

/// 64 MiB of zeros in a few KiB: refused at the cap, not after inflating.
#[test]
fn bombs_stop_at_the_cap() {
    let zeros = vec![0; 64 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&zeros).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&zeros).unwrap();
    for (compression, bomb) in [
        (Compression::Gzip, gzip.finish().unwrap()),
        (Compression::Lz4, lz4.finish().unwrap()),
        (Compression::Zstd, zstd::encode_all(&zeros[..], 3).unwrap()),
        (Compression::Snappy, snap::raw::Encoder::new().compress_vec(&zeros).unwrap()),
    ] {
        let refused = inflate::inflate(compression, &bomb, MAX).map(drop);
        assert_eq!(refused, Err(RecordsError::TooLarge { max: MAX }), "{compression:?}");
        // Broken off in the middle, it is broken.
        let cut = inflate::inflate(compression, &bomb[..bomb.len() / 2], 128 << 20).map(drop);
        assert!(matches!(cut, Err(RecordsError::Decompress { .. })), "{compression:?}: {cut:?}");
    }
    // 4 GiB claimed by five bytes.
    let lie = inflate::inflate(Compression::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x0f], usize::MAX);
    assert!(matches!(lie, Err(RecordsError::Decompress { .. })));
}

fn timestamps(all: &[i64]) -> bytes::Bytes {
    let empty = BatchBuilder::new().at(100, 0);
    all.iter().fold(empty, |batch, timestamp| batch.record(*timestamp, None, None)).build()
}

#[test]
fn search_by_timestamp_finds_the_first_record_that_is_not_earlier() {
    let bytes = timestamps(&[10, 30, 20, 40]);
    let batch = BatchView::whole(&bytes).unwrap();
    let find = |timestamp| first_at_or_after(&batch, 0, timestamp).unwrap();
    assert_eq!(find(0), Some((100, 10)));
    assert_eq!(find(10), Some((100, 10)));
    assert_eq!(find(11), Some((101, 30)));
    assert_eq!(find(31), Some((103, 40)));
    assert_eq!(find(batch.max_timestamp()), Some((103, 40)), "the record with the max timestamp");
    assert_eq!(find(41), None);
    assert_eq!(first_at_or_after(&batch, 102, 11), Ok(Some((102, 20))), "from an offset on");
    assert_eq!(first_at_or_after(&batch, 104, 11), Ok(None));
}

#[test]
fn a_batch_that_cannot_be_read_counts_as_one_record_for_a_search() {
    let mut bytes = timestamps(&[10, 30]).to_vec();
    // Compressed with gzip, it says.
    bytes[22] |= 1;
    let batch = BatchView::whole(&bytes).unwrap();
    assert!(first_at_or_after(&batch, 0, 20).is_err());
    assert_eq!(search_by_time(&batch, 0, 20), Some((100, 30)));
    assert_eq!(search_by_time(&batch, 101, 20), Some((101, 30)));
    assert_eq!(search_by_time(&batch, 0, 31), None, "its header rules it out");
}

#[test]
fn with_log_append_time_all_records_have_the_batchs() {
    let mut bytes = timestamps(&[10, 30]).to_vec();
    crate::batch::set_log_append_time(&mut bytes, 77);
    let batch = BatchView::whole(&bytes).unwrap();
    assert_eq!(first_at_or_after(&batch, 0, 31), Ok(Some((100, 77))));
    assert_eq!(first_at_or_after(&batch, 0, 78), Ok(None));
}

#[test]
fn records_must_fill_the_batch_exactly() {
    let good = timestamps(&[10, 30]);
    let with_count = |count: i32| {
        let mut bytes = good.to_vec();
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        bytes
    };
    let read = |bytes: &[u8]| all(&BatchView::whole(bytes).unwrap());
    assert_eq!(read(&with_count(2)), Ok(2));
    assert!(matches!(read(&with_count(1)), Err(RecordsError::Malformed { .. })));
    assert!(matches!(read(&with_count(3)), Err(RecordsError::Malformed { .. })));
    assert!(matches!(read(&with_count(i32::MAX)), Err(RecordsError::Malformed { .. })));
    assert!(matches!(read(&with_count(-1)), Err(RecordsError::Malformed { .. })));
}

proptest! {
    #[test]
    fn what_the_builder_writes_is_read_back(
        records in prop::collection::vec(
            (
                any::<i32>(),
                prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
                prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
                prop::collection::vec(("[a-z]{0,3}", prop::option::of("[a-z]{0,3}")), 0..3),
            ),
            1..20,
        ),
    ) {
        let mut builder = BatchBuilder::new().at(500, 0);
        for (timestamp, key, value, headers) in &records {
            let headers: Vec<_> = headers
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_ref().map(|value| value.as_bytes())))
                .collect();
            let timestamp = i64::from(*timestamp);
            builder.push_with_headers(timestamp, key.as_deref(), value.as_deref(), &headers);
        }
        let bytes = builder.build();
        let batch = BatchView::whole(&bytes).unwrap();
        prop_assert_eq!(batch.verify(), Ok(()));
        let set = RecordSet::open(&batch, MAX).unwrap();
        let mut read = set.iter();
        for (offset, (timestamp, key, value, headers)) in (500..).zip(&records) {
            let record = read.next().unwrap().unwrap();
            prop_assert_eq!((record.offset, record.timestamp), (offset, i64::from(*timestamp)));
            prop_assert_eq!((record.key, record.value), (key.as_deref(), value.as_deref()));
            let expected = headers
                .iter()
                .map(|(key, value)| (key.as_bytes(), value.as_ref().map(|value| value.as_bytes())));
            prop_assert_eq!(record.headers().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
        prop_assert_eq!(read.next(), None);
    }

    #[test]
    fn no_payload_makes_the_reader_panic(
        template in 0..FROM_CLIENTS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = FROM_CLIENTS[template].1.to_vec();
        let payload = bytes.len() - HEADER_BYTES;
        for (at, byte) in changes {
            bytes[HEADER_BYTES + at.index(payload)] = byte;
        }
        let _ = all(&BatchView::whole(&bytes).unwrap());
    }
}
