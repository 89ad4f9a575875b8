//! Manifests: one successor per version, one owner per epoch, nothing contradictory.

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq, proptest};
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
use uuid::Uuid;

use super::{
    ClaimError, CommitError, CompactedObject, InvalidManifest, Manifest, ManifestStore, wire,
};
use crate::faulty::{Fault, FaultyStore};
use crate::hex;
use crate::keys;
use crate::log_id::LogId;
use crate::store::Store;
use crate::token::WriterToken;

fn partition() -> PartitionId {
    PartitionId { tenant: TenantId(1), topic: TopicId(Uuid::from_u128(9)), index: 4 }
}

fn log(node: i32) -> LogId {
    LogId { node: NodeId(node), generation: 1, incarnation: 1, nonce: 7 }
}

fn first() -> Manifest {
    Manifest::create(partition(), 1, log(1), 0)
}

#[tokio::test]
async fn a_manifest_reads_back_as_committed() {
    let manifests = ManifestStore::new(Store::memory("test"));
    assert_eq!(manifests.load(&partition()).await.unwrap(), None);
    let (stored, version) = manifests.commit(&first(), None).await.unwrap();
    assert_eq!(
        manifests.load(&partition()).await.unwrap(),
        Some((stored.clone(), version.clone()))
    );
    assert_eq!((stored.version, stored.prev_hash), (1, [0; 32]));

    let next = stored.claimed(2, log(2), 5, 1000).unwrap();
    let (next, second) = manifests.commit(&next, Some(&version)).await.unwrap();
    assert_eq!(next.version, 2);
    assert_ne!(next.prev_hash, [0; 32]);
    assert_ne!(next.nonce, stored.nonce);
    assert_eq!(manifests.load(&partition()).await.unwrap(), Some((next, second)));
}

/// Of two claimants one wins, and the loser's manifest is nowhere (R22).
#[tokio::test]
async fn a_version_has_one_successor() {
    let manifests = ManifestStore::new(Store::memory("test"));
    let (stored, version) = manifests.commit(&first(), None).await.unwrap();
    let refused = manifests.commit(&first(), None).await.unwrap_err();
    assert!(matches!(refused, CommitError::Conflict));
    let winner = stored.claimed(2, log(2), 0, 10).unwrap();
    let loser = stored.claimed(2, log(3), 0, 10).unwrap();
    manifests.commit(&winner, Some(&version)).await.unwrap();
    let refused = manifests.commit(&loser, Some(&version)).await.unwrap_err();
    assert!(matches!(refused, CommitError::Conflict));
    let (current, _) = manifests.load(&partition()).await.unwrap().unwrap();
    assert_eq!(current.owner, log(2));
}

