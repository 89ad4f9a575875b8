//! `small-requests`: one record of 1 KiB per request, 64 clients with one request each: what a request
//! costs that carries next to nothing. Beside the C prototype.

use std::time::Duration;

use anyhow::Result;

use crate::load::{BENCH, Load};
use crate::peers::Prototype;
use crate::report::{Report, Row};
use crate::sample::Sample;
use crate::scenario::{Options, Side, each, foreign_share, interleave, ratios};
use crate::subject::Subject;
use crate::wire::Security;

const CLIENTS: usize = 64;

pub(crate) fn run(options: &Options) -> Result<Report> {
    let dir = tempfile::tempdir()?;
    let subject = Subject::start(dir.path())?;
    let prototype = Prototype::start(dir.path())?;
    let load = Load {
        address: subject.address,
        topic: "small".to_owned(),
        partitions: 4,
        connections: CLIENTS,
        window: 1,
        records_per_batch: 1,
        record_len: 1024,
        duration: Duration::from_secs(options.seconds),
        rate: None,
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
    let mut rows = Vec::new();
    for (side, taken) in ["", "prototype_"].iter().zip(&samples) {
        let row = |figure: &str, unit, better, samples| {
            Row::median(&format!("{side}{figure}"), unit, better, samples)
        };
        let rate = row("requests_per_s", "1/s", "higher", each(taken, per_second));
        rows.push(if side.is_empty() { rate.target(12_000.0, 22_000.0) } else { rate });
        rows.push(row("cpu_us_per_request", "µs", "lower", each(taken, cpu_us)));
        let p99 = each(taken, |sample| sample.outcome.latency.percentile_ms(0.99));
        rows.push(row("p99_ms", "ms", "lower", p99));
    }
    if let [ours, theirs] = &samples[..] {
        let ratio = ratios(ours, theirs, per_second);
        rows.push(Row::median("ratio_prototype", "ratio", "higher", ratio).against("floor+relay"));
    }
    Ok(Report::new("small-requests", foreign_share(&samples), rows))
}

fn per_second(sample: &Sample) -> f64 {
    sample.outcome.requests as f64 / sample.outcome.elapsed.as_secs_f64()
}

/// Of gateway and node together.
fn cpu_us(sample: &Sample) -> f64 {
    1e6 * sample.server_cpu.iter().sum::<f64>() / sample.outcome.requests as f64
}
