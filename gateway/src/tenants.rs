//! Whose client a connection is, before it has said anything about itself.
//!
//! Over TLS the host name that it asks for (SNI) says so, where a tenant has that name; else the
//! listener's configuration does. A tenant that is not there has no connections, and those of one
//! that is deleted end as soon as this gateway's view shows it.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use metadata::ClusterView;
use metadata::settings::SettingKind;
use metadata::settings::tenant::{DEFAULT_NAME, Tenants};
use parking_lot::Mutex;
use process::Drain;
use protocol::ids::TenantId;
use tokio_util::sync::CancellationToken;

use crate::config::{ListenerConfig, UnknownHost};

/// Finds the tenants of connections.
pub(crate) struct Directory {
    view: ClusterView,
    made: ArcSwap<Tenants>,
    /// The ends of the tenants that have had connections here.
    ends: Mutex<HashMap<TenantId, CancellationToken>>,
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
        Self { view, made: ArcSwap::from_pointee(Tenants::default()), ends: Mutex::default() }
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

    /// Is cancelled when the tenant is gone.
    pub(crate) fn end_of(&self, tenant: TenantId) -> CancellationToken {
        let end = self.ends.lock().entry(tenant).or_default().clone();
        // Looked at only once it is noted: a change that comes now finds it.
        if self.tenants().lack(tenant) {
            end.cancel();
        }
        end
    }

    /// Ends what belongs to tenants that are gone, until the drain begins.
    pub(crate) async fn watch(&self, drain: Drain) {
        let mut changed = self.view.changed();
        let draining = drain.draining();
        let mut draining = std::pin::pin!(draining);
        let mut looked_at = None;
        loop {
            let tenants = self.tenants();
            if looked_at.replace(tenants.revision()) != Some(tenants.revision()) {
                // Ids are never used again: an end is one for ever.
                self.ends.lock().retain(|tenant, end| {
                    let is_gone = tenants.lack(*tenant);
                    if is_gone {
                        end.cancel();
                    }
                    !is_gone
                });
            }
            tokio::select! {
                () = &mut draining => return,
                changed = changed.changed() => if changed.is_err() { return },
            }
        }
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
