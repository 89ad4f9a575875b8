//! Views, validation, patches and the builder agree with each other and with Kafka.

use bytes::Bytes;
use proptest::prelude::{any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::*;

/// One record, value "hello", as Kafka's Java producer sent it (idempotent, no compression).
const FROM_JAVA: &[u8] = include_bytes!("testdata/java-producer.bin");

fn batch() -> BatchBuilder {
    BatchBuilder::new()
        .producer(7, 3, 100)
        .record(1_000, Some(b"a"), Some(b"one"))
        .record(1_005, None, Some(b"two"))
        .record(1_002, Some(b"c"), None)
}

/// The batch with some bytes changed and its CRC made right again.
fn forged(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = batch().build().to_vec();
    change(&mut bytes);
    let crc = crc32c::crc32c(&bytes[ATTRIBUTES_AT..]);
    bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}
