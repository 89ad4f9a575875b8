//! Gateways, control and clients that take what they get: the sum of all shares never is more than
//! the rate, and within seconds it is where the demand is.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use proptest::prelude::*;
use quota::{Lease, Ledger, Report, Want};

const RATE: f64 = 1_000.0;
const TICK: Duration = Duration::from_millis(125);
const REPORT_TICKS: u64 = 8;

struct Gateway {
    id: i32,
    lease: Lease,
    granted: Option<f64>,
    /// Units per second that its clients would send.
    want: f64,
    owed: f64,
    used: f64,
    /// What it let through, tick by tick.
    passed: Vec<f64>,
}

struct World {
    ticks: u64,
    ledger: Ledger,
    gateways: Vec<Gateway>,
}

/// What becomes of one report.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    ReportLost,
    AnswerLost,
}

impl Gateway {
    fn new(id: i32, want: f64, now: Duration) -> Self {
        let lease = Lease::new(now);
        Self { id, lease, granted: None, want, owed: 0.0, used: 0.0, passed: Vec::new() }
    }
}

impl World {
    fn new(wants: &[f64]) -> Self {
        let gateways = (1..).zip(wants).map(|(id, want)| Gateway::new(id, *want, Duration::ZERO));
        Self { ticks: 0, ledger: Ledger::new(1, Duration::ZERO), gateways: gateways.collect() }
    }

    fn now(&self) -> Duration {
        TICK * u32::try_from(self.ticks).unwrap()
    }

    fn shares(&self) -> Vec<f64> {
        let (now, count) = (self.now(), self.gateways.len());
        let share = |g: &Gateway| g.lease.share(RATE, count, g.granted, now);
        self.gateways.iter().map(share).collect()
    }

    /// One tick: clients take what they get, and the gateways whose turn it is report.
    fn tick(&mut self, fate: impl Fn(i32) -> Fate) {
        self.ticks += 1;
        let shares = self.shares();
        for (gateway, share) in self.gateways.iter_mut().zip(shares) {
            let asked = gateway.owed + gateway.want * TICK.as_secs_f64();
            let passed = asked.min(share * TICK.as_secs_f64());
            // Clients wait for their answers: they owe what is under way and no more.
            gateway.owed = (asked - passed).min(gateway.want / 4.0);
            gateway.used += passed;
            gateway.passed.push(passed);
        }
        let now = self.now();
        let registered: Vec<i32> = self.gateways.iter().map(|gateway| gateway.id).collect();
        for gateway in &mut self.gateways {
            if !(self.ticks + gateway.id.unsigned_abs() as u64 * 3).is_multiple_of(REPORT_TICKS) {
                continue;
            }
            let seconds = (TICK * REPORT_TICKS as u32).as_secs_f64();
            let demand = gateway.used / seconds + gateway.owed;
            gateway.used = 0.0;
            let want = Want { key: b"k".to_vec(), rate: RATE, demand };
            let wants = if demand > 0.0 { vec![want] } else { Vec::new() };
            let report = Report { gateway: gateway.id, adopted: gateway.lease.adopted(), wants };
            if fate(gateway.id) == Fate::ReportLost {
                continue;
            }
            let answer = self.ledger.answer(now, &registered, &report);
            if let Some(grants) = answer.filter(|_| fate(gateway.id) == Fate::Answered) {
                gateway.lease.adopt(grants.sequence, now);
                gateway.granted = grants.shares.first().copied();
            }
        }
    }

    fn run(&mut self, seconds: u64) {
        (0..seconds * 8).for_each(|_| self.tick(|_| Fate::Answered));
    }

    fn sum(&self) -> f64 {
        self.shares().iter().sum()
    }

