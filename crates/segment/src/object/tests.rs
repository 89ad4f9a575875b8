//! Segment objects: what goes in comes out, and nothing else is believed.

mod sealed;

use bytes::Bytes;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::{collection::vec, sample::Index};
use protocol::batch::BatchBuilder;
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
use uuid::Uuid;

use super::{
    AddError, BLOCK_BYTES_MAX, BLOCK_HEADER_LEN, Block, BlockEntry, BlockError, Footer,
    FooterError, ObjectBuilder, open_block, read_block_header, read_footer,
};
use crate::extent::{Extent, Location};
use crate::hex;
use crate::keys::{self, Family, Key};
use crate::log_id::LogId;
use crate::seal::Keyring;
use crate::seqlog::{OpenSlot, SeqLogWriter, SlotKind};
use crate::store::{Store, StoreErrorKind};

fn log() -> LogId {
    LogId { node: NodeId(1), generation: 1, incarnation: 1, nonce: 7 }
}

fn partition(index: i32) -> PartitionId {
    PartitionId { tenant: TenantId(1), topic: TopicId(Uuid::from_u128(9)), index }
}

fn batch(base_offset: i64, epoch: i32, records: usize, size: usize) -> Bytes {
    let value = vec![b'x'; size];
    let builder = BatchBuilder::new().at(base_offset, epoch).producer(5, 0, base_offset as i32);
    (0..records)
        .fold(builder, |builder, record| builder.record(1000 + record as i64, None, Some(&value)))
        .build()
}

/// One batch to store: partition, records, value size, whether the epoch grows before it.
type Entry = (i32, usize, usize, bool);

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    vec((0..4i32, 1..5usize, 0..300usize, any::<bool>()), 1..40)
}

/// The batches in the order they are added, each partition's offsets dense.
fn batches(entries: &[Entry]) -> Vec<(PartitionId, Bytes)> {
    let (mut next, mut epochs) = ([0i64; 4], [1i32; 4]);
    entries
        .iter()
        .map(|&(index, records, size, new_epoch)| {
            let slot = index as usize;
            epochs[slot] += i32::from(new_epoch);
            let bytes = batch(next[slot], epochs[slot], records, size);
            next[slot] += records as i64;
            (partition(index), bytes)
        })
        .collect()
}

fn build(batches: &[(PartitionId, Bytes)]) -> (Vec<Bytes>, Footer) {
    let mut builder = ObjectBuilder::new();
    for (partition, batch) in batches {
        builder.add(*partition, batch.clone()).unwrap();
    }
    let expected = builder.payload_len();
    let (payload, footer) = builder.finish_plain(100..200);
    assert_eq!(payload.iter().map(Bytes::len).sum::<usize>(), expected);
    (payload, footer)
}

/// The object that blocks are built for.
fn object_key() -> Key {
    keys::slot(Family::Data, &log(), 1)
}

fn verify_block(
    bytes: &Bytes,
    partition: PartitionId,
    extent: &Extent,
) -> Result<Block, BlockError> {
    open_block(bytes, partition, extent, &Keyring::default())
}

/// Where a reader would look for a block.
fn extent(entry: &BlockEntry) -> Extent {
    Extent::of(Location::Slot { log: log(), slot: 1 }, entry)
}

/// The object as stored: a slot header's worth of bytes in front.
fn stored(payload: &[Bytes]) -> Bytes {
    [vec![0; crate::seqlog::HEADER_LEN], payload.concat()].concat().into()
}

