//! `elastic`: storage nodes join a loaded cluster of one, and all but one of them leave again. How long
//! until the load is spread, what producers feel meanwhile, and whether any of them hears of it: the
//! load's own, and a Java and a librdkafka program with default settings beside it.
//!
//! Load is what each node takes from producers within half a second, so a spread load is seen up to
//! as much later. On a directory as object store: the figures are this system's, not an S3 server's.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use thermocline_tests::cluster::{Cluster, FrontKind, Spec, StoreKind};
use thermocline_tests::process::metric;
use thermocline_tests::witness::{self, Duties, Testimony};

use super::Options;
use crate::clock::Instant;
use crate::load::{BENCH, Load, Outcome};
use crate::report::{Report, Row};
use crate::wire::Security;

const PARTITIONS: i32 = 256;
/// 32 MiB/s.
const RATE: f64 = 32.0 * 1024.0 * 1024.0;
const EVEN: f64 = 1.15;
const TOPIC: &str = "scaled";
const OPEN: &str = "storage_node_partitions";
/// Longer than any of it should take.
const PATIENCE: Duration = Duration::from_secs(300);
const PRODUCED: &str = "storage_node_produce_bytes_total";
/// Long enough for a node's share of sixteen to be some sixty batches.
const WINDOW: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(50);
/// Partitions that the witnesses read, of each. They also write to all of the topic.
const WITNESS_PARTITIONS: u32 = 16;
/// Records a second of each witness: nothing beside the load.
const WITNESS_RATE: u32 = 100;
/// After the last move, for producers to feel it.
const AFTER: Duration = Duration::from_secs(3);

pub(crate) fn run(options: &Options) -> Result<Report> {
    let dir = tempfile::tempdir()?;
    let nodes = options.nodes.max(2);
    let front = options.front.unwrap_or(FrontKind::Disk);
    let spec = Spec {
        nodes,
        front,
        gateways: 1,
        readers: 0,
        store: StoreKind::Directory,
        wal_size: "128MiB".to_owned(),
        ..Spec::default()
    };
    let mut cluster = Cluster::start(dir.path(), &spec)?;
    for node in &mut cluster.nodes[1..] {
        node.stop()?;
    }
    let load = Load {
        address: cluster.gateways.first().context("a gateway")?.address(),
        client: BENCH,
        security: Security::default(),
        topic: TOPIC.to_owned(),
        partitions: PARTITIONS,
        connections: 16,
        window: 32,
        records_per_batch: 16,
        record_len: 1024,
        duration: Duration::from_secs(options.seconds.max(5)),
        rate: Some(RATE),
        watch: None,
    };
    load.create_topic()?;
    let bootstrap = cluster.bootstrap();
    let duties = Duties {
        bootstrap: &bootstrap,
        partitions: WITNESS_PARTITIONS,
        rate: WITNESS_RATE,
        beside: Some(TOPIC),
    };
    let witnesses = witness::both(dir.path(), duties)?;
    load.run()?;
    let before = load.run()?;

    let (out, joining) = meanwhile(&load, || join(&mut cluster))?;
    let (back, leaving) = meanwhile(&load, || leave(&mut cluster))?;
    let testimonies = witness::testimonies(witnesses)?;
    let seconds =
        |name: &str, time: Duration| Row::median(name, "s", "lower", vec![time.as_secs_f64()]);
    let mut rows = vec![
        Row::median("nodes", "nodes", "higher", vec![nodes as f64]),
        seconds("scale_out_since_start_s", joining.since_start),
        seconds("scale_out_seconds", joining.since_ready).target(10.0, 2.0),
        seconds("scale_in_seconds", leaving).target(10.0, 2.0),
        Row::median("automq_published_s", "s", "lower", vec![240.0])
            .against("AutoMQ, as published"),
    ];
    rows.extend(rows_of_load(&before, &out, &back));
    rows.extend(testimonies.iter().flat_map(rows_of_witness));
    let name = match front {
        FrontKind::Disk => "elastic".to_owned(),
        front => format!("elastic-{}", front.name()),
    };
    Ok(Report::new(&name, 0.0, rows))
}

