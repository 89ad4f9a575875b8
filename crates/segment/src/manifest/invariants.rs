//! What every manifest satisfies; checked before a commit and after a read.
//!
//! A manifest that breaks one of these would make acknowledged records
//! unreachable or give an offset two contents, for every later owner.

use super::{Link, Manifest};
use crate::keys::{self, Parsed};

/// A manifest contradicts itself. Never published, never served from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidManifest {
    /// The last link must be the owner's, and only it may be open.
    #[error("owner and chain disagree")]
    Owner,
    /// Links follow each other in epochs and in offsets.
    #[error("link {0} of the chain does not follow the one before")]
    Chain(usize),
    /// The history lists each epoch once, with growing offsets.
    #[error("epoch history is out of order")]
    History,
    /// Compacted objects follow each other and end where the chain begins to count.
    #[error("object {0} is out of order")]
    Object(usize),
    /// The log starts within the log.
    #[error("log start {start} is outside of 0..={end}")]
    LogStart {
        /// As it stands in the manifest.
        start: i64,
        /// The last known end.
        end: i64,
    },
}

impl Manifest {
    /// All invariants.
    pub fn check(&self) -> Result<(), InvalidManifest> {
        self.check_owner()?;
        self.check_chain()?;
        self.check_history()?;
        self.check_objects()?;
        self.check_log_start()
    }

    fn check_owner(&self) -> Result<(), InvalidManifest> {
        let Some((head, closed)) = self.chain.split_last() else {
            return Err(InvalidManifest::Owner);
        };
        let owned = head.epoch == self.epoch && head.log == self.owner;
        let closed = closed.iter().all(|link| link.end_offset.is_some());
        if owned && closed { Ok(()) } else { Err(InvalidManifest::Owner) }
    }

    /// S2: start offsets contiguous, epochs strictly increasing.
    fn check_chain(&self) -> Result<(), InvalidManifest> {
        let follows = |link: &Link, next: &Link| {
            link.epoch < next.epoch && link.end_offset == Some(next.start_offset)
        };
        let forward = |link: &Link| {
            0 <= link.start_offset && link.end_offset.is_none_or(|end| link.start_offset <= end)
        };
        for (position, link) in self.chain.iter().enumerate() {
            let in_place = position == 0 || follows(&self.chain[position - 1], link);
            if !in_place || !forward(link) {
                return Err(InvalidManifest::Chain(position));
            }
        }
        Ok(())
    }

    fn check_history(&self) -> Result<(), InvalidManifest> {
        let ordered = self.epoch_history.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
        let current = self.epoch_history.last().is_some_and(|last| last.0 == self.epoch);
        if ordered && current { Ok(()) } else { Err(InvalidManifest::History) }
    }

    fn check_objects(&self) -> Result<(), InvalidManifest> {
        let mut free = 0;
        for (position, object) in self.objects.iter().enumerate() {
            let named = match keys::parse(&object.key) {
                // Stored without what follows from the partition and the offset.
                Some(Parsed::Compacted(topic, index, base, _)) => {
                    (topic, index) == (self.partition.topic, self.partition.index)
                        && base == object.base_offset
                }
                Some(Parsed::Pack(_)) => true,
                _ => false,
            };
            let in_order = named
                && free <= object.base_offset
                && object.base_offset <= object.last_offset
                && object.last_offset < self.compacted_upto;
            if !in_order {
                return Err(InvalidManifest::Object(position));
            }
            free = object.last_offset + 1;
        }
        Ok(())
    }

    /// The owner's end is in its log, not here: an open head bounds nothing.
    fn check_log_start(&self) -> Result<(), InvalidManifest> {
        let end = self.head().end_offset.unwrap_or(i64::MAX);
        let start = self.log_start_offset;
        if (0..=end).contains(&start) {
            Ok(())
        } else {
            Err(InvalidManifest::LogStart { start, end })
        }
    }
}
