//! One measured stretch of load: what the client saw and what the servers' CPUs spent.

use anyhow::Result;

use crate::load::{Load, Outcome};
use crate::procfs;

/// Client and server side of one run.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) outcome: Outcome,
    /// CPU seconds of each server process, in the order they were named.
    pub(crate) server_cpu: Vec<f64>,
    /// Share of the machine's CPU time used by anybody else.
    pub(crate) foreign_share: f64,
}

impl Sample {
    /// Runs the load against servers with these process ids.
    pub(crate) fn take(load: &Load, pids: &[u32]) -> Result<Self> {
        let servers_before = cpu(pids)?;
        let own_before = procfs::own_cpu_seconds()?;
        let machine_before = procfs::machine_busy_seconds()?;
        let outcome = load.run()?;
        let server_cpu: Vec<f64> =
            cpu(pids)?.iter().zip(&servers_before).map(|(after, before)| after - before).collect();
        let own = procfs::own_cpu_seconds()? - own_before;
        let machine = procfs::machine_busy_seconds()? - machine_before;
        let foreign = machine - own - server_cpu.iter().sum::<f64>();
        let capacity = outcome.elapsed.as_secs_f64() * procfs::cores();
        Ok(Self { outcome, server_cpu, foreign_share: (foreign / capacity).max(0.0) })
    }

    /// CPU seconds of all servers per GiB of record batches.
    pub(crate) fn cpu_seconds_per_gib(&self) -> f64 {
        self.server_cpu.iter().sum::<f64>() / self.gib()
    }

    /// CPU seconds of one server per GiB.
    pub(crate) fn cpu_seconds_per_gib_of(&self, server: usize) -> f64 {
        self.server_cpu.get(server).copied().unwrap_or(f64::NAN) / self.gib()
    }

    fn gib(&self) -> f64 {
        self.outcome.bytes as f64 / f64::from(1 << 30)
    }
}

fn cpu(pids: &[u32]) -> Result<Vec<f64>> {
    pids.iter().map(|pid| procfs::cpu_seconds(*pid)).collect()
}
