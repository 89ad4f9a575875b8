//! Watches deliver everything once, in order, whole.

use bytes::Bytes;

use super::{Store, batch, commit};
use crate::{store::Event, txn::Txn};

pub(super) async fn run(store: &Store) {
    history_comes_first_and_then_the_present(store).await;
    only_the_prefix_is_seen(store).await;
    watches_of_the_future_wait(store).await;
    many_changes_come_in_order(store).await;
}

fn describe(events: &[Event]) -> Vec<String> {
    let text = |event: &Event| match event {
        Event::Put(entry) => format!("{}={}", entry.key, String::from_utf8_lossy(&entry.value)),
        Event::Delete { key, .. } => format!("-{key}"),
    };
    events.iter().map(text).collect()
}

async fn history_comes_first_and_then_the_present(store: &Store) {
    let first = commit(store, Txn::new().put("watch/a", "1")).await;
    let second = commit(store, Txn::new().put("watch/b", "1").delete("watch/a")).await;
    let mut watch = store.watch("watch/", first).await.unwrap();
    let (revision, events) = batch(&mut watch).await;
    assert_eq!((revision, describe(&events)), (first, vec!["watch/a=1".to_owned()]));
    let Event::Put(entry) = &events[0] else { panic!("a put") };
    assert_eq!((entry.create_revision, entry.mod_revision), (first, first));

    let (revision, events) = batch(&mut watch).await;
    assert_eq!(revision, second);
    assert_eq!(describe(&events), ["watch/b=1", "-watch/a"], "in the order of the operations");
    assert!(matches!(&events[1], Event::Delete { mod_revision, .. } if *mod_revision == second));

    let third = commit(store, Txn::new().put("watch/b", "2")).await;
    let (revision, events) = batch(&mut watch).await;
    assert_eq!((revision, describe(&events)), (third, vec!["watch/b=2".to_owned()]));
    let Event::Put(entry) = &events[0] else { panic!("a put") };
    assert_eq!((entry.create_revision, entry.mod_revision), (second, third));
}

async fn only_the_prefix_is_seen(store: &Store) {
    let from = store.list("seen/").await.unwrap().revision + 1;
    commit(store, Txn::new().put("unseen/a", "1")).await;
    let revision = commit(store, Txn::new().put("seen/a", "1").put("unseen/a", "2")).await;
    let mut watch = store.watch("seen/", from).await.unwrap();
    let (seen_at, events) = batch(&mut watch).await;
    assert_eq!((seen_at, describe(&events)), (revision, vec!["seen/a=1".to_owned()]));
}

async fn watches_of_the_future_wait(store: &Store) {
    let now = store.list("future/").await.unwrap().revision;
    let mut watch = store.watch("future/", now + 2).await.unwrap();
    commit(store, Txn::new().put("future/a", "too early")).await;
    commit(store, Txn::new().put("future/a", "in time")).await;
    let (_, events) = batch(&mut watch).await;
    assert_eq!(describe(&events), ["future/a=in time"]);
}

async fn many_changes_come_in_order(store: &Store) {
    const CHANGES: usize = 500;
    let from = store.list("order/").await.unwrap().revision + 1;
    let mut watch = store.watch("order/", from).await.unwrap();
    let write = async {
        for i in 0..CHANGES {
            let value = Bytes::from(i.to_string());
            commit(store, Txn::new().put("order/a", value.clone()).put("order/b", value)).await;
        }
    };
    let follow = async {
        let mut last = 0;
        for i in 0..CHANGES {
            let (revision, events) = batch(&mut watch).await;
            assert!(revision > last, "revisions go up");
            last = revision;
            assert_eq!(describe(&events), [format!("order/a={i}"), format!("order/b={i}")]);
        }
    };
    futures::join!(write, follow);
}
