//! A server with a scripted handler, called frame by frame.

mod bounds;
mod misuse;
mod releases;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use process::Drain;
use protocol::{
    ids::TenantId,
    messages::{HeartbeatRequest, HeartbeatResponse},
    release::Releases,
    rope::Rope,
};
use tokio::{
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot},
};

use crate::{
    Api, ClusterSecret, Handler, HopHeader, HopRequest, Request, Response, Role,
    frame::{Frame, Head, Kind},
    handshake,
    stream::{FrameBatch, FrameReader, write_all},
};

/// Longer than any test; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Hands every request to the test, which answers when it likes.
struct Script {
    started: mpsc::Sender<Started>,
    panics: Mutex<Option<Panics>>,
}

/// A request that the handler has started.
struct Started {
    request: HopRequest,
    answer: oneshot::Sender<Response>,
}

#[derive(Clone, Copy)]
enum Panics {
    InCall,
    InFuture,
}

impl Handler for Script {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        match self.panics.lock().take() {
            Some(Panics::InCall) => panic!("as intended, in call"),
            Some(Panics::InFuture) => return async { panic!("as intended, later") }.boxed(),
            None => {}
        }
        let (answer, answered) = oneshot::channel();
        self.started.try_send(Started { request, answer }).map_err(drop).expect("room");
        async move { answered.await.expect("the test answers") }.boxed()
    }
}

impl Started {
    fn generation(&self) -> i32 {
        match &self.request.body {
            Request::Heartbeat(heartbeat) => heartbeat.generation_id,
            other => panic!("{other:?}"),
        }
    }

    fn answer(self, error_code: i16) {
        let _ = self.answer.send(answer(error_code));
    }
}

struct Server {
    address: SocketAddr,
    secret: ClusterSecret,
    drain: Drain,
    script: Arc<Script>,
    started: mpsc::Receiver<Started>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, started) = mpsc::channel(1000);
        let script = Arc::new(Script { started: sender, panics: Mutex::new(None) });
        let (secret, drain) = (ClusterSecret::new(b"shared"), Drain::new());
        let handler: Arc<dyn Handler> = Arc::clone(&script) as _;
        drain.spawn("hop", super::serve(listener, handler, secret.clone(), drain.clone()));
        Self { address, secret, drain, script, started }
    }

    /// Connects as a member.
    async fn client(&self) -> Client {
        self.client_of(Role::Gateway, Releases::OURS).await
    }

    /// Connects as a member of this role and these releases.
    async fn client_of(&self, role: Role, releases: Releases) -> Client {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        handshake::connect(&mut stream, &self.secret, role, releases).await.unwrap();
        let (read, write) = stream.into_split();
        Client { frames: FrameReader::new(read), stream: write, last: 0 }
    }

    /// The next request to reach the handler.
    async fn started(&mut self) -> Started {
        self.started.recv().await.expect("the handler lives")
    }
}

/// One connection to it.
struct Client {
    frames: FrameReader<OwnedReadHalf>,
    stream: OwnedWriteHalf,
    last: u64,
}

impl Client {
    /// Sends a heartbeat of this generation as the next request.
    async fn heartbeat(&mut self, tenant: u32, generation: i32) -> Head {
        self.last += 1;
        let head = Head::request(Api::Heartbeat, TenantId(tenant), self.last);
        self.send(head, heartbeat(generation)).await;
        head
    }

    async fn send(&mut self, head: Head, body: Bytes) {
        let mut batch = FrameBatch::default();
        let header = HopHeader::internal(head.tenant, PATIENCE);
        batch.request(head, &header, &Rope::from(body));
        write_all(&mut self.stream, batch.take()).await.unwrap();
    }

    async fn send_bare(&mut self, head: Head) {
        let mut batch = FrameBatch::default();
        batch.frame(head, &Rope::default());
        write_all(&mut self.stream, batch.take()).await.unwrap();
    }

    /// The next frame; `None` when the server has closed the connection.
    async fn frame(&mut self) -> Option<Frame> {
        self.frames.next().await.ok()?
    }

    /// The next frame, which must be an answer to `request`.
    async fn expect(&mut self, request: Head, error_code: i16) {
        let frame = self.frame().await.expect("an answer");
        assert_eq!(frame.head, request.answered(Kind::Response));
        assert_eq!(
            Response::decode(Api::Heartbeat, frame.head.api_version, frame.body),
            Ok(answer(error_code))
        );
    }

    /// The next frame, which must be of this kind and echo `request`.
    async fn expect_kind(&mut self, request: Head, kind: Kind) {
        assert_eq!(self.frame().await.expect("a frame").head, request.answered(kind));
    }
}

fn heartbeat(generation: i32) -> Bytes {
    let message = HeartbeatRequest::default().with_generation_id(generation);
    Request::Heartbeat(message).encode(Api::Heartbeat.version()).unwrap().into_bytes()
}

fn answer(error_code: i16) -> Response {
    Response::Heartbeat(HeartbeatResponse::default().with_error_code(error_code))
}

#[tokio::test]
async fn requests_start_in_order_and_are_answered_as_they_complete() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let mut heads = Vec::new();
    for generation in 0..3 {
        heads.push(client.heartbeat(generation as u32, generation).await);
    }
    let mut started = Vec::new();
    for generation in 0..3 {
        let next = server.started().await;
        assert_eq!(next.generation(), generation);
        assert_eq!(next.request.header.tenant, TenantId(generation as u32));
        started.push(next);
    }
    for at in [2, 1, 0] {
        started.remove(at).answer(at as i16);
        client.expect(heads[at], at as i16).await;
    }
}

#[tokio::test]
async fn a_ping_is_answered_while_requests_wait() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let waiting = client.heartbeat(1, 10).await;
    let started = server.started().await;
    client.send_bare(Head::bare(Kind::Ping, 0)).await;
    assert_eq!(client.frame().await.unwrap().head, Head::bare(Kind::Pong, 0));
    started.answer(0);
    client.expect(waiting, 0).await;
}

#[tokio::test]
async fn a_draining_server_answers_what_it_took_and_says_what_that_is() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let taken = client.heartbeat(1, 10).await;
    let started = server.started().await;

    server.drain.begin();
    let gone = client.frame().await.unwrap();
    assert_eq!(gone.head, Head::bare(Kind::GoAway, taken.correlation));
    let _untaken = client.heartbeat(1, 20).await;
    assert!(!server.drain.finish(Duration::from_millis(20)).await, "an answer is owed");

    started.answer(7);
    client.expect(taken, 7).await;
    assert!(client.frame().await.is_none());
    assert!(server.drain.finish(PATIENCE).await);
    assert!(server.started.try_recv().is_err(), "what came after was not taken");
}

#[tokio::test]
async fn what_nobody_waits_for_is_dropped_with_its_connection() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client.heartbeat(1, 10).await;
    let mut started = server.started().await;
    drop(client);
    started.answer.closed().await;
}

#[tokio::test]
async fn a_handler_that_panics_costs_one_request() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    for panics in [Panics::InCall, Panics::InFuture] {
        *server.script.panics.lock() = Some(panics);
        let failing = client.heartbeat(1, 10).await;
        client.expect_kind(failing, Kind::Failed).await;
    }
    let fine = client.heartbeat(1, 20).await;
    server.started().await.answer(4);
    client.expect(fine, 4).await;
}

#[tokio::test]
async fn an_answer_to_another_question_is_not_passed_on() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let asked = client.heartbeat(1, 10).await;
    let plan = Response::Plan(crate::internal::PlanResponse::default());
    server.started().await.answer.send(plan).unwrap();
    client.expect_kind(asked, Kind::Failed).await;
}
