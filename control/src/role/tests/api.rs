//! The admin API, without HTTP around it.

use hyper::Method;
use metadata::{MemoryStore, MetadataStore};
use protocol::ErrorCode;
use serde_json::{Value, json};

use super::harness::{Cluster, Process, SOON, config};
use crate::{BalanceConfig, Config, api};

async fn control<M: MetadataStore>(cluster: &Cluster<M>) -> Process {
    let balance = BalanceConfig { enabled: true, ..BalanceConfig::default() };
    let control = cluster.control_with(Config { balance, ..config("a") }).await;
    control.leads().await;
    control
}

/// What the API answers: status and JSON.
pub(super) async fn ask(process: &Process, method: &str, path: &str, body: Value) -> (u16, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(&body).unwrap() };
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let (status, body) = api::answer(&process.control.api, &method, path, query, &body).await;
    (status, serde_json::from_slice(&body).unwrap())
}

async fn get(process: &Process, path: &str) -> Value {
    let (status, body) = ask(process, "GET", path, Value::Null).await;
    assert_eq!(status, 200, "{body}");
    body
}

#[tokio::test(start_paused = true)]
async fn what_there_is_is_shown() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _nodes = (cluster.node(1).await, cluster.node_with(2, "object").await);
    let control = control(&cluster).await;
    assert_eq!(control.create("orders", 4).await, ErrorCode::None);
    tokio::time::sleep(SOON).await;

    let nodes = get(&control, "/v1/nodes").await;
    assert_eq!(nodes.as_array().map(Vec::len), Some(2));
    assert_eq!((&nodes[0]["state"], &nodes[0]["duty"]), (&json!("up"), &json!("active")));
    assert_eq!((&nodes[1]["front"], &nodes[1]["weight"]), (&json!("object"), &json!(100)));
    assert_eq!(get(&control, "/v1/nodes/2").await, nodes[1]);

    let status = get(&control, "/v1/status").await;
    assert_eq!((&status["nodes_up"], &status["partitions"]), (&json!(2), &json!(6)));
    assert_eq!((&status["leader"], &status["unassigned"]), (&json!("a"), &json!(0)));

    let topics = get(&control, "/v1/topics").await;
    assert_eq!(topics[1]["topic"], json!("orders"));
    let all = get(&control, "/v1/partitions").await;
    assert_eq!(all["partitions"].as_array().map(Vec::len), Some(6));
    let some = get(&control, "/v1/partitions?topic=orders&tenant=1&limit=3").await;
    assert_eq!(some["partitions"].as_array().map(Vec::len), Some(3));
    assert_eq!(some["left_out"], json!(1));
    let of_first = get(&control, "/v1/partitions?node=1").await;
    let nodes = of_first["partitions"].as_array().unwrap().iter().map(|it| &it["node"]);
    assert!(nodes.into_iter().all(|node| *node == json!(1)));
}

#[tokio::test(start_paused = true)]
async fn nodes_are_drained_and_weighed() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _nodes = (cluster.node(1).await, cluster.node(2).await);
    let control = control(&cluster).await;
    assert_eq!(control.create("orders", 6).await, ErrorCode::None);
    let weight = json!({"weight": 200});
    let (status, node) = ask(&control, "PUT", "/v1/nodes/1/weight", weight).await;
    assert_eq!((status, &node["weight"]), (200, &json!(200)));
    let (status, node) = ask(&control, "POST", "/v1/nodes/1/drain", Value::Null).await;
    assert_eq!((status, &node["duty"]), (200, &json!("draining")));
    assert_eq!(node["weight"], json!(200), "said before, and still so");
    assert_eq!(node["stuck"], Value::Null);
    tokio::time::sleep(SOON).await;
    let node = get(&control, "/v1/nodes/1").await;
    assert_eq!(node["partitions"], json!(0));
    let done = get(&control, "/v1/moves").await["done"].as_array().unwrap().clone();
    assert!(!done.is_empty());
    assert!(done.iter().all(|it| it["reason"] == "drain" && it["served"] == true), "{done:?}");

    // The other one has nowhere to go.
    let (_, node) = ask(&control, "POST", "/v1/nodes/2/drain", Value::Null).await;
    assert!(node["stuck"].as_str().unwrap().contains("no active node"), "{node}");
    let (status, node) = ask(&control, "POST", "/v1/nodes/1/undrain", Value::Null).await;
    assert_eq!((status, &node["duty"]), (200, &json!("active")));
    tokio::time::sleep(SOON).await;
    assert_eq!(get(&control, "/v1/nodes/2").await["partitions"], json!(0));
}

