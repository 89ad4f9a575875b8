//! The S3 fault matrix (RELIABILITY §5.4): every cell under one load, on the real S3 server behind a
//! proxy that fails in that cell's way. What the cells have in common: no process ends, nobody fences
//! itself, no client sees an error it would have to handle, and at the end every acknowledged record
//! stands where its acknowledgement said, once, and the bucket is clean.
//!
//! `S3_FAULTS_SECONDS` makes each cell longer than the few seconds of CI (`make s3-faults`).

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use thermocline_tests::chaos::checker::assert_unnoticed;
use thermocline_tests::chaos::load::Load;
use thermocline_tests::clients::{Client, Digest};
use thermocline_tests::cluster::{Cluster, FrontKind, Spec, StoreKind};
use thermocline_tests::direct::{Direct, Place};
use thermocline_tests::registry::Registry;
use thermocline_tests::s3_proxy::{Fault, Rule, S3Proxy, Which};
use thermocline_tests::servers::Etcd;
use thermocline_tests::servers::{EtcdVersion, S3};
use thermocline_tests::wait::eventually;

const TOPIC: &str = "faults";
const PARTITIONS: u32 = 4;
const RATE: u64 = 1_000_000;
const UPLOADS: &str = "storage_node_upload_bytes_total";
const PRODUCED: &str = "storage_node_produce_bytes_total";
/// Objects of data logs.
const LOGS: Which = Which::GetsOf("/l/");
/// How long something may take to be as it was after a heal.
const RECOVERY: Duration = Duration::from_secs(30);

/// Says whether the node believes that its clock is wrong.
const CLOCK_IS_WRONG: &str = "storage_node_clock_is_wrong";
/// Large objects only, and soon again when one was not finished.
const COMPACTOR: &str = r#"
interval = "1s"
object_min = "36MiB"
part_size = "32MiB"
lease = "5s"
"#;

/// A cluster behind the proxy, under load.
struct Rig {
    cluster: Cluster,
    load: Load,
    _dir: tempfile::TempDir,
}

impl Rig {
    fn start(front: FrontKind) -> Self {
        Self::start_with(front, None)
    }

