//! `peak-produce`: 64 KiB batches, closed loop, through gateway and storage node with a durable
//! acknowledgement, beside the C prototype and Kafka with fsync (the same durability) and Kafka
//! without it (a page-cache acknowledgement, named as such).

use std::time::Duration;

use anyhow::Result;

use crate::load::{BENCH, Load};
use crate::peers::{Flush, Kafka, Prototype};
use crate::procfs;
use crate::report::{Report, Row};
use crate::sample::Sample;
use crate::scenario::{Options, Side, each, foreign_share, interleave, ratios};
use crate::subject::Subject;
use crate::wire::Security;

/// Bytes that Kafka keeps of a partition: long runs must not fill the disk.
const KEPT: u64 = 2 << 30;

pub(crate) fn run(options: &Options) -> Result<Report> {
    let dir = tempfile::tempdir()?;
    let subject = Subject::start(dir.path())?;
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
        watch: None,
        client: BENCH,
        security: Security::default(),
    };
    load.create_topic()?;
    let mut sides = vec![Side { load: load.clone(), pids: subject.pids() }];
    let mut peers = Vec::new();
    let prototype = Prototype::start(dir.path())?;
    if let Some(prototype) = &prototype {
        peers.push(Peer { name: "prototype", against: "floor+relay", target: (0.55, 0.9) });
        sides.push(Side { load: load.at(prototype.address), pids: prototype.pids() });
    }
    let fsync = Kafka::start(dir.path(), Flush::EveryBatch, KEPT)?;
    let cached = Kafka::start(dir.path(), Flush::PageCache, KEPT)?;
    for (kafka, name, against, target) in [
        (&fsync, "kafka_fsync", "Kafka 4.1 RF1, flush.messages=1", (3.0, 5.0)),
        (&cached, "kafka_nofsync", "Kafka 4.1 RF1, no fsync", (1.0, 2.0)),
    ] {
        if let Some(kafka) = kafka {
            peers.push(Peer { name, against, target });
            let load = load.at(kafka.address);
            load.create_topic()?;
            sides.push(Side { load, pids: kafka.pids() });
        }
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
    for (peer, theirs) in peers.iter().zip(&samples[1..]) {
        rows.extend(peer.rows(ours, theirs));
    }
    Ok(Report::new("peak-produce", foreign_share(&samples), rows))
}

/// Somebody to stand beside.
struct Peer {
    name: &'static str,
    against: &'static str,
    /// Target and moonshot of our throughput over theirs.
    target: (f64, f64),
}

impl Peer {
    fn rows(&self, ours: &[Sample], theirs: &[Sample]) -> Vec<Row> {
        let gb_s = |sample: &Sample| sample.outcome.mb_per_second() / 1000.0;
        let p99 = |sample: &Sample| sample.outcome.latency.percentile_ms(0.99);
        let named = |figure: &str| format!("{}_{figure}", self.name);
        let ratio = Row::median(
            &format!("ratio_{}", self.name),
            "ratio",
            "higher",
            ratios(ours, theirs, gb_s),
        );
        vec![
            ratio.target(self.target.0, self.target.1).against(self.against),
            Row::median(&named("gb_s"), "GB/s", "higher", each(theirs, gb_s)),
            Row::median(
                &named("cpu_s_per_gib"),
                "CPU-s/GiB",
                "lower",
                each(theirs, Sample::cpu_seconds_per_gib),
            ),
            Row::median(&named("p99_ms"), "ms", "lower", each(theirs, p99)),
        ]
    }
}
