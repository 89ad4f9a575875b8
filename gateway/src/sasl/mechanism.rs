//! The mechanisms by their names.

use std::fmt;

use metadata::settings::credential::ScramMechanism;
use serde::{Deserialize, Deserializer};

/// A SASL mechanism that a listener may offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mechanism {
    /// A proof of knowing the password, which itself is not sent (RFC 5802).
    Scram(ScramMechanism),
    /// The password itself (RFC 4616).
    Plain,
    /// A signed token (RFC 7628).
    OauthBearer,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Scram(ScramMechanism::Sha256),
        Self::Scram(ScramMechanism::Sha512),
        Self::Plain,
        Self::OauthBearer,
    ];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scram(mechanism) => mechanism.name(),
            Self::Plain => "PLAIN",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }

    /// The mechanism of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Mechanism {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            serde::de::Error::custom(format!("`{name}` is no SASL mechanism; known are {known}"))
        })
    }
}
