//! How fast a client has to be, in either direction (R62).

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::BYTES_PER_SECOND_MIN;

/// A transfer under way: it may take a while, and longer only for bytes that have moved. A length that
/// was only announced gives no time.
pub(super) struct Pace {
    began: Instant,
    grace: Duration,
}

// === impl Pace ===

impl Pace {
    pub(super) fn new(grace: Duration) -> Self {
        Self { began: Instant::now(), grace }
    }

    /// By when the next bytes have to move, after so many have.
    pub(super) fn deadline(&self, moved: usize) -> Instant {
        self.began + self.grace + Duration::from_secs(moved as u64 / BYTES_PER_SECOND_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bytes_that_moved_give_time() {
        let pace = Pace::new(Duration::from_secs(30));
        assert_eq!(pace.deadline(0), pace.began + Duration::from_secs(30));
        assert_eq!(pace.deadline(1_000), pace.began + Duration::from_secs(30));
        assert_eq!(pace.deadline(1024 * 1024), pace.began + Duration::from_secs(30 + 64));
    }
}
