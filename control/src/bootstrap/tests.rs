//! One cluster, however often and by however many it is looked for.

use metadata::MemoryStore;

use super::*;

fn clock() -> Clock {
    Clock::manual(1_000)
}

async fn bootstrapped(
    metadata: &MemoryStore,
    store: &Store,
) -> Result<ClusterRecord, BootstrapError> {
    bootstrap(&Config::new("a"), &clock(), metadata, store).await
}

#[tokio::test]
async fn a_cluster_is_founded_once() {
    let (metadata, store) = (MemoryStore::new(), Store::memory("control"));
    let founded = bootstrapped(&metadata, &store).await.unwrap();
    assert_eq!((founded.cluster_id.len(), founded.generation), (22, 1));
    assert_eq!(founded.group_state_partitions, 50);
    assert_ne!(founded.secret, [0; 32]);
    assert_eq!(bootstrapped(&metadata, &store).await.unwrap(), founded);
    let other = bootstrapped(&MemoryStore::new(), &Store::memory("control")).await.unwrap();
    assert_ne!((other.cluster_id, other.secret), (founded.cluster_id, founded.secret));
}

#[tokio::test]
async fn founders_agree() {
    let (metadata, store) = (MemoryStore::new(), Store::memory("control"));
    let founders = (0..8).map(|_| bootstrapped(&metadata, &store));
    let mut records: Vec<_> =
        futures::future::join_all(founders).await.into_iter().map(Result::unwrap).collect();
    records.dedup();
    assert_eq!(records.len(), 1);
}

#[tokio::test]
async fn a_founding_that_broke_off_goes_on() {
    let store = Store::memory("control");
    let (mut log, _) = MetaLog::open(&store, 0).await.unwrap();
    log.append(&found(&Config::new("a"), &clock(), Releases::OURS)).await.unwrap();
    let metadata = MemoryStore::new();
    let founded = bootstrapped(&metadata, &store).await.unwrap();
    assert_eq!(founded.generation, 1, "nobody ever led: nothing can be lost");
    assert_eq!(bootstrapped(&metadata, &store).await.unwrap(), founded);
}

#[tokio::test]
async fn a_wrong_bucket_is_refused() {
    let (metadata, store) = (MemoryStore::new(), Store::memory("control"));
    bootstrapped(&metadata, &store).await.unwrap();
    let empty = Store::memory("control");
    let refused = bootstrapped(&metadata, &empty).await;
    assert!(matches!(refused, Err(BootstrapError::NoSuchCluster { .. })), "{refused:?}");
    bootstrapped(&MemoryStore::new(), &empty).await.unwrap();
    let refused = bootstrapped(&metadata, &empty).await;
    assert!(matches!(refused, Err(BootstrapError::OtherCluster { .. })), "{refused:?}");
}

/// `dev` of the release before: one process, so there is nobody to wait for.
#[tokio::test]
async fn a_cluster_of_one_process_is_finished_at_its_start() {
    let (metadata, store) = (MemoryStore::new(), Store::memory("test"));
    let config = Config::new("a");
    let founded = bootstrap_within(Releases::UNSAID, &config, &clock(), &metadata, &store).await;
    assert_eq!(founded.unwrap().release, Release::FIRST);
    for _ in 0..2 {
        finish_alone(&store).await.unwrap();
        let (_, records) = MetaLog::open(&store, 0).await.unwrap();
        assert_eq!(records.len(), 2, "founded and finished: {records:?}");
        assert_eq!(Catalogue::replay(records).release(), Release::THIS);
    }
}
