//! Identifiers that every other crate speaks: parsed at the edge, bare integers nowhere after it.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A tenant. Every key, queue and cache in the system is keyed by it (R56).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub u32);

impl TenantId {
    /// Owner of the internal topics; no client is ever this tenant.
    pub const SYSTEM: Self = Self(0);
    /// The tenant of clients that did not say who they are.
    pub const DEFAULT: Self = Self(1);
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A topic's id. A topic created again under its old name has a new one (KIP-516).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub Uuid);

impl TopicId {
    /// What Kafka sends where it has no id. Never the id of a topic.
    pub const NIL: Self = Self(Uuid::nil());

    /// A fresh id; never nil.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// True for the placeholder that no topic has.
    pub fn is_nil(self) -> bool {
        self.0.is_nil()
    }

    /// The id as its 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id from its 16 bytes; `None` for another length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }

    /// 32 hexadecimal digits: how an id travels in a message that has only a name field.
    pub fn simple_text(self) -> String {
        self.0.simple().to_string()
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl FromStr for TopicId {
    type Err = uuid::Error;

    /// Reads both the simple and the hyphenated form.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// One partition of one tenant's topic: the key of everything below the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// Whose topic.
    pub tenant: TenantId,
    /// Which topic.
    pub topic: TopicId,
    /// Which partition of it.
    pub index: i32,
}

impl PartitionId {
    /// The partition `index` of `topic`.
    pub fn new(tenant: TenantId, topic: TopicId, index: i32) -> Self {
        Self { tenant, topic, index }
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.tenant, self.topic, self.index)
    }
}

macro_rules! process_ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

process_ids! {
    /// A storage node: the process that owns partitions.
    NodeId
    /// A cold reader.
    ReaderId
    /// A gateway, as clients see it. Never negative: Java's admin client refuses such brokers.
    BrokerId
}

/// The internal partition that keeps `key` (a group, a transactional id) of `tenant`.
///
/// Persisted by its effect: another hash would look for a group's state in a partition that does
/// not have it. CRC-32C of the tenant's four bytes and the key.
pub fn coordinator_index(tenant: TenantId, key: &str, partitions: i32) -> i32 {
    assert!(partitions > 0, "an internal topic has at least one partition");
    let hash = crc32c::crc32c_append(crc32c::crc32c(&tenant.0.to_be_bytes()), key.as_bytes());
    (i64::from(hash) % i64::from(partitions)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coordinator_of_a_key_never_changes() {
        // Golden values: groups already stored live where this function said they would.
        assert_eq!(coordinator_index(TenantId(1), "orders", 50), 35);
        assert_eq!(coordinator_index(TenantId(2), "orders", 50), 17);
        assert_eq!(coordinator_index(TenantId(1), "", 50), 4);
    }

    #[test]
    fn topic_ids_read_back_from_their_text() {
        let id = TopicId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.0.hyphenated().to_string().parse(), Ok(id));
        assert_eq!(TopicId::from_slice(id.as_bytes()), Some(id));
        assert!(!id.is_nil());
    }
}
