//! The compiled entries of all tenants, shared by all connections of this gateway.

use std::collections::HashMap;
use std::sync::Arc;

use metadata::ClusterView;
use metadata::model::Record;
use metadata::settings::SettingKind;
use metadata::settings::tenant::{DEFAULT_NAME, Tenant};
use parking_lot::{Mutex, RwLock};
use protocol::ids::TenantId;

use super::authority::Authority;
use super::compiled::Authoriser;
use super::rules::Rules;
use crate::call::Identity;

/// What a gateway enforces.
pub(crate) struct Authorisers {
    rules: Rules,
    view: ClusterView,
    /// By tenant, with the revision they were compiled from.
    compiled: RwLock<HashMap<TenantId, (u64, Arc<Authoriser>)>>,
    /// Whoever comes first after a change compiles, the others wait instead of doing the same.
    compiling: Mutex<()>,
}

impl Authorisers {
    pub(crate) fn new(rules: Rules, view: ClusterView) -> Self {
        Self { rules, view, compiled: RwLock::default(), compiling: Mutex::default() }
    }

    /// What a client may do under these entries of its tenant's.
    pub(crate) fn authority(
        &self,
        authoriser: Arc<Authoriser>,
        identity: &Identity,
        host: &str,
    ) -> Authority {
        let Identity { tenant, principal } = identity;
        let is_super = self.is_super(*tenant, principal);
        Authority::new(authoriser, &self.rules, is_super, principal, host)
    }

    /// Whether a principal stands above the entries of its tenant. A tenant's name is its for as long
    /// as there is the tenant, and so for as long as it has connections.
    fn is_super(&self, tenant: TenantId, principal: &str) -> bool {
        let settings = self.view.settings(TenantId::DEFAULT, SettingKind::Tenant);
        self.rules.is_super(principal, |name| {
            let record = settings.entries.get(name).map(|record| Tenant::decode(record));
            match record {
                Some(Ok(record)) => record.id == tenant && !record.is_deleted,
                Some(Err(_)) => false,
                // It is there without a record.
                None => name == DEFAULT_NAME && tenant == TenantId::DEFAULT,
            }
        })
    }

    /// A tenant's entries, as of what the view shows now.
    pub(crate) fn of(&self, tenant: TenantId) -> Arc<Authoriser> {
        let settings = self.view.settings(tenant, SettingKind::Acl);
        let current = || {
            let compiled = self.compiled.read();
            let (revision, authoriser) = compiled.get(&tenant)?;
            (*revision >= settings.revision).then(|| Arc::clone(authoriser))
        };
        if let Some(authoriser) = current() {
            return authoriser;
        }
        let _one_at_a_time = self.compiling.lock();
        if let Some(authoriser) = current() {
            return authoriser;
        }
        let authoriser = Arc::new(Authoriser::compile(&settings));
        let entry = (settings.revision, Arc::clone(&authoriser));
        self.compiled.write().insert(tenant, entry);
        authoriser
    }
}

impl std::fmt::Debug for Authorisers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorisers").field("rules", &self.rules).finish_non_exhaustive()
    }
}