fn rows_of_load(before: &Outcome, out: &Outcome, back: &Outcome) -> Vec<Row> {
    let p99 = |name: &str, of: &Outcome| {
        Row::median(name, "ms", "lower", vec![of.latency.percentile_ms(0.99)])
    };
    let during = |name: &str, of: &Outcome| {
        let ratio = of.latency.percentile_ms(0.99) / before.latency.percentile_ms(0.99);
        Row::median(name, "x", "lower", vec![ratio]).target(5.0, 1.5)
    };
    let errors = (before.errors + out.errors + back.errors) as f64;
    vec![
        p99("p99_before_ms", before),
        p99("p99_out_ms", out),
        p99("p99_in_ms", back),
        during("p99_out_over_before", out),
        during("p99_in_over_before", back),
        Row::median("client_errors", "errors", "lower", vec![errors]).target(0.0, 0.0),
    ]
}

/// What a user's program would have noticed of all of it.
fn rows_of_witness(testimony: &Testimony) -> Vec<Row> {
    let row = |figure: &str, unit, value: f64| {
        Row::median(&format!("elastic_{}_{figure}", testimony.name), unit, "lower", vec![value])
    };
    for complaint in testimony.complaints() {
        eprintln!("{complaint}");
    }
    vec![
        row("errors", "errors", testimony.errors() as f64).target(0.0, 0.0),
        row("lost", "records", testimony.count("lost") as f64).target(0.0, 0.0),
        row("p99_ms", "ms", testimony.percentile_ms(99)),
        row("max_ms", "ms", testimony.percentile_ms(100)),
    ]
}

/// How long it took until the load was spread.
struct Joined {
    /// Since the first process was started.
    since_start: Duration,
    /// Since the last one said that it was ready.
    since_ready: Duration,
}

/// Starts all the other nodes at once.
fn join(cluster: &mut Cluster) -> Result<Joined> {
    let started = Instant::now();
    for node in &mut cluster.nodes[1..] {
        node.spawn()?;
    }
    for node in &mut cluster.nodes[1..] {
        node.wait_for_ready()?;
    }
    let ready = Instant::now();
    wait_for_even_load(cluster)?;
    Ok(Joined { since_start: started.elapsed(), since_ready: ready.elapsed() })
}

/// Drains all nodes but the first, then stops them.
fn leave(cluster: &mut Cluster) -> Result<Duration> {
    let started = Instant::now();
    for node in 2..=cluster.nodes.len() {
        cluster.admin(&["drain", &node.to_string(), "--no-wait"])?;
    }
    wait_for("empty nodes", || {
        Ok(open(cluster, 1..cluster.nodes.len())?.iter().sum::<f64>() == 0.0)
    })?;
    let took = started.elapsed();
    for node in &mut cluster.nodes[1..] {
        node.stop()?;
    }
    Ok(took)
}

/// Runs the load for as long as something else takes, and a little longer.
fn meanwhile<T>(load: &Load, what: impl FnOnce() -> Result<T>) -> Result<(Outcome, T)> {
    // Its end is not known before it comes, so it is run in pieces.
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let piece = Load { duration: Duration::from_secs(1), ..load.clone() };
    let loading = thread::spawn(move || -> Result<Outcome> {
        let mut total = piece.run()?;
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            let next = piece.run()?;
            total.bytes += next.bytes;
            total.requests += next.requests;
            total.errors += next.errors;
            total.elapsed += next.elapsed;
            total.latency.merge(&next.latency);
        }
        Ok(total)
    });
    let done = what();
    thread::sleep(AFTER);
    drop(stop);
    let outcome = loading.join().ok().context("the load panicked")??;
    Ok((outcome, done?))
}

fn open(cluster: &Cluster, nodes: std::ops::Range<usize>) -> Result<Vec<f64>> {
    nodes.map(|node| metric(cluster.nodes[node].http(), OPEN, "")).collect()
}

/// What every node has produced so far, in bytes.
fn produced(cluster: &Cluster) -> Result<Vec<f64>> {
    cluster.nodes.iter().map(|node| metric(node.http(), PRODUCED, "")).collect()
}

/// Waits until what the nodes produce within a look is even.
fn wait_for_even_load(cluster: &Cluster) -> Result<()> {
    let mut before = produced(cluster)?;
    wait_for("even load", || {
        thread::sleep(WINDOW);
        let now = produced(cluster)?;
        let rates: Vec<f64> = now.iter().zip(&before).map(|(now, before)| now - before).collect();
        before = now;
        Ok(max_over_mean(&rates) <= EVEN)
    })
}

fn max_over_mean(open: &[f64]) -> f64 {
    let mean = open.iter().sum::<f64>() / open.len() as f64;
    open.iter().fold(0.0, |most: f64, it| most.max(*it)) / mean
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !is_so()? {
        ensure!(started.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}");
        thread::sleep(LOOK);
    }
    Ok(())
}
