//! Transactions of real clients on a whole cluster: librdkafka speaks version 1, the Java client
//! version 2 (KIP-890).

use std::thread;
use std::time::Duration;

use serde_json::Value;
use thermocline_tests::clients::{Client, run_python};
use thermocline_tests::cluster::{Cluster, Spec};

/// Enough records that some hundred transactions, and two kills, fall between first and last.
const RECORDS: &str = "20000";

fn transactions(args: &[&str]) -> String {
    run_python("transactions.py", args).expect("the client ends well")
}

#[test]
fn consumers_read_what_was_committed_and_nothing_else() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let cluster = Cluster::start(dir.path(), &Spec::default()).expect("cluster starts");
    let bootstrap = cluster.bootstrap();
    for scenario in ["outcomes", "zombie", "timeout"] {
        Client::Python.create_topic(&bootstrap, scenario, 3).expect("topic is created");
        let said = transactions(&[scenario, &bootstrap, scenario]);
        assert!(said.starts_with(scenario), "{said}");
    }
    cluster.scrub().expect("the bucket keeps its promises");
}

#[test]
fn what_is_consumed_and_produced_in_transactions_arrives_once_while_nodes_are_killed() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut cluster = Cluster::start(dir.path(), &Spec::default()).expect("cluster starts");
    let bootstrap = cluster.bootstrap();
    for topic in ["in", "out"] {
        Client::Python.create_topic(&bootstrap, topic, 4).expect("topic is created");
    }
    transactions(&["fill", &bootstrap, "in", RECORDS]);
    let address = bootstrap.clone();
    let copy = thread::spawn(move || transactions(&["copy", &address, "in", "out", RECORDS]));
    for node in [0, 1] {
        thread::sleep(Duration::from_secs(4));
        cluster.nodes[node].kill();
        thread::sleep(Duration::from_secs(1));
        cluster.nodes[node].start().expect("the node starts again");
    }
    let tally = copy.join().expect("copy thread");
    let tally: Value = serde_json::from_str(&tally).expect("a tally");
    assert!(tally["InterruptedError"].as_u64() > Some(0), "some were aborted: {tally}");
    transactions(&["verify", &bootstrap, "out", RECORDS]);
    cluster.scrub().expect("the bucket keeps its promises");
}

#[test]
fn the_java_client_copies_with_an_epoch_for_each_transaction() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let cluster = Cluster::start(dir.path(), &Spec::default()).expect("cluster starts");
    let bootstrap = cluster.bootstrap();
    for topic in ["in", "out"] {
        Client::Python.create_topic(&bootstrap, topic, 3).expect("topic is created");
    }
    transactions(&["fill", &bootstrap, "in", "2000"]);
    let said = Client::Java
        .run(&["transactions", &bootstrap, "in", "out", "2000"], None)
        .expect("the client ends well");
    assert_eq!(said, "v2 2000 aborted>0=true fenced 2000/2000 true/Empty");
}
