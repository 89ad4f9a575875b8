//! A leader whose bucket another site takes: it stops without having anything to write, and its
//! processes hear of it.

use std::time::Duration;

use metadata::MemoryStore;
use protocol::ErrorCode;

use super::harness::Cluster;
use crate::meta_log::{MetaLog, MetaRecord};

async fn take_over(cluster: &Cluster<MemoryStore>) {
    let taken = MetaRecord::TakenOver { generation: 2, site: "b".to_owned() };
    loop {
        let (mut log, _) = MetaLog::open(&cluster.store, 0).await.unwrap();
        if log.append(&taken).await.is_ok() {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_leader_notices_and_tells_its_processes_to_leave() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let control = cluster.leader("a").await;
    take_over(&cluster).await;
    let is_retired = |view: &metadata::ClusterView| view.cluster().unwrap().retired;
    cluster.until("the cluster is retired", is_retired).await;
    assert_ne!(control.create("late", 1).await, ErrorCode::None);
    control.stop().await;
    let (_, records) = MetaLog::open(&cluster.store, 0).await.unwrap();
    let last = records.last().unwrap();
    assert!(matches!(last, MetaRecord::TakenOver { .. }), "it wrote {last:?} after that");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_paused_commits_nothing_afterwards() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    let _node = cluster.node(1).await;
    let control = cluster.leader("a").await;
    take_over(&cluster).await;
    // Sooner than it looks by itself.
    assert_ne!(control.create("late", 1).await, ErrorCode::None);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let (_, records) = MetaLog::open(&cluster.store, 0).await.unwrap();
    assert!(matches!(records.last(), Some(MetaRecord::TakenOver { .. })), "{records:?}");
    assert!(cluster.view.cluster().unwrap().retired);
    control.stop().await;
}
