//! One ranged GET: queued, running, done, and who still wants it.
//!
//! A load belongs to nobody. Fetches wait for it and readahead hopes for it; when the last of them
//! is gone it lingers, because a consumer whose fetch was answered without it comes back for it,
//! and only then is given up.

use std::sync::Arc;

use parking_lot::Mutex;
use protocol::ids::PartitionId;
use segment::object::{Block, BlockError};
use segment::{Extent, StoreError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::fair::Flow;
use crate::limits::LINGER;

/// Why a block could not be loaded.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LoadError {
    /// The object is missing, damaged or out of reach.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bytes are there and are not the block that the plan names.
    #[error("{extent:?}: {error}")]
    Block { extent: Box<Extent>, error: BlockError },
    /// The process stops, or nobody wanted the load any more.
    #[error("load was given up")]
    Stopped,
}

/// What became of each block of a load, in the order of its extents.
pub(crate) type Outcomes = Arc<[Result<Block, LoadError>]>;

/// How far a load is.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// Waits for its turn and for memory.
    Queued,
    /// Has its memory, so it ends whatever others do.
    Running,
    Done(Outcomes),
}

/// Neighbouring blocks of one object that are fetched together.
#[derive(Debug)]
pub(crate) struct Load {
    /// Who wanted it first.
    pub(crate) flow: Flow,
    pub(crate) partition: PartitionId,
    pub(crate) extents: Vec<Extent>,
    stage: watch::Sender<Stage>,
    wanted_until: Mutex<Instant>,
}

/// Somebody who waits for one block of a load.
#[derive(Debug)]
pub(crate) struct Waiting {
    stage: watch::Receiver<Stage>,
    index: usize,
}

impl Load {
    pub(crate) fn new(flow: Flow, partition: PartitionId, extents: Vec<Extent>) -> Arc<Self> {
        let (stage, _) = watch::channel(Stage::Queued);
        let wanted_until = Mutex::new(Instant::now() + LINGER);
        Arc::new(Self { flow, partition, extents, stage, wanted_until })
    }

    /// Length of the GET.
    pub(crate) fn bytes(&self) -> u64 {
        let range = self.range();
        range.end - range.start
    }

    pub(crate) fn range(&self) -> std::ops::Range<u64> {
        let (first, last) = (&self.extents[0], &self.extents[self.extents.len() - 1]);
        first.range().start..last.range().end
    }

    pub(crate) fn is_queued(&self) -> bool {
        matches!(*self.stage.borrow(), Stage::Queued)
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Ends the load without blocks.
    pub(crate) fn fail(&self, error: &LoadError) {
        let failed = self.extents.iter().map(|_| Err(error.clone()));
        self.enter(Stage::Done(failed.collect()));
    }

    /// Somebody wants it: not given up for a while.
    pub(crate) fn renew(&self) {
        *self.wanted_until.lock() = Instant::now() + LINGER;
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.stage.receiver_count() > 0 || Instant::now() < *self.wanted_until.lock()
    }

    /// Resolves once nobody wants it any more.
    pub(crate) async fn unwanted(&self) {
        while self.is_wanted() {
            let until = *self.wanted_until.lock();
            sleep_until(until).await;
            self.stage.closed().await;
        }
    }

    /// Waits for the block of `extents[index]`.
    pub(crate) fn waiting(&self, index: usize) -> Waiting {
        self.renew();
        Waiting { stage: self.stage.subscribe(), index }
    }
}

impl Waiting {
    pub(crate) async fn block(mut self) -> Result<Block, LoadError> {
        let done = self.stage.wait_for(|stage| matches!(stage, Stage::Done(_))).await;
        match done.as_deref() {
            Ok(Stage::Done(outcomes)) => outcomes[self.index].clone(),
            _ => Err(LoadError::Stopped),
        }
    }
}
