//! `cold-faults`: what an object store that is slow or fails does to whom. In each phase the same is
//! produced and read at the tail while a backlog is replayed: from a store that is well, from one that
//! answers 500 ms late, and from one that refuses every fifth request.
//!
//! The store is SeaweedFS behind a proxy of this program, for all roles: uploads meet the same faults.
//! The replay is to get slower. Producers and the tail are not to notice, for with a disk front
//! neither needs the store.

use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use thermocline_tests::cluster::{Cluster, FrontKind, Spec, StoreKind};
use thermocline_tests::s3_proxy::{Fault, Rule, Which};

use crate::consume::{Consumed, Consumer, Span};
use crate::load::{BENCH, Load, Outcome};
use crate::procfs;
use crate::report::{Report, Row};
use crate::scenario::Options;
use crate::timeline::{Flow, Timeline};
use crate::wire::Security;

const PARTITIONS: i32 = 4;
/// 16 times the node's hot cache, and 8 times what the reader may keep.
const BACKLOG: u64 = 512 << 20;
const HOT_CACHE: &str = "32MiB";
const READER: &str = "memory = \"64MiB\"\n";
/// Bytes per second that are produced all the time: a store that is slow must keep up with uploads.
const RATE: f64 = 8.0 * 1024.0 * 1024.0;
/// Of what the tail is behind.
const SLOT: Duration = Duration::from_millis(50);
/// The tail is there before the first record, and leaves before the last.
const LEAD: Duration = Duration::from_millis(500);
/// After the backlog, and between phases: what is under way ends.
const SETTLE: Duration = Duration::from_secs(3);

/// What the store does, by phase.
const PHASES: [(&str, Option<(f64, Fault)>); 3] = [
    ("well", None),
    ("slow", Some((1.0, Fault::Delay(Duration::from_millis(500))))),
    ("failing", Some((0.2, Fault::SlowDown))),
];

/// What came of a phase.
struct Phase {
    produced: Outcome,
    replayed: Consumed,
    /// Milliseconds by which the tail was behind, by slot.
    lags_ms: Vec<f64>,
    /// Requests that the fault hit.
    hits: u64,
    foreign: f64,
}

pub(crate) fn run(options: &Options) -> Result<Report> {
    let dir = tempfile::tempdir()?;
    let spec = Spec {
        nodes: 1,
        gateways: 1,
        readers: 1,
        store: StoreKind::FaultyS3,
        front: FrontKind::Disk,
        hot_cache: HOT_CACHE.to_owned(),
        wal_size: "512MiB".to_owned(),
        upload_interval: "1s".to_owned(),
        reader_lines: READER.to_owned(),
        ..Spec::default()
    };
    let mut cluster = Cluster::start(dir.path(), &spec)?;
    let (load, ends) = fill(&cluster)?;
    let lasting = Duration::from_secs(options.seconds);
    let mut phases: [Vec<Phase>; 3] = Default::default();
    for _ in 0..options.repeats {
        for ((_, fault), taken) in PHASES.iter().zip(&mut phases) {
            taken.push(Phase::take(&mut cluster, &load, &ends, *fault, lasting)?);
        }
    }
    let mut foreign: Vec<f64> = phases.iter().flatten().map(|phase| phase.foreign).collect();
    foreign.sort_by(f64::total_cmp);
    Ok(Report::new("cold-faults", foreign[foreign.len() / 2], rows(&phases)))
}

/// Produces the backlog; what is produced from then on, and where the backlog ends.
fn fill(cluster: &Cluster) -> Result<(Load, Vec<i64>)> {
    let load = Load {
        address: cluster.gateways.first().context("a gateway")?.address(),
        topic: "backlog".to_owned(),
        partitions: PARTITIONS,
        connections: PARTITIONS as usize,
        window: 64,
        records_per_batch: 16,
        record_len: 1008,
        duration: Duration::from_secs(1),
        rate: None,
        watch: None,
        client: BENCH,
        security: Security::default(),
    };
    load.create_topic()?;
    load.fill(BACKLOG)?;
    sleep(SETTLE);
    // The last tenth is left out: some of it is in the node's memory, so no cold read.
    let all = Consumer::new(load.address, &load.topic, PARTITIONS, Span::Tail).ends()?;
    let ends = all.iter().map(|end| end / 10 * 9).collect();
    Ok((Load { rate: Some(RATE), ..load }, ends))
}

