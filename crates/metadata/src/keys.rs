//! The one place that builds and parses keys.
//!
//! ```text
//! c/leader                     the control leader            leased
//! c/cluster                    identity and secret of the cluster
//! c/standby                    a standby's control is up         leased
//! c/set                        the gateway set that the clients' name stands for
//! n/{node}                     a storage node's incarnation
//! nl/{node}                    the node's process is up      leased
//! np/{node}                    the node renewed its promise (R4)
//! g/{broker}                   a gateway                     leased
//! r/{reader}                   a cold reader                 leased
//! t/{tenant}/{topic}           a topic
//! p/{topic}/{index}            which node should own a partition, and from which epoch
//! pid/next                     first producer id not handed out yet
//! s/{kind}/{tenant}/{name}     a setting of a tenant: see `settings`
//! v/{name}                     what a vantage point finds    leased
//! m/{name}                     a process in no other record    leased
//! ```
//!
//! Topic ids are 32 hexadecimal digits. Persisted, keep stable.

use std::{fmt, str::FromStr};

use protocol::ids::{BrokerId, NodeId, ReaderId, TenantId, TopicId};

/// Prefix of every topic.
pub const TOPICS: &str = "t/";
/// Prefix of every partition's assignment.
pub const PARTITIONS: &str = "p/";
/// Prefix of every storage node.
pub const NODES: &str = "n/";

/// Prefix of every vantage point: their findings are read where they are weighed, and in no view.
pub const VANTAGE_POINTS: &str = "v/";

/// Prefix of every [`crate::model::ProcessRecord`]: read where a release is finished, and in no view.
pub const PROCESSES: &str = "m/";

/// A key, parsed. `Display` builds its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// [`crate::model::LeaderRecord`].
    Leader,
    /// [`crate::model::ClusterRecord`].
    Cluster,
    /// [`crate::model::StandbyRecord`].
    Standby,
    /// [`crate::gateway_sets::ActiveSet`].
    ActiveSet,
    /// [`crate::model::NodeRecord`].
    Node(NodeId),
    /// [`crate::model::NodeLiveRecord`]. Present while the node's process is up: a hint (R5).
    NodeLive(NodeId),
    /// Put by a node whose log is on a shared volume, in a transaction that proves its record to be
    /// unchanged (R4). Its value, the log id, is for people.
    NodePromise(NodeId),
    /// [`crate::model::GatewayRecord`].
    Gateway(BrokerId),
    /// [`crate::model::ReaderRecord`].
    Reader(ReaderId),
    /// [`crate::model::TopicRecord`].
    Topic(TenantId, TopicId),
    /// [`crate::model::Assignment`].
    Partition(TopicId, i32),
    /// [`crate::model::ProducerIdRecord`].
    ProducerIds,
}

impl Key {
    /// Reads a key; `None` for anything this version does not know.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "c/leader" => return Some(Self::Leader),
            "c/cluster" => return Some(Self::Cluster),
            "c/standby" => return Some(Self::Standby),
            "c/set" => return Some(Self::ActiveSet),
            "pid/next" => return Some(Self::ProducerIds),
            _ => {}
        }
        let (family, rest) = text.split_once('/')?;
        let key = match family {
            "n" => Self::Node(parse(rest)?),
            "nl" => Self::NodeLive(parse(rest)?),
            "np" => Self::NodePromise(parse(rest)?),
            "g" => Self::Gateway(parse(rest)?),
            "r" => Self::Reader(parse(rest)?),
            "t" => {
                let (tenant, topic) = rest.split_once('/')?;
                Self::Topic(TenantId(parse(tenant)?), parse(topic)?)
            }
            "p" => {
                let (topic, index) = rest.split_once('/')?;
                Self::Partition(parse(topic)?, parse(index)?)
            }
            _ => return None,
        };
        // One key, one text: "n/+1" and "n/01" are not spellings of "n/1".
        (key.to_string() == text).then_some(key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leader => f.write_str("c/leader"),
            Self::Cluster => f.write_str("c/cluster"),
            Self::Standby => f.write_str("c/standby"),
            Self::ActiveSet => f.write_str("c/set"),
            Self::Node(node) => write!(f, "n/{node}"),
            Self::NodeLive(node) => write!(f, "nl/{node}"),
            Self::NodePromise(node) => write!(f, "np/{node}"),
            Self::Gateway(broker) => write!(f, "g/{broker}"),
            Self::Reader(reader) => write!(f, "r/{reader}"),
            Self::Topic(tenant, topic) => write!(f, "t/{tenant}/{topic}"),
            Self::Partition(topic, index) => write!(f, "p/{topic}/{index}"),
            Self::ProducerIds => f.write_str("pid/next"),
        }
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.to_string()
    }
}

