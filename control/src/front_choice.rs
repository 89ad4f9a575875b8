//! Which front a topic's records are acknowledged by: `thermocline.front` of the topic, or else
//! the cluster's default.
//!
//! An incarnation has one front and one data log that covers it (R25), so the choice of a front is
//! a choice among nodes (ADR 0017): this is asked wherever a partition is given one.

use std::collections::BTreeMap;

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

/// The kinds of front that the nodes of a cluster have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Offered {
    pub(crate) disk: bool,
    pub(crate) object: bool,
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
    /// What these nodes have, by the descriptors in their records.
    pub(crate) fn by<'a>(descriptors: impl Iterator<Item = &'a str>) -> Self {
        descriptors.fold(Self::default(), |offered, descriptor| Self {
            disk: offered.disk || FrontChoice::Disk.suits(descriptor),
            object: offered.object || FrontChoice::Object.suits(descriptor),
        })
    }

    /// Whether some node serves for it, when it is up.
    pub(crate) fn has(self, choice: FrontChoice) -> bool {
        match choice {
            FrontChoice::Any => true,
            FrontChoice::Disk => self.disk,
            FrontChoice::Object => self.object,
        }
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
    fn a_volume_is_a_disk_and_an_unknown_kind_is_nothing_that_was_asked_for() {
        let of = [FrontChoice::Any, FrontChoice::Disk, FrontChoice::Object];
        let suits = |descriptor| of.map(|choice| choice.suits(descriptor));
        assert_eq!(suits("disk:/var/wal"), [true, true, false]);
        assert_eq!(suits("shared-disk:/mnt/wal"), [true, true, false]);
        assert_eq!(suits("object"), [true, false, true]);
        assert_eq!(suits("tape:/dev/st0"), [true, false, false]);
    }
}
