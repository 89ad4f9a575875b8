//! `noisy-tenant`: a tenant asks for ten times its quota over 50 connections and three gateways, while
//! another one, without a quota, produces a little. What the first gets over ten seconds, and how the
//! latency of the second moves.
//!
//! The quiet tenant is measured alone and beside the noisy one in turn, so that slow drift of the
//! machine hits both alike. The noisy one runs for some seconds before it counts: what idle clients
//! save up, and the first division of the quota among the gateways, are over by then.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use thermocline_tests::cluster::{Cluster, FrontKind, Spec, StoreKind};
use thermocline_tests::process::free_address;
use thermocline_tests::thermocline_binary;

use crate::load::{BENCH, Load, Outcome};
use crate::report::{Report, Row};
use crate::scenario::Options;
use crate::timeline::{Flow, Timeline};
use crate::wire::Security;

const NOISY: &str = "noisy";
const GATEWAYS: usize = 3;
const CONNECTIONS: usize = 50;
/// Bytes per second, over all gateways.
const QUOTA: f64 = 8e6;
/// What the noisy client asks for, in quotas.
const TIMES: f64 = 10.0;
const QUIET_RATE: f64 = 1e6;
const WARM_UP: Duration = Duration::from_secs(6);
/// Over which the quota must hold.
const WINDOW: Duration = Duration::from_secs(10);
const SLOT: Duration = Duration::from_millis(500);

/// One repetition.
struct Taken {
    alone: Outcome,
    beside: Outcome,
    /// What the noisy client got in those ten seconds, in quotas.
    got: f64,
}

pub(crate) fn run(options: &Options) -> Result<Report> {
    let dir = tempfile::tempdir()?;
    let port = free_address()?.port();
    // A listener of the noisy tenant, on an address of loopback that no other gateway has.
    let noisy_at = |gateway: usize| format!("127.0.1.{gateway}:{port}");
    let gateway_tables = format!(
        "[[gateway.listeners]]\nname = \"NOISY\"\nbind = \"127.0.1.{{id}}:{port}\"\n\
         tenant = \"{NOISY}\"\n"
    );
    let spec = Spec {
        nodes: 1,
        gateways: GATEWAYS,
        store: StoreKind::Directory,
        front: FrontKind::Disk,
        gateway_tables,
        ..Spec::default()
    };
    let cluster = Cluster::start(dir.path(), &spec)?;
    let config = dir.path().join("gateway-1.toml");
    operate(&config, &["tenant", "create", NOISY])?;
    let quota = format!("producer_byte_rate={QUOTA}");
    operate(&config, &["quota", "set", &quota, "--tenant", NOISY])?;
    let gateways = (1..=GATEWAYS).map(|gateway| Ok(noisy_at(gateway).parse()?));
    let gateways: Vec<SocketAddr> = gateways.collect::<Result<_>>()?;
    let quiet_at = cluster.gateways.first().context("a gateway")?.address();
    let quiet = load(quiet_at, "quiet", 2, QUIET_RATE);
    let noisy = load(gateways[0], "noisy", CONNECTIONS, TIMES * QUOTA);
    quiet.create_topic()?;
    noisy.create_topic()?;
    let taken: Vec<_> = (0..options.repeats)
        .map(|_| repetition(&quiet, &noisy, &gateways))
        .collect::<Result<_>>()?;
    let each = |figure: &dyn Fn(&Taken) -> f64| taken.iter().map(figure).collect::<Vec<_>>();
    let p99 = |outcome: &Outcome| outcome.latency.percentile_ms(0.99);
    let moved = each(&|taken| p99(&taken.beside) / p99(&taken.alone));
    let off = each(&|taken| (taken.got - 1.0).abs());
    let rows = vec![
        Row::median("quota_error", "share over 10 s", "lower", off).target(0.1, 0.05),
        Row::median("quiet_p99_ratio", "ratio", "lower", moved).target(1.3, 1.05),
        Row::median("quota_got", "quotas", "higher", each(&|taken| taken.got)),
        Row::median("quiet_p99_alone", "ms", "lower", each(&|taken| p99(&taken.alone))),
        Row::median("quiet_p99_beside", "ms", "lower", each(&|taken| p99(&taken.beside))),
    ];
    Ok(Report::new("noisy-tenant", f64::NAN, rows))
}

fn load(address: SocketAddr, topic: &str, connections: usize, rate: f64) -> Load {
    Load {
        address,
        topic: topic.to_owned(),
        partitions: 6,
        connections,
        window: 4,
        records_per_batch: 16,
        record_len: 1008,
        duration: WARM_UP + WINDOW,
        rate: Some(rate),
        watch: None,
        client: BENCH,
        security: Security::default(),
    }
}

/// Runs an operator's command.
fn operate(config: &Path, command: &[&str]) -> Result<()> {
    let mut process = Command::new(thermocline_binary());
    let output = process.args(command).arg("--config").arg(config).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn repetition(quiet: &Load, noisy: &Load, gateways: &[SocketAddr]) -> Result<Taken> {
    let alone = Load { duration: WINDOW, ..quiet.clone() }.run()?;
    let timeline = Timeline::new(SLOT);
    let noise: Vec<_> = gateways
        .iter()
        .enumerate()
        .map(|(index, gateway)| {
            let connections = CONNECTIONS / GATEWAYS + usize::from(index < CONNECTIONS % GATEWAYS);
            let rate = noisy.rate.map(|rate| rate * connections as f64 / CONNECTIONS as f64);
            let watch = Some(timeline.clone());
            let load = Load { connections, rate, watch, ..noisy.at(*gateway) };
            thread::spawn(move || load.run())
        })
        .collect();
    thread::sleep(WARM_UP);
    let beside = Load { duration: WINDOW, ..quiet.clone() }.run()?;
    for load in noise {
        load.join().ok().context("a load thread panicked")??;
    }
    let bytes: Vec<_> =
        timeline.past().iter().map(|slot| slot.bytes(Flow::Produce) as f64).collect();
    let slots = |time: Duration| (time.as_millis() / SLOT.as_millis()) as usize;
    let counted = bytes.iter().skip(slots(WARM_UP)).take(slots(WINDOW));
    let got = counted.sum::<f64>() / WINDOW.as_secs_f64() / QUOTA;
    Ok(Taken { alone, beside, got })
}
