//! Durable means visible: what happens when the front has a batch (DESIGN §4, step 3).

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::batch::BatchView;

use super::{HotBatch, Partition};
use crate::cache::Resident;
use crate::limits::SMALL_BATCH_BYTES;
use crate::wal::{CommitTarget, LsnRange};

impl CommitTarget for Partition {
    fn committed(&self, lsn: LsnRange, base_offset: i64, last_offset: i64, batch: Bytes) {
        let view = BatchView::whole(&batch).expect("the front returns the batch it was given");
        let (bytes, max_timestamp) = (batch.len(), view.max_timestamp());
        let batch = if bytes <= SMALL_BATCH_BYTES { Bytes::copy_from_slice(&batch) } else { batch };
        let mut told = Vec::new();
        {
            let mut state = self.state.lock();
            let stable_before = state.last_stable_offset();
            state.hot.push(HotBatch { base_offset, last_offset, max_timestamp, bytes: batch });
            state.high_watermark = last_offset + 1;
            state.transactions.durable(last_offset + 1);
            while let Some((_, ack)) = state.acks.pop_front_if(|(last, _)| *last <= last_offset) {
                told.push(ack);
            }
            let stable_bytes = state.stable_bytes(stable_before);
            state.waiters.arrived(bytes as u64, stable_bytes);
        }
        for ack in told {
            ack.durable();
        }
        let partition = self.this.upgrade().expect("the front holds a reference");
        self.cache.admit(Resident { lsn, partition, base_offset, last_offset, bytes });
    }

    /// The incarnation is over (R68). Nothing after this entry will be acknowledged either, so the
    /// partition closes, and everybody who waits hears "unknown" (R44).
    fn failed(&self, _base_offset: i64) {
        let mut state = self.state.lock();
        state.closed.get_or_insert(ErrorCode::NotLeaderOrFollower);
        state.waiters.changed();
        state.stop_verifying(ErrorCode::NotLeaderOrFollower);
        let told = std::mem::take(&mut state.acks);
        drop(state);
        for (_, ack) in told {
            ack.unknown();
        }
    }
}
