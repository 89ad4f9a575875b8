//! Seals: known answers, and everything that must not open.

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq, proptest};
use proptest::sample::Index;

use super::*;
use crate::hex;

const TENANT: TenantId = TenantId(7);

fn data_key(id: u32, first: u8) -> DataKey {
    let bytes: [u8; DATA_KEY_LEN] = std::array::from_fn(|position| first + position as u8);
    DataKey::new(KeyId(id), bytes)
}

fn keyring() -> Keyring {
    let keyring = Keyring::default();
    keyring.put(TENANT, data_key(7, 0));
    keyring
}

fn room(text: &[u8]) -> Vec<u8> {
    [&[0; SEAL_PREFIX_LEN], text, &[0; SEAL_TAG_LEN]].concat()
}

fn sealed(purpose: Purpose, identity: &[u8], text: &[u8]) -> Vec<u8> {
    let mut sealed = room(text);
    data_key(7, 0).seal(purpose, identity, &mut sealed);
    sealed
}

/// Made by another implementation: Python's `cryptography` 48 (HKDF, then AESGCM).
#[test]
fn the_persisted_bytes_are_what_others_compute() {
    let seed: [u8; SEED_LEN] = std::array::from_fn(|position| 100 + position as u8);
    let known = [
        (Purpose::Block, "3f4a801d3dc9f7d430a09d1932acbe5cfcb0128ffea31c02b9766353"),
        (Purpose::WalEntry, "141aa69d6af1ce0e3e9a7f7de76e847b69d32c0820fafa79b4f55ec2"),
    ];
    let prefix = "000000076465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283";
    for (purpose, answer) in known {
        let mut bytes = room(b"known answer");
        data_key(7, 0).seal_with(&seed, purpose, b"identity", &mut bytes);
        assert_eq!(hex::encode(&bytes), format!("{prefix}{answer}"), "{purpose:?}");
    }
}

proptest! {
    #[test]
    fn what_was_sealed_opens(text in vec(any::<u8>(), 0..2000), identity in vec(any::<u8>(), 0..100)) {
        let mut bytes = sealed(Purpose::Block, &identity, &text);
        let opened = open(&keyring(), TENANT, Purpose::Block, &identity, &mut bytes);
        prop_assert_eq!(opened.map(|opened| opened.to_vec()), Ok(text));
    }

    #[test]
    fn nothing_else_opens(text in vec(any::<u8>(), 0..200), byte in any::<Index>(), bit in 0..8u8) {
        let mut bytes = sealed(Purpose::Block, b"identity", &text);
        let at = byte.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let opened = open(&keyring(), TENANT, Purpose::Block, b"identity", &mut bytes);
        let expected = match at {
            0..4 => OpenError::Key(KeyMissing { tenant: TENANT, key: KeyId(7 ^ (1 << bit << (8 * (3 - at)))) }),
            _ => OpenError::Forged(KeyId(7)),
        };
        prop_assert_eq!(opened.map(|opened| opened.to_vec()), Err(expected));
    }

    #[test]
    fn any_bytes_are_refused(mut bytes in vec(any::<u8>(), 0..200)) {
        open(&keyring(), TENANT, Purpose::Block, b"identity", &mut bytes).unwrap_err();
    }
}

#[test]
fn another_place_purpose_key_or_tenant_does_not_open() {
    let bytes = sealed(Purpose::Block, b"identity", b"text");
    let refused = |keyring: &Keyring, tenant, purpose, identity: &[u8]| {
        open(keyring, tenant, purpose, identity, &mut bytes.clone()).unwrap_err()
    };
    let forged = OpenError::Forged(KeyId(7));
    assert_eq!(refused(&keyring(), TENANT, Purpose::Block, b"identitz"), forged);
    assert_eq!(refused(&keyring(), TENANT, Purpose::WalEntry, b"identity"), forged);
    let other = Keyring::default();
    let missing = OpenError::Key(KeyMissing { tenant: TENANT, key: KeyId(7) });
    assert_eq!(refused(&other, TENANT, Purpose::Block, b"identity"), missing);
    other.put(TENANT, data_key(7, 1));
    assert_eq!(refused(&other, TENANT, Purpose::Block, b"identity"), forged);
    let stranger = OpenError::Key(KeyMissing { tenant: TenantId(8), key: KeyId(7) });
    assert_eq!(refused(&keyring(), TenantId(8), Purpose::Block, b"identity"), stranger);
}

/// Two equal messages share nothing: each has a key of its own.
#[test]
fn no_two_messages_are_alike() {
    let first = sealed(Purpose::Block, b"identity", b"the same text");
    let second = sealed(Purpose::Block, b"identity", b"the same text");
    assert_ne!(first[4..SEAL_PREFIX_LEN], second[4..SEAL_PREFIX_LEN]);
    assert_ne!(first[SEAL_PREFIX_LEN..], second[SEAL_PREFIX_LEN..]);
}

#[test]
fn rotation_seals_with_the_new_key_and_opens_with_the_old() {
    let keyring = Keyring::default();
    assert!(keyring.current(TENANT).unwrap().is_none(), "not sealed");
    keyring.set_current(TENANT, Some(KeyId(1)));
    let missing = KeyMissing { tenant: TENANT, key: KeyId(1) };
    assert_eq!(keyring.current(TENANT).unwrap_err(), missing, "never in plain text meanwhile");
    keyring.put(TENANT, data_key(1, 0));
    let mut old = room(b"old");
    keyring.current(TENANT).unwrap().unwrap().seal(Purpose::Block, b"", &mut old);
    keyring.put(TENANT, data_key(2, 9));
    keyring.set_current(TENANT, Some(KeyId(2)));
    let mut new = room(b"new");
    keyring.current(TENANT).unwrap().unwrap().seal(Purpose::Block, b"", &mut new);
    assert_eq!((key_id(&old), key_id(&new)), (Ok(KeyId(1)), Ok(KeyId(2))));
    for (mut bytes, text) in [(old, b"old"), (new, b"new")] {
        assert_eq!(open(&keyring, TENANT, Purpose::Block, b"", &mut bytes).unwrap(), text);
    }
    keyring.set_current(TENANT, None);
    assert!(keyring.current(TENANT).unwrap().is_none());
    keyring.forget(TENANT);
    assert_eq!(keyring.key(TENANT, KeyId(1)).unwrap_err(), missing);
}

#[test]
fn a_key_is_not_shown() {
    assert_eq!(format!("{:?}", data_key(7, 0)), "DataKey { id: KeyId(7), .. }");
}
