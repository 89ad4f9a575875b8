//! A tenant's records are sealed in the bucket, from the write-ahead log on, and its clients never
//! notice: not over a kill, a rotation, a restart and compaction.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use thermocline_tests::clients::Client;
use thermocline_tests::cluster::{Cluster, FrontKind, Spec, StoreKind};
use thermocline_tests::wait::eventually;

const TOPIC: &str = "letters";
const COUNT: u64 = 500;

/// Everything is merged within seconds, nothing is collected meanwhile.
const COMPACTOR: &str = r#"
interval = "300ms"
object_min = "1KiB"
own_object_from = "1KiB"
max_age = "1s"
"#;

fn key_file(dir: &Path, names: &[char]) -> PathBuf {
    let path = dir.join("keys");
    let lines = names.iter().map(|name| format!("{name}:{}\n", name.to_string().repeat(64)));
    fs::write(&path, lines.collect::<String>()).expect("keys are written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode is set");
    path
}

fn cluster(dir: &Path) -> Cluster {
    let keys = key_file(dir, &['a']);
    let encryption = format!("\n[encryption]\nkey_file = \"{}\"\n", keys.display());
    let spec = Spec {
        nodes: 1,
        gateways: 1,
        readers: 1,
        store: StoreKind::Directory,
        front: FrontKind::Object,
        upload_interval: "300ms".to_owned(),
        node_lines: encryption.clone(),
        reader_lines: encryption.clone(),
        control_lines: encryption.clone(),
        compactor: Some(format!("{COMPACTOR}{encryption}")),
        ..Spec::default()
    };
    Cluster::start(dir, &spec).expect("cluster starts")
}

/// Produces lines that all have `marker` in them; the lines.
fn produce(cluster: &Cluster, dir: &Path, topic: &str, marker: &str) -> String {
    let lines: String = (0..COUNT).map(|n| format!("{marker} number {n}\n")).collect();
    let file = dir.join(format!("{marker}.txt"));
    fs::write(&file, &lines).expect("lines are written");
    let produced = Client::Python.produce(&cluster.bootstrap(), topic, 0, "none", &file);
    produced.expect("lines are acknowledged");
    lines
}

/// Whether any object of the bucket has this text in it.
fn is_in_bucket(dir: &Path, text: &str) -> bool {
    let Ok(entries) = fs::read_dir(dir) else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_in_bucket(&path, text);
        }
        // One that was collected meanwhile has nothing in it any more.
        let bytes = fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// Whether all who store or read records have this many keys.
fn everybody_has(cluster: &Cluster, keys: f64) -> bool {
    let here = [
        cluster.metric_of_nodes("tenant_keys", ""),
        cluster.metric_of_readers("tenant_keys", ""),
        cluster.metric_of_compactors("tenant_keys", ""),
    ];
    here.iter().all(|here| here.as_ref().is_ok_and(|here| *here >= keys))
}

#[test]
fn an_encrypted_tenants_records_come_back_and_are_in_no_object() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut cluster = cluster(dir.path());
    let bucket = dir.path().join("objects");
    Client::Python.create_topic(&cluster.bootstrap(), TOPIC, 1).expect("topic is created");
    let mut lines = produce(&cluster, dir.path(), TOPIC, "open-letter");
    assert!(is_in_bucket(&bucket, "open-letter"), "this is how plain text would be found");

    cluster.run(&["tenant", "set-encryption", "default", "on"]).expect("encryption is on");
    eventually("the first key", || everybody_has(&cluster, 1.0));
    lines += &produce(&cluster, dir.path(), TOPIC, "first-secret");
    // What is only in the write-ahead log is read from there by whoever ends it.
    cluster.nodes[0].kill();
    cluster.nodes[0].start().expect("the node starts again");

    key_file(dir.path(), &['b', 'a']);
    cluster.run(&["tenant", "rotate-key", "default"]).expect("the key rotates");
    let listed = cluster.run(&["tenant", "list"]).expect("tenants are listed");
    let words: Vec<&str> = listed.split_whitespace().collect();
    assert_eq!(words, ["TENANT", "NUMBER", "HOSTS", "KEY", "default", "1", "-", "2"]);
    eventually("the second key", || everybody_has(&cluster, 2.0));
    lines += &produce(&cluster, dir.path(), TOPIC, "second-secret");
    cluster.nodes[0].stop().expect("the node stops");
    cluster.nodes[0].start().expect("the node starts again");

    let expected = sha256_of_lines(dir.path(), &lines);
    let read = || Client::Python.digest(&cluster.bootstrap(), TOPIC, 0).expect("is read");
    assert_eq!((read().count, read().sha256), (3 * COUNT, expected.clone()));
    assert!(cluster.metric_of_readers("cold_reader_fetch_total", "").unwrap_or(0.0) > 0.0);
    let compacted = || cluster.metric_of_compactors("compactor_objects_total", "").unwrap_or(0.0);
    eventually("compaction", || compacted() > 0.0);
    assert_eq!(read().sha256, expected, "over whatever was compacted");
    for secret in ["first-secret", "second-secret"] {
        assert!(!is_in_bucket(&bucket, secret), "{secret}");
    }
    cluster.scrub().expect("the bucket keeps its promises, with keys");
}

/// The sum over the lines, as clients tell it.
fn sha256_of_lines(dir: &Path, lines: &str) -> String {
    let file = dir.join("all.txt");
    fs::write(&file, lines).expect("lines are written");
    let sum = std::process::Command::new("sha256sum").arg(&file).output().expect("coreutils");
    let text = String::from_utf8(sum.stdout).expect("ASCII");
    text.split_whitespace().next().expect("a sum").to_owned()
}
