//! The authoriser against a reference that goes through every entry, and Kafka's own examples.

use std::sync::Arc;

use metadata::model::Record;
use metadata::settings::acl::{
    AclBinding, AclOperation, EVERYBODY, PatternType, Permission, ResourceType, WILDCARD,
};
use metadata::settings::tenant::Tenant;
use metadata::settings::{SettingKey, SettingKind, Settings};
use metadata::{ClusterView, MemoryStore, MetadataStore, Txn};
use process::Drain;
use proptest::prelude::*;
use proptest::sample::select;
use protocol::ids::TenantId;

use super::compiled::Authoriser;
use super::*;
use crate::call::Identity;
use crate::config::{AuthorisationConfig, TenantSuperUsers};

const ALICE: &str = "User:alice";
const HOST: &str = "10.0.0.1";

fn rules(everyone_if_none: bool) -> Rules {
    let config = AuthorisationConfig {
        enabled: true,
        super_users: vec!["User:root".to_owned()],
        allow_everyone_if_no_acl_found: everyone_if_none,
        tenants: Vec::new(),
    };
    Rules::of(&config).unwrap()
}

fn authority(entries: &[AclBinding], everyone_if_none: bool) -> Authority {
    let authoriser = Authoriser::of(entries).into();
    Authority::new(authoriser, &rules(everyone_if_none), false, ALICE, HOST)
}

fn acl(permission: Permission, operation: AclOperation, pattern: &str) -> AclBinding {
    let (pattern_type, name) = match pattern.strip_suffix('…') {
        Some(prefix) => (PatternType::Prefixed, prefix),
        None => (PatternType::Literal, pattern),
    };
    AclBinding {
        resource_type: ResourceType::Topic,
        pattern_type,
        resource_name: name.to_owned(),
        principal: ALICE.to_owned(),
        host: WILDCARD.to_owned(),
        operation,
        permission,
    }
}

/// Kafka's rules, entry by entry.
struct Reference<'a> {
    entries: &'a [AclBinding],
    everyone_if_none: bool,
}

impl Reference<'_> {
    fn is_about_client(acl: &AclBinding) -> bool {
        [ALICE, EVERYBODY].contains(&acl.principal.as_str())
            && [HOST, WILDCARD].contains(&acl.host.as_str())
    }

    fn is_about(acl: &AclBinding, resource: Resource<'_>) -> bool {
        let name = acl.resource_name.as_str();
        acl.resource_type == resource.resource_type
            && match acl.pattern_type {
                PatternType::Literal => name == resource.name || name == WILDCARD,
                PatternType::Prefixed => resource.name.starts_with(name),
            }
    }

    fn is_for(acl: &AclBinding, operation: AclOperation) -> bool {
        use AclOperation as Op;
        let implied = match operation {
            _ if acl.permission == Permission::Deny => false,
            Op::Describe => {
                matches!(acl.operation, Op::Read | Op::Write | Op::Delete | Op::Alter)
            }
            Op::DescribeConfigs => acl.operation == Op::AlterConfigs,
            _ => false,
        };
        implied || acl.operation == Op::All || acl.operation == operation
    }

    fn allows(&self, operation: AclOperation, resource: Resource<'_>) -> bool {
        let about = || self.entries.iter().filter(|acl| Self::is_about(acl, resource));
        let says = |permission| {
            let mut of_client = about().filter(|acl| Self::is_about_client(acl));
            of_client.any(|acl| acl.permission == permission && Self::is_for(acl, operation))
        };
        if says(Permission::Deny) {
            return false;
        }
        says(Permission::Allow) || (about().next().is_none() && self.everyone_if_none)
    }

    /// As the default method of Kafka's interface finds it.
    fn allows_some(&self, operation: AclOperation, resource_type: ResourceType) -> bool {
        if self.allows(operation, Resource { resource_type, name: "hardcode" }) {
            return true;
        }
        let of = |permission, pattern_type| -> Vec<&str> {
            let entries = self.entries.iter().filter(|acl| {
                acl.resource_type == resource_type
                    && Self::is_about_client(acl)
                    && [operation, AclOperation::All].contains(&acl.operation)
                    && (acl.permission, acl.pattern_type) == (permission, pattern_type)
            });
            entries.map(|acl| acl.resource_name.as_str()).collect()
        };
        let denied = of(Permission::Deny, PatternType::Literal);
        let denied_prefixes = of(Permission::Deny, PatternType::Prefixed);
        if denied.contains(&WILDCARD) {
            return false;
        }
        let dominated = |name: &str| denied_prefixes.iter().any(|deny| name.starts_with(deny));
        let literals = of(Permission::Allow, PatternType::Literal);
        let prefixes = of(Permission::Allow, PatternType::Prefixed);
        literals.contains(&WILDCARD)
            || literals.iter().any(|name| !denied.contains(name) && !dominated(name))
            || prefixes.iter().any(|prefix| !dominated(prefix))
    }
}

