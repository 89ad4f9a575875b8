//! Hot or cold: who serves a fetch at an offset.
//!
//! ```text
//! log start          hot floor                high watermark
//!    ├─────── cold ──────┼─ seam ─┼────── hot ─────┤
//!    from the object store   from the owner's cache
//! ```
//!
//! A pure decision over what earlier answers said. It may be wrong, for the floor moves up while
//! nobody asks; the owner then refuses with the new floor, and the fetch goes cold in the same
//! request. Wrong the other way, the owner's plan says so.
//!
//! The floor moves up all the time. A consumer that crossed it by an inch would be overtaken, sent
//! back, and cross again: two calls and a plan for each inch. So whoever comes from below stays
//! cold over the *seam*, the lowest part of what is hot, and once past it has that much of a lead.
//! Whoever was hot stays hot down to the floor.

use protocol::fetch::FetchPartition;

/// How large the seam is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Percent of the offsets between hot floor and high watermark.
    pub(crate) seam_percent: u8,
}

/// Where a fetch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    /// To the partition's owner.
    Hot,
    /// To the owner for a plan, then to a cold reader.
    Cold,
}

/// What is known of a partition's offsets, from the last answer of its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tide {
    /// The epoch of the owner that said it. Another owner has another cache.
    pub(crate) epoch: i32,
    /// The first offset that the owner serves itself; -1 if it did not say.
    pub(crate) hot_floor: i64,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) log_start_offset: i64,
}

/// Decides where a fetch at `offset` goes, from an owner of this `epoch`. `current` is the tier
/// that the consumer's last records came from; it is asked for at the seam only.
///
/// Without knowledge, to the owner: it answers at once if it can, and teaches us if it cannot.
pub(crate) fn decide(
    offset: i64,
    epoch: i32,
    known: Option<Tide>,
    policy: Policy,
    current: impl FnOnce() -> Tier,
) -> Tier {
    match known.filter(|tide| tide.epoch == epoch) {
        Some(tide) if offset < tide.hot_floor => Tier::Cold,
        Some(tide) if offset < tide.seam_end(policy) => current(),
        _ => Tier::Hot,
    }
}

impl Tide {
    /// What an owner's answer teaches.
    pub(crate) fn of(epoch: i32, answer: &FetchPartition) -> Self {
        Self {
            epoch,
            hot_floor: answer.hot_floor,
            high_watermark: answer.high_watermark,
            last_stable_offset: answer.last_stable_offset,
            log_start_offset: answer.log_start_offset,
        }
    }

    /// The offset from which on everybody is hot.
    fn seam_end(self, policy: Policy) -> i64 {
        if self.hot_floor < 0 {
            return self.hot_floor;
        }
        let hot = self.high_watermark.saturating_sub(self.hot_floor).max(0);
        // In this order, so that the product stays small; a hundred offsets more or less are none.
        self.hot_floor.saturating_add(hot / 100 * i64::from(policy.seam_percent))
    }

    /// This knowledge, brought up to date by a later one. Offsets never go back (C6), the floor of
    /// one owner may only be missing.
    pub(crate) fn updated_by(self, later: Self) -> Self {
        let hot_floor = match later.hot_floor {
            -1 if later.epoch == self.epoch => self.hot_floor,
            floor => floor,
        };
        Self {
            epoch: later.epoch,
            hot_floor,
            high_watermark: later.high_watermark.max(self.high_watermark),
            last_stable_offset: later.last_stable_offset.max(self.last_stable_offset),
            log_start_offset: later.log_start_offset.max(self.log_start_offset),
        }
    }

