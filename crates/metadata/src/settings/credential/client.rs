//! A client's side of SCRAM (RFC 5802), without I/O: for those of our own processes that log in as
//! the cluster's clients do.
//!
//! ```text
//! ScramClient::new ─► n,,n=user,r=nonce     ─► server: r=nonce+theirs,s=salt,i=count
//! answer           ─► c=biws,r=…,p=proof    ─► server: v=signature
//! Proof::is_of_server: it knew the credential, too
//! ```

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{ITERATIONS_MAX, ITERATIONS_MIN, ScramMechanism};

/// A client that has begun.
pub struct ScramClient {
    mechanism: ScramMechanism,
    password: Zeroizing<Vec<u8>>,
    nonce: String,
    /// The first message without what says that channels are not bound.
    bare: String,
}

/// That the password is known, and what shows that the server knows of it.
pub struct Proof {
    /// The client's final message.
    pub message: Vec<u8>,
    signature: Vec<u8>,
}

/// The server's first message is none, or asks for what no server of Kafka's does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's SCRAM message is not one that can be answered")]
pub struct Unanswerable;

// === impl ScramClient ===

impl ScramClient {
    /// The client, and its first message.
    pub fn new(mechanism: ScramMechanism, user: &str, password: &str) -> (Self, Vec<u8>) {
        let nonce = Uuid::new_v4().simple().to_string();
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={user},r={nonce}");
        let first = format!("n,,{bare}").into_bytes();
        let password = Zeroizing::new(password.as_bytes().to_vec());
        (Self { mechanism, password, nonce, bare }, first)
    }

    /// Its final message. The iterations that are asked for are bounded: a server that is none of
    /// ours must not keep us busy.
    pub fn answer(&self, server_first: &[u8]) -> Result<Proof, Unanswerable> {
        let server_first = std::str::from_utf8(server_first).map_err(|_| Unanswerable)?;
        let value = |name: &str| {
            server_first.split(',').find_map(|part| part.strip_prefix(name)).ok_or(Unanswerable)
        };
        let nonce = value("r=")?;
        let salt = STANDARD.decode(value("s=")?).map_err(|_| Unanswerable)?;
        let iterations: u32 = value("i=")?.parse().map_err(|_| Unanswerable)?;
        let is_ours = nonce.starts_with(&self.nonce) && nonce.len() > self.nonce.len();
        if !is_ours || !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
            return Err(Unanswerable);
        }
        let mechanism = self.mechanism;
        let salted = mechanism.salted_password(&self.password, &salt, iterations);
        let client_key = Zeroizing::new(mechanism.hmac(&salted, b"Client Key").as_ref().to_vec());
        let stored_key = mechanism.digest(&client_key);
        let server_key = mechanism.hmac(&salted, b"Server Key");
        let without_proof = format!("c=biws,r={nonce}");
        let said = format!("{},{server_first},{without_proof}", self.bare);
        let signed = mechanism.hmac(stored_key.as_ref(), said.as_bytes());
        let pairs = client_key.iter().zip(signed.as_ref());
        let proof = STANDARD.encode(pairs.map(|(key, signed)| key ^ signed).collect::<Vec<_>>());
        let signature = mechanism.hmac(server_key.as_ref(), said.as_bytes()).as_ref().to_vec();
        Ok(Proof { message: format!("{without_proof},p={proof}").into_bytes(), signature })
    }
}

// === impl Proof ===

impl Proof {
    /// Whether the server's final message is that of one who has the credential.
    pub fn is_of_server(&self, server_final: &[u8]) -> bool {
        let signature =
            server_final.strip_prefix(b"v=").and_then(|text| STANDARD.decode(text).ok());
        signature.is_some_and(|it| verify_slices_are_equal(&it, &self.signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3.
    #[test]
    fn the_example_of_the_rfc() {
        let client = ScramClient {
            mechanism: ScramMechanism::Sha256,
            password: Zeroizing::new(b"pencil".to_vec()),
            nonce: "rOprNGfwEbeRWgbNEkqO".to_owned(),
            bare: "n=user,r=rOprNGfwEbeRWgbNEkqO".to_owned(),
        };
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let first = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let proof = client.answer(first.as_bytes()).unwrap();
        let expected = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        assert_eq!(String::from_utf8(proof.message.clone()).unwrap(), expected);
        assert!(proof.is_of_server(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!proof.is_of_server(b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!proof.is_of_server(b"e=invalid-proof"));
        let stale = format!("r=x{nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let idle = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1");
        let busy = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000");
        for refused in [stale.as_str(), &idle, &busy, "", "r=", "\u{0}"] {
            assert!(client.answer(refused.as_bytes()).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_name_may_have_what_separates_fields() {
        let (_, first) = ScramClient::new(ScramMechanism::Sha512, "a=b,c", "secret");
        assert!(first.starts_with(b"n,,n=a=3Db=2Cc,r="));
    }
}