    fn start_with(front: FrontKind, compactor: Option<&str>) -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let spec = Spec {
            nodes: 1,
            gateways: 1,
            readers: 1,
            store: StoreKind::FaultyS3,
            front,
            hot_cache: "4MiB".to_owned(),
            upload_interval: "500ms".to_owned(),
            compactor: compactor.map(str::to_owned),
            ..Spec::default()
        };
        let cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
        let bootstrap = cluster.bootstrap();
        Client::Python.create_topic(&bootstrap, TOPIC, PARTITIONS).expect("topic is created");
        let load = Load::start(dir.path(), &bootstrap, TOPIC, PARTITIONS, RATE).expect("load");
        let rig = Self { cluster, load, _dir: dir };
        rig.wait_for_more(UPLOADS, "load is uploaded");
        rig
    }

    fn proxy(&self) -> &S3Proxy {
        self.cluster.proxy.as_ref().expect("the spec wants one")
    }

    fn metric(&self, name: &str) -> f64 {
        self.cluster.metric_of_nodes(name, "").expect("metric")
    }

    /// Waits until a counter has moved on from where it is.
    fn wait_for_more(&self, name: &str, what: &str) {
        let before = self.metric(name);
        for _ in 0..RECOVERY.as_millis() / 100 {
            if self.metric(name) > before {
                return;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("{what}: {name} stands at {before} after {RECOVERY:?}");
    }

    /// One cell: these rules for some seconds, whatever `during` looks at, heal, recovery.
    fn cell(&mut self, name: &str, rules: Vec<Rule>, during: impl FnOnce(&Self)) {
        eprintln!("cell: {name}");
        self.proxy().set(rules);
        sleep(cell_time());
        during(self);
        let hits = self.proxy().hits();
        self.proxy().heal();
        assert!(hits > 0, "{name}: the fault never happened");
        self.wait_for_more(PRODUCED, &format!("{name}: produce goes on after the heal"));
        self.wait_for_more(UPLOADS, &format!("{name}: uploads go on after the heal"));
        for role in self.cluster.roles() {
            assert!(!role.reap(), "{name}: a process ended, it must not");
        }
    }

    /// The verdict over all cells.
    fn finish(self) {
        let history = self.load.finish().expect("clients end in order");
        assert_unnoticed(&history);
        self.cluster.scrub().expect("the bucket keeps its promises");
    }
}

fn cell_time() -> Duration {
    let seconds = std::env::var("S3_FAULTS_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(4))
}

/// The cells in which writes fail. With the disk front acknowledgements do not depend on the store.
fn writes_fail(rig: &mut Rig, produce_goes_on: bool) {
    let goes_on = |rig: &Rig| {
        if produce_goes_on {
            rig.wait_for_more(PRODUCED, "produce goes on without the object store");
        }
    };
    let two_seconds = Fault::Delay(Duration::from_secs(2));
    rig.cell("2 s more for every PUT", vec![Rule::always(Which::Puts, two_seconds)], goes_on);
    let slow_down = Rule::sometimes(Which::All, 0.5, Fault::SlowDown);
    rig.cell("503 for half of all requests", vec![slow_down], goes_on);
    // What was written last is in memory; with the disk front that is what comes next.
    let hot = end_of_log(rig) - i64::from(!produce_goes_on);
    rig.cell("outage", vec![Rule::always(Which::All, Fault::Refuse)], |rig| {
        goes_on(rig);
        assert!(bytes_at(rig, hot) > 0, "hot data is read without the object store");
    });
    let lost = Rule::sometimes(Which::Puts, 0.2, Fault::LoseAnswer);
    rig.cell("applied, and the answer lost", vec![lost], goes_on);
    let later = Fault::ApplyLater(Duration::from_secs(3));
    let later = Rule::sometimes(Which::Puts, 0.2, later);
    rig.cell("refused, and applied later", vec![later], goes_on);
    let conflict = Rule::sometimes(Which::Puts, 0.2, Fault::Conflict);
    rig.cell("409 for a fifth of the PUTs", vec![conflict], goes_on);
    rig.cell("read-only bucket", vec![Rule::always(Which::Writes, Fault::Denied)], goes_on);
    rig.cell("expired credentials", vec![Rule::always(Which::All, Fault::Expired)], goes_on);
}

/// Where the first partition ends.
fn end_of_log(rig: &Rig) -> i64 {
    let (direct, place, node) = hop(rig);
    let told = direct.answer(direct.end_offset(&node, place)).expect("the owner answers");
    told.number
}

/// How many bytes the owner has in memory from an offset on.
fn bytes_at(rig: &Rig, offset: i64) -> i64 {
    let (direct, place, node) = hop(rig);
    direct.answer(direct.fetch(&node, place, offset)).expect("the owner answers").number
}

/// Speaks to the only node directly: a client would ask for bounds first, which want proof (R6).
fn hop(rig: &Rig) -> (Direct, Place, String) {
    let registry = Registry::connect(&rig.cluster.etcd.url()).expect("etcd");
    let place = Place { topic: registry.topic(TOPIC).expect("topic"), index: 0 };
    let direct = Direct::new(&registry).expect("the cluster has a secret");
    (direct, place, rig.cluster.nodes[0].address().to_string())
}

/// Lines that are read cold, a partition for each cell.
fn cold_lines(rig: &mut Rig, dir: &Path, partitions: u32) -> Digest {
    let file = dir.join("lines.txt");
    let text: String = (0..4_000).map(|n| format!("line {n} {}\n", "y".repeat(n % 500))).collect();
    std::fs::write(&file, text).expect("lines are written");
    let bootstrap = rig.cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, "cold", partitions).expect("topic is created");
    for partition in 0..partitions {
        Client::Python.produce(&bootstrap, "cold", partition, "none", &file).expect("lines");
    }
    let sha256 = sha256_of(&file);
    // A new incarnation has none of them in memory.
    let node = &mut rig.cluster.nodes[0];
    node.kill();
    node.start().expect("the node starts again");
    Digest { count: 4_000, sha256 }
}

fn sha256_of(file: &Path) -> String {
    let sum = std::process::Command::new("sha256sum").arg(file).output().expect("sha256sum runs");
    String::from_utf8_lossy(&sum.stdout)[..64].to_owned()
}

/// The cells in which reads fail.
fn reads_fail(rig: &mut Rig) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let expected = cold_lines(rig, dir.path(), 3);
    let read = |rig: &Rig, partition| {
        Client::Python.digest(&rig.cluster.bootstrap(), "cold", partition).expect("a cold read")
    };
    // A reader keeps what it has read, also for others, so each cell has a new one.
    let forget = |rig: &mut Rig| {
        rig.cluster.readers[0].kill();
        rig.cluster.readers[0].start().expect("the reader starts again");
    };
    forget(rig);
    let cut = vec![Rule::sometimes(LOGS, 0.5, Fault::Cut)];
    rig.cell("answers cut short", cut, |rig| assert_eq!(read(rig, 0), expected));
    forget(rig);
    let flip = vec![Rule::sometimes(LOGS, 0.5, Fault::Flip)];
    rig.cell("answers with a bit flipped", flip, |rig| assert_eq!(read(rig, 1), expected));

    forget(rig);
    // The reader's client would end at once if it were told that its offset is out of range, or
    // that the partition is empty.
    let bootstrap = rig.cluster.bootstrap();
    rig.proxy().set(vec![Rule::always(LOGS, Fault::Missing)]);
    let reading = std::thread::spawn(move || Client::Python.digest(&bootstrap, "cold", 2));
    sleep(cell_time());
    assert!(!reading.is_finished(), "a missing object must not look like an end of the data");
    assert!(rig.proxy().hits() > 0, "the object was asked for");
    rig.proxy().heal();
    let found = reading.join().expect("reading thread").expect("the read goes on after the heal");
    assert_eq!(found, expected, "404 on a referenced object");
}

