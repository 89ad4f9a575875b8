//! `s3-cost`: what a GiB written costs in requests to the object store, per front, at 50 MiB/s, over
//! its whole life: written, uploaded, compacted, and its log slots collected.
//!
//! Every role's own counters before and after, so whatever runs beside the load is in it. The end
//! waits until the compactor has rewritten every byte, ends the node's log by a restart, and waits
//! until all its slots are collected. What the restarted node asks for is left out: a node opens its
//! partitions once in hours, not once in a few GiB. List prices of S3 Standard: PUT and LIST $0.005, GET and HEAD
//! $0.0004 per thousand, DELETE free.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use thermocline_tests::cluster::{Cluster, FrontKind, Role, Spec, StoreKind};
use thermocline_tests::process::http_get;

use crate::clock::Instant;
use crate::load::{BENCH, Load, Outcome};
use crate::report::{Report, Row};
use crate::scenario::Options;
use crate::wire::Security;

const PUT_DOLLARS: f64 = 0.005 / 1000.0;
const GET_DOLLARS: f64 = 0.0004 / 1000.0;
const REQUESTS: &str = "object_store_requests_total";
const BYTES: &str = "object_store_bytes_total";
const PUTS: &[&str] = &["put", "put_part", "create", "update", "list"];
const GETS: &[&str] = &["get", "get_range", "head"];
const GIB: f64 = (1u64 << 30) as f64;
/// A log has at least one slot for each.
const SLOT_BYTES_MAX: u64 = 32 << 20;
/// At the rate of the scenario each partition is then three objects of the default size and little
/// more, as it would be in the long run. What is left at the end costs as much as a whole object.
const SECONDS_MIN: u64 = 125;
/// What waits is uploaded by then.
const SETTLE: Duration = Duration::from_secs(8);
/// Longer than compacting and collecting should take.
const PATIENCE: Duration = Duration::from_secs(600);
/// Dollars per GiB written: the promise for the disk front, and the moonshot of the plan.
const TARGET: (f64, f64) = (0.0004, 0.00012);
/// The sizes are the defaults. Only times are shorter: a partition is large enough before it is old
/// enough while the load runs, and what is left at the end need not wait for an hour.
const COMPACTOR: &str = "interval = \"2s\"\nmax_age = \"75s\"\n\
     gc = { interval = \"20s\", grace = \"1s\" }";
/// Default pause between two looks of the garbage collection at the whole bucket. Each costs the same
/// whatever was written meanwhile, so as many are charged as there would be.
const LOOK_INTERVAL: f64 = 1_800.0;
/// What such a look does. What it reads of log slots is charged as it is: that grows with them.
const LOOK: &[&str] = &["list", "get", "put", "head"];

/// Role and operation.
type Line = (String, String);

/// Requests and bytes so far.
#[derive(Debug, Default, Clone)]
struct Bill {
    requests: BTreeMap<Line, f64>,
    bytes_up: f64,
    bytes_down: f64,
}

pub(crate) fn run(options: &Options) -> Result<Report> {
    let mut rows = Vec::new();
    for front in [FrontKind::Disk, FrontKind::Object] {
        rows.extend(of_front(front, options.seconds.max(SECONDS_MIN))?);
    }
    Ok(Report::new("s3-cost", 0.0, rows))
}

fn of_front(front: FrontKind, seconds: u64) -> Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let spec = Spec {
        nodes: 1,
        gateways: 1,
        readers: 1,
        store: StoreKind::Directory,
        front,
        hot_cache: "256MiB".to_owned(),
        wal_size: "512MiB".to_owned(),
        compactor: Some(COMPACTOR.to_owned()),
        ..Spec::default()
    };
    let mut cluster = Cluster::start(dir.path(), &spec)?;
    let address = cluster.gateways.first().context("a gateway")?.address();
    let load = Load {
        address,
        topic: "cost".to_owned(),
        partitions: 16,
        connections: 4,
        window: 64,
        records_per_batch: 16,
        record_len: 1008,
        duration: Duration::from_secs(seconds),
        rate: Some(50.0 * f64::from(1 << 20)),
        watch: None,
        client: BENCH,
        security: Security::default(),
    };
    load.create_topic()?;
    sleep(SETTLE);
    let before = Bill::of_roles(cluster.roles())?;
    let looked_before = looks(&cluster)?;
    let outcome = load.run()?;
    anyhow::ensure!(outcome.errors == 0, "{} requests failed", outcome.errors);
    compact_all(&cluster, &outcome)?;
    // A restart ends the log, and begins the node's counters anew.
    let first_life = Bill::of_roles(cluster.nodes.iter_mut())?;
    cluster.nodes[0].stop()?;
    cluster.nodes[0].start()?;
    collect_all(&cluster, &outcome)?;
    let second_life = Bill::of_roles(cluster.nodes.iter_mut())?;
    let mut spent = Bill::of_roles(cluster.roles())?.since(&second_life);
    spent.add(&first_life);
    let mut spent = spent.since(&before);
    let share = outcome.elapsed.as_secs_f64() / LOOK_INTERVAL;
    spent.scale_looks(share / (looks(&cluster)? - looked_before));
    Ok(spent.rows(front, &outcome))
}

