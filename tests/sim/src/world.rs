//! The cluster of one run: hosts with the real roles on them, and the two stores.
//!
//! ```text
//! control-1..2   node-1..3   gateway-1..2   reader-1   compactor-1..2     one process each
//! s3  etcd                                                            what they stand on
//! ```
//!
//! A host's process is built as `thermocline <role>` builds it. When it ends, by itself or by a
//! crash, everything in its memory is gone; the driver starts it again.

mod process;
mod roles;

use std::sync::Arc;
use std::time::Duration;

use turmoil::Sim;

pub use self::process::{Exits, Place, client_now_ms};
use crate::disks::Machines;
use crate::faults::Faults;
use crate::metadata_store::Etcd;
use crate::object_store::Bucket;
use crate::remote::{Jobs, service};
use crate::scenario::Scenario;
use crate::trace::Trace;

/// Clients reach every gateway at this port.
pub const KAFKA_PORT: u16 = 9092;
/// Roles reach each other at this port.
const HOP_PORT: u16 = 7000;

/// What outlives every process of the cluster.
#[derive(Clone)]
pub struct World {
    /// The object store.
    pub bucket: Bucket,
    /// The metadata store.
    pub etcd: Etcd,
    /// The disks of all hosts.
    pub disks: Machines,
    /// What is broken.
    pub faults: Faults,
    /// What happened.
    pub trace: Trace,
    /// Processes that ended by themselves and wait to be started again.
    pub exits: Exits,
    /// What this run is about.
    pub scenario: Arc<Scenario>,
}

/// The kinds of hosts that have a process of the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `thermocline control`.
    Control,
    /// `thermocline storage-node`.
    Node,
    /// `thermocline cold-reader`.
    Reader,
    /// `thermocline gateway`.
    Gateway,
    /// `thermocline compactor`.
    Compactor,
}

/// A host of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// What runs there.
    pub kind: Kind,
    /// The how manieth of its kind, from 1.
    pub number: i32,
}

impl Host {
    /// Its name in the simulated network.
    pub fn name(&self) -> String {
        let kind = match self.kind {
            Kind::Control => "control",
            Kind::Node => "node",
            Kind::Reader => "reader",
            Kind::Gateway => "gateway",
            Kind::Compactor => "compactor",
        };
        format!("{kind}-{}", self.number)
    }
}

/// The hosts of a scenario.
pub fn hosts(scenario: &Scenario) -> Vec<Host> {
    let of = |kind, count: i32| (1..=count).map(move |number| Host { kind, number });
    of(Kind::Control, scenario.controls)
        .chain(of(Kind::Node, scenario.nodes))
        .chain(of(Kind::Reader, 1))
        .chain(of(Kind::Gateway, scenario.gateways))
        .chain(of(Kind::Compactor, scenario.housekeeping.compactors))
        .collect()
}

impl World {
    /// Puts the cluster on the simulated network.
    pub fn build(sim: &mut Sim<'_>, scenario: Arc<Scenario>, trace: Trace) -> Self {
        let faults = Faults::none(scenario.seed);
        let (s3, s3_jobs) = service();
        let (etcd, etcd_jobs) = service();
        serve(sim, "s3", s3_jobs);
        serve(sim, "etcd", etcd_jobs);
        let world = Self {
            bucket: Bucket::new(s3, faults.clone(), trace.clone()),
            etcd: Etcd::new(etcd, faults.clone(), trace.clone()),
            disks: Machines::new(faults.clone(), trace.clone()),
            exits: Exits::default(),
            faults,
            trace,
            scenario,
        };
        for host in hosts(&world.scenario) {
            let place = world.place(&host.name());
            sim.host(host.name(), move || {
                let (place, host) = (place.clone(), host.clone());
                async move {
                    let ended = roles::run(&place, &host).await;
                    place.exited(ended).await;
                    Ok(())
                }
            });
        }
        world
    }

    /// What a host sees of the world.
    pub fn place(&self, host: &str) -> Place {
        Place { world: self.clone(), host: host.to_owned() }
    }
}

/// A service is never restarted: its jobs are taken once.
fn serve(sim: &mut Sim<'_>, name: &str, jobs: Jobs) {
    sim.client(name, async move {
        jobs.serve().await;
        Ok(())
    });
}

/// How long a process waits before it is started again, as a supervisor does it.
pub const RESTART_PAUSE: Duration = Duration::from_millis(500);
