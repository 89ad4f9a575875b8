//! Logs that ended: slots whose every record is compacted, below the log start, or of a deleted
//! topic (R32). Watermarks are those of the manifests just read, never of an owner's memory.
//!
//! ```text
//! slot   0     1     2     3     4     5      6
//!       OPEN  DATA  DATA  DATA  CLOSE END    late DATA
//!       kept  └── one by one ──┘ kept kept   after the orphan age (R30)
//! ```

use std::collections::{BTreeMap, HashSet};

use futures::StreamExt as _;
use protocol::ids::PartitionId;
use segment::keys::{self, Parsed};
use segment::object::read_footer;
use segment::seqlog::{EndRecord, SeqLogReader, SlotKind};
use segment::store::{Listed, StoreErrorKind};
use segment::{Family, LogId, Store};

use super::{Collector, GcError, Known, PREFIXES};
use crate::limits::{END_HINT_SLOTS, GC_IN_FLIGHT};

/// A record of a slot that somebody needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Witness {
    partition: PartitionId,
    last_offset: i64,
}

/// What a slot turned out to be.
enum Verdict {
    /// Nobody needs it.
    Dead,
    /// It stays for this.
    Needed(Witness),
    /// Not a segment: it stays.
    Kept,
}

/// The objects of one log.
#[derive(Default)]
struct Log {
    data: Vec<(u64, Listed)>,
    wal: Vec<(u64, Listed)>,
    indexes: Vec<Listed>,
}

impl Known {
    fn needs(&self, partition: &PartitionId, last_offset: i64) -> bool {
        if self.dead.contains(partition) {
            return false;
        }
        match self.floors.get(partition) {
            Some(floor) => last_offset >= *floor,
            // No manifest: needed, unless the topic is deleted for ever.
            None => !self.deleted_topics.iter().any(|deleted| deleted.contains(&partition.topic)),
        }
    }
}

impl Collector {
    /// Judges all logs. Returns the bare partitions of which some log still has records.
    pub(super) async fn read_logs(
        &mut self,
        old_before_ms: i64,
        known: &Known,
    ) -> Result<HashSet<PartitionId>, GcError> {
        let mut in_logs = HashSet::new();
        for prefix in 0..PREFIXES {
            for (id, log) in self.list_logs(prefix).await? {
                self.judge_log(id, log, old_before_ms, known, &mut in_logs).await?;
            }
        }
        Ok(in_logs)
    }

    /// Data log, object WAL and indexes of a log do not share a prefix's listing, but its hash.
    async fn list_logs(&mut self, prefix: u16) -> Result<BTreeMap<LogId, Log>, GcError> {
        let mut logs: BTreeMap<LogId, Log> = BTreeMap::new();
        for family in ["l", "w", "x"] {
            for listed in self.listings.below(&format!("{family}/{prefix:02x}")).await? {
                match keys::parse(&listed.key) {
                    Some(Parsed::LogSlot(Family::Data, log, slot)) => {
                        logs.entry(log).or_default().data.push((slot, listed));
                    }
                    Some(Parsed::LogSlot(Family::Wal, log, slot)) => {
                        logs.entry(log).or_default().wal.push((slot, listed));
                    }
                    Some(Parsed::Index(log, _)) => {
                        logs.entry(log).or_default().indexes.push(listed);
                    }
                    _ => {}
                }
            }
        }
        Ok(logs)
    }

    async fn judge_log(
        &mut self,
        id: LogId,
        log: Log,
        old_before_ms: i64,
        known: &Known,
        in_logs: &mut HashSet<PartitionId>,
    ) -> Result<(), GcError> {
        let end = self.end_of(Family::Data, id, &log.data).await?;
        let Some((end, _)) = end else {
            // A log that may grow keeps all its slots (R8), and what it has of deleted topics.
            if !known.bare.is_empty() {
                self.look_for(id, log.data.iter().map(|(slot, _)| *slot), known, in_logs).await?;
            }
            return Ok(());
        };
        let (inside, behind): (Vec<_>, Vec<_>) = log
            .data
            .into_iter()
            .filter(|(slot, _)| *slot != 0 && *slot != end)
            .partition(|(slot, _)| *slot < end);
        self.judge_slots(id, inside, known, in_logs).await?;
        let old = |listed: &Listed| listed.modified_ms < old_before_ms;
        behind.into_iter().filter(|(_, it)| old(it)).for_each(|(_, it)| self.doomed.add(it.key));
        self.judge_wal(id, log.wal, old_before_ms).await?;
        // END names one index and each CLOSE another; what drainers left that lost is as small. Without
        // them the producers are rebuilt from the footers that are left, and some are missing (T1).
        if !known.chained.contains(&id) {
            log.indexes.into_iter().filter(old).for_each(|it| self.doomed.add(it.key));
        }
        Ok(())
    }

