//! The credentials of a tenant's users, and of those that there are none of.
//!
//! Whoever asks for a user that does not exist gets a credential nevertheless, always the same one,
//! made of the name and the cluster's secret (R60). It has the shape of some credential of that
//! tenant: otherwise the count of iterations, or a salt of letters such as Kafka's own tools make,
//! would tell that a user exists. Every question costs the same work, whatever its answer.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use aws_lc_rs::hmac;
use bytes::Bytes;
use metadata::ClusterView;
use metadata::model::Record;
use metadata::settings::credential::{ScramCredential, ScramMechanism};
use metadata::settings::{SettingKind, Settings};
use parking_lot::Mutex;
use protocol::ids::TenantId;

/// What the shape of a fake is where there is no credential at all: as `thermocline user` makes
/// them.
const USUAL: Shape = Shape { salt_bytes: 16, iterations: 8_192, is_text: false };

/// Looks credentials up.
pub(crate) struct Credentials {
    view: ClusterView,
    /// Keys fakes.
    key: hmac::Key,
    shapes: Mutex<HashMap<TenantId, Arc<Shapes>>>,
}

/// A credential to check a log-in with.
pub(super) struct Found {
    pub(super) mechanism: ScramMechanism,
    pub(super) credential: ScramCredential,
    /// Where it is kept, as long as it is.
    pub(super) proof: Proof,
}

/// What a log-in was proven with: it is over when this is not there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(super) tenant: TenantId,
    pub(super) setting: String,
    /// `None` for a fake. Nobody has its password, so nobody gets in with it.
    pub(super) value: Option<Bytes>,
}

/// What a credential looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    salt_bytes: usize,
    iterations: u32,
    /// Whether the salt is of digits and small letters only.
    is_text: bool,
}

/// The shapes of a tenant's credentials, per mechanism.
#[derive(Debug, Default)]
struct Shapes {
    revision: u64,
    by_mechanism: [Vec<Shape>; 2],
}

// === impl Credentials ===

impl Credentials {
    pub(crate) fn new(view: ClusterView) -> Self {
        let secret = view.cluster().map_or([0; 32], |cluster| cluster.secret);
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let key = hmac::sign(&secret, b"sasl credentials of nobody");
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
        Self { view, key, shapes: Mutex::default() }
    }

    /// The user's credential for a mechanism, or one that nobody has.
    pub(super) fn find(&self, tenant: TenantId, mechanism: ScramMechanism, user: &str) -> Found {
        let settings = self.view.settings(tenant, SettingKind::Credential);
        let fake = self.fake(tenant, mechanism, user, &settings);
        let setting = mechanism.setting(user);
        let value = settings.entries.get(&setting).cloned();
        let real = value.as_ref().and_then(|value| ScramCredential::decode(value).ok());
        let value = value.filter(|_| real.is_some());
        let credential = real.unwrap_or(fake);
        Found { mechanism, credential, proof: Proof { tenant, setting, value } }
    }

    /// The credential to check a password itself with: of the stronger hash the user has.
    pub(super) fn find_any(&self, tenant: TenantId, user: &str) -> Found {
        let [weaker, stronger] = ScramMechanism::ALL.map(|of| self.find(tenant, of, user));
        let settings = self.view.settings(tenant, SettingKind::Credential);
        let shapes = self.shapes(tenant, &settings);
        let in_use = |found: &Found| !shapes.by_mechanism[index(found.mechanism)].is_empty();
        let is_stronger = match (stronger.proof.value.is_some(), weaker.proof.value.is_some()) {
            (true, _) => true,
            (false, true) => false,
            // As somebody's who has the one or the other.
            (false, false) if in_use(&stronger) != in_use(&weaker) => in_use(&stronger),
            (false, false) => self.seed(tenant, user, b"mechanism")[0].is_multiple_of(2),
        };
        if is_stronger { stronger } else { weaker }
    }

    /// Whether what a log-in was proven with is still there.
    pub(super) fn holds(&self, proof: &Proof) -> bool {
        let settings = self.view.settings(proof.tenant, SettingKind::Credential);
        proof.value.is_some() && settings.entries.get(&proof.setting) == proof.value.as_ref()
    }

    fn fake(
        &self,
        tenant: TenantId,
        mechanism: ScramMechanism,
        user: &str,
        settings: &Settings,
    ) -> ScramCredential {
        let shapes = self.shapes(tenant, settings);
        let shapes = &shapes.by_mechanism[index(mechanism)];
        let choice = self.seed(tenant, user, mechanism.name().as_bytes());
        let number = u64::from_be_bytes(choice[..8].try_into().expect("8 bytes of 32"));
        let at = usize::try_from(number % shapes.len().max(1) as u64).unwrap_or(0);
        let shape = shapes.get(at).copied().unwrap_or(USUAL);
        let keys = self.expand(&choice, 2 * mechanism.key_bytes(), b"keys");
        let (stored_key, server_key) = keys.split_at(mechanism.key_bytes());
        let mut salt = self.expand(&choice, shape.salt_bytes, b"salt");
        if shape.is_text {
            let digit = |byte: &u8| b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::from(byte % 36)];
            salt = salt.iter().map(digit).collect();
        }
        ScramCredential {
            salt,
            iterations: shape.iterations,
            stored_key: stored_key.to_vec(),
            server_key: server_key.to_vec(),
        }
    }

    /// 32 bytes that belong to a name.
    fn seed(&self, tenant: TenantId, user: &str, purpose: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&tenant.0.to_be_bytes());
        context.update(&(purpose.len() as u64).to_be_bytes());
        context.update(purpose);
        context.update(user.as_bytes());
        context.sign().as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
    }

    /// As many bytes as wanted, of a seed.
    fn expand(&self, seed: &[u8; 32], bytes: usize, purpose: &[u8]) -> Vec<u8> {
        let mut expanded = Vec::with_capacity(bytes + 32);
        for block in 0_u32.. {
            if expanded.len() >= bytes {
                break;
            }
            let input = [seed, purpose, &block.to_be_bytes()[..]].concat();
            expanded.extend_from_slice(hmac::sign(&self.key, &input).as_ref());
        }
        expanded.truncate(bytes);
        expanded
    }

    /// The shapes of these settings, made anew only when they change.
    fn shapes(&self, tenant: TenantId, settings: &Settings) -> Arc<Shapes> {
        let mut known = self.shapes.lock();
        match known.get(&tenant) {
            Some(shapes) if shapes.revision == settings.revision => Arc::clone(shapes),
            _ => {
                let shapes = Arc::new(Shapes::of(settings));
                known.insert(tenant, Arc::clone(&shapes));
                shapes
            }
        }
    }
}

