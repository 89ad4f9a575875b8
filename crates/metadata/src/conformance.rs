//! What every store must do, as one suite that all three stores run.
//!
//! Each check has a key prefix of its own, so that they share a store. None looks at the clock:
//! where time matters, a check waits for the event.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    limits,
    store::{Entry, Event, MetadataError, MetadataStore, Watched},
    txn::{Txn, TxnOutcome},
};

mod concurrency;
mod leases;
mod watches;

pub(crate) type Store = Arc<dyn MetadataStore>;

/// Runs every check, one after the other.
pub(crate) async fn run(store: Store) {
    a_key_has_a_life(&store).await;
    compares_decide(&store).await;
    a_conflict_changes_nothing(&store).await;
    a_transaction_is_one_revision(&store).await;
    limits_are_the_same_everywhere(&store).await;
    lists_are_prefixes_in_order(&store).await;
    big_lists_come_whole(&store).await;
    watches::run(&store).await;
    leases::run(&store).await;
    concurrency::run(&store).await;
}

/// Commits a transaction that must not conflict.
pub(crate) async fn commit(store: &Store, txn: Txn) -> i64 {
    match store.txn(txn).await.unwrap() {
        TxnOutcome::Committed { revision } => revision,
        TxnOutcome::Conflict => panic!("conflict"),
    }
}

async fn get(store: &Store, key: &str) -> Option<Entry> {
    store.get(key).await.unwrap()
}

async fn conflicts(store: &Store, txn: Txn) -> bool {
    store.txn(txn).await.unwrap() == TxnOutcome::Conflict
}

async fn a_key_has_a_life(store: &Store) {
    assert_eq!(get(store, "life/a").await, None);
    let created = commit(store, Txn::new().put("life/a", "1")).await;
    let changed = commit(store, Txn::new().put("life/a", "2")).await;
    assert!(changed > created && created > 0);
    let entry = get(store, "life/a").await.unwrap();
    assert_eq!(entry.key, "life/a");
    assert_eq!(entry.value, Bytes::from_static(b"2"));
    assert_eq!((entry.create_revision, entry.mod_revision), (created, changed));

    commit(store, Txn::new().delete("life/a")).await;
    assert_eq!(get(store, "life/a").await, None);
    let again = commit(store, Txn::new().put("life/a", "")).await;
    let entry = get(store, "life/a").await.unwrap();
    assert_eq!((entry.create_revision, entry.mod_revision), (again, again), "a new life");
    assert!(entry.value.is_empty(), "an empty value is a value");
}

async fn compares_decide(store: &Store) {
    let put = || Txn::new().put("compare/a", "x");
    assert!(!conflicts(store, put().when_absent("compare/a")).await);
    assert!(conflicts(store, put().when_absent("compare/a")).await);
    let entry = get(store, "compare/a").await.unwrap();
    let changed = commit(store, put().when_mod("compare/a", entry.mod_revision)).await;
    assert!(conflicts(store, put().when_mod("compare/a", entry.mod_revision)).await);
    // The creation is what it was.
    assert!(!conflicts(store, put().when_created("compare/a", entry.create_revision)).await);
    assert!(conflicts(store, put().when_created("compare/a", changed)).await);
    assert!(conflicts(store, put().when_created("compare/a", 0)).await);
    assert!(!conflicts(store, put().when_created("compare/none", 0)).await);
    // Every compare counts.
    let txn = put().when_absent("compare/none").when_absent("compare/a");
    assert!(conflicts(store, txn).await);
}

async fn a_conflict_changes_nothing(store: &Store) {
    commit(store, Txn::new().put("conflict/a", "1")).await;
    let before = store.list("conflict/").await.unwrap();
    let txn = Txn::new().when_absent("conflict/a").put("conflict/b", "1").delete("conflict/a");
    assert!(conflicts(store, txn).await);
    assert_eq!(store.list("conflict/").await.unwrap(), before, "not even the revision moved");
}

