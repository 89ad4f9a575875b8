//! Quotas as this gateway keeps them: which apply to whom, what is left of them, and what a request
//! has cost.
//!
//! ```text
//! settings of a tenant ─► Table ─ who is limited to what ─► Accounts ─ one bucket each
//!                                                             ▲   │ used, owed
//!   request ─► Toll ─ charged, and how long to wait ──────────┘   ▼
//!                                           shares ◄─ control ◄─ reports (`crates/quota`)
//! ```
//!
//! A quota is that of all gateways together. Kafka's brokers each grant the whole of it; a client
//! that talks to three would have three times what its operator set (R64).

mod account;
mod reports;
mod toll;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use metadata::ClusterView;
use metadata::settings::SettingKind;
use metadata::settings::quota::{EntityType, QuotaEntity, QuotaKey, Table};
use parking_lot::RwLock;
use protocol::ids::TenantId;

pub(crate) use self::account::{Account, Accounts, Place};
pub(crate) use self::reports::Reporter;
pub(crate) use self::toll::{Mute, Toll};
use crate::call::Identity;

/// The quotas of all tenants, and what is left of them.
pub(crate) struct Quotas {
    view: ClusterView,
    tables: RwLock<HashMap<TenantId, Arc<Table>>>,
    accounts: Accounts,
}

/// The accounts that the requests of one client are charged to: its own, if it has a quota, and
/// its tenant's.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    accounts: Vec<(QuotaKey, Arc<Account>)>,
}

/// As which revision of its tenant's quotas somebody's accounts were looked up.
#[derive(Debug)]
pub(crate) struct Known {
    revision: u64,
    identity: Arc<Identity>,
    client_id: String,
    pub(crate) sender: Option<Arc<Sender>>,
}

/// What a client alone is limited in.
const OF_CLIENTS: [QuotaKey; 3] =
    [QuotaKey::ProducerByteRate, QuotaKey::ConsumerByteRate, QuotaKey::RequestPercentage];

/// What a tenant is limited in while its requests are carried out.
const OF_TENANTS: [QuotaKey; 5] = [
    QuotaKey::ProducerByteRate,
    QuotaKey::ConsumerByteRate,
    QuotaKey::RequestPercentage,
    QuotaKey::RequestRate,
    QuotaKey::ColdReadByteRate,
];

// === impl Quotas ===

impl Quotas {
    pub(crate) fn new(view: ClusterView) -> Arc<Self> {
        let (tables, accounts) = (RwLock::default(), Accounts::default());
        Arc::new(Self { view, tables, accounts })
    }

    /// Who pays for a client's requests; looked up anew only when its name or the tenant's quotas
    /// have changed.
    pub(crate) fn sender(
        &self,
        known: &mut Option<Known>,
        identity: &Arc<Identity>,
        client_id: &str,
    ) -> Option<Arc<Sender>> {
        let revision = self.view.settings(identity.tenant, SettingKind::Quota).revision;
        let is_it = |known: &&mut Known| {
            known.revision == revision
                && known.client_id == client_id
                && Arc::ptr_eq(&known.identity, identity)
        };
        if let Some(known) = known.as_mut().filter(is_it) {
            return known.sender.clone();
        }
        let sender = self.look_up(identity, client_id).map(Arc::new);
        let (identity, client_id) = (Arc::clone(identity), client_id.to_owned());
        *known = Some(Known { revision, identity, client_id, sender: sender.clone() });
        sender
    }

    /// What new connections of an address are charged to. Addresses are the default tenant's to
    /// limit, and are those of all tenants' clients.
    pub(crate) fn address(&self, ip: IpAddr) -> Option<Arc<Account>> {
        let table = self.table(TenantId::DEFAULT)?;
        let ip = ip.to_canonical().to_string();
        let rate = table.of_address(&ip)?;
        let entity = QuotaEntity::of(EntityType::Ip, Some(&ip));
        let key = QuotaKey::ConnectionCreationRate;
        Some(self.accounts.find(TenantId::DEFAULT, key, entity, rate))
    }

    /// One of the tenant's accounts as a whole.
    pub(crate) fn tenant(&self, tenant: TenantId, key: QuotaKey) -> Option<Arc<Account>> {
        let rate = self.table(tenant)?.of_tenant(key)?;
        Some(self.accounts.find(tenant, key, QuotaEntity::tenant(), rate))
    }

    fn look_up(&self, identity: &Identity, client_id: &str) -> Option<Sender> {
        let table = self.table(identity.tenant)?;
        let user = identity.principal.strip_prefix("User:").unwrap_or(&identity.principal);
        let own = OF_CLIENTS.iter().filter_map(|key| {
            let (entity, rate) = table.of_client(*key, user, client_id)?;
            Some((*key, self.accounts.find(identity.tenant, *key, entity, rate)))
        });
        let of_tenant = OF_TENANTS.iter();
        let of_tenant =
            of_tenant.filter_map(|key| Some((*key, self.tenant(identity.tenant, *key)?)));
        let accounts: Vec<_> = own.chain(of_tenant).collect();
        (!accounts.is_empty()).then_some(Sender { accounts })
    }

    /// Has the accounts go by the quotas as they are now; `seen` are the revisions they went by.
    fn follow(&self, seen: &mut HashMap<TenantId, u64>) {
        for (tenant, settings) in self.view.settings_of_all(SettingKind::Quota) {
            if seen.insert(tenant, settings.revision) != Some(settings.revision) {
                self.accounts.follow(tenant, &Table::new(&settings));
            }
        }
    }

    /// A tenant's quotas; `None` if it has none.
    fn table(&self, tenant: TenantId) -> Option<Arc<Table>> {
        let settings = self.view.settings(tenant, SettingKind::Quota);
        if settings.entries.is_empty() {
            return None;
        }
        let known = self.tables.read().get(&tenant).cloned();
        if let Some(table) = known.filter(|table| table.revision == settings.revision) {
            return Some(table);
        }
        let table = Arc::new(Table::new(&settings));
        self.tables.write().insert(tenant, Arc::clone(&table));
        Some(table)
    }
}

// === impl Sender ===

impl Sender {
    /// The accounts of one kind: at most that of the client and that of its tenant.
    pub(crate) fn accounts(&self, key: QuotaKey) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.iter().filter(move |(of, _)| *of == key).map(|(_, account)| account)
    }
}
