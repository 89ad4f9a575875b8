//! Everything in the bucket that says something about one partition.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};
use protocol::ids::{PartitionId, TopicId};

use super::{RepairError, is_of};
use crate::index::{self, PartitionIndex};
use crate::keys::{self, Family, Key, Parsed};
use crate::log_id::LogId;
use crate::manifest::CompactedObject;
use crate::object::{BlockEntry, read_footer};
use crate::producers::{self, PartitionProducers};
use crate::seqlog::{EndRecord, SeqLogReader, SlotKind};
use crate::store::{Store, StoreError};

/// Keys are spread over this many prefixes (R29).
const PREFIXES: u16 = 256;
/// Requests at the same time: an operator waits for this.
const IN_FLIGHT: usize = 16;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// With its tenant, which the records name.
    pub(super) partition: Option<PartitionId>,
    /// By epoch and log.
    pub(super) parts: Vec<LogPart>,
    /// By base offset, the longest first.
    pub(super) objects: Vec<FoundObject>,
    /// Of the snapshot that is the latest for this partition.
    pub(super) producers: PartitionIndex,
}

/// One epoch of the partition in one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogPart {
    pub(super) epoch: i32,
    pub(super) log: LogId,
    pub(super) first_slot: u64,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) close_slot: Option<u64>,
    /// The log carries END.
    pub(super) ended: bool,
}

/// A compacted object with records of the partition.
#[derive(Debug)]
pub(super) struct FoundObject {
    pub(super) object: CompactedObject,
    pub(super) entries: Vec<BlockEntry>,
}

/// A slot of a log, as far as it says something.
enum Content {
    Segment(Vec<BlockEntry>),
    /// Epoch and end of the partition's stay.
    Close(i32, i64),
    End(EndRecord),
    Nothing,
}

struct Wanted<'a> {
    store: &'a Store,
    topic: TopicId,
    index: i32,
}

impl Sources {
    /// Reads the footers of the whole bucket.
    pub(super) async fn read(
        store: &Store,
        topic: TopicId,
        index: i32,
    ) -> Result<Self, RepairError> {
        let wanted = Wanted { store, topic, index };
        let mut sources = Self::default();
        for prefix in 0..PREFIXES {
            sources.read_logs(&wanted, prefix).await?;
            sources.read_objects(&wanted, prefix).await?;
            sources.read_producers(&wanted, prefix).await?;
        }
        sources.parts.sort_by_key(|part| (part.epoch, part.start));
        sources.objects.sort_by_key(|found| {
            (found.object.base_offset, std::cmp::Reverse(found.object.last_offset))
        });
        Ok(sources)
    }

    async fn read_logs(&mut self, wanted: &Wanted<'_>, prefix: u16) -> Result<(), RepairError> {
        let mut logs: BTreeMap<LogId, Vec<u64>> = BTreeMap::new();
        for listed in wanted.store.list(&format!("l/{prefix:02x}")).await? {
            if let Some(Parsed::LogSlot(Family::Data, log, slot)) = keys::parse(&listed.key) {
                logs.entry(log).or_default().push(slot);
            }
        }
        for (log, slots) in logs {
            let contents: Vec<(u64, Content)> = futures::stream::iter(slots)
                .map(|slot| async move { wanted.slot(log, slot).await.map(|found| (slot, found)) })
                .buffered(IN_FLIGHT)
                .try_collect()
                .await?;
            self.add_log(wanted, log, contents).await?;
        }
        Ok(())
    }

    async fn add_log(
        &mut self,
        wanted: &Wanted<'_>,
        log: LogId,
        contents: Vec<(u64, Content)>,
    ) -> Result<(), RepairError> {
        let mut parts: BTreeMap<i32, LogPart> = BTreeMap::new();
        for (slot, content) in contents {
            match content {
                Content::Segment(entries) => {
                    for entry in entries {
                        let header = entry.header;
                        self.partition = Some(header.partition);
                        let (base, end) = (header.base_offset, header.last_offset + 1);
                        let part = parts.entry(header.leader_epoch);
                        let part = part.or_insert_with(|| {
                            LogPart::new(header.leader_epoch, log, slot, base..end)
                        });
                        part.end = part.end.max(end);
                    }
                }
                Content::Close(epoch, end) => {
                    let part = parts.entry(epoch);
                    let part = part.or_insert_with(|| LogPart::new(epoch, log, slot, end..end));
                    part.close_slot = Some(slot);
                }
                Content::End(end) => {
                    self.add_index(wanted, log, slot, &end, &mut parts).await?;
                    parts.values_mut().for_each(|part| part.ended = true);
                    // Whatever comes behind END is not part of the log (R8).
                    break;
                }
                Content::Nothing => {}
            }
        }
        self.parts.extend(parts.into_values());
        Ok(())
    }

