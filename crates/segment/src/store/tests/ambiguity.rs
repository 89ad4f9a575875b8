//! Answers to conditional writes that must not be believed (R13, R17).

use super::{payload, text_of};
use crate::faulty::{Fault, FaultyStore};
use crate::keys::{self, Key};
use crate::store::{Created, Store, Updated, Version};

const EVERY_FAULT: [Fault; 4] =
    [Fault::LostAnswer, Fault::AppliedButRefused, Fault::Conflict409, Fault::NotSent];

fn key() -> Key {
    keys::probe(uuid::Uuid::nil(), "object")
}

async fn created(store: &Store, text: &str) -> Version {
    let (token, payload) = payload(text);
    match store.create(&key(), payload, token).await.unwrap() {
        Created::Ours(version) => version,
        Created::Exists => panic!("another's object is there"),
    }
}

async fn content(store: &Store) -> (String, Version) {
    let (object, version) = store.get_versioned(&key()).await.unwrap().unwrap();
    (text_of(&object), version)
}

/// Whatever happened to the first attempt, a create that nobody contests is ours.
#[tokio::test(start_paused = true)]
async fn an_uncontested_create_succeeds_through_every_fault() {
    for fault in EVERY_FAULT {
        let faulty = FaultyStore::with([fault, fault]);
        let store = faulty.store();
        let version = created(&store, "ours").await;
        assert_eq!(content(&store).await, ("ours".to_owned(), version), "{fault:?}");
    }
}

/// Every attempt must carry the bytes of the first (R14).
#[tokio::test(start_paused = true)]
async fn attempts_repeat_the_same_bytes() {
    let faulty = FaultyStore::with([Fault::NotSent, Fault::Conflict409, Fault::NotSent]);
    created(&faulty.store(), "ours").await;
    let attempts = faulty.attempts();
    assert_eq!(attempts.len(), 4);
    assert!(attempts.iter().all(|attempt| *attempt == attempts[0]));
}

/// A 412 over another's object is a loss, and the object stays as it is.
#[tokio::test(start_paused = true)]
async fn a_contested_create_is_lost_through_every_fault() {
    for fault in [Fault::Conflict409, Fault::NotSent] {
        let faulty = FaultyStore::with([]);
        let store = faulty.store();
        created(&store, "theirs").await;
        faulty.push(fault);
        let (token, payload) = payload("ours");
        let outcome = store.create(&key(), payload, token).await.unwrap();
        assert_eq!(outcome, Created::Exists, "{fault:?}");
        assert_eq!(content(&store).await.0, "theirs");
    }
}

#[tokio::test(start_paused = true)]
async fn an_uncontested_update_succeeds_through_every_fault() {
    for fault in EVERY_FAULT {
        let faulty = FaultyStore::with([]);
        let store = faulty.store();
        let before = created(&store, "before").await;
        faulty.push(fault);
        let (token, payload) = payload("after");
        let Updated::Ours(version) = store.update(&key(), payload, token, &before).await.unwrap()
        else {
            panic!("{fault:?}: nobody contests the update")
        };
        assert_eq!(content(&store).await, ("after".to_owned(), version), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_of_an_old_version_conflicts_through_every_fault() {
    for fault in [Fault::Conflict409, Fault::NotSent] {
        let faulty = FaultyStore::with([]);
        let store = faulty.store();
        let old = created(&store, "old").await;
        let (token, new) = payload("new");
        store.update(&key(), new, token, &old).await.unwrap();
        faulty.push(fault);
        let (token, stale) = payload("stale");
        let outcome = store.update(&key(), stale, token, &old).await.unwrap();
        assert_eq!(outcome, Updated::Conflict, "{fault:?}");
        assert_eq!(content(&store).await.0, "new");
    }
}

/// A store that stays away is an error, and the write deadline bounds the wait.
#[tokio::test(start_paused = true)]
async fn a_write_gives_up_at_its_deadline() {
    let faulty = FaultyStore::with([Fault::NotSent; 100]);
    let (token, payload) = payload("ours");
    let error = faulty.store().create(&key(), payload, token).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(faulty.attempts().len() > 2);
}
