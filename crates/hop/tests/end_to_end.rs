//! The hop from end to end, as the roles use it: real peers, real servers, one process.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture, future::join_all};
use hop::{
    ClusterSecret, Handler, HopError, HopHeader, HopRequest, Peer, Peers, Request, Response, Role,
    expected_epoch,
    internal::{ColdFetchRequest, ColdFetchResponse},
};
use parking_lot::Mutex;
use process::Drain;
use protocol::{
    StrBytes,
    ids::{TenantId, TopicId},
    messages::{
        HeartbeatRequest, HeartbeatResponse, ProduceRequest, ProduceResponse, produce_request,
        produce_response,
    },
};
use tokio::net::TcpListener;
use tower::ServiceExt;

/// Longer than any test; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node in miniature: appends at once, answers after a few turns of the scheduler.
#[derive(Default)]
struct Node {
    /// Acks fields of produces by lane, in the order they were called.
    appended: Mutex<HashMap<u64, Vec<i16>>>,
    /// The last produce, whole.
    last: Mutex<Option<HopRequest>>,
    calls: AtomicU64,
}

impl Handler for Node {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        let turns = self.calls.fetch_add(1, Ordering::Relaxed) % 3;
        let response = match &request.body {
            Request::Produce(produce) => {
                let order = &mut *self.appended.lock();
                order.entry(request.header.lane).or_default().push(produce.acks);
                *self.last.lock() = Some(request.clone());
                produced(produce.acks)
            }
            // A node that never answers.
            Request::Heartbeat(_) => return std::future::pending().boxed(),
            Request::ColdFetch(fetch) => Response::ColdFetch(ColdFetchResponse {
                records: vec![fetch.plan.clone(), fetch.plan.clone()],
                ..ColdFetchResponse::default()
            }),
            other => panic!("{other:?}"),
        };
        async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            response
        }
        .boxed()
    }
}

fn produced(error_code: i16) -> Response {
    let partition =
        produce_response::PartitionProduceResponse::default().with_error_code(error_code);
    let topic = produce_response::TopicProduceResponse::default()
        .with_topic_id(TopicId::random().0)
        .with_partition_responses(vec![partition]);
    Response::Produce(ProduceResponse::default().with_responses(vec![topic]))
}

fn header(lane: u64) -> HopHeader {
    HopHeader { lane, ..HopHeader::internal(TenantId(1), PATIENCE) }
}

/// A cluster of one node and one caller.
struct Cluster {
    node: Arc<Node>,
    address: SocketAddr,
    secret: ClusterSecret,
    peers: Peers,
    node_drain: Drain,
    drain: Drain,
}

impl Cluster {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (secret, drain) = (ClusterSecret::new(b"shared"), Drain::new());
        let node = Arc::new(Node::default());
        let node_drain = drain.child();
        serve(listener, &node, &secret, &node_drain);
        let peers = Peers::new(Role::Gateway, secret.clone(), drain.child());
        Self { node, address, secret, peers, node_drain, drain }
    }

    fn peer(&self) -> Peer {
        self.peers.peer(&self.address.to_string())
    }
}

fn serve(listener: TcpListener, node: &Arc<Node>, secret: &ClusterSecret, drain: &Drain) {
    let handler: Arc<dyn Handler> = Arc::clone(node) as _;
    drain.spawn("node", hop::serve(listener, handler, secret.clone(), drain.clone()));
}

