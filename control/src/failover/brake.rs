//! How many nodes may go within a minute (R12): many at once are a cut network, not many deaths.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(60);

/// Counts evictions. Cheap to clone, all clones are one brake.
#[derive(Debug, Clone)]
pub(super) struct Brake {
    at_least: usize,
    share: f64,
    taken: Arc<Mutex<VecDeque<Instant>>>,
}

impl Brake {
    /// Allows `at_least` evictions a minute, or `share` of all nodes if that is more.
    pub(super) fn new(at_least: usize, share: f64) -> Self {
        Self { at_least, share, taken: Arc::default() }
    }

    /// Whether one more node may go.
    pub(super) fn allows(&self, now: Instant, nodes: usize) -> bool {
        let mut taken = self.taken.lock();
        while taken.front().is_some_and(|at| now.duration_since(*at) >= WINDOW) {
            taken.pop_front();
        }
        taken.len() < self.limit(nodes)
    }

    /// Uses one eviction up, if one is left.
    pub(super) fn take(&self, now: Instant, nodes: usize) -> bool {
        let allowed = self.allows(now, nodes);
        if allowed {
            self.taken.lock().push_back(now);
        }
        allowed
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of some thousand nodes, between 0 and 1"
    )]
    fn limit(&self, nodes: usize) -> usize {
        self.at_least.max((nodes as f64 * self.share) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_of_three_nodes_may_go_in_a_minute_and_the_third_waits() {
        let brake = Brake::new(2, 0.1);
        let now = Instant::now();
        assert!(brake.take(now, 3));
        assert!(brake.take(now + WINDOW / 2, 3));
        assert!(!brake.take(now + WINDOW / 2, 3));
        assert!(brake.take(now + WINDOW, 3), "the first is a minute ago");
        assert!(!brake.allows(now + WINDOW, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_nodes_a_share_may_go() {
        let brake = Brake::new(2, 0.1);
        let now = Instant::now();
        assert_eq!((0..50).filter(|_| brake.take(now, 100)).count(), 10);
    }
}
