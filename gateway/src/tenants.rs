//! Whose client a connection is, before it has said anything about itself.
//!
//! Over TLS the host name that it asks for (SNI) says so, where a tenant has that name; else the
//! listener's configuration does. A tenant that is not there, or no more, has no connections.

use std::sync::Arc;

use arc_swap::ArcSwap;
use metadata::ClusterView;
use metadata::settings::SettingKind;
use metadata::settings::tenant::{DEFAULT_NAME, Tenants};
use protocol::ids::TenantId;

use crate::config::{ListenerConfig, UnknownHost};

/// Finds the tenants of connections.
pub(crate) struct Directory {
    view: ClusterView,
    made: ArcSwap<Tenants>,
}

/// The tenant of a connection, and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) tenant: TenantId,
    /// The tenant's host name, if the client came by it or by one below.
    pub(crate) host: Option<String>,
}

// === impl Directory ===

impl Directory {
    pub(crate) fn new(view: ClusterView) -> Self {
        Self { view, made: ArcSwap::from_pointee(Tenants::default()) }
    }

    /// The tenant of a client that came by `listener` and asked for `host`; `None` if it is to be
    /// refused.
    pub(crate) fn find(&self, listener: &ListenerConfig, host: Option<&str>) -> Option<Found> {
        let tenants = self.tenants();
        if let Some((tenant, host)) = host.and_then(|host| tenants.of_host(host)) {
            return Some(Found { tenant, host: Some(host.to_owned()) });
        }
        let refuses = |tls: &crate::config::TlsConfig| tls.unknown_host == UnknownHost::Refuse;
        if listener.tls.as_ref().is_some_and(refuses) {
            return None;
        }
        let name = listener.tenant.as_deref().unwrap_or(DEFAULT_NAME);
        Some(Found { tenant: tenants.named(name)?, host: None })
    }

    fn tenants(&self) -> Arc<Tenants> {
        let settings = self.view.settings(TenantId::DEFAULT, SettingKind::Tenant);
        let made = self.made.load_full();
        if made.is_of(&settings) {
            return made;
        }
        let made = Arc::new(Tenants::new(&settings));
        self.made.store(Arc::clone(&made));
        made
    }
}
