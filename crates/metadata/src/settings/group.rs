//! Configs of groups (KIP-848): what a tenant sets on one of its groups by name, whether the group is
//! there yet or not. A setting's name is the group, its value all that is set.
//!
//! Kafka 4.1 knows ten. The two of consumer groups are kept; those of share groups and streams
//! groups are refused by name, for there are no such groups here, and a lock duration that nobody
//! keeps would be worse than none.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;
use prost::Message;

use crate::model::{DecodeError, Record, open, seal};

/// Silence after which a member of a consumer group counts as gone.
pub const CONSUMER_SESSION_TIMEOUT: GroupConfig = GroupConfig {
    name: "consumer.session.timeout.ms",
    default: 45_000,
    // The range of `session.timeout.ms` for classic members.
    legal: 6_000..=1_800_000,
    doc: "Silence after which a member of the consumer group counts as gone.",
};

/// How often members of a consumer group are asked to send heartbeats.
pub const CONSUMER_HEARTBEAT_INTERVAL: GroupConfig = GroupConfig {
    name: "consumer.heartbeat.interval.ms",
    default: 5_000,
    legal: 1_000..=60_000,
    doc: "How often members of the consumer group are asked to send heartbeats.",
};

/// Every config that can be set on a group, in name order.
pub const GROUP_CONFIGS: [GroupConfig; 2] = [CONSUMER_HEARTBEAT_INTERVAL, CONSUMER_SESSION_TIMEOUT];

/// What the names of Kafka's other configs of groups begin with, and whose they are.
const ELSEWHERE: [(&str, &str); 2] = [("share.", "share groups"), ("streams.", "streams groups")];

/// One config of groups; all are numbers of milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// Its name, as Kafka spells it.
    pub name: &'static str,
    /// What is in force where none is set, unless an operator changed it.
    pub default: i32,
    /// What it does.
    pub doc: &'static str,
    legal: RangeInclusive<i32>,
}

/// All that is set on a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRecord {
    /// Values by name, in plain spelling.
    pub configs: BTreeMap<String, String>,
}

/// Why a group's configs are refused. The text goes to the client with INVALID_CONFIG.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupConfigError {
    /// No such config.
    #[error("Unknown group config name: {0}")]
    Unknown(String),
    /// A config of groups that there are none of.
    #[error("{name} cannot be set: this cluster has no {of}.")]
    NoSuchGroups {
        /// The config.
        name: String,
        /// Whose it is.
        of: &'static str,
    },
    /// The value is not legal.
    #[error("Invalid value {value} for configuration {name}: must be from {least} to {most}")]
    Invalid {
        /// The config.
        name: &'static str,
        /// The refused value, shortened.
        value: String,
        /// The least that is legal.
        least: i32,
        /// The most that is legal.
        most: i32,
    },
    /// Members would be gone between two heartbeats.
    #[error("consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms")]
    ShortSession,
}

/// Checks everything that is set on a group, and returns it in plain spelling.
pub fn validated(
    set: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, GroupConfigError> {
    let plain = set.iter().map(|(name, value)| {
        let config = GROUP_CONFIGS.iter().find(|config| config.name == name);
        let config = config.ok_or_else(|| unknown(name))?;
        Ok((name.clone(), config.checked(value)?.to_string()))
    });
    let plain = plain.collect::<Result<_, GroupConfigError>>()?;
    let record = GroupRecord { configs: plain };
    let in_force = |config: GroupConfig| record.get(&config).unwrap_or(config.default);
    if in_force(CONSUMER_SESSION_TIMEOUT) <= in_force(CONSUMER_HEARTBEAT_INTERVAL) {
        return Err(GroupConfigError::ShortSession);
    }
    Ok(record.configs)
}

fn unknown(name: &str) -> GroupConfigError {
    let short = name.chars().take(100).collect();
    match ELSEWHERE.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        Some((_, of)) => GroupConfigError::NoSuchGroups { name: short, of },
        None => GroupConfigError::Unknown(short),
    }
}

// === impl GroupConfig ===

impl GroupConfig {
    fn checked(&self, value: &str) -> Result<i32, GroupConfigError> {
        let number = value.trim().parse().ok().filter(|number| self.legal.contains(number));
        number.ok_or_else(|| GroupConfigError::Invalid {
            name: self.name,
            value: value.chars().take(100).collect(),
            least: *self.legal.start(),
            most: *self.legal.end(),
        })
    }
}

// === impl GroupRecord ===

impl GroupRecord {
    /// The value that is set.
    pub fn get(&self, config: &GroupConfig) -> Option<i32> {
        self.configs.get(config.name)?.parse().ok()
    }
}

#[derive(Clone, PartialEq, Message)]
struct WireGroup {
    #[prost(btree_map = "string, string", tag = "1")]
    configs: BTreeMap<String, String>,
}

impl Record for GroupRecord {
    fn encode(&self) -> Bytes {
        seal(&WireGroup { configs: self.configs.clone() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire = WireGroup::decode(open(bytes)?).map_err(|error| DecodeError::Malformed {
            record: "GroupRecord",
            reason: error.to_string(),
        })?;
        Ok(Self { configs: wire.configs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(set: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let validated = validated(&set.collect()).map_err(|error| error.to_string())?;
        Ok(validated.into_values().collect())
    }

    #[test]
    fn values_are_checked_and_spelled_plainly() {
        let (session, heartbeat) =
            (CONSUMER_SESSION_TIMEOUT.name, CONSUMER_HEARTBEAT_INTERVAL.name);
        assert_eq!(judged(&[(session, " 60000 ")]), Ok(vec!["60000".to_owned()]));
        for illegal in ["", "x", "5999", "1800001", "-1", "1e4"] {
            let text = judged(&[(session, illegal)]).unwrap_err();
            assert!(text.starts_with("Invalid value"), "{text}");
        }
        let text =
            "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms";
        assert_eq!(judged(&[(heartbeat, "45000")]), Err(text.to_owned()), "beside the default");
        assert!(judged(&[(heartbeat, "45000"), (session, "45001")]).is_ok());
    }

    #[test]
    fn configs_of_groups_that_there_are_none_of_are_refused_by_that_reason() {
        let text = "share.session.timeout.ms cannot be set: this cluster has no share groups.";
        assert_eq!(judged(&[("share.session.timeout.ms", "45000")]), Err(text.to_owned()));
        assert!(judged(&[("streams.num.standby.replicas", "1")]).unwrap_err().contains("streams"));
        let text = "Unknown group config name: session.timeout.ms";
        assert_eq!(judged(&[("session.timeout.ms", "45000")]), Err(text.to_owned()));
    }

    #[test]
    fn records_read_back() {
        let configs =
            BTreeMap::from([(CONSUMER_SESSION_TIMEOUT.name.to_owned(), "7000".to_owned())]);
        let record = GroupRecord { configs };
        assert_eq!(GroupRecord::decode(&record.encode()), Ok(record.clone()));
        assert_eq!(record.get(&CONSUMER_SESSION_TIMEOUT), Some(7_000));
        assert_eq!(record.get(&CONSUMER_HEARTBEAT_INTERVAL), None);
    }
}
