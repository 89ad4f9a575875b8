//! Views, validation, patches and the builder agree with each other and with Kafka.

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records as kafka;
use proptest::prelude::{any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::*;

/// Ten records as Kafka's Java producer sent them.
const FROM_JAVA: &[u8] = include_bytes!("../../testdata/batches/java-none.bin");

fn builder() -> BatchBuilder {
    BatchBuilder::new()
        .producer(7, 3, 100)
        .record(1_000, Some(b"a"), Some(b"one"))
        .record(1_005, None, Some(b"two"))
        .record(1_002, Some(b"c"), None)
}

/// A good batch with some bytes changed and its CRC made right again.
fn forged(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = builder().build().to_vec();
    change(&mut bytes);
    let crc = crc32c::crc32c(&bytes[ATTRIBUTES_AT..]);
    put(&mut bytes, CRC_AT, crc.to_be_bytes());
    bytes
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

fn refusal(bytes: &[u8]) -> BatchError {
    validate_produced(bytes, false).expect_err("a forged batch")
}

#[test]
fn the_header_of_a_real_batch_reads_as_sent() {
    let batch = validate_produced(FROM_JAVA, false).unwrap();
    assert_eq!(batch.bytes(), FROM_JAVA);
    assert_eq!(batch.batch_length() as usize, FROM_JAVA.len() - LENGTH_OVERHEAD_BYTES);
    assert_eq!((batch.base_offset(), batch.leader_epoch()), (0, -1));
    assert_eq!((batch.record_count(), batch.last_offset_delta(), batch.last_offset()), (10, 9, 9));
    assert_eq!((batch.producer_id(), batch.producer_epoch()), (4242, 1));
    assert_eq!((batch.base_sequence(), batch.last_sequence()), (0, 9));
    assert_eq!(batch.base_timestamp(), 1_700_000_000_001);
    assert_eq!(batch.max_timestamp(), 1_700_000_000_010);
    assert_eq!(batch.compression(), Ok(Compression::None));
    assert!(batch.has_producer_id() && !batch.is_transactional() && !batch.is_control());
}

/// `kafka-protocol` writes the same batch from the same records.
#[test]
fn the_builder_writes_what_kafka_would() {
    let record =
        |delta: i64, timestamp, key: Option<&'static [u8]>, value: Option<&'static [u8]>| {
            kafka::Record {
                transactional: true,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: 5,
                producer_id: 7,
                producer_epoch: 3,
                timestamp_type: kafka::TimestampType::Creation,
                offset: 40 + delta,
                sequence: 100 + delta as i32,
                timestamp,
                key: key.map(Bytes::from_static),
                value: value.map(Bytes::from_static),
                headers: IndexMap::new(),
            }
        };
    let records = [
        record(0, 1_000, Some(b"a"), Some(b"one")),
        record(1, 1_005, None, Some(b"two")),
        record(2, 1_002, Some(b"c"), None),
    ];
    let options = kafka::RecordEncodeOptions { version: 2, compression: kafka::Compression::None };
    let mut expected = BytesMut::new();
    kafka::RecordBatchEncoder::encode(&mut expected, &records, &options).unwrap();
    let built = builder().at(40, 5).transactional();
    assert_eq!(built.len(), expected.len());
    assert_eq!(built.build(), expected);
}

#[test]
fn each_lie_in_a_header_is_refused_by_its_name() {
    assert!(validate_produced(&forged(|_| ()), false).is_ok());

    let mut flipped = forged(|_| ());
    *flipped.last_mut().unwrap() ^= 1;
    assert!(matches!(refusal(&flipped), BatchError::Crc { .. }));
    assert_eq!(refusal(&flipped).code(), ErrorCode::CorruptMessage);

    let old = forged(|b| b[MAGIC_AT] = 1);
    assert_eq!(refusal(&old), BatchError::Magic { magic: 1 });
    let count = |records, last_offset_delta| BatchError::Count { records, last_offset_delta };
    assert_eq!(refusal(&forged(|b| put(b, RECORD_COUNT_AT, 4i32.to_be_bytes()))), count(4, 2));
    assert_eq!(refusal(&forged(|b| put(b, LAST_OFFSET_DELTA_AT, 0i32.to_be_bytes()))), count(3, 0));
    let empty = forged(|b| {
        put(b, RECORD_COUNT_AT, 0i32.to_be_bytes());
        put(b, LAST_OFFSET_DELTA_AT, (-1i32).to_be_bytes());
    });
    assert_eq!(refusal(&empty), count(0, -1));
    let endless = forged(|b| {
        put(b, RECORD_COUNT_AT, i32::MIN.to_be_bytes());
        put(b, LAST_OFFSET_DELTA_AT, i32::MAX.to_be_bytes());
    });
    assert_eq!(refusal(&endless), count(i32::MIN, i32::MAX));

    let attributes = |bits: i16| refusal(&forged(|b| put(b, ATTRIBUTES_AT, bits.to_be_bytes())));
    assert_eq!(attributes(ATTRIBUTE_CONTROL), BatchError::Control);
    assert_eq!(attributes(ATTRIBUTE_TRANSACTIONAL), BatchError::Transactional { batch: true });
    assert_eq!(attributes(ATTRIBUTE_LOG_APPEND_TIME), BatchError::TimestampType);
    assert_eq!(attributes(0x40), BatchError::Attributes { attributes: 0x40 });
    assert_eq!(attributes(0x80), BatchError::Attributes { attributes: 0x80 });
    assert_eq!(attributes(5), BatchError::Compression { id: 5 });
}

#[test]
fn producer_fields_come_together_or_not_at_all() {
    let broken = |id, epoch, sequence| {
        let batch = BatchBuilder::new().producer(id, epoch, sequence).record(1, None, None).build();
        matches!(validate_produced(&batch, false), Err(BatchError::Producer { .. }))
    };
    assert!(!broken(NO_PRODUCER_ID, -1, -1));
    assert!(!broken(0, 0, 0));
    assert!(broken(5, -1, 0) && broken(5, 0, -1) && broken(-2, 0, 0));
    let anonymous = BatchBuilder::new().transactional().record(1, None, None).build();
    assert!(matches!(validate_produced(&anonymous, true), Err(BatchError::Producer { .. })));
    let plain = BatchBuilder::new().producer(5, 0, 0).record(1, None, None).build();
    let missing = BatchError::Transactional { batch: false };
    assert_eq!(validate_produced(&plain, true), Err(missing));
    assert!(validate_produced(&plain, false).is_ok());
}

#[test]
fn a_produce_request_carries_one_whole_batch() {
    let one = builder().build();
    let two = [one.clone(), one.clone()].concat();
    assert_eq!(refusal(&[]), BatchError::NotOne("nothing"));
    assert_eq!(refusal(&two), BatchError::NotOne("more"));
    for length in 1..one.len() {
        assert!(matches!(refusal(&one[..length]), BatchError::Truncated { .. }), "{length}");
    }
    let tiny = forged(|b| put(b, LENGTH_AT, 48i32.to_be_bytes()));
    assert_eq!(refusal(&tiny), BatchError::Length { length: 48 });
    let negative = forged(|b| put(b, LENGTH_AT, i32::MIN.to_be_bytes()));
    assert_eq!(refusal(&negative), BatchError::Length { length: i32::MIN });
}

#[test]
fn batches_are_found_one_after_the_other_until_the_first_that_is_cut() {
    let one = builder().build();
    let mut bytes = [FROM_JAVA, &one].concat();
    let found: Vec<_> = batches(&bytes).map(|batch| batch.unwrap().bytes().len()).collect();
    assert_eq!(found, [FROM_JAVA.len(), one.len()]);
    bytes.pop();
    let mut cut = batches(&bytes);
    assert!(cut.next().unwrap().is_ok());
    assert!(matches!(cut.next(), Some(Err(BatchError::Truncated { .. }))));
    assert!(cut.next().is_none());
}

/// The owner's fields lie outside the CRC.
#[test]
fn placing_a_batch_keeps_the_producers_checksum() {
    let mut placed = FROM_JAVA.to_vec();
    set_offsets(&mut placed[..16], 1 << 40, 12);
    let batch = BatchView::whole(&placed).unwrap();
    assert_eq!(batch.verify(), Ok(()));
    assert_eq!((batch.base_offset(), batch.leader_epoch()), (1 << 40, 12));
    assert_eq!(batch.last_offset(), (1 << 40) + 9);
    assert_eq!(placed[16..], FROM_JAVA[16..]);
}

#[test]
fn log_append_time_stamps_the_batch_and_seals_it_again() {
    let mut stamped = FROM_JAVA.to_vec();
    set_log_append_time(&mut stamped, 1_800_000_000_000);
    let batch = BatchView::whole(&stamped).unwrap();
    assert_eq!(batch.verify(), Ok(()));
    assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(batch.max_timestamp(), 1_800_000_000_000);
    assert_eq!(batch.base_timestamp(), 1_700_000_000_001);
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(advance_sequence(0, 4), 4);
    assert_eq!(advance_sequence(i32::MAX, 0), i32::MAX);
    assert_eq!(advance_sequence(i32::MAX, 1), 0);
    assert_eq!(advance_sequence(i32::MAX - 1, 3), 1);
    let batch = BatchBuilder::new().producer(1, 0, i32::MAX).record(1, None, None);
    let batch = batch.record(1, None, None).build();
    assert_eq!(BatchView::whole(&batch).unwrap().last_sequence(), 0);
    let anonymous = BatchBuilder::new().record(1, None, None).build();
    assert_eq!(BatchView::whole(&anonymous).unwrap().last_sequence(), -1);
}

proptest! {
    /// No flipped bit gets past validation, but for those that the owner overwrites.
    #[test]
    fn every_damaged_byte_is_noticed(at in 8..FROM_JAVA.len(), flip in 1..=u8::MAX) {
        let mut bytes = FROM_JAVA.to_vec();
        bytes[at] ^= flip;
        let noticed = validate_produced(&bytes, false).is_err();
        let owners = (LEADER_EPOCH_AT..MAGIC_AT).contains(&at);
        prop_assert_eq!(noticed, !owners);
    }

    #[test]
    fn no_bytes_make_a_view_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        format_2 in any::<bool>(),
        length in -1..200i32,
    ) {
        let mut bytes = bytes;
        if bytes.len() > MAGIC_AT && format_2 {
            bytes[MAGIC_AT] = MAGIC;
            put(&mut bytes, LENGTH_AT, length.to_be_bytes());
        }
        for batch in batches(&bytes).flatten() {
            let _ = (batch.verify(), batch.last_offset(), batch.last_sequence());
            prop_assert!(batch.bytes().len() >= HEADER_BYTES);
        }
        let _ = validate_produced(&bytes, false);
    }
}
