//! What the operator has decided, beside the entries.

use std::collections::HashSet;

use metadata::settings::tenant::DEFAULT_NAME;

use crate::config::AuthorisationConfig;

/// Kafka's `super.users` and `allow.everyone.if.no.acl.found`.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// By the tenants' names: what an operator knows them by.
    super_users: Vec<(String, HashSet<String>)>,
    /// Whether a resource that no entry is about is everybody's.
    pub(super) everyone_if_none: bool,
}

impl Rules {
    /// The rules of a configuration; `None` if everything is granted to everybody.
    pub(crate) fn of(config: &AuthorisationConfig) -> Option<Self> {
        let of_default = (DEFAULT_NAME.to_owned(), config.super_users.iter().cloned().collect());
        let others = config
            .tenants
            .iter()
            .map(|of| (of.tenant.clone(), of.super_users.iter().cloned().collect()));
        config.enabled.then(|| Self {
            super_users: others.chain([of_default]).collect(),
            everyone_if_none: config.allow_everyone_if_no_acl_found,
        })
    }

    /// Whether a principal may do anything to what is the tenant's, of which is known how to tell
    /// whether a name is its.
    pub(super) fn is_super(&self, principal: &str, is_its: impl Fn(&str) -> bool) -> bool {
        let mut tenants = self.super_users.iter().filter(|(_, users)| users.contains(principal));
        tenants.any(|(tenant, _)| is_its(tenant))
    }
}
