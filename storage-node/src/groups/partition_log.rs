//! An internal partition as the log of a shard.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use process::Clock;
use protocol::batch::records::RecordSet;
use protocol::batch::{BatchBuilder, BatchView};
use segment::{ManifestStore, Store};

use super::state_log::{
    AppendError, Appended, Lost, MoveStartError, ReplayError, ReplayFn, StateLog,
};
use crate::acks::{Acks, Outcome};
use crate::limits::BATCH_BYTES_MAX;
use crate::partition::{self, Append, Partition};
use crate::replay::{self, Replay};
use crate::wal::FrontError;

/// See the module.
pub(crate) struct PartitionLog {
    partition: Arc<Partition>,
    store: Store,
    manifests: ManifestStore,
    clock: Clock,
}

impl PartitionLog {
    pub(crate) fn new(partition: Arc<Partition>, store: Store, clock: Clock) -> Self {
        Self { partition, manifests: ManifestStore::new(store.clone()), store, clock }
    }
}

#[async_trait]
impl StateLog for PartitionLog {
    async fn replay(&self, each: &mut ReplayFn<'_>) -> Result<i64, ReplayError> {
        let mut replay = Replay::new(self.store.clone(), Arc::clone(&self.partition))?;
        let log_start = replay.next_offset();
        loop {
            let batches = replay.next().await?;
            if batches.is_empty() {
                return Ok(replay.next_offset());
            }
            for batch in batches {
                read_batch(&batch, log_start, each)?;
            }
        }
    }

    fn epoch(&self) -> i32 {
        self.partition.epoch()
    }

    fn append(&self, records: &[Bytes]) -> Result<Appended, AppendError> {
        let now_ms = self.clock.now_ms();
        let mut builder = BatchBuilder::new();
        for record in records {
            builder.push(now_ms, None, Some(record));
        }
        let batch = builder.build();
        let bytes = batch.len();
        if bytes > BATCH_BYTES_MAX {
            return Err(AppendError::TooLarge { bytes });
        }
        let append = {
            let view = BatchView::whole(&batch).expect("the builder makes whole batches");
            Append::new(batch.clone(), &view)
        };
        let acks = Acks::new(1);
        let appended = self
            .partition
            .append(append, None, now_ms, acks.ack(0))
            .map_err(|error| refused(&error, bytes))?;
        let durable = async move {
            acks.all_told().await;
            if acks.outcome(0) == Outcome::Durable { Ok(()) } else { Err(Lost) }
        };
        Ok(Appended { first_offset: appended.base_offset, durable: durable.boxed() })
    }

    async fn move_start(&self, offset: i64) -> Result<(), MoveStartError> {
        let moved = self.partition.advance_log_start(&self.manifests, offset).await;
        moved.map(drop).map_err(|error| MoveStartError(error.to_string()))
    }

    fn prove_ownership(&self) -> BoxFuture<'static, Result<(), Lost>> {
        let partition = Arc::clone(&self.partition);
        let open = partition.marks().map(drop).map_err(|_closed| Lost);
        async move {
            open?;
            partition.prove().await.map_err(|_code| Lost)
        }
        .boxed()
    }
}

fn read_batch(batch: &Bytes, log_start: i64, each: &mut ReplayFn<'_>) -> Result<(), ReplayError> {
    let unreadable = |error: &dyn std::fmt::Display| ReplayError::Read(error.to_string());
    let view = BatchView::whole(batch).map_err(|error| unreadable(&error))?;
    let records = RecordSet::open(&view, BATCH_BYTES_MAX).map_err(|error| unreadable(&error))?;
    for record in records.iter() {
        let record = record.map_err(|error| unreadable(&error))?;
        if record.offset >= log_start {
            each(record.value.unwrap_or_default())?;
        }
    }
    Ok(())
}

fn refused(error: &partition::AppendError, bytes: usize) -> AppendError {
    match error {
        partition::AppendError::Front(error) if error.is_transient() => AppendError::Full,
        partition::AppendError::Behind => AppendError::Full,
        partition::AppendError::Front(FrontError::BatchSize { .. }) => {
            AppendError::TooLarge { bytes }
        }
        partition::AppendError::Front(_)
        | partition::AppendError::Closed(_)
        | partition::AppendError::Epoch { .. }
        | partition::AppendError::Sequence(_)
        | partition::AppendError::OtherTransaction
        | partition::AppendError::Unverified(_) => AppendError::Lost(Lost),
    }
}

impl From<replay::ReplayError> for ReplayError {
    fn from(error: replay::ReplayError) -> Self {
        match error {
            replay::ReplayError::Closed(_) => Self::Lost(Lost),
            error => Self::Read(error.to_string()),
        }
    }
}
