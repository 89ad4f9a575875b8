//! What operators have said about where partitions may be: settings of the system's own tenant.
//!
//! They survive control and the metadata store, as all settings do: a node that was drained stays
//! empty, whoever leads.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use bytes::Bytes;
use prost::Message;
use protocol::ids::{NodeId, TenantId, TopicId};

use super::{SettingKey, SettingKind, Settings};
use crate::model::{DecodeError, Record, open, seal};

/// The weight of a node of which nobody said anything.
pub const WEIGHT_DEFAULT: u32 = 100;

/// The largest weight: a hundred times a node of the default.
pub const WEIGHT_MAX: u32 = 10_000;

/// What a node is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Duty {
    /// It takes its share.
    #[default]
    Active,
    /// It keeps what it has and gets nothing new.
    Cordoned,
    /// It is to be empty.
    Draining,
}

/// What was said about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePlacement {
    /// What it is there for.
    pub duty: Duty,
    /// Its share of the load, beside those of the others.
    pub weight: u32,
}

/// Where a partition is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// On this node, while it is active.
    pub node: NodeId,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlacementName {
    /// [`NodePlacement`].
    Node(NodeId),
    /// [`Pin`].
    Partition(TopicId, i32),
}

/// Everything that was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Another number whenever something else is said.
    pub revision: u64,
    nodes: BTreeMap<NodeId, NodePlacement>,
    pins: HashMap<(TopicId, i32), NodeId>,
}

// === impl Duty ===

impl Duty {
    /// Its name, for people and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Cordoned => "cordoned",
            Self::Draining => "draining",
        }
    }
}

// === impl NodePlacement ===

impl Default for NodePlacement {
    fn default() -> Self {
        Self { duty: Duty::Active, weight: WEIGHT_DEFAULT }
    }
}

#[derive(Clone, PartialEq, Message)]
struct WireNode {
    #[prost(uint32, tag = "1")]
    duty: u32,
    #[prost(uint32, tag = "2")]
    weight: u32,
}

impl Record for NodePlacement {
    fn encode(&self) -> Bytes {
        let duty = match self.duty {
            Duty::Active => 1,
            Duty::Cordoned => 2,
            Duty::Draining => 3,
        };
        seal(&WireNode { duty, weight: self.weight })
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire = WireNode::decode(open(bytes)?).map_err(|error| malformed(&error))?;
        let duty = match wire.duty {
            1 => Duty::Active,
            2 => Duty::Cordoned,
            3 => Duty::Draining,
            other => return Err(malformed(&format!("duty {other}"))),
        };
        if !(1..=WEIGHT_MAX).contains(&wire.weight) {
            return Err(malformed(&format!("weight {}", wire.weight)));
        }
        Ok(Self { duty, weight: wire.weight })
    }
}

// === impl Pin ===

#[derive(Clone, PartialEq, Message)]
struct WirePin {
    #[prost(int32, tag = "1")]
    node: i32,
}

impl Record for Pin {
    fn encode(&self) -> Bytes {
        seal(&WirePin { node: self.node.0 })
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire = WirePin::decode(open(bytes)?).map_err(|error| malformed(&error))?;
        Ok(Self { node: NodeId(wire.node) })
    }
}

fn malformed(reason: &impl fmt::Display) -> DecodeError {
    DecodeError::Malformed { record: "placement", reason: reason.to_string() }
}

// === impl PlacementName ===

impl PlacementName {
    /// The setting's key.
    pub fn key(self) -> SettingKey {
        SettingKey::new(TenantId::SYSTEM, SettingKind::Placement, self.to_string())
    }

    /// Reads a setting's name; `None` for anything that this version would not write.
    pub fn parse(text: &str) -> Option<Self> {
        let (family, rest) = text.split_once('/')?;
        let name = match family {
            "node" => Self::Node(rest.parse().ok()?),
            "partition" => {
                let (topic, index) = rest.split_once('/')?;
                Self::Partition(topic.parse().ok()?, index.parse().ok()?)
            }
            _ => return None,
        };
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for PlacementName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node/{node}"),
            Self::Partition(topic, index) => write!(f, "partition/{topic}/{index}"),
        }
    }
}