async fn a_transaction_is_one_revision(store: &Store) {
    commit(store, Txn::new().put("atomic/old", "1")).await;
    let txn = Txn::new()
        .put("atomic/b", "1")
        .delete("atomic/old")
        .put("atomic/a", "1")
        .delete("atomic/never");
    let revision = commit(store, txn).await;
    let listing = store.list("atomic/").await.unwrap();
    assert_eq!(listing.revision, revision);
    let keys: Vec<_> = listing.entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["atomic/a", "atomic/b"]);
    assert!(listing.entries.iter().all(|entry| entry.mod_revision == revision));

    let nothing = commit(store, Txn::new().delete("atomic/never")).await;
    assert_eq!(nothing, revision, "deleting nothing is no change");
}

async fn limits_are_the_same_everywhere(store: &Store) {
    let puts =
        |count: usize| (0..count).fold(Txn::new(), |txn, i| txn.put(format!("limits/{i:03}"), "x"));
    commit(store, puts(limits::TXN_OPS_MAX)).await;
    assert_eq!(store.list("limits/").await.unwrap().entries.len(), limits::TXN_OPS_MAX);

    let big = Bytes::from(vec![b'x'; limits::TXN_BYTES_MAX - 8]);
    commit(store, Txn::new().put("limits/b", big.clone())).await;
    for refused in [
        puts(limits::TXN_OPS_MAX + 1),
        Txn::new().put("limits/bigger-than-that", big),
        Txn::new().put("limits/twice", "1").delete("limits/twice"),
        Txn::new().put("", "1"),
    ] {
        let outcome = store.txn(refused).await;
        assert!(matches!(outcome, Err(MetadataError::Invalid(_))), "{outcome:?}");
    }
}

async fn lists_are_prefixes_in_order(store: &Store) {
    let txn = Txn::new()
        .put("list/b/2", "")
        .put("list/b/10", "")
        .put("list/a", "")
        .put("list/b", "")
        .put("list/bb", "");
    commit(store, txn).await;
    let keys = async |prefix: &str| -> Vec<String> {
        let listing = store.list(prefix).await.unwrap();
        listing.entries.into_iter().map(|entry| entry.key).collect()
    };
    assert_eq!(keys("list/b/").await, ["list/b/10", "list/b/2"]);
    assert_eq!(keys("list/b").await, ["list/b", "list/b/10", "list/b/2", "list/bb"]);
    assert!(keys("list/c").await.is_empty());
    assert!(keys("").await.contains(&"list/a".to_owned()), "no prefix is everything");
}

/// More entries than one etcd page, and more bytes than one gRPC message, changed while they are
/// listed: all entries must show one revision.
async fn big_lists_come_whole(store: &Store) {
    const ENTRIES: usize = 2500;
    let write = |round: usize| {
        let value = Bytes::from(format!("{round:02048}"));
        let keys: Vec<_> = (0..ENTRIES).map(|i| format!("big/{i:05}")).collect();
        let chunks: Vec<_> = keys.chunks(100).map(<[String]>::to_vec).collect();
        (chunks, value)
    };
    let put = async |round: usize| {
        let (chunks, value) = write(round);
        for keys in chunks {
            let txn = keys.into_iter().fold(Txn::new(), |txn, key| txn.put(key, value.clone()));
            commit(store, txn).await;
        }
    };
    put(0).await;
    let list = async || {
        let listing = store.list("big/").await.unwrap();
        assert_eq!(listing.entries.len(), ENTRIES);
        assert!(listing.entries.is_sorted_by(|a, b| a.key < b.key), "each key once");
        // The writer goes through the keys in order, so at one revision the first n have the
        // new value and the others the old one.
        assert!(listing.entries.is_sorted_by(|a, b| a.value >= b.value), "one revision");
        assert!(listing.entries.iter().all(|entry| entry.mod_revision <= listing.revision));
    };
    let lists = async {
        for _ in 0..4 {
            list().await;
        }
    };
    futures::join!(put(1), lists);
}

/// Waits for the next batch of a watch that must not be compacted.
async fn batch(watch: &mut crate::store::WatchStream) -> (i64, Vec<Event>) {
    match tokio::time::timeout(Duration::from_secs(60), watch.next()).await {
        Ok(Watched::Batch(batch)) => (batch.revision, batch.events),
        Ok(Watched::Compacted) => panic!("compacted"),
        Err(_) => panic!("the watch is silent"),
    }
}
