//! Buckets to scrub: written as nodes write them, then damaged by hand.

use bytes::Bytes;
use protocol::batch::BatchBuilder;
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
use uuid::Uuid;

use crate::index::{self, IndexSnapshot};
use crate::keys::{self, Family, Key};
use crate::log_id::LogId;
use crate::manifest::{CompactedObject, Manifest, ManifestStore, ManifestVersion, inspect};
use crate::object::{BLOCK_HEADER_LEN, Footer, ObjectBuilder};
use crate::seqlog::{EndReason, EndRecord, HEADER_LEN, OpenSlot, SeqLogWriter, SlotKind};
use crate::store::Store;
use crate::token::WriterToken;

/// First owner of everything; ended.
pub(super) const A: LogId = log(1);
/// Second owner of partitions 0 and 1; live.
pub(super) const B: LogId = log(2);

pub(super) const fn log(node: i32) -> LogId {
    LogId { node: NodeId(node), generation: 1, incarnation: 1, nonce: 7 }
}

pub(super) fn partition(index: i32) -> PartitionId {
    PartitionId { tenant: TenantId(1), topic: TopicId(Uuid::from_u128(9)), index }
}

/// Records of a partition: index, first offset, how many, epoch.
pub(super) type Records = (i32, i64, i64, i32);

/// One batch with these records.
pub(super) fn batch((_, base, count, epoch): Records) -> Bytes {
    let batch = BatchBuilder::new().at(base, epoch).producer(5, 0, base as i32);
    let add = |batch: BatchBuilder, record| batch.record(record, None, Some(b"value"));
    (0..count).fold(batch, add).build()
}

pub(super) fn segment(records: &[Records], lsn: std::ops::Range<u64>) -> (Vec<Bytes>, Footer) {
    object(records).finish_plain(lsn)
}

fn object(records: &[Records]) -> ObjectBuilder {
    let mut object = ObjectBuilder::new();
    for &records in records {
        object.add(partition(records.0), batch(records)).unwrap();
    }
    object
}

/// A data log as its node writes it: every segment covers 100 LSNs.
pub(super) struct Log {
    pub(super) store: Store,
    pub(super) writer: SeqLogWriter,
    pub(super) index: IndexSnapshot,
    pub(super) lsn: u64,
}

impl Log {
    pub(super) async fn open(store: &Store, log: LogId) -> Self {
        let open = OpenSlot::default();
        let writer = SeqLogWriter::create(store.clone(), Family::Data, log, &open).await.unwrap();
        Self { store: store.clone(), writer, index: IndexSnapshot::empty(log), lsn: 0 }
    }

    pub(super) async fn append(&mut self, records: &[Records]) -> u64 {
        let lsn = self.lsn..self.lsn + 100;
        self.lsn = lsn.end;
        self.append_as(records, lsn).await
    }

    pub(super) async fn append_as(
        &mut self,
        records: &[Records],
        lsn: std::ops::Range<u64>,
    ) -> u64 {
        let key = slot(*self.writer.log(), self.writer.next_slot());
        let (payload, footer) = object(records).finish(lsn, &key, self.store.keyring()).unwrap();
        let slot = self.writer.append(SlotKind::Data, payload).await.unwrap();
        self.index.add_segment(slot, &footer);
        slot
    }

    pub(super) async fn end(&mut self) -> u64 {
        let index = Some(index::write(&self.store, &self.index).await.unwrap());
        let end = EndRecord { reason: EndReason::Shutdown.into(), lsn: self.lsn, index };
        self.writer.end(&end).await.unwrap()
    }
}

/// Key of a slot of a data log.
pub(super) fn slot(log: LogId, number: u64) -> Key {
    keys::slot(Family::Data, &log, number)
}

/// Commits the next version of a manifest.
pub(super) async fn commit(
    store: &Store,
    manifest: &Manifest,
    version: Option<&ManifestVersion>,
) -> (Manifest, ManifestVersion) {
    ManifestStore::new(store.clone()).commit(manifest, version).await.unwrap()
}

/// A partition that `A` had from offset 0 in epoch 1, and that `B` claims in epoch 2.
pub(super) async fn claim(store: &Store, index: i32, end_offset: i64) {
    let first = Manifest::create(partition(index), 1, A, 1);
    let (first, version) = commit(store, &first, None).await;
    commit(store, &first.claimed(2, B, 1, end_offset).unwrap(), Some(&version)).await;
}

/// The same after a CLOSE in slot `close`.
pub(super) async fn claim_after_close(store: &Store, index: i32, end_offset: i64, close: u64) {
    let first = Manifest::create(partition(index), 1, A, 1);
    let (first, version) = commit(store, &first, None).await;
    let next = first.claimed_after_close(2, B, 1, end_offset, close).unwrap();
    commit(store, &next, Some(&version)).await;
}

/// Partition 3: offsets 0..10 are compacted, by key as well: 4 and 5 are gone. `B` has the rest.
pub(super) async fn compacted(store: &Store) -> Key {
    let mut object = ObjectBuilder::new();
    object.add(partition(3), batch((3, 0, 4, 1))).unwrap();
    object.add_covering(partition(3), 4, batch((3, 6, 4, 1))).unwrap();
    let (payload, footer) = object.finish_plain(0..0);
    let object: Vec<Bytes> =
        std::iter::once(Bytes::from_static(&[0; HEADER_LEN])).chain(payload).collect();
    let size = footer.entries.iter().map(|entry| u64::from(entry.byte_len)).sum();
    let key = keys::compacted(&partition(3), 0, Uuid::from_u128(1));
    store.put_unconditional(&key, object).await.unwrap();
    let mut manifest = Manifest::create(partition(3), 2, B, 1);
    manifest.chain[0].start_offset = 10;
    manifest.epoch_history = vec![(1, 0), (2, 10)];
    manifest.compacted_upto = 10;
    let key_again = key.clone();
    let object =
        CompactedObject { key: key_again, base_offset: 0, last_offset: 9, size, max_timestamp: 3 };
    manifest.objects.push(object);
    commit(store, &manifest, None).await;
    key
}

