//! Loading: the state is what the log says, from its start to its end (R41).

use std::sync::atomic::Ordering;

use coordinator::{Coordinator, Record, Shard};
use tokio::time::Instant;

use super::Parts;
use crate::groups::limits::{RETRY_MAX, RETRY_MIN};
use crate::groups::metrics;
use crate::groups::state_log::ReplayError;

/// A coordinator that knows all of its groups.
pub(super) struct Loaded {
    pub(super) coordinator: Coordinator,
    /// The offset after the last record.
    pub(super) next_offset: i64,
    /// How many records the log has.
    pub(super) records: usize,
}

/// Reads the log until it succeeds. `None` if the log is not ours any more.
///
/// There is no giving up: a shard that is assigned here and does not load must not answer, and
/// nobody else can.
pub(super) async fn load(parts: &Parts) -> Option<Loaded> {
    let mut pause = RETRY_MIN;
    loop {
        match attempt(parts).await {
            Ok(loaded) => return Some(loaded),
            Err(ReplayError::Lost(_)) => return None,
            Err(error) => {
                tracing::error!(shard = parts.index, %error, "groups cannot be loaded");
                metrics::load_failed();
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}

async fn attempt(parts: &Parts) -> Result<Loaded, ReplayError> {
    let began = Instant::now();
    let seed = parts.seed.fetch_add(1 << 32, Ordering::Relaxed);
    let topics = std::sync::Arc::clone(&parts.topics);
    let shard = Shard { topic: parts.topic, count: parts.count, epoch: parts.log.epoch() };
    let mut coordinator = Coordinator::new(parts.config.clone(), shard, seed, topics);
    let mut records = 0;
    let mut each = |bytes: &[u8]| {
        if !process::mutation::on("R41") {
            coordinator.apply(&Record::decode(bytes)?);
        }
        records += 1;
        Ok(())
    };
    let next_offset = parts.log.replay(&mut each).await?;
    coordinator.loaded(parts.clock.now_ms());
    let seconds = began.elapsed().as_secs_f64();
    let groups = coordinator.group_count();
    tracing::info!(shard = parts.index, groups, records, next_offset, seconds, "groups are loaded");
    metrics::loaded(seconds);
    Ok(Loaded { coordinator, next_offset, records })
}
