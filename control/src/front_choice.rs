//! Which front a topic's records are acknowledged by: `thermocline.front` of the topic, or else
//! the cluster's default.
//!
//! An incarnation has one front and one data log that covers it (R25), so the choice of a front is
//! a choice among nodes (ADR 0017): this is asked wherever a partition is given one.

use std::collections::BTreeMap;

use metadata::model::NodeRecord;
use metadata::topic_config::FRONT;
use serde::Deserialize;

/// A kind of front, as a topic or the cluster asks for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FrontChoice {
    /// Whatever a node has.
    #[default]
    Any,
    /// A disk, of one machine or on a volume.
    Disk,
    /// The object store.
    Object,
}

/// The kinds of front that the nodes of a cluster have. Of each that there is, the largest batch that
/// every node with it takes: a partition can come to any of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Offered {
    pub(crate) disk: Option<u64>,
    pub(crate) object: Option<u64>,
}

// === impl FrontChoice ===

impl FrontChoice {
    /// What the topic itself asks for, if it does. Its configs were validated.
    pub(crate) fn asked(configs: &BTreeMap<String, String>) -> Option<Self> {
        match configs.get(FRONT)?.trim() {
            "disk" => Some(Self::Disk),
            "object" => Some(Self::Object),
            _ => None,
        }
    }

    /// Whether a node serves for it whose record describes its front so.
    pub(crate) fn suits(self, descriptor: &str) -> bool {
        let kind = descriptor.split_once(':').map_or(descriptor, |(kind, _)| kind);
        match self {
            Self::Any => true,
            Self::Disk => matches!(kind, "disk" | "shared-disk"),
            Self::Object => kind == "object",
        }
    }
}

// === impl Offered ===

impl Offered {
    /// What these nodes have, by their records.
    pub(crate) fn by<'a>(nodes: impl Iterator<Item = &'a NodeRecord>) -> Self {
        nodes.fold(Self::default(), |offered, node| {
            // One that has not said takes what it takes.
            let takes = Some(node.batch_bytes_max).filter(|bytes| *bytes > 0).unwrap_or(u64::MAX);
            let least = |so_far: Option<u64>, kind: FrontChoice| match kind.suits(&node.front) {
                true => Some(so_far.map_or(takes, |bytes| bytes.min(takes))),
                false => so_far,
            };
            Self {
                disk: least(offered.disk, FrontChoice::Disk),
                object: least(offered.object, FrontChoice::Object),
            }
        })
    }

    /// Whether some node serves for it, when it is up.
    pub(crate) fn has(self, choice: FrontChoice) -> bool {
        match choice {
            FrontChoice::Any => true,
            FrontChoice::Disk => self.disk.is_some(),
            FrontChoice::Object => self.object.is_some(),
        }
    }

    /// The largest batch that all nodes which serve for it take.
    pub(crate) fn batch_bytes_max(self, choice: FrontChoice) -> u64 {
        let takes = match choice {
            FrontChoice::Any => self.disk.into_iter().chain(self.object).min(),
            FrontChoice::Disk => self.disk,
            FrontChoice::Object => self.object,
        };
        takes.unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_asks_by_its_config_or_not_at_all() {
        let asked = |value: &str| {
            FrontChoice::asked(&BTreeMap::from([(FRONT.to_owned(), value.to_owned())]))
        };
        assert_eq!(asked("disk"), Some(FrontChoice::Disk));
        assert_eq!(asked("object"), Some(FrontChoice::Object));
        assert_eq!(asked("default"), None);
        assert_eq!(FrontChoice::asked(&BTreeMap::new()), None);
    }

    #[test]
    fn a_batch_must_fit_every_node_that_its_partition_can_come_to() {
        let node = |front: &str, batch_bytes_max| NodeRecord {
            node: protocol::ids::NodeId(1),
            incarnation: 1,
            log_id: String::new(),
            state: metadata::model::NodeState::Live,
            address: String::new(),
            zone: String::new(),
            front: front.to_owned(),
            batch_bytes_max,
        };
        let takes = |nodes: &[NodeRecord]| {
            let offered = Offered::by(nodes.iter());
            let of = [FrontChoice::Any, FrontChoice::Disk, FrontChoice::Object];
            of.map(|choice| offered.batch_bytes_max(choice))
        };
        let most = u64::MAX;
        assert_eq!(takes(&[]), [most; 3]);
        assert_eq!(takes(&[node("disk:/a", 9), node("shared-disk:/b", 7)]), [7, 7, most]);
        assert_eq!(takes(&[node("disk:/a", 7), node("object", 30)]), [7, 7, 30]);
        assert_eq!(takes(&[node("disk:/a", 0), node("object", 30)]), [30, most, 30]);
    }

    #[test]
    fn a_volume_is_a_disk_and_an_unknown_kind_is_nothing_that_was_asked_for() {
        let of = [FrontChoice::Any, FrontChoice::Disk, FrontChoice::Object];
        let suits = |descriptor| of.map(|choice| choice.suits(descriptor));
        assert_eq!(suits("disk:/var/wal"), [true, true, false]);
        assert_eq!(suits("shared-disk:/mnt/wal"), [true, true, false]);
        assert_eq!(suits("object"), [true, false, true]);
        assert_eq!(suits("tape:/dev/st0"), [true, false, false]);
    }
}
