//! Who can drain a node's front, by the descriptor in its record. What exactly is where is the
//! storage nodes' business.

/// Who reaches a front when its node is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrontReach {
    /// Nobody: the disk of one machine, or a kind that this version does not know. Its partitions
    /// wait for the node.
    Own,
    /// Whoever attaches the volume, once the node's promise cannot hold any more (R4).
    SharedVolume,
    /// Everybody.
    Everybody,
}

impl FrontReach {
    /// Reads a descriptor.
    pub(crate) fn of(descriptor: &str) -> Self {
        match descriptor.split_once(':').map_or(descriptor, |(kind, _)| kind) {
            "object" => Self::Everybody,
            "shared-disk" => Self::SharedVolume,
            _ => Self::Own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_to_be_reachable_counts_as_reachable() {
        assert_eq!(FrontReach::of("object"), FrontReach::Everybody);
        assert_eq!(FrontReach::of("shared-disk:/mnt/wal"), FrontReach::SharedVolume);
        assert_eq!(FrontReach::of("disk:/var/wal"), FrontReach::Own);
        assert_eq!(FrontReach::of("tape:/dev/st0"), FrontReach::Own);
        assert_eq!(FrontReach::of(""), FrontReach::Own);
    }
}
