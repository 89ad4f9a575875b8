//! Control in trouble in the middle of a hundred moves, three times on one cluster under load: its
//! leader is killed, etcd is cut off, and two processes believe that they lead (R11). Each time another
//! node is drained, and each time every partition that was on it moves once, the others do not, and
//! each has one owner that serves it and no other that would.
//!
//! ```text
//! drain 3: kill -9 of the leader         drain 2: etcd stands still      drain 3 again: two leaders
//! load ─────────────────────────────────────────────────────────────────────────► checker, scrub
//! ```

use std::collections::HashMap;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use metadata::model::Assignment;
use protocol::StrBytes;
use protocol::ids::{TenantId, TopicId};
use protocol::messages::{CreateTopicsRequest, create_topics_request::CreatableTopic};
use rustix::process::Signal;
use thermocline_tests::chaos::checker::assert_unnoticed;
use thermocline_tests::chaos::load::Load;
use thermocline_tests::clients::Client;
use thermocline_tests::cluster::{Cluster, FrontKind, Role, Spec, end_admin};
use thermocline_tests::direct::{Asked, Direct, Place};
use thermocline_tests::process::metric;
use thermocline_tests::registry::Registry;
use thermocline_tests::wait::eventually;

const TOPIC: &str = "moved";
const PARTITIONS: u32 = 300;
/// Bytes per second: every partition gets something in every second or two.
const RATE: u64 = 500_000;
/// How many moves a drain has at least, and how many are over when the trouble begins.
const MOVES: usize = 100;
const SOME: usize = 20;
/// Nobody moves but who is drained, and few at a time. A leader that was succeeded learns it from what
/// it tries to write and from nothing else: its lease outlives the pause, and it does not look at the
/// log.
const CONTROL: &str = "lease = \"10s\"\nreconcile_interval = \"10min\"\n\
                       [control.balance]\nenabled = false\nmoves_per_node = 4\n";
/// Longer than every lease there is.
const AWAY: Duration = Duration::from_secs(16);
const OPEN: &str = "storage_node_partitions";
const PRODUCED: &str = "storage_node_produce_bytes_total";
const LEADS: &str = "control_leader";
const SUPERSEDED: &str = "control_writes_superseded_total";

struct Rig {
    cluster: Cluster,
    load: Load,
    registry: Registry,
    direct: Direct,
    topic: TopicId,
    /// Of all topics, internal ones as well.
    partitions: usize,
    dir: tempfile::TempDir,
}

/// A drain that is under way.
struct Moves {
    node: i32,
    command: Child,
    /// Where each partition of the topic was when it began.
    before: HashMap<i32, Assignment>,
}

impl Rig {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let spec = Spec {
            controls: 2,
            gateways: 1,
            readers: 1,
            front: FrontKind::Object,
            upload_interval: "1s".to_owned(),
            control_lines: CONTROL.to_owned(),
            ..Spec::default()
        };
        let cluster = Cluster::start(dir.path(), &spec).expect("cluster starts");
        let bootstrap = cluster.bootstrap();
        Client::Python.create_topic(&bootstrap, TOPIC, PARTITIONS).expect("topic is created");
        let registry = Registry::connect(&cluster.etcd.url()).expect("etcd");
        let direct = Direct::new(&registry).expect("the cluster has a secret");
        let topic = registry.topic(TOPIC).expect("topic");
        let load = Load::start(dir.path(), &bootstrap, TOPIC, PARTITIONS, RATE).expect("load");
        let partitions = registry.partitions().expect("partitions").len();
        let rig = Self { cluster, load, registry, direct, topic, partitions, dir };
        rig.wait_until_open();
        rig.wait_for_produce("load arrives");
        rig
    }

    /// All partitions are served, and as often as there are partitions. Those of a topic that was just
    /// created are not, yet.
    fn wait_until_open(&self) {
        eventually("all partitions are served", || {
            self.cluster.metric_of_nodes(OPEN, "").expect("metric") == self.partitions as f64
        });
    }

    fn wait_for_produce(&self, what: &str) {
        let produced = || self.cluster.metric_of_nodes(PRODUCED, "").expect("metric");
        let before = produced();
        eventually(what, || produced() > before);
    }

    /// How many partitions of all topics are assigned to a node.
    fn assigned_to(&self, node: i32) -> usize {
        let partitions = self.registry.partitions().expect("partitions");
        partitions.iter().filter(|(_, owner)| owner.0 == node).count()
    }

    /// Drains a node, and returns in the middle of it.
    fn drain(&self, node: i32) -> Moves {
        let planned = self.assigned_to(node);
        assert!(planned >= MOVES, "{planned} partitions are on node {node}");
        let before = self.registry.assignments(self.topic).expect("owners");
        let number = node.to_string();
        let command = self.cluster.begin_admin(&["drain", &number]).expect("the command starts");
        while self.assigned_to(node) > planned - SOME {
            sleep(Duration::from_millis(10));
        }
        Moves { node, command, before }
    }

    /// That the drain is neither over nor goes on is for the trouble to show.
    fn is_in_the_middle(&self, moves: &Moves) {
        let left = self.assigned_to(moves.node);
        eprintln!("{left} partitions are left on node {}", moves.node);
        assert!(left >= SOME, "{left} left: too late to make trouble");
    }

    /// Waits for the end of a drain. What was on the node has moved, once, and nothing else has; each
    /// partition is served by its owner and by nobody else.
    fn finish(&self, moves: Moves) {
        let Moves { node, command, before } = moves;
        let drained = end_admin(command).expect("the node is drained");
        assert_eq!(drained["partitions"], 0, "{drained}");
        assert_eq!(self.registry.partitions().expect("partitions").len(), self.partitions);
        self.wait_until_open();
        let after = self.registry.assignments(self.topic).expect("owners");
        for (index, was) in &before {
            let is = after[index];
            let moved = i32::from(was.node.0 == node);
            assert_eq!(is.epoch, was.epoch + moved, "{index} was {was:?} and is {is:?}");
            assert_eq!(is.node == was.node, moved == 0, "{index} was {was:?} and is {is:?}");
        }
        self.has_one_owner_each(&after);
        self.cluster.admin(&["undrain", &node.to_string()]).expect("the node may have some again");
    }

    /// Asks every node for every partition: its owner answers, the others do not.
    fn has_one_owner_each(&self, owners: &HashMap<i32, Assignment>) {
        for (node, role) in (1..).zip(&self.cluster.nodes) {
            let address = role.address().to_string();
            let ask = |&index: &i32| {
                let place = Place { topic: self.topic, index };
                (index, self.direct.end_offset(&address, place))
            };
            let asked: Vec<(i32, Asked)> = owners.keys().map(ask).collect();
            for (index, asked) in asked {
                let told = self.direct.answer(asked).expect("a node that is well answers");
                let owns = owners[&index].node.0 == node;
                assert_eq!(
                    told.code.code() == 0,
                    owns,
                    "node {node} on partition {index}: {told:?}"
                );
            }
        }
    }

    /// The control process that leads, and the other one.
    fn controls(&mut self) -> (&mut Role, &mut Role) {
        let leader = self.registry.leader().expect("etcd answers").expect("somebody leads");
        let Cluster { control, other_controls, .. } = &mut self.cluster;
        let other = &mut other_controls[0];
        if leader == control.name() { (control, other) } else { (other, control) }
    }

    fn wait_for_leader(&self, name: &str) {
        eventually("the other one leads", || {
            self.registry.leader().expect("etcd answers").is_some_and(|leader| leader == name)
        });
    }

    /// Every process is the one that it was.
    fn nobody_left(&mut self) {
        for role in self.cluster.roles() {
            assert!(!role.reap(), "a process ended");
        }
    }
}

