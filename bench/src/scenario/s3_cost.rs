//! `s3-cost`: what a GiB written costs in requests to the object store, per front, at 50 MiB/s.
//!
//! Every role's own counters before and after, so whatever runs beside the load is in it: metadata
//! log, manifests, compaction where a compactor runs. List prices of S3 Standard: PUT and LIST
//! $0.005, GET and HEAD $0.0004 per thousand, DELETE free.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use thermocline_tests::cluster::{Cluster, FrontKind, Spec, StoreKind};
use thermocline_tests::process::metric;

use crate::load::Load;
use crate::report::{Report, Row};
use crate::scenario::Options;

const PUT_DOLLARS: f64 = 0.005 / 1000.0;
const GET_DOLLARS: f64 = 0.0004 / 1000.0;
const PUTS: &[&str] = &["put", "create", "update", "list"];
const GETS: &[&str] = &["get", "get_range", "head"];
const GIB: f64 = (1u64 << 30) as f64;
/// Shorter runs would count the start-up and a fraction of an object.
const SECONDS_MIN: u64 = 20;
/// What waits is uploaded by then.
const SETTLE: Duration = Duration::from_secs(8);
/// Dollars per GiB written: the promise for the disk front, and the moonshot of the plan.
const TARGET: (f64, f64) = (0.0004, 0.00012);

/// Requests and bytes so far.
#[derive(Debug, Default, Clone, Copy)]
struct Bill {
    puts: f64,
    gets: f64,
    bytes_up: f64,
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
    };
    load.create_topic()?;
    sleep(SETTLE);
    let before = Bill::so_far(&mut cluster)?;
    let outcome = load.run()?;
    anyhow::ensure!(outcome.errors == 0, "{} requests failed", outcome.errors);
    sleep(SETTLE);
    let spent = Bill::so_far(&mut cluster)?.since(before);
    let gib = outcome.bytes as f64 / GIB;
    let name = front.name();
    let row = |figure: &str, unit, value| {
        Row::median(&format!("{name}_{figure}"), unit, "lower", vec![value])
    };
    let dollars = row("dollars_per_gib", "$/GiB", spent.dollars() / gib);
    let dollars =
        if front == FrontKind::Disk { dollars.target(TARGET.0, TARGET.1) } else { dollars };
    Ok(vec![
        dollars,
        row("puts_per_gib", "requests", spent.puts / gib),
        row("gets_per_gib", "requests", spent.gets / gib),
        row("bytes_up_per_byte", "ratio", spent.bytes_up / outcome.bytes as f64),
        row("mib_s", "MiB/s", outcome.mb_per_second() / 1.048_576),
    ])
}

impl Bill {
    fn so_far(cluster: &mut Cluster) -> Result<Self> {
        let mut bill = Self::default();
        // Gateways hold no data and never talk to the store.
        for role in cluster.roles() {
            let of = |name: &str, operation: &str| {
                metric(role.http(), name, &format!("op=\"{operation}\""))
            };
            for operation in PUTS {
                bill.puts += of("object_store_requests_total", operation)?;
                bill.bytes_up += of("object_store_bytes_total", operation)?;
            }
            for operation in GETS {
                bill.gets += of("object_store_requests_total", operation)?;
            }
        }
        Ok(bill)
    }

    fn since(self, before: Self) -> Self {
        Self {
            puts: self.puts - before.puts,
            gets: self.gets - before.gets,
            bytes_up: self.bytes_up - before.bytes_up,
        }
    }

    fn dollars(self) -> f64 {
        self.puts * PUT_DOLLARS + self.gets * GET_DOLLARS
    }
}