    /// The index knows what was in slots that were collected since.
    async fn add_index(
        &mut self,
        wanted: &Wanted<'_>,
        log: LogId,
        slot: u64,
        end: &EndRecord,
        parts: &mut BTreeMap<i32, LogPart>,
    ) -> Result<(), RepairError> {
        let Some(reference) = &end.index else { return Ok(()) };
        let Ok(index) = index::snapshot(wanted.store, log, reference).await else {
            // A cache: the footers say the same, as far as they are there.
            return Ok(());
        };
        for (partition, known) in index.partitions {
            if !is_of(&partition, wanted.topic, wanted.index) {
                continue;
            }
            self.partition = Some(partition);
            let epoch = known.leader_epoch;
            let part = parts.entry(epoch).or_insert_with(|| {
                LogPart::new(epoch, log, slot, known.start_offset..known.end_offset)
            });
            part.end = part.end.max(known.end_offset);
        }
        Ok(())
    }

    async fn read_objects(&mut self, wanted: &Wanted<'_>, prefix: u16) -> Result<(), RepairError> {
        let listed = wanted.store.list(&format!("d/{prefix:02x}")).await?;
        let keys =
            listed.into_iter().map(|listed| listed.key).filter(|key| match keys::parse(key) {
                Some(Parsed::Compacted(topic, index, ..)) => {
                    (topic, index) == (wanted.topic, wanted.index)
                }
                Some(Parsed::Pack(_)) => true,
                _ => false,
            });
        let found: Vec<(Key, Vec<BlockEntry>)> = futures::stream::iter(keys.collect::<Vec<_>>())
            .map(|key| async move { wanted.entries(&key).await.map(|entries| (key, entries)) })
            .buffered(IN_FLIGHT)
            .try_collect()
            .await?;
        for (key, entries) in found {
            let (Some(first), Some(last)) = (entries.first(), entries.last()) else { continue };
            self.partition = Some(first.header.partition);
            let object = CompactedObject {
                key,
                base_offset: first.header.base_offset,
                last_offset: last.header.last_offset,
                size: entries.iter().map(|entry| u64::from(entry.byte_len)).sum(),
                max_timestamp: entries
                    .iter()
                    .map(|entry| entry.header.max_timestamp)
                    .max()
                    .unwrap_or(-1),
            };
            self.objects.push(FoundObject { object, entries });
        }
        Ok(())
    }

    async fn read_producers(
        &mut self,
        wanted: &Wanted<'_>,
        prefix: u16,
    ) -> Result<(), RepairError> {
        let latest = |known: &PartitionIndex| {
            let batches = known.producers.iter().flat_map(|producer| &producer.batches);
            let ends = known.aborted.iter().map(|aborted| aborted.last_offset);
            batches.map(|batch| batch.last_offset).chain(ends).max()
        };
        for listed in wanted.store.list(&format!("x/{prefix:02x}/producers")).await? {
            // One that is damaged says nothing; another may.
            let Ok(snapshot) = producers::load(wanted.store, &listed.key).await else { continue };
            for (partition, known) in snapshot.partitions {
                let PartitionProducers { producers, aborted } = known;
                let found = PartitionIndex { producers, aborted, ..PartitionIndex::default() };
                let ours = is_of(&partition, wanted.topic, wanted.index);
                if ours && latest(&found) > latest(&self.producers) {
                    self.producers = found;
                }
            }
        }
        Ok(())
    }
}

impl LogPart {
    fn new(epoch: i32, log: LogId, slot: u64, offsets: std::ops::Range<i64>) -> Self {
        let std::ops::Range { start, end } = offsets;
        Self { epoch, log, first_slot: slot, start, end, close_slot: None, ended: false }
    }
}

impl Wanted<'_> {
    /// The blocks of the partition in an object, in offset order.
    async fn entries(&self, key: &Key) -> Result<Vec<BlockEntry>, StoreError> {
        let footer = read_footer(self.store, key).await?;
        let ours = |entry: &BlockEntry| is_of(&entry.header.partition, self.topic, self.index);
        let mut entries: Vec<_> = footer.entries.into_iter().filter(ours).collect();
        entries.sort_by_key(|entry| entry.header.base_offset);
        Ok(entries)
    }

    async fn slot(&self, log: LogId, slot: u64) -> Result<Content, RepairError> {
        let reader = SeqLogReader::new(self.store.clone(), Family::Data, log);
        let Some(header) = reader.header(slot).await? else { return Ok(Content::Nothing) };
        let key = keys::slot(Family::Data, &log, slot);
        Ok(match header.kind {
            SlotKind::Data => Content::Segment(self.entries(&key).await?),
            SlotKind::Close => {
                let close = reader.read(slot).await?.and_then(|slot| slot.close());
                let of = |partition| is_of(&partition, self.topic, self.index);
                let ours = close.filter(|close| close.partition().is_some_and(of));
                ours.map_or(Content::Nothing, |close| Content::Close(close.epoch, close.end_offset))
            }
            SlotKind::End => {
                let end = reader.read(slot).await?.and_then(|slot| slot.end());
                Content::End(end.unwrap_or_default())
            }
            _ => Content::Nothing,
        })
    }
}
