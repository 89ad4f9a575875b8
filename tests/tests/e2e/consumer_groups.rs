//! Groups of the consumer protocol (KIP-848) with real clients: two share, one leaves, a static
//! member restarts, a pattern finds topics, and each storage node is killed in between.

use std::fs;
use std::time::Duration;

use thermocline_tests::clients::{Client, python};
use thermocline_tests::cluster::{Cluster, Spec, StoreKind};
use thermocline_tests::process::Process;

/// Rebalances take a few heartbeats each, and there are many in the tests.
const LINES: &str = "groups.consumer_heartbeat_interval = \"300ms\"\n";
const PATIENCE: Duration = Duration::from_secs(300);

fn cluster(dir: &std::path::Path) -> Cluster {
    let spec = Spec {
        nodes: 2,
        gateways: 1,
        readers: 1,
        store: StoreKind::Directory,
        node_lines: LINES.to_owned(),
        ..Spec::default()
    };
    Cluster::start(dir, &spec).expect("cluster starts")
}

#[test]
fn a_librdkafka_group_lives_through_everything() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut cluster = cluster(dir.path());
    let gate = dir.path().join("gate");
    let args = [&*cluster.bootstrap(), &gate.display().to_string()];
    let group = python("consumer_groups.py", &args).expect("Python");
    let mut group = Process::spawn("group", group, dir.path()).expect("the group starts");
    group.wait_for_line("kill").expect("the group becomes stable");
    for node in &mut cluster.nodes {
        node.kill();
        node.start().expect("the node starts again");
    }
    fs::write(&gate, "").expect("the gate opens");
    let status = group.wait_exit_within(PATIENCE).expect("the group ends");
    assert!(status.success(), "{}", group.log());
    assert_eq!(group.log().lines().last(), Some("ok"));
}

#[test]
fn two_java_consumers_share_a_pattern() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let cluster = cluster(dir.path());
    let bootstrap = cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, "shared-1", 4).expect("topic is created");
    let lines = dir.path().join("lines");
    fs::write(&lines, "a line\n".repeat(100)).expect("lines are written");
    for partition in 0..4 {
        Client::Python
            .produce(&bootstrap, "shared-1", partition, "none", &lines)
            .expect("lines are produced");
    }
    let args = ["consumers", &bootstrap, "shared-1", "java-848", "400"];
    assert_eq!(Client::Java.run(&args, None).expect("the consumers end"), "400");
}
