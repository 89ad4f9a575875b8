//! Every role its own process, on a real etcd and a real S3 server.

use std::thread;
use std::time::Duration;

use serde_json::Value;
use thermocline_tests::clients::Client;
use thermocline_tests::cluster::{Cluster, Spec};
use thermocline_tests::servers::EtcdVersion;

/// Errors a producer may be told while a node is away: all retriable, none of them final.
const RETRIABLE: &[&str] =
    &["NOT_LEADER_FOR_PARTITION", "REQUEST_TIMED_OUT", "LEADER_NOT_AVAILABLE", "_TRANSPORT"];

#[test]
fn killing_a_storage_node_under_load_loses_duplicates_and_reorders_nothing() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut cluster = Cluster::start(dir.path(), &Spec::default()).expect("cluster starts");
    let bootstrap = cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, "killed", 6).expect("topic is created");
    let log = dir.path().join("acks.log");
    let log_text = log.to_string_lossy().into_owned();
    let address = bootstrap.clone();
    let load = thread::spawn(move || {
        Client::Python.run(&["load", &address, "killed", "6", "5000000", "25", &log_text], None)
    });
    for node in [0, 1] {
        thread::sleep(Duration::from_secs(6));
        cluster.nodes[node].kill();
        thread::sleep(Duration::from_secs(2));
        cluster.nodes[node].start().expect("the node starts again");
    }
    let sent: Value = parse(&load.join().expect("load thread").expect("load runs"));
    assert_eq!(sent["failed"], 0, "{sent}");
    assert_eq!(sent["left"], 0, "{sent}");
    for error in sent["errors"].as_object().expect("a map").keys() {
        assert!(RETRIABLE.contains(&error.as_str()), "{sent}");
    }
    let found = Client::Python
        .run(&["check", &bootstrap, "killed", "6", &log.to_string_lossy()], None)
        .expect("check runs");
    let found: Value = parse(&found);
    for figure in ["lost", "moved", "duplicated", "reordered"] {
        assert_eq!(found[figure], 0, "{found}");
    }
    assert_eq!(found["acked"], sent["acked"]);
    cluster.scrub().expect("the bucket keeps its promises");
}

#[test]
fn a_replay_goes_through_the_cold_readers_and_leaves_the_nodes_alone() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let spec = Spec {
        hot_cache: "4MiB".to_owned(),
        etcd: EtcdVersion::Wheel,
        // A node that opens a partition reads its manifest.
        control_lines: "balance.enabled = false\n".to_owned(),
        ..Spec::default()
    };
    let cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
    let bootstrap = cluster.bootstrap();
    Client::Java.create_topic(&bootstrap, "replayed", 3).expect("topic is created");
    let log = dir.path().join("acks.log");
    let log_text = log.to_string_lossy().into_owned();
    Client::Python
        .run(&["load", &bootstrap, "replayed", "3", "6000000", "8", &log_text], None)
        .expect("load runs");
    let gets = || cluster.metric_of_nodes("object_store_requests_total", "op=\"get");
    let before = gets().expect("metric");
    let found = Client::Python
        .run(&["check", &bootstrap, "replayed", "3", &log_text], None)
        .expect("check runs");
    let found: Value = parse(&found);
    assert_eq!(found["lost"], 0, "{found}");
    assert_eq!(gets().expect("metric"), before, "a replay must not make the nodes read S3");
    let cold = cluster.metric_of_readers("cold_reader_fetch_bytes_total", "").expect("metric");
    assert!(cold > 1e6, "{cold} bytes served cold");
}

#[test]
fn a_topic_created_at_one_gateway_is_known_at_the_other_and_groups_span_both() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let cluster = Cluster::start(dir.path(), &Spec::default()).expect("cluster starts");
    let (first, second) = (cluster.gateways[0].address(), cluster.gateways[1].address());
    let (first, second) = (first.to_string(), second.to_string());
    for round in 0..5 {
        let topic = format!("everywhere-{round}");
        Client::Python.create_topic(&first, &topic, 2).expect("topic is created");
        let file = dir.path().join("line.txt");
        std::fs::write(&file, "one\ntwo\n").expect("file is written");
        Client::Kcat.produce(&second, &topic, 0, "none", &file).expect("known at once elsewhere");
        Client::Python.group(&first, &topic, "spanning", 1).expect("first record");
        Client::Python.group(&second, &topic, "spanning", 1).expect("second record");
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
