//! Whether this machine's clock is right, by the object store's (R71).
//!
//! Timestamps decide retention and what a consumer finds by time. A node whose clock is off keeps
//! what it has, for moving it would help nobody that is reading now, says so, and gets nothing more.

use std::time::Duration;

use metadata::model::NodeLiveRecord;
use process::Drain;
use protocol::release::Release;
use segment::Store;
use segment::store::Skew;
use tokio::sync::watch;

use crate::limits::CLOCK_SKEW_MS_MAX;
use crate::metrics;

/// Looks, and tells whoever asks.
#[derive(Debug)]
pub(crate) struct ClockWatch {
    store: Store,
    word: watch::Sender<NodeLiveRecord>,
}

impl ClockWatch {
    /// Believes the clock until the store's answers say otherwise.
    pub(crate) fn new(store: Store, release: Release) -> Self {
        metrics::clock_is_wrong(false);
        let word = NodeLiveRecord { clock_is_wrong: false, release };
        Self { store, word: watch::Sender::new(word) }
    }

    /// What the node says of itself, for the sign of life.
    pub(crate) fn word(&self) -> watch::Receiver<NodeLiveRecord> {
        self.word.subscribe()
    }

    /// Looks once a second until the drain begins.
    pub(crate) async fn run(self, drain: Drain) {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                () = drain.draining() => return,
                _ = seconds.tick() => self.look(),
            }
        }
    }

    /// Takes what the answers have told so far.
    fn look(&self) {
        if let Some(skew) = self.store.clock_skew() {
            self.judge(skew);
        }
    }

    fn judge(&self, skew: Skew) {
        let clock_is_wrong = skew.certain_ms().abs() > CLOCK_SKEW_MS_MAX;
        let changed = self.word.send_if_modified(|word| {
            std::mem::replace(&mut word.clock_is_wrong, clock_is_wrong) != clock_is_wrong
        });
        if !changed {
            return;
        }
        metrics::clock_is_wrong(clock_is_wrong);
        let ahead_ms = skew.certain_ms();
        if clock_is_wrong {
            tracing::error!(
                ahead_ms,
                "this machine's clock is not the object store's: set it right, see NTP. Until then \
                 this node gets no new partitions"
            );
        } else {
            tracing::info!(ahead_ms, "this machine's clock is right again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_when_it_is_off_for_certain_and_right_again_when_it_is_not() {
        let watch = ClockWatch::new(Store::memory("test"), Release::THIS);
        let mut word = watch.word();
        let mut say = |least_ms, most_ms| {
            watch.judge(Skew { least_ms, most_ms });
            (word.has_changed().unwrap(), word.borrow_and_update().clock_is_wrong)
        };
        assert_eq!(say(-600, 400), (false, false), "it may be right");
        assert_eq!(say(450, 500), (false, false));
        assert_eq!(say(501, 560), (true, true));
        assert_eq!(say(800, 900), (false, true), "said already");
        assert_eq!(say(-20, 30), (true, false));
        assert_eq!(say(-9_000, -700), (true, true), "behind is as wrong as ahead");
    }

    #[test]
    fn a_store_without_a_clock_says_nothing() {
        let watch = ClockWatch::new(Store::memory("test"), Release::THIS);
        watch.look();
        assert!(!watch.word().borrow().clock_is_wrong);
    }
}
