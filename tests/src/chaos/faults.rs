//! Does to the cluster what the nemesis says.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use process::Clock;
use tokio::time::Instant;

use super::nemesis::{Fault, Move, Nemesis, Targets};
use super::outage::Outage;
use super::supervisor::{Supervisor, Target, node_id};
use crate::cluster::Cluster;
use crate::registry::Registry;

/// How often the cluster is looked after.
const TICK: Duration = Duration::from_millis(100);

/// What was done in a run.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// SIGKILLs.
    pub(super) kills: u64,
    /// SIGSTOPs.
    pub(super) pauses: u64,
    /// Processes that ended by themselves, as fenced ones do.
    pub(super) exits: u64,
    /// Partitions that were moved to another node.
    pub(super) moves: u64,
    /// What took partitions away.
    pub(super) outages: Vec<Outage>,
}

/// Hurts a cluster and looks after it.
pub(super) struct Faults<'a> {
    supervisor: Supervisor<'a>,
    registry: Registry,
    topic: &'a str,
    clock: Clock,
    nemesis: Nemesis,
    done: Done,
}

impl<'a> Faults<'a> {
    /// Faults of `seed` for a cluster; outages are those of the partitions of `topic`.
    pub(super) fn new(
        cluster: &'a mut Cluster,
        topic: &'a str,
        partitions: u32,
        seed: u64,
    ) -> Result<Self> {
        let targets = Targets {
            partitions,
            nodes: cluster.nodes.len(),
            gateways: cluster.gateways.len(),
            readers: cluster.readers.len(),
        };
        Ok(Self {
            registry: Registry::connect(&cluster.etcd.url())?,
            supervisor: Supervisor::new(cluster),
            topic,
            clock: Clock::system(),
            nemesis: Nemesis::new(seed, targets),
            done: Done::default(),
        })
    }

    /// Hurts the cluster for so long, then heals it: everything runs and is ready.
    pub(super) fn run(mut self, time: Duration) -> Result<Done> {
        let end = Instant::now() + time;
        let mut next = Instant::now() + self.nemesis.pause();
        let mut next_move = Instant::now() + self.nemesis.move_pause();
        while Instant::now() < end {
            self.supervisor.look_after(|| self.nemesis.restart_delay())?;
            if Instant::now() >= next {
                for fault in self.nemesis.faults() {
                    self.inflict(fault)?;
                }
                next = Instant::now() + self.nemesis.pause();
            }
            if Instant::now() >= next_move {
                let wanted = self.nemesis.next_move();
                self.move_partition(wanted);
                next_move = Instant::now() + self.nemesis.move_pause();
            }
            std::thread::sleep(TICK);
        }
        self.supervisor.heal()?;
        self.done.exits = self.supervisor.exits();
        Ok(self.done)
    }

    fn inflict(&mut self, fault: Fault) -> Result<()> {
        let (target, kind, pause) = match fault {
            Fault::KillNode(node) => (Target::Node(node), "kill", None),
            Fault::PauseNode(node, pause) => (Target::Node(node), "pause", Some(pause)),
            Fault::KillGateway(gateway) => (Target::Gateway(gateway), "kill", None),
            Fault::KillReader(reader) => (Target::Reader(reader), "kill", None),
            Fault::KillControl => (Target::Control, "kill", None),
        };
        let (target, partitions) = self.aim(target);
        if !self.supervisor.exists(target) {
            return Ok(());
        }
        let at_ms = self.clock.now_ms();
        self.done.outages.push(Outage { at_ms, kind, partitions });
        eprintln!("{kind} {target:?} {}", pause.map_or_else(String::new, |p| format!("{p:.1?}")));
        match pause {
            None => {
                self.supervisor.kill(target, self.nemesis.restart_delay());
                self.done.kills += 1;
            }
            Some(pause) => {
                self.supervisor.pause(target, pause)?;
                self.done.pauses += 1;
            }
        }
        Ok(())
    }

    /// Has a partition go to another node, unless that one is down: a move is for the living, and the
    /// cluster's own would not choose it either.
    fn move_partition(&mut self, Move { partition, to }: Move) {
        let target = Target::Node(to);
        if !self.supervisor.is_at_work(target) {
            return;
        }
        match self.registry.give(self.topic, partition, node_id(to)) {
            Ok(true) => {
                eprintln!("move {partition} to {target:?}");
                self.done.moves += 1;
            }
            Ok(false) => {}
            Err(error) => eprintln!("partition {partition} is not moved: {error:#}"),
        }
    }

    /// The target with the partitions it owns, as far as somebody knows. Nodes that failed over own
    /// nothing any more: hitting them proves little, so the busiest one is hit instead.
    fn aim(&mut self, target: Target) -> (Target, Vec<u32>) {
        let Target::Node(index) = target else { return (target, Vec::new()) };
        let mut owners = self.registry.owners(self.topic).unwrap_or_else(|error| {
            eprintln!("owners are not known: {error:#}");
            HashMap::new()
        });
        let owned = |index: &usize| owners.get(&node_id(*index)).map_or(0, Vec::len);
        let runs = |index: &usize| self.supervisor.exists(Target::Node(*index));
        let busiest = (0..self.supervisor.nodes()).filter(runs).max_by_key(owned);
        let index = if owned(&index) > 0 { index } else { busiest.unwrap_or(index) };
        (Target::Node(index), owners.remove(&node_id(index)).unwrap_or_default())
    }
}