proptest! {
    #[test]
    fn every_batch_comes_back_from_its_block(entries in entries()) {
        let batches = batches(&entries);
        let (payload, footer) = build(&batches);
        let object = stored(&payload);
        prop_assert_eq!(&Footer::decode(&object, object.len() as u64).unwrap(), &footer);
        prop_assert_eq!((footer.lsn_start, footer.lsn_end), (100, 200));
        for index in 0..4 {
            let mut read = Vec::new();
            for entry in footer.entries.iter().filter(|entry| entry.header.partition == partition(index)) {
                let range = entry.range().start as usize..entry.range().end as usize;
                let block = verify_block(&object.slice(range), partition(index), &extent(entry)).unwrap();
                prop_assert_eq!(block.header, entry.header);
                read.extend_from_slice(&block.batches);
            }
            let own = batches.iter().filter(|(owner, _)| *owner == partition(index));
            prop_assert_eq!(read, own.map(|(_, batch)| batch.clone()).collect::<Vec<_>>().concat());
        }
        prop_assert!(footer.entries.is_sorted_by_key(|entry| (entry.header.partition, entry.header.base_offset)));
    }

    #[test]
    fn a_changed_block_is_refused(entries in entries(), block in any::<Index>(), byte in any::<Index>(), bit in 0..8u8) {
        let (payload, footer) = build(&batches(&entries));
        let mut object = stored(&payload).to_vec();
        let entry = block.get(&footer.entries);
        let range = entry.range().start as usize..entry.range().end as usize;
        object[range.start + byte.index(range.len())] ^= 1 << bit;
        let bytes = Bytes::from(object).slice(range);
        prop_assert!(verify_block(&bytes, entry.header.partition, &extent(entry)).is_err());
    }

    #[test]
    fn a_changed_footer_is_refused(entries in entries(), byte in any::<Index>(), bit in 0..8u8) {
        let (payload, _) = build(&batches(&entries));
        let mut tail = payload.last().unwrap().to_vec();
        let length = tail.len();
        tail[byte.index(length)] ^= 1 << bit;
        prop_assert!(Footer::decode(&tail, 1 << 30).is_err());
    }

    #[test]
    fn any_bytes_are_a_footer_or_refused(bytes in any::<Vec<u8>>()) {
        prop_assert!(Footer::decode(&bytes, bytes.len() as u64).is_err());
        prop_assert!(read_block_header(&bytes).is_err());
    }
}

/// Payload chunks are the very buffers that were added.
#[test]
fn building_copies_no_record() {
    let batches = batches(&[(0, 3, 100, false), (1, 3, 100, false), (0, 1, 50, false)]);
    let (payload, _) = build(&batches);
    for (_, batch) in &batches {
        assert!(payload.iter().any(|chunk| chunk.as_ptr() == batch.as_ptr()));
    }
}

/// A ranged GET of a few megabytes must hold whole blocks.
#[test]
fn blocks_are_cut_before_four_mebibytes() {
    let batches: Vec<_> = (0..7).map(|base| (partition(0), batch(base, 1, 1, 1 << 20))).collect();
    let (_, footer) = build(&batches);
    let counts: Vec<_> = footer.entries.iter().map(|entry| entry.batches.len()).collect();
    assert_eq!(counts, [3, 3, 1]);
    assert!(footer.entries.iter().all(|entry| entry.byte_len as usize <= BLOCK_BYTES_MAX));
    let large = batch(0, 1, 1, 5 << 20);
    let (_, footer) = build(&[(partition(0), large)]);
    assert_eq!(footer.entries.len(), 1, "a batch above the limit is a block by itself");
}

/// One epoch and no gap per block: its header says all about it.
#[test]
fn blocks_are_cut_at_epochs_and_gaps() {
    let with = |base, epoch| (partition(0), batch(base, epoch, 2, 10));
    let (_, footer) = build(&[with(0, 1), with(2, 1), with(4, 2), with(9, 2)]);
    let spans: Vec<_> = footer
        .entries
        .iter()
        .map(|entry| {
            (entry.header.base_offset, entry.header.last_offset, entry.header.leader_epoch)
        })
        .collect();
    assert_eq!(spans, [(0, 3, 1), (4, 5, 2), (9, 10, 2)]);
}

#[test]
fn batches_that_go_back_are_refused() {
    let mut builder = ObjectBuilder::new();
    builder.add(partition(0), batch(10, 1, 2, 10)).unwrap();
    let refused = builder.add(partition(0), batch(11, 1, 1, 10)).unwrap_err();
    assert_eq!(refused, AddError::Order { partition: partition(0), last: 11, base: 11 });
    assert!(matches!(
        builder.add(partition(1), Bytes::from_static(b"no batch")),
        Err(AddError::Batch(_))
    ));
    builder.add(partition(0), batch(12, 1, 1, 10)).unwrap();
}

