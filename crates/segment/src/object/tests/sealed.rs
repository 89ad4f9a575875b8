//! Sealed blocks: they come back, and open as nothing but what they are, where they are.

use bytes::{BufMut as _, BytesMut};

use super::*;
use crate::object::{is_sealed, open_block_in_place};
use crate::seal::{DataKey, KeyId, KeyMissing, OpenError, SEAL_OVERHEAD};

const TENANT: TenantId = TenantId(1);

fn keyring(id: u32, byte: u8) -> Keyring {
    let keyring = Keyring::default();
    add_key(&keyring, id, byte);
    keyring
}

fn add_key(keyring: &Keyring, id: u32, byte: u8) {
    keyring.put(TENANT, DataKey::new(KeyId(id), [byte; 32]));
    keyring.set_current(TENANT, Some(KeyId(id)));
}

fn build_sealed(batches: &[(PartitionId, Bytes)], keyring: &Keyring) -> (Bytes, Footer) {
    let mut builder = ObjectBuilder::new();
    for (partition, batch) in batches {
        builder.add(*partition, batch.clone()).unwrap();
    }
    let (payload, footer) = builder.finish(100..200, &object_key(), keyring).unwrap();
    (stored(&payload), footer)
}

fn block_of(object: &Bytes, entry: &BlockEntry) -> Bytes {
    object.slice(entry.range().start as usize..entry.range().end as usize)
}

proptest! {
    #[test]
    fn every_batch_comes_back_from_its_sealed_block(entries in entries()) {
        let batches = batches(&entries);
        let keyring = keyring(1, 7);
        let (object, footer) = build_sealed(&batches, &keyring);
        prop_assert_eq!(&Footer::decode(&object, object.len() as u64).unwrap(), &footer);
        for index in 0..4 {
            let (mut read, mut in_place) = (Vec::new(), Vec::new());
            for entry in footer.entries.iter().filter(|entry| entry.header.partition == partition(index)) {
                let bytes = block_of(&object, entry);
                prop_assert!(is_sealed(&bytes));
                let block = open_block(&bytes, partition(index), &extent(entry), &keyring).unwrap();
                prop_assert_eq!(block.header, entry.header);
                read.extend_from_slice(&block.batches);
                let mut own = bytes.to_vec();
                let (header, at) = open_block_in_place(&mut own, partition(index), &extent(entry), &keyring).unwrap();
                prop_assert_eq!(header, entry.header);
                in_place.extend_from_slice(&own[at]);
            }
            let own = batches.iter().filter(|(owner, _)| *owner == partition(index));
            prop_assert_eq!(&read, &own.map(|(_, batch)| batch.clone()).collect::<Vec<_>>().concat());
            prop_assert_eq!(read, in_place);
        }
    }

    #[test]
    fn a_changed_sealed_block_is_refused(entries in entries(), block in any::<Index>(), byte in any::<Index>(), bit in 0..8u8) {
        let keyring = keyring(1, 7);
        let (object, footer) = build_sealed(&batches(&entries), &keyring);
        let entry = block.get(&footer.entries);
        let mut bytes = block_of(&object, entry).to_vec();
        let at = byte.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let partition = entry.header.partition;
        prop_assert!(open_block(&bytes.clone().into(), partition, &extent(entry), &keyring).is_err());
        // The CRC is no secret: whoever changes other bytes sets it too, but where it says the format.
        if at > 4 && !(BLOCK_HEADER_LEN - 4..BLOCK_HEADER_LEN).contains(&at) {
            let bytes = with_crc(&bytes);
            prop_assert!(open_block(&bytes, partition, &extent(entry), &keyring).is_err());
        }
    }
}

/// The block with the CRC that belongs to its bytes.
fn with_crc(block: &[u8]) -> Bytes {
    let (head, body) = block.split_at(BLOCK_HEADER_LEN);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..BLOCK_HEADER_LEN - 4]), body);
    let mut out = BytesMut::from(&head[..BLOCK_HEADER_LEN - 4]);
    out.put_u32(crc);
    out.put_slice(body);
    out.freeze()
}

