//! Keeps the copy up to date: list, watch, and list again.

use std::sync::Arc;

use process::Drain;
use tokio::time::{Instant, sleep, sleep_until};

use super::Inner;
use crate::{
    limits::{RELIST_INTERVAL, WATCH_RETRY},
    store::{MetadataError, Watched},
};

/// Runs until the drain begins. The copy is already loaded when this starts.
pub(super) async fn follow(inner: Arc<Inner>, drain: Drain) {
    let following = async {
        loop {
            let relist_at = Instant::now() + RELIST_INTERVAL;
            if let Err(error) = watch_until(&inner, relist_at).await {
                tracing::warn!(%error, "metadata watch failed");
                sleep(WATCH_RETRY).await;
            }
            relist(&inner).await;
        }
    };
    tokio::select! {
        () = drain.draining() => {}
        () = following => {}
    }
}

/// Applies changes until the time is up or history was lost.
async fn watch_until(inner: &Inner, until: Instant) -> Result<(), MetadataError> {
    let from = inner.state.read().revision + 1;
    let mut watch = inner.store.watch("", from).await?;
    loop {
        tokio::select! {
            () = sleep_until(until) => return Ok(()),
            watched = watch.next() => match watched {
                Watched::Batch(batch) => inner.update(|state| state.apply(batch)),
                Watched::Compacted => return Ok(()),
            },
        }
    }
}

/// Lists until it succeeds. Meanwhile the copy shows what it knew: produce and reads go on
/// without the store.
async fn relist(inner: &Inner) {
    let mut attempts = 0u32;
    loop {
        match inner.store.list("").await {
            Ok(listing) => {
                if attempts > 0 {
                    tracing::info!(attempts, "metadata store is back");
                }
                let revision = listing.revision;
                inner.update(|state| {
                    let taken = state.reset(listing);
                    if !taken {
                        tracing::warn!(revision, shown = state.revision, "stale listing ignored");
                    }
                    taken
                });
                return;
            }
            Err(error) => {
                if attempts == 0 {
                    tracing::warn!(%error, "metadata store is away; the view stands still");
                }
                attempts += 1;
                sleep(WATCH_RETRY).await;
            }
        }
    }
}
