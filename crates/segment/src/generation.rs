//! Which generation of the cluster the bucket is in, for storage nodes that must not outlive theirs.
//!
//! ```text
//!   a node of generation g                 whoever begins generation g + 1
//!   ──────────────────────                 ───────────────────────────────
//!   PUT OPEN of its new log                PUT g/{g+1}
//!   HEAD g/{g+1} ── there: stop            LIST logs ── each without END: end it
//! ```
//!
//! Ending the logs that exist fences the incarnations that exist (R50). This fences those that do
//! not exist yet: of a node's OPEN and the object of the next generation one comes first, so either
//! the node sees the object, or the listing shows the log. Should a store's listing leave one out
//! (R20), nothing is lost: what it acknowledges is in the bucket, and the next owner ends its log.

use futures::{StreamExt as _, TryStreamExt as _};

use crate::envelope::{self, Format};
use crate::keys::{self, Family};
use crate::log_id::LogId;
use crate::store::{Store, StoreError};
use crate::token::WriterToken;

const FORMAT: Format = Format { magic: *b"TCGN", version: 1 };

/// The generation in which a cluster is founded.
const FIRST: u32 = 1;

/// Prefixes listed at the same time.
const LISTS_IN_FLIGHT: usize = 32;

/// Fences every generation below this one. May be repeated.
pub async fn begin(store: &Store, generation: u32) -> Result<(), StoreError> {
    // Those that were begun and broke off before this, too: a node looks for the one after its own.
    for number in FIRST + 1..=generation {
        let token = WriterToken::random();
        let object = envelope::seal(FORMAT, token, &number);
        // Whose it is does not matter.
        store.create(&keys::generation(number), vec![object], token).await?;
    }
    Ok(())
}

/// Whether a later generation than this one has begun.
pub async fn is_over(store: &Store, generation: u32) -> Result<bool, StoreError> {
    Ok(store.head(&keys::generation(generation.saturating_add(1))).await?.is_some())
}

/// The data logs of all incarnations there ever were, in no order.
pub async fn logs(store: &Store) -> Result<Vec<LogId>, StoreError> {
    let listed: Vec<_> = futures::stream::iter(keys::log_folders(Family::Data))
        .map(|prefix| async move { store.list_folders(&prefix).await })
        .buffer_unordered(LISTS_IN_FLIGHT)
        .try_collect()
        .await?;
    let folders = listed.iter().flatten();
    Ok(folders.filter_map(|folder| keys::log_of_folder(Family::Data, folder)).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use protocol::ids::NodeId;

    use super::{begin, is_over, logs};
    use crate::seqlog::{OpenSlot, SeqLogWriter};
    use crate::{Family, LogId, Store};

    #[tokio::test]
    async fn a_generation_that_begins_ends_all_before_it() {
        let store = Store::memory("test");
        assert!(!is_over(&store, 1).await.unwrap());
        // A first attempt at generation 2 that broke off before it came here leaves no hole.
        begin(&store, 3).await.unwrap();
        begin(&store, 3).await.unwrap();
        assert!(is_over(&store, 1).await.unwrap() && is_over(&store, 2).await.unwrap());
        assert!(!is_over(&store, 3).await.unwrap());
    }

    #[tokio::test]
    async fn every_data_log_is_listed_and_nothing_else() {
        let store = Store::memory("test");
        let all: HashSet<_> = (0..600).map(|node| LogId::fresh(NodeId(node), 1, 1)).collect();
        for log in &all {
            let open = OpenSlot::default();
            SeqLogWriter::create(store.clone(), Family::Data, *log, &open).await.unwrap();
        }
        let log = LogId::fresh(NodeId(7), 1, 1);
        SeqLogWriter::create(store.clone(), Family::Wal, log, &OpenSlot::default()).await.unwrap();
        let listed = logs(&store).await.unwrap();
        assert_eq!(listed.len(), all.len());
        assert_eq!(HashSet::from_iter(listed), all);
    }
}
