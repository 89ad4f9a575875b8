//! What the fakes store: whole batches by partition, shared by nodes and readers.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hop::internal::FoundRecord;
use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::batch::records::{self, RecordSet};
use protocol::batch::{self, BatchBuilder, BatchView};
use protocol::ids::PartitionId;
use protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use tokio::sync::watch;

/// One batch of one record per value.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    let records = values.iter().fold(BatchBuilder::new(), |batch, value| {
        batch.record(1_000, None, Some(value.as_bytes()))
    });
    records.build()
}

/// One batch of one record at each of these times.
pub(crate) fn batch_at(times: &[i64]) -> Bytes {
    let empty = BatchBuilder::new();
    times.iter().fold(empty, |batch, time| batch.record(*time, None, Some(b"v"))).build()
}

/// The values in a record set, each with its offset.
pub(crate) fn values(records: &[u8]) -> Vec<(i64, String)> {
    let mut values = Vec::new();
    for view in batch::batches(records) {
        let view = view.unwrap();
        view.verify().unwrap();
        let set = RecordSet::open(&view, 1 << 20).unwrap();
        for record in set.iter() {
            let record = record.unwrap();
            let value = String::from_utf8(record.value.unwrap_or_default().to_vec()).unwrap();
            values.push((record.offset, value));
        }
    }
    values
}

/// All partitions' logs.
#[derive(Clone)]
pub(crate) struct Logs {
    logs: Arc<Mutex<HashMap<PartitionId, Log>>>,
    appended: watch::Sender<()>,
}

/// One partition's log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    pub(crate) batches: Vec<(i64, Bytes)>,
    pub(crate) next: i64,
    pub(crate) start: i64,
    /// The first offset that the owner serves itself.
    pub(crate) hot_floor: i64,
    /// Below this offset, and below the hot floor, records are in the object store.
    pub(crate) uploaded: i64,
    /// Its owner's epoch; any is right if there is none.
    pub(crate) epoch: Option<i32>,
}

impl Logs {
    pub(crate) fn new() -> Self {
        Self { logs: Arc::default(), appended: watch::Sender::new(()) }
    }

    pub(crate) fn of(&self, partition: PartitionId) -> Log {
        self.logs.lock().get(&partition).cloned().unwrap_or_default()
    }

    pub(crate) fn change(&self, partition: PartitionId, change: impl FnOnce(&mut Log)) {
        change(self.logs.lock().entry(partition).or_default());
        self.appended.send_replace(());
    }

    /// Appends one batch; its base offset.
    pub(crate) fn append(&self, partition: PartitionId, batch: &Bytes) -> i64 {
        let mut base = 0;
        self.change(partition, |log| {
            base = log.next;
            let mut batch = BytesMut::from(batch.as_ref());
            batch::set_offsets(&mut batch, base, 0);
            log.next += i64::from(BatchView::whole(&batch).unwrap().record_count());
            log.batches.push((base, batch.freeze()));
        });
        base
    }

    pub(crate) fn appended(&self) -> watch::Receiver<()> {
        self.appended.subscribe()
    }
}

impl Log {
    /// What an owner says to a client that believes in this leader epoch.
    pub(crate) fn judge(&self, epoch: i32) -> Option<ErrorCode> {
        match (self.epoch, epoch) {
            (None, _) | (_, -1) => None,
            (Some(ours), theirs) if theirs < ours => Some(ErrorCode::FencedLeaderEpoch),
            (Some(ours), theirs) if theirs > ours => Some(ErrorCode::UnknownLeaderEpoch),
            _ => None,
        }
    }

    /// The first offset that no plan covers.
    pub(crate) fn cold_end(&self) -> i64 {
        self.hot_floor.max(self.uploaded)
    }

    /// What an owner says to ListOffsets. It believes the headers of batches that it does not hold.
    pub(crate) fn list(
        &self,
        index: i32,
        timestamp: i64,
        from: i64,
    ) -> ListOffsetsPartitionResponse {
        let answer = ListOffsetsPartitionResponse::default()
            .with_partition_index(index)
            .with_leader_epoch(5);
        let offset = match timestamp {
            -2 => self.start,
            0.. => {
                let views = self.batches.iter().map(|(_, batch)| BatchView::whole(batch).unwrap());
                let mut views = views.filter(|view| view.last_offset() >= from);
                let Some(first) = views.find(|view| view.max_timestamp() >= timestamp) else {
                    return answer.with_offset(-1).with_timestamp(-1);
                };
                let offset = first.base_offset().max(from);
                if offset < self.hot_floor {
                    let code = ErrorCode::OffsetMovedToTieredStorage.code();
                    return answer
                        .with_error_code(code)
                        .with_offset(offset)
                        .with_timestamp(timestamp);
                }
                let found = records::search_by_time(&first, from, timestamp).unwrap();
                return answer.with_offset(found.0).with_timestamp(found.1);
            }
            _ => self.next,
        };
        answer.with_offset(offset).with_timestamp(-1)
    }

    /// The first record from `from` on, below `end`, that is not earlier.
    pub(crate) fn search(&self, from: i64, end: i64, timestamp: i64) -> Option<FoundRecord> {
        let views = self.batches.iter().map(|(_, batch)| BatchView::whole(batch).unwrap());
        let mut views = views.filter(|view| view.last_offset() >= from && view.base_offset() < end);
        views.find_map(|view| {
            let (offset, timestamp) = records::search_by_time(&view, from, timestamp)?;
            Some(FoundRecord { offset, timestamp, leader_epoch: view.leader_epoch() })
        })
    }

    /// Batches from `offset` on, at most about `bytes` but at least one.
    pub(crate) fn read(&self, offset: i64, bytes: usize) -> Vec<Bytes> {
        let mut read: Vec<Bytes> = Vec::new();
        let mut length = 0;
        for (_, batch) in self.batches.iter().filter(|(_, batch)| last(batch) >= offset) {
            if !read.is_empty() && length + batch.len() > bytes {
                break;
            }
            length += batch.len();
            read.push(batch.clone());
        }
        read
    }
}

fn last(bytes: &Bytes) -> i64 {
    BatchView::whole(bytes).unwrap().last_offset()
}
