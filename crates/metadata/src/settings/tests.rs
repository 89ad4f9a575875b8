//! Keys read back; revisions move exactly when something changed.

use proptest::prelude::*;

use super::*;

const TENANT: TenantId = TenantId(1);

fn acl(name: &str) -> SettingKey {
    SettingKey::new(TENANT, SettingKind::Acl, name)
}

fn settings(values: &[(&str, &'static str)]) -> AllSettings {
    let mut all = AllSettings::default();
    for (name, value) in values {
        all.set(&acl(name), Some(Bytes::from_static(value.as_bytes())));
    }
    all
}

fn revision(all: &AllSettings) -> u64 {
    all.of(TENANT, SettingKind::Acl).revision
}

proptest! {
    #[test]
    fn every_key_reads_back(tenant: u32, at in 0..SettingKind::ALL.len(), name in ".{1,20}") {
        let key = SettingKey::new(TenantId(tenant), SettingKind::ALL[at], name);
        prop_assert_eq!(SettingKey::parse(&key.to_string()), Some(key));
    }

    #[test]
    fn a_text_that_parses_is_the_key_s_own_spelling(text in "s/(acl|quota)/[+0-9]{1,2}/[%0-9a-fA-F/]{0,6}") {
        if let Some(key) = SettingKey::parse(&text) {
            prop_assert_eq!(key.to_string(), text);
        }
    }
}

#[test]
fn the_key_space_is_stable() {
    let spelled = |kind| SettingKey::new(TENANT, kind, "a/b c").to_string();
    assert_eq!(spelled(SettingKind::Acl), "s/acl/1/a%2Fb%20c");
    assert_eq!(spelled(SettingKind::Credential), "s/credential/1/a%2Fb%20c");
    assert_eq!(spelled(SettingKind::Quota), "s/quota/1/a%2Fb%20c");
    assert_eq!(spelled(SettingKind::Group), "s/group/1/a%2Fb%20c");
    assert_eq!(spelled(SettingKind::Tenant), "s/tenant/1/a%2Fb%20c");
    assert_eq!(spelled(SettingKind::Placement), "s/placement/1/a%2Fb%20c");
    for foreign in ["s/", "s/acl/1/", "s/acl/01/a", "s/other/1/a", "s/acl/1/a b", "s/acl/1/%ff"] {
        assert_eq!(SettingKey::parse(foreign), None, "{foreign}");
    }
}

#[test]
fn a_revision_tells_of_changes_of_its_own_kind_only() {
    let mut all = settings(&[("a", "1")]);
    let before = revision(&all);
    all.set(&acl("a"), Some(Bytes::from_static(b"1")));
    all.set(&acl("b"), None);
    all.set(&SettingKey::new(TENANT, SettingKind::Quota, "a"), Some(Bytes::new()));
    all.set(&SettingKey::new(TenantId(2), SettingKind::Acl, "a"), Some(Bytes::new()));
    assert_eq!(revision(&all), before);
    all.set(&acl("a"), None);
    assert!(revision(&all) > before);
    assert!(all.of(TENANT, SettingKind::Acl).entries.is_empty());
    assert_eq!(all.of_all(SettingKind::Acl).len(), 2);
    assert_eq!(all.iter().count(), 2);
}

#[test]
fn a_listing_that_says_the_same_changes_no_revision() {
    let before = settings(&[("a", "1"), ("b", "2")]);
    let mut same = settings(&[("b", "2"), ("a", "1")]);
    same.succeed(&before);
    assert_eq!(revision(&same), revision(&before));

    let mut other = settings(&[("a", "1")]);
    other.succeed(&same);
    assert!(revision(&other) > revision(&same));

    let mut empty = AllSettings::default();
    empty.succeed(&other);
    assert!(revision(&empty) > revision(&other), "that they are gone is a change");
    assert!(empty.of(TENANT, SettingKind::Acl).entries.is_empty());
    let gone = revision(&empty);
    empty.set(&acl("a"), Some(Bytes::new()));
    assert!(revision(&empty) > gone, "no revision comes twice");
}

#[test]
fn asking_for_nothing_allocates_nothing() {
    let all = AllSettings::default();
    let (acls, quotas) =
        (all.of(TENANT, SettingKind::Acl), all.of(TenantId(9), SettingKind::Quota));
    assert!(Arc::ptr_eq(&acls, &quotas));
}
