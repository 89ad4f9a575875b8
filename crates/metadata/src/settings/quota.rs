//! Client quotas: who is limited, in what, and to how much.
//!
//! Entities and keys are Kafka's (KIP-546), and one more entity that Kafka does not have: the tenant
//! as a whole, which only operators limit. A setting's name is the entity, its value the quotas.

mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use prost::Message;

pub use self::table::Table;
use crate::model::{DecodeError, Record, open, seal};

/// Stands for "all those without an entry of their own", as Kafka's tools write it. A name never
/// contains its brackets unescaped.
const DEFAULT: &str = "<default>";

/// What stays readable in a name.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// What an entity is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntityType {
    /// The name of an authenticated user.
    User,
    /// The name that a client gives itself.
    ClientId,
    /// An address.
    Ip,
    /// The tenant itself.
    Tenant,
}

/// Who is limited: a user, a client id, both together, an address, or the tenant. `None` instead of
/// a name stands for all names without an entry of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuotaEntity(pub BTreeMap<EntityType, Option<String>>);

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QuotaKey {
    /// Bytes of produce requests per second.
    ProducerByteRate,
    /// Bytes of fetched records per second.
    ConsumerByteRate,
    /// Time of gateway threads per time, in percent of one thread.
    RequestPercentage,
    /// Partitions created and deleted per second (KIP-599).
    ControllerMutationRate,
    /// New connections per second (KIP-612).
    ConnectionCreationRate,
    /// Requests per second.
    RequestRate,
    /// Connections open at the same time.
    Connections,
    /// Partitions of all topics.
    Partitions,
    /// Bytes per second of records that come from the object store.
    ColdReadByteRate,
}

/// The values that a quota may have, as Kafka types them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Int,
    Long,
    Double,
}

/// The quotas of one entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuotaRecord {
    /// Values by key; all are positive numbers.
    pub values: BTreeMap<QuotaKey, f64>,
}

/// Why a quota is refused. The text goes to the client with INVALID_REQUEST.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// Entities of this kind have no such quota.
    #[error("Invalid configuration key {0}")]
    UnknownKey(String),
    /// Nothing may be limited to nothing.
    #[error("Quota {0} must be greater than 0")]
    NotPositive(&'static str),
    /// Does not fit an `int`.
    #[error("Proposed value for {0} is too large for an INT.")]
    TooLargeForInt(&'static str),
    /// Does not fit a `long`.
    #[error("Proposed value for {0} is too large for a LONG.")]
    TooLargeForLong(&'static str),
    /// Whole numbers only.
    #[error("{0} cannot be a fractional value.")]
    Fraction(&'static str),
    /// The entity has a type that there is not.
    #[error("Unhandled client quota entity type: {0}")]
    UnknownType(String),
    /// The entity has a type twice.
    #[error("Invalid client quota entity, duplicate entity entry {0}")]
    RepeatedType(&'static str),
    /// The entity has a name of no characters.
    #[error("Empty {0} not supported")]
    EmptyName(&'static str),
    /// The entity is nobody.
    #[error("Invalid empty client quota entity")]
    Empty,
    /// An address together with something else.
    #[error(
        "Invalid quota entity combination, IP entity should not be combined with User or ClientId"
    )]
    Combination,
    /// Not an address.
    #[error("{0} is not a valid IP address.")]
    NotAnAddress(String),
}

// === impl EntityType ===

impl EntityType {
    const ALL: [Self; 4] = [Self::User, Self::ClientId, Self::Ip, Self::Tenant];

    /// Kafka's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ClientId => "client-id",
            Self::Ip => "ip",
            Self::Tenant => "tenant",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

// === impl QuotaEntity ===

impl QuotaEntity {
    /// An entity of one type.
    pub fn of(kind: EntityType, name: Option<&str>) -> Self {
        Self(BTreeMap::from([(kind, name.map(str::to_owned))]))
    }

    /// A user together with a client id.
    pub fn user_and_client(user: Option<&str>, client_id: Option<&str>) -> Self {
        let (user, client_id) = (user.map(str::to_owned), client_id.map(str::to_owned));
        Self(BTreeMap::from([(EntityType::User, user), (EntityType::ClientId, client_id)]))
    }

    /// The tenant as a whole.
    pub fn tenant() -> Self {
        Self::of(EntityType::Tenant, None)
    }

    /// What a client says an entity is, checked as Kafka does.
    pub fn checked<'a>(
        parts: impl Iterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, QuotaError> {
        let mut entity = Self::default();
        for (kind, name) in parts {
            let kind = EntityType::parse(kind)
                .ok_or_else(|| QuotaError::UnknownType(kind.chars().take(100).collect()))?;
            if name.is_some_and(str::is_empty) {
                return Err(QuotaError::EmptyName(kind.name()));
            }
            if entity.0.insert(kind, name.map(str::to_owned)).is_some() {
                return Err(QuotaError::RepeatedType(kind.name()));
            }
        }
        let alone = [EntityType::Ip, EntityType::Tenant];
        if entity.0.is_empty() {
            return Err(QuotaError::Empty);
        }
        if entity.0.len() > 1 && alone.iter().any(|kind| entity.0.contains_key(kind)) {
            return Err(QuotaError::Combination);
        }
        match entity.0.get(&EntityType::Ip) {
            Some(Some(ip)) if ip.parse::<IpAddr>().is_err() => {
                Err(QuotaError::NotAnAddress(ip.chars().take(100).collect()))
            }
            _ => Ok(entity),
        }
    }

    /// Reads a setting's name; `None` for anything that this version would not write.
    pub fn parse(text: &str) -> Option<Self> {
        let part = |part: &str| {
            let (kind, name) = part.split_once('=')?;
            let name = match name {
                DEFAULT => None,
                name => Some(percent_decode_str(name).decode_utf8().ok()?.into_owned()),
            };
            Some((EntityType::parse(kind)?, name))
        };
        let entity = Self(text.split(',').map(part).collect::<Option<_>>()?);
        (entity.to_string() == text).then_some(entity)
    }
}

/// The setting's name: `user=alice,client-id=<default>`.
impl fmt::Display for QuotaEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (kind, name)) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{}=", kind.name())?;
            match name {
                Some(name) => write!(f, "{}", utf8_percent_encode(name, ESCAPED))?,
                None => f.write_str(DEFAULT)?,
            }
        }
        Ok(())
    }
}

