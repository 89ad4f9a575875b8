//! ChangeTenant: tenants come, get other host names, and go.
//!
//! Ids count up and are never used again, for what bears one may outlive its tenant: committed
//! offsets, blocks, audit lines. The highest that was given out is always on record, if need be
//! that of a deleted tenant. Only an empty tenant can be deleted.

use bytes::Bytes;
use hop::internal::{ChangeTenantRequest, ChangeTenantResponse, TenantChange};
use metadata::{
    limits::SETTINGS_PER_KIND_MAX,
    model::Record,
    settings::{
        SettingKey, SettingKind,
        tenant::{HOST_BYTES_MAX, HOSTS_MAX, NAME_BYTES_MAX, Tenant, Tenants},
    },
};
use protocol::{ErrorCode, ids::TenantId};

use super::{Refusal, encryption};
use crate::catalogue::Catalogue;

/// What to do and what to answer.
pub(crate) struct Plan {
    /// The settings that change.
    pub(crate) changes: Vec<(SettingKey, Option<Bytes>)>,
    /// The answer, if that succeeds.
    pub(crate) response: ChangeTenantResponse,
}

/// Plans a request.
pub(crate) fn plan(catalogue: &Catalogue, request: &ChangeTenantRequest) -> Plan {
    let present = Present::new(catalogue);
    let planned = check_name(&request.name).and_then(|()| match request.change() {
        TenantChange::Create => present.create(&request.name, &request.hosts),
        TenantChange::SetHosts => present.set_hosts(&request.name, &request.hosts),
        TenantChange::Delete => present.delete(catalogue, &request.name),
        TenantChange::EncryptionOn
        | TenantChange::EncryptionOff
        | TenantChange::RotateKey
        | TenantChange::Unspecified => Err(invalid("The request does not say what to do.")),
    });
    match planned {
        Ok((id, changes)) => {
            let records = changes
                .into_iter()
                .map(|(name, tenant)| (key(name), tenant.map(|tenant: Tenant| tenant.encode())));
            let mut changes: Vec<_> = records.collect();
            if request.change() == TenantChange::Delete {
                changes.extend(encryption::removal(catalogue, id));
            }
            let response = ChangeTenantResponse { tenant: id.0, ..ChangeTenantResponse::default() };
            Plan { changes, response }
        }
        Err(refusal) => Plan { changes: Vec::new(), response: refuse(&refusal) },
    }
}

/// An answer that is only a refusal.
pub(crate) fn refuse(refusal: &Refusal) -> ChangeTenantResponse {
    let error_code = refusal.code.code().into();
    ChangeTenantResponse { error_code, message: refusal.message.clone(), tenant: 0 }
}

/// Changes of tenants by name, and the id of the one that was asked for.
type Changes = (TenantId, Vec<(String, Option<Tenant>)>);

/// The tenants on record, the deleted ones too.
struct Present {
    records: Vec<(String, Tenant)>,
    tenants: Tenants,
}

// === impl Present ===

impl Present {
    fn new(catalogue: &Catalogue) -> Self {
        let settings = catalogue.settings(TenantId::DEFAULT, SettingKind::Tenant);
        let records = settings.entries.iter().filter_map(|(name, value)| {
            // What cannot be read is not touched.
            Some((name.clone(), Tenant::decode(value).ok()?))
        });
        Self { records: records.collect(), tenants: Tenants::new(&settings) }
    }

    fn create(&self, name: &str, hosts: &[String]) -> Result<Changes, Refusal> {
        if self.tenants.named(name).is_some() {
            let text = format!("Tenant `{name}` already exists.");
            return Err(Refusal::new(ErrorCode::DuplicateResource, text));
        }
        if self.records.len() >= SETTINGS_PER_KIND_MAX {
            let text = format!("There may be at most {SETTINGS_PER_KIND_MAX} tenants.");
            return Err(Refusal::new(ErrorCode::PolicyViolation, text));
        }
        let id = TenantId(self.highest().0 + 1);
        let tenant = Tenant { id, hosts: self.checked(hosts, id)?, is_deleted: false };
        // The new id is the highest now: the deleted one's need not be remembered any more.
        let deleted = self.records.iter().filter(|(_, tenant)| tenant.is_deleted);
        let mut changes: Vec<_> = deleted.map(|(name, _)| (name.clone(), None)).collect();
        changes.retain(|(other, _)| other != name);
        changes.push((name.to_owned(), Some(tenant)));
        Ok((id, changes))
    }

