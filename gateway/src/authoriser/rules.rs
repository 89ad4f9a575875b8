//! What the operator has decided, beside the entries.

use std::collections::{HashMap, HashSet};

use protocol::ids::TenantId;

use crate::config::AuthorisationConfig;

/// Kafka's `super.users` and `allow.everyone.if.no.acl.found`.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    super_users: HashMap<TenantId, HashSet<String>>,
    /// Whether a resource that no entry is about is everybody's.
    pub(super) everyone_if_none: bool,
}

impl Rules {
    /// The rules of a configuration; `None` if everything is granted to everybody.
    pub(crate) fn of(config: &AuthorisationConfig) -> Option<Self> {
        let own = (TenantId::DEFAULT, config.super_users.iter().cloned().collect());
        let others = config
            .tenants
            .iter()
            .map(|tenant| (TenantId(tenant.tenant), tenant.super_users.iter().cloned().collect()));
        config.enabled.then(|| Self {
            super_users: others.chain([own]).collect(),
            everyone_if_none: config.allow_everyone_if_no_acl_found,
        })
    }

    /// Whether a principal may do anything to what is its tenant's.
    pub(super) fn is_super(&self, tenant: TenantId, principal: &str) -> bool {
        self.super_users.get(&tenant).is_some_and(|users| users.contains(principal))
    }
}