// === impl QuotaKey ===

impl QuotaKey {
    /// Every key.
    pub const ALL: [Self; 9] = [
        Self::ProducerByteRate,
        Self::ConsumerByteRate,
        Self::RequestPercentage,
        Self::ControllerMutationRate,
        Self::ConnectionCreationRate,
        Self::RequestRate,
        Self::Connections,
        Self::Partitions,
        Self::ColdReadByteRate,
    ];

    /// Its name; Kafka's where Kafka has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProducerByteRate => "producer_byte_rate",
            Self::ConsumerByteRate => "consumer_byte_rate",
            Self::RequestPercentage => "request_percentage",
            Self::ControllerMutationRate => "controller_mutation_rate",
            Self::ConnectionCreationRate => "connection_creation_rate",
            Self::RequestRate => "request_rate",
            Self::Connections => "connections",
            Self::Partitions => "partitions",
            Self::ColdReadByteRate => "cold_read_byte_rate",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == text)
    }

    /// The key of this name, if the entity can have a quota of it and the value is legal.
    pub fn checked(entity: &QuotaEntity, name: &str, value: f64) -> Result<Self, QuotaError> {
        let key = Self::parse(name).filter(|key| key.is_for(entity));
        let key = key.ok_or_else(|| QuotaError::UnknownKey(name.chars().take(100).collect()))?;
        let name = key.name();
        // Kafka takes what is not a number for one; no rate can be kept by it.
        if value.is_nan() || value <= 0.0 {
            return Err(QuotaError::NotPositive(name));
        }
        match key.number() {
            Number::Double => Ok(key),
            Number::Int if value > f64::from(i32::MAX) => Err(QuotaError::TooLargeForInt(name)),
            Number::Long if value > i64::MAX as f64 => Err(QuotaError::TooLargeForLong(name)),
            // As exact as Kafka is.
            Number::Int | Number::Long if value % 1.0 > 1e-6 => Err(QuotaError::Fraction(name)),
            Number::Int | Number::Long => Ok(key),
        }
    }

    fn is_for(self, entity: &QuotaEntity) -> bool {
        let has = |kind| entity.0.contains_key(&kind);
        match self {
            Self::ProducerByteRate
            | Self::ConsumerByteRate
            | Self::RequestPercentage
            | Self::ControllerMutationRate => !has(EntityType::Ip),
            Self::ConnectionCreationRate => has(EntityType::Ip) || has(EntityType::Tenant),
            Self::RequestRate | Self::Connections | Self::Partitions | Self::ColdReadByteRate => {
                has(EntityType::Tenant)
            }
        }
    }

    fn number(self) -> Number {
        match self {
            Self::RequestPercentage | Self::ControllerMutationRate | Self::RequestRate => {
                Number::Double
            }
            Self::ConnectionCreationRate | Self::Connections | Self::Partitions => Number::Int,
            Self::ProducerByteRate | Self::ConsumerByteRate | Self::ColdReadByteRate => {
                Number::Long
            }
        }
    }
}

// === impl QuotaRecord ===

#[derive(Clone, PartialEq, Message)]
struct WireQuota {
    #[prost(btree_map = "string, double", tag = "1")]
    values: BTreeMap<String, f64>,
}

impl Record for QuotaRecord {
    fn encode(&self) -> Bytes {
        let values = self.values.iter().map(|(key, value)| (key.name().to_owned(), *value));
        seal(&WireQuota { values: values.collect() })
    }

    /// A key that is not known is of a newer version, and limits nothing here.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire = WireQuota::decode(open(bytes)?).map_err(|error| DecodeError::Malformed {
            record: "QuotaRecord",
            reason: error.to_string(),
        })?;
        let known = |(name, value): (String, f64)| Some((QuotaKey::parse(&name)?, value));
        let values = wire.values.into_iter().filter_map(known);
        Ok(Self { values: values.filter(|(_, value)| *value > 0.0).collect() })
    }
}

#[cfg(test)]
mod tests;
