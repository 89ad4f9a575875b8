//! The adversary: breaks what the scenario allows, for a while, again and again.
//!
//! It acts between the steps of the simulation, from a random source of its own, so that what it
//! does depends on the seed and on nothing else.

use std::time::Duration;

use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use turmoil::Sim;

use crate::faults::{DiskFaults, MetadataFaults, StoreFaults};
use crate::scenario::Fault;
use crate::world::{Host, Kind, World, hosts};

/// Time between two acts, at most.
const PAUSE_MS: u64 = 5_000;
/// How long what is broken stays so, at most.
const LASTS_MS: u64 = 9_000;

/// The adversary of a run.
pub struct Nemesis {
    rng: ChaCha8Rng,
    hosts: Vec<Host>,
    next_at: Duration,
    /// What ends, and when.
    undo: Vec<(Duration, Undo)>,
}

/// How something is repaired.
#[derive(Clone, Debug)]
enum Undo {
    Start(String),
    Repair(String, String),
    Release(String, String),
    ReachStore(String),
    ReachMetadata(String),
    CalmStore,
    CalmMetadata,
    CalmDisks,
}

// === impl Nemesis ===

impl Nemesis {
    /// One that has not done anything yet.
    pub fn new(world: &World) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(world.scenario.seed ^ 0x006e_656d_6573_6973);
        // Let the cluster found itself and the clients begin.
        let next_at = Duration::from_secs(3);
        Self { rng, hosts: hosts(&world.scenario), next_at, undo: Vec::new() }
    }

    /// Repairs what is due, and breaks something if it is time to.
    pub fn act(&mut self, sim: &mut Sim<'_>, world: &World) {
        let now = sim.elapsed();
        let (due, later): (Vec<_>, Vec<_>) = self.undo.drain(..).partition(|(at, _)| *at <= now);
        self.undo = later;
        for (_, undo) in due {
            apply(&undo, sim, world);
        }
        if now < self.next_at {
            return;
        }
        self.next_at = now + Duration::from_millis(self.rng.random_range(200..PAUSE_MS));
        if let Some(fault) = world.scenario.faults.choose(&mut self.rng).copied() {
            let lasts = Duration::from_millis(self.rng.random_range(100..LASTS_MS));
            self.break_something(fault, now + lasts, sim, world);
        }
    }

    /// Repairs everything.
    pub fn heal(&mut self, sim: &mut Sim<'_>, world: &World) {
        for (_, undo) in std::mem::take(&mut self.undo) {
            apply(&undo, sim, world);
        }
        world.faults.heal();
        world.trace.line_at(sim.elapsed(), "nemesis: healed");
    }

    fn break_something(&mut self, fault: Fault, until: Duration, sim: &mut Sim<'_>, world: &World) {
        let host = self.host();
        world
            .trace
            .line_at(sim.elapsed(), format_args!("nemesis: {fault:?} {host} until {until:?}"));
        let undo = match fault {
            Fault::Crash => {
                sim.crash(host.as_str());
                world.exits.forget(&host);
                self.undo.retain(|(_, undo)| !matches!(undo, Undo::Start(name) if *name == host));
                Undo::Start(host)
            }
            Fault::Partition => {
                let other = self.other(&host);
                sim.partition(host.as_str(), other.as_str());
                Undo::Repair(host, other)
            }
            Fault::Hold => {
                let other = self.other(&host);
                sim.hold(host.as_str(), other.as_str());
                Undo::Release(host, other)
            }
            Fault::StoreCut => {
                world.faults.cut_store(&host, true);
                Undo::ReachStore(host)
            }
            Fault::MetadataCut => {
                world.faults.cut_metadata(&host, true);
                Undo::ReachMetadata(host)
            }
            Fault::StoreErrors => {
                world.faults.set_store(self.store_errors());
                Undo::CalmStore
            }
            Fault::StoreSlow => {
                let slowdown = self.rng.random_range(5.0..60.0);
                world.faults.set_store(StoreFaults { slowdown, ..StoreFaults::default() });
                Undo::CalmStore
            }
            Fault::MetadataErrors => {
                world.faults.set_metadata(self.metadata_errors());
                Undo::CalmMetadata
            }
            Fault::DiskErrors => {
                let failed = self.rng.random_range(0.001..0.05);
                world.faults.set_disk(DiskFaults { failed, ..DiskFaults::default() });
                Undo::CalmDisks
            }
            Fault::DiskSlow => {
                let slowdown = self.rng.random_range(10.0..500.0);
                world.faults.set_disk(DiskFaults { slowdown, ..DiskFaults::default() });
                Undo::CalmDisks
            }
            Fault::Clock => {
                let off_ms = self.rng.random_range(-3_600_000..=3_600_000);
                world.faults.set_clock(&host, off_ms);
                return;
            }
        };
        self.undo.push((until, undo));
    }

    fn store_errors(&mut self) -> StoreFaults {
        let mut rate = |max: f64| {
            if self.rng.random_bool(0.5) { self.rng.random_range(0.0..max) } else { 0.0 }
        };
        StoreFaults {
            refused: rate(0.5),
            answer_lost: rate(0.2),
            late: rate(0.1),
            twice: rate(0.2),
            conflict: rate(0.1),
            damaged_read: rate(0.01),
            stale_list: rate(0.5),
            slowdown: 1.0,
        }
    }

    fn metadata_errors(&mut self) -> MetadataFaults {
        let mut rate = |max: f64| {
            if self.rng.random_bool(0.5) { self.rng.random_range(0.0..max) } else { 0.0 }
        };
        MetadataFaults {
            unavailable: rate(0.5),
            unknown: rate(0.3),
            event_twice: rate(0.3),
            watch_broken: rate(0.1),
            lease_lost: rate(0.2),
        }
    }

    /// Any host; storage nodes more often than others, for they have the most to lose.
    fn host(&mut self) -> String {
        let host = self.hosts.choose_weighted(&mut self.rng, |host| match host.kind {
            Kind::Node => 4,
            Kind::Control | Kind::Gateway => 2,
            Kind::Reader | Kind::Compactor => 1,
        });
        host.expect("a cluster has hosts").name()
    }

    fn other(&mut self, host: &str) -> String {
        loop {
            let other = self.host();
            if other != host {
                return other;
            }
        }
    }
}

fn apply(undo: &Undo, sim: &mut Sim<'_>, world: &World) {
    world.trace.line_at(sim.elapsed(), format_args!("nemesis: {undo:?}"));
    match undo {
        Undo::Start(host) => {
            world.exits.forget(host);
            sim.bounce(host.as_str());
        }
        Undo::Repair(host, other) => sim.repair(host.as_str(), other.as_str()),
        Undo::Release(host, other) => sim.release(host.as_str(), other.as_str()),
        Undo::ReachStore(host) => world.faults.cut_store(host, false),
        Undo::ReachMetadata(host) => world.faults.cut_metadata(host, false),
        Undo::CalmStore => {
            world.faults.set_store(StoreFaults { slowdown: 1.0, ..StoreFaults::default() })
        }
        Undo::CalmMetadata => world.faults.set_metadata(MetadataFaults::default()),
        Undo::CalmDisks => world.faults.set_disk(DiskFaults::default()),
    }
}
