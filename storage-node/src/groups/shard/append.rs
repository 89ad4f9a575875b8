//! Appending a step's records: in order, in batches, for as long as it takes.

use bytes::Bytes;
use coordinator::Record;
use futures::FutureExt;
use futures::future::{BoxFuture, try_join_all};

use super::{End, Parts};
use crate::groups::limits::{BATCH_BYTES_TARGET, RETRY_MAX, RETRY_MIN};
use crate::groups::metrics;
use crate::groups::state_log::{AppendError, Appended, Lost};

/// Records on their way to the disk.
pub(super) struct OnTheWay {
    pub(super) first_offset: i64,
    /// Resolves when all of them are durable.
    pub(super) durable: BoxFuture<'static, Result<(), Lost>>,
}

/// Appends all records, at least one.
///
/// The state is already ahead of the log, so there is no way back: a full front is waited for, and
/// meanwhile the inbox fills up and pushes back on the clients (R28).
pub(super) async fn append(parts: &Parts, records: &[Record]) -> Result<OnTheWay, End> {
    let encoded: Vec<Bytes> = records.iter().map(Record::encode).collect();
    let mut first_offset = None;
    let mut durable = Vec::new();
    for batch in batches(&encoded) {
        let appended = append_batch(parts, batch).await?;
        first_offset.get_or_insert(appended.first_offset);
        durable.push(appended.durable);
    }
    metrics::appended(records.len());
    let all = try_join_all(durable).map(|arrived| arrived.map(drop));
    Ok(OnTheWay {
        first_offset: first_offset.expect("there is at least one record"),
        durable: all.boxed(),
    })
}

async fn append_batch(parts: &Parts, batch: &[Bytes]) -> Result<Appended, End> {
    let mut pause = RETRY_MIN;
    loop {
        match parts.log.append(batch) {
            Ok(appended) => return Ok(appended),
            Err(AppendError::Full) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
            Err(AppendError::Lost(Lost)) => return Err(End::Lost),
            Err(error @ AppendError::TooLarge { .. }) => {
                tracing::error!(shard = parts.index, %error, "group records cannot be appended");
                return Err(End::Reload);
            }
        }
    }
}

/// Consecutive records whose bytes make up about a batch.
fn batches(records: &[Bytes]) -> impl Iterator<Item = &[Bytes]> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |record: &&Bytes| {
            bytes += record.len();
            bytes <= BATCH_BYTES_TARGET
        };
        // A record that is larger than a batch should be goes alone.
        let count = rest.iter().take_while(fits).count().max(1).min(rest.len());
        let (batch, after) = rest.split_at(count);
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_batched_in_order_and_a_huge_one_goes_alone() {
        let sizes = [10, BATCH_BYTES_TARGET - 10, 1, 2 * BATCH_BYTES_TARGET, 5, 6];
        let records: Vec<Bytes> = sizes.iter().map(|size| Bytes::from(vec![0; *size])).collect();
        let batched: Vec<Vec<usize>> =
            batches(&records).map(|batch| batch.iter().map(Bytes::len).collect()).collect();
        assert_eq!(batched.concat(), sizes);
        assert_eq!(batched.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1, 2]);
        assert_eq!(batches(&[]).count(), 0);
    }
}
