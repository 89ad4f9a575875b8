//! Compare-and-swap under contention loses no update.

use bytes::Bytes;
use futures::future::join_all;

use super::{Store, commit, get};
use crate::txn::Txn;

pub(super) async fn run(store: &Store) {
    a_contended_counter_counts_everything(store).await;
    one_of_many_creators_wins(store).await;
}

async fn a_contended_counter_counts_everything(store: &Store) {
    const WRITERS: usize = 8;
    const INCREMENTS: usize = 20;
    commit(store, Txn::new().put("counter", "0")).await;
    let increment = async || loop {
        let entry = get(store, "counter").await.unwrap();
        let value: usize = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
        let next = Bytes::from((value + 1).to_string());
        let txn = Txn::new().when_mod("counter", entry.mod_revision).put("counter", next);
        if store.txn(txn).await.unwrap().is_committed() {
            return;
        }
    };
    let writer = async || {
        for _ in 0..INCREMENTS {
            increment().await;
        }
    };
    join_all((0..WRITERS).map(|_| writer())).await;
    let total = (WRITERS * INCREMENTS).to_string();
    assert_eq!(get(store, "counter").await.unwrap().value, Bytes::from(total));
}

async fn one_of_many_creators_wins(store: &Store) {
    let create = async |value: String| {
        let txn = Txn::new().when_absent("winner").put("winner", value);
        store.txn(txn).await.unwrap().is_committed()
    };
    let outcomes = join_all((0..16).map(|i| create(i.to_string()))).await;
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1);
    let winner = outcomes.iter().position(|won| *won).unwrap();
    assert_eq!(get(store, "winner").await.unwrap().value, Bytes::from(winner.to_string()));
}
