//! Batches of a tenant with a key: sealed in the bucket, plain for who commits and who recovers.

use protocol::ids::TenantId;
use segment::seal::{DataKey, KeyId, KeyMissing, OpenError};

use super::*;
use crate::wal::tests::harness::partition;
use crate::wal::{CommitTarget, Entry};

const STRANGER: TenantId = TenantId(9);

fn add_key(store: &Store, id: u32) {
    store.keyring().put(TenantId::DEFAULT, DataKey::new(KeyId(id), [id as u8; 32]));
    store.keyring().set_current(TenantId::DEFAULT, Some(KeyId(id)));
}

/// As [`entry`], of a tenant without a key.
fn strangers(offset: i64, bytes: usize, target: &Arc<Recorder>) -> Entry {
    let target = Arc::clone(target) as Arc<dyn CommitTarget>;
    let partition = protocol::ids::PartitionId { tenant: STRANGER, ..partition(0) };
    Entry { partition, target, ..entry(offset, bytes, &Recorder::new()) }
}

/// Whether some object of the bucket has this batch, but for its first fields. Batches of the harness
/// have shorter pieces in common.
async fn is_in_bucket(fixture: &Fixture, batch: &[u8]) -> bool {
    let piece = &batch[20..];
    let listed = fixture.store.list("w").await.unwrap();
    for object in listed {
        let bytes = fixture.store.get(&object.key).await.unwrap();
        if bytes.windows(piece.len()).any(|window| window == piece) {
            return true;
        }
    }
    false
}

#[tokio::test(start_paused = true)]
async fn sealed_batches_are_committed_and_recovered_in_plain_text_over_a_rotation() {
    let fixture = fixture(ObjectTuning::default()).await;
    let mut expected = vec![fixture.append(0, 200)];
    add_key(&fixture.store, 1);
    expected.push(fixture.append(1, 200));
    let lsn = fixture.front.append(strangers(2, 200, &fixture.recorder)).unwrap();
    expected.push(LoggedEntry {
        partition: protocol::ids::PartitionId { tenant: STRANGER, ..partition(0) },
        ..logged(lsn, 2, 200)
    });
    add_key(&fixture.store, 2);
    expected.push(fixture.append(3, 200));
    let told = fixture.told(4).await;
    for (told, expected) in told.iter().zip(&expected) {
        let Told::Committed { lsn, batch, .. } = told else { panic!("{told:?}") };
        assert_eq!((lsn, batch), (&expected.lsn, &expected.batch));
    }
    for (position, in_bucket) in [(0, true), (1, false), (2, true), (3, false)] {
        let batch = &expected[position].batch;
        assert_eq!(is_in_bucket(&fixture, batch).await, in_bucket, "batch {position}");
    }
    let sealed = SealedObject::open(&fixture.store, fixture.log).await.unwrap();
    assert_eq!(sealed.read_sealed(Lsn(0), 1 << 20).await.unwrap().entries, expected);

    // Whoever lacks a key gets an error that passes, and no entry.
    let key = |number: u32| DataKey::new(KeyId(number), [number as u8; 32]);
    fixture.store.keyring().forget(TenantId::DEFAULT);
    fixture.store.keyring().put(TenantId::DEFAULT, key(1));
    let error = sealed.read_sealed(Lsn(0), 1 << 20).await.unwrap_err();
    let missing = KeyMissing { tenant: TenantId::DEFAULT, key: KeyId(2) };
    let is_missing = |error: &RecoverError| matches!(error, RecoverError::Sealed(OpenError::Key(found)) if *found == missing);
    assert!(is_missing(&error), "{error}");
    assert!(crate::ending::EndError::from(error).is_unavailable());
    fixture.store.keyring().put(TenantId::DEFAULT, DataKey::new(KeyId(2), [9; 32]));
    let error = sealed.read_sealed(Lsn(0), 1 << 20).await.unwrap_err();
    assert!(matches!(error, RecoverError::Sealed(OpenError::Forged(KeyId(2)))), "{error}");
    fixture.store.keyring().put(TenantId::DEFAULT, key(2));
    assert_eq!(sealed.read_sealed(Lsn(0), 1 << 20).await.unwrap().entries, expected);
}

#[tokio::test(start_paused = true)]
async fn without_the_key_nothing_is_taken_of_this_tenant_and_everything_of_others() {
    let fixture = fixture(ObjectTuning::default()).await;
    fixture.store.keyring().set_current(TenantId::DEFAULT, Some(KeyId(1)));
    let refused = fixture.front.append(entry(0, 100, &fixture.recorder)).unwrap_err();
    let missing = KeyMissing { tenant: TenantId::DEFAULT, key: KeyId(1) };
    assert_eq!(refused, FrontError::Key(missing));
    assert!(refused.is_transient());
    fixture.front.append(strangers(1, 100, &fixture.recorder)).unwrap();
    assert!(matches!(fixture.told(1).await[..], [Told::Committed { .. }]));
}

/// A sealed batch opens in its own slot only.
#[tokio::test(start_paused = true)]
async fn a_slot_under_another_name_does_not_open() {
    let fixture = fixture(ObjectTuning::default()).await;
    add_key(&fixture.store, 1);
    fixture.append(0, 200);
    fixture.told(1).await;
    let reader = SeqLogReader::new(fixture.store.clone(), Family::Wal, fixture.log);
    let payload = reader.read(1).await.unwrap().expect("the slot is made").payload;
    let (_, entries) = super::super::format::decode(payload).expect("whole");
    let keyring = fixture.store.keyring();
    for (slot, opens) in [(1, true), (2, false)] {
        let key = keys::slot(Family::Wal, &fixture.log, slot);
        assert_eq!(entries[0].clone().open(&key, keyring).is_ok(), opens, "as slot {slot}");
    }
}
