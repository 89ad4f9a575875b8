//! A data log with known records, and plans over it, for tests.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use process::Drain;
use protocol::batch::{BatchBuilder, BatchView};
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
use segment::object::ObjectBuilder;
use segment::seqlog::{EndRecord, OpenSlot, SeqLogWriter, SlotKind};
use segment::{Extent, Family, Key, Location, LogId, Plan, Store, keys};

use crate::config::Config;
use crate::server::Server;

pub(crate) const SECRET: [u8; 32] = [7; 32];

/// What a test reads from: one log, its batches and extents.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    /// Every batch stored, in the order of its partition.
    pub(crate) batches: Vec<(PartitionId, Bytes)>,
    pub(crate) extents: Vec<(PartitionId, Extent)>,
    writer: SeqLogWriter,
}

/// One batch to store: partition, first offset, records, bytes of each value.
pub(crate) type Batch = (i32, i64, usize, usize);

pub(crate) fn partition(index: i32) -> PartitionId {
    let topic = "00000000000000000000000000000abc".parse().expect("a UUID");
    PartitionId { tenant: TenantId::DEFAULT, topic: TopicId(topic), index }
}

pub(crate) fn batch(base_offset: i64, records: usize, size: usize) -> Bytes {
    // Values differ, so that records in the wrong order are seen.
    let value = |record| vec![(base_offset as usize + record) as u8; size];
    let builder = BatchBuilder::new().at(base_offset, 1);
    (0..records).fold(builder, |batch, record| batch.record(5, None, Some(&value(record)))).build()
}

/// A batch of one record at each of these times.
pub(crate) fn timed_batch(base_offset: i64, times: &[i64]) -> Bytes {
    let builder = BatchBuilder::new().at(base_offset, 1);
    times.iter().fold(builder, |batch, time| batch.record(*time, None, Some(b"v"))).build()
}

fn made(batches: &[Batch]) -> Vec<(i32, Bytes)> {
    let make = |&(index, base, records, size): &Batch| (index, batch(base, records, size));
    batches.iter().map(make).collect()
}

impl Fixture {
    pub(crate) async fn new(store: Store) -> Self {
        let log = LogId { node: NodeId(1), generation: 1, incarnation: 1, nonce: 1 };
        let open = OpenSlot::default();
        let writer = SeqLogWriter::create(store.clone(), Family::Data, log, &open).await.unwrap();
        Self { store, batches: Vec::new(), extents: Vec::new(), writer }
    }

    pub(crate) async fn in_memory(slots: &[&[Batch]]) -> Self {
        let mut fixture = Self::new(Store::memory("cold-reader")).await;
        for batches in slots {
            fixture.add_slot(batches).await;
        }
        fixture
    }

    pub(crate) async fn add_slot(&mut self, batches: &[Batch]) {
        self.store_slot(&made(batches)).await;
    }

    /// The same of batches that are made already.
    pub(crate) async fn store_slot(&mut self, batches: &[(i32, Bytes)]) {
        let batches = batches.iter().map(|(index, batch)| (partition(*index), batch.clone()));
        self.store_slot_of(&batches.collect::<Vec<_>>()).await;
    }

    /// The same of any partitions.
    pub(crate) async fn store_slot_of(&mut self, batches: &[(PartitionId, Bytes)]) {
        let object = self.object_of(batches);
        let key = keys::slot(Family::Data, self.writer.log(), self.writer.next_slot());
        let (payload, footer) = object.finish(0..1, &key, self.store.keyring()).unwrap();
        let slot = self.writer.append(SlotKind::Data, payload).await.unwrap();
        self.extents.extend(footer.extents(*self.writer.log(), slot));
    }

    /// Ends the log; nothing can be added to it any more.
    pub(crate) async fn end_log(&mut self, end: &EndRecord) -> LogId {
        self.writer.end(end).await.unwrap();
        *self.writer.log()
    }

