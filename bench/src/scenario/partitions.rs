//! `partitions`: 10,000 partitions on one node: idle memory per partition over all our processes, the
//! time the node takes to start, and the time another one takes to have them all.
//!
//! On the object front, where any node takes over, and on a directory as object store: the figures
//! are this system's, not an S3 server's.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use thermocline_tests::cluster::{Cluster, FrontKind, Role, Spec, StoreKind};
use thermocline_tests::process::metric;

use crate::clock::Instant;
use crate::load::{BENCH, Load};
use crate::procfs::resident_bytes;
use crate::report::{Report, Row};
use crate::wire::Security;

const TOPICS: usize = 10;
const PARTITIONS_PER_TOPIC: i32 = 1_000;
const OPEN: &str = "storage_node_partitions";
/// Longer than any of it should take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Allocators give back what creating needed.
const SETTLE: Duration = Duration::from_secs(10);

pub(crate) fn run() -> Result<Report> {
    let dir = tempfile::tempdir()?;
    let spec = Spec {
        nodes: 2,
        gateways: 1,
        readers: 1,
        store: StoreKind::Directory,
        front: FrontKind::Object,
        ..Spec::default()
    };
    let mut cluster = Cluster::start(dir.path(), &spec)?;
    cluster.nodes[1].stop()?;
    let empty = metric(cluster.nodes[0].http(), OPEN, "")?;
    sleep(SETTLE);
    let idle = resident(&mut cluster)?;
    let creating = Instant::now();
    create(&cluster)?;
    let all = TOPICS as f64 * f64::from(PARTITIONS_PER_TOPIC);
    wait_for(&cluster.nodes[0], empty.max(0.0) + all)?;
    let created = creating.elapsed();
    sleep(SETTLE);
    let each = (resident(&mut cluster)? - idle) / all;
    let open = metric(cluster.nodes[0].http(), OPEN, "")?;

    let starting = Instant::now();
    cluster.nodes[0].stop()?;
    let stopped = starting.elapsed();
    let starting = Instant::now();
    cluster.nodes[0].start()?;
    wait_for(&cluster.nodes[0], open)?;
    let started = starting.elapsed();

    cluster.nodes[1].start()?;
    sleep(SETTLE);
    let failing = Instant::now();
    cluster.nodes[0].kill();
    wait_for(&cluster.nodes[1], open)?;
    let failed_over = failing.elapsed();
    let seconds =
        |name: &str, time: Duration| Row::median(name, "s", "lower", vec![time.as_secs_f64()]);
    Ok(Report::new(
        "partitions",
        0.0,
        vec![
            Row::median("bytes_per_partition", "bytes", "lower", vec![each]).target(4096.0, 1024.0),
            seconds("create_10k_s", created),
            seconds("stop_10k_s", stopped),
            seconds("start_10k_s", started),
            seconds("failover_10k_s", failed_over),
        ],
    ))
}

fn create(cluster: &Cluster) -> Result<()> {
    let address = cluster.gateways.first().context("a gateway")?.address();
    for topic in 0..TOPICS {
        let load = Load {
            address,
            topic: format!("many-{topic}"),
            partitions: PARTITIONS_PER_TOPIC,
            connections: 1,
            window: 1,
            records_per_batch: 1,
            record_len: 100,
            duration: Duration::ZERO,
            rate: None,
            watch: None,
            client: BENCH,
            security: Security::default(),
        };
        load.create_topic()?;
    }
    Ok(())
}

/// Waits until the node has so many partitions open.
fn wait_for(node: &Role, partitions: f64) -> Result<()> {
    let started = Instant::now();
    loop {
        let open = metric(node.http(), OPEN, "").unwrap_or_default();
        if open >= partitions {
            return Ok(());
        }
        anyhow::ensure!(started.elapsed() < PATIENCE, "{open} of {partitions} partitions are open");
        sleep(Duration::from_millis(50));
    }
}

/// Resident memory of all our processes.
fn resident(cluster: &mut Cluster) -> Result<f64> {
    let running = cluster.roles().filter_map(|role| role.process().map(|process| process.id()));
    let pids: Vec<u32> = running.collect();
    let bytes = pids.into_iter().map(resident_bytes).sum::<Result<u64>>()?;
    Ok(bytes as f64)
}
