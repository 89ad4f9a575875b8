//! `connections`: ten thousand idle clients and a hundred busy ones on a gateway, once without
//! anything and once with TLS and SCRAM: what an idle connection costs in memory, how long all take to
//! connect and to come back at once, and what the busy ones notice. Then half as many sockets that
//! never finish their handshake.
//!
//! Clients and gateway are processes of their own, so the memory is the gateway's alone; what the
//! kernel holds for a socket is not in it. Each kind has a gateway for itself, because memory once
//! given back stays with the process.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};
use thermocline_tests::cluster::{Cluster, FrontKind, Spec, StoreKind};
use thermocline_tests::process::free_address;
use thermocline_tests::thermocline_binary;

use crate::certificates::Certificates;
use crate::crowd::{Crowd, slowloris};
use crate::load::{BENCH, Load, Outcome};
use crate::login::Login;
use crate::procfs;
use crate::report::{Report, Row};
use crate::scenario::Options;
use crate::wire::Security;

const TOPIC: &str = "busy";
const ACTIVE: usize = 100;
/// Bytes per second of the busy clients together.
const RATE: f64 = 10e6;
/// For buffers of the last answers to be given back.
const SETTLE: Duration = Duration::from_secs(3);
/// New clients that come while others never finish their handshake.
const NEWCOMERS: usize = 200;
const USER: &str = "bench";
const PASSWORD: &str = "a-password-of-this-run";

pub(crate) fn run(options: &Options) -> Result<Report> {
    raise_file_limit()?;
    let dir = tempfile::tempdir()?;
    let certificates = Certificates::make(dir.path())?;
    let secure = free_address()?;
    let limit = options.connections * 2;
    // Only one of the two gateways can bind it; the other one is plain.
    let tables = format!(
        "{}[gateway.limits]\nconnections = {limit}\n",
        certificates.listener(secure, "sasl_tls")
    );
    let spec = Spec {
        nodes: 1,
        gateways: 1,
        readers: 0,
        store: StoreKind::Directory,
        front: FrontKind::Disk,
        gateway_tables: tables,
        ..Spec::default()
    };
    let mut rows = Vec::new();
    for kind in [Kind::Plain, Kind::Tls] {
        let dir = tempfile::tempdir()?;
        let cluster = Cluster::start(dir.path(), &spec)?;
        let busy = busy(&cluster, options)?;
        let (address, security) = match kind {
            Kind::Plain => (busy.address, Security::default()),
            Kind::Tls => {
                add_user(dir.path())?;
                let login = Some(Arc::new(Login::new(USER, PASSWORD)));
                (secure, Security { tls: Some(Arc::clone(&certificates.client)), login })
            }
        };
        let gateway = cluster.gateways[0].process().context("a gateway")?.id();
        let measured =
            Measured { kind, gateway, address, security, busy, count: options.connections };
        rows.extend(measured.run()?);
    }
    Ok(Report::new("connections", f64::NAN, rows))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Tls,
}

/// A gateway that is to bear a crowd.
struct Measured {
    kind: Kind,
    gateway: u32,
    address: SocketAddr,
    security: Security,
    busy: Load,
    count: usize,
}

impl Measured {
    fn run(&self) -> Result<Vec<Row>> {
        self.busy.run()?;
        let alone = self.busy.run()?;
        let before = self.resident()?;
        let mut crowd = self.crowd()?;
        thread::sleep(SETTLE);
        let bytes = (self.resident()? - before) / crowd.len() as f64;
        let beside = self.busy.run()?;
        let (connected, count) = (crowd.took, crowd.len());
        let served = crowd.served(TOPIC);
        ensure!(served == count, "{served} of {count} clients are still served");
        drop(crowd);
        let again = self.crowd()?.took;
        let (name, kib) = match self.kind {
            Kind::Plain => ("plain", (24.0, 10.0)),
            Kind::Tls => ("tls", (64.0, 40.0)),
        };
        let row = |figure: &str, unit, value| {
            Row::median(&format!("{figure}_{name}"), unit, "lower", vec![value])
        };
        let mut rows = vec![
            row("bytes_per_connection", "B", bytes).target(kib.0 * 1024.0, kib.1 * 1024.0),
            row("connect_s", "s", connected.as_secs_f64()),
            row("reconnect_s", "s", again.as_secs_f64()).target(15.0, 5.0),
            row("active_p99_ms", "ms", p99(&beside)),
            row("active_p99_ratio", "ratio", p99(&beside) / p99(&alone)).target(1.5, 1.1),
        ];
        if self.kind == Kind::Tls {
            rows.extend(self.slowloris(&alone)?);
        }
        Ok(rows)
    }

    fn slowloris(&self, alone: &Outcome) -> Result<Vec<Row>> {
        let sockets = slowloris(self.address, self.count / 2)?;
        let beside = self.busy.run()?;
        let newcomers = Crowd::connect(&self.security, self.address, NEWCOMERS, TOPIC)?;
        let row = |name: &str, unit, value| Row::median(name, unit, "lower", vec![value]);
        Ok(vec![
            row("slowloris_sockets", "sockets", sockets.len() as f64),
            row("slowloris_active_p99_ratio", "ratio", p99(&beside) / p99(alone)).target(1.5, 1.1),
            row("slowloris_newcomers_s", "s", newcomers.took.as_secs_f64()),
        ])
    }

    fn crowd(&self) -> Result<Crowd> {
        Crowd::connect(&self.security, self.address, self.count, TOPIC)
    }

    fn resident(&self) -> Result<f64> {
        Ok(procfs::resident_bytes(self.gateway)? as f64)
    }
}

fn p99(outcome: &Outcome) -> f64 {
    outcome.latency.percentile_ms(0.99)
}

fn busy(cluster: &Cluster, options: &Options) -> Result<Load> {
    let load = Load {
        address: cluster.gateways.first().context("a gateway")?.address(),
        topic: TOPIC.to_owned(),
        partitions: 6,
        connections: ACTIVE,
        window: 4,
        records_per_batch: 4,
        record_len: 1008,
        duration: Duration::from_secs(options.seconds),
        rate: Some(RATE),
        watch: None,
        client: BENCH,
        security: Security::default(),
    };
    load.create_topic()?;
    Ok(load)
}

fn add_user(dir: &Path) -> Result<()> {
    let password = dir.join("password");
    fs::write(&password, PASSWORD)?;
    let output = Command::new(thermocline_binary())
        .args(["user", "add", USER, "--mechanism", "SCRAM-SHA-256", "--password-file"])
        .arg(&password)
        .arg("--config")
        .arg(dir.join("gateway-1.toml"))
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// As many files as the machine lets this process have; the roles do the same.
fn raise_file_limit() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
