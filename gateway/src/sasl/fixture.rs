//! For tests: users with passwords, issuers with keys, and what clients say with them.

use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use metadata::model::Record;
pub(crate) use metadata::settings::credential::ScramClient;
use metadata::settings::credential::{ScramCredential, ScramMechanism};
use metadata::settings::{SettingKey, SettingKind};
use metadata::{ClusterView, MemoryStore, MetadataStore, Txn};
use process::{Clock, Drain};
use protocol::ids::TenantId;
use serde_json::{Value, json};

use super::{Credentials, Live, OauthConfig, Sasl, SaslConfig};

pub(crate) const TENANT: TenantId = TenantId::DEFAULT;

/// The time by the fixture's clock, when it begins.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

/// A listener, and what it believes.
pub(crate) struct Fixture {
    pub(crate) sasl: Arc<Sasl>,
    store: Arc<dyn MetadataStore>,
    view: ClusterView,
}

/// Somebody who issues tokens.
pub(crate) struct Issuer {
    algorithm: Algorithm,
    key: EncodingKey,
    kid: String,
}

// === impl Fixture ===

impl Fixture {
    pub(crate) async fn new(config: SaslConfig, users: &[(&str, &str)]) -> Self {
        let store: Arc<dyn MetadataStore> = Arc::new(MemoryStore::new());
        let drain = Drain::new();
        let clock = Clock::manual(NOW_MS);
        let view = ClusterView::start(Arc::clone(&store), &drain).await.unwrap();
        let credentials = Arc::new(Credentials::new(view.clone()));
        let live = Live::new(Arc::clone(&credentials));
        drop(drain.spawn("watch", Arc::clone(&live).watch(view.clone(), drain.clone())));
        let sasl = Sasl::new(&config, &credentials, &live, &clock, &drain).unwrap();
        let fixture = Self { sasl: Arc::new(sasl), store, view };
        for (user, password) in users {
            fixture.put(user, password).await;
        }
        fixture
    }

    /// Gives a user this password, for both mechanisms.
    pub(crate) async fn put(&self, user: &str, password: &str) {
        let put = |txn: Txn, of: ScramMechanism| {
            let made =
                ScramCredential::from_password(of, password.as_bytes(), b"salt".to_vec(), 4_096);
            txn.put(key(of, user), made.encode())
        };
        self.change(ScramMechanism::ALL.into_iter().fold(Txn::new(), put)).await;
    }

    pub(crate) async fn delete(&self, user: &str) {
        let delete = |txn: Txn, of: ScramMechanism| txn.delete(key(of, user));
        self.change(ScramMechanism::ALL.into_iter().fold(Txn::new(), delete)).await;
    }

    async fn change(&self, txn: Txn) {
        assert!(self.store.txn(txn).await.unwrap().is_committed());
        self.view.refresh().await.unwrap();
    }
}

fn key(of: ScramMechanism, user: &str) -> SettingKey {
    SettingKey::new(TENANT, SettingKind::Credential, of.setting(user))
}

// === impl Issuer ===

impl Issuer {
    pub(crate) fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
        Self { algorithm: Algorithm::ES256, key, kid: kid.to_owned() }
    }

    /// One with an RSA key, which signs with `algorithm`.
    pub(crate) fn with_rsa(kid: &str, algorithm: Algorithm) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // PKCS #1 is what PKCS #8 has after a head, which is as long for all keys of this length.
        let key = EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]);
        Self { algorithm, key, kid: kid.to_owned() }
    }

    /// Its public key.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        // One key may serve several algorithms.
        jwk.common.key_algorithm = None;
        jwk.common.key_id = Some(self.kid.clone());
        serde_json::to_value(jwk).unwrap()
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).unwrap()
    }
}

/// The document of these issuers' keys.
pub(crate) fn jwks(issuers: &[&Issuer]) -> String {
    json!({ "keys": issuers.iter().map(|issuer| issuer.jwk()).collect::<Vec<_>>() }).to_string()
}

/// Claims that are right by [`oauth_config`] for a minute.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "https://issuer.example",
        "aud": ["other", "kafka"],
        "sub": "alice",
        "exp": NOW_MS / 1_000 + 60,
        "nbf": NOW_MS / 1_000,
    })
}

pub(crate) fn oauth_config(jwks: PathBuf) -> OauthConfig {
    let text = format!(
        "{{\"jwks\": {jwks:?}, \"issuer\": \"https://issuer.example\", \"audience\": [\"kafka\"], \
         \"clock_skew\": \"5s\"}}"
    );
    serde_json::from_str(&text).unwrap()
}

/// The client's message with a token.
pub(crate) fn bearer(token: &str) -> Vec<u8> {
    format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}").into_bytes()
}
