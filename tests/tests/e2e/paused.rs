//! A node that is paused past its lease, loses its partitions, and is resumed: it cannot acknowledge
//! (R1, R4), cannot give a wrong final answer (R6), and cannot upload into the time after its end
//! (R8, R24).
//!
//! ```text
//! load ─► node A ║ SIGSTOP                                   ║ SIGCONT: A reads the questions
//!         load ──╨─► fenced, drained, END ─► node B, more ───╫── etcd stands still
//!                                 questions to A ────────────╜
//! ```
//!
//! A is asked directly, by one whose map is old, and etcd stands still when it is resumed: nobody
//! tells it that it was fenced. What is left to stop it is where the acknowledged bytes are. Its
//! watchdog, which would end it for having slept (R7), is out of the way as well.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use thermocline_tests::chaos::checker::check;
use thermocline_tests::chaos::load::Load;
use thermocline_tests::clients::Client;
use thermocline_tests::cluster::{Cluster, FrontKind, Spec};
use thermocline_tests::direct::{Answer, Asked, Direct, Place};
use thermocline_tests::registry::Registry;
use thermocline_tests::wait::eventually;

const TOPIC: &str = "paused";
const PARTITIONS: u32 = 3;
const RATE: u64 = 1_000_000;
/// The partition that is asked about.
const PLACE: i32 = 0;
/// How much the new owner takes before the old one is resumed: more than the old one can have had
/// in hand, which is what producers keep in flight.
const MORE: i64 = 100;
/// Before this control evicts nobody, and the pause would be longer than a silent connection lasts.
const GRACE: Duration = Duration::from_secs(12);
/// What only the old owner is given.
const LATE: &str = "too late";
/// Codes that make a client ask somebody else.
const REFUSALS: &[&str] = &["NOT_LEADER_OR_FOLLOWER", "NOT_COORDINATOR"];

/// A cluster under load with one node in the past.
struct Paused {
    cluster: Cluster,
    load: Load,
    registry: Registry,
    direct: Direct,
    old: Old,
    dir: tempfile::TempDir,
}

/// The node that is paused, as it was.
struct Old {
    /// Its index in the cluster.
    index: usize,
    address: String,
    log: String,
    place: Place,
    epoch: i32,
    /// A group that it coordinates.
    group: String,
}

