//! The engine's promise to watchers: a listing and the history after it are the present.

use proptest::prelude::*;

use super::*;

fn engine() -> Engine {
    Engine::new(0, BTreeMap::new())
}

fn run(engine: &mut Engine, txn: Txn) -> Option<i64> {
    let change = engine.plan(txn).unwrap()?;
    Some(engine.apply(change))
}

/// Puts (true) and deletes (false) of a few keys, several per transaction.
fn any_txn() -> impl Strategy<Value = Txn> {
    let ops = proptest::collection::btree_map("[ab]/[0-3]", any::<bool>(), 0..4);
    ops.prop_map(|ops| {
        ops.into_iter().fold(
            Txn::new(),
            |txn, (key, put)| {
                if put { txn.put(key, "x") } else { txn.delete(key) }
            },
        )
    })
}

/// What a follower makes of a listing and the batches after it.
fn follow(engine: &Engine, from: &Listing, prefix: &str) -> Vec<Entry> {
    let mut entries: BTreeMap<_, _> =
        from.entries.iter().map(|entry| (entry.key.clone(), entry.clone())).collect();
    let mut next = from.revision + 1;
    while let History::Batch(batch) = engine.since(next, prefix) {
        assert!(batch.revision >= next, "never back");
        for event in batch.events {
            match event {
                Event::Put(entry) => drop(entries.insert(entry.key.clone(), entry)),
                Event::Delete { key, mod_revision } => {
                    assert_eq!(mod_revision, batch.revision);
                    assert!(entries.remove(&key).is_some(), "only what was there is deleted");
                }
            }
        }
        next = batch.revision + 1;
    }
    entries.into_values().collect()
}

proptest! {
    #[test]
    fn a_listing_and_its_future_are_the_present(
        txns in proptest::collection::vec(any_txn(), 1..40),
        prefix in "(a/|b/|)",
    ) {
        let mut engine = engine();
        let mut listings = vec![engine.list(&prefix)];
        for txn in txns {
            run(&mut engine, txn);
            listings.push(engine.list(&prefix));
        }
        let present = engine.list(&prefix);
        for listing in &listings {
            prop_assert_eq!(follow(&engine, listing, &prefix), present.entries.clone());
        }
    }
}

#[test]
fn a_change_is_invisible_until_it_is_applied() {
    let mut engine = engine();
    let change = engine.plan(Txn::new().put("a", "1")).unwrap().unwrap();
    assert_eq!((engine.get("a"), engine.revision()), (None, 0));
    assert_eq!(engine.apply(change), 1);
    assert!(engine.get("a").is_some());
}

#[test]
fn a_due_lease_is_beyond_rescue() {
    let mut engine = engine();
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let lease = engine.grant(second, now);
    run(&mut engine, Txn::new().put_leased("a", "1", lease));
    assert_eq!(engine.next_deadline(), Some(now + second));
    assert!(engine.plan_expiry(now + second / 2).is_empty());
    // Due and not ended yet: whoever holds it must not believe it lives.
    assert!(!engine.keep_alive(lease, now + second));
    let change = engine.plan_expiry(now + second);
    engine.apply(change);
    assert_eq!(engine.get("a"), None);
    assert_eq!(engine.next_deadline(), None);
}
