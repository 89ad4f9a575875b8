//! The etcd store against a real etcd, and against what goes wrong with one.

mod server;
mod tls;

use self::server::Server;
use super::*;
use crate::{conformance, store::Watched};

fn store(url: &str) -> Arc<dyn MetadataStore> {
    Arc::new(EtcdStore::new(url).unwrap())
}

async fn put(store: &Arc<dyn MetadataStore>, key: &str) -> i64 {
    conformance::commit(store, Txn::new().put(key, "1")).await
}

async fn next_key(watch: &mut WatchStream) -> String {
    match tokio::time::timeout(Duration::from_secs(60), watch.next()).await {
        Ok(Watched::Batch(batch)) => batch.events[0].key().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_etcd_store_conforms() {
    let server = Server::start().await;
    conformance::run(store(&server.url("conformance"))).await;
}

#[tokio::test]
async fn clusters_share_an_etcd_without_seeing_each_other() {
    let server = Server::start().await;
    let (blue, blueish) = (store(&server.url("blue")), store(&server.url("blueish")));
    put(&blueish, "x").await;
    let revision = put(&blue, "a").await;
    let keys: Vec<_> =
        blue.list("").await.unwrap().entries.into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, ["a"]);
    let mut watch = blue.watch("", 1).await.unwrap();
    assert_eq!(next_key(&mut watch).await, "a");
    assert_eq!(blueish.get("a").await.unwrap(), None);
    assert!(revision > 0);
}

/// Goal: one live endpoint of three is enough for every call, first call included (the library's
/// own balancing failed two of three).
#[tokio::test]
async fn dead_endpoints_cost_no_answers() {
    let server = Server::start().await;
    let (dead, deader) = (server::free_port(), server::free_port());
    let port = server.port();
    for endpoints in [[dead, deader, port], [port, dead, deader], [dead, port, deader]] {
        let hosts: Vec<_> = endpoints.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let store = store(&format!("etcd://{}/dead", hosts.join(",")));
        // A transaction first: its outcome must be known.
        put(&store, "a").await;
        let lease = store.grant_lease(Duration::from_secs(60)).await.unwrap();
        for _ in 0..20 {
            assert!(store.get("a").await.unwrap().is_some());
            store.keep_alive(lease).await.unwrap();
        }
        let mut watch = store.watch("", 1).await.unwrap();
        assert_eq!(next_key(&mut watch).await, "a");
    }
}

#[tokio::test]
async fn nobody_there_is_a_definite_no() {
    let store = store(&format!("etcd://127.0.0.1:{}", server::free_port()));
    let outcome = store.txn(Txn::new().put("a", "1")).await;
    assert!(matches!(outcome, Err(MetadataError::Unavailable(_))), "{outcome:?}");
    assert!(matches!(store.get("a").await, Err(MetadataError::Unavailable(_))));
}

/// Goal: a watch goes on where it was after its server was killed and came back.
#[tokio::test]
async fn a_watch_survives_a_restart() {
    let mut server = Server::start().await;
    let store = store(&server.url("restart"));
    let from = put(&store, "before").await;
    let mut watch = store.watch("", from).await.unwrap();
    assert_eq!(next_key(&mut watch).await, "before");
    server.kill();
    server.restart().await;
    put(&store, "after").await;
    assert_eq!(next_key(&mut watch).await, "after");
}

/// Goal: history that was dropped is told to the watcher, also when it was watching at the time.
#[tokio::test]
async fn compaction_is_told() {
    let mut server = Server::start().await;
    let store = store(&server.url("compaction"));
    let first = put(&store, "a").await;
    let mut watch = store.watch("", first).await.unwrap();
    assert_eq!(next_key(&mut watch).await, "a");
    // While the watch is disconnected, what it needs next is dropped. Another client writes,
    // so that the watch does not see it first.
    server.kill();
    server.restart().await;
    let last = {
        put(&store, "b").await;
        put(&store, "c").await
    };
    let mut client = server.client().await;
    client.compact(last, None).await.unwrap();
    let mut late = store.watch("", first + 1).await.unwrap();
    assert_eq!(late.next().await, Watched::Compacted);
    // A list and a watch from there go on.
    let revision = store.list("").await.unwrap().revision;
    let mut fresh = store.watch("", revision + 1).await.unwrap();
    put(&store, "d").await;
    assert_eq!(next_key(&mut fresh).await, "d");
}

/// Goal: a frozen server ends in an error and an unknown outcome, not in a hang, and the store
/// recovers with it.
#[tokio::test]
async fn a_frozen_server_does_not_hang_us() {
    let server = Server::start().await;
    let store = store(&server.url("frozen"));
    let from = put(&store, "a").await + 1;
    let mut watch = store.watch("", from).await.unwrap();
    server.pause();
    let outcome = store.txn(Txn::new().put("b", "1")).await;
    assert!(matches!(outcome, Err(MetadataError::Unknown(_))), "{outcome:?}");
    let outcome = store.txn(Txn::new().put("c", "1")).await;
    assert!(matches!(outcome, Err(MetadataError::Unavailable(_))), "probed first: {outcome:?}");
    assert!(matches!(store.get("a").await, Err(MetadataError::Unavailable(_))));
    server.resume();
    let mut attempts = 0;
    while store.txn(Txn::new().put("d", "1")).await.is_err() {
        attempts += 1;
        assert!(attempts < 20, "the store does not recover");
    }
    // "b" may have been applied: that is what unknown means. "c" surely was not.
    let mut key = next_key(&mut watch).await;
    if key == "b" {
        key = next_key(&mut watch).await;
    }
    assert_eq!(key, "d");
}
