//! Key files: what is read, what is refused, and that keys come back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use futures::FutureExt as _;
use protocol::ids::TenantId;
use segment::seal::{KeyId, Purpose, SEAL_OVERHEAD};
use tempfile::TempDir;

use super::*;

const NAME: KeyName = KeyName { tenant: TenantId(7), key: KeyId(3) };
const A: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const B: &str = "f00102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F";

fn file(directory: &TempDir, text: &str) -> KeyFile {
    let path = directory.path().join("keys");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    KeyFile::new(path)
}

fn ready<T>(future: BoxFuture<'_, T>) -> T {
    future.now_or_never().expect("a file answers at once")
}

/// Whether two data keys are the same: neither shows itself.
fn is_same(one: &DataKey, other: DataKey) -> bool {
    let mut sealed = vec![5; SEAL_OVERHEAD + 4];
    one.seal(Purpose::Block, b"", &mut sealed);
    let keyring = segment::Keyring::default();
    keyring.put(NAME.tenant, other);
    segment::seal::open(&keyring, NAME.tenant, Purpose::Block, b"", &mut sealed).is_ok()
}

#[test]
fn a_data_key_comes_back_and_only_as_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let keys = file(&directory, &format!("# first wraps\n\na:{A}\n b : {B} \n"));
    assert!(keys.check().is_ok());
    let wrapped = ready(keys.make(NAME)).unwrap();
    assert_eq!((wrapped.kek.as_str(), wrapped.sealed.len()), ("a", 12 + 32 + 16));
    let key = ready(keys.unwrap(NAME, &wrapped)).unwrap();
    assert_eq!(key.id(), NAME.key);
    assert!(is_same(&key, ready(keys.unwrap(NAME, &wrapped)).unwrap()));
    assert!(!is_same(&key, {
        let another = ready(keys.make(NAME)).unwrap();
        ready(keys.unwrap(NAME, &another)).unwrap()
    }));

    let others = [KeyName { tenant: TenantId(8), ..NAME }, KeyName { key: KeyId(4), ..NAME }];
    for other in others {
        let refused = ready(keys.unwrap(other, &wrapped)).unwrap_err();
        assert!(matches!(refused, WrapError::Forged { .. }), "{refused}");
    }
    for position in 0..wrapped.sealed.len() {
        let mut sealed = wrapped.sealed.to_vec();
        sealed[position] ^= 1;
        let changed = WrappedKey { sealed: sealed.into(), ..wrapped.clone() };
        assert!(ready(keys.unwrap(NAME, &changed)).is_err(), "byte {position}");
    }
    let short = WrappedKey { sealed: Bytes::from_static(b"short"), ..wrapped };
    assert!(ready(keys.unwrap(NAME, &short)).is_err());
}

#[test]
fn key_encryption_keys_rotate() {
    let directory = tempfile::tempdir().unwrap();
    let keys = file(&directory, &format!("a:{A}\n"));
    let old = ready(keys.make(NAME)).unwrap();
    let key = ready(keys.unwrap(NAME, &old)).unwrap();
    assert!(ready(keys.rewrap(NAME, &old)).unwrap().is_none(), "already");

    file(&directory, &format!("b:{B}\na:{A}\n"));
    let new = ready(keys.rewrap(NAME, &old)).unwrap().expect("wrapped by another key");
    assert_eq!(new.kek, "b");
    file(&directory, &format!("b:{B}\n"));
    assert!(is_same(&key, ready(keys.unwrap(NAME, &new)).unwrap()));
    let gone = ready(keys.unwrap(NAME, &old)).unwrap_err();
    assert!(matches!(&gone, WrapError::UnknownKek(name) if name == "a"), "{gone}");

    file(&directory, &format!("b:{A}\n"));
    let other = ready(keys.unwrap(NAME, &new)).unwrap_err();
    assert!(matches!(other, WrapError::Forged { .. }), "another key under the same name: {other}");
}

#[test]
fn a_file_that_cannot_be_trusted_is_refused_and_never_quoted() {
    let directory = tempfile::tempdir().unwrap();
    let short = &A[1..];
    let cases = [
        (String::new(), "has no key"),
        (A.to_owned(), "line 1: a key is a name, a colon and 64 hexadecimal digits"),
        (format!("a:{short}"), "line 1: a key is a name, a colon and 64 hexadecimal digits"),
        (format!("a:{short}g"), "line 1: a key is a name, a colon and 64 hexadecimal digits"),
        (format!(":{A}"), "line 1: a key is a name, a colon and 64 hexadecimal digits"),
        (format!("a:{A}\na:{B}"), "line 2: key `a` comes twice"),
        ("#".repeat(65 << 10), "is longer than 65536 bytes"),
    ];
    for (text, expected) in cases {
        let error = file(&directory, &text).check().unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
        assert!(!error.contains(&A[2..20]), "no part of a key: {error}");
    }
    let keys = file(&directory, &format!("a:{A}"));
    for (mode, accepted) in [(0o400, true), (0o440, true), (0o604, false), (0o660, false)] {
        fs::set_permissions(&keys.path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(keys.check().is_ok(), accepted, "mode {mode:o}");
    }
    let missing = KeyFile::new(directory.path().join("none")).check().unwrap_err().to_string();
    assert!(missing.contains("cannot be read"), "{missing}");
}
