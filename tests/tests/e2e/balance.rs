//! A node that joins a cluster under load gets its share within seconds, and no client notices.

use std::thread::sleep;
use std::time::Duration;

use thermocline_tests::chaos::checker::check;
use thermocline_tests::chaos::load::Load;
use thermocline_tests::clients::Client;
use thermocline_tests::cluster::{Cluster, FrontKind, Spec};
use thermocline_tests::process::metric;
use tokio::time::Instant;

const TOPIC: &str = "balanced";
const PARTITIONS: u32 = 12;
/// Bytes per second: enough that every partition is written to all the time.
const RATE: u64 = 5_000_000;
const CALM: Duration = Duration::from_secs(5);
/// Longer than moving a third of all partitions takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const OPEN: &str = "storage_node_partitions";

fn open_on(cluster: &Cluster, node: usize) -> f64 {
    metric(cluster.nodes[node].http(), OPEN, "").expect("a node that runs says what it has")
}

/// Waits until the nodes differ by as few partitions as the planner wants.
fn wait_until_even(cluster: &Cluster) {
    let started = Instant::now();
    loop {
        let open: Vec<f64> = (0..cluster.nodes.len()).map(|node| open_on(cluster, node)).collect();
        let (most, least) = (open.iter().fold(0.0, |a, b| f64::max(a, *b)), open[2]);
        if most - least <= 1.0 {
            eprintln!("even after {:.1?}: {open:?}", started.elapsed());
            return;
        }
        assert!(started.elapsed() < PATIENCE, "still uneven: {open:?}");
        sleep(Duration::from_millis(100));
    }
}

fn a_node_joins(front: FrontKind) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let spec = Spec { front, ..Spec::default() };
    let mut cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
    cluster.nodes[2].stop().expect("the third node leaves in order");
    let bootstrap = cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, TOPIC, PARTITIONS).expect("topic is created");
    let load = Load::start(dir.path(), &bootstrap, TOPIC, PARTITIONS, RATE).expect("load");
    sleep(CALM);
    cluster.nodes[2].start().expect("the third node joins");
    wait_until_even(&cluster);
    let moved = metric(cluster.control.http(), "control_moves_total", "").expect("a metric");
    assert!(moved >= 10.0, "{moved}: it cannot have become even without");
    sleep(CALM);

    let history = load.finish().expect("clients end in order");
    let findings = check(&history);
    assert!(findings.counts().iter().all(|(_, count)| *count == 0), "{findings:?}");
    assert!(!history.acks.is_empty());
    assert_eq!((history.unanswered, history.failed.len()), (0, 0));
    assert!(history.errors.is_empty(), "clients were told of {:?}", history.errors);
    cluster.scrub().expect("the bucket is clean");
}

#[test]
fn a_node_joins_on_the_disk_front() {
    a_node_joins(FrontKind::Disk);
}

#[test]
fn a_node_joins_on_the_object_front() {
    a_node_joins(FrontKind::Object);
}
