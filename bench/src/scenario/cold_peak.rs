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
use crate::load::Load;
use crate::procfs;
use crate::report::{Report, Row};
use crate::scenario::Options;

const PARTITIONS: i32 = 4;
/// 32 times what the node has in memory.
const BACKLOG: u64 = 2 << 30;
const RECORDS_PER_BATCH: u32 = 64;
const RECORD_LEN: usize = 1008;
/// How far the second group starts behind the first: what is read in that time, the reader keeps.
const LAG: Duration = Duration::from_millis(100);
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
        compactor: Some("interval = \"1s\"\nmax_age = \"1s\"\nrate = \"1GiB\"".to_owned()),
        ..Spec::default()
    };
    let mut cluster = Cluster::start(dir.path(), &spec)?;
    let replay = fill(&mut cluster)?;
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for _ in 0..options.repeats {
        alone.push(sample(&mut cluster, &replay, 1)?);
        together.push(sample(&mut cluster, &replay, 2)?);
    }
    let each = |samples: &[Sample], figure: fn(&Sample) -> f64| -> Vec<f64> {
        samples.iter().map(figure).collect()
    };
    let extra = alone.iter().zip(&together).map(|(one, two)| (two.gets / one.gets - 1.0) * 100.0);
    let mut foreign = each(&alone, |sample| sample.foreign);
    foreign.sort_by(f64::total_cmp);
    let rows = vec![
        Row::median("cold_read_mb_s", "MB/s", "higher", each(&alone, |s| s.first.mb_per_second()))
            .target(400.0, 700.0),
        Row::median("gets_per_gib", "GETs", "lower", each(&alone, |s| s.gets / s.first.gib()))
            .target(140.0, 70.0),
        Row::median("second_group_extra_gets", "%", "lower", extra.collect()).target(5.0, 0.0),
        Row::median("cpu_s_per_gib", "CPU-s/GiB", "lower", each(&alone, |s| s.cpu / s.first.gib())),
        Row::median(
            "first_of_two_groups_mb_s",
            "MB/s",
            "higher",
            each(&together, |s| s.first.mb_per_second()),
        ),
    ];
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

fn sample(cluster: &mut Cluster, replay: &Consumer, groups: usize) -> Result<Sample> {
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
    let second = (groups > 1).then(|| {
        let replay = Consumer { group: "second", ..replay.clone() };
        thread::spawn(move || {
            sleep(LAG);
            replay.run()
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
