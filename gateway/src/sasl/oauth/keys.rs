//! The keys that tokens are verified with, kept while they last.
//!
//! They are read at the start, every few minutes, and when a token names a key that is not there:
//! issuers rotate theirs. The last at most every few seconds, whoever makes names up. Keys that were
//! read stay until others are: an issuer that is away refuses nobody.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::RwLock;
use process::{Clock, Drain};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::jwks::{Source, SourceError};
use super::token::{Bearer, Rules, TokenError};
use crate::limits::{JWKS_KEYS_MAX, JWKS_REFETCH_PAUSE};

/// The public keys of one issuer.
#[derive(Debug, Default)]
pub(in crate::sasl) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// What it may be used with.
    algorithms: &'static [Algorithm],
    /// What its issuer uses it with, if that is said.
    only: Option<KeyAlgorithm>,
    key: DecodingKey,
}

/// No key of that name, or not for that algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnknownKey;

/// Why a document is no set of keys.
#[derive(Debug, thiserror::Error)]
pub(in crate::sasl) enum KeySetError {
    #[error("it is not a JWKS document: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("it has no public key for signatures that can be used")]
    Empty,
}

/// The keys of one listener's issuer, and where they come from.
pub(in crate::sasl) struct Keys {
    source: Source,
    keys: RwLock<Arc<KeySet>>,
    /// When they were asked for last. Held while they are.
    asked_at: tokio::sync::Mutex<Option<Instant>>,
}

// === impl KeySet ===

impl KeySet {
    /// Reads a JWKS document (RFC 7517). Keys for other purposes and of other kinds are passed
    /// over, symmetric ones above all: anybody may know a published key.
    pub(super) fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let Document { keys } = serde_json::from_slice(document)?;
        let keys = keys.into_iter().take(JWKS_KEYS_MAX);
        let keys = keys.filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let keys: Vec<_> = keys.filter_map(|key| Key::of(&key)).collect();
        if keys.is_empty() { Err(KeySetError::Empty) } else { Ok(Self(keys)) }
    }

    /// The key of this name for this algorithm. A token may leave out the name if there is but one
    /// key it could mean.
    pub(super) fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&DecodingKey, UnknownKey> {
        let fits = |key: &&Key| {
            let named = id.is_none() || key.id.as_deref() == id;
            let only = key.only.is_none_or(|only| only == KeyAlgorithm::from(algorithm));
            named && only && key.algorithms.contains(&algorithm)
        };
        let mut fitting = self.0.iter().filter(fits);
        let key = fitting.next().ok_or(UnknownKey)?;
        if fitting.next().is_some() { Err(UnknownKey) } else { Ok(&key.key) }
    }
}

// === impl Key ===

impl Key {
    fn of(jwk: &Jwk) -> Option<Self> {
        use Algorithm::{ES256, ES384, PS256, PS384, PS512, RS256, RS384, RS512};
        if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature)
        {
            return None;
        }
        let algorithms: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
            AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
                EllipticCurve::P256 => &[ES256],
                EllipticCurve::P384 => &[ES384],
                _ => return None,
            },
            _ => return None,
        };
        let key = DecodingKey::from_jwk(jwk).ok()?;
        let (id, only) = (jwk.common.key_id.clone(), jwk.common.key_algorithm);
        Some(Self { id, algorithms, only, key })
    }
}

// === impl Keys ===

impl Keys {
    /// The keys at `jwks`, none of which are known yet.
    pub(in crate::sasl) fn new(jwks: &str, ca: Option<&[u8]>) -> Result<Self, String> {
        let source = Source::new(jwks, ca)?;
        Ok(Self { source, keys: RwLock::default(), asked_at: tokio::sync::Mutex::new(None) })
    }

    /// Reads them now and then until the drain begins.
    pub(in crate::sasl) async fn keep(self: Arc<Self>, interval: Duration, drain: Drain) {
        let draining = drain.draining();
        tokio::pin!(draining);
        loop {
            if let Err(error) = self.read_again(Duration::ZERO).await {
                tracing::warn!(%error, "the keys of OAUTHBEARER's issuer cannot be read");
            }
            tokio::select! {
                () = &mut draining => return,
                () = sleep(interval) => {}
            }
        }
    }

    /// Checks a token with the keys there are, and once more with new ones if its key is missing.
    pub(in crate::sasl) async fn check(
        &self,
        rules: &Rules,
        token: &str,
        clock: &Clock,
    ) -> Result<Bearer, TokenError> {
        let keys = Arc::clone(&self.keys.read());
        let checked = rules.check(token, &keys, clock.now_ms());
        if checked != Err(TokenError::UnknownKey) {
            return checked;
        }
        if let Err(error) = self.read_again(JWKS_REFETCH_PAUSE).await {
            tracing::warn!(%error, "the keys of OAUTHBEARER's issuer cannot be read");
        }
        let keys = Arc::clone(&self.keys.read());
        rules.check(token, &keys, clock.now_ms())
    }

    /// Reads the keys, unless they were asked for within `pause`. Who comes while another reads
    /// waits for that.
    async fn read_again(&self, pause: Duration) -> Result<(), SourceError> {
        let mut asked_at = self.asked_at.lock().await;
        if asked_at.is_some_and(|at| at.elapsed() < pause) {
            return Ok(());
        }
        *asked_at = Some(Instant::now());
        let read = self.source.read().await?;
        *self.keys.write() = Arc::new(read);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sasl::fixture::Issuer;

    fn parse(keys: &[serde_json::Value]) -> Result<KeySet, KeySetError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn only_public_keys_for_signatures_count() {
        let symmetric = json!({ "kty": "oct", "kid": "s", "k": "c2VjcmV0" });
        let unknown = json!({ "kty": "AKP", "kid": "u", "alg": "ML-DSA-44", "pub": "x" });
        let mut encryption = Issuer::new("e").jwk();
        encryption["use"] = json!("enc");
        assert!(matches!(
            parse(&[symmetric.clone(), unknown.clone(), encryption]),
            Err(KeySetError::Empty)
        ));
        let keys = parse(&[symmetric, unknown, Issuer::new("k").jwk()]).unwrap();
        assert_eq!(keys.0.len(), 1);
        assert!(keys.find(Some("k"), Algorithm::ES256).is_ok());
        assert!(keys.find(Some("s"), Algorithm::HS256).is_err());
        assert!(KeySet::parse(b"[]").is_err());
        assert!(KeySet::parse(b"{}").is_err());
    }

    #[test]
    fn a_key_is_found_by_name_for_its_own_algorithm() {
        let (one, two) = (Issuer::new("1"), Issuer::new("2"));
        let keys = parse(&[one.jwk()]).unwrap();
        assert!(keys.find(None, Algorithm::ES256).is_ok(), "there is but one");
        assert!(keys.find(Some("1"), Algorithm::RS256).is_err());
        assert!(keys.find(Some("1"), Algorithm::ES384).is_err());
        let keys = parse(&[one.jwk(), two.jwk()]).unwrap();
        assert!(keys.find(Some("2"), Algorithm::ES256).is_ok());
        assert!(keys.find(None, Algorithm::ES256).is_err(), "which?");
        let mut only = one.jwk();
        only["alg"] = json!("ES384");
        let keys = parse(&[only]).unwrap();
        assert!(keys.find(Some("1"), Algorithm::ES256).is_err(), "its issuer uses it otherwise");
    }
}
