//! What the owner of a partition writes into a batch it was given.

use super::{
    ATTRIBUTE_LOG_APPEND_TIME, ATTRIBUTES_AT, BASE_OFFSET_AT, CRC_AT, LEADER_EPOCH_AT,
    MAX_TIMESTAMP_AT,
};

/// Gives the batch its place in the log. `header` is at least its first 16 bytes.
///
/// Both fields lie outside the CRC, so the producer's checksum stays valid to the last consumer.
pub fn set_offsets(header: &mut [u8], base_offset: i64, leader_epoch: i32) {
    put(header, BASE_OFFSET_AT, base_offset.to_be_bytes());
    put(header, LEADER_EPOCH_AT, leader_epoch.to_be_bytes());
}

/// Stamps a whole batch with our clock (`message.timestamp.type=LogAppendTime`).
///
/// The timestamps of the single records stay: readers take the batch's. The CRC covers what is
/// changed here and is computed again, so the batch must have been verified before.
pub fn set_log_append_time(batch: &mut [u8], now_ms: i64) {
    let attributes = i16::from_be_bytes([batch[ATTRIBUTES_AT], batch[ATTRIBUTES_AT + 1]]);
    put(batch, ATTRIBUTES_AT, (attributes | ATTRIBUTE_LOG_APPEND_TIME).to_be_bytes());
    put(batch, MAX_TIMESTAMP_AT, now_ms.to_be_bytes());
    let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    put(batch, CRC_AT, crc.to_be_bytes());
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}
