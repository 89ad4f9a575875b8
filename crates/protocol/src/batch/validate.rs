//! What a client's batch must satisfy before a node appends it (R59).

use super::{
    ATTRIBUTE_COMPRESSION, ATTRIBUTE_CONTROL, ATTRIBUTE_LOG_APPEND_TIME, ATTRIBUTE_TRANSACTIONAL,
    BatchError, BatchView, NO_PRODUCER_ID, TimestampType, batches,
};

/// The bits we know and a stored batch may have. Bit 6 (delete horizon) turns the base timestamp
/// into something else and is set by compaction only.
const KNOWN_ATTRIBUTES: i16 =
    ATTRIBUTE_COMPRESSION | ATTRIBUTE_LOG_APPEND_TIME | ATTRIBUTE_TRANSACTIONAL | ATTRIBUTE_CONTROL;

/// The one batch that a produce request may carry for a partition (version 3 and later).
pub fn validate_single(records: &[u8]) -> Result<BatchView<'_>, BatchError> {
    let mut all = batches(records);
    let first = all.next().ok_or(BatchError::NotOne("nothing"))??;
    match all.next() {
        None => Ok(first),
        Some(_) => Err(BatchError::NotOne("more")),
    }
}

/// Checks the records of one partition in a produce request, `transactional` if the request has a
/// transactional id. A lying header would give offsets that overlap, forge a transaction's end or
/// make the checksum worthless to every consumer.
pub fn validate_produced(records: &[u8], transactional: bool) -> Result<BatchView<'_>, BatchError> {
    let batch = validate_single(records)?;
    batch.verify()?;
    if batch.is_control() {
        return Err(BatchError::Control);
    }
    let attributes = batch.attributes();
    if attributes & !KNOWN_ATTRIBUTES != 0 {
        return Err(BatchError::Attributes { attributes });
    }
    if batch.timestamp_type() == TimestampType::LogAppendTime {
        return Err(BatchError::TimestampType);
    }
    if batch.is_transactional() != transactional {
        return Err(BatchError::Transactional { batch: batch.is_transactional() });
    }
    producer(&batch)?;
    Ok(batch)
}

/// Either all of id, epoch and sequence or none; a transaction needs them.
fn producer(batch: &BatchView<'_>) -> Result<(), BatchError> {
    let (producer_id, epoch, sequence) =
        (batch.producer_id(), batch.producer_epoch(), batch.base_sequence());
    let consistent = match producer_id {
        NO_PRODUCER_ID => !batch.is_transactional(),
        id => id >= 0 && epoch >= 0 && sequence >= 0,
    };
    if consistent { Ok(()) } else { Err(BatchError::Producer { producer_id, epoch, sequence }) }
}