// === impl Shapes ===

impl Shapes {
    fn of(settings: &Settings) -> Self {
        let mut shapes = [BTreeSet::new(), BTreeSet::new()];
        for (name, value) in &settings.entries {
            let Some((mechanism, _)) = ScramMechanism::of_setting(name) else { continue };
            let Ok(credential) = ScramCredential::decode(value) else { continue };
            let is_digit = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
            shapes[index(mechanism)].insert(Shape {
                salt_bytes: credential.salt.len(),
                iterations: credential.iterations,
                is_text: credential.salt.iter().all(is_digit),
            });
        }
        let by_mechanism = shapes.map(|shapes| shapes.into_iter().collect());
        Self { revision: settings.revision, by_mechanism }
    }
}

fn index(mechanism: ScramMechanism) -> usize {
    match mechanism {
        ScramMechanism::Sha256 => 0,
        ScramMechanism::Sha512 => 1,
    }
}

#[cfg(test)]
mod tests {
    use metadata::settings::SettingKey;
    use metadata::{MemoryStore, MetadataStore, Txn};
    use process::Drain;

    use super::*;

    const TENANT: TenantId = TenantId::DEFAULT;
    const MECHANISM: ScramMechanism = ScramMechanism::Sha256;

    fn credential(salt: &[u8], iterations: u32) -> ScramCredential {
        ScramCredential::from_password(MECHANISM, b"secret", salt.to_vec(), iterations)
    }

    async fn credentials(users: &[(&str, ScramCredential)]) -> Credentials {
        let store: Arc<dyn MetadataStore> = Arc::new(MemoryStore::new());
        let put = |txn: Txn, (user, credential): &(&str, ScramCredential)| {
            let name = MECHANISM.setting(user);
            txn.put(SettingKey::new(TENANT, SettingKind::Credential, name), credential.encode())
        };
        let outcome = store.txn(users.iter().fold(Txn::new(), put)).await.unwrap();
        assert!(outcome.is_committed());
        Credentials::new(ClusterView::start(store, &Drain::new()).await.unwrap())
    }

    #[tokio::test]
    async fn a_user_is_found_by_tenant_and_mechanism() {
        let alice = credential(b"salt", 4_096);
        let credentials = credentials(&[("alice", alice.clone())]).await;
        let found = credentials.find(TENANT, MECHANISM, "alice");
        assert_eq!(found.credential, alice);
        assert!(credentials.holds(&found.proof));
        for other in [
            credentials.find(TenantId(7), MECHANISM, "alice"),
            credentials.find(TENANT, ScramMechanism::Sha512, "alice"),
            credentials.find(TENANT, MECHANISM, "Alice"),
        ] {
            assert_ne!(other.credential, alice);
            assert!(!credentials.holds(&other.proof), "nobody is logged in with a fake");
        }
        assert_eq!(credentials.find_any(TENANT, "alice").credential, alice);
    }

    #[tokio::test]
    async fn nobody_s_credential_looks_like_somebody_s() {
        let text = credential(b"1kf0sp3pmzrhqd0xw6l2v9bnt", 4_096);
        let bytes = credential(&[0xff; 16], 8_192);
        let users = [("kafka-tools", text), ("thermocline", bytes)];
        let credentials = credentials(&users).await;
        let shape = |user: &str| {
            let ScramCredential { salt, iterations, .. } =
                credentials.find(TENANT, MECHANISM, user).credential;
            (salt.len(), iterations, salt.iter().all(u8::is_ascii_alphanumeric))
        };
        let real: BTreeSet<_> = users.iter().map(|(user, _)| shape(user)).collect();
        let fakes: BTreeSet<_> = (0..50).map(|n| shape(&format!("nobody-{n}"))).collect();
        assert_eq!(fakes, real, "both shapes occur, and no other");
    }

    #[tokio::test]
    async fn nobody_s_credential_is_always_the_same_and_everybody_has_another() {
        let credentials = credentials(&[]).await;
        let find = |tenant, user| credentials.find(TenantId(tenant), MECHANISM, user).credential;
        assert_eq!(find(1, "x"), find(1, "x"));
        assert_ne!(find(1, "x"), find(1, "y"));
        assert_ne!(find(1, "x").salt, find(2, "x").salt);
        assert_eq!(find(1, "x").salt.len(), USUAL.salt_bytes);
        assert_eq!(find(1, "x").iterations, USUAL.iterations);
    }
}
