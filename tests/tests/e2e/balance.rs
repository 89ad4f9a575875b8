//! A node that joins a cluster under load gets its share within seconds; one that is drained is
//! emptied, and leaves; no client notices either.

use std::thread::sleep;
use std::time::Duration;

use thermocline_tests::chaos::checker::check;
use thermocline_tests::chaos::load::Load;
use thermocline_tests::clients::Client;
use thermocline_tests::cluster::{Cluster, FrontKind, Spec, end_admin};
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
/// Few enough at a time for a drain to be interrupted.
const SLOWLY: &str = "[control.balance]\nmoves_per_node = 2\n";

fn open_on(cluster: &Cluster, node: usize) -> f64 {
    metric(cluster.nodes[node].http(), OPEN, "").expect("a node that runs says what it has")
}

/// Waits until the third node has its share. Counted in the loaded topic's partitions: those have
/// the same load each, and the internal ones next to none, so their number says nothing.
fn wait_until_even(cluster: &Cluster) {
    let started = Instant::now();
    loop {
        let topics = cluster.admin(&["topics"]).expect("the topics are shown");
        let topics = topics.as_array().expect("a list");
        let topic = topics.iter().find(|it| it["topic"] == TOPIC).expect("the topic is shown");
        let share = topic["nodes"]["3"].as_u64().unwrap_or(0);
        if share * 4 >= u64::from(PARTITIONS) {
            eprintln!(
                "the third has its share after {:.1?}: {}",
                started.elapsed(),
                topic["nodes"]
            );
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "still uneven: {topic}, {:?}",
            cluster.admin(&["nodes"])
        );
        sleep(Duration::from_millis(200));
    }
}

/// Drains the third node while control is killed and started again.
fn drain_while_control_dies(cluster: &mut Cluster) {
    let drain = cluster.begin_admin(&["drain", "3"]).expect("the command starts");
    sleep(Duration::from_millis(500));
    cluster.control.kill();
    cluster.control.start().expect("control starts again");
    let node = end_admin(drain).expect("the node is drained");
    assert_eq!((&node["duty"], &node["partitions"]), (&"draining".into(), &0.into()), "{node}");
    assert_eq!(open_on(cluster, 2), 0.0, "nothing is left on it");
}

fn a_node_joins_and_leaves(front: FrontKind) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let spec = Spec { front, control_lines: SLOWLY.to_owned(), ..Spec::default() };
    let mut cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
    cluster.nodes[2].stop().expect("the third node leaves in order");
    let bootstrap = cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, TOPIC, PARTITIONS).expect("topic is created");
    let load = Load::start(dir.path(), &bootstrap, TOPIC, PARTITIONS, RATE).expect("load");
    sleep(CALM);
    cluster.nodes[2].start().expect("the third node joins");
    wait_until_even(&cluster);
    let moved = metric(cluster.control.http(), "control_moves_total", "").expect("a metric");
    assert!(moved >= 3.0, "{moved}: it cannot have become even without");
    sleep(CALM);

    drain_while_control_dies(&mut cluster);
    cluster.nodes[2].stop().expect("the third node leaves for good");
    sleep(CALM);

    let history = load.finish().expect("clients end in order");
    let findings = check(&history);
    assert!(findings.counts().iter().all(|(_, count)| *count == 0), "{findings:?}");
    assert!(!history.acks.is_empty());
    assert_eq!((history.unanswered, history.failed.len()), (0, 0));
    assert!(history.errors.is_empty(), "clients were told of {:?}", history.errors);
    let nodes = cluster.admin(&["nodes"]).expect("the nodes are shown");
    assert_eq!((&nodes[2]["state"], &nodes[2]["duty"]), (&"ended".into(), &"draining".into()));
    cluster.scrub().expect("the bucket is clean");
}

#[test]
fn a_node_joins_and_leaves_on_the_disk_front() {
    a_node_joins_and_leaves(FrontKind::Disk);
}

#[test]
fn a_node_joins_and_leaves_on_the_object_front() {
    a_node_joins_and_leaves(FrontKind::Object);
}
