//! etcd under load: killed, one member of it or all, frozen, brought back from an old backup. It is a locator: without it
//! produce, hot and cold reads go on (DESIGN §6, R5, R10), nobody is evicted when it returns (R12),
//! and what it forgot or never knew takes nothing back (R9). That its data is lost is a drill of its
//! own (`make drill DRILL=rebuild`).

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use thermocline_tests::chaos::checker::assert_unnoticed;
use thermocline_tests::chaos::load::Load;
use thermocline_tests::clients::{Client, run_python};
use thermocline_tests::cluster::{Cluster, FrontKind, Spec};
use thermocline_tests::process::metric;
use thermocline_tests::registry::Registry;
use thermocline_tests::wait::eventually;

const TOPIC: &str = "etcd";
const PARTITIONS: u32 = 6;
const RATE: u64 = 1_000_000;
/// A topic whose records are in no node's memory.
const COLD: &str = "cold";
const COLD_LINES: u64 = 2_000;
/// How many topics there are that the backup of etcd does not know, each with a group.
const YOUNGER: &str = "3";
const PRODUCED: &str = "storage_node_produce_bytes_total";
const HOT: &str = "storage_node_hot_fetch_bytes_total";
/// Longer than every lease there is.
const AWAY: Duration = Duration::from_secs(16);
/// Control evicts nobody before this is over (`failover.grace`), and would by then.
const AFTERMATH: Duration = Duration::from_secs(20);

struct Rig {
    cluster: Cluster,
    load: Load,
    /// Partitions of [`COLD`] that were read.
    read: u32,
    dir: tempfile::TempDir,
}

impl Rig {
    fn start(front: FrontKind, etcd_members: usize) -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let spec = Spec {
            front,
            etcd_members,
            gateways: 1,
            readers: 1,
            hot_cache: "2MiB".to_owned(),
            upload_interval: "1s".to_owned(),
            ..Spec::default()
        };
        let mut cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
        cold_lines(&mut cluster, dir.path());
        let bootstrap = cluster.bootstrap();
        Client::Python.create_topic(&bootstrap, TOPIC, PARTITIONS).expect("topic is created");
        let load = Load::start(dir.path(), &bootstrap, TOPIC, PARTITIONS, RATE).expect("load");
        let rig = Self { cluster, load, read: 0, dir };
        rig.wait_for_more(PRODUCED, "load arrives");
        rig
    }

    fn metric(&self, name: &str) -> f64 {
        self.cluster.metric_of_nodes(name, "").expect("metric")
    }

    fn wait_for_more(&self, name: &str, what: &str) {
        let before = self.metric(name);
        eventually(what, || self.metric(name) > before);
    }

    /// Produce, hot reads, and reads of what nobody has in memory.
    fn goes_on(&mut self, when: &str) {
        self.wait_for_more(PRODUCED, &format!("{when}: produce goes on"));
        self.wait_for_more(HOT, &format!("{when}: hot reads go on"));
        let digest = Client::Python.digest(&self.cluster.bootstrap(), COLD, self.read);
        let digest = digest.unwrap_or_else(|error| panic!("{when}: cold reads go on: {error:#}"));
        assert_eq!(digest.count, COLD_LINES, "{when}");
        self.read += 1;
    }

    /// Every process is the one that it was, and control has fenced nobody.
    fn nobody_left(&mut self, when: &str) {
        for role in self.cluster.roles() {
            assert!(!role.reap(), "{when}: a process ended");
        }
        let evictions = metric(self.cluster.control.http(), "control_evictions_total", "");
        assert!(evictions.expect("metric") < 1.0, "R12: {when}: a node was evicted");
    }

    fn finish(self) {
        let history = self.load.finish().expect("clients end in order");
        assert_unnoticed(&history);
        self.cluster.scrub().expect("the bucket keeps its promises");
        drop(self.dir);
    }
}

/// Fills [`COLD`] and has every node forget it.
fn cold_lines(cluster: &mut Cluster, dir: &Path) {
    let file = dir.join("lines.txt");
    let text: String = (0..COLD_LINES).map(|n| format!("line {n}\n")).collect();
    std::fs::write(&file, text).expect("lines are written");
    let bootstrap = cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, COLD, PARTITIONS).expect("topic is created");
    for partition in 0..PARTITIONS {
        Client::Python.produce(&bootstrap, COLD, partition, "none", &file).expect("lines");
    }
    for node in &mut cluster.nodes {
        node.stop().expect("the node stops");
        node.start().expect("the node starts again");
    }
}

