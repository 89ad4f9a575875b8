//! Plans that are still good: one covers tens of megabytes, so that a replay asks the owner once
//! per that much (R35).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hop::internal::PlanResponse;
use parking_lot::Mutex;
use protocol::ids::PartitionId;

use super::Want;
use crate::limits::PLANS_MAX;
use crate::lru::Lru;

/// Plans of one partition that are kept: of four consumers that replay it at different places, the
/// present one and the next.
const PER_PARTITION: usize = 8;
/// The next plan is asked for when this part of the present one is left: some MiB, which take a
/// consumer longer than an owner takes to answer.
const LAST_PART: i64 = 4;
/// A plan this close to its end may be refused by a reader that is asked late.
const EXPIRY_MARGIN: Duration = Duration::from_secs(5);

/// What an owner said about a range of offsets that it no longer holds.
#[derive(Debug)]
pub(super) struct Plan {
    /// For readers only (R36).
    pub(super) token: Bytes,
    /// Of the owner that made it. It stays true whoever owns the partition later (R31).
    start_offset: i64,
    end_offset: i64,
    /// When it was asked for, so that it is never taken for younger than it is. Time since boot, as
    /// all of `now` here: a wall clock may jump, and the owner's may be another (R71).
    asked_at: Duration,
    life: Duration,
    /// The plan that follows was asked for.
    is_followed: AtomicBool,
}

/// The plans of this gateway.
#[derive(Debug, Default)]
pub(super) struct Plans(Mutex<Lru<Key, Vec<Arc<Plan>>>>);

/// Plans for committed reads hold other offsets back than plans for all.
type Key = (PartitionId, bool);

// === impl Plans ===

impl Plans {
    /// A plan that covers what is wanted.
    pub(super) fn find(&self, want: &Want, now: Duration) -> Option<Arc<Plan>> {
        let mut plans = self.0.lock();
        let of_partition = plans.get(&key(want))?;
        of_partition.retain(|plan| plan.is_good(now));
        of_partition.iter().find(|plan| plan.covers(want.offset)).cloned()
    }

    pub(super) fn add(&self, want: &Want, plan: Plan) -> Arc<Plan> {
        let plan = Arc::new(plan);
        let mut plans = self.0.lock();
        match plans.get(&key(want)) {
            Some(of_partition) => {
                if of_partition.len() == PER_PARTITION {
                    of_partition.remove(0);
                }
                of_partition.push(Arc::clone(&plan));
            }
            None => {
                if plans.len() >= PLANS_MAX / PER_PARTITION {
                    let oldest = plans.oldest_first().next().map(|(key, _)| *key);
                    oldest.and_then(|key| plans.remove(&key));
                }
                plans.insert(key(want), vec![Arc::clone(&plan)]);
            }
        }
        plan
    }

    /// Forgets a plan that a reader refused.
    pub(super) fn forget(&self, want: &Want, refused: &Arc<Plan>) {
        if let Some(of_partition) = self.0.lock().get(&key(want)) {
            of_partition.retain(|plan| !Arc::ptr_eq(plan, refused));
        }
    }
}

fn key(want: &Want) -> Key {
    (want.partition, want.read_committed)
}

// === impl Plan ===

impl Plan {
    pub(super) fn new(response: &PlanResponse, asked_at: Duration) -> Self {
        Self {
            token: response.plan.clone(),
            start_offset: response.start_offset,
            end_offset: response.end_offset,
            asked_at,
            life: Duration::from_millis(response.life_ms),
            is_followed: AtomicBool::new(false),
        }
    }

    /// Where the next plan begins, when a consumer that has come to `offset` will soon need it. Said
    /// once, however many consumers come there.
    pub(super) fn ends_soon(&self, offset: i64) -> Option<i64> {
        let last_part = self.end_offset - (self.end_offset - self.start_offset) / LAST_PART;
        let is_due = offset >= last_part && !self.is_followed.swap(true, Ordering::Relaxed);
        is_due.then_some(self.end_offset)
    }

    fn covers(&self, offset: i64) -> bool {
        (self.start_offset..self.end_offset).contains(&offset)
    }

    pub(super) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.asked_at)
    }

    fn is_good(&self, now: Duration) -> bool {
        self.age(now) + EXPIRY_MARGIN < self.life
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::{TenantId, TopicId};

    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);
    const LIFE: Duration = Duration::from_secs(100);

    fn want(index: i32, offset: i64) -> Want {
        let partition = PartitionId::new(TenantId::DEFAULT, TopicId::NIL, index);
        Want { partition, offset, read_committed: false, max_bytes: 1 }
    }

    fn plan(start_offset: i64, end_offset: i64) -> Plan {
        let answer = PlanResponse {
            start_offset,
            end_offset,
            life_ms: LIFE.as_millis() as u64,
            ..PlanResponse::default()
        };
        Plan::new(&answer, NOW)
    }

    #[test]
    fn a_plan_serves_the_offsets_it_covers_until_it_expires() {
        let plans = Plans::default();
        plans.add(&want(0, 10), plan(10, 20));
        assert!(plans.find(&want(0, 19), NOW).is_some());
        assert!(plans.find(&want(0, 9), NOW).is_none());
        assert!(plans.find(&want(0, 20), NOW).is_none());
        assert!(plans.find(&want(1, 15), NOW).is_none());
        assert!(plans.find(&Want { read_committed: true, ..want(0, 15) }, NOW).is_none());
        assert!(
            plans.find(&want(0, 15), NOW + LIFE - EXPIRY_MARGIN).is_none(),
            "too close to its end"
        );
    }

    #[test]
    fn a_refused_plan_is_forgotten_and_the_others_stay() {
        let plans = Plans::default();
        let refused = plans.add(&want(0, 10), plan(10, 20));
        plans.add(&want(0, 20), plan(20, 30));
        plans.forget(&want(0, 10), &refused);
        assert!(plans.find(&want(0, 10), NOW).is_none());
        assert!(plans.find(&want(0, 20), NOW).is_some());
    }

    #[test]
    fn plans_are_bounded_per_partition_and_in_all() {
        let plans = Plans::default();
        for start in 0..10 {
            plans.add(&want(0, start), plan(start, start + 1));
        }
        assert!(plans.find(&want(0, 1), NOW).is_none());
        assert!(plans.find(&want(0, 9), NOW).is_some());
        for index in 1..=i32::try_from(PLANS_MAX).unwrap() {
            plans.add(&want(index, 0), plan(0, 1));
        }
        assert_eq!(plans.0.lock().len(), PLANS_MAX / PER_PARTITION);
        assert!(plans.find(&want(0, 9), NOW).is_none());
    }
}
