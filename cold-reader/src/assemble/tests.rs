//! Assembling against a model: walk all batches, take what is wanted.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::{prop_assert_eq, proptest};
use protocol::batch::BatchView;
use segment::object::{Block, BlockHeader};

use super::{Records, Wanted, assemble};
use crate::fixture::{batch, partition};

/// Blocks of batches of (records, value bytes), offsets dense from 100.
fn blocks(shapes: &[Vec<(usize, usize)>]) -> (Vec<Block>, Vec<Bytes>) {
    let mut next = 100;
    let mut all = Vec::new();
    let blocks = shapes.iter().map(|shapes| {
        let base_offset = next;
        let batches: Vec<Bytes> = shapes
            .iter()
            .map(|&(records, size)| {
                let bytes = batch(next, records, size);
                next += records as i64;
                bytes
            })
            .collect();
        all.extend(batches.iter().cloned());
        let header = BlockHeader {
            partition: partition(0),
            base_offset,
            last_offset: next - 1,
            leader_epoch: 1,
            max_timestamp: 5,
        };
        Block { header, batches: batches.concat().into() }
    });
    (blocks.collect(), all)
}

fn model(batches: &[Bytes], wanted: Wanted) -> (Vec<u8>, i64) {
    let (mut bytes, mut next) = (Vec::new(), wanted.offset);
    for batch in batches {
        let view = BatchView::whole(batch).unwrap();
        if view.last_offset() < wanted.offset {
            continue;
        }
        let fits = bytes.is_empty() || bytes.len() + batch.len() <= wanted.max_bytes;
        if !fits || view.base_offset() >= wanted.end_offset {
            break;
        }
        bytes.extend_from_slice(batch);
        next = view.last_offset() + 1;
    }
    (bytes, next)
}

proptest! {
    #[test]
    fn an_answer_is_what_a_walk_over_all_batches_gives(
        shapes in vec(vec((1..5usize, 0..200usize), 1..5), 1..6),
        offset in 100..180i64, end_offset in 100..180i64, max_bytes in 0..2000usize,
    ) {
        let (blocks, batches) = blocks(&shapes);
        let wanted = Wanted { offset, end_offset, max_bytes };
        let records = assemble(&blocks, wanted).unwrap();
        prop_assert_eq!((records.slices.concat(), records.next_offset), model(&batches, wanted));
        prop_assert_eq!(records.slices.concat().len(), records.bytes);
    }

    /// Two drainers may have stored the same batches twice (R24); they are answered once.
    #[test]
    fn blocks_that_overlap_give_each_batch_once(
        shapes in vec(vec((1..5usize, 0..50usize), 1..5), 1..6), offset in 100..120i64,
    ) {
        let (once, batches) = blocks(&shapes);
        let twice: Vec<Block> = once.iter().flat_map(|block| [block.clone(), block.clone()]).collect();
        let wanted = Wanted { offset, end_offset: i64::MAX, max_bytes: usize::MAX };
        let records = assemble(&twice, wanted).unwrap();
        prop_assert_eq!((records.slices.concat(), records.next_offset), model(&batches, wanted));
    }
}

#[test]
fn records_are_slices_of_their_blocks() {
    let (blocks, _) = blocks(&[vec![(1, 10), (1, 10)], vec![(1, 10)]]);
    let wanted = Wanted { offset: 101, end_offset: i64::MAX, max_bytes: usize::MAX };
    let records = assemble(&blocks, wanted).unwrap();
    let inside =
        |slice: &Bytes, block: &Block| block.batches.as_ptr_range().contains(&slice.as_ptr());
    assert!(records.slices.iter().zip(&blocks).all(|(slice, block)| inside(slice, block)));
}

#[test]
fn a_block_that_holds_no_batches_is_an_error() {
    let (mut blocks, _) = blocks(&[vec![(1, 10)]]);
    blocks[0].batches = Bytes::from_static(&[0; 100]);
    let wanted = Wanted { offset: 100, end_offset: i64::MAX, max_bytes: 0 };
    assert!(assemble(&blocks, wanted).is_err());
    assert_eq!(assemble(&[], wanted), Ok(Records { next_offset: 100, ..Records::default() }));
}
