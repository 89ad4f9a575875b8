//! Tenants come and go, and no id or host name is ever two tenants'.

use super::*;
use crate::meta_log::MetaRecord;

/// A catalogue, and what was asked of it one after the other.
struct World(Vec<MetaRecord>);

impl World {
    fn catalogue(&self) -> Catalogue {
        Catalogue::replay(self.0.clone())
    }

    fn ask(&mut self, change: TenantChange, name: &str, hosts: &[&str]) -> Result<u32, ErrorCode> {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let request = ChangeTenantRequest { name: name.to_owned(), change: change.into(), hosts };
        let Plan { changes, response } = plan(&self.catalogue(), &request);
        match response.error_code {
            0 => {
                self.0.push(MetaRecord::SettingsChanged(changes));
                Ok(response.tenant)
            }
            code => {
                assert!(changes.is_empty(), "a refusal changes nothing");
                Err(ErrorCode::from_code(i16::try_from(code).unwrap()))
            }
        }
    }

    fn create(&mut self, name: &str, hosts: &[&str]) -> Result<u32, ErrorCode> {
        self.ask(TenantChange::Create, name, hosts)
    }

    fn delete(&mut self, name: &str) -> Result<u32, ErrorCode> {
        self.ask(TenantChange::Delete, name, &[])
    }

    fn tenants(&self) -> Tenants {
        Tenants::new(&self.catalogue().settings(TenantId::DEFAULT, SettingKind::Tenant))
    }
}

#[test]
fn ids_count_up_and_are_never_used_again() {
    let mut world = World(Vec::new());
    assert_eq!(world.create("a", &[]), Ok(2));
    assert_eq!(world.create("b", &[]), Ok(3));
    assert_eq!(world.delete("b"), Ok(3));
    assert_eq!(world.delete("a"), Ok(2));
    assert_eq!(world.create("b", &[]), Ok(4), "under its old name as well");
    assert_eq!(world.delete("b"), Ok(4));
    assert_eq!(world.create("c", &[]), Ok(5));
    let settings = world.catalogue().settings(TenantId::DEFAULT, SettingKind::Tenant);
    assert_eq!(settings.entries.len(), 1, "nothing but what is needed stays of those that went");
}

#[test]
fn a_name_is_one_tenants() {
    let mut world = World(Vec::new());
    assert_eq!(world.create("a", &[]), Ok(2));
    assert_eq!(world.create("a", &[]), Err(ErrorCode::DuplicateResource));
    assert_eq!(world.create("default", &[]), Err(ErrorCode::DuplicateResource));
    assert_eq!(world.delete("nobody"), Err(ErrorCode::ResourceNotFound));
    assert_eq!(world.delete("default"), Err(ErrorCode::InvalidRequest));
    for name in ["", "A", "a b", "a/b", "ä", &"x".repeat(101)] {
        assert_eq!(world.create(name, &[]), Err(ErrorCode::InvalidRequest), "{name}");
    }
}

#[test]
fn a_host_name_is_one_tenants() {
    let mut world = World(Vec::new());
    assert_eq!(world.create("a", &["A.example"]), Ok(2));
    for taken in ["a.example", "gw.a.example"] {
        assert_eq!(world.create("b", &[taken]), Err(ErrorCode::DuplicateResource), "{taken}");
    }
    assert_eq!(world.create("b", &["b.a.test"]), Ok(3));
    let above = world.ask(TenantChange::SetHosts, "a", &["a.test"]);
    assert_eq!(above, Err(ErrorCode::DuplicateResource), "b.a.test would be a's gateway `b`");
    assert_eq!(world.ask(TenantChange::SetHosts, "a", &["a.example", "a.other"]), Ok(2));
    assert_eq!(world.tenants().of_host("a.other"), Some((TenantId(2), "a.other")));
    assert_eq!(world.ask(TenantChange::SetHosts, "default", &["main.example"]), Ok(1));
    assert_eq!(world.tenants().of_host("main.example"), Some((TenantId::DEFAULT, "main.example")));
    for host in
        ["", "localhost", "a..b", "a.b.", "*.a.b", "a b.c", &format!("{}.b", "a".repeat(64))]
    {
        assert_eq!(world.create("c", &[host]), Err(ErrorCode::InvalidRequest), "{host}");
    }
}

#[test]
fn a_tenant_that_has_something_left_stays() {
    let mut world = World(Vec::new());
    assert_eq!(world.create("a", &[]), Ok(2));
    let key = SettingKey::new(TenantId(2), SettingKind::Acl, "any");
    let set = |value| MetaRecord::SettingsChanged(vec![(key.clone(), value)]);
    world.0.push(set(Some(Bytes::from_static(b"acl"))));
    assert_eq!(world.delete("a"), Err(ErrorCode::PolicyViolation));
    world.0.push(set(None));
    assert_eq!(world.delete("a"), Ok(2));
}
