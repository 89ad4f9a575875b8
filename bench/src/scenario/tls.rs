//! `tls`: the load of `peak-produce` through a plain listener and one with TLS 1.3 of the same
//! gateway, interleaved; and whole handshakes per second of server CPU, by OpenSSL's own client, beside
//! OpenSSL's own server with the same certificate.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use thermocline_tests::process::{Process, free_address};

use crate::certificates::Certificates;
use crate::load::{BENCH, Load};
use crate::procfs;
use crate::report::{Report, Row};
use crate::sample::Sample;
use crate::scenario::{Options, Side, each, foreign_share, interleave, ratios};
use crate::subject::Subject;
use crate::wire::Security;

/// Handshakes are counted for so long, in seconds.
const HANDSHAKES_S: u64 = 3;

pub(crate) fn run(options: &Options) -> Result<Report> {
    let dir = tempfile::tempdir()?;
    let certificates = Certificates::make(dir.path())?;
    let listener = free_address()?;
    let tables = certificates.listener(listener, "tls");
    let subject = Subject::start_with(dir.path(), &tables)?;
    let plain = Load {
        address: subject.address,
        topic: "tls".to_owned(),
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
    plain.create_topic()?;
    let security = Security { tls: Some(Arc::clone(&certificates.client)), login: None };
    let tls = Load { security, ..plain.at(listener) };
    let pids = subject.pids();
    let sides = [&tls, &plain].map(|load| Side { load: load.clone(), pids: pids.clone() });
    let samples = interleave(&sides, options.repeats)?;
    let gb_s = |sample: &Sample| sample.outcome.mb_per_second() / 1000.0;
    let cpu = Sample::cpu_seconds_per_gib;
    let (tls, plain) = (&samples[0], &samples[1]);
    let added = tls.iter().zip(plain).map(|(a, b)| cpu(a) - cpu(b)).collect();
    let mut rows = vec![
        Row::median("tls_over_plain", "ratio", "higher", ratios(tls, plain, gb_s))
            .target(0.5, 0.65)
            .against("the same gateway, plain"),
        Row::median("tls_gb_s", "GB/s", "higher", each(tls, gb_s)),
        Row::median("plain_gb_s", "GB/s", "higher", each(plain, gb_s)),
        Row::median("added_cpu_s_per_gib", "CPU-s/GiB", "lower", added).target(0.7, 0.45),
    ];
    rows.extend(handshakes(&certificates, listener, pids[0], options.repeats)?);
    Ok(Report::new("tls", foreign_share(&samples), rows))
}

fn handshakes(
    certificates: &Certificates,
    listener: SocketAddr,
    gateway: u32,
    repeats: usize,
) -> Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let address = free_address()?;
    let mut command = Command::new("openssl");
    command.args(["s_server", "-quiet", "-accept", &address.to_string(), "-cert"]);
    command.arg(&certificates.certificate).arg("-key").arg(&certificates.key);
    let mut peer = Process::spawn("openssl", command, dir.path())?;
    peer.wait_for_port(address)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        ours.push(per_cpu_second(listener, gateway)?);
        theirs.push(per_cpu_second(address, peer.id())?);
    }
    let ratio = ours.iter().zip(&theirs).map(|(a, b)| a / b).collect();
    let name = "openssl s_server, openssl s_time";
    Ok(vec![
        Row::median("handshakes_per_s_per_core", "1/s", "higher", ours).target(5_000.0, 5_000.0),
        Row::median("openssl_handshakes_per_s_per_core", "1/s", "higher", theirs),
        Row::median("handshakes_over_openssl", "ratio", "higher", ratio).against(name),
    ])
}

/// Connections, each with a whole TLS 1.3 handshake, per second of the server's CPU.
fn per_cpu_second(server: SocketAddr, pid: u32) -> Result<f64> {
    let before = procfs::cpu_seconds(pid)?;
    let output = Command::new("openssl")
        .args(["s_time", "-new", "-tls1_3", "-time", &HANDSHAKES_S.to_string()])
        .args(["-connect", &server.to_string()])
        .output()
        .context("openssl")?;
    let cpu = procfs::cpu_seconds(pid)? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.contains(" connections in ")).context("a count")?;
    let count: f64 = line.split_whitespace().next().context("a number")?.parse()?;
    ensure!(count > 0.0 && cpu > 0.0, "{count} handshakes in {cpu} s of CPU: {text}");
    Ok(count / cpu)
}