impl Phase {
    /// A new reader, whose cache is empty, serves a replay from a store in this state.
    fn take(
        cluster: &mut Cluster,
        load: &Load,
        ends: &[i64],
        fault: Option<(f64, Fault)>,
        lasting: Duration,
    ) -> Result<Self> {
        let reader = cluster.readers.first_mut().context("a reader")?;
        reader.kill();
        reader.start()?;
        let timeline = Timeline::new(SLOT);
        let consumer = |group, span, flow| Consumer {
            group,
            lasting: Some(LEAD + lasting),
            watch: Some((timeline.clone(), flow)),
            ..Consumer::new(load.address, &load.topic, PARTITIONS, span)
        };
        let tail = consumer("tail", Span::Tail, Flow::Tail);
        let replay = consumer("replay", Span::Backlog(ends.to_vec()), Flow::Replay);
        let replay = Consumer { gives_way: true, asks_again: true, ..replay };
        let load = Load { duration: lasting + LEAD, watch: Some(timeline.clone()), ..load.clone() };
        let ours = pids(cluster);
        let cpu = || ours.iter().map(|pid| procfs::cpu_seconds(*pid)).sum::<Result<f64>>();
        let (own, machine) = (cpu()?, procfs::machine_busy_seconds()?);

        let tail = thread::spawn(move || tail.run());
        sleep(LEAD);
        let proxy = cluster.proxy.as_ref().context("a proxy")?;
        let rule = fault.map(|(share, fault)| Rule::sometimes(Which::All, share, fault));
        proxy.set(rule.into_iter().collect());
        let replay = thread::spawn(move || replay.run());
        let produced = load.run()?;
        let replayed = replay.join().ok().context("the replay panicked")??;
        tail.join().ok().context("the tail panicked")??;
        let hits = proxy.hits();
        proxy.heal();

        ensure!(produced.errors == 0, "{} produces failed", produced.errors);
        ensure!((hits > 0) == fault.is_some(), "{hits} requests met the fault");
        let elapsed = LEAD + replayed.elapsed.max(produced.elapsed);
        let busy = procfs::machine_busy_seconds()? - machine - (cpu()? - own);
        let foreign = (busy / (elapsed.as_secs_f64() * procfs::cores())).max(0.0);
        sleep(SETTLE);
        let slots = (LEAD + lasting).as_nanos() / SLOT.as_nanos();
        Ok(Self { produced, replayed, lags_ms: lags_ms(&timeline, slots as usize), hits, foreign })
    }

    /// The time within which the tail is, for this share of the slots.
    fn lag_ms(&self, share: f64) -> f64 {
        let mut lags = self.lags_ms.clone();
        lags.sort_by(f64::total_cmp);
        let at = ((lags.len() as f64 * share) as usize).min(lags.len().saturating_sub(1));
        lags.get(at).copied().unwrap_or(f64::NAN)
    }
}

/// By slot, how long ago at the rate of the load that was acknowledged which the tail has not got yet.
fn lags_ms(timeline: &Timeline, slots: usize) -> Vec<f64> {
    let (mut produced, mut read) = (0, 0);
    let lags = timeline.past().into_iter().take(slots).map(|slot| {
        produced += slot.bytes(Flow::Produce);
        read += slot.bytes(Flow::Tail);
        produced.saturating_sub(read) as f64 / RATE * 1e3
    });
    lags.collect()
}

/// Everything that works for the scenario: the roles, the store and this program.
fn pids(cluster: &mut Cluster) -> Vec<u32> {
    let store = cluster.s3.as_ref().map(|s3| s3.process.id());
    let roles: Vec<u32> =
        cluster.roles().filter_map(|role| role.process().map(|process| process.id())).collect();
    roles.into_iter().chain(store).chain(cluster.etcd.ids()).chain([std::process::id()]).collect()
}

fn rows(phases: &[Vec<Phase>; 3]) -> Vec<Row> {
    let mut rows = Vec::new();
    let [well, ..] = phases;
    for ((name, _), taken) in PHASES.iter().zip(phases) {
        let row = |figure: &str, unit, better, of: &dyn Fn(&Phase) -> f64| {
            Row::median(&format!("{figure}_{name}"), unit, better, taken.iter().map(of).collect())
        };
        let latency = |share| move |phase: &Phase| phase.produced.latency.percentile_ms(share);
        rows.push(row("replay", "MB/s", "higher", &|phase| phase.replayed.mb_per_second()));
        rows.push(row("produce_p50", "ms", "lower", &latency(0.5)));
        rows.push(row("produce_p99", "ms", "lower", &latency(0.99)));
        rows.push(row("tail_lag_p50", "ms", "lower", &|phase| phase.lag_ms(0.5)));
        rows.push(row("tail_lag_p99", "ms", "lower", &|phase| phase.lag_ms(0.99)));
        rows.push(row("produced", "MB/s", "higher", &|phase| phase.produced.mb_per_second()));
        rows.push(row("replay_refused", "fetches", "lower", &|it| it.replayed.refused as f64));
        rows.push(row("faults", "requests", "higher", &|phase| phase.hits as f64));
    }
    for ((name, _), taken) in PHASES.iter().zip(phases).skip(1) {
        let pairs = || well.iter().zip(taken);
        let ratio = |of: fn(&Phase) -> f64| pairs().map(|(a, b)| of(b) / of(a)).collect();
        let replay = ratio(|phase| phase.replayed.mb_per_second());
        rows.push(Row::median(&format!("replay_kept_{name}"), "ratio", "higher", replay));
        let p99 = ratio(|phase| phase.produced.latency.percentile_ms(0.99));
        rows.push(Row::median(&format!("produce_p99_ratio_{name}"), "ratio", "lower", p99));
    }
    rows
}