/// Entries over so few names that they meet.
fn any_acl() -> impl Strategy<Value = AclBinding> {
    (
        (select(vec![ResourceType::Topic, ResourceType::Group]), select(PatternType::ALL)),
        ("[*aä]{1,3}", select(vec![ALICE, EVERYBODY, "User:bob"])),
        select(vec![HOST, WILDCARD, "10.0.0.2"]),
        (select(AclOperation::ALL), select(Permission::ALL)),
    )
        .prop_map(
            |((resource_type, pattern_type), (name, principal), host, (op, permission))| {
                AclBinding {
                    resource_type,
                    pattern_type,
                    resource_name: name,
                    principal: principal.to_owned(),
                    host: host.to_owned(),
                    operation: op,
                    permission,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn answers_are_those_of_the_reference(
        entries in prop::collection::vec(any_acl(), 0..12),
        names in prop::collection::vec("[*aä]{0,4}", 1..6),
        everyone_if_none: bool,
    ) {
        let authority = authority(&entries, everyone_if_none);
        let reference = Reference { entries: &entries, everyone_if_none };
        for resource_type in [ResourceType::Topic, ResourceType::Group, ResourceType::Cluster] {
            for operation in AclOperation::ALL.iter().copied().filter(|op| *op != AclOperation::All) {
                for name in &names {
                    let resource = Resource { resource_type, name };
                    let expected = reference.allows(operation, resource);
                    let said = authority.allows(operation, resource);
                    prop_assert_eq!(said, expected, "{:?} {:?}", operation, resource);
                }
                if [AclOperation::Read, AclOperation::Write].contains(&operation) {
                    let expected = reference.allows_some(operation, resource_type);
                    let said = authority.allows_some(operation, resource_type);
                    prop_assert_eq!(said, expected, "some {:?} {:?}", operation, resource_type);
                }
            }
        }
    }
}

#[test]
fn denial_comes_first() {
    use AclOperation::{Describe, Read};
    use Permission::{Allow, Deny};
    let authority = authority(&[acl(Allow, Read, "*"), acl(Deny, Read, "secret…")], false);
    assert!(authority.allows(Read, Resource::topic("orders")));
    assert!(!authority.allows(Read, Resource::topic("secret-orders")));
    // What READ allows, its denial does not deny.
    assert!(authority.allows(Describe, Resource::topic("secret-orders")));
}

/// Tenants are named as the operator knows them, and known by their ids.
#[tokio::test]
async fn super_users_may_do_anything_in_their_own_tenant_only() {
    let deny = acl(Permission::Deny, AclOperation::All, "*");
    let authoriser = Arc::new(Authoriser::of(&[deny]));
    let store: Arc<dyn MetadataStore> = Arc::new(MemoryStore::new());
    let mut txn = Txn::new();
    for (name, id, is_deleted) in [("acme", 2, false), ("gone", 3, true)] {
        let key = SettingKey::new(TenantId::DEFAULT, SettingKind::Tenant, name);
        let tenant = Tenant { id: TenantId(id), hosts: Vec::new(), is_deleted };
        txn = txn.put(key, tenant.encode());
    }
    assert!(store.txn(txn).await.unwrap().is_committed());
    let view = ClusterView::start(store, &Drain::new()).await.unwrap();
    let of = |tenant: &str, user: &str| TenantSuperUsers {
        tenant: tenant.to_owned(),
        super_users: vec![user.to_owned()],
    };
    let config = AuthorisationConfig {
        enabled: true,
        super_users: vec!["User:root".to_owned()],
        tenants: vec![of("acme", "User:boss"), of("gone", "User:boss"), of("nobody", "User:boss")],
        ..AuthorisationConfig::default()
    };
    let authorisers = Authorisers::new(Rules::of(&config).unwrap(), view);
    let of = |tenant, principal: &'static str| {
        let identity = Identity { tenant: TenantId(tenant), principal: principal.into() };
        authorisers.authority(Arc::clone(&authoriser), &identity, HOST)
    };
    let (topic, read) = (Resource::topic("orders"), AclOperation::Read);
    assert!(of(1, "User:root").allows_some(read, ResourceType::Group));
    let above = [(1, "User:root"), (2, "User:boss")];
    for tenant in 1..=4 {
        for user in ["User:root", "User:boss", ALICE] {
            let allowed = of(tenant, user).allows(read, topic);
            assert_eq!(allowed, above.contains(&(tenant, user)), "{user} of {tenant}");
        }
    }
}

#[test]
fn an_entry_that_cannot_be_read_closes_the_tenant() {
    let allow = acl(Permission::Allow, AclOperation::All, "*");
    let mut settings = Settings::default();
    settings.entries.insert(allow.setting_name(), allow.encode());
    let authority = |settings: &Settings| {
        let authoriser = Authoriser::compile(settings).into();
        Authority::new(authoriser, &rules(true), false, ALICE, HOST)
    };
    let allowed = |authority: Authority| {
        let cluster = authority.allows(AclOperation::Alter, Resource::CLUSTER);
        let topic = authority.allows(AclOperation::Read, Resource::topic("orders"));
        (cluster, topic, authority.allows_some(AclOperation::Write, ResourceType::Topic))
    };
    assert_eq!(allowed(authority(&settings)), (true, true, true));
    settings.entries.insert("future".to_owned(), vec![9, 9].into());
    assert_eq!(allowed(authority(&settings)), (false, false, false));
}
