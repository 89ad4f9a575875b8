//! Sealed blocks through the reader: plain text for their tenant, and never anything else.

use segment::seal::{DataKey, KeyId};

use super::*;

const FETCH_ERRORS: &str = "cold_reader_fetch_errors_total";

fn add_key(store: &Store, tenant: TenantId, id: u32) {
    store.keyring().put(tenant, DataKey::new(KeyId(id), [id as u8; 32]));
    store.keyring().set_current(tenant, Some(KeyId(id)));
}

/// Slots in plain text, under two keys and in plain text again, and a compacted object.
#[tokio::test]
async fn a_replay_crosses_rotations_and_the_memory_bound_holds() {
    let mut fixture = Fixture::new(Store::memory("cold-reader")).await;
    let batches: Vec<Vec<Batch>> =
        (0..8).map(|slot| (0..6).map(|n| (0, slot * 12 + n * 2, 2, 50_000)).collect()).collect();
    for (slot, batches) in batches.iter().enumerate() {
        match slot {
            2 => add_key(&fixture.store, TenantId::DEFAULT, 1),
            4 => add_key(&fixture.store, TenantId::DEFAULT, 2),
            6 => fixture.store.keyring().set_current(TenantId::DEFAULT, None),
            _ => {}
        }
        fixture.add_slot(batches).await;
    }
    let server = fixture.server(|_| {});
    assert_eq!(replay(&server, &fixture.plan(0), 1 << 20).await, fixture.records(0));
    assert_eq!(replay(&server, &fixture.plan(0), 1).await, fixture.records(0), "cached");
}

/// The acceptance test of the issue: another tenant's range in an authentic plan.
#[tokio::test]
async fn another_tenants_sealed_range_is_never_answered() {
    let mut fixture = Fixture::new(Store::memory("cold-reader")).await;
    let theirs = partition(0);
    let ours = PartitionId { tenant: TenantId(77), ..theirs };
    add_key(&fixture.store, theirs.tenant, 1);
    add_key(&fixture.store, ours.tenant, 1);
    fixture.store_slot_of(&[(ours, batch(0, 5, 10)), (theirs, batch(0, 5, 10))]).await;
    let server = fixture.server(|_| {});
    let wrong = Plan { extents: fixture.plan_of(theirs).extents, ..fixture.plan_of(ours) };
    let response = ask_as(&server, ours.tenant, wrong.seal(&SECRET)).await;
    assert_eq!(response.error_code, ErrorCode::KafkaStorageError.code());
    assert!(response.records.is_empty());
    let right = ask_as(&server, ours.tenant, fixture.plan_of(ours).seal(&SECRET)).await;
    assert_eq!((right.error_code, right.records.concat()), (0, batch(0, 5, 10).to_vec()));
}

/// A missing or wrong key is an error to retry, told apart in the metric, and ends by itself.
#[tokio::test(start_paused = true)]
async fn a_missing_or_wrong_key_is_retriable_and_the_right_one_ends_it() {
    let counters = Counters::new();
    let _counting = counters.install();
    let mut fixture = Fixture::new(Store::memory("cold-reader")).await;
    add_key(&fixture.store, TenantId::DEFAULT, 1);
    fixture.add_slot(&[(0, 0, 5, 10)]).await;
    let (server, plan) = (fixture.server(|_| {}), fixture.plan(0));
    let keyring = fixture.store.keyring().clone();
    let failed = |reason: &str| counters.text(&format!("{FETCH_ERRORS}{{reason=\"{reason}\"}}"));

    keyring.forget(TenantId::DEFAULT);
    assert_eq!(error_of(&server, &plan, 0).await, ErrorCode::KafkaStorageError);
    assert_eq!(failed("key").as_deref(), Some("1"));
    keyring.put(TenantId::DEFAULT, DataKey::new(KeyId(1), [2; 32]));
    tokio::time::advance(FAILURE_LIFE).await;
    assert_eq!(error_of(&server, &plan, 0).await, ErrorCode::KafkaStorageError);
    assert_eq!(failed("damaged").as_deref(), Some("1"));
    add_key(&fixture.store, TenantId::DEFAULT, 1);
    tokio::time::advance(FAILURE_LIFE).await;
    assert_eq!(fetch(&server, &plan, 0, 1).await.records.concat(), fixture.records(0));
}
