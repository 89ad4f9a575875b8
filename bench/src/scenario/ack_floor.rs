//! `ack-floor`: one client, one 1 KiB request at a time: the latency of an acknowledgement with
//! nothing to wait for but the path itself, beside the C prototype's.

use std::time::Duration;

use anyhow::Result;

use crate::load::{BENCH, Load};
use crate::peers::Prototype;
use crate::report::{Report, Row};
use crate::sample::Sample;
use crate::scenario::{Options, Side, each, foreign_share, interleave, ratios};
use crate::subject::Subject;
use crate::wire::Security;

pub(crate) fn run(options: &Options) -> Result<Report> {
    let dir = tempfile::tempdir()?;
    let subject = Subject::start(dir.path())?;
    let prototype = Prototype::start(dir.path())?;
    let load = Load {
        address: subject.address,
        topic: "floor".to_owned(),
        partitions: 1,
        connections: 1,
        window: 1,
        records_per_batch: 1,
        record_len: 1008,
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
    let p50 = |sample: &Sample| sample.outcome.latency.percentile_ms(0.5);
    let p99 = |sample: &Sample| sample.outcome.latency.percentile_ms(0.99);
    let mut rows = vec![
        Row::median("p50_ms", "ms", "lower", each(&samples[0], p50)),
        Row::median("p99_ms", "ms", "lower", each(&samples[0], p99)),
        Row::median("mean_ms", "ms", "lower", each(&samples[0], |s| s.outcome.latency.mean_ms())),
    ];
    if let Some(theirs) = samples.get(1) {
        rows.push(
            Row::median("p50_ratio_prototype", "ratio", "lower", ratios(&samples[0], theirs, p50))
                .against("floor+relay"),
        );
        rows.push(Row::median("prototype_p50_ms", "ms", "lower", each(theirs, p50)));
        rows.push(Row::median("prototype_p99_ms", "ms", "lower", each(theirs, p99)));
    }
    Ok(Report::new("ack-floor", foreign_share(&samples), rows))
}