// === impl Placement ===

impl Placement {
    /// Reads the settings of [`SettingKind::Placement`]. What this version does not know is as if it
    /// were not said.
    pub fn read(settings: &Settings) -> Self {
        let mut placement = Self { revision: settings.revision, ..Self::default() };
        for (name, value) in &settings.entries {
            if let Err(error) = placement.take(name, value) {
                tracing::error!(name, %error, "a word about placement cannot be read");
            }
        }
        placement
    }

    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), DecodeError> {
        match PlacementName::parse(name) {
            Some(PlacementName::Node(node)) => {
                self.nodes.insert(node, NodePlacement::decode(value)?);
            }
            Some(PlacementName::Partition(topic, index)) => {
                self.pins.insert((topic, index), Pin::decode(value)?.node);
            }
            None => {}
        }
        Ok(())
    }

    /// What was said about a node, or the default.
    pub fn node(&self, node: NodeId) -> NodePlacement {
        self.nodes.get(&node).copied().unwrap_or_default()
    }

    /// Where a partition is to be.
    pub fn pin(&self, topic: TopicId, index: i32) -> Option<NodeId> {
        self.pins.get(&(topic, index)).copied()
    }

    /// All pins, in no order.
    pub fn pins(&self) -> impl Iterator<Item = (TopicId, i32, NodeId)> {
        self.pins.iter().map(|(&(topic, index), &node)| (topic, index, node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::AllSettings;

    fn topic() -> TopicId {
        TopicId::from_slice(&[7; 16]).unwrap()
    }

    #[test]
    fn names_are_stable_and_read_back() {
        let (node, pin) = (PlacementName::Node(NodeId(3)), PlacementName::Partition(topic(), 12));
        assert_eq!(node.to_string(), "node/3");
        assert_eq!(pin.to_string(), format!("partition/{}/12", "07".repeat(16)));
        for name in [node, pin] {
            assert_eq!(PlacementName::parse(&name.to_string()), Some(name));
        }
        for foreign in ["node/", "node/03", "partition/7/1", "zone/a", "node"] {
            assert_eq!(PlacementName::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn version_one_stays_readable() {
        let said = NodePlacement { duty: Duty::Draining, weight: 200 };
        assert_eq!(said.encode(), [1, 0x08, 3, 0x10, 0xc8, 0x01].as_slice());
        assert_eq!(NodePlacement::decode(&said.encode()), Ok(said));
        let pin = Pin { node: NodeId(9) };
        assert_eq!(pin.encode(), [1, 0x08, 9].as_slice());
        assert_eq!(Pin::decode(&pin.encode()), Ok(pin));
        assert!(NodePlacement::decode(&[1, 0x08, 9, 0x10, 1]).is_err(), "an unknown duty");
        assert!(NodePlacement::decode(&[1, 0x08, 1]).is_err(), "no weight");
    }

    #[test]
    fn what_is_not_known_is_as_if_it_were_not_said() {
        let mut all = AllSettings::default();
        let said = NodePlacement { duty: Duty::Cordoned, weight: 50 };
        all.set(&PlacementName::Node(NodeId(1)).key(), Some(said.encode()));
        all.set(
            &PlacementName::Partition(topic(), 2).key(),
            Some(Pin { node: NodeId(1) }.encode()),
        );
        let broken = PlacementName::Node(NodeId(2)).key();
        all.set(&broken, Some(Bytes::from_static(b"?")));
        all.set(&SettingKey { name: "rack/1".to_owned(), ..broken }, Some(Bytes::new()));
        let settings = all.of(TenantId::SYSTEM, SettingKind::Placement);
        let placement = Placement::read(&settings);
        assert_eq!(placement.revision, settings.revision);
        assert_eq!(placement.node(NodeId(1)), said);
        assert_eq!(placement.node(NodeId(2)), NodePlacement::default());
        assert_eq!(placement.pin(topic(), 2), Some(NodeId(1)));
        assert_eq!((placement.pin(topic(), 3), placement.pins().count()), (None, 1));
    }
}
