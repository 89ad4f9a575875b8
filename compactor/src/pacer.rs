//! Bytes per second: compaction is to take a bounded share of what uploads and it have in common.

use std::time::Duration;

use tokio::time::Instant;

/// Spreads bytes over time. What was idle before is not caught up with.
#[derive(Debug)]
pub(crate) struct Pacer {
    bytes_per_second: u64,
    free_at: tokio::sync::Mutex<Instant>,
}

impl Pacer {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, free_at: tokio::sync::Mutex::new(Instant::now()) }
    }

    /// Waits until `bytes` more may be moved.
    pub(crate) async fn take(&self, bytes: u64) {
        let turn = {
            let mut free_at = self.free_at.lock().await;
            let turn = (*free_at).max(Instant::now());
            let seconds = bytes as f64 / self.bytes_per_second as f64;
            *free_at = turn + Duration::from_secs_f64(seconds);
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_are_spread_over_time_and_idle_time_is_not_saved() {
        let pacer = Pacer::new(1_000);
        tokio::time::advance(Duration::from_secs(60)).await;
        let start = Instant::now();
        for _ in 0..4 {
            pacer.take(500).await;
        }
        assert_eq!(start.elapsed().as_millis() / 100, 15, "the first does not wait");
    }
}
