//! What is done to the cluster, and when: a plan that its seed determines.
//!
//! Every 5 to 15 seconds a storage node is killed or paused, and now and then somebody else is killed
//! as well. In between, partitions move from node to node.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Between two faults.
const PERIOD_SECONDS: RangeInclusive<f64> = 5.0..=15.0;
/// Between two moves.
const MOVE_SECONDS: RangeInclusive<f64> = 1.0..=4.0;
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

/// A partition that is to go to another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    /// Which partition.
    pub(super) partition: u32,
    /// The index of the node that gets it.
    pub(super) to: usize,
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
    /// Partitions of the topic.
    pub(super) partitions: u32,
}

/// The sequence of faults of one seed.
#[derive(Debug)]
pub(super) struct Nemesis {
    chance: StdRng,
    /// Of their own: how often somebody dies by itself, and how long things take, must not change
    /// what is done next.
    restarts: StdRng,
    moves: StdRng,
    targets: Targets,
}

impl Nemesis {
    /// The sequence that `seed` stands for.
    pub(super) fn new(seed: u64, targets: Targets) -> Self {
        let restarts = StdRng::seed_from_u64(!seed);
        let moves = StdRng::seed_from_u64(seed.rotate_left(32));
        Self { chance: StdRng::seed_from_u64(seed), restarts, moves, targets }
    }

    /// How long to wait before the next fault.
    pub(super) fn pause(&mut self) -> Duration {
        between(&mut self.chance, PERIOD_SECONDS)
    }

    /// What happens next: to a storage node in any case.
    pub(super) fn faults(&mut self) -> Vec<Fault> {
        let node = self.chance.random_range(0..self.targets.nodes);
        let pause = between(&mut self.chance, PAUSE_SECONDS);
        let gateway = self.chance.random_range(0..self.targets.gateways);
        let reader = self.chance.random_range(0..self.targets.readers);
        let to_node = match self.chance.random_range(0..100) {
            0..60 => Fault::KillNode(node),
            _ => Fault::PauseNode(node, pause),
        };
        let as_well = match self.chance.random_range(0..100) {
            0..7 => Some(Fault::KillGateway(gateway)),
            7..14 => Some(Fault::KillControl),
            14..20 => Some(Fault::KillReader(reader)),
            _ => None,
        };
        std::iter::once(to_node).chain(as_well).collect()
    }

    /// How long to wait before the next move.
    pub(super) fn move_pause(&mut self) -> Duration {
        between(&mut self.moves, MOVE_SECONDS)
    }

    /// The next move.
    pub(super) fn next_move(&mut self) -> Move {
        Move {
            partition: self.moves.random_range(0..self.targets.partitions),
            to: self.moves.random_range(0..self.targets.nodes),
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

    const TARGETS: Targets = Targets { nodes: 3, gateways: 2, readers: 2, partitions: 12 };

    fn plan(seed: u64) -> Vec<(Duration, Vec<Fault>)> {
        let mut nemesis = Nemesis::new(seed, TARGETS);
        (0..1000).map(|_| (nemesis.pause(), nemesis.faults())).collect()
    }

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn moves_and_restarts_do_not_change_the_faults() {
        let mut disturbed = Nemesis::new(7, TARGETS);
        let faults = (0..1000).map(|_| {
            let _ = (disturbed.next_move(), disturbed.move_pause(), disturbed.restart_delay());
            (disturbed.pause(), disturbed.faults())
        });
        assert_eq!(faults.collect::<Vec<_>>(), plan(7));
    }

    /// The faults of the first 45 seconds.
    fn smoke(seed: u64) -> Vec<Fault> {
        let mut nemesis = Nemesis::new(seed, TARGETS);
        let (mut time, mut faults) = (nemesis.pause(), Vec::new());
        while time < Duration::from_secs(45) {
            faults.extend(nemesis.faults());
            time += nemesis.pause();
        }
        faults
    }

    #[test]
    fn the_short_run_of_ci_has_some_of_everything() {
        let faults = smoke(SMOKE_SEED);
        let killed = |node: &usize| faults.contains(&Fault::KillNode(*node));
        assert!((0..TARGETS.nodes).filter(killed).count() >= 2, "{faults:?}");
        assert!(faults.iter().any(|fault| matches!(fault, Fault::PauseNode(..))), "{faults:?}");
        assert!(faults.iter().any(|fault| matches!(fault, Fault::KillGateway(_))), "{faults:?}");
    }

    #[test]
    fn a_node_is_hit_every_5_to_15_seconds_and_every_process_some_time() {
        let plan = plan(1);
        for (pause, faults) in &plan {
            assert!((5.0..=15.0).contains(&pause.as_secs_f64()), "{pause:?}");
            let [Fault::KillNode(_) | Fault::PauseNode(..), ..] = faults[..] else {
                panic!("{faults:?}")
            };
        }
        let hit = |wanted: &dyn Fn(&Fault) -> bool| plan.iter().any(|(_, f)| f.iter().any(wanted));
        for node in 0..TARGETS.nodes {
            assert!(hit(&|fault| *fault == Fault::KillNode(node)));
            let paused = |fault: &Fault| match fault {
                Fault::PauseNode(n, pause) => {
                    *n == node && (1.0..=20.0).contains(&pause.as_secs_f64())
                }
                _ => false,
            };
            assert!(hit(&paused));
        }
        assert!(hit(&|fault| *fault == Fault::KillControl));
        assert!(hit(&|fault| matches!(fault, Fault::KillGateway(_))));
        assert!(hit(&|fault| matches!(fault, Fault::KillReader(_))));
    }

    #[test]
    fn every_partition_goes_to_every_node() {
        let mut nemesis = Nemesis::new(3, TARGETS);
        let moves: Vec<Move> = (0..2000).map(|_| nemesis.next_move()).collect();
        for partition in 0..TARGETS.partitions {
            for to in 0..TARGETS.nodes {
                assert!(moves.contains(&Move { partition, to }), "{partition} to {to}");
            }
        }
    }
}
