//! Snapshots: the state written once more, so that the log before it can go.
//!
//! ```text
//!   log start ── old records ── snapshot │ new records ──►
//!                               ▲ log start moves here once all of the snapshot is durable
//! ```
//!
//! A crash in between leaves a log that says some things twice, which changes nothing: each record
//! replaces what an older one said (see `coordinator::Record`).

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use super::Parts;
use super::load::Loaded;
use crate::groups::metrics;
use crate::groups::state_log::MoveStartError;

/// When to take a snapshot, and what becomes of the last one.
pub(super) struct Snapshots {
    /// Records in the log that a snapshot would make unnecessary.
    superfluous: usize,
    /// Records of the last snapshot: the next is due when as much has been written again, so that
    /// a large state does not spend its time writing itself.
    last: usize,
    /// A snapshot is on its way, or the log start on its way to it.
    under_way: bool,
    moves: FuturesUnordered<BoxFuture<'static, Result<(), MoveStartError>>>,
}

impl Snapshots {
    pub(super) fn new(loaded: &Loaded) -> Self {
        let last = loaded.coordinator.snapshot().len();
        let superfluous = loaded.records.saturating_sub(last);
        Self { superfluous, last, under_way: false, moves: FuturesUnordered::new() }
    }

    /// Records were written.
    pub(super) fn written(&mut self, records: usize) {
        self.superfluous += records;
    }

    pub(super) fn is_due(&self, parts: &Parts) -> bool {
        !self.under_way && self.superfluous >= parts.snapshot_records.max(self.last)
    }

    /// A snapshot of so many records was written.
    pub(super) fn taken(&mut self, records: usize) {
        (self.superfluous, self.last, self.under_way) = (0, records, true);
    }

    /// A snapshot is durable: everything before `start` may go.
    pub(super) fn durable(&mut self, parts: &Parts, start: i64) {
        metrics::snapshot_taken();
        let log = Arc::clone(&parts.log);
        self.moves.push(async move { log.move_start(start).await }.boxed());
    }

    pub(super) fn is_moving(&self) -> bool {
        !self.moves.is_empty()
    }

    /// Waits until the log start has moved. It may not: then the log stays longer until the next
    /// snapshot.
    pub(super) async fn moved(&mut self, index: i32) {
        if let Some(Err(error)) = self.moves.next().await {
            tracing::warn!(shard = index, %error, "start of the group log did not move");
        }
        self.under_way = false;
    }
}
