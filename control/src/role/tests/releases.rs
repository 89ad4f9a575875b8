//! Upgrades: who holds them up, and what the end of one changes.

use hop::{Request, Response, internal::FinishReleaseRequest};
use metadata::{
    MemoryStore, MetadataStore, Txn, keys,
    model::{NodeLiveRecord, ProcessRecord, Record},
};
use process::Clock;
use protocol::{
    ErrorCode,
    release::{Release, Releases},
};

use super::harness::{Cluster, Process, config};
use crate::{
    BootstrapError, bootstrap_within,
    meta_log::{MetaLog, MetaRecord},
};

impl Process {
    /// Asks for the end of an upgrade; what it says if it refuses.
    async fn finish(&self, release: u32) -> Result<u32, String> {
        match self.call(Request::FinishRelease(FinishReleaseRequest { release })).await {
            Response::FinishRelease(answer) if answer.error_code == 0 => Ok(answer.release),
            Response::FinishRelease(answer) => Err(answer.message),
            other => panic!("{other:?}"),
        }
    }
}

/// What the log says, records of leaders aside.
async fn finished(cluster: &Cluster<MemoryStore>) -> Vec<MetaRecord> {
    let (_, records) = MetaLog::open(&cluster.store, 0).await.unwrap();
    let is_finished = |record: &MetaRecord| matches!(record, MetaRecord::ReleaseFinished(_));
    records.into_iter().filter(is_finished).collect()
}

fn knowing(release: Release) -> NodeLiveRecord {
    NodeLiveRecord { release, ..NodeLiveRecord::default() }
}

#[tokio::test(start_paused = true)]
async fn a_release_is_finished_when_every_process_knows_it() {
    let cluster = Cluster::found_within(MemoryStore::new(), Releases::UNSAID).await;
    assert_eq!(cluster.view.cluster().unwrap().release, Release::FIRST);
    let node = cluster.node(1).await;
    let control = cluster.leader("a").await;
    let compactor = ProcessRecord { role: "compactor".to_owned(), release: Release::FIRST };
    cluster.commit(Txn::new().put(keys::process("x"), compactor.encode())).await;

    let told = control.finish(2).await.unwrap_err();
    let (one, other) = ("compactor (release 1)", "storage-node 1 (release 1)");
    assert_eq!(told, format!("not all processes know release 2: {one}, {other}"));
    cluster.say(&node, knowing(Release::THIS)).await;
    assert_eq!(
        control.finish(2).await.unwrap_err(),
        format!("not all processes know release 2: {one}")
    );
    assert_eq!(finished(&cluster).await, []);

    let compactor = ProcessRecord { release: Release::THIS, ..compactor };
    cluster.commit(Txn::new().put(keys::process("x"), compactor.encode())).await;
    assert_eq!(control.finish(2).await, Ok(2));
    assert_eq!(control.finish(2).await, Ok(2), "again: nothing is left to do");
    assert_eq!(finished(&cluster).await, [MetaRecord::ReleaseFinished(Release::THIS)]);
    cluster.until("all see it", |view| view.cluster().unwrap().release == Release::THIS).await;

    // There is no way back, and none ahead of what control knows.
    for release in [0, 1, 3, u32::MAX] {
        let told = control.finish(release).await.unwrap_err();
        assert!(told.contains("release 2 is, and control is of release 2"), "{told}");
    }
    assert_eq!(control.create("orders", 1).await, ErrorCode::None);
    control.stop().await;
}

/// A leader that died between the log and its copy, or an etcd that was away.
#[tokio::test(start_paused = true)]
async fn the_next_leader_shows_what_the_log_has_finished() {
    let cluster = Cluster::found_within(MemoryStore::new(), Releases::UNSAID).await;
    let (mut log, _) = MetaLog::open(&cluster.store, 7).await.unwrap();
    log.append(&MetaRecord::ReleaseFinished(Release::THIS)).await.unwrap();
    let before = cluster.view.cluster().unwrap();
    let _control = cluster.leader("a").await;
    cluster.until("all see it", |view| view.cluster().unwrap().release == Release::THIS).await;
    assert_eq!(cluster.view.cluster().unwrap().secret, before.secret, "nothing else changed");
}

#[tokio::test(start_paused = true)]
async fn control_that_does_not_know_the_cluster_s_release_does_not_start() {
    let cluster = Cluster::found(MemoryStore::new()).await;
    assert_eq!(cluster.view.cluster().unwrap().release, Release::THIS, "founded as the newest");
    let (config, clock) = (config("old"), Clock::manual(1));
    let metadata: &dyn MetadataStore = &*cluster.metadata;
    let old = bootstrap_within(Releases::UNSAID, &config, &clock, metadata, &cluster.store);
    assert!(matches!(old.await, Err(BootstrapError::Beyond(_))));
}
