//! Transactions with a real client: what is committed is seen, all of it and in order, and nothing of
//! what was aborted; from memory, from the object store, and after owners were killed.

use serde_json::Value;
use thermocline_tests::clients::{Client, run_python};
use thermocline_tests::cluster::{Cluster, FrontKind, Spec};
use thermocline_tests::registry::Registry;

const TOPICS: [&str; 2] = ["debits", "credits"];

fn cluster(dir: &std::path::Path) -> Cluster {
    let spec = Spec {
        nodes: 2,
        gateways: 1,
        readers: 1,
        front: FrontKind::Object,
        upload_interval: "300ms".to_owned(),
        ..Spec::default()
    };
    let cluster = Cluster::start(dir, &spec).expect("cluster starts");
    for topic in TOPICS {
        Client::Python.create_topic(&cluster.bootstrap(), topic, 1).expect("topic is created");
    }
    cluster
}

/// Carries out transactions; the numbers of those that were committed.
fn write(bootstrap: &str, first: i64, count: i64) -> Vec<i64> {
    let [topic, other] = TOPICS;
    let (first, count) = (first.to_string(), count.to_string());
    let args = ["write", bootstrap, "transfers", topic, other, &first, &count];
    let answer = run_python("transfers.py", &args).expect("transactions end");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    serde_json::from_value(answer["committed"].clone()).expect("numbers")
}

fn read(bootstrap: &str, topic: &str, isolation: &str) -> Vec<i64> {
    let answer = run_python("transfers.py", &["read", bootstrap, topic, isolation]);
    serde_json::from_str(&answer.expect("is read")).expect("numbers")
}

/// Both topics have each committed number once, in order, and no other (T3, T4).
fn holds(bootstrap: &str, committed: &[i64]) {
    for topic in TOPICS {
        assert_eq!(read(bootstrap, topic, "read_committed"), committed, "{topic}");
    }
}

#[test]
fn committed_records_are_seen_and_aborted_ones_are_not() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut cluster = cluster(dir.path());
    let bootstrap = cluster.bootstrap();
    let committed = write(&bootstrap, 0, 30);
    assert_eq!(committed.len(), 20);
    holds(&bootstrap, &committed);
    let all: Vec<i64> = (0..30).collect();
    assert_eq!(read(&bootstrap, TOPICS[0], "read_uncommitted"), all, "T12");
    // Nothing is in memory afterwards: plans and cold readers must know as much.
    for node in &mut cluster.nodes {
        node.stop().expect("the node stops");
        node.start().expect("the node starts again");
    }
    holds(&bootstrap, &committed);
    cluster.scrub().expect("the bucket keeps its promises");
}

#[test]
fn transactions_go_on_when_owners_die() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut cluster = cluster(dir.path());
    let registry = Registry::connect(&cluster.etcd.url()).expect("etcd answers");
    let bootstrap = cluster.bootstrap();
    let mut committed = Vec::new();
    for round in 0..3 {
        committed.extend(write(&bootstrap, round * 20, 10));
        let owners = registry.owners(TOPICS[0]).expect("owners are known");
        let owner = *owners.iter().find(|(_, owned)| !owned.is_empty()).expect("an owner").0;
        let owner = usize::try_from(owner).expect("a node's number") - 1;
        cluster.nodes[owner].kill();
        committed.extend(write(&bootstrap, round * 20 + 10, 10));
        cluster.nodes[owner].start().expect("the node starts again");
        holds(&bootstrap, &committed);
    }
    cluster.scrub().expect("the bucket keeps its promises");
}
