//! Who may do what, and what is kept of it: `[gateway.authorisation]` and `[gateway.audit]`.

use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, require};

/// Whether access control lists are enforced, and who stands above them. To be the same on every
/// gateway: each enforces what it is told.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthorisationConfig {
    /// Whether access control lists are kept and enforced, as with Kafka's
    /// `authorizer.class.name`. Otherwise everybody may do everything. Default: false.
    pub enabled: bool,
    /// Principals of the default tenant that may do anything (Kafka's `super.users`), such as
    /// `User:admin`. Default: none.
    pub super_users: Vec<String>,
    /// Whether what no entry is about is everybody's (Kafka's
    /// `allow.everyone.if.no.acl.found`). Default: false.
    pub allow_everyone_if_no_acl_found: bool,
    /// The same for other tenants.
    pub tenants: Vec<TenantSuperUsers>,
}

/// Who stands above a tenant's access control lists.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantSuperUsers {
    /// The tenant's name.
    pub tenant: String,
    /// Principals of the tenant that may do anything to what is the tenant's.
    pub super_users: Vec<String>,
}

/// What is kept of denials, authentications and changes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// The file to append to, one JSON object a line. Opened again for each batch of lines, so it
    /// may be moved away at any time. Default: none, nothing is kept.
    pub file: Option<PathBuf>,
}

// === impl AuthorisationConfig ===

impl AuthorisationConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let others = self.tenants.iter().flat_map(|tenant| &tenant.super_users);
        let is_principal = |user: &String| {
            user.split_once(':').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty())
        };
        let key = "authorisation.super_users";
        require(
            self.super_users.iter().chain(others).all(is_principal),
            key,
            "must have the form `User:name`",
        )?;
        require(
            self.enabled || (self.super_users.is_empty() && self.tenants.is_empty()),
            key,
            "has no effect unless `authorisation.enabled` is true",
        )
    }
}
