//! One cold fetch: choose blocks, load them, cut out the answer, read ahead.
//!
//! ```text
//! plan ─ expand ─ select ─▶ runs ─ blocks (GET, verify, cache) ─▶ assemble ─▶ records
//!                                                            │
//!                                    readahead ◀─────────────┘ goes on by itself
//! ```

use futures::{StreamExt as _, TryStreamExt as _};
use process::Drain;
use protocol::batch::BatchError;
use segment::store::StoreErrorKind;
use segment::{Plan, Store};

use crate::assemble::{Records, Wanted, assemble};
use crate::blocks::{Blocks, LoadError};
use crate::config::Config;
use crate::expand::Expander;
use crate::limits::{FETCH_BYTES_MAX, RUN_BYTES_MAX, RUNS_IN_FLIGHT};
use crate::readahead::Readahead;
use crate::{metrics, select};

/// Why a fetch has no records.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The offset is not the plan's: ask the owner for another one.
    #[error("plan covers {start}..{end}, offset {offset} is wanted")]
    NotCovered { offset: i64, start: i64, end: i64 },
    /// The store, or what it holds, is not as it should be.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A block whose checksum is right holds no record batches.
    #[error("block holds no record batches: {0}")]
    Batch(#[from] BatchError),
    /// The plan's extents leave out what it says it covers.
    #[error("plan has no block for offset {offset}")]
    Hole { offset: i64 },
}

/// Serves fetches from blocks.
pub(crate) struct Fetcher {
    expander: Expander,
    blocks: Blocks,
    readahead: Readahead,
    /// Bytes beyond an answer that are looked at.
    window: u64,
}

impl Fetcher {
    pub(crate) fn new(config: &Config, store: Store, drain: Drain) -> Self {
        let (cache, in_flight) = (config.cache.as_u64(), config.in_flight.as_u64());
        Self {
            expander: Expander::new(store.clone()),
            window: config.readahead.as_u64(),
            blocks: Blocks::new(store, cache, in_flight, drain),
            readahead: Readahead::new(config.readahead.as_u64()),
        }
    }

    /// Whole batches from the one that holds `offset`: about `max_bytes`, and at least one.
    pub(crate) async fn fetch(
        &self,
        plan: &Plan,
        offset: i64,
        max_bytes: usize,
    ) -> Result<Records, FetchError> {
        let (start, end) = (plan.start_offset, plan.end_offset);
        if !(start..end).contains(&offset) {
            return Err(FetchError::NotCovered { offset, start, end });
        }
        let max_bytes = max_bytes.min(FETCH_BYTES_MAX);
        // An answer and a window end with whole blocks, so each may go one beyond.
        let wanted = (max_bytes as u64).saturating_add(self.window).saturating_add(RUN_BYTES_MAX);
        let plan = &self.expander.expand(plan, offset, wanted).await.map_err(LoadError::Store)?;
        let extents = select::serving(plan, offset, max_bytes as u64);
        let loads = select::runs(extents).map(|run| self.blocks.load(plan.partition, run));
        let loads = futures::stream::iter(loads.collect::<Vec<_>>());
        let blocks: Vec<_> = loads.buffered(RUNS_IN_FLIGHT).try_collect().await?;
        let wanted = Wanted { offset, end_offset: plan.end_offset, max_bytes };
        let records = assemble(&blocks.concat(), wanted)?;
        if records.slices.is_empty() {
            return Err(FetchError::Hole { offset });
        }
        self.read_ahead(plan, offset, records.next_offset);
        Ok(records)
    }

    /// Loads what a sequential consumer will want next. Nobody waits for it.
    fn read_ahead(&self, plan: &Plan, from: i64, next: i64) {
        let extents = self.readahead.served(plan, from, next);
        if self.blocks.is_busy() {
            return;
        }
        for run in select::runs(extents) {
            if run.iter().all(|extent| self.blocks.has(extent)) {
                continue;
            }
            metrics::read_ahead(run.iter().map(|extent| u64::from(extent.byte_len)).sum());
            // Detached: whoever fetches these blocks meets the error, if there is one.
            drop(self.blocks.start(plan.partition, run));
        }
    }
}

impl FetchError {
    /// True when the same fetch may succeed a little later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Load(LoadError::Store(error)) => error.is_transient(),
            Self::Load(LoadError::Stopped) | Self::NotCovered { .. } => true,
            Self::Load(LoadError::Block { .. }) | Self::Batch(_) | Self::Hole { .. } => false,
        }
    }

    /// The metric's label.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotCovered { .. } => "not_covered",
            Self::Load(LoadError::Stopped) => "stopped",
            Self::Load(LoadError::Block { .. }) | Self::Batch(_) => "damaged",
            Self::Hole { .. } => "hole",
            Self::Load(LoadError::Store(error)) => match error.kind {
                StoreErrorKind::NotFound => "missing",
                StoreErrorKind::Damaged => "damaged",
                StoreErrorKind::Denied | StoreErrorKind::NoBucket => "denied",
                StoreErrorKind::Unreachable | StoreErrorKind::Unavailable => "unavailable",
                StoreErrorKind::Overloaded => "overloaded",
            },
        }
    }
}
