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
    // One request first, so that the server surely has accepted the connection.
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");

    assert!(admin.drain.finish(Duration::from_secs(10)).await);
    idle.read_to_end(&mut Vec::new()).await.unwrap();
    assert!(TcpStream::connect(admin.address).await.is_err());
}