fn etcd_comes_and_goes(front: FrontKind) {
    let mut rig = Rig::start(front, 1);
    rig.cluster.etcd.kill();
    sleep(AWAY);
    rig.goes_on("etcd is killed");
    rig.cluster.etcd.start_again().expect("etcd starts again");
    sleep(AFTERMATH);
    rig.nobody_left("etcd was killed");

    rig.cluster.etcd.signal(Signal::STOP).expect("etcd runs");
    sleep(AWAY);
    rig.goes_on("etcd is frozen");
    rig.cluster.etcd.signal(Signal::CONT).expect("etcd is frozen");
    sleep(AFTERMATH);
    rig.nobody_left("etcd was frozen");
    rig.goes_on("etcd is back");
    Client::Python
        .create_topic(&rig.cluster.bootstrap(), "afterwards", 3)
        .expect("administration is back as well");
    rig.finish();
}

#[test]
fn with_the_disk_front_nothing_but_administration_needs_etcd() {
    etcd_comes_and_goes(FrontKind::Disk);
}

#[test]
fn with_the_object_front_nothing_but_administration_needs_etcd() {
    etcd_comes_and_goes(FrontKind::Object);
}

/// Who leads of three members is killed, and then who leads of the other two and it. What needs etcd
/// waits for an election.
#[test]
fn nobody_notices_that_a_member_of_etcd_dies() {
    let mut rig = Rig::start(FrontKind::Object, 3);
    for topic in ["meanwhile", "once-more"] {
        let leader = rig.cluster.etcd.leader().expect("one leads");
        rig.cluster.etcd.kill_member(leader);
        rig.goes_on("a member of etcd is killed");
        Client::Python
            .create_topic(&rig.cluster.bootstrap(), topic, 3)
            .expect("administration goes on as well");
        rig.cluster.etcd.start_again().expect("the member starts again");
    }
    rig.nobody_left("two members of etcd were killed");
    rig.finish();
}

/// The epoch of each partition.
fn epochs(registry: &Registry, topic: &str) -> Vec<i32> {
    let topic = registry.topic(topic).expect("topic");
    let assignments = registry.assignments(topic).expect("assignments");
    let partitions = i32::try_from(PARTITIONS).expect("few");
    (0..partitions).map(|index| assignments[&index].epoch).collect()
}

fn registry(rig: &Rig) -> Registry {
    Registry::connect(&rig.cluster.etcd.url()).expect("etcd")
}

/// Every partition has moved on since: new incarnations, new owners, new epochs.
fn move_on(rig: &mut Rig, before: &[i32]) {
    for index in 0..rig.cluster.nodes.len() {
        rig.cluster.nodes[index].kill();
        rig.cluster.nodes[index].start().expect("the node starts again");
    }
    let registry = registry(rig);
    eventually("every partition has another epoch", || {
        epochs(&registry, TOPIC).iter().zip(before).all(|(now, before)| now > before)
    });
}

fn etcd_goes_back(front: FrontKind) {
    let mut rig = Rig::start(front, 1);
    let bootstrap = rig.cluster.bootstrap();
    rig.cluster.etcd.kill();
    rig.cluster.etcd.back_up().expect("etcd's data is copied");
    rig.cluster.etcd.start_again().expect("etcd starts again");
    let old = epochs(&registry(&rig), TOPIC);
    move_on(&mut rig, &old);
    let offsets = rig.dir.path().join("offsets").display().to_string();
    let younger = |command: &str, arguments: &[&str]| {
        let all = [&[command, bootstrap.as_str(), YOUNGER], arguments].concat();
        run_python("drill.py", &all).expect("the client does what it is told")
    };
    younger("create", &["2"]);
    younger("touch", &["2"]);
    younger("commit", &[&offsets]);
    let latest = epochs(&registry(&rig), TOPIC);

    rig.cluster.etcd.kill();
    rig.cluster.etcd.restore().expect("the copy is brought back");
    rig.cluster.etcd.start_again().expect("etcd starts again");
    sleep(Duration::from_secs(5));
    rig.goes_on("etcd is older than it was");

    // As the operations guide has it, and without any good order.
    rig.cluster.roles().for_each(|role| role.kill());
    for role in rig.cluster.roles() {
        role.spawn().expect("it starts again");
    }
    rig.cluster.roles().for_each(|role| role.wait_for_ready().expect("it is ready"));
    rig.goes_on("everybody joined the older etcd");
    let registry = registry(&rig);
    eventually("R9: no epoch went back", || {
        epochs(&registry, TOPIC).iter().zip(&latest).all(|(now, latest)| now > latest)
    });
    // R9: topics that etcd never knew are in the bucket, and so are their records and offsets.
    assert_eq!(younger("groups", &[&offsets]), format!("{YOUNGER} 0"));
    let digest = Client::Python.digest(&bootstrap, "drill-0", 0).expect("is read");
    assert_eq!(digest.count, 1);
    younger("touch", &["2"]);
    rig.finish();
}

#[test]
fn with_the_object_front_an_etcd_of_yesterday_takes_nothing_back() {
    etcd_goes_back(FrontKind::Object);
}

#[test]
fn with_the_disk_front_an_etcd_of_yesterday_takes_nothing_back() {
    etcd_goes_back(FrontKind::Disk);
}