    fn set_hosts(&self, name: &str, hosts: &[String]) -> Result<Changes, Refusal> {
        let id = self.tenants.named(name).ok_or_else(|| unknown(name))?;
        let tenant = Tenant { id, hosts: self.checked(hosts, id)?, is_deleted: false };
        Ok((id, vec![(name.to_owned(), Some(tenant))]))
    }

    fn delete(&self, catalogue: &Catalogue, name: &str) -> Result<Changes, Refusal> {
        let id = self.tenants.named(name).ok_or_else(|| unknown(name))?;
        if id == TenantId::DEFAULT {
            return Err(invalid("The default tenant cannot be deleted."));
        }
        if !catalogue.is_empty_of(id) {
            let text = format!(
                "Tenant `{name}` still has topics, users, access control entries or quotas; delete \
                 them first. `thermocline tenant describe {name}` counts them."
            );
            return Err(Refusal::new(ErrorCode::PolicyViolation, text));
        }
        let left =
            (id == self.highest()).then_some(Tenant { id, hosts: Vec::new(), is_deleted: true });
        Ok((id, vec![(name.to_owned(), left)]))
    }

    /// The highest id that was given out.
    fn highest(&self) -> TenantId {
        let ids = self.records.iter().map(|(_, tenant)| tenant.id);
        ids.max().unwrap_or(TenantId::DEFAULT).max(TenantId::DEFAULT)
    }

    /// Host names in lower case; none may be another tenant's.
    fn checked(&self, hosts: &[String], id: TenantId) -> Result<Vec<String>, Refusal> {
        if hosts.len() > HOSTS_MAX {
            return Err(invalid(format!("A tenant may have at most {HOSTS_MAX} host names.")));
        }
        let mut checked = Vec::with_capacity(hosts.len());
        for host in hosts.iter().map(|host| host.to_ascii_lowercase()) {
            if !is_host(&host) {
                return Err(invalid(format!("`{host}` is no host name.")));
            }
            if self.tenants.of_host(&host).is_some_and(|(owner, _)| owner != id) {
                let text = format!("`{host}` is, or is below, another tenant's host name.");
                return Err(Refusal::new(ErrorCode::DuplicateResource, text));
            }
            if self.has_below(&host, id) {
                let text = format!("Another tenant's host name is below `{host}`.");
                return Err(Refusal::new(ErrorCode::DuplicateResource, text));
            }
            checked.push(host);
        }
        checked.sort();
        checked.dedup();
        Ok(checked)
    }

    /// Whether a host name of another tenant would be taken for this one's gateway.
    fn has_below(&self, host: &str, id: TenantId) -> bool {
        let others = self.records.iter().filter(|(_, tenant)| tenant.id != id);
        let mut hosts = others.flat_map(|(_, tenant)| &tenant.hosts);
        hosts.any(|other| other.split_once('.').is_some_and(|(_, parent)| parent == host))
    }
}

fn key(name: String) -> SettingKey {
    SettingKey::new(TenantId::DEFAULT, SettingKind::Tenant, name)
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, text)
}

fn unknown(name: &str) -> Refusal {
    Refusal::new(ErrorCode::ResourceNotFound, format!("There is no tenant `{name}`."))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_');
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(legal) {
        return Ok(());
    }
    let text = format!(
        "A tenant's name has 1 to {NAME_BYTES_MAX} lower-case letters, digits, `-` and `_`."
    );
    Err(invalid(text))
}

fn is_host(host: &str) -> bool {
    let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_');
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(legal);
    host.len() <= HOST_BYTES_MAX && host.contains('.') && host.split('.').all(label)
}

#[cfg(test)]
mod tests;
