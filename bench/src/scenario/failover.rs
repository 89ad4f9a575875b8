//! `failover`: SIGKILL of a storage node, a gateway, the cold reader, control, the leading member of
//! etcd's three, and all three, under load; how long until every partition has acknowledged something
//! that was sent after it. On the object front, where any node takes over; a directory as store. Then
//! four nodes of many at once.
//!
//! The killed process is started again once the load is back, as a supervisor would, and all of etcd
//! at once.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use thermocline_tests::cluster::{Cluster, FrontKind, Role, Spec, StoreKind};

use crate::load::{BENCH, Load};
use crate::persistent::{Persistent, Running};
use crate::report::{Report, Row};
use crate::scenario::Options;
use crate::wire::Security;

const PARTITIONS: i32 = 64;
/// 50 MiB/s.
const RATE: f64 = 50.0 * 1024.0 * 1024.0;
/// Members of etcd, as in a cluster that is to last; one where there are many nodes on this machine.
const ETCD_MEMBERS: usize = 3;
/// Of the cluster with many nodes.
const KILLED: usize = 4;
/// Longer than it should ever take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Before and after each case.
const CALM: Duration = Duration::from_secs(4);
/// Nobody is evicted for so long after control began to lead: all nodes have to show up first.
const GRACE: Duration = Duration::from_secs(16);
const LOOK: Duration = Duration::from_millis(5);
/// With four of sixteen gone, the rule that stops mass eviction would hold back two of them.
const CONTROL: &str = "[control.failover]\nevictions_per_minute = 100\n";

/// Who is killed the so many-th time.
type Pick = fn(&mut Cluster, usize) -> &mut Role;

pub(crate) fn run(options: &Options) -> Result<Report> {
    let mut rows = few(options.repeats)?;
    rows.extend(many(options)?);
    Ok(Report::new("failover", f64::NAN, rows))
}

/// A cluster of two gateways and so many nodes and members of etcd, with a topic.
fn start(dir: &Path, nodes: usize, etcd_members: usize) -> Result<(Cluster, Persistent)> {
    let spec = Spec {
        nodes,
        etcd_members,
        gateways: 2,
        readers: 1,
        store: StoreKind::Directory,
        front: FrontKind::Object,
        control_lines: CONTROL.to_owned(),
        ..Spec::default()
    };
    let cluster = Cluster::start(dir, &spec)?;
    let gateways: Vec<_> = cluster.gateways.iter().map(Role::address).collect();
    let persistent = Persistent {
        gateways: gateways.clone(),
        topic: "failover".to_owned(),
        partitions: PARTITIONS,
        records_per_batch: 64,
        record_len: 1008,
        rate: RATE,
    };
    let topic = Load {
        address: gateways[0],
        topic: persistent.topic.clone(),
        partitions: PARTITIONS,
        connections: 1,
        window: 1,
        records_per_batch: 1,
        record_len: 1008,
        duration: CALM,
        rate: None,
        watch: None,
        client: BENCH,
        security: Security::default(),
    };
    topic.create_topic()?;
    Ok((cluster, persistent))
}

fn few(repeats: usize) -> Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let (mut cluster, load) = start(dir.path(), 3, ETCD_MEMBERS)?;
    let load = load.start();
    wait_for_all(&load, Duration::ZERO)?;
    thread::sleep(GRACE);
    let now = load.now();
    let before = load.latency(now - CALM, now);
    let rate = load.rate(now - CALM, now) / f64::from(1 << 20);
    let p99 = Row::median("p99_before_ms", "ms", "lower", vec![before.percentile_ms(0.99)]);
    let mut rows = vec![Row::median("produce_mib_s", "MiB/s", "higher", vec![rate]), p99];
    let cases: [(&str, Pick); 4] = [
        ("node", |cluster, index| &mut cluster.nodes[index % 3]),
        ("gateway", |cluster, index| &mut cluster.gateways[index % 2]),
        ("reader", |cluster, _| &mut cluster.readers[0]),
        ("control", |cluster, _| &mut cluster.control),
    ];
    for (name, role) in cases {
        let (mut acks, mut p99s) = (Vec::new(), Vec::new());
        for index in 0..repeats {
            let since = load.now();
            role(&mut cluster, index).kill();
            acks.push(wait_for_all(&load, since)?.as_secs_f64());
            thread::sleep(CALM);
            p99s.push(load.latency(since, since + CALM).percentile_ms(0.99));
            role(&mut cluster, index).start()?;
            thread::sleep(CALM);
        }
        rows.extend(case(name, acks, p99s));
    }
    rows.extend(without_etcd(&mut cluster, &load, repeats)?);
    Ok(rows)
}

