//! A token bucket that may be overdrawn, as Kafka's quotas may: what was asked for is done, and then
//! its sender waits until it is paid for.

use std::time::Duration;

use crate::limits::BURST;

/// What one gateway may let through of one entity.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Units per second.
    rate: f64,
    /// Units at hand; negative while overdrawn.
    level: f64,
    at: Duration,
    /// All units ever charged.
    charged: f64,
    /// Those since somebody last looked.
    used: f64,
}

/// A charge's place among the charges of its bucket: they are paid in their order, whatever becomes
/// of the rate in between.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Ticket(f64);

impl Bucket {
    /// A full bucket.
    pub fn new(rate: f64, now: Duration) -> Self {
        Self { rate, level: rate * BURST, at: now, charged: 0.0, used: 0.0 }
    }

    /// From now on it fills at another rate. What it is overdrawn by stays.
    pub fn set_rate(&mut self, rate: f64, now: Duration) {
        self.fill(now);
        self.rate = rate;
        self.level = self.level.min(rate * BURST);
    }

    /// Takes units, whether they are there or not.
    pub fn charge(&mut self, units: f64, now: Duration) -> Ticket {
        self.fill(now);
        self.level -= units;
        self.charged += units;
        self.used += units;
        Ticket(self.charged)
    }

    /// The place of everything charged so far.
    pub fn last(&self) -> Ticket {
        Ticket(self.charged)
    }

    /// How many units everything up to a charge is behind.
    pub fn behind(&mut self, Ticket(place): Ticket, now: Duration) -> f64 {
        self.fill(now);
        (self.debt() - (self.charged - place)).max(0.0)
    }

    /// How long it takes, at the present rate, until everything up to a charge is paid.
    pub fn wait(&mut self, ticket: Ticket, now: Duration) -> Duration {
        let behind = self.behind(ticket, now);
        if behind > 0.0 { seconds(behind / self.rate) } else { Duration::ZERO }
    }

    /// The units charged since this was last asked, and those not paid for yet.
    pub fn take_demand(&mut self, now: Duration) -> (f64, f64) {
        self.fill(now);
        (std::mem::take(&mut self.used), self.debt())
    }

    /// Whether it is as if it were new: forgetting it forgets nothing.
    pub fn is_idle(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.used <= 0.0 && self.level >= self.rate * BURST
    }

    fn debt(&self) -> f64 {
        (-self.level).max(0.0)
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.level = (self.level + passed * self.rate).min(self.rate * BURST);
    }
}

/// A wait of so many seconds; what is longer than a year is a year.
fn seconds(seconds: f64) -> Duration {
    const YEAR: f64 = 365.0 * 24.0 * 60.0 * 60.0;
    Duration::from_secs_f64(seconds.min(YEAR))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn what_is_saved_up_is_free_and_the_rest_is_waited_for() {
        let mut bucket = Bucket::new(100.0, ms(0));
        let saved = bucket.charge(50.0, ms(0));
        assert_eq!(bucket.wait(saved, ms(0)), ms(0));
        let first = bucket.charge(100.0, ms(0));
        let second = bucket.charge(100.0, ms(0));
        assert_eq!(bucket.wait(first, ms(0)), ms(1_000), "those behind do not count");
        assert_eq!(bucket.wait(second, ms(0)), ms(2_000));
        assert_eq!(bucket.wait(second, ms(1_500)), ms(500));
        assert_eq!(bucket.take_demand(ms(1_500)), (250.0, 50.0));
        assert_eq!(bucket.take_demand(ms(2_000)), (0.0, 0.0));
        assert!(!bucket.is_idle(ms(2_400)));
        assert!(bucket.is_idle(ms(2_500)));
    }

    #[test]
    fn a_debt_is_in_units_and_its_wait_follows_the_rate() {
        let mut bucket = Bucket::new(10.0, ms(0));
        let ticket = bucket.charge(105.0, ms(0));
        assert_eq!(bucket.wait(ticket, ms(0)), ms(10_000));
        bucket.set_rate(100.0, ms(0));
        assert_eq!(bucket.wait(ticket, ms(0)), ms(1_000));
        bucket.set_rate(0.0, ms(500));
        assert!(bucket.wait(ticket, ms(500)) > ms(1_000_000), "not never: that has no number");
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_gives_nothing() {
        let mut bucket = Bucket::new(10.0, ms(1_000));
        let ticket = bucket.charge(15.0, ms(1_000));
        assert_eq!(bucket.wait(ticket, ms(0)), ms(1_000));
        assert_eq!(bucket.wait(ticket, ms(2_000)), ms(0));
    }

    proptest! {
        /// Whatever is charged when: who waits as long as told lets no more through than the rate.
        #[test]
        fn waiting_keeps_the_rate(charges in prop::collection::vec((1u32..500, 0u64..2_000), 1..40)) {
            let mut bucket = Bucket::new(100.0, ms(0));
            let (mut now, mut total) = (ms(0), 0.0);
            for (units, pause) in charges {
                let ticket = bucket.charge(f64::from(units), now);
                total += f64::from(units);
                now += bucket.wait(ticket, now);
                let most = 100.0 * (now.as_secs_f64() + BURST);
                prop_assert!(total <= most + 1e-6, "{total} of {most} at {now:?}");
                now += ms(pause);
            }
        }
    }
}
