//! Hot or cold: who serves a fetch at an offset.
//!
//! ```text
//! log start          hot floor                high watermark
//!    ├─────── cold ──────┼────────── hot ──────────┤
//!    from the object store   from the owner's cache
//! ```
//!
//! A pure decision over what earlier answers said. It may be wrong, for the floor moves up while
//! nobody asks; the owner then refuses with the new floor, and the fetch goes cold in the same
//! request. Wrong the other way, the owner's plan says so.

use protocol::fetch::FetchPartition;

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

/// Decides where a fetch at `offset` goes, from an owner of this `epoch`.
///
/// Without knowledge, to the owner: it answers at once if it can, and teaches us if it cannot.
pub(crate) fn decide(offset: i64, epoch: i32, known: Option<Tide>) -> Tier {
    match known {
        Some(tide) if tide.epoch == epoch && offset < tide.hot_floor => Tier::Cold,
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
    use proptest::prelude::{prop_assert_eq, proptest};

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

    #[test]
    fn the_hot_floor_itself_is_hot() {
        assert_eq!(decide(499, 1, Some(tide(1, 500))), Tier::Cold);
        assert_eq!(decide(500, 1, Some(tide(1, 500))), Tier::Hot);
        assert_eq!(decide(1_000, 1, Some(tide(1, 500))), Tier::Hot, "the log end waits there");
        assert_eq!(decide(5_000, 1, Some(tide(1, 500))), Tier::Hot, "the owner refuses it");
    }

    #[test]
    fn without_knowledge_the_owner_is_asked() {
        assert_eq!(decide(0, 1, None), Tier::Hot);
        assert_eq!(decide(0, 1, Some(tide(1, -1))), Tier::Hot);
        assert_eq!(decide(0, 2, Some(tide(1, 500))), Tier::Hot, "another owner, another cache");
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
        fn further_behind_is_never_hotter(floor in -1i64..100, near in 0i64..100, lag in 0i64..100) {
            let known = Some(tide(1, floor));
            if decide(near, 1, known) == Tier::Cold {
                prop_assert_eq!(decide(near.saturating_sub(lag), 1, known), Tier::Cold);
            }
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