/// R71: every answer says that it is three seconds later than this machine believes.
fn clocks_differ(rig: &Rig) {
    eprintln!("cell: clocks differ");
    let becomes = |wrong: f64| {
        let is = || (rig.metric(CLOCK_IS_WRONG) - wrong).abs() < 0.5;
        (0..RECOVERY.as_millis() / 100).any(|_| {
            sleep(Duration::from_millis(100));
            is()
        })
    };
    assert!(becomes(0.0), "a right clock is believed");
    let later = Fault::Later(Duration::from_secs(3));
    rig.proxy().set(vec![Rule::always(Which::All, later)]);
    assert!(becomes(1.0), "a clock that is 3 s behind is noticed");
    let log = rig.cluster.nodes[0].process().expect("the node runs").log();
    assert!(log.contains("clock is not the object store's"), "and spoken of");
    rig.proxy().heal();
    assert!(becomes(0.0), "a clock that was set is believed again");
}

#[test]
fn the_disk_front_behaves_as_the_fault_matrix_says() {
    let mut rig = Rig::start(FrontKind::Disk);
    clocks_differ(&rig);
    writes_fail(&mut rig, true);
    reads_fail(&mut rig);
    rig.finish();
}

#[test]
fn the_object_front_behaves_as_the_fault_matrix_says() {
    let mut rig = Rig::start(FrontKind::Object);
    writes_fail(&mut rig, false);
    rig.finish();
}

#[test]
fn a_completed_upload_that_nobody_heard_of_is_made_again_and_referenced_once() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let file = dir.path().join("large.txt");
    // More than a part of an upload, in one partition.
    let text: String = (0..40_000).map(|n| format!("{n} {}\n", "z".repeat(1_000))).collect();
    std::fs::write(&file, text).expect("lines are written");
    let rig = Rig::start_with(FrontKind::Disk, Some(COMPACTOR));
    rig.proxy().set(vec![Rule::always(Which::Completes, Fault::LoseAnswer)]);
    let bootstrap = rig.cluster.bootstrap();
    Client::Python.create_topic(&bootstrap, "large", 1).expect("topic is created");
    Client::Python.produce(&bootstrap, "large", 0, "none", &file).expect("lines");
    eventually("an upload is completed in vain", || rig.proxy().hits() > 0);
    sleep(cell_time());
    let committed = || {
        let metric = "compactor_units_total";
        rig.cluster.metric_of_compactors(metric, "outcome=\"committed\"").expect("metric")
    };
    assert!(committed() < 1.0, "nothing is referenced whose completion is unknown");
    rig.proxy().heal();
    eventually("the compaction is repeated", || committed() > 0.0);
    let digest = Client::Python.digest(&bootstrap, "large", 0).expect("is read");
    assert_eq!(digest, Digest { count: 40_000, sha256: sha256_of(&file) });
    rig.finish();
}

#[test]
fn a_store_where_two_writers_of_one_key_win_is_refused_at_the_start() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let etcd = Etcd::start(dir.path(), EtcdVersion::Debian, None).expect("etcd starts");
    let s3 = S3::start(dir.path()).expect("SeaweedFS starts");
    let proxy = S3Proxy::start(s3.endpoint).expect("proxy starts");
    proxy.set(vec![Rule::always(Which::Puts, Fault::TwoWinners)]);
    let text = Cluster::control_config(&etcd, &S3::config_section_at(proxy.address()))
        .expect("configuration");
    let config = dir.path().join("control.toml");
    std::fs::write(&config, text).expect("configuration is written");
    let output = std::process::Command::new(thermocline_tests::thermocline_binary())
        .args(["control", "--config"])
        .arg(&config)
        .output()
        .expect("control runs");
    let error = String::from_utf8_lossy(&output.stderr);
    let line = error.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(!output.status.success(), "{error}");
    assert!(line.contains("atomic") || line.contains("condition"), "R16: {line:?}\n{error}");
    assert!(proxy.hits() > 0, "the probe wrote under conditions");
}