/// Waits until every byte that was written has been rewritten, and is in a manifest.
fn compact_all(cluster: &Cluster, outcome: &Outcome) -> Result<()> {
    wait_for("all of it is compacted", || {
        let written = cluster.metric_of_compactors("compactor_written_bytes_total", "")?;
        Ok(written >= outcome.bytes as f64)
    })?;
    sleep(SETTLE);
    Ok(())
}

/// Waits until the slots of the log that ended are gone, and with them those of an object front.
fn collect_all(cluster: &Cluster, outcome: &Outcome) -> Result<()> {
    let slots = (outcome.bytes / SLOT_BYTES_MAX) as f64;
    wait_for("all log slots are collected", || {
        let deleted = cluster.metric_of_compactors("compactor_gc_deleted_total", "family=\"l\"")?;
        let waiting = cluster.metric_of_compactors("compactor_gc_waiting", "")?;
        Ok(deleted >= slots && waiting == 0.0)
    })
}

/// How often the garbage collection looked at the whole bucket.
fn looks(cluster: &Cluster) -> Result<f64> {
    cluster.metric_of_compactors("compactor_gc_cycles_total", "")
}

fn wait_for(what: &str, reached: impl Fn() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !reached()? {
        anyhow::ensure!(started.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}");
        sleep(Duration::from_millis(500));
    }
    Ok(())
}

impl Bill {
    /// The counters of processes. Gateways hold no data and never talk to the store.
    fn of_roles<'a>(roles: impl Iterator<Item = &'a mut Role>) -> Result<Self> {
        let mut bill = Self::default();
        for role in roles {
            for line in http_get(role.http(), "/metrics")?.lines() {
                let Some((series, value)) = line.rsplit_once(' ') else { continue };
                let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                let label = |name: &str| {
                    let (_, after) = labels.split_once(&format!("{name}=\""))?;
                    after.split_once('"').map(|(value, _)| value.to_owned())
                };
                let (Some(role), Some(op)) = (label("role"), label("op")) else { continue };
                let value: f64 = value.parse()?;
                match name {
                    REQUESTS => *bill.requests.entry((role, op)).or_default() += value,
                    BYTES if PUTS.contains(&op.as_str()) => bill.bytes_up += value,
                    BYTES if GETS.contains(&op.as_str()) => bill.bytes_down += value,
                    _ => {}
                }
            }
        }
        Ok(bill)
    }

    fn add(&mut self, more: &Self) {
        for (line, count) in &more.requests {
            *self.requests.entry(line.clone()).or_default() += count;
        }
        self.bytes_up += more.bytes_up;
        self.bytes_down += more.bytes_down;
    }

    fn since(mut self, before: &Self) -> Self {
        for (line, count) in &before.requests {
            *self.requests.entry(line.clone()).or_default() -= count;
        }
        self.bytes_up -= before.bytes_up;
        self.bytes_down -= before.bytes_down;
        self
    }

    fn scale_looks(&mut self, factor: f64) {
        let looks = self
            .requests
            .iter_mut()
            .filter(|((role, op), _)| role == "gc" && LOOK.contains(&op.as_str()));
        looks.for_each(|(_, count)| *count *= factor);
    }

    fn count(&self, ops: &[&str]) -> f64 {
        let counted = self.requests.iter().filter(|((_, op), _)| ops.contains(&op.as_str()));
        counted.map(|(_, count)| count).sum()
    }

    fn dollars(&self) -> f64 {
        self.count(PUTS) * PUT_DOLLARS + self.count(GETS) * GET_DOLLARS
    }

    fn rows(&self, front: FrontKind, outcome: &Outcome) -> Vec<Row> {
        let gib = outcome.bytes as f64 / GIB;
        let row = |figure: &str, unit, value| {
            Row::median(&format!("{}_{figure}", front.name()), unit, "lower", vec![value])
        };
        let dollars = row("dollars_per_gib", "$/GiB", self.dollars() / gib);
        let dollars =
            if front == FrontKind::Disk { dollars.target(TARGET.0, TARGET.1) } else { dollars };
        let mut rows = vec![
            dollars,
            row("puts_per_gib", "requests", self.count(PUTS) / gib),
            row("gets_per_gib", "requests", self.count(GETS) / gib),
            row("bytes_up_per_byte", "ratio", self.bytes_up / outcome.bytes as f64),
            row("bytes_down_per_byte", "ratio", self.bytes_down / outcome.bytes as f64),
            row("mib_s", "MiB/s", outcome.mb_per_second() / 1.048_576),
        ];
        let used = self.requests.iter().filter(|(_, count)| **count > 0.0);
        rows.extend(used.map(|((role, op), count)| {
            row(&format!("{role}_{op}_per_gib"), "requests", count / gib)
        }));
        rows
    }
}