#[tokio::test(start_paused = true)]
async fn a_partition_is_moved_and_pinned() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _nodes = (cluster.node(1).await, cluster.node(2).await);
    let control = control(&cluster).await;
    assert_eq!(control.create("orders", 1).await, ErrorCode::None);
    let from = cluster.owners("orders").await[0].unwrap().0;
    let to = 3 - from;
    let pin = json!({"topic": "orders", "partition": 0, "node": to});
    let (status, pins) = ask(&control, "PUT", "/v1/pins", pin.clone()).await;
    assert_eq!((status, &pins[0]["node"]), (200, &json!(to)));
    tokio::time::sleep(SOON).await;
    assert_eq!(cluster.owners("orders").await, [Some((to, 1))]);
    let unpin = json!({"topic": "orders", "partition": 0});
    assert_eq!(ask(&control, "PUT", "/v1/pins", unpin).await, (200, json!([])));

    let order = json!({"topic": "orders", "partition": 0, "to": from});
    let (status, moves) = ask(&control, "POST", "/v1/partitions/move", order.clone()).await;
    assert_eq!(status, 200, "{moves}");
    assert_eq!(cluster.owners("orders").await, [Some((from, 2))]);
    tokio::time::sleep(SOON).await;
    let (status, there) = ask(&control, "POST", "/v1/partitions/move", order).await;
    assert_eq!((status, &there["error"]), (409, &json!(format!("it is on node {from} already"))));
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_answered_with_what_is_wrong() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _node = cluster.node(1).await;
    let control = control(&cluster).await;
    assert_eq!(control.create("orders", 1).await, ErrorCode::None);
    let order = |partition, to| json!({"topic": "orders", "partition": partition, "to": to});
    for (method, path, body, status, words) in [
        ("GET", "/v2/nodes", Value::Null, 404, "/v2/nodes"),
        ("DELETE", "/v1/nodes/1", Value::Null, 404, "this method"),
        ("GET", "/v1/nodes/9", Value::Null, 404, "no node 9"),
        ("POST", "/v1/nodes/x/drain", Value::Null, 400, "`x`"),
        ("PUT", "/v1/nodes/1/weight", json!({"weight": 0}), 400, "between 1 and"),
        ("PUT", "/v1/nodes/1/weight", json!({"wait": 1}), 400, "wait"),
        ("GET", "/v1/partitions?colour=red", Value::Null, 400, "colour"),
        ("GET", "/v1/partitions?topic=no", Value::Null, 404, "no topic `no`"),
        ("GET", "/v1/partitions?topic=orders&tenant=9", Value::Null, 404, "tenant 9"),
        ("GET", "/v1/partitions?node=9", Value::Null, 404, "no node 9"),
        ("PUT", "/v1/pins", json!({"topic": "no", "partition": 0, "node": 1}), 404, "`no`"),
        ("POST", "/v1/partitions/move", order(7, 1), 404, "1 partitions"),
        ("POST", "/v1/partitions/move", order(0, 5), 409, "node 5 is not up"),
    ] {
        let (given, problem) = ask(&control, method, path, body).await;
        let error = problem["error"].as_str().unwrap_or_default();
        assert!(given == status && error.contains(words), "{method} {path}: {given} {problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_lead_names_who_does() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let leader = control(&cluster).await;
    let other = cluster.control("b").await;
    let (status, problem) = ask(&other, "GET", "/v1/status", Value::Null).await;
    let admin = cluster.view.leader().unwrap().admin;
    assert!(!admin.is_empty());
    assert_eq!((status, &problem["leader"]), (421, &json!(admin)));
    assert_eq!(get(&leader, "/v1/status").await["leader"], json!("a"));
}