fn control_dies(rig: &mut Rig) {
    let moves = rig.drain(3);
    let (leader, other) = rig.controls();
    leader.kill();
    let (dead, heir) = (leader.name().to_owned(), other.name().to_owned());
    rig.is_in_the_middle(&moves);
    rig.wait_for_leader(&heir);
    rig.is_in_the_middle(&moves);
    rig.finish(moves);
    let dead = rig.cluster.roles().find(|role| role.name() == dead).expect("there are two");
    dead.start().expect("control starts again");
    rig.nobody_left();
}

fn etcd_is_cut_off(rig: &mut Rig) {
    let moves = rig.drain(2);
    rig.is_in_the_middle(&moves);
    rig.cluster.etcd.signal(Signal::STOP).expect("etcd runs");
    sleep(AWAY);
    rig.wait_for_produce("produce goes on without etcd");
    rig.cluster.etcd.signal(Signal::CONT).expect("etcd is paused");
    rig.is_in_the_middle(&moves);
    rig.finish(moves);
    rig.nobody_left();
}

/// The leader is paused and its key taken away, so that another one leads. Resumed, it has a lease, a
/// plan, and moves to go on with.
fn two_lead(rig: &mut Rig) {
    let moves = rig.drain(3);
    let (old, new) = rig.controls();
    let (old_http, new_http) = (old.http(), new.http());
    let (old_address, heir) = (old.address().to_string(), new.name().to_owned());
    old.signal(Signal::STOP).expect("the leader runs");
    rig.registry.depose_leader().expect("etcd answers");
    rig.wait_for_leader(&heir);
    rig.is_in_the_middle(&moves);
    let (new, old) = rig.controls();
    assert_eq!(new.http(), new_http);
    old.signal(Signal::CONT).expect("it is paused");
    let count = |name| metric(old_http, name, "").expect("metric");
    eventually("R11: what it writes is refused", || count(SUPERSEDED) >= 1.0);
    let leads = |http| metric(http, LEADS, "").expect("metric") > 0.0;
    assert!(leads(old_http) && leads(new_http), "both believe that they lead");

    // And what needs the log: only then it learns.
    let code = create_topic(rig, &old_address, "of-yesterday");
    assert!(["REQUEST_TIMED_OUT", "NOT_CONTROLLER"].contains(&code.as_str()), "{code}");
    eventually("it steps down", || !leads(old_http));
    rig.registry.topic("of-yesterday").expect_err("it is in no log");
    rig.finish(moves);
    assert!(leads(new_http));
    rig.nobody_left();
}

/// Asks one control process for a topic, as a gateway does that believes it leads; its answer.
fn create_topic(rig: &Rig, address: &str, name: &str) -> String {
    let topic = CreatableTopic::default()
        .with_name(StrBytes::from(name.to_owned()).into())
        .with_num_partitions(1)
        .with_replication_factor(-1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5_000);
    let answer = rig.direct.call(address, TenantId::DEFAULT, request).expect("it answers");
    protocol::ErrorCode::from_code(answer.topics[0].error_code).to_string()
}

#[test]
fn a_hundred_moves_outlive_their_leader_etcd_s_absence_and_a_second_leader() {
    let mut rig = Rig::start();
    control_dies(&mut rig);
    etcd_is_cut_off(&mut rig);
    two_lead(&mut rig);
    let history = rig.load.finish().expect("clients end in order");
    assert_unnoticed(&history);
    rig.cluster.scrub().expect("the bucket keeps its promises");
    drop(rig.dir);
}
