//! A peer that a test plays frame by frame, called by real lanes.

mod broken;
mod endings;
mod releases;

use std::{net::SocketAddr, time::Duration};

use bytes::BytesMut;
use futures::future::BoxFuture;
use process::Drain;
use protocol::{
    ids::TenantId,
    messages::{HeartbeatRequest, HeartbeatResponse},
    release::Releases,
    rope::Rope,
};
use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpListener,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::{
    Api, ClusterSecret, HopError, HopHeader, HopRequest, Peer, Peers, Request, Response, Role,
    frame::{Frame, Head, Kind},
    handshake,
    stream::{FrameReader, write_all},
};

/// Longer than any test; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The process under test, and where it believes its peer to be.
struct Caller {
    peer: Peer,
    drain: Drain,
}

/// The test's own end.
struct Stage {
    listener: TcpListener,
    secret: ClusterSecret,
}

/// One connection to it.
struct Connection {
    frames: FrameReader<OwnedReadHalf>,
    stream: OwnedWriteHalf,
}

/// Sets up a caller and its peer.
async fn stage() -> (Caller, Stage) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let secret = ClusterSecret::new(b"shared");
    (Caller::of(address, secret.clone()), Stage { listener, secret })
}

type Answer = BoxFuture<'static, Result<Response, HopError>>;

impl Caller {
    fn of(address: SocketAddr, secret: ClusterSecret) -> Self {
        let drain = Drain::new();
        let peers = Peers::new(Role::Gateway, secret, drain.clone());
        Self { peer: peers.peer(&address.to_string()), drain }
    }

    /// A heartbeat of this tenant and generation, all on one lane.
    fn heartbeat(&self, tenant: u32, generation: i32) -> Answer {
        self.send(tenant, HeartbeatRequest::default().with_generation_id(generation))
    }

    fn send(&self, tenant: u32, message: HeartbeatRequest) -> Answer {
        let header = HopHeader::internal(TenantId(tenant), PATIENCE);
        self.peer.call_ordered(HopRequest { header, body: Request::Heartbeat(message) })
    }
}

impl Stage {
    /// Accepts the next connection as a member.
    async fn connection(&self) -> Connection {
        self.connection_of(Releases::OURS).await
    }

    /// The same as a member of these releases.
    async fn connection_of(&self, releases: Releases) -> Connection {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        handshake::accept(&mut stream, &self.secret, None, releases).await.unwrap();
        let (read, write) = stream.into_split();
        Connection { frames: FrameReader::new(read), stream: write }
    }
}

impl Connection {
    /// The next frame that is not a ping; `None` when the caller has closed the connection.
    async fn frame(&mut self) -> Option<Frame> {
        loop {
            let frame = self.frames.next().await.ok()??;
            if frame.head.kind != Kind::Ping {
                return Some(frame);
            }
        }
    }

    /// The next request, which must be a heartbeat, with its generation.
    async fn heartbeat(&mut self) -> (Head, i32) {
        let Frame { head, body, .. } = self.frame().await.expect("a request");
        let request = Request::decode(Api::Heartbeat, head.api_version, body);
        let Ok(Request::Heartbeat(heartbeat)) = request else { panic!("{request:?}") };
        (head, heartbeat.generation_id)
    }

    async fn send(&mut self, head: Head, body: &[u8]) {
        let mut frame = BytesMut::new();
        head.put(0, body.len(), &mut frame);
        frame.extend_from_slice(body);
        self.send_raw(&frame).await;
    }

    async fn send_raw(&mut self, bytes: &[u8]) {
        let rope = Rope::from(bytes::Bytes::copy_from_slice(bytes));
        write_all(&mut self.stream, rope).await.unwrap();
    }

    /// Answers a heartbeat with this error code.
    async fn answer(&mut self, request: Head, error_code: i16) {
        let body = answer(error_code).encode(request.api_version).unwrap().into_bytes();
        self.send(request.answered(Kind::Response), &body).await;
    }

    async fn close(mut self) {
        self.stream.shutdown().await.unwrap();
    }
}

fn answer(error_code: i16) -> Response {
    Response::Heartbeat(HeartbeatResponse::default().with_error_code(error_code))
}

#[tokio::test]
async fn answers_find_their_callers_in_any_order() {
    let (caller, stage) = stage().await;
    let answers = [caller.heartbeat(1, 10), caller.heartbeat(2, 20), caller.heartbeat(1, 30)];
    let mut connection = stage.connection().await;
    let mut requests = Vec::new();
    for generation in [10, 20, 30] {
        let (head, got) = connection.heartbeat().await;
        assert_eq!(got, generation, "requests keep the order of their calls");
        requests.push(head);
    }
    for at in [2, 0, 1] {
        connection.answer(requests[at], at as i16).await;
    }
    for (at, answered) in answers.into_iter().enumerate() {
        assert_eq!(answered.await, Ok(answer(at as i16)));
    }
}

#[tokio::test]
async fn the_late_answer_of_a_cancelled_caller_reaches_nobody() {
    let (caller, stage) = stage().await;
    let cancelled = caller.heartbeat(1, 10);
    let mut connection = stage.connection().await;
    let (first, _) = connection.heartbeat().await;
    drop(cancelled);

    let waiting = caller.heartbeat(2, 20);
    let (second, _) = connection.heartbeat().await;
    assert_ne!(first.correlation, second.correlation, "not reused while a tombstone stands");
    connection.answer(first, 1).await;
    connection.answer(second, 2).await;
    assert_eq!(waiting.await, Ok(answer(2)));
}

#[tokio::test]
async fn a_request_is_sent_though_its_caller_does_not_wait() {
    let (caller, stage) = stage().await;
    drop(caller.heartbeat(1, 10));
    let mut connection = stage.connection().await;
    assert_eq!(connection.heartbeat().await.1, 10);
}

#[tokio::test]
async fn too_much_under_way_is_refused_not_queued() {
    let (caller, stage) = stage().await;
    let mut answers: Vec<_> = (0..crate::limits::REQUESTS_IN_FLIGHT_MAX)
        .map(|at| caller.heartbeat(1, at as i32))
        .collect();
    assert_eq!(caller.heartbeat(1, -1).await, Err(HopError::Overloaded));

    let mut connection = stage.connection().await;
    let (head, _) = connection.heartbeat().await;
    connection.answer(head, 0).await;
    assert_eq!(answers.remove(0).await, Ok(answer(0)));
    drop(caller.heartbeat(1, -2));
    assert_eq!(caller.heartbeat(1, -3).await, Err(HopError::Overloaded), "one was free");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let (caller, stage) = stage().await;
    let header = HopHeader::internal(TenantId(1), Duration::from_millis(1));
    let body = Request::Heartbeat(HeartbeatRequest::default());
    let answer = caller.peer.call_ordered(HopRequest { header, body });
    let _connection = stage.connection().await;
    assert_eq!(answer.await, Err(HopError::TimedOut));
}

#[tokio::test]
async fn a_drained_process_closes_idle_connections() {
    let (caller, stage) = stage().await;
    let answered = caller.heartbeat(1, 10);
    let mut connection = stage.connection().await;
    let (head, _) = connection.heartbeat().await;

    caller.drain.begin();
    assert!(!caller.drain.finish(Duration::from_millis(20)).await, "an answer is under way");
    connection.answer(head, 7).await;
    assert_eq!(answered.await, Ok(answer(7)));
    assert!(connection.frame().await.is_none(), "closed by the caller");
    assert!(caller.drain.finish(PATIENCE).await);
}
