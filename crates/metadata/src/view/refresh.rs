//! Brings the copy up to what the store holds *now*, for questions whose "no" must be true.
//!
//! A cheap linearizable read tells the store's revision; the watch then catches up with it. Only
//! when it does not (other users of the same etcd raise the revision without an event for us)
//! is everything listed.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{sync::Mutex, time::timeout};

use super::Inner;
use crate::{limits::REFRESH_WAIT, store::MetadataError};

/// Lets concurrent refreshes share one read. A caller may only use a read that *started* after
/// it asked, else a topic created in between would be missed.
#[derive(Default)]
pub(super) struct Barrier {
    started: AtomicU64,
    /// The number of the latest read that ended well.
    finished: Mutex<u64>,
}

pub(super) async fn refresh(inner: &Arc<Inner>) -> Result<(), MetadataError> {
    let asked_after = inner.barrier.started.load(Ordering::SeqCst);
    let mut finished = inner.barrier.finished.lock().await;
    if *finished > asked_after {
        return Ok(());
    }
    let number = inner.barrier.started.fetch_add(1, Ordering::SeqCst) + 1;
    catch_up(inner).await?;
    *finished = number;
    Ok(())
}

async fn catch_up(inner: &Inner) -> Result<(), MetadataError> {
    let now = inner.store.list("c/").await?.revision;
    let mut changed = inner.revision.subscribe();
    if timeout(REFRESH_WAIT, changed.wait_for(|shown| *shown >= now)).await.is_ok() {
        return Ok(());
    }
    let listing = inner.store.list("").await?;
    inner.update(|state| state.reset(listing));
    Ok(())
}