/// The right bytes for the wrong question are an error too (R27).
#[test]
fn a_block_of_another_tenant_partition_offset_or_epoch_is_refused() {
    let (payload, footer) = build(&[(partition(3), batch(7, 1, 2, 10))]);
    let entry = &footer.entries[0];
    let block = stored(&payload).slice(entry.range().start as usize..entry.range().end as usize);
    let own = extent(entry);
    assert!(verify_block(&block, partition(3), &own).is_ok());
    let topic = TopicId(Uuid::from_u128(10));
    let others = [
        PartitionId { tenant: TenantId(2), ..partition(3) },
        PartitionId { topic, ..partition(3) },
        partition(4),
    ];
    for other in others {
        let refused = verify_block(&block, other, &own);
        assert_eq!(refused, Err(BlockError::Partition(partition(3))), "{other}");
    }
    let offsets = BlockError::Offsets { base: 7, last: 8 };
    let wrong = [
        (Extent { base_offset: 8, ..own.clone() }, offsets.clone()),
        (Extent { last_offset: 9, ..own.clone() }, offsets),
        (Extent { leader_epoch: 2, ..own.clone() }, BlockError::Epoch(1)),
    ];
    for (extent, error) in wrong {
        assert_eq!(verify_block(&block, partition(3), &extent), Err(error));
    }
    let want = block.len();
    let short = BlockError::Short { have: want - 1, want };
    assert_eq!(verify_block(&block.slice(..want - 1), partition(3), &own), Err(short));
    let long: Bytes = [&block[..], b"x"].concat().into();
    let error = BlockError::Long { have: want + 1, want };
    assert_eq!(verify_block(&long, partition(3), &own), Err(error));
}

/// A range that begins or ends anywhere else than a block does holds no block, whosever bytes it
/// is over.
#[test]
fn a_range_across_blocks_is_refused() {
    let (payload, footer) =
        build(&[(partition(0), batch(0, 1, 3, 40)), (partition(1), batch(0, 1, 3, 40))]);
    let object = stored(&payload);
    let (first, second) = (&footer.entries[0], &footer.entries[1]);
    let (start, end) = (first.range().start as usize, second.range().end as usize);
    for at in start..end {
        let range = at..(at + first.byte_len as usize).min(end);
        let read = verify_block(&object.slice(range), partition(0), &extent(first));
        assert_eq!(read.is_ok(), at == start, "range from byte {at}");
    }
}

/// Entries may not point outside of the object they came in.
#[test]
fn a_footer_of_a_longer_object_is_refused() {
    let (payload, footer) = build(&[(partition(0), batch(0, 1, 2, 100))]);
    let tail = payload.last().unwrap();
    let object = footer.entries[0].range().end + tail.len() as u64;
    assert_eq!(Footer::decode(tail, object), Ok(footer));
    assert_eq!(Footer::decode(tail, object - 1), Err(FooterError::Order(0)));
}

#[test]
fn the_persisted_block_header_stays_stable() {
    let (payload, _) = build(&[(partition(3), batch(7, 2, 1, 0))]);
    assert_eq!(payload[0].len(), BLOCK_HEADER_LEN);
    let hex = hex::encode(&payload[0]);
    let expected = concat!(
        "54434c4201000000",
        "00000001",
        "00000000000000000000000000000009",
        "00000003",
        "0000000000000007",
        "0000000000000007",
        "00000002",
        "00000000000003e8",
    );
    assert_eq!(&hex[..expected.len()], expected);
}

#[test]
fn the_persisted_footer_stays_stable() {
    let (payload, _) = build(&[(partition(3), batch(7, 2, 1, 0))]);
    let expected = concat!(
        "000000000000006400000000000000c8000000010000000100000000000000000000000000000009",
        "00000003000000000000000700000000000000070000000200000000000003e80000000000000048",
        "00000088000000010000000000000007000000000000000000000005000000000000000700000000",
        "000003e80000007c8cb18b100000000154434c46",
    );
    assert_eq!(hex::encode(&payload[2]), expected);
}

/// Written as a slot, the footer's places are right in the stored object.
#[tokio::test]
async fn a_stored_segment_is_read_by_its_footer() {
    let store = Store::memory("test");
    let open = OpenSlot::default();
    let mut writer = SeqLogWriter::create(store.clone(), Family::Data, log(), &open).await.unwrap();
    let batches: Vec<_> =
        (0..5000).map(|base| (partition(base % 4), batch(i64::from(base / 4), 1, 1, 20))).collect();
    let (payload, footer) = build(&batches);
    let slot = writer.append(SlotKind::Data, payload).await.unwrap();
    let key = keys::slot(Family::Data, &log(), slot);
    let read = read_footer(&store, &key).await.unwrap();
    assert_eq!(read, footer, "a footer above the first guess takes a second GET");
    for (partition, extent) in footer.extents(log(), slot) {
        assert_eq!(extent.location, Location::Slot { log: log(), slot });
        let bytes = store.get_range(&extent.location.key(), extent.range()).await.unwrap();
        assert!(verify_block(&bytes, partition, &extent).is_ok());
    }
    let open = keys::slot(Family::Data, &log(), 0);
    assert_eq!(read_footer(&store, &open).await.unwrap_err().kind, StoreErrorKind::Damaged);
}
