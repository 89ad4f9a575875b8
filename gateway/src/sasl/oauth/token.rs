//! Whether a token is good: signed by a key we trust with an algorithm we chose, by that issuer,
//! for us, and now.
//!
//! The algorithms are the operator's, never the token's: neither `none` nor a symmetric one can be
//! configured, and a key is used only with the algorithms of its own kind (RFC 8725). The time is
//! the process's clock, so the claims are checked here and not by the library.

use std::time::Duration;

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::{KeySet, UnknownKey};
use crate::limits::{PRINCIPAL_BYTES_MAX, TOKEN_LIFE_MAX};

/// What a token must say.
#[derive(Debug, Clone)]
pub(in crate::sasl) struct Rules {
    pub(in crate::sasl) algorithms: Vec<Algorithm>,
    pub(in crate::sasl) issuer: String,
    /// Any of them.
    pub(in crate::sasl) audience: Vec<String>,
    /// The claim with the name of the user.
    pub(in crate::sasl) principal_claim: String,
    /// How far the issuer's clock may be from ours.
    pub(in crate::sasl) clock_skew: Duration,
}

/// Whom a token names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sasl) struct Bearer {
    pub(in crate::sasl) user: String,
    /// Unix milliseconds from which on it names nobody.
    pub(in crate::sasl) expires_ms: i64,
}

/// Why a token is refused. Never told to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::sasl) enum TokenError {
    #[error("not a token")]
    Malformed,
    #[error("signed with an algorithm that is not configured")]
    Algorithm,
    #[error("signed with a key that is not known")]
    UnknownKey,
    #[error("the signature is wrong")]
    Signature,
    #[error("of another issuer")]
    Issuer,
    #[error("for another audience")]
    Audience,
    #[error("expired")]
    Expired,
    #[error("not valid yet")]
    NotYet,
    #[error("it does not name a user")]
    Principal,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Rules {
    /// Whom the token names, if it is good at this time.
    pub(in crate::sasl) fn check(
        &self,
        token: &str,
        keys: &KeySet,
        now_ms: i64,
    ) -> Result<Bearer, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        let claims = self.verify(token, &header, keys)?;
        if claims.iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        if !claims.aud.is_any_of(&self.audience) {
            return Err(TokenError::Audience);
        }
        let skew_ms = i64::try_from(self.clock_skew.as_millis()).unwrap_or(i64::MAX);
        if millis(claims.nbf.unwrap_or(0.0)).saturating_sub(skew_ms) > now_ms {
            return Err(TokenError::NotYet);
        }
        let expires_ms = millis(claims.exp).saturating_add(skew_ms);
        if expires_ms <= now_ms {
            return Err(TokenError::Expired);
        }
        let latest = i64::try_from(TOKEN_LIFE_MAX.as_millis()).unwrap_or(i64::MAX);
        let expires_ms = expires_ms.min(now_ms.saturating_add(latest));
        Ok(Bearer { user: self.user(&claims)?, expires_ms })
    }

    fn verify(&self, token: &str, header: &Header, keys: &KeySet) -> Result<Claims, TokenError> {
        if !self.algorithms.contains(&header.alg) {
            return Err(TokenError::Algorithm);
        }
        let key = keys.find(header.kid.as_deref(), header.alg);
        let key = key.map_err(|UnknownKey| TokenError::UnknownKey)?;
        let mut validation = Validation::new(header.alg);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        use jsonwebtoken::errors::ErrorKind;
        let decoded =
            decode::<Claims>(token, key, &validation).map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => TokenError::Signature,
                ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
                _ => TokenError::Malformed,
            })?;
        Ok(decoded.claims)
    }

    fn user(&self, claims: &Claims) -> Result<String, TokenError> {
        let user = match self.principal_claim.as_str() {
            "iss" => Some(claims.iss.as_str()),
            claim => claims.others.get(claim).and_then(Value::as_str),
        };
        let is_name = |user: &&str| !user.is_empty() && user.len() <= PRINCIPAL_BYTES_MAX;
        user.filter(is_name).map(str::to_owned).ok_or(TokenError::Principal)
    }
}

impl Audience {
    fn is_any_of(&self, ours: &[String]) -> bool {
        match self {
            Self::One(named) => ours.contains(named),
            Self::Many(named) => named.iter().any(|named| ours.contains(named)),
        }
    }
}

/// Milliseconds of a NumericDate: seconds, maybe with a fraction. What is no time becomes one that
/// never comes or always was.
fn millis(seconds: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
    let millis = (seconds * 1_000.0) as i64;
    millis
}
