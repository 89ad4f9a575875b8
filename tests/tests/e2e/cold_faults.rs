//! An object store that is slow or fails holds up replays, and nobody else: with a disk front neither
//! produce nor tail reads need it.
//!
//! Counts are asserted. Latencies and rates are printed: this is a debug build on a busy machine, and
//! its backlog is small. `make bench SCENARIO=cold-faults` shows by how much replays get slower.

use std::thread::sleep;
use std::time::Duration;

use process::Clock;
use thermocline_tests::chaos::checker::check;
use thermocline_tests::chaos::history::{Ack, History};
use thermocline_tests::chaos::load::Load;
use thermocline_tests::clients::Client;
use thermocline_tests::cluster::{Cluster, Spec, StoreKind};
use thermocline_tests::process::metric;
use thermocline_tests::s3_proxy::{Fault, Rule, S3Proxy, Which};

const TOPIC: &str = "cold-faults";
const PARTITIONS: u32 = 4;
const RATE: u64 = 2_000_000;
const PHASE: Duration = Duration::from_secs(6);
/// Bytes per second of a replay that nobody slows down.
const FAST: u64 = 1_000_000_000;

/// What a replay is met with.
const PHASES: [(&str, Option<(f64, Fault)>); 3] = [
    ("well", None),
    ("slow", Some((1.0, Fault::Delay(Duration::from_millis(500))))),
    ("failing", Some((0.2, Fault::SlowDown))),
];

/// What happened between two moments.
struct Phase {
    name: &'static str,
    since_ms: i64,
    until_ms: i64,
    cold: f64,
    hot: f64,
    hits: u64,
}

fn fetched(cluster: &Cluster, tier: &str) -> f64 {
    let label = format!("tier=\"{tier}\"");
    metric(cluster.gateways[0].http(), "gateway_fetch_bytes_total", &label).expect("metric")
}

fn proxy(cluster: &Cluster) -> &S3Proxy {
    cluster.proxy.as_ref().expect("the spec wants one")
}

/// A new reader, whose cache is empty, serves a new replay, from an object store in this state.
fn phase(
    cluster: &mut Cluster,
    load: &mut Load,
    name: &'static str,
    fault: Option<(f64, Fault)>,
) -> Phase {
    cluster.readers[0].kill();
    cluster.readers[0].start().expect("a reader starts");
    let rule = fault.map(|(share, fault)| Rule::sometimes(Which::All, share, fault));
    proxy(cluster).set(rule.into_iter().collect());
    let clock = Clock::system();
    let (since_ms, cold, hot) = (clock.now_ms(), fetched(cluster, "cold"), fetched(cluster, "hot"));
    load.replay(name, Client::Python, FAST).expect("a replay starts");
    sleep(PHASE);
    let (cold, hot) = (fetched(cluster, "cold") - cold, fetched(cluster, "hot") - hot);
    let hits = proxy(cluster).hits();
    proxy(cluster).heal();
    Phase { name, since_ms, until_ms: clock.now_ms(), cold, hot, hits }
}

impl Phase {
    fn judge(&self, history: &History, fault: bool) {
        let within = |ack: &&Ack| (self.since_ms..self.until_ms).contains(&ack.sent_ms);
        let mut waits: Vec<i64> =
            history.acks.iter().filter(within).map(|ack| ack.acked_ms - ack.sent_ms).collect();
        waits.sort_unstable();
        let at = |share: usize| waits.get(waits.len() * share / 100).copied().unwrap_or(-1);
        eprintln!(
            "{}: {} acknowledged, p50 {} ms, p99 {} ms; read hot {:.1} MB, cold {:.1} MB; {} hits",
            self.name,
            waits.len(),
            at(50),
            at(99),
            self.hot / 1e6,
            self.cold / 1e6,
            self.hits
        );
        assert_eq!(self.hits > 0, fault, "{}: the fault happened", self.name);
        assert!(self.cold > 0.0, "{}: the replay goes on", self.name);
        assert!(self.hot > 0.0, "{}: the tail is read from memory", self.name);
        assert!(!waits.is_empty(), "{}: produce goes on", self.name);
    }
}

#[test]
fn an_object_store_that_is_slow_or_fails_holds_up_replays_only() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let spec = Spec {
        nodes: 1,
        gateways: 1,
        readers: 1,
        store: StoreKind::FaultyS3,
        hot_cache: "8MiB".to_owned(),
        upload_interval: "500ms".to_owned(),
        ..Spec::default()
    };
    let mut cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
    let bootstrap = cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, TOPIC, PARTITIONS).expect("topic is created");
    let mut load = Load::start(dir.path(), &bootstrap, TOPIC, PARTITIONS, RATE).expect("load");
    // More than twice what the node keeps in memory.
    sleep(2 * PHASE);
    let phases = PHASES.map(|(name, fault)| phase(&mut cluster, &mut load, name, fault));

    let by_group = |tier: &str| {
        let (name, label) = ("gateway_group_fetch_bytes_total", format!("tier=\"{tier}\""));
        metric(cluster.gateways[0].http(), name, &label).expect("metric")
    };
    assert!(by_group("hot") > 0.0 && by_group("cold") > 0.0, "groups are told apart");
    let history = load.finish().expect("clients end in order");
    let findings = check(&history);
    assert!(findings.is_clean(), "{findings:?}");
    assert!(history.tails.iter().all(|tail| tail.complete), "all reach the tail");
    assert_eq!((history.unanswered, &history.failed), (0, &Vec::new()));
    assert!(history.errors.is_empty(), "clients were told of {:?}", history.errors);
    for (phase, (_, fault)) in phases.iter().zip(PHASES) {
        phase.judge(&history, fault.is_some());
    }
    cluster.scrub().expect("the bucket keeps its promises");
}
