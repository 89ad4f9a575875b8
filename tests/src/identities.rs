//! What clients prove themselves with, and brokers too: certificates and tokens, made on the spot.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use process::Clock;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use serde_json::json;

/// What tokens say of who issued them.
pub const ISSUER: &str = "https://issuer.example";
/// And for whom.
pub const AUDIENCE: &str = "kafka";

/// Somebody whose certificates are believed, by some.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Valid {
    /// Today.
    Now,
    /// Not any more.
    Expired,
    /// Not before long.
    NotYet,
}

/// Somebody whose tokens are believed.
pub struct Issuer(EncodingKey);

impl Authority {
    /// An issuer of this name, with a key that no other of that name has.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Writes the issuer's own certificate to `file`.
    pub fn write(&self, file: &Path) -> Result<()> {
        Ok(fs::write(file, self.0.pem())?)
    }

    /// Writes a key and a certificate of `name` for these hosts to one file, as clients and gateways
    /// take it alike.
    pub fn issue(&self, file: &Path, name: &str, hosts: &[&str], valid: Valid) -> Result<PathBuf> {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name.push(DnType::CommonName, name);
        let (from, to) = match valid {
            Valid::Now => (2000, 2099),
            Valid::Expired => (2000, 2001),
            Valid::NotYet => (2098, 2099),
        };
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?.pem();
        fs::write(file, key.serialize_pem() + &certificate)?;
        Ok(file.to_owned())
    }
}

impl Issuer {
    /// Writes the public half of its key to `jwks`.
    pub fn new(jwks: &Path) -> Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let key = EncodingKey::from_ec_der(pair.to_pkcs8v1()?.as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256)?;
        jwk.common.key_id = Some("k1".to_owned());
        fs::write(jwks, json!({ "keys": [jwk] }).to_string())?;
        Ok(Self(key))
    }

    /// A token that expires so many seconds from now.
    pub fn token(&self, expires_s: i64) -> Result<String> {
        let now = Clock::system().now_ms() / 1_000;
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::ES256) };
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "carol", "iat": now, "exp": now + expires_s,
        });
        Ok(encode(&header, &claims, &self.0)?)
    }
}
