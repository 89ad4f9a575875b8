//! The data keys of all tenants, as a process has them in memory.
//!
//! In: keys, as they are unwrapped, and which of them each tenant seals with.
//! Out: the key to seal with, and any key to open with.
//! Never: a request to anybody. Whoever needs a key that is not here is told so at once.
//!
//! A key that was here stays until its tenant is gone: records that were accepted can be stored,
//! whatever becomes of the key's wrapping meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;
use protocol::ids::TenantId;

use super::{DataKey, KeyId, KeyMissing};

/// See the module. Clones share the keys.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether any tenant ever had a key: without, nobody takes the lock.
    used: AtomicBool,
    tenants: RwLock<HashMap<TenantId, TenantKeys>>,
}

#[derive(Debug, Default)]
struct TenantKeys {
    current: Option<KeyId>,
    keys: HashMap<KeyId, Arc<DataKey>>,
}

impl Keyring {
    /// The key that a tenant's records are sealed with; `None` if they are not sealed.
    pub fn current(&self, tenant: TenantId) -> Result<Option<Arc<DataKey>>, KeyMissing> {
        if !self.shared.used.load(Ordering::Acquire) {
            return Ok(None);
        }
        let tenants = self.shared.tenants.read();
        let Some(of) = tenants.get(&tenant) else { return Ok(None) };
        let Some(key) = of.current else { return Ok(None) };
        of.keys.get(&key).cloned().map(Some).ok_or(KeyMissing { tenant, key })
    }

    /// A key of a tenant's, old or current.
    pub fn key(&self, tenant: TenantId, key: KeyId) -> Result<Arc<DataKey>, KeyMissing> {
        let tenants = self.shared.tenants.read();
        let found = tenants.get(&tenant).and_then(|of| of.keys.get(&key)).cloned();
        found.ok_or(KeyMissing { tenant, key })
    }

    /// Adds a key.
    pub fn put(&self, tenant: TenantId, key: DataKey) {
        self.of(tenant, |of| drop(of.keys.insert(key.id(), Arc::new(key))));
    }

    /// From now on the tenant's records are sealed with this key, or not at all. The key need not
    /// be here yet.
    pub fn set_current(&self, tenant: TenantId, key: Option<KeyId>) {
        self.of(tenant, |of| of.current = key);
    }

    /// The tenant is gone.
    pub fn forget(&self, tenant: TenantId) {
        self.shared.tenants.write().remove(&tenant);
    }

    /// Everybody who has a key here.
    pub fn tenants(&self) -> Vec<TenantId> {
        self.shared.tenants.read().keys().copied().collect()
    }

    fn of(&self, tenant: TenantId, change: impl FnOnce(&mut TenantKeys)) {
        change(self.shared.tenants.write().entry(tenant).or_default());
        self.shared.used.store(true, Ordering::Release);
    }
}
