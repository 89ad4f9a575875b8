//! Keys come and take over; none goes before its tenant.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::meta_log::MetaRecord;
use tenant_keys::{KeyFile, NoWrapper};

const TENANT: TenantId = TenantId::DEFAULT;

struct World {
    log: Vec<MetaRecord>,
    directory: tempfile::TempDir,
}

impl World {
    fn new(file: &str) -> Self {
        let world = Self { log: Vec::new(), directory: tempfile::tempdir().unwrap() };
        world.write(file);
        world
    }

    fn write(&self, file: &str) {
        fs::write(self.path(), file).unwrap();
        fs::set_permissions(self.path(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("keys")
    }

    async fn ask_with(&mut self, keeper: &dyn KeyWrapper, change: TenantChange) -> (i32, String) {
        let name = "default".to_owned();
        let request = ChangeTenantRequest { name, change: change.into(), hosts: Vec::new() };
        let Plan { changes, response } = plan(&self.catalogue(), keeper, &request).await;
        assert!(response.error_code == 0 || changes.is_empty(), "a refusal changes nothing");
        self.log.push(MetaRecord::SettingsChanged(changes));
        (response.error_code, response.message)
    }

    async fn ask(&mut self, change: TenantChange) -> i32 {
        let keeper = KeyFile::new(self.path());
        self.ask_with(&keeper, change).await.0
    }

    fn catalogue(&self) -> Catalogue {
        Catalogue::replay(self.log.clone())
    }

    fn keys(&self) -> TenantKeys {
        TenantKeys::new(&self.catalogue().settings(TENANT, SettingKind::Key))
    }

    fn wrapped_by(&self) -> Vec<(u32, String)> {
        self.keys().wrapped.into_iter().map(|(number, key)| (number, key.kek)).collect()
    }
}

fn file(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name}:{}\n", name.repeat(64))).collect()
}

#[tokio::test]
async fn encryption_is_turned_on_rotated_and_turned_off_and_keeps_its_keys() {
    let mut world = World::new(&file(&["a"]));
    let invalid = i32::from(ErrorCode::InvalidRequest.code());
    assert_eq!(world.ask(TenantChange::RotateKey).await, invalid, "not encrypted yet");
    assert_eq!(world.ask(TenantChange::EncryptionOn).await, 0);
    assert_eq!((world.keys().current, world.wrapped_by()), (Some(1), vec![(1, "a".to_owned())]));
    let before = world.keys();
    assert_eq!(world.ask(TenantChange::EncryptionOn).await, 0);
    assert_eq!(world.keys(), before, "it is on already");

    world.write(&file(&["b", "a"]));
    assert_eq!(world.ask(TenantChange::RotateKey).await, 0);
    let both = vec![(1, "b".to_owned()), (2, "b".to_owned())];
    assert_eq!((world.keys().current, world.wrapped_by()), (Some(2), both.clone()));

    assert_eq!(world.ask(TenantChange::EncryptionOff).await, 0);
    assert_eq!((world.keys().current, world.wrapped_by()), (None, both), "for what is sealed");
    assert_eq!(world.ask(TenantChange::EncryptionOn).await, 0);
    assert_eq!(world.keys().current, Some(3), "no number comes twice");
    assert!(removal(&world.catalogue(), TENANT).iter().all(|(_, value)| value.is_none()));
    assert_eq!(removal(&world.catalogue(), TENANT).len(), 4);
}

#[tokio::test]
async fn a_key_that_cannot_be_wrapped_again_does_not_hold_back_a_new_one() {
    let mut world = World::new(&file(&["a"]));
    world.ask(TenantChange::EncryptionOn).await;
    world.write(&file(&["b"]));
    assert_eq!(world.ask(TenantChange::RotateKey).await, 0);
    assert_eq!(world.wrapped_by(), [(1, "a".to_owned()), (2, "b".to_owned())]);
}

#[tokio::test]
async fn without_a_keeper_nothing_changes_and_the_answer_says_why() {
    let mut world = World::new("");
    let (code, message) = world.ask_with(&NoWrapper, TenantChange::EncryptionOn).await;
    assert_eq!(code, i32::from(ErrorCode::KafkaStorageError.code()));
    assert!(message.contains("encryption.key_file"), "{message}");
    assert!(world.keys().is_empty());
}
