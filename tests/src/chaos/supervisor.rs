//! Kills and pauses processes of a cluster and, as a supervisor would, starts again what died.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::time::Instant;

use crate::cluster::{Cluster, Role};

/// A supervisor gives up on a process that dies so often in one run: it is broken, not unlucky.
const DEATHS_MAX: u64 = 2_000;

/// A process of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
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

/// Looks after a cluster that it hurts.
pub(super) struct Supervisor<'a> {
    cluster: &'a mut Cluster,
    repairs: Vec<(Instant, Target, Repair)>,
    exits: u64,
}

impl<'a> Supervisor<'a> {
    /// One for a cluster whose processes all run.
    pub(super) fn new(cluster: &'a mut Cluster) -> Self {
        Self { cluster, repairs: Vec::new(), exits: 0 }
    }

    /// How many storage nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.cluster.nodes.len()
    }

    /// Processes that ended by themselves, as fenced ones do.
    pub(super) fn exits(&self) -> u64 {
        self.exits
    }

    /// Whether its process is there, if only paused.
    pub(super) fn exists(&self, target: Target) -> bool {
        let role = match target {
            Target::Node(index) => &self.cluster.nodes[index],
            Target::Gateway(index) => &self.cluster.gateways[index],
            Target::Reader(index) => &self.cluster.readers[index],
            Target::Control => &self.cluster.control,
        };
        role.process().is_some()
    }

    /// Whether it is there and at work.
    pub(super) fn is_at_work(&self, target: Target) -> bool {
        self.exists(target) && !self.repairs.iter().any(|(_, of, _)| *of == target)
    }

    /// SIGKILL; it is started again after a while.
    pub(super) fn kill(&mut self, target: Target, restart: Duration) {
        self.role(target).kill();
        self.repairs.push((Instant::now() + restart, target, Repair::Restart));
    }

    /// SIGSTOP, and SIGCONT after a while.
    pub(super) fn pause(&mut self, target: Target, pause: Duration) -> Result<()> {
        self.role(target).signal(Signal::STOP)?;
        self.repairs.push((Instant::now() + pause, target, Repair::Resume));
        Ok(())
    }

    /// Does the repairs that are due and notices who ended by itself; `restart` says how long those
    /// stay dead.
    pub(super) fn look_after(&mut self, mut restart: impl FnMut() -> Duration) -> Result<()> {
        let now = Instant::now();
        let (due, later) = self.repairs.drain(..).partition(|(at, ..)| *at <= now);
        self.repairs = later;
        for (_, target, repair) in Vec::from_iter::<Vec<_>>(due) {
            self.repair(target, repair)?;
        }
        for target in self.targets() {
            if self.role(target).reap() {
                eprintln!("{target:?} ended by itself");
                self.exits += 1;
                self.repairs.push((Instant::now() + restart(), target, Repair::Restart));
            }
        }
        anyhow::ensure!(self.exits < DEATHS_MAX, "processes keep ending by themselves");
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

    /// Resumes and restarts everything and waits until all of it is ready.
    pub(super) fn heal(&mut self) -> Result<()> {
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
pub(super) fn node_id(index: usize) -> i32 {
    i32::try_from(index + 1).expect("few nodes")
}