    /// Raises an answer to what is known, so that no client sees offsets go back because a plan is
    /// older than the last hot answer (C6).
    pub(crate) fn raise(self, answer: &mut FetchPartition) {
        answer.high_watermark = answer.high_watermark.max(self.high_watermark);
        answer.last_stable_offset = answer.last_stable_offset.max(self.last_stable_offset);
        answer.log_start_offset = answer.log_start_offset.max(self.log_start_offset);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn tide(epoch: i32, hot_floor: i64) -> Tide {
        Tide {
            epoch,
            hot_floor,
            high_watermark: 1_000,
            last_stable_offset: 1_000,
            log_start_offset: 0,
        }
    }

    const POLICY: Policy = Policy { seam_percent: 20 };

    fn of(offset: i64, epoch: i32, known: Option<Tide>, current: Tier) -> Tier {
        decide(offset, epoch, known, POLICY, || current)
    }

    #[test]
    fn a_hot_consumer_stays_hot_down_to_the_floor() {
        assert_eq!(of(499, 1, Some(tide(1, 500)), Tier::Hot), Tier::Cold);
        assert_eq!(of(500, 1, Some(tide(1, 500)), Tier::Hot), Tier::Hot);
        assert_eq!(of(1_000, 1, Some(tide(1, 500)), Tier::Hot), Tier::Hot, "the log end waits");
        assert_eq!(of(5_000, 1, Some(tide(1, 500)), Tier::Hot), Tier::Hot, "the owner refuses it");
    }

    #[test]
    fn a_cold_consumer_stays_cold_over_the_seam() {
        let known = Some(tide(1, 500));
        assert_eq!(of(599, 1, known, Tier::Cold), Tier::Cold);
        assert_eq!(of(600, 1, known, Tier::Cold), Tier::Hot);
        let empty = Some(tide(1, 1_000));
        assert_eq!(of(1_000, 1, empty, Tier::Cold), Tier::Hot, "nothing is hot, so no seam");
    }

    #[test]
    fn without_knowledge_the_owner_is_asked() {
        for current in [Tier::Hot, Tier::Cold] {
            assert_eq!(of(0, 1, None, current), Tier::Hot);
            assert_eq!(of(0, 1, Some(tide(1, -1)), current), Tier::Hot);
            let other = of(0, 2, Some(tide(1, 500)), current);
            assert_eq!(other, Tier::Hot, "another owner, another cache");
        }
    }

    /// A consumer twice as fast as the producers crosses once, however often the floor moves.
    #[test]
    fn a_consumer_that_catches_up_crosses_once() {
        let (mut offset, mut current, mut crossings) = (0, Tier::Cold, 0);
        let mut known = tide(1, 1_000);
        known.high_watermark = 2_000;
        while offset < known.high_watermark {
            let tier = of(offset, 1, Some(known), current);
            crossings += u32::from(tier != current);
            current = tier;
            offset += 20;
            known.hot_floor += 10;
            known.high_watermark += 10;
        }
        assert_eq!((current, crossings), (Tier::Hot, 1));
    }

    #[test]
    fn a_plan_older_than_a_hot_answer_takes_nothing_back() {
        let mut old = FetchPartition::new(0);
        (old.high_watermark, old.last_stable_offset, old.log_start_offset) = (900, 950, 10);
        tide(1, 500).raise(&mut old);
        assert_eq!(
            (old.high_watermark, old.last_stable_offset, old.log_start_offset),
            (1_000, 1_000, 10)
        );
    }

    proptest! {
        #[test]
        fn further_behind_is_never_hotter(
            floor in -1i64..1_000, near in 0i64..1_000, lag in 0i64..1_000, was_cold in any::<bool>(),
        ) {
            let known = Some(tide(1, floor));
            let current = if was_cold { Tier::Cold } else { Tier::Hot };
            if of(near, 1, known, current) == Tier::Cold {
                prop_assert_eq!(of(near.saturating_sub(lag), 1, known, current), Tier::Cold);
            }
        }

        /// Nothing below the floor is hot, and a consumer keeps its tier when it may.
        #[test]
        fn a_tier_is_kept_unless_it_must_change(
            offset in 0i64..2_000, floor in 0i64..1_000, seam_percent in 0u8..=100,
        ) {
            let known = Some(tide(1, floor));
            let policy = Policy { seam_percent };
            let [hot, cold] = [Tier::Hot, Tier::Cold].map(|it| decide(offset, 1, known, policy, || it));
            prop_assert_eq!(hot == Tier::Cold, offset < floor);
            prop_assert!(cold == Tier::Cold || hot == Tier::Hot);
            prop_assert!(cold == Tier::Hot || offset < 1_000, "at the log's end all are hot");
        }

        #[test]
        fn knowledge_never_goes_back(before in 0i64..100, after in 0i64..100, floor in -1i64..100) {
            let mut later = tide(1, floor);
            later.high_watermark = after;
            let mut known = tide(1, 7);
            known.high_watermark = before;
            let updated = known.updated_by(later);
            prop_assert_eq!(updated.high_watermark, before.max(after));
            let expected = if floor == -1 { 7 } else { floor };
            prop_assert_eq!(updated.hot_floor, expected);
        }
    }
}