/// Prefix of one topic's assignments.
pub fn partitions_of(topic: TopicId) -> String {
    format!("{PARTITIONS}{topic}/")
}

/// The key of a vantage point's [`crate::gateway_sets::Findings`].
pub fn vantage_point(name: &str) -> String {
    format!("{VANTAGE_POINTS}{name}")
}

/// The key of a [`crate::model::ProcessRecord`].
pub fn process(name: &str) -> String {
    format!("{PROCESSES}{name}")
}

/// Prefix of one tenant's topics.
pub fn topics_of(tenant: TenantId) -> String {
    format!("{TOPICS}{tenant}/")
}

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_key() -> impl Strategy<Value = Key> {
        let topic = any::<u128>().prop_map(|bits| {
            TopicId::from_slice(&bits.to_be_bytes()).expect("16 bytes make an id")
        });
        prop_oneof![
            Just(Key::Leader),
            Just(Key::Cluster),
            Just(Key::Standby),
            Just(Key::ActiveSet),
            Just(Key::ProducerIds),
            any::<i32>().prop_map(|id| Key::Node(NodeId(id))),
            any::<i32>().prop_map(|id| Key::NodeLive(NodeId(id))),
            any::<i32>().prop_map(|id| Key::NodePromise(NodeId(id))),
            any::<i32>().prop_map(|id| Key::Gateway(BrokerId(id))),
            any::<i32>().prop_map(|id| Key::Reader(ReaderId(id))),
            (any::<u32>(), topic.clone()).prop_map(|(t, id)| Key::Topic(TenantId(t), id)),
            (topic, any::<i32>()).prop_map(|(id, index)| Key::Partition(id, index)),
        ]
    }

    proptest! {
        #[test]
        fn every_key_reads_back(key in any_key()) {
            prop_assert_eq!(Key::parse(&key.to_string()), Some(key));
        }

        #[test]
        fn a_text_that_parses_is_the_key_s_own_spelling(text in "[cnglrtp]{1,2}/[+0-9a-f]{1,4}(/[0-9]{1,2})?") {
            if let Some(key) = Key::parse(&text) {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }

    #[test]
    fn the_key_space_is_stable() {
        let topic = TopicId::from_slice(&[0xab; 16]).unwrap();
        let hex = "ab".repeat(16);
        assert_eq!(Key::Topic(TenantId(1), topic).to_string(), format!("t/1/{hex}"));
        assert_eq!(Key::Partition(topic, 7).to_string(), format!("p/{hex}/7"));
        assert_eq!(Key::NodeLive(NodeId(3)).to_string(), "nl/3");
        assert_eq!(Key::NodePromise(NodeId(3)).to_string(), "np/3");
        assert!(Key::Partition(topic, 7).to_string().starts_with(&partitions_of(topic)));
        assert!(Key::Topic(TenantId(1), topic).to_string().starts_with(&topics_of(TenantId(1))));
    }

    #[test]
    fn foreign_keys_are_nobody_s() {
        for text in ["", "c", "c/", "c/other", "n/", "n/x", "n/01", "t/1", "p/1/2", "z/1"] {
            assert_eq!(Key::parse(text), None, "{text}");
        }
    }
}
