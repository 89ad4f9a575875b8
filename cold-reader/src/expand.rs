//! From a plan's runs to blocks: what a partition has in a compacted object is in its footer.
//!
//! ```text
//! plan      [ run ........ ][ run .. ][ block ][ block ]
//!                 │ footers, one GET each, kept
//! expanded  [ block ][ block ][ block ][ block ][ block ]      as far as this fetch and its
//!           └────────────── window ───────────┘                readahead go
//! ```
//!
//! Owners know compacted objects by name only, so that opening a partition costs them no request;
//! the price is one small GET here, per object and not per fetch.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use segment::object::{Footer, read_footer};
use segment::store::Op;
use segment::{Extent, Key, Location, Plan, Store, StoreError};

use crate::limits::{FETCH_EXTENTS_MAX, FOOTER_BYTES_MAX, FOOTER_ENTRY_BYTES};
use crate::metrics;

/// Looks up the blocks of runs.
pub(crate) struct Expander {
    store: Store,
    footers: Cache<Key, Arc<Footer>, FooterWeight>,
}

#[derive(Clone)]
struct FooterWeight;

impl Weighter<Key, Arc<Footer>> for FooterWeight {
    fn weight(&self, _: &Key, footer: &Arc<Footer>) -> u64 {
        (1 + footer.entries.len() as u64) * FOOTER_ENTRY_BYTES
    }
}

impl Expander {
    pub(crate) fn new(store: Store) -> Self {
        let items = (FOOTER_BYTES_MAX / (16 * FOOTER_ENTRY_BYTES)) as usize;
        Self { store, footers: Cache::with_weighter(items, FOOTER_BYTES_MAX, FooterWeight) }
    }

    /// The plan from the extent that holds `offset` on, about `bytes` of it, with blocks in the
    /// place of runs. It ends where its last block does.
    pub(crate) async fn expand(
        &self,
        plan: &Plan,
        offset: i64,
        bytes: u64,
    ) -> Result<Plan, StoreError> {
        let first = plan.extents.partition_point(|extent| extent.last_offset < offset);
        let mut extents: Vec<Extent> = Vec::new();
        let mut found = 0;
        for extent in &plan.extents[first..] {
            if found >= bytes || extents.len() >= FETCH_EXTENTS_MAX {
                break;
            }
            let from = extents.len();
            match &extent.location {
                Location::Run(key) => {
                    let blocks = match self.blocks(plan, extent, key).await {
                        Ok(blocks) => blocks,
                        // Whoever fetches from there meets the error; this fetch has its records.
                        Err(_) if !extents.is_empty() => break,
                        Err(error) => return Err(error),
                    };
                    extents.extend(blocks.into_iter().filter(|it| it.last_offset >= offset));
                }
                Location::Slot { .. } | Location::Object(_) => extents.push(extent.clone()),
            }
            found += extents[from..].iter().map(|it| u64::from(it.byte_len)).sum::<u64>();
        }
        let end = extents.last().map_or(plan.end_offset, |last| last.last_offset + 1);
        Ok(Plan { extents, end_offset: end.min(plan.end_offset), ..plan.clone_without_extents() })
    }

    async fn blocks(
        &self,
        plan: &Plan,
        run: &Extent,
        key: &Key,
    ) -> Result<Vec<Extent>, StoreError> {
        let footer = self.footer(key).await?;
        let blocks: Vec<Extent> = footer.blocks_of(plan.partition, key).collect();
        let whole = blocks.first().is_some_and(|first| first.base_offset == run.base_offset)
            && blocks.last().is_some_and(|last| last.last_offset == run.last_offset);
        if whole {
            return Ok(blocks);
        }
        // What is missing is never read over (R31).
        let what = format!("lacks offsets of {}..={}", run.base_offset, run.last_offset);
        Err(StoreError::damaged(Op::GetRange, key, what))
    }

    async fn footer(&self, key: &Key) -> Result<Arc<Footer>, StoreError> {
        let footer = self.footers.get_or_insert_async(key, async {
            metrics::got_footer();
            read_footer(&self.store, key).await.map(Arc::new)
        });
        footer.await
    }
}
