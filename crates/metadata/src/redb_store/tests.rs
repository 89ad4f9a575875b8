//! What a restart keeps and what it does not.

use super::*;
use crate::{conformance, store::Watched};

const LONG: Duration = Duration::from_secs(3600);

fn put(key: &str, value: &'static str) -> Txn {
    Txn::new().put(key, value)
}

#[tokio::test]
async fn the_file_store_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let store = RedbStore::open(&directory.path().join("metadata.redb")).unwrap();
    conformance::run(Arc::new(store)).await;
}

#[tokio::test]
async fn a_restart_keeps_entries_revisions_and_lives() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/on/demand/metadata.redb");
    let store = RedbStore::open(&path).unwrap();
    assert!(store.txn(put("a", "1")).await.unwrap().is_committed());
    assert!(store.txn(put("a", "2").put("b", "1")).await.unwrap().is_committed());
    assert!(store.txn(Txn::new().delete("b")).await.unwrap().is_committed());
    let before = store.list("").await.unwrap();
    drop(store);

    let store = RedbStore::open(&path).unwrap();
    assert_eq!(store.list("").await.unwrap(), before);
    let outcome = store.txn(put("c", "1")).await.unwrap();
    assert_eq!(outcome, TxnOutcome::Committed { revision: before.revision + 1 });
}

#[tokio::test]
async fn a_restart_ends_leases() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metadata.redb");
    let store = RedbStore::open(&path).unwrap();
    let lease = store.grant_lease(LONG).await.unwrap();
    assert!(store.txn(Txn::new().put_leased("mine", "1", lease)).await.unwrap().is_committed());
    assert!(store.txn(put("yours", "1")).await.unwrap().is_committed());
    let revision = store.list("").await.unwrap().revision;
    drop(store);

    let store = RedbStore::open(&path).unwrap();
    let listing = store.list("").await.unwrap();
    assert!(listing.revision > revision, "the deletion is a revision");
    assert_eq!(listing.entries.len(), 1);
    assert_eq!(store.keep_alive(lease).await, Err(MetadataError::LeaseGone(lease)));
    // History from before the restart is gone, and says so.
    let mut watch = store.watch("", revision).await.unwrap();
    assert_eq!(watch.next().await, Watched::Compacted);
}

#[tokio::test]
async fn a_file_has_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metadata.redb");
    let _store = RedbStore::open(&path).unwrap();
    assert!(matches!(RedbStore::open(&path), Err(RedbError::InUse)));
}

#[tokio::test]
async fn a_transaction_whose_caller_left_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metadata.redb");
    let store = RedbStore::open(&path).unwrap();
    let mut abandoned = Box::pin(store.txn(put("a", "1").put("b", "1")));
    // Polled once: the blocking half has begun, or not.
    let _ = futures::poll!(abandoned.as_mut());
    drop(abandoned);
    // The writer lock orders this after it, if it runs at all.
    assert!(store.txn(put("c", "1")).await.unwrap().is_committed());
    let listing = store.list("").await.unwrap();
    drop(store);
    let store = loop {
        match RedbStore::open(&path) {
            Ok(store) => break store,
            Err(RedbError::InUse) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    let reopened = store.list("").await.unwrap();
    assert!(reopened == listing || reopened.revision == listing.revision + 1);
    let keys: Vec<_> = reopened.entries.iter().map(|entry| entry.key.as_str()).collect();
    assert!(keys == ["c"] || keys == ["a", "b", "c"], "{keys:?}");
}
