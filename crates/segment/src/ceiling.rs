//! Reserved offsets: a takeover that gives records up uses none of their offsets again (R52).
//!
//! ```text
//!  stored, up to E        E ─────────────── E + 2^30 - 1        E + 2^30 ──▶
//!  lost log, ended        gap log: one batch without records    the next owner's
//! ```
//!
//! A partition assigns no offset that is [`RESERVED_OFFSETS`] or more above what its log has stored,
//! so the ceiling needs no record of its own: whatever was acknowledged and not stored lies below
//! E + 2^30. A log of its own with one batch per partition then fills the offsets up to there. To
//! readers and owners it is a log like others, consumers step over the batch, and offsets stay dense.

use std::collections::HashMap;

use bytes::Bytes;
use protocol::batch;
use protocol::ids::PartitionId;

use crate::index::{self, IndexSnapshot};
use crate::keys::{self, Family};
use crate::log_id::LogId;
use crate::object::{AddError, ObjectBuilder};
use crate::seal::Keyring;
use crate::seqlog::{AppendError, EndReason, EndRecord, OpenSlot, SeqLogWriter, SlotKind, WalKind};
use crate::store::{Store, StoreError};

/// Offsets of a partition that may be assigned and not be in the object store: far more than any
/// front holds, and so few that a partition could lose a site eight billion times.
pub const RESERVED_OFFSETS: i32 = 1 << 30;

/// Offsets of a partition that are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Whose.
    pub partition: PartitionId,
    /// The first.
    pub from: i64,
    /// The epoch of the link that will hold them.
    pub epoch: i32,
}

/// The gaps could not be written.
#[derive(Debug, thiserror::Error)]
pub enum GapError {
    /// The log could not be.
    #[error("reserved offsets are not written: {0}")]
    Append(#[from] AppendError),
    /// Its index could not be.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The same partition twice.
    #[error("reserved offsets cannot be stored: {0}")]
    Add(#[from] AddError),
}

/// Writes the whole log `log`: OPEN, the gaps in slot 1, END. Claims may name it from then on.
pub async fn write(store: &Store, log: LogId, gaps: &[Gap]) -> Result<(), GapError> {
    // Anybody could end it: it has no front.
    let front = Bytes::from_static(b"object");
    let open = OpenSlot { wal_kind: WalKind::Object as i32, front, control_slot: 0 };
    let mut writer = SeqLogWriter::create(store.clone(), Family::Data, log, &open).await?;
    let mut object = ObjectBuilder::new();
    for gap in gaps {
        object.add(gap.partition, batch::gap(gap.from, RESERVED_OFFSETS, gap.epoch))?;
    }
    // No records, and so nothing to seal: whoever takes over need not have anybody's keys.
    let key = keys::slot(Family::Data, &log, GAP_SLOT);
    let built = object.finish(0..0, &key, &Keyring::default());
    let (payload, footer) = built.expect("an empty keyring misses no key");
    let slot = writer.append(SlotKind::Data, payload).await?;
    let mut index = IndexSnapshot::empty(log);
    index.add_segment(slot, &footer);
    let index = index::write(store, &index).await?;
    let end = EndRecord { reason: EndReason::Takeover as i32, lsn: 0, index: Some(index) };
    writer.end(&end).await?;
    Ok(())
}

/// The slot that holds the gaps.
pub const GAP_SLOT: u64 = 1;

/// The gaps of an ended log that [`write()`] made, or began to make.
pub async fn read(
    store: &Store,
    log: LogId,
) -> Result<HashMap<PartitionId, Gap>, index::IndexError> {
    let index = index::load(store, log).await?;
    let gap = |(&partition, index): (&PartitionId, &index::PartitionIndex)| {
        let gap = Gap { partition, from: index.start_offset, epoch: index.leader_epoch };
        (partition, gap)
    };
    Ok(index.partitions.iter().map(gap).collect())
}

#[cfg(test)]
mod tests {
    use protocol::ids::{NodeId, TenantId, TopicId};

    use super::{GAP_SLOT, Gap, RESERVED_OFFSETS, read, write};
    use crate::scrub::{ScrubOptions, scrub};
    use crate::{LogId, Manifest, ManifestStore, Store};
    use protocol::ids::PartitionId;

    #[tokio::test]
    async fn a_gap_log_is_a_log_like_others() {
        let store = Store::memory("test");
        let log = LogId::fresh(NodeId(1), 2, 0);
        let topic = TopicId::random();
        let gap = |index, from| Gap {
            partition: PartitionId::new(TenantId(1), topic, index),
            from,
            epoch: 5,
        };
        let gaps = [gap(0, 0), gap(1, 0)];
        write(&store, log, &gaps).await.unwrap();
        let found = read(&store, log).await.unwrap();
        assert_eq!((found.len(), found[&gaps[1].partition]), (2, gaps[1]));
        for gap in gaps {
            let first = Manifest::create(gap.partition, gap.epoch, log, GAP_SLOT);
            let manifests = ManifestStore::new(store.clone());
            let (first, version) = manifests.commit(&first, None).await.unwrap();
            let next = LogId::fresh(NodeId(1), 2, 1);
            let next = first.claimed(6, next, 1, i64::from(RESERVED_OFFSETS)).unwrap();
            assert_eq!(next.head().start_offset, i64::from(RESERVED_OFFSETS));
            manifests.commit(&first, Some(&version)).await.unwrap();
        }
        let report = scrub(&store, ScrubOptions::default()).await.unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }
}
