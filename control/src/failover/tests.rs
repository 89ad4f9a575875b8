//! From silence to Ended, with nodes that answer as a test says.

use std::collections::BTreeMap;

use futures::future::{pending, ready};
use hop::internal::{EndIncarnationResponse, PingResponse, ProbeResponse};
use hop::{ClusterSecret, Handler, HopRequest, Request, Response, Role};
use metadata::keys::Key;
use metadata::model::{LeaderRecord, Record};
use metadata::{MemoryStore, MetadataStore, Txn, TxnOutcome};
use parking_lot::Mutex;
use process::Drain;
use std::time::Duration;

use super::*;

/// Longer than anything takes here, grace included. Time is simulated.
const LONG: Duration = Duration::from_secs(60);

/// What a node does.
#[derive(Clone, Copy, Debug, Default)]
struct Manners {
    silent: bool,
    /// What it says when asked whether it reaches somebody.
    reaches_others: bool,
    /// It does not answer that question.
    sees_nobody: bool,
    /// How it answers when asked to end an incarnation.
    end_code: i32,
    /// After how long.
    end_takes: Duration,
}

struct FakeNode {
    node: i32,
    log_id: String,
    manners: Mutex<Manners>,
    /// Logs it was asked to end.
    asked: Mutex<Vec<String>>,
}

impl Handler for FakeNode {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        let manners = *self.manners.lock();
        if manners.silent || (manners.sees_nobody && matches!(request.body, Request::Probe(_))) {
            return pending().boxed();
        }
        let (node, log_id) = (self.node, self.log_id.clone());
        ready(match request.body {
            Request::Ping(_) => Response::Ping(PingResponse { node, log_id, healthy: true }),
            Request::Probe(_) => Response::Probe(ProbeResponse { well: manners.reaches_others }),
            Request::EndIncarnation(request) => {
                self.asked.lock().push(request.log_id);
                let error_code = manners.end_code;
                let ended = Response::EndIncarnation(EndIncarnationResponse { error_code });
                return async move {
                    sleep(manners.end_takes).await;
                    ended
                }
                .boxed();
            }
            other => panic!("control asked {}", other.api().name()),
        })
        .boxed()
    }
}

struct Cluster {
    metadata: Arc<MemoryStore>,
    parts: Parts,
    nodes: BTreeMap<i32, Arc<FakeNode>>,
    drain: Drain,
}

impl Cluster {
    /// Nodes 1, 2, … with these fronts, all live.
    async fn new(fronts: &[&str]) -> Self {
        let (metadata, drain) = (Arc::new(MemoryStore::new()), Drain::new());
        let leader = LeaderRecord {
            control_id: "a".to_owned(),
            address: "a:1".to_owned(),
            admin: String::new(),
        };
        let term = put(&metadata, Key::Leader, leader.encode()).await;
        let store: Arc<dyn MetadataStore> = Arc::clone(&metadata) as _;
        let view = ClusterView::start(Arc::clone(&store), &drain).await.unwrap();
        let peers = Peers::new(Role::Dev, ClusterSecret::new(&[7; 32]), drain.clone());
        let guard = Guard::new(store, term);
        let parts = Parts { config: FailoverConfig::default(), guard, view, peers };
        let mut cluster = Self { metadata, parts, nodes: BTreeMap::new(), drain };
        for (node, front) in (1..).zip(fronts) {
            cluster.add(node, front, NodeState::Live).await;
        }
        cluster
    }

    async fn add(&mut self, node: i32, front: &str, state: NodeState) {
        let record = record(node, front, state);
        let fake = Arc::new(FakeNode {
            node,
            log_id: record.log_id.clone(),
            manners: Mutex::default(),
            asked: Mutex::default(),
        });
        self.parts.peers.register_local(&record.address, Arc::clone(&fake) as _);
        put(&self.metadata, Key::Node(NodeId(node)), record.encode()).await;
        put(&self.metadata, Key::NodeLive(NodeId(node)), Vec::new().into()).await;
        self.nodes.insert(node, fake);
        self.parts.view.refresh().await.unwrap();
    }

