//! Index: a cache that says the same as the footers, or is not used.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq, proptest};
use protocol::batch::BatchBuilder;
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
use uuid::Uuid;

use super::{
    IndexError, IndexSnapshot, PRODUCER_BATCHES_MAX, PartitionIndex, ProducerState, load, rebuild,
    wire, write,
};
use crate::hex;
use crate::keys::{Family, Key};
use crate::log_id::LogId;
use crate::object::{Footer, ObjectBuilder};
use crate::seqlog::{EndReason, EndRecord, OpenSlot, SeqLogWriter, SlotKind};
use crate::store::Store;
use crate::token::WriterToken;

fn log() -> LogId {
    LogId { node: NodeId(1), generation: 1, incarnation: 1, nonce: 7 }
}

fn partition(index: i32) -> PartitionId {
    PartitionId { tenant: TenantId(1), topic: TopicId(Uuid::from_u128(9)), index }
}

/// One batch: partition, base offset, records, producer.
type Batch = (i32, i64, i32, (i64, i16, i32));

fn segment(batches: &[Batch]) -> (Vec<Bytes>, Footer) {
    let mut object = ObjectBuilder::new();
    for &(index, base, records, (producer, epoch, sequence)) in batches {
        let batch = BatchBuilder::new().at(base, 3).producer(producer, epoch, sequence);
        let add = |batch: BatchBuilder, record| batch.record(record, None, Some(b"value"));
        let batch = (0..i64::from(records)).fold(batch, add).build();
        object.add(partition(index), batch).unwrap();
    }
    object.finish_plain(0..1)
}

fn index_of(segments: &[&[Batch]]) -> IndexSnapshot {
    let mut index = IndexSnapshot::empty(log());
    for (slot, batches) in (1..).zip(segments) {
        index.add_segment(slot, &segment(batches).1);
    }
    index
}

fn sequences(index: &PartitionIndex, producer: i64) -> Vec<(i32, i32)> {
    let state = index.producers.iter().find(|state| state.producer_id == producer).unwrap();
    state.batches.iter().map(|batch| (batch.base_sequence, batch.last_sequence)).collect()
}

#[test]
fn segments_fold_into_offsets_extents_and_producers() {
    let index = index_of(&[
        &[(0, 10, 2, (5, 0, 0)), (0, 12, 3, (5, 0, 2)), (1, 0, 1, (6, 1, 0))],
        &[(0, 15, 1, (5, 0, 5))],
    ]);
    let zero = &index.partitions[&partition(0)];
    assert_eq!((zero.start_offset, zero.end_offset, zero.leader_epoch), (10, 16, 3));
    let spans: Vec<_> =
        zero.extents.iter().map(|extent| (extent.base_offset, extent.last_offset)).collect();
    assert_eq!(spans, [(10, 14), (15, 15)]);
    assert_eq!(sequences(zero, 5), [(0, 1), (2, 4), (5, 5)]);
    assert_eq!(sequences(&index.partitions[&partition(1)], 6), [(0, 0)]);
    assert!(!zero.producers_complete);
}

#[test]
fn five_batches_of_the_latest_epoch_are_kept() {
    let batches: Vec<Batch> = (0..9).map(|n| (0, n.into(), 1, (5, 0, n))).collect();
    let index = index_of(&[&batches]);
    let zero = &index.partitions[&partition(0)];
    assert_eq!(sequences(zero, 5), [(4, 4), (5, 5), (6, 6), (7, 7), (8, 8)]);
    let index = index_of(&[&[(0, 0, 1, (5, 0, 0)), (0, 1, 1, (5, 1, 0))]]);
    let zero = &index.partitions[&partition(0)];
    assert_eq!((zero.producers[0].producer_epoch, sequences(zero, 5)), (1, vec![(0, 0)]));
}

/// Two drainers may upload the same records twice; each record counts once (R24).
#[test]
fn records_that_are_there_already_count_once() {
    let twice = index_of(&[
        &[(0, 0, 2, (5, 0, 0)), (0, 2, 2, (5, 0, 2))],
        &[(0, 0, 2, (5, 0, 0)), (0, 2, 2, (5, 0, 2))],
        &[(0, 2, 2, (5, 0, 2)), (0, 4, 2, (5, 0, 4))],
    ]);
    let zero = &twice.partitions[&partition(0)];
    assert_eq!((zero.start_offset, zero.end_offset), (0, 6));
    assert_eq!(sequences(zero, 5), [(0, 1), (2, 3), (4, 5)]);
    // An offset is found in the first extent that ends behind it.
    let found = |offset| zero.extents.iter().find(|extent| offset <= extent.last_offset);
    assert!((0..6).all(|offset| found(offset).is_some_and(|extent| extent.base_offset <= offset)));
}