    /// What passed in the last so many seconds, per second.
    fn passed(&self, seconds: usize) -> f64 {
        let last = |g: &Gateway| g.passed.iter().rev().take(seconds * 8).sum::<f64>();
        self.gateways.iter().map(last).sum::<f64>() / seconds as f64
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Answered), 1 => Just(Fate::ReportLost), 1 => Just(Fate::AnswerLost)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Lost reports, lost answers, silences of any length, new leaders: never more than the rate.
    #[test]
    fn the_sum_never_exceeds_the_rate(
        wants in prop::collection::vec(0.0..5_000.0f64, 1..6),
        weather in prop::collection::vec((0u64..120, prop::collection::vec(fate(), 6), any::<bool>(), 0.0..3_000.0f64), 1..12),
    ) {
        let mut world = World::new(&wants);
        for (ticks, fates, new_leader, want) in weather {
            if new_leader {
                world.ledger = Ledger::new(world.ticks + 2, world.now());
            }
            let changed = ticks as usize % world.gateways.len();
            world.gateways[changed].want = want;
            for _ in 0..ticks {
                world.tick(|id| fates[id as usize % fates.len()]);
                let sum = world.sum();
                prop_assert!(sum <= RATE * (1.0 + 1e-9), "{sum} at {:?}", world.now());
            }
        }
    }

    /// From any demands, in the time of some reports: what can pass does, and nearly all of the rate
    /// if there is demand for it.
    #[test]
    fn shares_are_where_the_demand_is(wants in prop::collection::vec(0.0..5_000.0f64, 1..6)) {
        let mut world = World::new(&wants);
        world.run(12);
        let possible = wants.iter().sum::<f64>().min(RATE);
        let passed = world.passed(2);
        prop_assert!(passed >= 0.93 * possible, "{passed} of {possible}");
        // And follow it: all demand moves to one gateway.
        world.gateways.iter_mut().for_each(|gateway| gateway.want = 0.0);
        world.gateways[0].want = 2.0 * RATE;
        world.run(8);
        prop_assert!(world.passed(2) >= 0.93 * RATE, "{}", world.passed(2));
    }

    /// Gateways join, leave and die. Over ten seconds the sum stays within a tenth.
    #[test]
    fn joining_and_leaving_keep_the_rate(
        changes in prop::collection::vec((any::<bool>(), 8u64..80, 500.0..5_000.0f64), 1..8)
    ) {
        let mut world = World::new(&[4_000.0, 4_000.0, 4_000.0]);
        let mut gone = Vec::new();
        world.run(8);
        for (joins, ticks, want) in changes {
            let next = i32::try_from(world.ticks).unwrap();
            if joins || world.gateways.len() < 2 {
                world.gateways.push(Gateway::new(next, want, world.now()));
            } else {
                gone.push(world.gateways.remove(0));
            }
            for _ in 0..ticks {
                world.tick(|_| Fate::Answered);
                gone.iter_mut().for_each(|g| g.passed.push(0.0));
                let last = |g: &Gateway| g.passed.iter().rev().take(80).sum::<f64>();
                let passed: f64 = world.gateways.iter().chain(&gone).map(last).sum();
                prop_assert!(passed <= 10.0 * RATE * 1.1, "{passed} in ten seconds");
            }
        }
        world.run(8);
        let wants = world.gateways.iter().map(|gateway| gateway.want);
        let possible = wants.sum::<f64>().min(RATE);
        prop_assert!(world.passed(2) >= 0.93 * possible, "{} of {possible}", world.passed(2));
    }
}

#[test]
fn connections_are_served_alike_on_whichever_gateway() {
    // One client on one gateway, nine on another; each asks for more than its part.
    let mut world = World::new(&[1_000.0, 9_000.0]);
    world.run(40);
    let shares = world.shares();
    assert!((0.08..0.17).contains(&(shares[0] / RATE)), "{shares:?}");
}

#[test]
fn a_gateway_that_control_does_not_hear_has_its_equal_part() {
    let mut world = World::new(&[4_000.0, 4_000.0, 4_000.0]);
    world.run(8);
    let cut_off = |id| if id == 2 { Fate::ReportLost } else { Fate::Answered };
    (0..10 * 8).for_each(|_| world.tick(cut_off));
    let shares = world.shares();
    assert!((shares[1] - RATE / 3.0).abs() < 1e-6, "{shares:?}");
    assert!(world.passed(2) > 0.95 * RATE, "{}", world.passed(2));
    // Without control at all.
    (0..10 * 8).for_each(|_| world.tick(|_| Fate::ReportLost));
    assert!(world.shares().iter().all(|share| (share - RATE / 3.0).abs() < 1e-6));
}
