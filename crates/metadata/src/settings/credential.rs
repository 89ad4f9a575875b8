//! What the cluster keeps of a password: a SCRAM credential (RFC 5802), one setting per user and
//! mechanism.
//!
//! From the stored key a log-in can be checked, from the server key it can be answered; neither
//! can log in. The password and the salted password, which can, are never in a record: whoever
//! has one of them makes the keys of it at once and forgets it (R66).

mod client;

use std::{fmt, num::NonZeroU32};

use aws_lc_rs::{digest, hmac, pbkdf2};
use bytes::Bytes;
use prost::Message;
use zeroize::Zeroizing;

pub use self::client::{Proof, ScramClient, Unanswerable};

use crate::{
    limits::{SETTING_NAME_BYTES_MAX, SETTING_VALUE_BYTES_MAX},
    model::{DecodeError, Record, open, seal},
};

/// A SCRAM mechanism of Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256 (RFC 7677).
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

/// The fewest iterations that Kafka takes for either mechanism.
pub const ITERATIONS_MIN: u32 = 4_096;

/// The most (Kafka's `ScramControlManager.MAX_ITERATIONS`): whoever logs in with PLAIN has us do
/// them.
pub const ITERATIONS_MAX: u32 = 16_384;

/// Longest salt. Kafka's own tools make some 25 bytes.
pub const SALT_BYTES_MAX: usize = 1_024;

/// Longest user name. Kafka has no bound; the names of settings have one.
pub const USER_BYTES_MAX: usize = 512;

const _: () = assert!("SCRAM-SHA-256/".len() + USER_BYTES_MAX <= SETTING_NAME_BYTES_MAX);
const _: () = assert!(SALT_BYTES_MAX + 1024 <= SETTING_VALUE_BYTES_MAX);

/// A credential of one user for one mechanism.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    /// What the password was salted with. Clients are told.
    pub salt: Vec<u8>,
    /// How often it was hashed. Clients are told.
    pub iterations: u32,
    /// Checks a log-in.
    pub stored_key: Vec<u8>,
    /// Proves to the client that the server knows the credential.
    pub server_key: Vec<u8>,
}

// === impl ScramMechanism ===

impl ScramMechanism {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The name on the wire and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The mechanism of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// Its number in Kafka's requests.
    pub const fn number(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    /// The mechanism of this number; `None` for those Kafka does not know either.
    pub fn from_number(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.number() == number)
    }

    /// The length of both keys.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Sha256 => digest::SHA256_OUTPUT_LEN,
            Self::Sha512 => digest::SHA512_OUTPUT_LEN,
        }
    }

    /// `H` of RFC 5802.
    pub fn digest(self, data: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, data)
    }

    /// `HMAC` of RFC 5802.
    pub fn hmac(self, key: &[u8], data: &[u8]) -> hmac::Tag {
        let algorithm = match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), data)
    }

    /// `Hi` of RFC 5802: milliseconds of work. The bytes of the password are taken as they are,
    /// as Kafka and its clients do.
    pub fn salted_password(
        self,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
    ) -> Zeroizing<Vec<u8>> {
        let algorithm = match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        let mut salted = Zeroizing::new(vec![0; self.key_bytes()]);
        pbkdf2::derive(algorithm, iterations, salt, password, &mut salted);
        salted
    }

    /// The name of a user's setting.
    pub fn setting(self, user: &str) -> String {
        format!("{}/{user}", self.name())
    }

    /// Mechanism and user of a setting's name.
    pub fn of_setting(name: &str) -> Option<(Self, &str)> {
        let (mechanism, user) = name.split_once('/')?;
        Some((Self::from_name(mechanism)?, user))
    }
}

// === impl ScramCredential ===

impl ScramCredential {
    /// The credential of a password.
    pub fn from_password(
        mechanism: ScramMechanism,
        password: &[u8],
        salt: Vec<u8>,
        iterations: u32,
    ) -> Self {
        let salted = mechanism.salted_password(password, &salt, iterations);
        Self::from_salted(mechanism, &salted, salt, iterations)
    }

    /// The credential of a password that was salted and hashed elsewhere.
    pub fn from_salted(
        mechanism: ScramMechanism,
        salted: &[u8],
        salt: Vec<u8>,
        iterations: u32,
    ) -> Self {
        let client_key = Zeroizing::new(mechanism.hmac(salted, b"Client Key").as_ref().to_vec());
        Self {
            salt,
            iterations,
            stored_key: mechanism.digest(&client_key).as_ref().to_vec(),
            server_key: mechanism.hmac(salted, b"Server Key").as_ref().to_vec(),
        }
    }
}

impl fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { iterations, .. } = self;
        f.debug_struct("ScramCredential").field("iterations", iterations).finish_non_exhaustive()
    }
}

/// On the store. Tags are never reused.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct WireCredential {
    #[prost(bytes = "vec", tag = "1")]
    salt: Vec<u8>,
    #[prost(uint32, tag = "2")]
    iterations: u32,
    #[prost(bytes = "vec", tag = "3")]
    stored_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    server_key: Vec<u8>,
}

impl Record for ScramCredential {
    fn encode(&self) -> Bytes {
        seal(&WireCredential {
            salt: self.salt.clone(),
            iterations: self.iterations,
            stored_key: self.stored_key.clone(),
            server_key: self.server_key.clone(),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire = WireCredential::decode(open(bytes)?).map_err(|error| {
            DecodeError::Malformed { record: "ScramCredential", reason: error.to_string() }
        })?;
        let WireCredential { salt, iterations, stored_key, server_key } = wire;
        Ok(Self { salt, iterations, stored_key, server_key })
    }
}

#[cfg(test)]
mod tests;
