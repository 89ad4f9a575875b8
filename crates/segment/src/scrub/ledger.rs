//! What the manifests say, kept while the logs are read: about a hundred bytes
//! per link and per partition, however many records there are.

use std::collections::HashMap;

use protocol::ids::{PartitionId, TopicId};

use crate::log_id::LogId;
use crate::manifest::{Link, Manifest};

/// One link of a chain: what a partition expects to find in a log.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) partition: PartitionId,
    pub(super) link: Link,
    /// Nobody reads lower offsets from a log: trimmed or compacted.
    pub(super) needed_from: i64,
}

/// Records in a log that no link names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stray {
    pub(super) partition: PartitionId,
    pub(super) log: LogId,
    /// The first slot with some of them.
    pub(super) slot: u64,
    /// The offset after the last.
    pub(super) end_offset: i64,
}

/// The verdict on stray records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody misses them: trimmed, compacted, deleted, or the manifest is the finding.
    Dead,
    /// They are where no reader looks.
    Lost,
    /// There is no manifest.
    Unowned,
}

/// A partition by what its manifest's key says: the tenant is only in the manifest.
type Name = (TopicId, i32);

#[derive(Debug)]
enum Known {
    /// Followed over its chain.
    Sound { partition: PartitionId, version: u64, needed_from: i64 },
    /// Deleted, or with findings of its own: nothing is compared with it.
    Ignored { version: Option<u64> },
}

/// The manifests of a bucket.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    partitions: HashMap<Name, Known>,
    claims: HashMap<LogId, Vec<Claim>>,
}

impl Ledger {
    /// Takes a sound manifest into account.
    pub(super) fn follow(&mut self, manifest: &Manifest) {
        let partition = manifest.partition;
        let needed_from = manifest.log_start_offset.max(manifest.compacted_upto);
        let known = Known::Sound { partition, version: manifest.version, needed_from };
        self.partitions.insert(name(&partition), known);
        for link in &manifest.chain {
            let claim = Claim { partition, link: link.clone(), needed_from };
            self.claims.entry(link.log).or_default().push(claim);
        }
    }

    /// Remembers that a partition has a manifest, and that nothing can be said beyond that.
    pub(super) fn ignore(&mut self, topic: TopicId, index: i32, version: Option<u64>) {
        self.partitions.insert((topic, index), Known::Ignored { version });
    }

    /// The claims on a log, in the order of partitions and of offsets within one. Each is handed out
    /// once.
    pub(super) fn take_claims(&mut self, log: &LogId) -> Vec<Claim> {
        let mut claims = self.claims.remove(log).unwrap_or_default();
        claims.sort_by_key(|claim| (claim.partition, claim.link.start_offset, claim.link.epoch));
        claims
    }

    /// Claims on logs that were never asked for, one per log.
    pub(super) fn unmet(&self) -> impl Iterator<Item = &Claim> {
        self.claims.values().filter_map(|claims| claims.first())
    }

    /// What becomes of records outside of the chain. A partition without a
    /// manifest is reported for one log and then ignored.
    pub(super) fn judge(&mut self, stray: &Stray) -> Verdict {
        let name = name(&stray.partition);
        match self.partitions.get(&name) {
            Some(Known::Ignored { .. }) => Verdict::Dead,
            Some(Known::Sound { partition, needed_from, .. }) => {
                let read = *partition != stray.partition || stray.end_offset > *needed_from;
                if read { Verdict::Lost } else { Verdict::Dead }
            }
            None => {
                self.partitions.insert(name, Known::Ignored { version: None });
                Verdict::Unowned
            }
        }
    }

    /// The version of a partition's manifest when it was read.
    pub(super) fn version(&self, partition: &PartitionId) -> Option<u64> {
        match self.partitions.get(&name(partition))? {
            Known::Sound { version, .. } => Some(*version),
            Known::Ignored { version } => *version,
        }
    }
}

fn name(partition: &PartitionId) -> Name {
    (partition.topic, partition.index)
}