fn produce(acks: i16, records: Bytes) -> ProduceRequest {
    let mut partition =
        produce_request::PartitionProduceData::default().with_records(Some(records));
    expected_epoch::set(&mut partition, 12);
    ProduceRequest::default().with_acks(acks).with_topic_data(vec![
        produce_request::TopicProduceData::default()
            .with_topic_id(TopicId::random().0)
            .with_partition_data(vec![partition]),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lane_keeps_its_order_and_every_answer_its_caller() {
    const LANES: u64 = 20;
    const PRODUCES: i16 = 200;
    let cluster = Cluster::start().await;
    let lanes = (0..LANES).map(|lane| {
        let peer = cluster.peer();
        let produces = async move {
            // Sizes on both sides of what is copied and what is linked.
            let answers = (0..PRODUCES).map(|acks| {
                let records = Bytes::from(vec![acks as u8; 1 << (acks % 17)]);
                peer.ask(header(lane), produce(acks, records))
            });
            for (acks, answer) in join_all(answers.collect::<Vec<_>>()).await.iter().enumerate() {
                let answer = answer.as_ref().expect("answered");
                let got = answer.responses[0].partition_responses[0].error_code;
                assert_eq!(got, acks as i16);
            }
        };
        cluster.drain.spawn("producer", produces)
    });
    for lane in join_all(lanes.collect::<Vec<_>>()).await {
        lane.unwrap();
    }
    let appended = cluster.node.appended.lock();
    assert_eq!(appended.len(), LANES as usize);
    for (lane, order) in &*appended {
        assert!(order.iter().copied().eq(0..PRODUCES), "lane {lane}: {order:?}");
    }
}

#[tokio::test]
async fn a_request_arrives_whole() {
    let cluster = Cluster::start().await;
    let header = HopHeader {
        tenant: TenantId(7),
        principal: StrBytes::from_static_str("User:alice"),
        client_id: StrBytes::from_static_str("billing"),
        client_host: StrBytes::from_static_str("127.0.0.1"),
        deadline: PATIENCE,
        trace_id: 42,
        lane: 3,
    };
    let sent = produce(-1, Bytes::from(vec![7; 3 << 20]));
    cluster.peer().ask(header.clone(), sent.clone()).await.unwrap();

    let arrived = cluster.node.last.lock().take().unwrap();
    let deadline = arrived.header.deadline;
    assert!(deadline <= PATIENCE, "what waiting for the connection took is taken off");
    let header = HopHeader { deadline, ..header };
    assert_eq!(arrived, HopRequest { header, body: Request::Produce(sent) });
    let Request::Produce(arrived) = arrived.body else { unreachable!() };
    let partition = &arrived.topic_data[0].partition_data[0];
    assert_eq!(expected_epoch::get(partition), Some(12));
}

#[tokio::test]
async fn records_come_back_joined_from_a_reader() {
    let cluster = Cluster::start().await;
    let plan = Bytes::from(vec![9; 100_000]);
    let request = ColdFetchRequest { plan, fetch_offset: 0, max_bytes: 0, plan_age_ms: 0 };
    let answer = cluster.peer().ask(header(0), request).await.unwrap();
    assert_eq!(answer.records.iter().map(Bytes::len).sum::<usize>(), 200_000);
    assert!(answer.records.iter().flatten().all(|byte| *byte == 9));
}

#[tokio::test]
async fn a_peer_is_a_tower_service() {
    let cluster = Cluster::start().await;
    let body = Request::Produce(produce(5, Bytes::from_static(b"batch")));
    let answer = cluster.peer().oneshot(HopRequest { header: header(0), body }).await;
    let Ok(Response::Produce(answer)) = answer else { panic!("{answer:?}") };
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 5);
}

#[tokio::test]
async fn a_node_that_dies_leaves_outcomes_unknown_and_one_that_returns_is_found() {
    let cluster = Cluster::start().await;
    let peer = cluster.peer();
    // Answered, so the connection stands.
    peer.ask(header(0), produce(1, Bytes::new())).await.unwrap();

    let unanswered = peer.ask(header(0), HeartbeatRequest::default());
    // Behind it in the same lane: once this is answered, the one before it was taken.
    peer.ask(header(0), produce(2, Bytes::new())).await.unwrap();
    assert!(!cluster.node_drain.finish(Duration::from_millis(20)).await, "it owes an answer");
    let refused = peer.ask(header(0), produce(3, Bytes::new())).await;
    assert_eq!(refused, Err(HopError::Unreachable), "a draining node takes nothing");

    let listener = TcpListener::bind(cluster.address).await.unwrap();
    serve(listener, &cluster.node, &cluster.secret, &cluster.drain.child());
    while let Err(error) = peer.ask(header(0), produce(4, Bytes::new())).await {
        assert_eq!(error, HopError::Unreachable);
        tokio::task::yield_now().await;
    }
    drop(unanswered);
    assert_eq!(cluster.node.appended.lock()[&0], [1, 2, 4]);
}

#[tokio::test]
async fn a_caller_with_another_secret_is_refused() {
    let cluster = Cluster::start().await;
    let secret = ClusterSecret::new(b"another");
    let stranger = Peers::new(Role::Gateway, secret, cluster.drain.clone());
    let peer = stranger.peer(&cluster.address.to_string());
    let refused = peer.ask(header(0), produce(1, Bytes::new())).await;
    assert_eq!(refused, Err(HopError::Unreachable));
    assert!(cluster.node.appended.lock().is_empty());
}

#[tokio::test]
async fn a_local_peer_is_called_in_place() {
    let peers = Peers::new(Role::Dev, ClusterSecret::new(b"shared"), Drain::new());
    // Handed out before the handler is there: roles start in any order.
    let peer = peers.peer("node-0:9000");
    let node = Arc::new(Node::default());
    peers.register_local("node-0:9000", Arc::clone(&node) as _);

    let records = Bytes::from(vec![7; 64 * 1024]);
    let answers: Vec<_> =
        (0..10).map(|acks| peer.ask(header(0), produce(acks, records.clone()))).collect();
    // Nothing was awaited yet: the order is that of the calls.
    assert!(node.appended.lock()[&0].iter().copied().eq(0..10));
    for (acks, answer) in join_all(answers).await.into_iter().enumerate() {
        let code = answer.unwrap().responses[0].partition_responses[0].error_code;
        assert_eq!(code, acks as i16);
    }
    let last = node.last.lock().take().unwrap();
    let Request::Produce(last) = last.body else { unreachable!() };
    let arrived = last.topic_data[0].partition_data[0].records.as_ref().unwrap();
    assert_eq!(arrived.as_ptr(), records.as_ptr(), "not copied");
}

#[tokio::test(start_paused = true)]
async fn a_local_peer_keeps_deadlines_and_can_be_replaced() {
    let peers = Peers::new(Role::Dev, ClusterSecret::new(b"shared"), Drain::new());
    let peer = peers.peer("node-0:9000");
    peers.register_local("node-0:9000", Arc::new(Node::default()));
    let silent = peer.ask(header(0), HeartbeatRequest::default()).await;
    assert_eq!(silent, Err(HopError::TimedOut));

    peers.register_local("node-0:9000", Arc::new(Confused));
    let confused = peer.ask(header(0), produce(1, Bytes::new())).await;
    assert!(matches!(confused, Err(HopError::Protocol(_))), "{confused:?}");
}

/// Answers everything as a heartbeat.
struct Confused;

impl Handler for Confused {
    fn call(&self, _: HopRequest) -> BoxFuture<'static, Response> {
        std::future::ready(Response::Heartbeat(HeartbeatResponse::default())).boxed()
    }
}
