//! Partitions that leave this log by CLOSE (RELIABILITY §4.6).
//!
//! ```text
//! closed for appends ──► all durable ──► all uploaded ──► CLOSE slot ──► the next owner may claim
//! ```
//!
//! A partition on this way never serves again in its epoch: whether the CLOSE becomes durable or
//! this incarnation ends before, its next owner starts where the log says it ended.

use std::collections::VecDeque;
use std::sync::Arc;

use segment::index::{self, IndexSnapshot};
use segment::seqlog::CloseRecord;
use segment::{LogId, Store};
use tokio::sync::{mpsc, oneshot};

use crate::incarnation::entry_of;
use crate::partition::Partition;
use crate::partitions::{Partitions, Released};

/// A partition that is closed for appends and waits for its CLOSE.
pub(crate) struct Closing {
    pub(crate) partition: Arc<Partition>,
    /// Where to write its snapshot.
    pub(crate) store: Store,
    /// Hears of the slot.
    pub(crate) told: oneshot::Sender<Released>,
}

/// The partitions on their way out of one log.
pub(crate) struct Leaving {
    requests: mpsc::Receiver<Closing>,
    waiting: VecDeque<Closing>,
    partitions: Arc<Partitions>,
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
    pub(crate) fn new(requests: mpsc::Receiver<Closing>, partitions: Arc<Partitions>) -> Self {
        Self { requests, waiting: VecDeque::new(), partitions }
    }

    /// Resolves when a partition waits to leave. Safe to cancel.
    pub(super) async fn due(&mut self) {
        if !self.waiting.is_empty() {
            return;
        }
        match self.requests.recv().await {
            Some(closing) => self.waiting.push_back(closing),
            // The node is gone, and nobody asks any more.
            None => std::future::pending().await,
        }
    }

    /// A partition of which everything is uploaded.
    pub(super) fn ready(&mut self) -> Option<Closing> {
        while let Ok(closing) = self.requests.try_recv() {
            self.waiting.push_back(closing);
        }
        loop {
            let uploaded = |closing: &Closing| closing.partition.is_uploaded();
            let position = self.waiting.iter().position(uploaded)?;
            let closing = self.waiting.remove(position)?;
            if self.partitions.is_open(&closing.partition) {
                return Some(closing);
            }
            // Asked for twice: the first CLOSE is the one, and the partition may have come back since.
            let (id, epoch) = (closing.partition.id(), closing.partition.epoch());
            if let Some(released) = self.partitions.released(id, epoch) {
                // Whoever asked may have given up.
                let _ = closing.told.send(released);
            }
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