/// The same content committed twice is two versions: no ABA on the ETag (R22).
#[tokio::test]
async fn equal_manifests_are_different_versions() {
    let manifests = ManifestStore::new(Store::memory("test"));
    let (stored, version) = manifests.commit(&first(), None).await.unwrap();
    let (again, second) = manifests.commit(&stored, Some(&version)).await.unwrap();
    manifests.commit(&again, Some(&second)).await.unwrap();
    for old in [version, second] {
        let refused = manifests.commit(&stored, Some(&old)).await.unwrap_err();
        assert!(matches!(refused, CommitError::Conflict));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_not_a_lost_claim() {
    for fault in [Fault::LostAnswer, Fault::AppliedButRefused, Fault::Conflict409] {
        let faulty = FaultyStore::with([fault]);
        let manifests = ManifestStore::new(faulty.store());
        let (stored, version) = manifests.commit(&first(), None).await.unwrap();
        faulty.push(fault);
        let next = stored.claimed(2, log(2), 0, 10).unwrap();
        let (next, version) = manifests.commit(&next, Some(&version)).await.unwrap();
        assert_eq!(manifests.load(&partition()).await.unwrap(), Some((next, version)), "{fault:?}");
    }
}

#[tokio::test]
async fn a_damaged_or_misplaced_manifest_is_an_error() {
    let store = Store::memory("test");
    let manifests = ManifestStore::new(store.clone());
    manifests.commit(&first(), None).await.unwrap();
    let object = store.get(&keys::manifest(&partition())).await.unwrap();
    let other = PartitionId { index: 5, ..partition() };
    store.put_unconditional(&keys::manifest(&other), vec![object.clone()]).await.unwrap();
    assert!(manifests.load(&other).await.is_err());
    let cut = object.slice(..object.len() - 1);
    store.put_unconditional(&keys::manifest(&partition()), vec![cut]).await.unwrap();
    assert!(manifests.load(&partition()).await.is_err());
}

#[test]
fn a_claim_closes_the_chain_and_continues_it() {
    let claimed = first().claimed(4, log(2), 6, 1000).unwrap();
    assert_eq!(claimed.check(), Ok(()));
    assert_eq!(claimed.chain[0].end_offset, Some(1000));
    let head = claimed.head();
    assert_eq!((head.epoch, head.log, head.first_slot), (4, log(2), 6));
    assert_eq!((head.start_offset, head.end_offset), (1000, None));
    assert_eq!(claimed.epoch_history, [(1, 0), (4, 1000)]);
}

#[test]
fn a_claim_from_old_metadata_is_refused() {
    let manifest = first().claimed(4, log(2), 0, 10).unwrap();
    for claimed in [3, 4] {
        let refused = manifest.claimed(claimed, log(3), 0, 20).unwrap_err();
        assert_eq!(refused, ClaimError::StaleEpoch { claimed, current: 4 });
    }
    let refused = manifest.claimed(5, log(3), 0, 9).unwrap_err();
    assert_eq!(refused, ClaimError::EndBeforeStart { start: 10, end: 9 });
    let deleted = Manifest { deleted: true, ..manifest };
    assert_eq!(deleted.claimed(5, log(3), 0, 20), Err(ClaimError::Deleted));
}

fn object(base_offset: i64, last_offset: i64) -> CompactedObject {
    let key = keys::compacted(&partition(), base_offset, Uuid::from_u128(1));
    CompactedObject { key, base_offset, last_offset, size: 9, max_timestamp: 5 }
}

/// Each change breaks one invariant; each is refused before it can be committed.
#[tokio::test]
async fn a_manifest_that_contradicts_itself_is_refused() {
    let sound = Manifest {
        objects: vec![object(0, 4), object(5, 9)],
        compacted_upto: 10,
        ..first().claimed(4, log(2), 0, 10).unwrap()
    };
    assert_eq!(sound.check(), Ok(()));
    let broken = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = sound.clone();
        change(&mut manifest);
        manifest
    };
    let cases = [
        (broken(&|m| m.chain.clear()), InvalidManifest::Owner),
        (broken(&|m| m.owner = log(3)), InvalidManifest::Owner),
        (broken(&|m| m.epoch = 5), InvalidManifest::Owner),
        (broken(&|m| m.chain[0].end_offset = None), InvalidManifest::Owner),
        (broken(&|m| m.chain[0].end_offset = Some(11)), InvalidManifest::Chain(1)),
        (broken(&|m| m.chain[0].epoch = 4), InvalidManifest::Chain(1)),
        (broken(&|m| m.chain[0].start_offset = 11), InvalidManifest::Chain(0)),
        (broken(&|m| m.epoch_history[0].0 = 4), InvalidManifest::History),
        (broken(&|m| m.epoch_history.truncate(1)), InvalidManifest::History),
        (broken(&|m| m.objects[1].base_offset = 4), InvalidManifest::Object(1)),
        (broken(&|m| m.compacted_upto = 9), InvalidManifest::Object(1)),
        (
            broken(&|m| m.log_start_offset = -1),
            InvalidManifest::LogStart { start: -1, end: i64::MAX },
        ),
    ];
    let manifests = ManifestStore::new(Store::memory("test"));
    for (manifest, expected) in cases {
        assert_eq!(manifest.check(), Err(expected.clone()));
        let refused = manifests.commit(&manifest, None).await.unwrap_err();
        assert!(matches!(refused, CommitError::Invalid(error) if error == expected));
    }
    assert_eq!(manifests.load(&partition()).await.unwrap(), None);
}

proptest! {
    #[test]
    fn manifests_round_trip(
        claims in vec((1..5i32, 0..1000i64, 0..9u64), 0..10),
        version: u64, nonce: u64, prev_hash: [u8; 32], deleted: bool, max_timestamp: i64,
    ) {
        let mut manifest = first();
        for (node, (epochs, offsets, slot)) in (2..).zip(claims) {
            let end = manifest.head().start_offset + offsets;
            manifest = manifest.claimed(manifest.epoch + epochs, log(node), slot, end).unwrap();
        }
        let objects = vec![CompactedObject { max_timestamp, ..object(0, 4) }];
        let manifest =
            Manifest { version, nonce, prev_hash, deleted, objects, compacted_upto: 5, ..manifest };
        let bytes = wire::encode(&manifest, WriterToken::random());
        prop_assert_eq!(wire::decode(&bytes), Ok(manifest));
    }

    #[test]
    fn any_bytes_are_a_manifest_or_refused(bytes in any::<Vec<u8>>()) {
        assert!(wire::decode(&bytes).is_err());
    }
}

/// A manifest written by this version is read by all later ones.
#[test]
fn the_persisted_manifest_stays_readable() {
    let manifest = Manifest {
        version: 2,
        nonce: 5,
        prev_hash: [9; 32],
        objects: vec![object(0, 4)],
        compacted_upto: 5,
        ..first().claimed(4, log(2), 3, 10).unwrap()
    };
    let stored = concat!(
        "54434c4d01000000070707070707070707070707070707070000010e8424c5ce0801121000000000",
        "00000000000000000000000918042002290500000000000000322009090909090909090909090909",
        "0909090909090909090909090909090909090938044216322d312d312d3030303030303030303030",
        "30303030374a1c08011216312d312d312d30303030303030303030303030303037280a4a1e080412",
        "16322d312d312d303030303030303030303030303030371803200a5202080152040804100a60056a",
        "650a5d642f37622f3030303030303030303030303030303030303030303030303030303030303039",
        "2f342f30303030303030303030303030303030303030302d30303030303030303030303030303030",
        "3030303030303030303030303030303118042009280a",
    );
    assert_eq!(wire::decode(&hex::decode(stored)), Ok(manifest));
}

/// RELIABILITY §4.9 counts on small manifests.
#[test]
fn a_manifest_of_a_long_life_stays_small() {
    let mut manifest = first();
    for epoch in 2..20 {
        manifest = manifest.claimed(epoch, log(epoch), 0, i64::from(epoch) * 1_000_000).unwrap();
    }
    // A week of 64 MiB objects at 10 KiB/s, far into the life of the partition.
    let first = 1 << 40;
    manifest.objects = (0..100)
        .map(|n| CompactedObject {
            key: keys::compacted(&partition(), first + n * 1_000_000, Uuid::max()),
            size: 64 << 20,
            max_timestamp: 1_700_000_000_000,
            ..object(first + n * 1_000_000, first + n * 1_000_000 + 999_999)
        })
        .collect();
    assert!(wire::encode(&manifest, WriterToken::random()).len() < 6 << 10);
}
