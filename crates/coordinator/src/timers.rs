//! What falls due when. A timer is known by what it is for, so arming it again moves it.

use std::collections::{BTreeMap, BTreeSet};

use protocol::StrBytes;

use crate::record::{GroupKey, TransactionKey};

/// What to do when the time has come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The rebalance has waited long enough for members to join.
    Join(GroupKey),
    /// Members have had long enough to ask for their assignment.
    Sync(GroupKey),
    /// The member, or the one that was only given an id, was silent for its session timeout.
    Session(GroupKey, StrBytes),
    /// The member of a consumer group was silent for its session timeout.
    ConsumerSession(GroupKey, StrBytes),
    /// The member of a consumer group has had long enough to give partitions back.
    ConsumerRebalance(GroupKey, StrBytes),
    /// A classic member of a consumer group has had long enough to join again.
    ConsumerJoin(GroupKey, StrBytes),
    /// A classic member of a consumer group has had long enough to ask for its assignment.
    ConsumerSync(GroupKey, StrBytes),
    /// Look for expired offsets.
    Retention,
    /// The transaction has been open for as long as its client allowed.
    Transaction(TransactionKey),
    /// Look for transactional ids that nobody uses.
    TransactionExpiry,
}

#[derive(Debug, Clone, Copy)]
struct Armed {
    at_ms: i64,
    delay_ms: i64,
}

/// All armed timers.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    armed: BTreeMap<Timer, Armed>,
    due: BTreeSet<(i64, Timer)>,
}

impl Timers {
    /// Fires `timer` after `delay_ms`, and no earlier even if it was armed before.
    pub(crate) fn arm(&mut self, timer: Timer, now_ms: i64, delay_ms: i64) {
        self.disarm(&timer);
        let at_ms = now_ms.saturating_add(delay_ms.max(0));
        self.due.insert((at_ms, timer.clone()));
        self.armed.insert(timer, Armed { at_ms, delay_ms });
    }

    pub(crate) fn is_armed(&self, timer: &Timer) -> bool {
        self.armed.contains_key(timer)
    }

    pub(crate) fn disarm(&mut self, timer: &Timer) {
        if let Some((timer, armed)) = self.armed.remove_entry(timer) {
            self.due.remove(&(armed.at_ms, timer));
        }
    }

    /// Takes the earliest timer that is due.
    pub(crate) fn pop(&mut self, now_ms: i64) -> Option<Timer> {
        let (at_ms, _) = self.due.first()?;
        if *at_ms > now_ms {
            return None;
        }
        let (_, timer) = self.due.pop_first()?;
        self.armed.remove(&timer);
        Some(timer)
    }

    pub(crate) fn next_deadline(&self) -> Option<i64> {
        self.due.first().map(|(at_ms, _)| *at_ms)
    }

    /// Gives every timer its full delay again (R42).
    pub(crate) fn restart(&mut self, now_ms: i64) {
        self.due.clear();
        for (timer, armed) in &mut self.armed {
            armed.at_ms = now_ms.saturating_add(armed.delay_ms.max(0));
            self.due.insert((armed.at_ms, timer.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::TenantId;

    use super::*;

    fn join(group: &'static str) -> Timer {
        Timer::Join(GroupKey { tenant: TenantId::DEFAULT, group: group.into() })
    }

    #[test]
    fn a_timer_armed_again_fires_only_at_its_new_time() {
        let mut timers = Timers::default();
        timers.arm(join("g"), 0, 100);
        timers.arm(join("g"), 50, 100);
        assert_eq!(timers.next_deadline(), Some(150));
        assert_eq!(timers.pop(149), None);
        assert_eq!(timers.pop(150), Some(join("g")));
        assert_eq!(timers.pop(i64::MAX), None);
    }

    #[test]
    fn timers_fire_in_the_order_of_their_time() {
        let mut timers = Timers::default();
        timers.arm(join("late"), 0, 20);
        timers.arm(join("early"), 0, 10);
        timers.arm(join("never"), 0, 5);
        timers.disarm(&join("never"));
        assert_eq!(timers.pop(100), Some(join("early")));
        assert_eq!(timers.pop(100), Some(join("late")));
        assert_eq!(timers.next_deadline(), None);
    }

    #[test]
    fn a_restart_gives_every_timer_its_full_delay() {
        let mut timers = Timers::default();
        timers.arm(join("a"), 0, 10);
        timers.arm(join("b"), 0, 30);
        timers.restart(1_000);
        assert_eq!(timers.next_deadline(), Some(1_010));
        assert_eq!(timers.pop(1_010), Some(join("a")));
        assert_eq!(timers.next_deadline(), Some(1_030));
    }
}
