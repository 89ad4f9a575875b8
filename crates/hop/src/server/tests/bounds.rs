//! How much and how long a server bears with one peer, in simulated time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::{FutureExt, future::BoxFuture};
use protocol::{ids::TenantId, release::Releases, rope::Rope};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
    time::{Duration, Instant, sleep},
};

use super::{Drain, Server, heartbeat};
use crate::{
    Api, Handler, HopHeader, HopRequest, Response, Role,
    frame::{Frame, Head, Kind},
    handshake,
    limits::{FRAME_TIMEOUT, REQUESTS_IN_FLIGHT_MAX, SERVER_STRANGERS_PER_ADDRESS_MAX},
    metrics::ServerMetrics,
    server::connection::{self, ConnectionError, Serving},
    stream::{FrameBatch, FrameReader, write_all},
};

/// Starts whatever it is given and never answers.
#[derive(Default)]
struct Sink(AtomicUsize);

impl Handler for Sink {
    fn call(&self, _: HopRequest) -> BoxFuture<'static, Response> {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::future::pending().boxed()
    }
}

fn connected(sink: &Arc<Sink>) -> (DuplexStream, JoinHandle<Result<(), ConnectionError>>) {
    let serving = Serving {
        handler: Arc::clone(sink) as _,
        metrics: Arc::new(ServerMetrics::new()),
        drain: Drain::new(),
        role: Role::Gateway,
        release: protocol::release::Release::THIS,
    };
    let (near, far) = duplex(1024 * 1024);
    let (read, write) = tokio::io::split(near);
    let drain = serving.drain.clone();
    (far, drain.spawn("hop server connection", connection::serve(serving, read, write)))
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_trickles_in_ends_the_connection() {
    let (mut far, served) = connected(&Arc::default());
    let started = Instant::now();
    // A frame of 20 bytes, one at a time.
    let drip = async move {
        for byte in [0, 0, 0, 20, 0x54].into_iter().chain([0; 15]) {
            far.write_u8(byte).await.ok();
            sleep(Duration::from_secs(10)).await;
        }
        far
    };
    let (_far, served) = tokio::join!(drip, served);
    assert!(matches!(served.unwrap(), Err(ConnectionError::Slow)));
    assert!(started.elapsed() > FRAME_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn past_the_bound_requests_wait_in_the_socket() {
    const EXTRA: usize = 10;
    let sink = Arc::new(Sink::default());
    let (far, _served) = connected(&sink);
    let (read, mut write) = tokio::io::split(far);
    let header = HopHeader::internal(TenantId(1), Duration::from_secs(1));
    let body = Rope::from(heartbeat(10));
    let mut batch = FrameBatch::default();
    for correlation in 1..=REQUESTS_IN_FLIGHT_MAX + EXTRA {
        let head = Head::request(Api::Heartbeat, TenantId(1), correlation as u64);
        batch.request(head, &header, &body);
        write_all(&mut write, batch.take()).await.unwrap();
    }
    // Simulated time passes only when nobody can do anything.
    sleep(Duration::from_millis(1)).await;
    assert_eq!(sink.0.load(Ordering::Relaxed), REQUESTS_IN_FLIGHT_MAX);

    // Not even a ping is read behind them.
    batch.frame(Head::bare(Kind::Ping, 0), &Rope::default());
    write_all(&mut write, batch.take()).await.unwrap();
    let mut frames = FrameReader::new(read);
    let heard: Result<Result<Option<Frame>, _>, _> =
        tokio::time::timeout(Duration::from_secs(1), frames.next()).await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test]
async fn strangers_who_say_nothing_keep_no_member_out() {
    let mut server = Server::start().await;
    // So that it stands before they come.
    let mut member = server.client().await;
    // Until there is no place left. Each of them gives up its own after a while.
    let mut silent = Vec::new();
    loop {
        let mut stranger = TcpStream::connect(server.address).await.unwrap();
        if stranger.read(&mut [0; 1]).await.unwrap_or(0) == 0 {
            break;
        }
        silent.push(stranger);
        assert!(silent.len() < 16 * SERVER_STRANGERS_PER_ADDRESS_MAX, "nobody is turned away");
    }
    assert!(silent.len() >= SERVER_STRANGERS_PER_ADDRESS_MAX);

    let asked = member.heartbeat(1, 10).await;
    server.started().await.answer(3);
    member.expect(asked, 3).await;
    // A member that comes from elsewhere meanwhile.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(server.address).await.unwrap();
    handshake::connect(&mut other, &server.secret, Role::Gateway, Releases::OURS).await.unwrap();
}

#[tokio::test]
async fn a_member_is_no_stranger_any_more() {
    let server = Server::start().await;
    let mut members = Vec::new();
    for _ in 0..=SERVER_STRANGERS_PER_ADDRESS_MAX {
        members.push(server.client().await);
    }
    let last = members.last_mut().unwrap();
    last.send_bare(Head::bare(Kind::Ping, 0)).await;
    assert_eq!(last.frame().await.unwrap().head, Head::bare(Kind::Pong, 0));
}