/// A bucket in use.
///
/// ```text
/// partition   log A, epoch 1, ended           log B, epoch 2, live
///         0   0..5 │ 5..10, 10..15 │ 15..20   20..25 │ 25..30
///         1   0..3 │               │ 3..6            │ 6..8
///         2   0..1 │ 1..2          │ 2..3     (A is still its owner)
///         3   (compacted, 0..10)              10..11
/// slot        1      2               3        1        2
/// ```
pub(super) async fn standard(store: &Store) {
    let mut a = Log::open(store, A).await;
    a.append(&[(0, 0, 5, 1), (1, 0, 3, 1), (2, 0, 1, 1)]).await;
    a.append(&[(0, 5, 5, 1), (0, 10, 5, 1), (2, 1, 1, 1)]).await;
    a.append(&[(0, 15, 5, 1), (1, 3, 3, 1), (2, 2, 1, 1)]).await;
    a.end().await;
    let mut b = Log::open(store, B).await;
    claim(store, 0, 20).await;
    claim(store, 1, 6).await;
    commit(store, &Manifest::create(partition(2), 1, A, 1), None).await;
    compacted(store).await;
    b.append(&[(0, 20, 5, 2), (3, 10, 1, 2)]).await;
    b.append(&[(0, 25, 5, 2), (1, 6, 2, 2)]).await;
    for (family, log) in [(Family::Wal, A), (Family::Meta, log(0))] {
        let open = OpenSlot::default();
        let mut other = SeqLogWriter::create(store.clone(), family, log, &open).await.unwrap();
        for text in ["one", "two"] {
            other.append(SlotKind::Data, vec![text.into()]).await.unwrap();
        }
    }
}

/// A store in memory with the standard bucket.
pub(super) async fn bucket() -> Store {
    let store = Store::memory("test");
    standard(&store).await;
    store
}

/// Overwrites an object behind everybody's back.
pub(super) async fn edit(store: &Store, key: &Key, change: impl FnOnce(&mut Vec<u8>)) {
    let mut object = store.get(key).await.unwrap().to_vec();
    change(&mut object);
    store.put_unconditional(key, vec![object.into()]).await.unwrap();
}

pub(super) async fn edit_manifest(store: &Store, index: i32, change: impl FnOnce(&mut Manifest)) {
    edit(store, &keys::manifest(&partition(index)), |object| {
        let mut manifest = inspect::decode_unchecked(object).unwrap();
        change(&mut manifest);
        *object = inspect::encode_unchecked(&manifest).to_vec();
    })
    .await;
}

/// Changes the footer of a segment, and its CRC with it.
pub(super) fn edit_footer(object: &mut [u8], change: impl FnOnce(&mut [u8])) {
    let trailer = object.len() - 16;
    let length = u32::from_be_bytes(object[trailer..trailer + 4].try_into().unwrap()) as usize;
    let footer = &mut object[trailer - length..trailer];
    change(footer);
    let crc = crc32c::crc32c(footer);
    object[trailer + 4..trailer + 8].copy_from_slice(&crc.to_be_bytes());
}

/// Changes the first block of a segment, and its CRC with it.
pub(super) fn edit_first_block(object: &mut [u8], change: impl FnOnce(&mut [u8])) {
    let block = &mut object[HEADER_LEN..];
    let length = u32::from_be_bytes(block[60..64].try_into().unwrap()) as usize;
    let block = &mut block[..BLOCK_HEADER_LEN + length];
    change(block);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&block[..64]), &block[BLOCK_HEADER_LEN..]);
    block[64..68].copy_from_slice(&crc.to_be_bytes());
}

/// Writes a slot out of turn.
pub(super) async fn put_slot(
    store: &Store,
    log: LogId,
    number: u64,
    kind: SlotKind,
    payload: Vec<Bytes>,
) {
    let mut writer = SeqLogWriter::at(store.clone(), Family::Data, log, number);
    writer.append(kind, payload).await.unwrap();
}

/// Stores an index and an END that names it, in place of the END at `number`.
pub(super) async fn replace_index(
    store: &Store,
    log: LogId,
    number: u64,
    change: impl FnOnce(&mut IndexSnapshot),
) -> Key {
    let mut index = index::rebuild(store, log).await.unwrap();
    change(&mut index);
    let old = index_key(store, log).await;
    let reference = index::write(store, &index).await.unwrap();
    let key = Key::from_text(&reference.key);
    store.delete(&old).await.unwrap();
    store.delete(&slot(log, number)).await.unwrap();
    let end = EndRecord { reason: 1, lsn: 300, index: Some(reference) };
    SeqLogWriter::at(store.clone(), Family::Data, log, number).end(&end).await.unwrap();
    key
}

/// The only index of a log.
pub(super) async fn index_key(store: &Store, log: LogId) -> Key {
    let name = keys::index(&log, Uuid::nil());
    let (directory, _) = name.as_str().rsplit_once('/').unwrap();
    let mut listed = store.list(directory).await.unwrap();
    assert_eq!(listed.len(), 1);
    listed.remove(0).key
}

/// An object without a user.
pub(super) async fn put_orphan(store: &Store, key: &Key) {
    let WriterToken(bytes) = WriterToken::random();
    store.put_unconditional(key, vec![bytes.to_vec().into()]).await.unwrap();
}