impl Old {
    /// Questions about what it does not know, `end` being where the log ends by now, and a record.
    fn ask(&self, direct: &Direct, end: i64) -> ([(&'static str, Asked); 4], Asked) {
        let (node, place) = (self.address.as_str(), self.place);
        let questions = [
            ("a fetch of what it does not have", direct.fetch(node, place, end - 1)),
            ("the end of the log", direct.end_offset(node, place)),
            ("the end of its epoch", direct.end_of_epoch(node, place, self.epoch)),
            ("an offset of a group", direct.committed(node, &self.group, place)),
        ];
        (questions, direct.produce(node, place, self.epoch, LATE))
    }
}

impl Paused {
    /// Pauses the owner of a partition that is under load.
    fn start(front: FrontKind) -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let spec = Spec {
            gateways: 1,
            readers: 1,
            front,
            upload_interval: "1s".to_owned(),
            node_lines: "suspend_max = \"10min\"".to_owned(),
            ..Spec::default()
        };
        let mut cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
        let registry = Registry::connect(&cluster.etcd.url()).expect("etcd");
        create_topic(&mut cluster, &registry);
        let bootstrap = cluster.bootstrap();
        let load = Load::start(dir.path(), &bootstrap, TOPIC, PARTITIONS, RATE).expect("load");
        let direct = Direct::new(&registry).expect("the cluster has a secret");
        let place = Place { topic: registry.topic(TOPIC).expect("topic"), index: PLACE };
        let owner = registry.assignments(place.topic).expect("owners")[&PLACE];
        let record = registry.node(owner.node.0).expect("the owner is registered");
        let index = usize::try_from(owner.node.0 - 1).expect("nodes count from 1");
        let mut old = Old {
            index,
            address: record.address,
            log: record.log_id,
            place,
            epoch: owner.epoch,
            group: String::new(),
        };
        old.group = group_of(&direct, &old);
        let paused = Self { cluster, load, registry, direct, old, dir };
        eventually("load arrives", || paused.end_of_log().is_some_and(|end| end > MORE));
        sleep(GRACE);
        let asked = paused.direct.end_offset(&paused.old.address, place);
        paused.direct.answer(asked).expect("it answers, and there is a connection");
        paused.cluster.nodes[index].signal(Signal::STOP).expect("the node runs");
        paused
    }

    /// Waits until another node owns the partition and has taken more.
    fn wait_for_heir(&self) {
        let place = self.old.place;
        eventually("the partition is another's", || self.heir() != self.old.address);
        eventually("the heir serves", || self.end_of_log().is_some());
        let from = self.end_of_log().expect("the heir serves");
        eventually("the heir takes more", || {
            self.end_of_log().is_some_and(|end| end >= from + MORE)
        });
        let committed = |node: &str| {
            let asked = self.direct.commit(node, &self.old.group, place, from);
            self.direct.answer(asked).is_ok_and(|told| told.code.code() == 0)
        };
        eventually("another node coordinates the group", || {
            self.others().iter().any(|node| committed(node))
        });
    }

    /// Asks the old owner while it is paused, resumes it, and checks what it says. It reads the
    /// questions of a connection that it had before it finds out anything; such a connection may
    /// have been given up for its silence, so it is asked on another one as well.
    fn resume(&mut self) {
        let end = self.end_of_log().expect("the heir serves");
        let fresh = Direct::new(&self.registry).expect("the cluster has a secret");
        let askers = [&self.direct, &fresh];
        let asked = askers.map(|direct| (direct, self.old.ask(direct, end)));
        // Its kernel has taken them; the process reads them when it is resumed.
        sleep(Duration::from_millis(500));
        self.cluster.etcd.signal(Signal::STOP).expect("etcd runs");
        self.cluster.nodes[self.old.index].signal(Signal::CONT).expect("the node is paused");
        for (direct, (questions, late)) in asked {
            for (what, question) in questions {
                gives_no_final_answer(what, direct.answer(question));
            }
            acknowledges_nothing(direct.answer(late));
        }
    }

    /// (c): it finds its log ended and ends itself, while etcd still stands still; nothing of it is
    /// after END, and what it was given late is nowhere.
    fn uploads_nothing(mut self) {
        let node = &mut self.cluster.nodes[self.old.index];
        let status = node.wait_exit().expect("a node without a log ends by itself");
        assert!(!status.success(), "it was fenced: {status}");
        self.cluster.etcd.signal(Signal::CONT).expect("etcd is paused");
        node.start().expect("the next incarnation joins");
        let history = self.load.finish().expect("clients end in order");
        let findings = check(&history);
        assert!(findings.is_clean(), "{findings:?}");
        assert!(history.failed.is_empty() && history.unanswered == 0, "{:?}", history.failed);
        let report = self.cluster.scrub().expect("the bucket keeps its promises");
        let late = format!("after END of log {}", self.old.log);
        let late = report.lines().find(|line| line.contains("`l/") && line.contains(&late));
        assert_eq!(late, None, "R24: a zombie uploaded");
        drop(self.dir);
    }

    fn heir(&self) -> String {
        let owners = self.registry.assignments(self.old.place.topic).expect("owners");
        self.registry.node(owners[&PLACE].node.0).expect("registered").address
    }

    /// Where the log ends as its owner says; `None` while nobody serves it.
    fn end_of_log(&self) -> Option<i64> {
        let asked = self.direct.end_offset(&self.heir(), self.old.place);
        let told = self.direct.answer(asked).ok()?;
        (told.code.code() == 0).then_some(told.number)
    }

    fn others(&self) -> Vec<String> {
        let nodes = self.cluster.nodes.iter().map(|node| node.address().to_string());
        nodes.filter(|node| *node != self.old.address).collect()
    }
}

/// (b): it says that it may not be the owner, whatever it believes. One that found out and ended
/// says nothing.
fn gives_no_final_answer(what: &str, told: Answer) {
    let Ok(told) = told else { return };
    let code = told.code.to_string();
    assert!(REFUSALS.contains(&code.as_str()), "R6: {what} was answered: {told:?}");
}

/// (a): the outcome is unknown or surely none, never an acknowledgement.
fn acknowledges_nothing(told: Answer) {
    let Ok(told) = told else { return };
    let code = told.code.to_string();
    let retriable = ["NOT_LEADER_OR_FOLLOWER", "REQUEST_TIMED_OUT"];
    assert!(retriable.contains(&code.as_str()), "R1: a zombie acknowledged: {told:?}");
}

/// Creates the topic on nodes that also coordinate groups. All groups are the first node's, for there
/// was no other when they got one: it leaves them to the others, and comes back when those have the
/// topic as well.
fn create_topic(cluster: &mut Cluster, registry: &Registry) {
    let groups = registry.cluster().expect("the cluster is founded").group_state_topic;
    cluster.nodes[0].stop().expect("the node stops");
    eventually("others keep the groups", || {
        let owners = registry.assignments(groups).expect("owners");
        owners.values().all(|owner| owner.node.0 != 1)
    });
    Client::Python.create_topic(&cluster.bootstrap(), TOPIC, PARTITIONS).expect("topic is created");
    cluster.nodes[0].start().expect("the node starts again");
}

/// A group whose coordinator is that node.
fn group_of(direct: &Direct, node: &Old) -> String {
    let coordinates = |group: &String| {
        let asked = direct.committed(&node.address, group, node.place);
        direct.answer(asked).is_ok_and(|told| told.code.code() == 0)
    };
    let groups: Vec<String> = (0..100).map(|number| format!("group-{number}")).collect();
    eventually("the node coordinates some groups", || groups.iter().any(coordinates));
    groups.into_iter().find(coordinates).expect("it did a moment ago")
}

fn a_resumed_node_is_harmless(front: FrontKind) {
    let mut paused = Paused::start(front);
    paused.wait_for_heir();
    paused.resume();
    paused.uploads_nothing();
}

#[test]
fn a_resumed_node_of_the_object_front_acknowledges_denies_and_uploads_nothing() {
    a_resumed_node_is_harmless(FrontKind::Object);
}

#[test]
fn a_resumed_node_of_a_shared_disk_acknowledges_denies_and_uploads_nothing() {
    a_resumed_node_is_harmless(FrontKind::SharedDisk);
}
