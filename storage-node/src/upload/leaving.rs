//! Partitions that leave this log by CLOSE (RELIABILITY §4.6).
//!
//! ```text
//! asked for ──► what it has by then is uploaded ──► closed for appends ──► all durable ──► all uploaded
//!               (it goes on serving)                       ──► CLOSE slot ──► the next owner may claim
//! ```
//!
//! Producers wait from the third step on. So only a few are closed at a time, and each when next to
//! nothing of it is left to upload: many that leave together do not wait for one another.
//!
//! A partition that is closed never serves again in its epoch: whether the CLOSE becomes durable or
//! this incarnation ends before, its next owner starts where the log says it ended.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::ErrorCode;
use protocol::ids::PartitionId;
use segment::index::{self, IndexSnapshot};
use segment::seqlog::CloseRecord;
use segment::{LogId, Store};
use tokio::sync::{mpsc, oneshot};

use crate::incarnation::entry_of;
use crate::limits::CLOSED_AT_ONCE;
use crate::partition::Partition;
use crate::partitions::{Partitions, Released};

/// A partition that is to leave.
pub(crate) struct Closing {
    pub(crate) partition: Arc<Partition>,
    /// Where to write its snapshot.
    pub(crate) store: Store,
    /// Hears of the slot.
    pub(crate) told: oneshot::Sender<Released>,
}

/// One that still serves.
struct Serving {
    closing: Closing,
    /// Where it ended when it was asked for.
    end: i64,
}

/// Ends the coordinators that keep their state in a partition.
pub(crate) type StopGroups = Box<dyn Fn(PartitionId) + Send + Sync>;

/// The partitions on their way out of one log.
pub(crate) struct Leaving {
    requests: mpsc::Receiver<Closing>,
    serving: VecDeque<Serving>,
    /// Closed for appends, at most [`CLOSED_AT_ONCE`].
    closed: VecDeque<Closing>,
    partitions: Arc<Partitions>,
    stop_groups: StopGroups,
}

// === impl Closing ===

impl Closing {
    /// What CLOSE says. Everything is uploaded, so the partition's state is final.
    pub(super) async fn record(&self, log: LogId) -> CloseRecord {
        let (id, state) = (self.partition.id(), self.partition.final_state());
        let (epoch, end_offset) = (state.epoch, state.end_offset);
        let partitions = [(id, entry_of(state))].into_iter().collect();
        let index = IndexSnapshot { log, partitions };
        let snapshot = match index::write(&self.store, &index).await {
            Ok(snapshot) => Some(snapshot),
            Err(error) => {
                tracing::warn!(partition = %id, %error, "no snapshot; the next owner reads footers");
                None
            }
        };
        CloseRecord::new(id, epoch, end_offset, snapshot)
    }
}

// === impl Leaving ===

impl Leaving {
    pub(crate) fn new(
        requests: mpsc::Receiver<Closing>,
        partitions: Arc<Partitions>,
        stop_groups: StopGroups,
    ) -> Self {
        let (serving, closed) = (VecDeque::new(), VecDeque::new());
        Self { requests, serving, closed, partitions, stop_groups }
    }

    /// Resolves when a partition waits to leave. Safe to cancel.
    pub(super) async fn due(&mut self) {
        if !(self.serving.is_empty() && self.closed.is_empty()) {
            return;
        }
        match self.requests.recv().await {
            Some(closing) => self.asked(closing),
            // The node is gone, and nobody asks any more.
            None => std::future::pending().await,
        }
    }

    /// A partition of which everything is uploaded.
    pub(super) fn ready(&mut self) -> Option<Closing> {
        while let Ok(closing) = self.requests.try_recv() {
            self.asked(closing);
        }
        self.close_some();
        loop {
            let position = self.closed.iter().position(|it| it.partition.is_uploaded())?;
            let closing = self.closed.remove(position)?;
            // Its topic may have been deleted meanwhile.
            if self.partitions.is_open(&closing.partition) {
                return Some(closing);
            }
        }
    }

    fn asked(&mut self, closing: Closing) {
        let end = closing.partition.next_offset();
        self.serving.push_back(Serving { closing, end });
    }

    /// Closes those that are nearly uploaded, in the order in which they were asked for.
    fn close_some(&mut self) {
        let mut later = VecDeque::with_capacity(self.serving.len());
        while let Some(Serving { closing, end }) = self.serving.pop_front() {
            let partition = &closing.partition;
            if !self.partitions.is_open(partition) {
                // Asked for twice: the first CLOSE is the one, and it may have come back since.
                self.tell_again(closing);
            } else if closing.told.is_closed() {
                tracing::info!(partition = %partition.id(), "nobody waits for it any more; it stays");
            } else if self.is_next(partition, end) {
                // Final for this epoch: from here on it is served elsewhere or not at all.
                partition.close(ErrorCode::NotLeaderOrFollower);
                (self.stop_groups)(partition.id());
                self.closed.push_back(closing);
            } else {
                later.push_back(Serving { closing, end });
            }
        }
        self.serving = later;
    }

    fn is_next(&self, partition: &Arc<Partition>, end: i64) -> bool {
        let mut closed = self.closed.iter();
        self.closed.len() < CLOSED_AT_ONCE
            && partition.is_uploaded_upto(end)
            && !closed.any(|closing| Arc::ptr_eq(&closing.partition, partition))
    }

    fn tell_again(&self, closing: Closing) {
        let (id, epoch) = (closing.partition.id(), closing.partition.epoch());
        if let Some(released) = self.partitions.released(id, epoch) {
            // Whoever asked may have given up.
            let _ = closing.told.send(released);
        }
    }

    /// CLOSE is durable: the partition is gone from here.
    pub(super) fn left(&self, closing: Closing, slot: u64) {
        let (id, epoch) = (closing.partition.id(), closing.partition.epoch());
        let released = Released { epoch, slot };
        self.partitions.release(&closing.partition, released);
        tracing::info!(partition = %id, epoch, slot, "partition left this node");
        let _ = closing.told.send(released);
    }
}
