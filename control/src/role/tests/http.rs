//! The admin API's door: who is heard, how much, and for how long. Real sockets, simulated time.

use metadata::MemoryStore;
use process::Net;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{Cluster, Process};
use crate::api::admin_token;
use crate::limits::{ADMIN_BODY_BYTES_MAX, ADMIN_CONNECTIONS_PER_ADDRESS_MAX};

/// Every path that there is, and one that there is not.
const ROUTES: &[(&str, &str)] = &[
    ("GET", "/v1/status"),
    ("GET", "/v1/nodes"),
    ("GET", "/v1/nodes/1"),
    ("GET", "/v1/topics"),
    ("GET", "/v1/partitions"),
    ("GET", "/v1/moves"),
    ("GET", "/v1/pins"),
    ("GET", "/v1/gateway-sets"),
    ("POST", "/v1/nodes/1/drain"),
    ("POST", "/v1/nodes/1/undrain"),
    ("POST", "/v1/nodes/1/cordon"),
    ("POST", "/v1/nodes/1/uncordon"),
    ("PUT", "/v1/nodes/1/weight"),
    ("PUT", "/v1/pins"),
    ("POST", "/v1/partitions/move"),
    ("POST", "/v1/gateway-sets/switch"),
    ("GET", "/"),
];

/// A cluster with one node, and the door of its leader.
struct Door {
    cluster: Cluster<MemoryStore>,
    _leader: Process,
    address: String,
    token: String,
}

impl Door {
    async fn open() -> Self {
        let cluster = Cluster::found(MemoryStore::new()).await;
        cluster.node(1).await;
        let leader = cluster.leader("a").await;
        let address = cluster.view.leader().unwrap().admin;
        let token = admin_token(&cluster.view.cluster().unwrap().secret);
        Self { cluster, _leader: leader, address, token }
    }

    /// The status line and the body that follow these bytes; empty if there is no answer.
    async fn send(&self, bytes: &[u8]) -> (String, Value) {
        let mut stream = Net::system().connect(&self.address).await.unwrap();
        // What comes too late may find nobody who reads.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.lines().next().unwrap_or_default();
        (status.to_owned(), serde_json::from_str(body).unwrap_or_default())
    }

    async fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (String, Value) {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        self.send(&[head.as_bytes(), body].concat()).await
    }

    fn authorization(&self) -> String {
        format!("authorization: Bearer {}\r\n", self.token)
    }
}

#[tokio::test(start_paused = true)]
async fn no_route_answers_without_the_token() {
    let door = Door::open().await;
    let almost = format!("authorization: Bearer {}0\r\n", &door.token[1..]);
    let basic = format!("authorization: Basic {}\r\n", door.token);
    for (method, path) in ROUTES {
        for header in ["", "authorization: Bearer \r\n", &almost, &basic] {
            let (status, problem) = door.ask(method, path, header, b"{}").await;
            assert_eq!(status, "HTTP/1.1 401 Unauthorized", "{method} {path} {header}");
            assert!(problem["error"].as_str().unwrap().contains("admin token"), "{problem}");
        }
    }
    let (status, node) = door.ask("GET", "/v1/nodes/1", &door.authorization(), b"").await;
    assert_eq!((status.as_str(), &node["duty"]), ("HTTP/1.1 200 OK", &json!("active")));
    door.cluster.drain.begin();
}

#[tokio::test(start_paused = true)]
async fn with_the_token_every_route_is_one() {
    let door = Door::open().await;
    for (method, path) in ROUTES.iter().filter(|(_, path)| *path != "/") {
        let (_, answer) = door.ask(method, path, &door.authorization(), b"{}").await;
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(!error.contains("nothing answers"), "{method} {path}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_as_long_as_it_may_be_and_comes_in_time() {
    let door = Door::open().await;
    let token = door.authorization();
    let large = vec![b' '; ADMIN_BODY_BYTES_MAX + 1];
    let (status, problem) = door.ask("PUT", "/v1/pins", &token, &large).await;
    assert!(status.starts_with("HTTP/1.1 413 "), "{status}");
    assert!(problem["error"].as_str().unwrap().contains("65536"), "{problem}");
    // Of somebody without the token not even that much is read.
    let (status, _) = door.ask("PUT", "/v1/pins", "", &large).await;
    assert!(status.is_empty() || status.contains("401"), "{status}");

    let begun =
        format!("PUT /v1/pins HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n{token}\r\n{{");
    let (status, _) = door.send(begun.as_bytes()).await;
    assert_eq!(status, "HTTP/1.1 408 Request Timeout");
    let (status, _) = door.send(b"GET /v1/status HTTP/1.1\r\nhost: ").await;
    assert!(status.is_empty() || status.contains("408"), "{status}");
}

#[tokio::test]
async fn one_address_cannot_take_every_place() {
    let door = Door::open().await;
    let mut silent = Vec::new();
    for _ in 0..ADMIN_CONNECTIONS_PER_ADDRESS_MAX {
        silent.push(Net::system().connect(&door.address).await.unwrap());
    }
    let (status, _) = door.ask("GET", "/v1/status", &door.authorization(), b"").await;
    assert_eq!(status, "", "closed without a word");
    drop(silent);
    let mut status = String::new();
    while status.is_empty() {
        (status, _) = door.ask("GET", "/v1/status", &door.authorization(), b"").await;
    }
    assert_eq!(status, "HTTP/1.1 200 OK");
}