    /// Stores a compacted object; each partition's part of it is one run. What is missing between its
    /// batches was taken away by key.
    pub(crate) async fn add_compacted(&mut self, key: Key, batches: &[Batch]) {
        self.store_compacted(key, &made(batches)).await;
    }

    /// The same of batches that are made already.
    pub(crate) async fn store_compacted(&mut self, key: Key, batches: &[(i32, Bytes)]) {
        let batches = batches.iter().map(|(index, batch)| (partition(*index), batch.clone()));
        let object = self.object_of(&batches.collect::<Vec<_>>());
        let (payload, footer) = object.finish_compacted(&key, self.store.keyring()).unwrap();
        self.store.put_in_parts(&key, payload, 1 << 20).await.unwrap();
        for index in 0..2 {
            let blocks: Vec<Extent> = footer.blocks_of(partition(index), &key).collect();
            let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { continue };
            let run = Extent {
                location: Location::Run(key.clone()),
                byte_len: blocks.iter().map(|block| block.byte_len).sum(),
                last_offset: last.last_offset,
                max_timestamp: blocks.iter().map(|it| it.max_timestamp).max().expect("some"),
                ..first.clone()
            };
            self.extents.push((partition(index), run));
        }
    }

    fn object_of(&mut self, batches: &[(PartitionId, Bytes)]) -> ObjectBuilder {
        let mut object = ObjectBuilder::new();
        let mut ends = HashMap::new();
        for (partition, batch) in batches {
            let view = BatchView::whole(batch).unwrap();
            let end = ends.insert(*partition, view.last_offset() + 1);
            let from = end.unwrap_or_else(|| view.base_offset());
            object.add_covering(*partition, from, batch.clone()).unwrap();
            self.batches.push((*partition, batch.clone()));
        }
        object
    }

    /// A plan over everything that is stored of a partition.
    pub(crate) fn plan(&self, index: i32) -> Plan {
        self.plan_of(partition(index))
    }

    /// The same of any partition.
    pub(crate) fn plan_of(&self, partition: PartitionId) -> Plan {
        let own = self.extents.iter().filter(|(owner, _)| *owner == partition);
        let extents: Vec<Extent> = own.map(|(_, extent)| extent.clone()).collect();
        Plan {
            partition,
            start_offset: extents[0].base_offset,
            end_offset: extents[extents.len() - 1].last_offset + 1,
            extents,
            aborted: Vec::new(),
            high_watermark: 1000,
            last_stable_offset: 900,
            log_start_offset: 0,
            leader_epoch: 1,
            manifest_version: 1,
            made_at: Duration::ZERO,
            life: Duration::from_secs(60),
        }
    }

    /// All records of a partition, as stored.
    pub(crate) fn records(&self, index: i32) -> Vec<u8> {
        let own = self.batches.iter().filter(|(owner, _)| *owner == partition(index));
        own.flat_map(|(_, batch)| batch.to_vec()).collect()
    }

    pub(crate) fn key_of(&self, index: i32) -> Key {
        self.plan(index).extents[0].location.key()
    }

    /// A server with these settings.
    pub(crate) fn server(&self, change: impl FnOnce(&mut Config)) -> Server {
        let mut config = Config::new(1);
        config.memory = bytesize::ByteSize::mib(64);
        change(&mut config);
        Server::new(&config, SECRET, self.store.clone(), Drain::new())
    }
}

/// The counters of what a test's own thread does.
pub(crate) struct Counters {
    recorder: PrometheusRecorder,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self { recorder: PrometheusBuilder::new().build_recorder() }
    }

    /// Counts until the guard is dropped.
    pub(crate) fn install(&self) -> metrics::LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(&self.recorder)
    }

    /// A counter without labels.
    pub(crate) fn value(&self, name: &str) -> u64 {
        self.text(name).map_or(0, |value| value.parse().unwrap())
    }

    /// What a series shows; its name with its labels.
    pub(crate) fn text(&self, series: &str) -> Option<String> {
        let text = self.recorder.handle().render();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map(str::to_owned)
    }
}
