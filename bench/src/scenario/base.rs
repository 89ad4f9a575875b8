//! `base-100` and `base-500`: a fixed rate in an open loop; latency counts from the intended send
//! time. Beside the C prototype at the same rate.

use std::time::Duration;

use anyhow::Result;

use crate::load::{BENCH, Load};
use crate::peers::Prototype;
use crate::report::{Report, Row};
use crate::sample::Sample;
use crate::scenario::{Options, Side, each, foreign_share, interleave};
use crate::subject::Subject;
use crate::wire::Security;

/// Runs `rate_mib` MiB/s in batches of `records` records of 1 KiB over four partitions.
pub(crate) fn run(name: &str, rate_mib: f64, records: u32, options: &Options) -> Result<Report> {
    let dir = tempfile::tempdir()?;
    let subject = Subject::start(dir.path())?;
    let prototype = Prototype::start(dir.path())?;
    let load = Load {
        address: subject.address,
        topic: "base".to_owned(),
        partitions: 4,
        connections: 4,
        window: 64,
        records_per_batch: records,
        record_len: 1008,
        duration: Duration::from_secs(options.seconds),
        rate: Some(rate_mib * f64::from(1 << 20)),
        watch: None,
        client: BENCH,
        security: Security::default(),
    };
    load.create_topic()?;
    let mut sides = vec![Side { load: load.clone(), pids: subject.pids() }];
    if let Some(prototype) = &prototype {
        sides.push(Side { load: load.at(prototype.address), pids: prototype.pids() });
    }
    let samples = interleave(&sides, options.repeats)?;
    let names = ["thermocline", "prototype"];
    let mut rows = Vec::new();
    for (side, taken) in names.iter().zip(&samples) {
        let row = |figure: &str, unit, better, samples| {
            Row::median(&format!("{side}_{figure}"), unit, better, samples)
        };
        let at = |share: f64| each(taken, |s: &Sample| s.outcome.latency.percentile_ms(share));
        rows.push(row(
            "mib_s",
            "MiB/s",
            "higher",
            each(taken, |s| s.outcome.mb_per_second() / 1.048_576),
        ));
        rows.push(row("p50_ms", "ms", "lower", at(0.5)));
        rows.push(row("p95_ms", "ms", "lower", at(0.95)));
        rows.push(row("p99_ms", "ms", "lower", at(0.99)));
        rows.push(row(
            "cpu_s_per_gib",
            "CPU-s/GiB",
            "lower",
            each(taken, Sample::cpu_seconds_per_gib),
        ));
    }
    Ok(Report::new(name, foreign_share(&samples), rows))
}
