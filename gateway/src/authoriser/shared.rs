//! The compiled entries of all tenants, shared by all connections of this gateway.

use std::collections::HashMap;
use std::sync::Arc;

use metadata::ClusterView;
use metadata::settings::SettingKind;
use parking_lot::{Mutex, RwLock};
use protocol::ids::TenantId;

use super::compiled::Authoriser;
use super::rules::Rules;

/// What a gateway enforces.
pub(crate) struct Authorisers {
    pub(crate) rules: Rules,
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
