//! The admin server over a real socket, asked as a probe would ask.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::admin::Readiness;

struct Admin {
    address: SocketAddr,
    readiness: Readiness,
    recorder: metrics_exporter_prometheus::PrometheusRecorder,
    drain: Drain,
}

impl Admin {
    async fn start() -> Self {
        let (recorder, metrics) = MetricsHandle::isolated();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (readiness, drain) = (Readiness::new(), Drain::new());
        drain.spawn("admin", serve(listener, metrics, readiness.clone(), drain.clone()));
        Self { address, readiness, recorder, drain }
    }

    /// Sends one request on a connection of its own and returns the whole answer.
    async fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn metrics_are_rendered() {
    let admin = Admin::start().await;
    metrics::with_local_recorder(&admin.recorder, || {
        metrics::counter!("seen_total").increment(2);
    });
    let answer = admin.ask("GET", "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\nseen_total 2\n"), "{answer}");
}

#[tokio::test]
async fn liveness_does_not_depend_on_readiness() {
    let admin = Admin::start().await;
    let gate = admin.readiness.gate("gateway");
    assert!(admin.ask("GET", "/healthz").await.starts_with("HTTP/1.1 200 "));

    let answer = admin.ask("GET", "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("waiting for: gateway"), "{answer}");

    gate.open();
    assert!(admin.ask("GET", "/readyz").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let admin = Admin::start().await;
    assert!(admin.ask("GET", "/secrets").await.starts_with("HTTP/1.1 404 "));
    assert!(admin.ask("POST", "/healthz").await.starts_with("HTTP/1.1 405 "));
}

#[tokio::test]
async fn draining_closes_idle_connections_and_the_listener() {
    let admin = Admin::start().await;
    let mut idle = TcpStream::connect(admin.address).await.unwrap();
    // Accepted in their order, so that the server surely has the first one.
    assert!(admin.ask("GET", "/healthz").await.starts_with("HTTP/1.1 200 "));

    assert!(admin.drain.finish(Duration::from_secs(10)).await);
    idle.read_to_end(&mut Vec::new()).await.unwrap();
    assert!(TcpStream::connect(admin.address).await.is_err());
}

#[tokio::test]
async fn one_address_cannot_take_every_place() {
    let admin = Admin::start().await;
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_PER_ADDRESS_MAX {
        silent.push(TcpStream::connect(admin.address).await.unwrap());
    }
    let mut refused = TcpStream::connect(admin.address).await.unwrap();
    assert_eq!(refused.read(&mut [0]).await.unwrap_or(0), 0, "closed without a word");

    // All of 127.0.0.0/8 is this machine: another address of it is served.
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(admin.address).await.unwrap();
    other.write_all(b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("ok\n"), "and the connection is closed after it: {answer}");
}

/// The answer is larger than what both sockets buffer, and nobody takes it.
#[tokio::test]
async fn whoever_takes_no_answer_is_given_up() {
    let admin = Admin::start().await;
    metrics::with_local_recorder(&admin.recorder, || {
        for number in 0..40_000 {
            let label = format!("{number:0>200}");
            metrics::counter!("large_total", "number" => label).increment(1);
        }
    });
    let mut greedy = TcpStream::connect(admin.address).await.unwrap();
    greedy.write_all(b"GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    for is_there in [true, false] {
        while admin.drain.running().contains_key("admin connection") != is_there {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_read_to_its_end() {
    let admin = Admin::start().await;
    let mut endless = TcpStream::connect(admin.address).await.unwrap();
    endless.write_all(b"GET /healthz HTTP/1.1\r\nhost: ").await.unwrap();
    let flood = vec![b'x'; 1 << 20];
    // Refused at some point, or taken by the socket's buffers.
    let _ = endless.write_all(&flood).await;
    let mut answer = Vec::new();
    let _ = endless.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
}
