//! `cold-peak`: replaying a backlog through gateway and cold reader, from a directory as object
//! store: rate, GETs and CPU per GiB, and what a second group on the same data adds.
//!
//! The backlog is compacted first and a multiple of what the node has in memory. Every repetition
//! starts with a new reader process, whose cache is empty.

use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use thermocline_tests::cluster::{Cluster, FrontKind, Spec, StoreKind};
use thermocline_tests::process::metric;

use crate::clock::Instant;
use crate::consume::{Consumed, Consumer, Span};
use crate::load::{BENCH, Load};
use crate::procfs;
use crate::report::{Report, Row};
use crate::scenario::Options;
use crate::wire::Security;

const PARTITIONS: i32 = 4;
/// 32 times what the node has in memory.
const BACKLOG: u64 = 2 << 30;
const RECORDS_PER_BATCH: u32 = 64;
const RECORD_LEN: usize = 1008;
/// Bytes that the second group starts behind the first: near, and a fifth, half and all of what the
/// reader may keep (512 MiB by default).
const LAGS_MB: [u64; 4] = [1, 100, 250, 500];
/// Between two looks at how far the first group is.
const GLANCE: Duration = Duration::from_millis(5);
/// The compactor has nothing more to do when it did nothing for this long.
const QUIET: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(240);

/// One run of one or two groups.
struct Sample {
    first: Consumed,
    gets: f64,
    cpu: f64,
    foreign: f64,
}

pub(crate) fn run(options: &Options) -> Result<Report> {
    let dir = tempfile::tempdir()?;
    let spec = Spec {
        nodes: 1,
        gateways: 1,
        readers: 1,
        store: StoreKind::Directory,
        front: FrontKind::Disk,
        hot_cache: "64MiB".to_owned(),
        wal_size: "256MiB".to_owned(),
        upload_interval: "1s".to_owned(),
        // The load's records are older than seven days by their timestamps.
        node_lines: "retention_interval = \"1h\"\n".to_owned(),
        compactor: Some("interval = \"1s\"\nmax_age = \"1s\"\nrate = \"1GiB\"".to_owned()),
        ..Spec::default()
    };
    let mut cluster = Cluster::start(dir.path(), &spec)?;
    let replay = fill(&mut cluster)?;
    let (mut alone, mut together) = (Vec::new(), LAGS_MB.map(|_| Vec::new()));
    for _ in 0..options.repeats {
        alone.push(sample(&mut cluster, &replay, None)?);
        for (lag, samples) in LAGS_MB.iter().zip(&mut together) {
            samples.push(sample(&mut cluster, &replay, Some(*lag as f64 * 1e6))?);
        }
    }
    let each = |samples: &[Sample], figure: fn(&Sample) -> f64| -> Vec<f64> {
        samples.iter().map(figure).collect()
    };
    let mut foreign = each(&alone, |sample| sample.foreign);
    foreign.sort_by(f64::total_cmp);
    let mut rows = vec![
        Row::median("cold_read_mb_s", "MB/s", "higher", each(&alone, |s| s.first.mb_per_second()))
            .target(400.0, 700.0),
        Row::median("gets_per_gib", "GETs", "lower", each(&alone, |s| s.gets / s.first.gib()))
            .target(140.0, 70.0),
        Row::median("cpu_s_per_gib", "CPU-s/GiB", "lower", each(&alone, |s| s.cpu / s.first.gib())),
    ];
    for (lag, two) in LAGS_MB.iter().zip(&together) {
        let extra = alone.iter().zip(two).map(|(one, two)| (two.gets / one.gets - 1.0) * 100.0);
        let name = format!("second_group_{lag}_mb_behind_extra_gets");
        rows.push(Row::median(&name, "%", "lower", extra.collect()).target(5.0, 0.0));
        let name = format!("first_of_two_groups_{lag}_mb_apart");
        let rate = each(two, |sample| sample.first.mb_per_second());
        rows.push(Row::median(&name, "MB/s", "higher", rate));
    }
    Ok(Report::new("cold-peak", foreign[foreign.len() / 2], rows))
}

/// Produces the backlog and waits until it is compacted; how to replay it.
fn fill(cluster: &mut Cluster) -> Result<Consumer> {
    let load = Load {
        address: cluster.gateways.first().context("a gateway")?.address(),
        topic: "backlog".to_owned(),
        partitions: PARTITIONS,
        connections: PARTITIONS as usize,
        window: 5,
        records_per_batch: RECORDS_PER_BATCH,
        record_len: RECORD_LEN,
        duration: Duration::from_secs(2),
        rate: None,
        watch: None,
        client: BENCH,
        security: Security::default(),
    };
    load.create_topic()?;
    load.fill(BACKLOG)?;
    wait_for_compaction(cluster)?;
    let replay = Consumer::new(load.address, &load.topic, PARTITIONS, Span::Tail);
    // The last tenth is left out: some of it is in the node's memory, so no cold read.
    let ends = replay.ends()?.iter().map(|end| end / 10 * 9).collect();
    Ok(Consumer { span: Span::Backlog(ends), group: "first", ..replay })
}

fn wait_for_compaction(cluster: &Cluster) -> Result<()> {
    let started = Instant::now();
    let (mut units, mut since) = (0.0, started);
    while units == 0.0 || since.elapsed() < QUIET {
        if started.elapsed() > PATIENCE {
            bail!("the backlog is not compacted after {PATIENCE:?}");
        }
        sleep(Duration::from_secs(1));
        let now = cluster.metric_of_compactors("compactor_units_total", "outcome=\"committed\"")?;
        if now > units {
            (units, since) = (now, Instant::now());
        }
    }
    Ok(())
}

/// One replay; with a `lag`, a second group starts when the first has read that many bytes.
fn sample(cluster: &mut Cluster, replay: &Consumer, lag: Option<f64>) -> Result<Sample> {
    let reader = cluster.readers.first_mut().context("a reader")?;
    reader.kill();
    reader.start()?;
    let pids: Vec<u32> = cluster
        .gateways
        .iter()
        .chain(&cluster.readers)
        .filter_map(|role| role.process().map(|process| process.id()))
        .collect();
    let cpu = || pids.iter().map(|pid| procfs::cpu_seconds(*pid)).sum::<Result<f64>>();
    let (cpu_before, own, machine) =
        (cpu()?, procfs::own_cpu_seconds()?, procfs::machine_busy_seconds()?);
    let gateway = cluster.gateways.first().context("a gateway")?.http();
    let cold = move || metric(gateway, "gateway_fetch_bytes_total", "tier=\"cold\"");
    let before = cold()?;
    let second = lag.map(|lag| {
        let second = Consumer { group: "second", ..replay.clone() };
        thread::spawn(move || {
            while cold()? - before < lag {
                sleep(GLANCE);
            }
            second.run()
        })
    });
    let first = replay.run()?;
    if let Some(second) = second {
        let second = second.join().ok().context("the second group panicked")??;
        ensure!(second.bytes == first.bytes, "the groups read different bytes");
    }
    let http = cluster.readers.first().context("a reader")?.http();
    let gets =
        metric(http, "cold_reader_get_total", "")? + metric(http, "cold_reader_footers_total", "")?;
    let cpu = cpu()? - cpu_before;
    let own = procfs::own_cpu_seconds()? - own;
    let machine = procfs::machine_busy_seconds()? - machine;
    let foreign = (machine - own - cpu) / (first.elapsed.as_secs_f64() * procfs::cores());
    Ok(Sample { first, gets, cpu, foreign: foreign.max(0.0) })
}