#[test]
fn producers_of_earlier_logs_are_inherited() {
    let earlier = index_of(&[&[
        (0, 0, 1, (5, 0, 0)),
        (0, 1, 1, (5, 0, 1)),
        (0, 2, 1, (5, 0, 2)),
        (0, 3, 1, (5, 0, 3)),
        (0, 4, 1, (6, 0, 0)),
        (0, 5, 1, (7, 0, 9)),
    ]]);
    let mut later =
        index_of(&[&[(0, 6, 1, (5, 0, 4)), (0, 7, 1, (5, 0, 5)), (0, 8, 1, (7, 1, 0))]]).partitions
            [&partition(0)]
            .clone();
    later.inherit_producers(&earlier.partitions[&partition(0)]);
    assert_eq!(sequences(&later, 5), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
    assert_eq!(sequences(&later, 6), [(0, 0)]);
    assert_eq!(sequences(&later, 7), [(0, 0)], "an older epoch's sequences mean nothing");
    assert!(later.producers.is_sorted_by_key(|state: &ProducerState| state.producer_id));
    assert!(later.producers.iter().all(|state| state.batches.len() <= PRODUCER_BATCHES_MAX));
}

proptest! {
    #[test]
    fn snapshots_round_trip(
        batches in vec((0..3i32, 1..4i32, (0..3i64, 0..3i16, 0..1000i32)), 0..30),
        producers_complete: bool,
    ) {
        let mut next = [0i64; 3];
        let batches: Vec<Batch> = batches
            .into_iter()
            .map(|(index, records, producer)| {
                let base = next[index as usize];
                next[index as usize] += i64::from(records);
                (index, base, records, producer)
            })
            .collect();
        let mut index = index_of(&[&batches]);
        for part in index.partitions.values_mut() {
            part.producers_complete = producers_complete;
        }
        prop_assert_eq!(wire::decode(&wire::encode(&index, WriterToken::random())), Ok(index));
    }

    #[test]
    fn any_bytes_are_a_snapshot_or_refused(bytes in any::<Vec<u8>>()) {
        assert!(wire::decode(&bytes).is_err());
    }
}

/// A snapshot written by this version is read by all later ones.
#[test]
fn the_persisted_snapshot_stays_readable() {
    let index = index_of(&[&[(0, 10, 2, (5, 0, 0))]]);
    let stored = concat!(
        "54434c580100000007070707070707070707070707070707000000536508761e0a16312d312d312d",
        "30303030303030303030303030303037123908011210000000000000000000000000000000092003",
        "280a300c3a0f08011048189901200a280b30033802420c08051a081001180a200b2802",
    );
    assert_eq!(wire::decode(&hex::decode(stored)), Ok(index));
}

/// A log with two segments; END names `index` if one is given.
async fn ended_log(store: &Store, index: Option<&IndexSnapshot>) {
    let open = OpenSlot::default();
    let mut writer = SeqLogWriter::create(store.clone(), Family::Data, log(), &open).await.unwrap();
    let first = segment(&[(0, 0, 2, (5, 0, 0)), (1, 4, 1, (6, 0, 7))]).0;
    writer.append(SlotKind::Data, first).await.unwrap();
    writer.append(SlotKind::Front, vec![Bytes::from_static(b"moved")]).await.unwrap();
    writer.append(SlotKind::Data, segment(&[(0, 2, 2, (5, 0, 2))]).0).await.unwrap();
    let reference = match index {
        Some(index) => Some(write(store, index).await.unwrap()),
        None => None,
    };
    let reason = EndReason::Shutdown.into();
    writer.end(&EndRecord { reason, lsn: 1, index: reference }).await.unwrap();
}

#[tokio::test]
async fn an_ended_log_without_a_snapshot_is_rebuilt() {
    let store = Store::memory("test");
    ended_log(&store, None).await;
    let index = load(&store, log()).await.unwrap();
    assert_eq!(index.partitions[&partition(0)].end_offset, 4);
    assert_eq!(index.partitions[&partition(1)].start_offset, 4);
    assert_eq!(sequences(&index.partitions[&partition(0)], 5), [(0, 1), (2, 3)]);
    let extents = &index.partitions[&partition(0)].extents;
    assert!(extents.iter().all(|extent| extent.location.key().as_str().starts_with("l/")));
}

#[tokio::test]
async fn the_snapshot_that_end_names_is_preferred() {
    let store = Store::memory("test");
    let snapshot = IndexSnapshot::empty(log());
    ended_log(&store, Some(&snapshot)).await;
    assert_eq!(load(&store, log()).await.unwrap(), snapshot);
}

/// Missing, damaged, of another log, or simply another one: footers decide.
#[tokio::test]
async fn an_unusable_snapshot_is_rebuilt_from_footers() {
    let stranger = LogId { nonce: 8, ..log() };
    let empty = IndexSnapshot::empty(log());
    let store = Store::memory("test");
    ended_log(&store, Some(&IndexSnapshot::empty(stranger))).await;
    assert_eq!(load(&store, log()).await.unwrap().partitions.len(), 2);

    let other = wire::encode(&empty, WriterToken::random());
    for damage in [None, Some(Bytes::from_static(b"garbage")), Some(other)] {
        let store = Store::memory("test");
        ended_log(&store, Some(&empty)).await;
        let listed = store.list("x").await.unwrap();
        let key: &Key = &listed[0].key;
        store.delete(key).await.unwrap();
        if let Some(object) = damage {
            store.put_unconditional(key, vec![object]).await.unwrap();
        }
        assert_eq!(load(&store, log()).await.unwrap().partitions.len(), 2);
    }
}

/// Nothing is claimed from a log that may still grow (R3).
#[tokio::test]
async fn a_log_without_end_has_no_index() {
    let store = Store::memory("test");
    let open = OpenSlot::default();
    let mut writer = SeqLogWriter::create(store.clone(), Family::Data, log(), &open).await.unwrap();
    writer.append(SlotKind::Data, segment(&[(0, 0, 2, (5, 0, 0))]).0).await.unwrap();
    let refused = load(&store, log()).await.unwrap_err();
    assert!(matches!(refused, IndexError::NotEnded { log: named } if named == log()));
    assert_eq!(rebuild(&store, log()).await.unwrap().partitions[&partition(0)].end_offset, 2);
}
