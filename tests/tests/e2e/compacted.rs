//! `cleanup.policy=compact` with real clients: few keys, many updates, and in the end one record per
//! key, at the offset at which it was acknowledged; also while the owner is killed.

use std::collections::BTreeMap;

use serde_json::Value;
use thermocline_tests::clients::{Client, run_python};
use thermocline_tests::cluster::{Cluster, FrontKind, Spec};
use thermocline_tests::registry::Registry;
use thermocline_tests::wait::eventually;

const KEYS: &str = "50";
const ROUNDS: &str = "200";

/// Everything is merged, cleaned and collected within seconds.
const COMPACTOR: &str = r#"
interval = "300ms"
object_min = "1MiB"
own_object_from = "256KiB"
max_age = "1s"
merge_objects = 4
lease = "5s"
[compactor.gc]
interval = "1s"
grace = "2s"
orphan_age = "10s"
"#;

/// Key to offset and value.
type Table = BTreeMap<String, (i64, String)>;

fn cluster(dir: &std::path::Path) -> Cluster {
    let spec = Spec {
        nodes: 2,
        gateways: 1,
        readers: 1,
        front: FrontKind::Object,
        upload_interval: "300ms".to_owned(),
        // What was planned to be read before it was cleaned may be read until then.
        node_lines: "plan_life = \"10s\"\n".to_owned(),
        compactor: Some(COMPACTOR.to_owned()),
        ..Spec::default()
    };
    Cluster::start(dir, &spec).expect("cluster starts")
}

fn create(bootstrap: &str, topic: &str) {
    let compacted = ["cleanup.policy=compact", "min.cleanable.dirty.ratio=0.01"];
    let args = [["create", bootstrap, topic, "1"].as_slice(), &compacted].concat();
    Client::Python.run(&args, None).expect("topic is created");
}

/// Updates all keys; what was acknowledged last for each.
fn update(bootstrap: &str, topic: &str, codec: &str, name: &str) -> Table {
    let args = ["update", bootstrap, topic, "0", codec, KEYS, ROUNDS, name];
    let last = run_python("tables.py", &args).expect("updates are acknowledged");
    serde_json::from_str(&last).expect("a table")
}

/// All records as librdkafka reads them, and where the partition ends.
fn read(bootstrap: &str, topic: &str) -> (Vec<(i64, String, String)>, i64) {
    let answer = run_python("tables.py", &["read", bootstrap, topic, "0"]).expect("is read");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let records = serde_json::from_value(answer["records"].clone()).expect("records");
    (records, answer["end"].as_i64().expect("an offset"))
}

/// The same as Kafka's own client reads it.
fn read_by_java(bootstrap: &str, topic: &str) -> (Vec<(i64, String, String)>, i64) {
    let answer = Client::Java.run(&["table", bootstrap, topic, "0"], None).expect("is read");
    let mut parts = answer.split('\t');
    let end = parts.next().and_then(|end| end.parse().ok()).expect("an offset");
    let records = parts.map(|record| {
        let mut words = record.splitn(3, ' ');
        let offset = words.next().and_then(|word| word.parse().ok()).expect("an offset");
        let mut text = || words.next().expect("a word").to_owned();
        (offset, text(), text())
    });
    (records.collect(), end)
}

fn table(records: &[(i64, String, String)]) -> Table {
    let mut table = Table::new();
    for (offset, key, value) in records {
        table.insert(key.clone(), (*offset, value.clone()));
    }
    table
}

/// What a node has in memory it serves as it was appended, so that nothing is to be seen of what was
/// cleaned meanwhile.
fn forget_what_is_hot(cluster: &mut Cluster) {
    for node in &mut cluster.nodes {
        node.stop().expect("the node stops");
        node.start().expect("the node starts again");
    }
}

/// Waits until only the last values are left, and has all clients read them.
fn is_cleaned(cluster: &Cluster, topic: &str, expected: &Table) {
    let bootstrap = cluster.bootstrap();
    eventually("only the last value of each key is left", || {
        let (records, _) = read(&bootstrap, topic);
        assert_eq!(&table(&records), expected, "whatever is cleaned, no last value is missed");
        records.len() == expected.len()
    });
    let (records, end) = read(&bootstrap, topic);
    assert!(records.is_sorted());
    assert_eq!(end, records.last().expect("keys").0 + 1);
    assert_eq!(read_by_java(&bootstrap, topic), (records, end));
}

#[test]
fn the_last_value_of_each_key_is_left_in_every_codec() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut cluster = cluster(dir.path());
    let bootstrap = cluster.bootstrap();
    let mut expected = Vec::new();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        create(&bootstrap, codec);
        expected.push((codec, update(&bootstrap, codec, codec, "value")));
    }
    forget_what_is_hot(&mut cluster);
    for (topic, expected) in &expected {
        is_cleaned(&cluster, topic, expected);
    }
    let removed = cluster.metric_of_compactors("compactor_cleaned_records_total", "removed");
    assert!(removed.expect("the compactor is well") > 0.0);
    cluster.scrub().expect("the bucket keeps its promises");
}

#[test]
fn a_partition_is_cleaned_while_its_owners_die() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut cluster = cluster(dir.path());
    let registry = Registry::connect(&cluster.etcd.url()).expect("etcd answers");
    let bootstrap = cluster.bootstrap();
    create(&bootstrap, "table");
    let mut expected = Table::new();
    for round in 0..3 {
        expected.extend(update(&bootstrap, "table", "lz4", &format!("round {round}")));
        let owners = registry.owners("table").expect("owners are known");
        let owner = *owners.iter().find(|(_, owned)| !owned.is_empty()).expect("an owner").0;
        let owner = usize::try_from(owner).expect("a node's number") - 1;
        cluster.nodes[owner].kill();
        expected.extend(update(&bootstrap, "table", "lz4", &format!("after {round}")));
        cluster.nodes[owner].start().expect("the node starts again");
        let (records, _) = read(&bootstrap, "table");
        assert_eq!(table(&records), expected);
    }
    forget_what_is_hot(&mut cluster);
    is_cleaned(&cluster, "table", &expected);
    cluster.scrub().expect("the bucket keeps its promises");
}
