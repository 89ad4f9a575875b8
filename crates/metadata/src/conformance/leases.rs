//! Leased keys go when their lease goes, and not before.

use std::time::Duration;

use super::{Store, batch, commit, get};
use crate::{
    store::{Event, LeaseId, MetadataError},
    txn::{Txn, TxnOutcome},
};

/// Longer than any run of this suite.
const LONG: Duration = Duration::from_secs(3600);
/// The least that etcd grants.
const SHORT: Duration = Duration::from_secs(2);

pub(super) async fn run(store: &Store) {
    a_revoked_lease_takes_its_keys_along(store).await;
    a_lease_ends_by_itself(store).await;
    a_key_can_leave_its_lease(store).await;
    an_ended_lease_is_of_no_use(store).await;
}

async fn a_revoked_lease_takes_its_keys_along(store: &Store) {
    let lease = store.grant_lease(LONG).await.unwrap();
    let other = store.grant_lease(LONG).await.unwrap();
    assert_ne!(lease, other);
    let txn = Txn::new()
        .put_leased("lease/a", "1", lease)
        .put_leased("lease/b", "1", lease)
        .put_leased("lease/c", "1", other);
    let from = commit(store, txn).await + 1;
    store.keep_alive(lease).await.unwrap();
    store.revoke_lease(lease).await.unwrap();
    assert_eq!(get(store, "lease/a").await, None);
    assert_eq!(get(store, "lease/b").await, None);
    assert!(get(store, "lease/c").await.is_some(), "another lease's key");

    let mut watch = store.watch("lease/", from).await.unwrap();
    let (_, events) = batch(&mut watch).await;
    let mut gone: Vec<_> = events.iter().map(Event::key).collect();
    gone.sort_unstable();
    assert_eq!(gone, ["lease/a", "lease/b"], "one revision");
    store.revoke_lease(lease).await.unwrap();
    store.revoke_lease(other).await.unwrap();
}

async fn a_lease_ends_by_itself(store: &Store) {
    let lease = store.grant_lease(SHORT).await.unwrap();
    let from = commit(store, Txn::new().put_leased("expire/a", "1", lease)).await + 1;
    // Nobody but this watch looks at the store: it must wake up by itself.
    let mut watch = store.watch("expire/", from).await.unwrap();
    let (_, events) = batch(&mut watch).await;
    assert!(matches!(&events[..], [Event::Delete { key, .. }] if key == "expire/a"));
    assert_eq!(get(store, "expire/a").await, None);
    assert_eq!(store.keep_alive(lease).await, Err(MetadataError::LeaseGone(lease)));
}

async fn a_key_can_leave_its_lease(store: &Store) {
    let lease = store.grant_lease(LONG).await.unwrap();
    commit(store, Txn::new().put_leased("leave/a", "1", lease).put_leased("leave/b", "1", lease))
        .await;
    commit(store, Txn::new().put("leave/a", "2")).await;
    let next = store.grant_lease(LONG).await.unwrap();
    commit(store, Txn::new().put_leased("leave/b", "2", next)).await;
    store.revoke_lease(lease).await.unwrap();
    assert!(get(store, "leave/a").await.is_some(), "it has no lease any more");
    assert!(get(store, "leave/b").await.is_some(), "it has another lease");
    store.revoke_lease(next).await.unwrap();
    assert_eq!(get(store, "leave/b").await, None);
}

async fn an_ended_lease_is_of_no_use(store: &Store) {
    let lease = store.grant_lease(LONG).await.unwrap();
    store.revoke_lease(lease).await.unwrap();
    let never = LeaseId(0x7fff_fff0);
    for gone in [lease, never] {
        assert_eq!(store.keep_alive(gone).await, Err(MetadataError::LeaseGone(gone)));
        let txn = Txn::new().put_leased("useless/a", "1", gone).put("useless/b", "1");
        assert_eq!(store.txn(txn).await, Err(MetadataError::LeaseGone(gone)));
    }
    assert!(store.list("useless/").await.unwrap().entries.is_empty());
    // A failed compare comes before a missing lease.
    commit(store, Txn::new().put("useless/c", "1")).await;
    let txn = Txn::new().when_absent("useless/c").put_leased("useless/a", "1", never);
    assert_eq!(store.txn(txn).await, Ok(TxnOutcome::Conflict));
}
