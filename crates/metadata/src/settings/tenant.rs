//! Tenants: who shares the cluster, and the host names by which their clients come.
//!
//! All of them stand among the settings of [`TenantId::DEFAULT`], by name. That tenant itself is
//! always there, whether it has a setting or not; with one it can have host names too.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use prost::Message;
use protocol::ids::TenantId;

use super::Settings;
use crate::model::{DecodeError, Record, open, seal};

/// The name of the tenant that is always there.
pub const DEFAULT_NAME: &str = "default";

/// Longest name of a tenant.
pub const NAME_BYTES_MAX: usize = 100;

/// Host names of one tenant: one per region and zone of names, not per gateway.
pub const HOSTS_MAX: usize = 16;

/// Longest host name (RFC 1035).
pub const HOST_BYTES_MAX: usize = 253;

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id, never used again.
    pub id: TenantId,
    /// Host names, in lower case. Over TLS a client that asks for one of them, or for one of their
    /// direct subdomains (a gateway each), is the tenant's.
    pub hosts: Vec<String>,
    /// Whether it is gone. The record of the highest id stays, so that the id is not used again.
    pub is_deleted: bool,
}

/// The tenants, as connections look for them.
#[derive(Debug, Default)]
pub struct Tenants {
    /// Of the settings that this was made of.
    revision: Option<u64>,
    by_name: HashMap<String, TenantId>,
    by_host: HashMap<String, TenantId>,
    ids: HashSet<TenantId>,
    /// Whether there are records that cannot be read: any tenant may be one of them.
    has_unreadable: bool,
}

// === impl Tenants ===

impl Tenants {
    /// Of the default tenant's settings. What cannot be read is nobody.
    pub fn new(settings: &Settings) -> Self {
        let mut tenants = Self { revision: Some(settings.revision), ..Self::default() };
        tenants.by_name.insert(DEFAULT_NAME.to_owned(), TenantId::DEFAULT);
        tenants.ids.insert(TenantId::DEFAULT);
        for (name, value) in &settings.entries {
            match Tenant::decode(value) {
                Ok(tenant) if tenant.is_deleted => {}
                Ok(tenant) => {
                    tenants.by_name.insert(name.clone(), tenant.id);
                    tenants.ids.insert(tenant.id);
                    tenants.by_host.extend(tenant.hosts.into_iter().map(|host| (host, tenant.id)));
                }
                Err(error) => {
                    tenants.has_unreadable = true;
                    tracing::error!(tenant = name, %error, "tenant cannot be read");
                }
            }
        }
        tenants
    }

    /// Whether these are still the tenants of these settings.
    pub fn is_of(&self, settings: &Settings) -> bool {
        self.revision == Some(settings.revision)
    }

    /// The revision of those settings.
    pub fn revision(&self) -> Option<u64> {
        self.revision
    }

    /// The tenant of this name.
    pub fn named(&self, name: &str) -> Option<TenantId> {
        self.by_name.get(name).copied()
    }

    /// Whether there is, surely, no tenant of this id.
    pub fn lack(&self, id: TenantId) -> bool {
        !self.has_unreadable && !self.ids.contains(&id)
    }

    /// Whose this host name is, and which of the tenant's it is or is one label below.
    pub fn of_host(&self, host: &str) -> Option<(TenantId, &str)> {
        let host = host.to_ascii_lowercase();
        let parent = || self.by_host.get_key_value(host.split_once('.')?.1);
        let (host, tenant) = self.by_host.get_key_value(&host).or_else(parent)?;
        Some((*tenant, host))
    }
}

/// On the store. Tags are never reused.
#[derive(Clone, PartialEq, Message)]
struct WireTenant {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(string, repeated, tag = "2")]
    hosts: Vec<String>,
    #[prost(bool, tag = "3")]
    is_deleted: bool,
}

impl Record for Tenant {
    fn encode(&self) -> Bytes {
        let Self { id, hosts, is_deleted } = self.clone();
        seal(&WireTenant { id: id.0, hosts, is_deleted })
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire = WireTenant::decode(open(bytes)?).map_err(|error| DecodeError::Malformed {
            record: "Tenant",
            reason: error.to_string(),
        })?;
        let WireTenant { id, hosts, is_deleted } = wire;
        Ok(Self { id: TenantId(id), hosts, is_deleted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(tenants: &[(&str, u32, &[&str], bool)]) -> Settings {
        let entry = |&(name, id, hosts, is_deleted): &(&str, u32, &[&str], bool)| {
            let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
            (name.to_owned(), Tenant { id: TenantId(id), hosts, is_deleted }.encode())
        };
        Settings { revision: 3, entries: tenants.iter().map(entry).collect() }
    }

    #[test]
    fn records_read_back() {
        let tenant =
            Tenant { id: TenantId(9), hosts: vec!["a.example".to_owned()], is_deleted: true };
        assert_eq!(Tenant::decode(&tenant.encode()), Ok(tenant));
    }

    #[test]
    fn a_host_is_the_tenants_with_its_direct_subdomains() {
        let tenants = Tenants::new(&settings(&[
            ("acme", 2, &["acme.example"], false),
            ("other", 3, &["other.example", "other.test"], false),
            ("gone", 4, &["gone.example"], true),
        ]));
        for host in ["acme.example", "ACME.Example", "gw-1.acme.example"] {
            assert_eq!(tenants.of_host(host), Some((TenantId(2), "acme.example")), "{host}");
        }
        assert_eq!(tenants.of_host("other.test"), Some((TenantId(3), "other.test")));
        for host in ["a.b.acme.example", "example", "xacme.example", "gone.example", "", "."] {
            assert_eq!(tenants.of_host(host), None, "{host}");
        }
        assert_eq!(tenants.named("acme"), Some(TenantId(2)));
        assert_eq!(tenants.named("gone"), None);
        assert_eq!(
            [1, 2, 3, 4, 5].map(|id| tenants.lack(TenantId(id))),
            [false, false, false, true, true]
        );
        assert!(tenants.is_of(&Settings { revision: 3, ..Settings::default() }));
        assert!(
            !tenants.is_of(&Settings::default()) && !Tenants::default().is_of(&Settings::default())
        );
    }

    #[test]
    fn nobody_is_missing_for_sure_while_a_record_cannot_be_read() {
        let mut settings = settings(&[("acme", 2, &[], false)]);
        settings.entries.insert("newer".to_owned(), Bytes::from_static(b"?"));
        let tenants = Tenants::new(&settings);
        assert_eq!(tenants.named("newer"), None);
        assert!(!tenants.lack(TenantId(3)));
    }

    #[test]
    fn the_default_tenant_is_always_there() {
        let tenants = Tenants::new(&Settings::default());
        assert_eq!(tenants.named(DEFAULT_NAME), Some(TenantId::DEFAULT));
    }
}
