//! Faults in a steady rhythm, beside something that takes as long as it takes: a storage node is
//! killed every so often, and partitions of every topic, the internal one as well, change their
//! owner.
//!
//! Unlike the nemesis, which looks for what nobody thought of, this is weather that clients are to
//! live with: they must see the same results as without.

use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use super::supervisor::{Supervisor, Target, node_id};
use crate::cluster::Cluster;
use crate::registry::Registry;

/// How often the cluster is looked after.
const TICK: Duration = Duration::from_millis(100);
/// A supervisor starts a node that was killed after this long.
const RESTART: Duration = Duration::from_secs(3);

/// Evictions that are wanted here, a reason to stop evicting elsewhere: lines of control's table.
pub const CONTROL: &str = "[control.failover]\nevictions_per_minute = 60\n";

/// How often what happens.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// From one kill of a storage node to the next.
    pub kill: Duration,
    /// From one move of a partition to the next.
    pub moves: Duration,
    /// Determines which.
    pub seed: u64,
}

/// What was done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// SIGKILLs of storage nodes.
    pub kills: u64,
    /// Partitions that were given to another node.
    pub moves: u64,
    /// Processes that ended by themselves.
    pub exits: u64,
}

struct Weather<'a> {
    supervisor: Supervisor<'a>,
    registry: Registry,
    chance: StdRng,
    tally: Tally,
}

impl Rhythm {
    /// Hurts the cluster as long as `goes_on` says so, then heals it: everything runs and is ready.
    pub fn run(
        self,
        cluster: &mut Cluster,
        mut goes_on: impl FnMut() -> Result<bool>,
    ) -> Result<Tally> {
        let registry = Registry::connect(&cluster.etcd.url())?;
        let mut weather = Weather {
            supervisor: Supervisor::new(cluster),
            registry,
            chance: StdRng::seed_from_u64(self.seed),
            tally: Tally::default(),
        };
        let mut next_kill = Instant::now() + self.kill;
        let mut next_move = Instant::now() + self.moves;
        while goes_on()? {
            weather.supervisor.look_after(|| RESTART)?;
            if Instant::now() >= next_kill {
                weather.kill();
                next_kill += self.kill;
            }
            if Instant::now() >= next_move {
                weather.move_one();
                next_move += self.moves;
            }
            std::thread::sleep(TICK);
        }
        weather.supervisor.heal()?;
        weather.tally.exits = weather.supervisor.exits();
        Ok(weather.tally)
    }
}

impl Weather<'_> {
    /// Kills a node that is at work: never more than one is down at a time by this.
    fn kill(&mut self) {
        let node = self.chance.random_range(0..self.supervisor.nodes());
        if self.supervisor.is_at_work(Target::Node(node)) {
            eprintln!("kill node {}", node_id(node));
            self.supervisor.kill(Target::Node(node), RESTART);
            self.tally.kills += 1;
        }
    }

    /// Gives any partition to any node that is at work.
    fn move_one(&mut self) {
        let node = self.chance.random_range(0..self.supervisor.nodes());
        if !self.supervisor.is_at_work(Target::Node(node)) {
            return;
        }
        match self.give_one_to(node_id(node)) {
            Ok(given) => self.tally.moves += u64::from(given),
            Err(error) => eprintln!("nothing is moved: {error:#}"),
        }
    }

    fn give_one_to(&mut self, node: i32) -> Result<bool> {
        let partitions = self.registry.partitions()?;
        let elsewhere: Vec<_> =
            partitions.iter().filter(|(_, owner)| owner.0 != node).map(|(at, _)| *at).collect();
        match elsewhere.choose(&mut self.chance) {
            Some((topic, index)) => self.registry.give_partition(*topic, *index, node),
            None => Ok(false),
        }
    }
}
