//! The scenarios by name, and what they share: interleaved repetitions of subject and peer.

mod ack_floor;
mod base;
mod cold_faults;
mod cold_isolation;
mod cold_peak;
mod connections;
mod elastic;
mod failover;
mod noisy_tenant;
mod partitions;
mod peak_produce;
mod s3_cost;
mod small_requests;
mod tail_consume;
mod tls;

use anyhow::{Result, bail};
use thermocline_tests::cluster::FrontKind;

use crate::load::Load;
use crate::report::Report;
use crate::sample::Sample;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) seconds: u64,
    pub(crate) repeats: usize,
    /// Storage nodes, where a scenario has many.
    pub(crate) nodes: usize,
    /// Idle clients, where a scenario has many.
    pub(crate) connections: usize,
    /// The nodes' front, where a scenario can do with another.
    pub(crate) front: Option<FrontKind>,
}

/// Runs the scenario with that name.
pub(crate) fn run(name: &str, options: &Options) -> Result<Report> {
    match name {
        "peak-produce" => peak_produce::run(options),
        "ack-floor" => ack_floor::run(options),
        "base-100" => base::run(name, 100.0, 16, options),
        "base-500" => base::run(name, 500.0, 64, options),
        "small-requests" => small_requests::run(options),
        "tail-consume" => tail_consume::run(options),
        "cold-faults" => cold_faults::run(options),
        "cold-isolation" => cold_isolation::run(options),
        "cold-peak" | "cold-read" => cold_peak::run(options),
        "s3-cost" | "cost" => s3_cost::run(options),
        "tls" => tls::run(options),
        "connections" => connections::run(options),
        "noisy-tenant" | "quota" => noisy_tenant::run(options),
        "partitions" | "partitions-10k" => partitions::run(),
        "elastic" | "scale" => elastic::run(options),
        "failover" => failover::run(options),
        // Between client and node there is always a gateway: nothing else speaks Kafka.
        "gateway-overhead" => bail!("a node has no Kafka port to compare with; see `peak-produce`"),
        _ => bail!(
            "unknown scenario `{name}`; there are peak-produce, ack-floor, base-100, base-500, \
             small-requests, tail-consume, cold-faults, cold-isolation, cold-peak, s3-cost, tls, \
             connections, noisy-tenant, partitions, elastic and failover"
        ),
    }
}

/// A server under load with the processes whose CPU counts.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) load: Load,
    pub(crate) pids: Vec<u32>,
}

/// Takes samples of every side in turn, so that slow drift of the machine hits all alike.
pub(crate) fn interleave(sides: &[Side], repeats: usize) -> Result<Vec<Vec<Sample>>> {
    for side in sides {
        let mut warm_up = side.load.clone();
        warm_up.duration = warm_up.duration.min(std::time::Duration::from_secs(2));
        warm_up.run()?;
    }
    let mut samples: Vec<Vec<Sample>> = sides.iter().map(|_| Vec::new()).collect();
    for _ in 0..repeats {
        for (side, taken) in sides.iter().zip(&mut samples) {
            let sample = Sample::take(&side.load, &side.pids)?;
            if sample.outcome.errors > 0 {
                bail!("{} requests to {} failed", sample.outcome.errors, side.load.address);
            }
            taken.push(sample);
        }
    }
    Ok(samples)
}

/// The median share of foreign CPU over all samples.
pub(crate) fn foreign_share(samples: &[Vec<Sample>]) -> f64 {
    let mut shares: Vec<f64> = samples.iter().flatten().map(|s| s.foreign_share).collect();
    shares.sort_by(f64::total_cmp);
    shares.get(shares.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One figure per sample.
pub(crate) fn each(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> Vec<f64> {
    samples.iter().map(figure).collect()
}

/// The ratio of a figure between two interleaved sides, pair by pair.
pub(crate) fn ratios(
    ours: &[Sample],
    theirs: &[Sample],
    figure: impl Fn(&Sample) -> f64,
) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(a, b)| figure(a) / figure(b)).collect()
}
