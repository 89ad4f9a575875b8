//! Partitions that leave this log by CLOSE (RELIABILITY §4.6).
//!
//! ```text
//! asked for ──► what it has by then is uploaded ──► closed for appends ──► all durable ──► all uploaded
//!               (it goes on serving)                       ──► CLOSE slot ──► the next owner may claim
//! ```
//!
//! Producers wait from the third step on. So only a few are closed at a time, and each when next to
//! nothing of it is left to upload: many that leave together do not wait for one another. One snapshot
//! is for all whose records are uploaded by then; a CLOSE is for one partition, and they follow each
//! other without a pause.
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
    /// Closed for appends; with the next field at most [`CLOSED_AT_ONCE`].
    closed: VecDeque<Closing>,
    /// All uploaded, with what their CLOSE says.
    settled: VecDeque<(Closing, CloseRecord)>,
    partitions: Arc<Partitions>,
    stop_groups: StopGroups,
}

/// What the CLOSE of each says, after one snapshot for all. Everything of them is uploaded, so their
/// states are final.
async fn records(log: LogId, leaving: Vec<Closing>) -> VecDeque<(Closing, CloseRecord)> {
    let Some(store) = leaving.first().map(|closing| closing.store.clone()) else {
        return VecDeque::new();
    };
    let states = leaving.iter().map(|closing| closing.partition.final_state());
    let states: Vec<_> = states.collect();
    let ends: Vec<_> = states.iter().map(|state| (state.epoch, state.end_offset)).collect();
    let ids = leaving.iter().map(|closing| closing.partition.id());
    let partitions = ids.zip(states.into_iter().map(entry_of)).collect();
    let snapshot = match index::write(&store, &IndexSnapshot { log, partitions }).await {
        Ok(snapshot) => Some(snapshot),
        Err(error) => {
            tracing::warn!(%log, %error, "no snapshot; the next owners read footers");
            None
        }
    };
    let records = leaving.into_iter().zip(ends).map(|(closing, (epoch, end_offset))| {
        let id = closing.partition.id();
        (closing, CloseRecord::new(id, epoch, end_offset, snapshot.clone()))
    });
    records.collect()
}

// === impl Leaving ===

impl Leaving {
    pub(crate) fn new(
        requests: mpsc::Receiver<Closing>,
        partitions: Arc<Partitions>,
        stop_groups: StopGroups,
    ) -> Self {
        let (serving, closed, settled) = Default::default();
        Self { requests, serving, closed, settled, partitions, stop_groups }
    }

    /// Resolves when a partition waits to leave. Safe to cancel.
    pub(super) async fn due(&mut self) {
        if !(self.serving.is_empty() && self.closed.is_empty() && self.settled.is_empty()) {
            return;
        }
        match self.requests.recv().await {
            Some(closing) => self.asked(closing),
            // The node is gone, and nobody asks any more.
            None => std::future::pending().await,
        }
    }

    /// The next partition that gets its CLOSE in `log`: one of which everything is uploaded.
    pub(super) async fn next(&mut self, log: LogId) -> Option<(Closing, CloseRecord)> {
        while let Ok(closing) = self.requests.try_recv() {
            self.asked(closing);
        }
        self.close_some();
        if self.settled.is_empty() {
            let closed = std::mem::take(&mut self.closed).into_iter();
            let (uploaded, rest): (Vec<_>, Vec<_>) =
                closed.partition(|closing| closing.partition.is_uploaded());
            self.closed = rest.into();
            self.settled = records(log, uploaded).await;
        }
        loop {
            let (closing, record) = self.settled.pop_front()?;
            // Its topic may have been deleted meanwhile.
            if self.partitions.is_open(&closing.partition) {
                return Some((closing, record));
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
        let settled = self.settled.iter().map(|(closing, _)| closing);
        let mut closed = self.closed.iter().chain(settled);
        self.closed.len() + self.settled.len() < CLOSED_AT_ONCE
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