/// Each field of a block's identity, changed with its CRC so that header and footer agree on the
/// lie: the seal does not.
#[test]
fn a_block_that_lies_about_what_it_is_does_not_open() {
    let keyring = keyring(1, 7);
    let stranger = TenantId(2);
    keyring.put(stranger, DataKey::new(KeyId(1), [7; 32]));
    let (object, footer) = build_sealed(&[(partition(3), batch(7, 1, 2, 10))], &keyring);
    let entry = &footer.entries[0];
    let block = block_of(&object, entry);
    let (own, true_extent) = (partition(3), extent(entry));
    assert!(open_block(&block, own, &true_extent, &keyring).is_ok());

    let topic = TopicId(Uuid::from_u128(10));
    let same = || true_extent.clone();
    // Where in the header, what of it, and what its reader would then look for.
    let lies = [
        ("tenant", 11, PartitionId { tenant: stranger, ..own }, same()),
        ("topic", 27, PartitionId { topic, ..own }, same()),
        ("partition", 31, partition(4), same()),
        ("base offset", 39, own, Extent { base_offset: 6, ..same() }),
        ("last offset", 47, own, Extent { last_offset: 9, ..same() }),
        ("leader epoch", 51, own, Extent { leader_epoch: 2, ..same() }),
        ("max timestamp", 59, own, same()),
    ];
    let values = [2, 10, 4, 6, 9, 2, 0];
    for ((what, at, partition, extent), value) in lies.into_iter().zip(values) {
        let mut changed = block.to_vec();
        changed[at] = value;
        let changed = with_crc(&changed);
        let forged = BlockError::Sealed(OpenError::Forged(KeyId(1)));
        assert_eq!(open_block(&changed, partition, &extent, &keyring), Err(forged), "{what}");
    }
    let elsewhere = Extent { location: Location::Slot { log: log(), slot: 2 }, ..same() };
    let forged = Err(BlockError::Sealed(OpenError::Forged(KeyId(1))));
    assert_eq!(open_block(&block, own, &elsewhere, &keyring), forged, "another object");
}

/// The range of another tenant's block: refused for what it is before any key is looked for, and
/// unreadable to one who would leave that out.
#[test]
fn another_tenants_sealed_block_neither_verifies_nor_opens() {
    let keyring = keyring(1, 7);
    let theirs = PartitionId { tenant: TenantId(2), ..partition(0) };
    let both = [(partition(0), batch(0, 1, 3, 40)), (theirs, batch(0, 1, 3, 40))];
    let (object, footer) = build_sealed(&both, &keyring);
    let (ours, plain) = (&footer.entries[0], &footer.entries[1]);
    let block = block_of(&object, ours);
    let refused = open_block(&block, theirs, &extent(plain), &keyring);
    assert_eq!(refused, Err(BlockError::Partition(partition(0))));
    assert!(!is_sealed(&block_of(&object, plain)), "only who has a key is sealed");
    let text = [b'x'; 40];
    assert!(!block.windows(40).any(|window| window == text), "no record in plain text");
    let other = open_block(&block, partition(0), &extent(ours), &Keyring::default());
    let missing = KeyMissing { tenant: TENANT, key: KeyId(1) };
    assert_eq!(other, Err(BlockError::Sealed(OpenError::Key(missing))));
    assert!(other.unwrap_err().is_transient(), "the key may come");
}

/// After a rotation old blocks open with the old key, and new ones are sealed with the new.
#[test]
fn reading_follows_rotation() {
    let keyring = keyring(1, 7);
    let records = [(partition(0), batch(0, 1, 3, 40))];
    let (old, _) = build_sealed(&records, &keyring);
    add_key(&keyring, 2, 8);
    let (new, footer) = build_sealed(&records, &keyring);
    let entry = &footer.entries[0];
    for object in [&old, &new] {
        let block = open_block(&block_of(object, entry), partition(0), &extent(entry), &keyring);
        assert_eq!(block.unwrap().batches, records[0].1);
    }
    keyring.set_current(TENANT, None);
    let (off, footer) = build_sealed(&records, &keyring);
    assert!(!is_sealed(&block_of(&off, &footer.entries[0])));
    assert_eq!(old.len() - off.len(), SEAL_OVERHEAD);
}

#[test]
fn nothing_is_built_without_the_key() {
    let keyring = Keyring::default();
    keyring.set_current(TENANT, Some(KeyId(1)));
    let mut builder = ObjectBuilder::new();
    builder.add(partition(0), batch(0, 1, 1, 10)).unwrap();
    let refused = builder.finish(0..1, &object_key(), &keyring);
    assert_eq!(refused.unwrap_err(), KeyMissing { tenant: TENANT, key: KeyId(1) });
}