    fn watch(&self) {
        let (failover, draining) = (Failover::new(self.parts.clone()), self.drain.draining());
        self.drain.spawn("failover", async move {
            tokio::select! {
                () = draining => {}
                () = failover.run() => {}
            }
        });
    }

    fn silence(&self, node: i32) {
        self.nodes[&node].manners.lock().silent = true;
    }

    async fn state(&self, node: i32) -> NodeState {
        let entry = self.metadata.get(&Key::Node(NodeId(node)).to_string()).await.unwrap();
        NodeRecord::decode(&entry.expect("registered").value).unwrap().state
    }

    async fn becomes(&self, node: i32, state: NodeState) {
        let reached = async {
            while self.state(node).await != state {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LONG, reached).await.unwrap_or_else(|_| panic!("node {node} is never {state:?}"));
    }
}

fn record(node: i32, front: &str, state: NodeState) -> NodeRecord {
    NodeRecord {
        node: NodeId(node),
        incarnation: 1,
        log_id: format!("{node}-1-1-00000000000000aa"),
        state,
        address: format!("node-{node}:1"),
        zone: String::new(),
        front: front.to_owned(),
        batch_bytes_max: 0,
    }
}

async fn put(metadata: &MemoryStore, key: Key, value: bytes::Bytes) -> i64 {
    match metadata.txn(Txn::new().put(key, value)).await.unwrap() {
        TxnOutcome::Committed { revision } => revision,
        TxnOutcome::Conflict => panic!("nothing is compared"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_two_see_gone_is_fenced_and_ended_by_a_survivor() {
    let cluster = Cluster::new(&["object", "object", "object"]).await;
    cluster.watch();
    cluster.silence(2);
    cluster.becomes(2, NodeState::Ended).await;
    let asked: Vec<_> = cluster.nodes.values().flat_map(|node| node.asked.lock().clone()).collect();
    assert_eq!(asked, [record(2, "", NodeState::Live).log_id], "once, of one survivor");
    assert_eq!(cluster.state(1).await, NodeState::Live);
    assert_eq!(cluster.state(3).await, NodeState::Live);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_well_in_this_term_goes_without_grace() {
    let cluster = Cluster::new(&["object", "object"]).await;
    cluster.watch();
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    cluster.silence(2);
    cluster.becomes(2, NodeState::Ended).await;
    let took = began.elapsed();
    assert!(took < cluster.parts.config.grace / 3, "simulated time: {took:?}");
}

/// Leases may have ended while the metadata store was away, before this term.
#[tokio::test(start_paused = true)]
async fn in_the_first_seconds_of_a_term_only_a_node_is_the_second_witness() {
    let cluster = Cluster::new(&["object", "object"]).await;
    cluster.nodes[&1].manners.lock().sees_nobody = true;
    cluster.watch();
    sleep(Duration::from_secs(1)).await;
    cluster.silence(2);
    let vanishes = Txn::new().delete(Key::NodeLive(NodeId(2)));
    assert!(cluster.metadata.txn(vanishes).await.unwrap().is_committed());
    sleep(cluster.parts.config.grace - Duration::from_secs(3)).await;
    assert_eq!(cluster.state(2).await, NodeState::Live);
    cluster.becomes(2, NodeState::Ended).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_in_the_seconds_after_the_metadata_store_was_away() {
    let cluster = Cluster::new(&["object", "object"]).await;
    let mut failover = Failover::new(cluster.parts.clone());
    let suspect = record(2, "object", NodeState::Live);
    let live = [record(1, "object", NodeState::Live), suspect.clone()];
    let follow = |failover: &mut Failover, second: pings::Answer| {
        let now = Instant::now();
        failover.detector.follow(now, live.iter().map(|node| (node.node, node.log_id.as_str())));
        for (node, answer) in live.iter().zip([pings::Answer::Well, second]) {
            let log_id = node.log_id.clone();
            failover.detector.hear(&Pinged { node: node.node, log_id, answer }, now);
        }
    };
    follow(&mut failover, pings::Answer::Well);
    let refused = |failover: &mut Failover| {
        follow(failover, pings::Answer::Refused);
        follow(failover, pings::Answer::Refused);
        failover.sentence(&suspect, 2, Instant::now())
    };
    assert_eq!(refused(&mut failover), Sentence::Try, "it was well in this term");
    failover.metadata_answered(false);
    assert_eq!(refused(&mut failover), Sentence::NotYet);
    failover.metadata_answered(true);
    tokio::time::advance(cluster.parts.config.grace - Duration::from_secs(1)).await;
    assert_eq!(refused(&mut failover), Sentence::NotYet);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(refused(&mut failover), Sentence::Try);
}

#[tokio::test(start_paused = true)]
async fn what_a_leader_before_fenced_counts_against_the_limit() {
    let mut cluster = Cluster::new(&["object"; 3]).await;
    for node in [4, 5] {
        cluster.add(node, "object", NodeState::Fenced).await;
    }
    for node in cluster.nodes.values() {
        node.manners.lock().end_code = 56;
    }
    cluster.watch();
    sleep(Duration::from_secs(1)).await;
    cluster.silence(2);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(cluster.state(2).await, NodeState::Live, "R12: two within a minute");
    cluster.becomes(2, NodeState::Fenced).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_who_was_not_well_yet_goes_in_the_first_seconds_of_a_term() {
    let cluster = Cluster::new(&["object", "object"]).await;
    cluster.watch();
    cluster.silence(2);
    sleep(cluster.parts.config.grace - Duration::from_secs(1)).await;
    assert_eq!(cluster.state(2).await, NodeState::Live);
    cluster.becomes(2, NodeState::Ended).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_another_one_reaches_stays() {
    let cluster = Cluster::new(&["object", "object"]).await;
    cluster.nodes[&1].manners.lock().reaches_others = true;
    cluster.watch();
    cluster.silence(2);
    sleep(LONG).await;
    assert_eq!(cluster.state(2).await, NodeState::Live);
    cluster.nodes[&1].manners.lock().reaches_others = false;
    cluster.becomes(2, NodeState::Ended).await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_of_one_machine_is_waited_for() {
    let cluster = Cluster::new(&["disk:/var/wal", "disk:/var/wal"]).await;
    cluster.watch();
    cluster.silence(2);
    sleep(LONG).await;
    assert_eq!(cluster.state(2).await, NodeState::Live);
    assert!(cluster.nodes[&1].asked.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_last_node_is_never_evicted() {
    let cluster = Cluster::new(&["object"]).await;
    cluster.watch();
    cluster.silence(1);
    sleep(LONG).await;
    assert_eq!(cluster.state(1).await, NodeState::Live);
}

#[tokio::test(start_paused = true)]
async fn a_shared_volume_is_read_only_when_the_promise_is_over() {
    let cluster = Cluster::new(&["object", "shared-disk:/mnt/wal"]).await;
    cluster.watch();
    cluster.silence(2);
    cluster.becomes(2, NodeState::Fenced).await;
    sleep(crate::limits::PROMISE_WAIT - Duration::from_millis(50)).await;
    assert!(cluster.nodes[&1].asked.lock().is_empty(), "R4");
    cluster.becomes(2, NodeState::Ended).await;
}

#[tokio::test(start_paused = true)]
async fn many_at_once_stop_the_evictions() {
    let cluster = Cluster::new(&["object"; 5]).await;
    cluster.watch();
    for node in 2..=5 {
        cluster.silence(node);
    }
    sleep(cluster.parts.config.grace + Duration::from_secs(20)).await;
    let mut evicted = 0;
    for node in 2..=5 {
        evicted += usize::from(cluster.state(node).await != NodeState::Live);
    }
    assert_eq!(evicted, 2, "R12: two within a minute");
}

/// Goal: four of sixteen go at once. They are ended side by side, and none of them by another one of
/// them, which would cost the patience for that one.
#[tokio::test(start_paused = true)]
async fn nodes_that_go_together_are_ended_in_the_time_of_one() {
    const TAKES: Duration = Duration::from_secs(4);
    let mut cluster = Cluster::new(&["object"; 16]).await;
    cluster.parts.config.evictions_per_minute = 4;
    assert!(cluster.parts.config.drain_patience > TAKES);
    for node in cluster.nodes.values() {
        node.manners.lock().end_takes = TAKES;
    }
    cluster.watch();
    sleep(cluster.parts.config.grace + Duration::from_secs(5)).await;
    let silent = [2, 3, 7, 16];
    let began = Instant::now();
    for node in silent {
        cluster.silence(node);
    }
    for node in silent {
        cluster.becomes(node, NodeState::Ended).await;
    }
    let took = began.elapsed() - cluster.parts.config.suspect_after;
    assert!(took < 2 * TAKES, "simulated time, not the machine's: {took:?}");
    for node in silent {
        assert!(cluster.nodes[&node].asked.lock().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_survivor_that_cannot_is_followed_by_one_that_can() {
    let cluster = Cluster::new(&["object", "object", "object"]).await;
    cluster.nodes[&1].manners.lock().end_code = 56;
    cluster.nodes[&3].manners.lock().end_code = 56;
    cluster.watch();
    cluster.silence(2);
    cluster.becomes(2, NodeState::Fenced).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(cluster.state(2).await, NodeState::Fenced, "nobody has ended it");
    cluster.nodes[&3].manners.lock().end_code = 0;
    cluster.becomes(2, NodeState::Ended).await;
    assert!(cluster.nodes[&1].asked.lock().len() > 1, "for ever");
}

#[tokio::test(start_paused = true)]
async fn what_a_leader_before_fenced_is_ended_by_this_one() {
    let mut cluster = Cluster::new(&["object"]).await;
    cluster.add(2, "object", NodeState::Fenced).await;
    cluster.watch();
    cluster.becomes(2, NodeState::Ended).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_meanwhile_keeps_its_record() {
    let cluster = Cluster::new(&["object", "object"]).await;
    cluster.nodes[&1].manners.lock().end_code = 56;
    cluster.watch();
    cluster.silence(2);
    cluster.becomes(2, NodeState::Fenced).await;
    let next = NodeRecord {
        incarnation: 2,
        log_id: "2-1-2-00000000000000bb".to_owned(),
        ..record(2, "object", NodeState::Live)
    };
    put(&cluster.metadata, Key::Node(NodeId(2)), next.encode()).await;
    cluster.nodes[&1].manners.lock().end_code = 0;
    cluster.nodes[&1].manners.lock().reaches_others = true;
    sleep(LONG).await;
    assert_eq!(cluster.state(2).await, NodeState::Live);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_lead_any_more_fences_nobody() {
    let cluster = Cluster::new(&["object", "object"]).await;
    cluster.watch();
    let successor = Txn::new().delete(Key::Leader);
    assert!(cluster.metadata.txn(successor).await.unwrap().is_committed());
    cluster.silence(2);
    sleep(LONG).await;
    assert_eq!(cluster.state(2).await, NodeState::Live, "R11");
}

/// Goal: a survivor has drained the node for a leader that was succeeded meanwhile. That does no harm
/// (the next leader asks again); that the incarnation has ended is the next leader's to say.
#[tokio::test(start_paused = true)]
async fn who_does_not_lead_any_more_ends_nobody() {
    let mut cluster = Cluster::new(&["object"]).await;
    cluster.nodes[&1].manners.lock().end_takes = Duration::from_secs(1);
    cluster.add(2, "object", NodeState::Fenced).await;
    cluster.watch();
    while cluster.nodes[&1].asked.lock().is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    let successor = Txn::new().delete(Key::Leader);
    assert!(cluster.metadata.txn(successor).await.unwrap().is_committed());
    sleep(LONG).await;
    assert_eq!(cluster.state(2).await, NodeState::Fenced, "R11");
}