    /// Where a log ended, if it did. END is never deleted, so that is remembered.
    async fn end_of(
        &mut self,
        family: Family,
        id: LogId,
        listed: &[(u64, Listed)],
    ) -> Result<Option<(u64, EndRecord)>, GcError> {
        let reader = SeqLogReader::new(self.store.clone(), family, id);
        let mut found = None;
        // The lowest END is the one, as for every reader of the log.
        for (slot, _) in listed.iter().rev().take(END_HINT_SLOTS) {
            let header = reader.header(*slot).await?;
            if header.is_some_and(|header| header.kind == SlotKind::End) {
                let record = reader.read(*slot).await?.and_then(|slot| slot.end());
                found = record.map(|record| (*slot, record)).or(found);
            }
        }
        Ok(found)
    }

    async fn judge_slots(
        &mut self,
        id: LogId,
        slots: Vec<(u64, Listed)>,
        known: &Known,
        in_logs: &mut HashSet<PartitionId>,
    ) -> Result<(), GcError> {
        let all = !known.bare.is_empty();
        let witnesses = &self.witnesses;
        let open: Vec<_> = slots
            .into_iter()
            .filter(|(slot, _)| {
                let witness = witnesses.get(&(id, *slot));
                all || !witness.is_some_and(|it| known.needs(&it.partition, it.last_offset))
            })
            .collect();
        let store = &self.store;
        let verdicts = futures::stream::iter(open).map(|(slot, listed)| async move {
            (slot, listed, judge_slot(store, id, slot, known).await)
        });
        let verdicts: Vec<_> = verdicts.buffer_unordered(GC_IN_FLIGHT).collect().await;
        for (slot, listed, verdict) in verdicts {
            let (verdict, bare) = verdict?;
            in_logs.extend(bare);
            self.witnesses.remove(&(id, slot));
            match verdict {
                Verdict::Dead => self.doomed.add(listed.key),
                Verdict::Needed(witness) => drop(self.witnesses.insert((id, slot), witness)),
                Verdict::Kept => {}
            }
        }
        Ok(())
    }

    /// An object WAL is of no use once the data log that it fed has END: that covers all of it.
    async fn judge_wal(
        &mut self,
        id: LogId,
        slots: Vec<(u64, Listed)>,
        old_before_ms: i64,
    ) -> Result<(), GcError> {
        let Some((end, _)) = self.end_of(Family::Wal, id, &slots).await? else { return Ok(()) };
        for (slot, listed) in slots {
            let inside = (1..end).contains(&slot);
            if inside || (slot > end && listed.modified_ms < old_before_ms) {
                self.doomed.add(listed.key);
            }
        }
        Ok(())
    }

    /// Looks for records of bare partitions.
    async fn look_for(
        &self,
        id: LogId,
        slots: impl Iterator<Item = u64>,
        known: &Known,
        in_logs: &mut HashSet<PartitionId>,
    ) -> Result<(), GcError> {
        for slot in slots.filter(|slot| *slot != 0).collect::<Vec<_>>() {
            let (_, bare) = judge_slot(&self.store, id, slot, known).await?;
            in_logs.extend(bare);
        }
        Ok(())
    }
}

/// Whether a slot is there and has a footer: END and CLOSE have none.
async fn is_segment(store: &Store, id: LogId, slot: u64) -> Result<bool, GcError> {
    let header = SeqLogReader::new(store.clone(), Family::Data, id).header(slot).await?;
    Ok(header.is_some_and(|header| header.kind == SlotKind::Data))
}

/// Reads a slot's footer; also which bare partitions it has records of.
async fn judge_slot(
    store: &Store,
    id: LogId,
    slot: u64,
    known: &Known,
) -> Result<(Verdict, Vec<PartitionId>), GcError> {
    // Nearly all slots are segments, so their headers are not asked for first.
    let footer = match read_footer(store, &keys::slot(Family::Data, &id, slot)).await {
        Ok(footer) => footer,
        Err(error) => {
            let lasting = matches!(error.kind, StoreErrorKind::NotFound | StoreErrorKind::Damaged);
            if !lasting || is_segment(store, id, slot).await? {
                return Err(error.into());
            }
            return Ok((Verdict::Kept, Vec::new()));
        }
    };
    let headers = footer.entries.iter().map(|entry| &entry.header);
    let needed = headers.clone().find(|it| known.needs(&it.partition, it.last_offset));
    let verdict = match needed {
        Some(it) => {
            Verdict::Needed(Witness { partition: it.partition, last_offset: it.last_offset })
        }
        None => Verdict::Dead,
    };
    let bare = headers.map(|it| it.partition).filter(|it| known.bare.contains(it));
    Ok((verdict, bare.collect()))
}
