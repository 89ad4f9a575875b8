//! `peak-produce`: 64 KiB batches, closed loop, through gateway and storage node with a durable
//! acknowledgement, beside the C prototype with the same durability.

use std::time::Duration;

use anyhow::Result;

use crate::load::Load;
use crate::peers::Prototype;
use crate::procfs;
use crate::report::{Report, Row};
use crate::sample::Sample;
use crate::scenario::{Options, Side, each, foreign_share, interleave, ratios};
use crate::subject::Subject;

pub(crate) fn run(options: &Options) -> Result<Report> {
    let dir = tempfile::tempdir()?;
    let subject = Subject::start(dir.path())?;
    let prototype = Prototype::start(dir.path())?;
    let load = Load {
        address: subject.address,
        topic: "peak".to_owned(),
        partitions: 4,
        connections: 4,
        window: 5,
        records_per_batch: 64,
        record_len: 1008,
        duration: Duration::from_secs(options.seconds),
        rate: None,
    };
    load.create_topic()?;
    let mut sides = vec![Side { load: load.clone(), pids: subject.pids() }];
    if let Some(prototype) = &prototype {
        let load = Load { address: prototype.address, ..load };
        sides.push(Side { load, pids: prototype.pids() });
    }
    let samples = interleave(&sides, options.repeats)?;
    let gb_s = |sample: &Sample| sample.outcome.mb_per_second() / 1000.0;
    let ours = &samples[0];
    let mut rows = vec![
        Row::median("produce_gb_s", "GB/s", "higher", each(ours, gb_s)).target(0.45, 0.75),
        Row::median("p50_ms", "ms", "lower", each(ours, |s| s.outcome.latency.percentile_ms(0.5))),
        Row::median("p99_ms", "ms", "lower", each(ours, |s| s.outcome.latency.percentile_ms(0.99))),
        Row::median("cpu_s_per_gib", "CPU-s/GiB", "lower", each(ours, Sample::cpu_seconds_per_gib))
            .target(2.5, 1.5),
        Row::median(
            "gateway_cpu_s_per_gib",
            "CPU-s/GiB",
            "lower",
            each(ours, |s| s.cpu_seconds_per_gib_of(0)),
        ),
        Row::median(
            "node_cpu_s_per_gib",
            "CPU-s/GiB",
            "lower",
            each(ours, |s| s.cpu_seconds_per_gib_of(1)),
        ),
    ];
    for (role, pid) in ["gateway", "node"].iter().zip(subject.pids()) {
        let mib = procfs::resident_bytes(pid)? as f64 / f64::from(1 << 20);
        rows.push(Row::median(&format!("{role}_rss_mib"), "MiB", "lower", vec![mib]));
    }
    if let Some(theirs) = samples.get(1) {
        rows.push(
            Row::median("ratio_prototype", "ratio", "higher", ratios(ours, theirs, gb_s))
                .target(0.55, 0.9)
                .against("floor+relay"),
        );
        rows.push(Row::median("prototype_gb_s", "GB/s", "higher", each(theirs, gb_s)));
        rows.push(Row::median(
            "prototype_cpu_s_per_gib",
            "CPU-s/GiB",
            "lower",
            each(theirs, Sample::cpu_seconds_per_gib),
        ));
        rows.push(Row::median(
            "prototype_p99_ms",
            "ms",
            "lower",
            each(theirs, |s| s.outcome.latency.percentile_ms(0.99)),
        ));
    }
    Ok(Report::new("peak-produce", foreign_share(&samples), rows))
}
