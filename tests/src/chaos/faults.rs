//! Does the faults to a cluster and, as a supervisor would, starts again what died.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use process::Clock;
use rustix::process::Signal;
use tokio::time::Instant;

use super::nemesis::{Fault, Move, Nemesis, Targets};
use super::outage::Outage;
use crate::cluster::{Cluster, Role};
use crate::registry::Registry;

/// How often the cluster is looked after.
const TICK: Duration = Duration::from_millis(100);
/// A supervisor gives up on a process that dies so often in one run: it is broken, not unlucky.
const DEATHS_MAX: u64 = 2_000;

/// A process of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Node(usize),
    Gateway(usize),
    Reader(usize),
    Control,
}

/// What is still to be made good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repair {
    Resume,
    Restart,
}

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
    cluster: &'a mut Cluster,
    registry: Registry,
    topic: &'a str,
    clock: Clock,
    nemesis: Nemesis,
    repairs: Vec<(Instant, Target, Repair)>,
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
            cluster,
            topic,
            clock: Clock::system(),
            nemesis: Nemesis::new(seed, targets),
            repairs: Vec::new(),
            done: Done::default(),
        })
    }

    /// Hurts the cluster for so long, then heals it: everything runs and is ready.
    pub(super) fn run(mut self, time: Duration) -> Result<Done> {
        let end = Instant::now() + time;
        let mut next = Instant::now() + self.nemesis.pause();
        let mut next_move = Instant::now() + self.nemesis.move_pause();
        while Instant::now() < end {
            self.look_after()?;
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
        self.heal()?;
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
        if self.role(target).process().is_none() {
            return Ok(());
        }
        let at_ms = self.clock.now_ms();
        self.done.outages.push(Outage { at_ms, kind, partitions });
        eprintln!("{kind} {target:?} {}", pause.map_or_else(String::new, |p| format!("{p:.1?}")));
        match pause {
            None => {
                self.role(target).kill();
                self.done.kills += 1;
                self.restart_later(target);
            }
            Some(pause) => {
                self.role(target).signal(Signal::STOP)?;
                self.done.pauses += 1;
                self.repairs.push((Instant::now() + pause, target, Repair::Resume));
            }
        }
        Ok(())
    }

    /// Has a partition go to another node, unless that one is down: a move is for the living, and the
    /// cluster's own would not choose it either.
    fn move_partition(&mut self, Move { partition, to }: Move) {
        let target = Target::Node(to);
        let is_paused = self.repairs.iter().any(|(_, of, _)| *of == target);
        if is_paused || self.role(target).process().is_none() {
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
        let runs = |index: &usize| self.cluster.nodes[*index].process().is_some();
        let owned = |index: &usize| owners.get(&node_id(*index)).map_or(0, Vec::len);
        let busiest = (0..self.cluster.nodes.len()).filter(runs).max_by_key(owned);
        let index = if owned(&index) > 0 { index } else { busiest.unwrap_or(index) };
        (Target::Node(index), owners.remove(&node_id(index)).unwrap_or_default())
    }

    /// Does the repairs that are due and notices who ended by itself.
    fn look_after(&mut self) -> Result<()> {
        let now = Instant::now();
        let (due, later) = self.repairs.drain(..).partition(|(at, ..)| *at <= now);
        self.repairs = later;
        for (_, target, repair) in Vec::from_iter::<Vec<_>>(due) {
            self.repair(target, repair)?;
        }
        for target in self.targets() {
            if self.role(target).reap() {
                eprintln!("{target:?} ended by itself");
                self.done.exits += 1;
                self.restart_later(target);
            }
        }
        anyhow::ensure!(self.done.exits < DEATHS_MAX, "processes keep ending by themselves");
        Ok(())
    }

    fn repair(&mut self, target: Target, repair: Repair) -> Result<()> {
        let role = self.role(target);
        match repair {
            // It may have been killed meanwhile: then its restart is due already.
            Repair::Resume if role.process().is_some() => role.signal(Signal::CONT),
            Repair::Restart if role.process().is_none() => role.spawn(),
            Repair::Resume | Repair::Restart => Ok(()),
        }
    }

    fn restart_later(&mut self, target: Target) {
        let at = Instant::now() + self.nemesis.restart_delay();
        self.repairs.push((at, target, Repair::Restart));
    }

    /// Resumes and restarts everything and waits until all of it is ready.
    fn heal(&mut self) -> Result<()> {
        for (_, target, repair) in std::mem::take(&mut self.repairs) {
            self.repair(target, repair)?;
        }
        for target in self.targets() {
            self.ready(target).with_context(|| format!("{target:?} after the faults"))?;
        }
        Ok(())
    }

    /// A process that was fenced while it was paused ends when it is resumed: start it then.
    fn ready(&mut self, target: Target) -> Result<()> {
        let role = self.role(target);
        if !role.reap() && role.process().is_some() && role.wait_for_ready().is_ok() {
            return Ok(());
        }
        role.kill();
        role.start()
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = vec![Target::Control];
        targets.extend((0..self.cluster.nodes.len()).map(Target::Node));
        targets.extend((0..self.cluster.readers.len()).map(Target::Reader));
        targets.extend((0..self.cluster.gateways.len()).map(Target::Gateway));
        targets
    }

    fn role(&mut self, target: Target) -> &mut Role {
        match target {
            Target::Node(index) => &mut self.cluster.nodes[index],
            Target::Gateway(index) => &mut self.cluster.gateways[index],
            Target::Reader(index) => &mut self.cluster.readers[index],
            Target::Control => &mut self.cluster.control,
        }
    }
}

/// The id of a node by its index.
fn node_id(index: usize) -> i32 {
    i32::try_from(index + 1).expect("few nodes")
}
