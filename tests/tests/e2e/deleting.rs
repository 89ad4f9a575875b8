//! Records and topics that go: by request, by age, by size; and what stays.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use thermocline_tests::clients::Client;
use thermocline_tests::cluster::{Cluster, Spec};
use thermocline_tests::dev::Dev;
use thermocline_tests::wait::eventually;

/// Everything is due soon, and goes after seconds of grace.
const COMPACTOR: &str = r#"
interval = "500ms"
object_min = "1MiB"
own_object_from = "256KiB"
max_age = "2s"
merge_objects = 4
lease = "5s"
[compactor.gc]
interval = "1s"
grace = "5s"
orphan_age = "10s"
"#;

const NODE: &str = r#"
retention_interval = "1s"
plan_life = "10s"
"#;

/// A file of `count` distinct lines.
fn lines(dir: &Path, count: u64) -> std::path::PathBuf {
    let path = dir.join("lines.txt");
    let text: String = (0..count).map(|n| format!("line {n}\n")).collect();
    std::fs::write(&path, text).expect("lines are written");
    path
}

#[test]
fn records_deleted_by_an_admin_client_are_gone_also_after_a_kill() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut node = Dev::start(dir.path(), &[]).expect("dev starts");
    let bootstrap = node.bootstrap();
    let file = lines(dir.path(), 1_000);
    Client::Python.create_topic(&bootstrap, "deleted", 1).expect("topic is created");
    Client::Python.produce(&bootstrap, "deleted", 0, "none", &file).expect("lines are produced");
    let delete = |client: Client, below: &str| {
        client.run(&["delete_records", &bootstrap, "deleted", "0", below], None)
    };
    let readable = || Client::Java.digest(&bootstrap, "deleted", 0).expect("partition is read");

    assert_eq!(delete(Client::Python, "300").expect("records are deleted"), "300");
    assert_eq!(readable().count, 700);
    node.kill_and_restart().expect("dev starts again after kill -9");
    assert_eq!(readable().count, 700, "a log start does not go back (C10)");
    assert_eq!(delete(Client::Java, "100").expect("nothing to delete"), "300");
    let beyond = delete(Client::Java, "1001").expect_err("beyond the end").to_string();
    assert!(beyond.contains("OffsetOutOfRange"), "{beyond}");
    assert_eq!(delete(Client::Java, "-1").expect("all records are deleted"), "1000");
    assert_eq!(readable().count, 0);
}

#[test]
fn a_cluster_that_compacts_and_collects_keeps_every_record_that_it_has_to() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let spec = Spec {
        nodes: 2,
        gateways: 1,
        readers: 1,
        hot_cache: "2MiB".to_owned(),
        upload_interval: "500ms".to_owned(),
        node_lines: NODE.to_owned(),
        compactor: Some(COMPACTOR.to_owned()),
        ..Spec::default()
    };
    let mut cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
    let bootstrap = cluster.bootstrap();
    let python = |args: &[&str]| Client::Python.run(args, None);
    python(&["create", &bootstrap, "kept", "4", "retention.ms=-1"]).expect("topic is created");
    python(&["create", &bootstrap, "short", "2", "retention.ms=2000"]).expect("topic is created");
    Client::Python.create_topic(&bootstrap, "gone", 3).expect("topic is created");
    let file = lines(dir.path(), 2_000);
    for (topic, partition) in [("short", 0), ("short", 1), ("gone", 0), ("gone", 2)] {
        Client::Python.produce(&bootstrap, topic, partition, "none", &file).expect("is produced");
    }
    let log = dir.path().join("acks.log").to_string_lossy().into_owned();
    let load = {
        let (bootstrap, log) = (bootstrap.clone(), log.clone());
        thread::spawn(move || {
            Client::Python.run(&["load", &bootstrap, "kept", "4", "2000000", "20", &log], None)
        })
    };
    // Replays while objects are rewritten, and the plans made before outlive what they name.
    for _ in 0..4 {
        thread::sleep(Duration::from_secs(2));
        let all = ["0", "1", "2", "3"];
        for partition in all {
            python(&["digest", &bootstrap, "kept", partition]).expect("a replay is dense");
        }
    }
    python(&["delete", &bootstrap, "gone"]).expect("topic is deleted");
    let sent = parse(&load.join().expect("load thread").expect("load runs"));
    assert_eq!((&sent["failed"], &sent["left"]), (&Value::from(0), &Value::from(0)), "{sent}");
    // A log is collected once it has ended.
    for node in &mut cluster.nodes {
        node.stop().expect("the node stops");
        node.start().expect("the node starts again");
    }
    let deleted = |family: &str| {
        let label = format!("family=\"{family}\"");
        cluster.metric_of_compactors("compactor_gc_deleted_total", &label).expect("metric")
    };
    eventually("slots of ended logs are collected", || deleted("l") > 10.0);
    eventually("merged and orphaned objects are collected", || deleted("d") > 0.0);
    eventually("the deleted topic's manifests are collected", || deleted("m") >= 3.0);
    eventually("records beyond their retention are gone", || {
        let left = |partition| Client::Python.digest(&bootstrap, "short", partition);
        left(0).expect("is read").count + left(1).expect("is read").count == 0
    });
    let found = parse(&python(&["check", &bootstrap, "kept", "4", &log]).expect("check runs"));
    for figure in ["lost", "moved", "duplicated", "reordered"] {
        assert_eq!(found[figure], 0, "{found}");
    }
    assert_eq!(found["acked"], sent["acked"], "{found}");
    cluster.scrub().expect("the bucket keeps its promises");
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
