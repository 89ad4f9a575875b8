//! Fifty groups that replay different partitions at once on two cold readers: memory stays inside its
//! limit, each gets on, and none gets more than twice its fair share.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use thermocline_tests::clients::{Client, python};
use thermocline_tests::cluster::{Cluster, Role, Spec, StoreKind};
use thermocline_tests::process::{Process, metric};

const TOPIC: &str = "shared";
/// One group each.
const PARTITIONS: u32 = 50;
const MEMORY: u64 = 64 << 20;
/// What a reader is besides its blocks: code, runtime, connections, footers, and what of a buffer the
/// allocator has not given back yet.
const BESIDES: u64 = 64 << 20;
/// A tenth of what is produced per second: nobody reaches the end, everybody waits.
const READER: &str = "memory = \"64MiB\"\nbandwidth = \"4MiB\"\n";
/// Bytes per second and seconds of load: 4 MB for each group.
const LOAD: [&str; 2] = ["20000000", "10"];
const COUNTED_SECONDS: &str = "12";
const PATIENCE: Duration = Duration::from_secs(120);

/// Bytes of a process that are in memory now.
fn resident(role: &Role) -> u64 {
    let pid = role.process().expect("readers run").id();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

/// Looks at the readers until the groups have ended; the most of either that was seen.
fn watch(cluster: &Cluster, groups: &mut Process) -> (f64, u64) {
    let (mut blocks, mut rss) = (0.0_f64, 0);
    while !groups.has_ended() {
        for reader in &cluster.readers {
            let used = metric(reader.http(), "cold_reader_memory_bytes", "").expect("metric");
            (blocks, rss) = (blocks.max(used), rss.max(resident(reader)));
        }
        sleep(Duration::from_millis(200));
    }
    (blocks, rss)
}

#[test]
fn fifty_groups_share_two_readers() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let spec = Spec {
        nodes: 1,
        gateways: 1,
        readers: 2,
        store: StoreKind::Directory,
        hot_cache: "4MiB".to_owned(),
        upload_interval: "500ms".to_owned(),
        reader_lines: READER.to_owned(),
        ..Spec::default()
    };
    let cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
    let bootstrap = cluster.bootstrap();
    let partitions = PARTITIONS.to_string();
    Client::Python.create_topic(&bootstrap, TOPIC, PARTITIONS).expect("topic is created");
    let acks = dir.path().join("acks.log").display().to_string();
    let load = ["load", &bootstrap, TOPIC, &partitions, LOAD[0], LOAD[1], &acks];
    Client::Python.run(&load, None).expect("load runs");

    let args = [&*bootstrap, TOPIC, &partitions, COUNTED_SECONDS];
    let groups = python("shares.py", &args).expect("Python");
    let mut groups = Process::spawn("groups", groups, dir.path()).expect("groups start");
    let (blocks, rss) = watch(&cluster, &mut groups);
    let status = groups.wait_exit_within(PATIENCE).expect("groups end");
    assert!(status.success(), "{}", groups.log());
    let log = groups.log();
    let shares: Vec<u64> =
        serde_json::from_str(log.lines().last().unwrap_or_default()).expect("a list of bytes");

    let (least, most) =
        (shares.iter().min().expect("groups"), shares.iter().max().expect("groups"));
    let fair = shares.iter().sum::<u64>() / u64::from(PARTITIONS);
    eprintln!(
        "fair {fair} B, least {least}, most {most}; blocks {blocks} B, resident {rss} B at the most"
    );
    assert_eq!(shares.len(), PARTITIONS as usize);
    assert!(*least > 0, "each gets on: {shares:?}");
    assert!(*most <= 2 * fair, "none gets more than twice its share: {shares:?}");
    assert!(blocks > 0.0 && blocks <= MEMORY as f64, "{blocks} bytes of blocks");
    assert!(rss <= MEMORY + BESIDES, "{rss} bytes of memory");
}
