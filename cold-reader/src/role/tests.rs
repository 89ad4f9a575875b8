//! The role as its process starts it, asked over a socket as gateways do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hop::internal::ColdFetchRequest;
use hop::{ClusterSecret, HopHeader, Peers, Role};
use metadata::keys::Key;
use metadata::model::{ClusterRecord, Record as _};
use metadata::{ClusterView, MemoryStore, MetadataStore, Txn};
use process::Drain;
use protocol::ids::{TenantId, TopicId};
use segment::Store;

use super::{Deps, RoleError, run, start};
use crate::config::Config;
use crate::fixture::{Fixture, SECRET};

async fn founded() -> MemoryStore {
    let record = ClusterRecord {
        cluster_id: "0123456789012345678901".to_owned(),
        generation: 1,
        secret: SECRET,
        group_state_topic: TopicId::random(),
        group_state_partitions: 1,
        retired: false,
        release: protocol::release::Release::THIS,
    };
    let metadata = MemoryStore::new();
    let put = Txn::new().put(Key::Cluster.to_string(), record.encode());
    assert!(metadata.txn(put).await.is_ok());
    metadata
}

async fn deps(metadata: MemoryStore, store: Store, drain: &Drain) -> Deps {
    let metadata: Arc<dyn MetadataStore> = Arc::new(metadata);
    let view = ClusterView::start(Arc::clone(&metadata), drain).await.unwrap();
    let peers = Peers::new(Role::ColdReader, ClusterSecret::new(&SECRET), drain.clone());
    Deps { peers, metadata, view, store }
}

fn config() -> Config {
    Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Config::new(1) }
}

#[tokio::test]
async fn a_gateway_finds_the_reader_and_reads() {
    let fixture = Fixture::in_memory(&[&[(0, 0, 5, 10), (0, 5, 5, 10)]]).await;
    let drain = Drain::new();
    let deps = deps(founded().await, fixture.store.clone(), &drain).await;
    let (view, mut changed) = (deps.view.clone(), deps.view.changed());
    let reader = start(config(), deps, drain.clone()).await.unwrap();
    while view.readers().is_empty() {
        changed.changed().await.unwrap();
    }
    let registered = view.readers().remove(0);
    assert_eq!(registered.address, reader.address.to_string());

    let peers = Peers::new(Role::Gateway, ClusterSecret::new(&SECRET), drain.clone());
    let header = HopHeader::internal(TenantId::DEFAULT, Duration::from_secs(30));
    let plan = fixture.plan(0).seal(&SECRET);
    let question = ColdFetchRequest { plan, fetch_offset: 0, max_bytes: i32::MAX, plan_age_ms: 0 };
    let answer = peers.peer(&registered.address).ask(header, question).await.unwrap();
    assert_eq!((answer.error_code, answer.records.concat()), (0, fixture.records(0)));
    assert!(drain.finish(Duration::from_secs(10)).await, "left: {:?}", drain.running());
}

#[tokio::test]
async fn the_role_runs_until_it_is_drained() {
    let drain = Drain::new();
    let deps = deps(founded().await, Store::memory("cold-reader"), &drain).await;
    drain.begin();
    run(config(), deps, drain.clone()).await.unwrap();
}

#[tokio::test]
async fn a_taken_port_names_its_key() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap();
    let drain = Drain::new();
    let deps = deps(founded().await, Store::memory("cold-reader"), &drain).await;
    let refused = start(Config { listen, ..config() }, deps, drain.clone()).await;
    let text = refused.err().expect("the port is taken").to_string();
    assert!(text.contains("cold_reader.listen") && text.contains(&listen.to_string()), "{text}");
}

#[tokio::test]
async fn a_cluster_without_identity_is_no_cluster() {
    let drain = Drain::new();
    let deps = deps(MemoryStore::new(), Store::memory("cold-reader"), &drain).await;
    let refused = start(config(), deps, drain.clone()).await;
    assert!(matches!(refused.err(), Some(RoleError::NoCluster)));
}
