//! The seam between control and whatever serves the clients' name.
//!
//! Guarantees, the same for every implementation (the conformance suite checks each):
//! * [`DnsProvider::read`] is of the authority itself, never of a cache.
//! * [`DnsProvider::replace`] changes all addresses and the stamp, or nothing, and only while the
//!   stamp is the expected one: of two that expect the same, one succeeds.
//! * [`DnsError::Unavailable`] and [`DnsError::Refused`] mean surely unchanged; after
//!   [`DnsError::Unknown`] whoever asked reads before it decides.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;

/// An authority for the clients' name.
#[async_trait]
pub(crate) trait DnsProvider: Send + Sync + 'static {
    /// What the name stands for now; `None` before it was ever set.
    async fn read(&self) -> Result<Option<Stamp>, DnsError>;

    /// Sets it, if it still stands for what is expected.
    async fn replace(&self, expected: Option<&Stamp>, next: &Content) -> Result<Swap, DnsError>;

    /// Whether it may change these names, found out without changing any.
    async fn rehearse(&self, names: &[String]) -> Result<(), DnsError>;
}

/// What the TXT record says: which switch the addresses beside it are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Counts the switches.
    pub(crate) generation: u64,
    /// The active set.
    pub(crate) set: String,
    /// Names the addresses, so that a set whose addresses changed is told from itself.
    pub(crate) digest: String,
}

/// Everything that changes in one switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) stamp: Stamp,
    /// How long resolvers may keep any of it.
    pub(crate) ttl: Duration,
    /// The addresses of each name.
    pub(crate) names: BTreeMap<String, Vec<IpAddr>>,
}

/// How a replacement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swap {
    Done,
    /// Nothing changed: the stamp was another.
    Conflict,
}

/// Why it is not known what DNS says, or why it did not change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// Nothing was changed. May be tried again.
    #[error("DNS cannot be asked: {0}")]
    Unavailable(String),
    /// It may have changed.
    #[error("a change of DNS has an unknown outcome: {0}")]
    Unknown(String),
    /// Nothing was changed, and trying again will not help.
    #[error("DNS cannot be changed: {0}")]
    Refused(String),
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generation, set, digest } = self;
        write!(f, "thermocline generation={generation} set={set} content={digest}")
    }
}

impl FromStr for Stamp {
    type Err = DnsError;

    fn from_str(text: &str) -> Result<Self, DnsError> {
        let parse = || {
            let mut words = text.split(' ');
            words.next().filter(|word| *word == "thermocline")?;
            let generation = words.next()?.strip_prefix("generation=")?.parse().ok()?;
            let set = words.next()?.strip_prefix("set=")?.to_owned();
            let digest = words.next()?.strip_prefix("content=")?.to_owned();
            Some(Self { generation, set, digest })
        };
        parse().ok_or_else(|| DnsError::Refused(format!("the TXT record `{text}` is not ours")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_back_and_nothing_else_is_one() {
        let stamp = Stamp { generation: 7, set: "zone-a".to_owned(), digest: "0af1".to_owned() };
        assert_eq!(stamp.to_string().parse(), Ok(stamp));
        for text in ["", "v=spf1 -all", "thermocline", "thermocline generation=x set=a content=b"] {
            assert!(text.parse::<Stamp>().is_err(), "{text}");
        }
    }
}
