//! One cold fetch: choose blocks, load them, cut out the answer, read ahead.
//!
//! ```text
//! plan ─ expand ─ select ─▶ blocks (queue, GET, verify, cache) ─▶ assemble ─▶ records
//!                                                            │
//!                                    readahead ◀─────────────┘ goes on by itself
//! ```

mod search;

use std::sync::Arc;

use process::Drain;
use protocol::batch::BatchError;
use segment::store::StoreErrorKind;
use segment::{Plan, Store};
use tokio::sync::Semaphore;

use crate::assemble::{Records, Wanted, assemble};
use crate::blocks::{Blocks, Budget, LoadError};
use crate::config::Config;
use crate::expand::Expander;
use crate::fair::Flow;
use crate::limits::{FETCH_BYTES_MAX, FOOTER_BYTES_MAX, INFLATING_MAX, RUN_BYTES_MAX};
use crate::progress::Progress;
use crate::readahead::Readahead;
use crate::{metrics, select};

pub(crate) use self::search::Searched;

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
    /// Searches that look into batches.
    inflating: Semaphore,
    /// Bytes beyond an answer that are looked at.
    window: u64,
}

impl Fetcher {
    pub(crate) fn new(
        config: &Config,
        store: Store,
        progress: Arc<Progress>,
        drain: Drain,
    ) -> Self {
        let memory = config.memory.as_u64().saturating_sub(FOOTER_BYTES_MAX);
        let budget = Budget {
            memory,
            in_flight: config.in_flight.as_u64(),
            bandwidth: config.bandwidth.map(|rate| rate.as_u64()),
        };
        let blocks = Blocks::new(store.clone(), budget, progress, drain);
        let window = config.readahead.as_u64();
        Self {
            expander: Expander::new(store),
            window,
            readahead: Readahead::new(window, blocks.memory().max()),
            inflating: Semaphore::new(INFLATING_MAX),
            blocks,
        }
    }

    /// Whole batches from the one that holds `offset`: about `max_bytes`, and at least one.
    pub(crate) async fn fetch(
        &self,
        flow: &Flow,
        plan: &Plan,
        offset: i64,
        max_bytes: usize,
    ) -> Result<Records, FetchError> {
        covered(plan, offset)?;
        let max_bytes = max_bytes.min(FETCH_BYTES_MAX);
        // An answer and a window end with whole blocks, so each may go one beyond.
        let wanted = (max_bytes as u64).saturating_add(self.window).saturating_add(RUN_BYTES_MAX);
        let plan = &self.expander.expand(plan, offset, wanted).await.map_err(LoadError::Store)?;
        let extents = select::serving(plan, offset, max_bytes as u64);
        let blocks = self.blocks.fetch(flow, plan.partition, extents).await?;
        let wanted = Wanted { offset, end_offset: plan.end_offset, max_bytes };
        let records = assemble(&blocks, wanted)?;
        if records.slices.is_empty() {
            return Err(nothing_in(plan, offset));
        }
        self.read_ahead(flow, plan, offset, records.next_offset);
        Ok(records)
    }

    /// Loads what a sequential consumer will want next. Nobody waits for it: whoever fetches these
    /// blocks meets the error, if there is one.
    fn read_ahead(&self, flow: &Flow, plan: &Plan, from: i64, next: i64) {
        let ahead = self.readahead.served(flow, plan, from, next);
        self.blocks.renew(ahead.pending);
        if !ahead.load.is_empty() {
            metrics::read_ahead(ahead.load.iter().map(|extent| u64::from(extent.byte_len)).sum());
            self.blocks.load_ahead(flow, plan.partition, ahead.load);
        }
    }
}

/// Whether the plan says anything about an offset.
fn covered(plan: &Plan, offset: i64) -> Result<(), FetchError> {
    let (start, end) = (plan.start_offset, plan.end_offset);
    if (start..end).contains(&offset) {
        return Ok(());
    }
    Err(FetchError::NotCovered { offset, start, end })
}

/// Why a fetch found no batch. A plan that ends inside of a block may end before the next batch that
/// compaction by key has left there: another plan knows more. Anywhere else it is a hole.
fn nothing_in(plan: &Plan, offset: i64) -> FetchError {
    if plan.extents.last().is_some_and(|last| last.last_offset >= plan.end_offset) {
        FetchError::NotCovered { offset, start: plan.start_offset, end: offset }
    } else {
        FetchError::Hole { offset }
    }
}

impl FetchError {
    /// True when the same fetch may succeed a little later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Load(LoadError::Store(error)) => error.is_transient(),
            Self::Load(LoadError::Stopped) | Self::NotCovered { .. } => true,
            Self::Load(LoadError::Block { error, .. }) => error.is_transient(),
            Self::Batch(_) | Self::Hole { .. } => false,
        }
    }

    /// The metric's label.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotCovered { .. } => "not_covered",
            Self::Load(LoadError::Stopped) => "stopped",
            Self::Load(LoadError::Block { error, .. }) if error.is_transient() => "key",
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
