//! The moves, for all to see: written by the leader's balance, read by the admin API.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::RwLock;
use protocol::ids::PartitionId;
use tokio::time::Instant;

use super::plan::Move;
use crate::limits::{MOVES_DONE_SHOWN_MAX, MOVES_WAITING_SHOWN_MAX};

/// What moves. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<RwLock<Moves>>);

/// What moves, and what moved of late.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moves {
    /// Assigned, and not served by their next nodes yet.
    pub(crate) under_way: BTreeMap<PartitionId, UnderWay>,
    /// Planned, the first of them.
    pub(crate) waiting: Vec<Move>,
    /// How many are planned.
    pub(crate) waiting_count: usize,
    /// The last ones, the latest last.
    pub(crate) done: VecDeque<Done>,
}

/// A move that has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnderWay {
    pub(crate) what: Move,
    pub(crate) since: Instant,
}

/// A move that nobody waits for any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) what: Move,
    pub(crate) took: Duration,
    /// Its next node serves it; otherwise that node goes on trying.
    pub(crate) served: bool,
}

impl Board {
    pub(crate) fn read(&self) -> Moves {
        self.0.read().clone()
    }

    /// Begins anew, with another leadership.
    pub(super) fn clear(&self) {
        *self.0.write() = Moves::default();
    }

    pub(super) fn plan<'a>(&self, waiting: impl ExactSizeIterator<Item = &'a Move>) {
        let mut moves = self.0.write();
        moves.waiting_count = waiting.len();
        moves.waiting = waiting.take(MOVES_WAITING_SHOWN_MAX).copied().collect();
    }

    pub(super) fn begin(&self, what: Move) {
        let under_way = UnderWay { what, since: Instant::now() };
        self.0.write().under_way.insert(what.partition, under_way);
    }

    pub(super) fn end(&self, partition: PartitionId, served: bool) -> Option<Duration> {
        let mut moves = self.0.write();
        let UnderWay { what, since } = moves.under_way.remove(&partition)?;
        if moves.done.len() >= MOVES_DONE_SHOWN_MAX {
            moves.done.pop_front();
        }
        let took = since.elapsed();
        moves.done.push_back(Done { what, took, served });
        Some(took)
    }
}
