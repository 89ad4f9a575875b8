//! The single node as the README presents it.

use std::fs;
use std::path::{Path, PathBuf};

use thermocline_tests::clients::{Client, Digest, go_available};
use thermocline_tests::dev::Dev;

const LINES: u64 = 5_000;

/// A file of distinct lines, and the digest a reader must arrive at.
fn sample(dir: &Path, tag: &str) -> (PathBuf, Digest) {
    let path = dir.join(format!("{tag}.txt"));
    let text: String =
        (0..LINES).map(|n| format!("{tag} line {n} {}\n", "x".repeat(n as usize % 300))).collect();
    fs::write(&path, &text).expect("sample is written");
    let output =
        std::process::Command::new("sha256sum").arg(&path).output().expect("sha256sum runs");
    let sha256 = String::from_utf8_lossy(&output.stdout)[..64].to_owned();
    (path, Digest { count: LINES, sha256 })
}

#[test]
fn what_any_client_produced_every_other_client_reads_also_after_a_kill() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut node = Dev::start(dir.path(), &[]).expect("dev starts");
    let bootstrap = node.bootstrap();
    let mut writers = vec![Client::Kcat, Client::Python, Client::Java];
    let mut readers = vec![Client::Python, Client::Java];
    if go_available() {
        writers.push(Client::Go);
        readers.push(Client::Go);
    }
    let mut expected = Vec::new();
    for (writer, codec) in writers.iter().zip(["lz4", "zstd", "gzip", "snappy"]) {
        let topic = format!("by-{writer:?}");
        let (file, digest) = sample(dir.path(), &topic);
        readers[0].create_topic(&bootstrap, &topic, 2).expect("topic is created");
        writer.produce(&bootstrap, &topic, 1, codec, &file).expect("lines are produced");
        expected.push((topic, digest));
    }
    for restart in [false, true] {
        if restart {
            node.kill_and_restart().expect("dev starts again after kill -9");
        }
        for (reader, (topic, digest)) in readers.iter().cycle().zip(&expected) {
            let read = reader.digest(&bootstrap, topic, 1).expect("partition is read");
            assert_eq!(&read, digest, "{reader:?} reading {topic}, after restart: {restart}");
        }
    }
}

#[test]
fn kcat_works_as_the_next_steps_print_it() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut node = Dev::start(dir.path(), &[]).expect("dev starts");
    let steps = next_steps(&node.process.log());
    assert!(steps.len() >= 3, "produce, consume, group: {steps:?}");
    let [produce, consume, group, ..] = steps.as_slice() else { panic!("{steps:?}") };
    shell(produce);
    assert_eq!(shell(&format!("{consume} -e -q")).lines().count(), 1);
    node.stop_and_restart().expect("dev stops cleanly and starts again");
    shell(produce);
    assert_eq!(shell(&format!("{consume} -e -q")).lines().count(), 2);
    assert_eq!(shell(&format!("timeout 60 {group} -e -q")).lines().count(), 2);
}

/// The commands printed after the `ready` line.
fn next_steps(log: &str) -> Vec<String> {
    log.lines()
        .skip_while(|line| !line.starts_with("ready"))
        .filter_map(|line| line.trim().strip_prefix("$ "))
        .map(str::to_owned)
        .collect()
}

fn shell(command: &str) -> String {
    let output = std::process::Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {command}")])
        .output()
        .expect("bash runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command}: {text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[test]
fn a_group_goes_on_where_it_committed_across_a_kill() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut node = Dev::start(dir.path(), &[]).expect("dev starts");
    let bootstrap = node.bootstrap();
    let (file, _) = sample(dir.path(), "grouped");
    Client::Python.create_topic(&bootstrap, "grouped", 1).expect("topic is created");
    Client::Python.produce(&bootstrap, "grouped", 0, "none", &file).expect("lines are produced");
    Client::Python.group(&bootstrap, "grouped", "readers", 1_000).expect("first thousand");
    node.kill_and_restart().expect("dev starts again after kill -9");
    // The Java client prints the first and last offset it saw.
    let seen = Client::Java.group(&bootstrap, "grouped", "readers", 500).expect("next records");
    assert!(seen.contains("{0=1000}"), "must start at the committed offset: {seen}");
}

#[test]
fn a_replay_after_a_restart_is_served_cold_and_the_node_reads_no_s3_for_it() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut node = Dev::start(dir.path(), &[]).expect("dev starts");
    let bootstrap = node.bootstrap();
    let (file, digest) = sample(dir.path(), "replayed");
    Client::Python.create_topic(&bootstrap, "replayed", 1).expect("topic is created");
    Client::Python.produce(&bootstrap, "replayed", 0, "none", &file).expect("lines are produced");
    let hot = Client::Python.digest(&bootstrap, "replayed", 0).expect("hot read");
    assert_eq!(hot, digest);
    let hot_bytes = node.metric("storage_node_hot_fetch_bytes_total", "").expect("metric");
    assert!(hot_bytes > 0.0, "the tail is served by the node");
    node.stop_and_restart().expect("restart");
    let gets =
        |node: &Dev| node.metric("object_store_requests_total", "role=\"storage-node\",op=\"get");
    let before = gets(&node).expect("metric");
    let cold = Client::Python.digest(&bootstrap, "replayed", 0).expect("cold read");
    assert_eq!(cold, digest);
    assert!(node.metric("cold_reader_fetch_bytes_total", "").expect("metric") > 0.0);
    let after = gets(&node).expect("metric");
    assert_eq!(before, after, "the storage node must not read S3 for a client");
}

#[test]
fn an_idle_node_stays_below_one_hundred_megabytes() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let node = Dev::start(dir.path(), &[]).expect("dev starts");
    let status = fs::read_to_string(format!("/proc/{}/status", node.process.id())).expect("status");
    let kib: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .expect("VmRSS in KiB");
    assert!(kib < 100 * 1000, "{kib} KiB resident");
}
