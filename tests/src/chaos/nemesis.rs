//! What is done to the cluster, and when: a plan that its seed determines.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Between two faults.
const PERIOD_SECONDS: RangeInclusive<f64> = 5.0..=15.0;
/// How long a process is paused. Longer than a lease and shorter than a session.
const PAUSE_SECONDS: RangeInclusive<f64> = 1.0..=20.0;
/// A supervisor starts what died after this long.
const RESTART_SECONDS: RangeInclusive<f64> = 2.0..=4.0;

/// The seed of the short run in CI: within 45 seconds two nodes and a gateway are killed and a node
/// is paused.
pub const SMOKE_SEED: u64 = 58;

/// One fault. Processes are named by their index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    /// Nothing: in a quarter of the periods the system may settle.
    Quiet,
    /// SIGKILL of a storage node.
    KillNode(usize),
    /// SIGSTOP of a storage node, SIGCONT after this long.
    PauseNode(usize, Duration),
    /// SIGKILL of a gateway.
    KillGateway(usize),
    /// SIGKILL of control.
    KillControl,
    /// SIGKILL of a cold reader.
    KillReader(usize),
}

/// How many processes of each role there are to choose from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Targets {
    /// Storage nodes.
    pub(super) nodes: usize,
    /// Gateways.
    pub(super) gateways: usize,
    /// Cold readers.
    pub(super) readers: usize,
}

/// The sequence of faults of one seed.
#[derive(Debug)]
pub(super) struct Nemesis {
    chance: StdRng,
    /// Of its own: how often somebody dies by itself must not change what is done next.
    restarts: StdRng,
    targets: Targets,
}

impl Nemesis {
    /// The sequence that `seed` stands for.
    pub(super) fn new(seed: u64, targets: Targets) -> Self {
        let restarts = StdRng::seed_from_u64(!seed);
        Self { chance: StdRng::seed_from_u64(seed), restarts, targets }
    }

    /// How long to wait before the next fault.
    pub(super) fn pause(&mut self) -> Duration {
        between(&mut self.chance, PERIOD_SECONDS)
    }

    /// The next fault.
    pub(super) fn fault(&mut self) -> Fault {
        let node = self.chance.random_range(0..self.targets.nodes);
        let pause = between(&mut self.chance, PAUSE_SECONDS);
        let gateway = self.chance.random_range(0..self.targets.gateways);
        let reader = self.chance.random_range(0..self.targets.readers);
        match self.chance.random_range(0..100) {
            0..25 => Fault::Quiet,
            25..60 => Fault::KillNode(node),
            60..85 => Fault::PauseNode(node, pause),
            85..90 => Fault::KillGateway(gateway),
            90..95 => Fault::KillControl,
            _ => Fault::KillReader(reader),
        }
    }

    /// How long a dead process stays dead.
    pub(super) fn restart_delay(&mut self) -> Duration {
        between(&mut self.restarts, RESTART_SECONDS)
    }
}

fn between(chance: &mut StdRng, seconds: RangeInclusive<f64>) -> Duration {
    Duration::from_secs_f64(chance.random_range(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: Targets = Targets { nodes: 3, gateways: 2, readers: 2 };

    fn plan(seed: u64) -> Vec<(Duration, Fault)> {
        let mut nemesis = Nemesis::new(seed, TARGETS);
        (0..1000).map(|_| (nemesis.pause(), nemesis.fault())).collect()
    }

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    /// The faults of the first 45 seconds.
    fn smoke(seed: u64) -> Vec<Fault> {
        let mut nemesis = Nemesis::new(seed, TARGETS);
        let (mut time, mut faults) = (nemesis.pause(), Vec::new());
        while time < Duration::from_secs(45) {
            faults.push(nemesis.fault());
            time += nemesis.pause();
        }
        faults
    }

    #[test]
    fn the_short_run_of_ci_is_not_a_quiet_one() {
        let faults = smoke(SMOKE_SEED);
        let killed = |node: &usize| faults.contains(&Fault::KillNode(*node));
        assert!((0..TARGETS.nodes).filter(killed).count() >= 2, "{faults:?}");
        assert!(faults.iter().any(|fault| matches!(fault, Fault::PauseNode(..))), "{faults:?}");
        assert!(faults.iter().any(|fault| matches!(fault, Fault::KillGateway(_))), "{faults:?}");
    }

    #[test]
    fn a_quarter_is_quiet_and_every_process_is_hit() {
        let plan = plan(1);
        let of = |wanted: fn(&Fault) -> bool| plan.iter().filter(|(_, f)| wanted(f)).count();
        let quiet = of(|fault| *fault == Fault::Quiet);
        assert!((200..300).contains(&quiet), "{quiet}");
        for node in 0..TARGETS.nodes {
            assert!(plan.iter().any(|(_, fault)| *fault == Fault::KillNode(node)));
            let paused = |fault: &Fault| matches!(fault, Fault::PauseNode(n, _) if *n == node);
            assert!(plan.iter().any(|(_, fault)| paused(fault)));
        }
        assert!(of(|fault| *fault == Fault::KillControl) > 0);
        assert!(of(|fault| matches!(fault, Fault::KillGateway(_))) > 0);
    }
}
