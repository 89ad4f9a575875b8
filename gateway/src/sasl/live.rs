//! The connections that live on a credential, and the end of those whose credential is gone.
//!
//! A log-in proves something at one moment. That it still holds is looked at whenever the view shows
//! other credentials: within moments of their change, on every gateway.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metadata::ClusterView;
use metadata::settings::SettingKind;
use parking_lot::Mutex;
use process::Drain;
use protocol::ids::TenantId;
use tokio_util::sync::CancellationToken;

use super::credentials::{Credentials, Proof};

/// The log-ins of this gateway that can be revoked.
pub(crate) struct Live {
    credentials: Arc<Credentials>,
    logins: Mutex<HashMap<TenantId, HashMap<u64, Login>>>,
    next: AtomicU64,
}

struct Login {
    proof: Proof,
    revoked: CancellationToken,
}

/// A log-in's place; it is forgotten with this.
pub(crate) struct Ticket {
    live: Arc<Live>,
    tenant: TenantId,
    id: u64,
    revoked: CancellationToken,
}

// === impl Live ===

impl Live {
    pub(crate) fn new(credentials: Arc<Credentials>) -> Arc<Self> {
        Arc::new(Self { credentials, logins: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// Notes a log-in. `None` if what it was proven with is gone already.
    pub(super) fn enter(self: &Arc<Self>, proof: Proof) -> Option<Ticket> {
        let (tenant, id) = (proof.tenant, self.next.fetch_add(1, Ordering::Relaxed));
        let revoked = CancellationToken::new();
        let login = Login { proof: proof.clone(), revoked: revoked.clone() };
        self.logins.lock().entry(tenant).or_default().insert(id, login);
        let ticket = Ticket { live: Arc::clone(self), tenant, id, revoked };
        // Looked at only once it is noted: a change that comes now finds it.
        self.credentials.holds(&proof).then_some(ticket)
    }

    /// Ends what does not hold any more, until the drain begins.
    pub(crate) async fn watch(self: Arc<Self>, view: ClusterView, drain: Drain) {
        let mut changed = view.changed();
        let mut revisions = HashMap::new();
        let draining = drain.draining();
        tokio::pin!(draining);
        loop {
            for (tenant, settings) in view.settings_of_all(SettingKind::Credential) {
                if revisions.insert(tenant, settings.revision) != Some(settings.revision) {
                    self.revoke(tenant);
                }
            }
            tokio::select! {
                () = &mut draining => return,
                changed = changed.changed() => if changed.is_err() { return },
            }
        }
    }

    fn revoke(&self, tenant: TenantId) {
        let logins = self.logins.lock();
        for login in logins.get(&tenant).into_iter().flat_map(HashMap::values) {
            if !self.credentials.holds(&login.proof) {
                login.revoked.cancel();
            }
        }
    }
}

// === impl Ticket ===

impl Ticket {
    /// Is cancelled when the log-in does not hold any more.
    pub(crate) fn revoked(&self) -> CancellationToken {
        self.revoked.clone()
    }

    /// Whether it does not any more.
    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.is_cancelled()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut logins = self.live.logins.lock();
        if let Some(of_tenant) = logins.get_mut(&self.tenant) {
            of_tenant.remove(&self.id);
            if of_tenant.is_empty() {
                logins.remove(&self.tenant);
            }
        }
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use metadata::model::Record;
    use metadata::settings::SettingKey;
    use metadata::settings::credential::{ScramCredential, ScramMechanism};
    use metadata::{MemoryStore, MetadataStore, Txn};

    use super::*;

    const TENANT: TenantId = TenantId::DEFAULT;
    const MECHANISM: ScramMechanism = ScramMechanism::Sha512;

    fn key(user: &str) -> SettingKey {
        SettingKey::new(TENANT, SettingKind::Credential, MECHANISM.setting(user))
    }

    fn credential(password: &[u8]) -> bytes::Bytes {
        ScramCredential::from_password(MECHANISM, password, b"salt".to_vec(), 4_096).encode()
    }

    async fn commit(store: &Arc<dyn MetadataStore>, txn: Txn) {
        assert!(store.txn(txn).await.unwrap().is_committed());
    }

    #[tokio::test]
    async fn a_log_in_ends_with_its_credential_and_no_other_does() {
        let store: Arc<dyn MetadataStore> = Arc::new(MemoryStore::new());
        let both = Txn::new().put(key("alice"), credential(b"a")).put(key("bob"), credential(b"b"));
        commit(&store, both).await;
        let drain = Drain::new();
        let view = ClusterView::start(Arc::clone(&store), &drain).await.unwrap();
        let credentials = Arc::new(Credentials::new(view.clone()));
        let live = Live::new(Arc::clone(&credentials));
        drop(drain.spawn("watch", Arc::clone(&live).watch(view.clone(), drain.clone())));

        let enter = |user| live.enter(credentials.find(TENANT, MECHANISM, user).proof);
        let (alice, bob) = (enter("alice").unwrap(), enter("bob").unwrap());
        assert!(enter("nobody").is_none());
        // Another password is another credential.
        commit(&store, Txn::new().put(key("alice"), credential(b"x"))).await;
        alice.revoked().cancelled().await;
        assert!(!bob.revoked().is_cancelled());
        let again = enter("alice").unwrap();
        commit(&store, Txn::new().delete(key("alice")).delete(key("bob"))).await;
        again.revoked().cancelled().await;
        bob.revoked().cancelled().await;

        drop((alice, bob, again));
        assert!(live.logins.lock().is_empty(), "nobody is remembered");
    }
}
