//! The keyring follows the settings, and in doubt nothing is in plain text.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use metadata::model::Record;
use metadata::settings::SettingKey;
use metadata::settings::key::{CURRENT, CurrentKey};
use metadata::{MemoryStore, MetadataStore as _, Txn};
use segment::seal::KeyMissing;

use super::*;
use crate::KeyFile;

const TENANT: TenantId = TenantId(7);
const SOON: Duration = Duration::from_secs(60);

fn key(name: &str) -> SettingKey {
    SettingKey::new(TENANT, SettingKind::Key, name)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(SOON, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what} within {SOON:?}"));
}

#[tokio::test(start_paused = true)]
async fn keys_come_rotate_and_go_with_the_settings() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    let write = |name: &str| {
        fs::write(&path, format!("{name}:{}\n", name.repeat(64))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("a");
    let wrapper: Arc<dyn KeyWrapper> = Arc::new(KeyFile::new(path.clone()));
    let (store, drain) = (Arc::new(MemoryStore::new()), Drain::new());
    let view = ClusterView::start(Arc::clone(&store) as _, &drain).await.unwrap();
    let keyring = Keyring::default();
    assert!(load(&view, &*wrapper, &keyring).await, "nothing to unwrap");
    follow(view.clone(), Arc::clone(&wrapper), keyring.clone(), &drain);
    assert!(keyring.current(TENANT).unwrap().is_none());

    let name = |number| KeyName { tenant: TENANT, key: KeyId(number) };
    let first = wrapper.make(name(1)).await.unwrap();
    let on = Txn::new().put(key("1"), first.encode()).put(key(CURRENT), CurrentKey(1).encode());
    assert!(store.txn(on).await.unwrap().is_committed());
    let current = || keyring.current(TENANT).map(|key| key.map(|key| key.id()));
    until("the first key", || current() == Ok(Some(KeyId(1)))).await;

    // Wrapped by a key that this process's file has not got yet.
    write("b");
    let second = wrapper.make(name(2)).await.unwrap();
    write("a");
    let rotated =
        Txn::new().put(key("2"), second.encode()).put(key(CURRENT), CurrentKey(2).encode());
    assert!(store.txn(rotated).await.unwrap().is_committed());
    let missing = KeyMissing { tenant: TENANT, key: KeyId(2) };
    until("no key to seal with", || current() == Err(missing)).await;
    assert!(keyring.key(TENANT, KeyId(1)).is_ok(), "older records are read");
    write("b");
    until("the second key", || current() == Ok(Some(KeyId(2)))).await;
    assert!(keyring.key(TENANT, KeyId(1)).is_ok(), "what is here stays");

    assert!(store.txn(Txn::new().delete(key(CURRENT))).await.unwrap().is_committed());
    until("no sealing", || current() == Ok(None)).await;
    assert!(keyring.key(TENANT, KeyId(2)).is_ok());
    let gone = Txn::new().delete(key("1")).delete(key("2"));
    assert!(store.txn(gone).await.unwrap().is_committed());
    until("nothing is left", || keyring.key(TENANT, KeyId(1)).is_err()).await;
    assert!(drain.finish(SOON).await);
}

/// A process that starts without the key knows from the start that it must not store plain text.
#[tokio::test(start_paused = true)]
async fn a_process_without_the_key_seals_nothing_and_stores_nothing() {
    let (store, drain) = (Arc::new(MemoryStore::new()), Drain::new());
    let wrapped = metadata::settings::key::WrappedKey { kek: "a".to_owned(), sealed: "x".into() };
    let on = Txn::new().put(key("1"), wrapped.encode()).put(key(CURRENT), CurrentKey(1).encode());
    assert!(store.txn(on).await.unwrap().is_committed());
    let view = ClusterView::start(Arc::clone(&store) as _, &drain).await.unwrap();
    let keyring = Keyring::default();
    assert!(!load(&view, &crate::NoWrapper, &keyring).await);
    assert!(keyring.current(TENANT).is_err());
    assert!(keyring.current(TenantId(8)).unwrap().is_none(), "others are not concerned");
    assert!(drain.finish(SOON).await);
}