/// The member of etcd that leads, and then all members, which are started again at once.
fn without_etcd(cluster: &mut Cluster, load: &Running, repeats: usize) -> Result<Vec<Row>> {
    let (mut acks, mut p99s) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        let leader = cluster.etcd.leader()?;
        let since = load.now();
        cluster.etcd.kill_member(leader);
        acks.push(wait_for_all(load, since)?.as_secs_f64());
        thread::sleep(CALM);
        p99s.push(load.latency(since, since + CALM).percentile_ms(0.99));
        cluster.etcd.start_again()?;
        thread::sleep(CALM);
    }
    let mut rows = Vec::from(case("etcd_member", acks, p99s));
    let since = load.now();
    cluster.etcd.kill();
    cluster.etcd.start_again()?;
    let ack = wait_for_all(load, since)?.as_secs_f64();
    thread::sleep(CALM);
    let p99 = load.latency(since, since + CALM).percentile_ms(0.99);
    rows.extend(case("etcd", vec![ack], vec![p99]));
    Ok(rows)
}

fn case(name: &str, acks: Vec<f64>, p99s: Vec<f64>) -> [Row; 2] {
    let figure = match name {
        "node" => "node_first_ack_p50_s".to_owned(),
        _ => format!("{name}_first_ack_s"),
    };
    let ack = Row::median(&figure, "s", "lower", acks);
    let ack = match name {
        "node" => ack.target(3.0, 1.5),
        "gateway" => ack.target(1.0, 0.3),
        _ => ack,
    };
    [ack, Row::median(&format!("{name}_p99_during_ms"), "ms", "lower", p99s)]
}

/// One node of many, then four at once.
fn many(options: &Options) -> Result<Vec<Row>> {
    let nodes = options.nodes.max(KILLED + 2);
    let dir = tempfile::tempdir()?;
    let (mut cluster, load) = start(dir.path(), nodes, 1)?;
    let load = load.start();
    wait_for_all(&load, Duration::ZERO)?;
    thread::sleep(GRACE);
    let (mut one, mut four) = (Vec::new(), Vec::new());
    for _ in 0..options.repeats.min(3) {
        for (count, took) in [(1, &mut one), (KILLED, &mut four)] {
            let since = load.now();
            for node in &mut cluster.nodes[..count] {
                node.kill();
            }
            took.push(wait_for_all(&load, since)?.as_secs_f64());
            for node in &mut cluster.nodes[..count] {
                node.start()?;
            }
            thread::sleep(CALM * 2);
        }
    }
    let ratio = one.iter().zip(&four).map(|(one, four)| four / one).collect();
    Ok(vec![
        Row::median("nodes_of_many", "nodes", "higher", vec![nodes as f64]),
        Row::median("one_of_many_first_ack_s", "s", "lower", one),
        Row::median("four_of_many_first_ack_s", "s", "lower", four),
        Row::median("four_over_one", "ratio", "lower", ratio).target(2.0, 1.2),
    ])
}

fn wait_for_all(load: &Running, since: Duration) -> Result<Duration> {
    loop {
        if let Some(took) = load.first_ack_on_all(since) {
            return Ok(took);
        }
        ensure!(load.now() - since < PATIENCE, "a partition is silent for {PATIENCE:?}");
        thread::sleep(LOOK);
    }
}
