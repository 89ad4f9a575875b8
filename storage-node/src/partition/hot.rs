//! The hot end of one partition: durable batches still in memory, oldest first.
//!
//! ```text
//! log start          hot floor                        high watermark   next offset
//!     |--- object store ---|--- batch | batch | batch ---|--- in flight ---|
//!                          ^ here the node serves itself; below, a cold reader does
//! ```
//!
//! A batch is a slice of the block it was written in (ADR 0007), unless it is small. It leaves at the
//! front only, and only after its upload, so the hot part never has a hole.

use std::collections::VecDeque;

use bytes::Bytes;

/// One batch in memory.
#[derive(Debug, Clone)]
pub(crate) struct HotBatch {
    /// Offset of its first record.
    pub(crate) base_offset: i64,
    /// Offset of its last record.
    pub(crate) last_offset: i64,
    /// Largest timestamp its header claims.
    pub(crate) max_timestamp: i64,
    /// The batch as it was written.
    pub(crate) bytes: Bytes,
}

/// Batches without a gap from the hot floor to the high watermark.
#[derive(Debug)]
pub(crate) struct HotBatches {
    batches: VecDeque<HotBatch>,
    end: i64,
}

/// How much a read may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadLimit {
    /// Most bytes wanted.
    pub(crate) bytes: usize,
    /// What the first batch may have at most; above `bytes` so that a consumer gets past a batch
    /// larger than its limit (KIP-74).
    pub(crate) first_batch_bytes: usize,
}

impl HotBatches {
    /// Empty, for a log that ends at `end`.
    pub(crate) fn new(end: i64) -> Self {
        Self { batches: VecDeque::new(), end }
    }

    /// The first offset in memory; the end of the log if nothing is.
    pub(crate) fn floor(&self) -> i64 {
        self.batches.front().map_or(self.end, |batch| batch.base_offset)
    }

    /// Bytes of the batches from the one that starts at `offset` on.
    pub(crate) fn bytes_from(&self, offset: i64) -> u64 {
        let newest = self.batches.iter().rev();
        let from = newest.take_while(|batch| batch.base_offset >= offset);
        from.map(|batch| batch.bytes.len() as u64).sum()
    }

    /// Adds the batch that continues the log.
    pub(crate) fn push(&mut self, batch: HotBatch) {
        assert_eq!(batch.base_offset, self.end, "batches become durable in offset order (R15)");
        self.end = batch.last_offset + 1;
        self.batches.push_back(batch);
    }

    /// Whole batches from the one that holds `from` on, which is at or above the floor, up to those
    /// that begin at `upto`; and whether the limit held some back.
    pub(crate) fn read(&self, from: i64, upto: i64, limit: ReadLimit) -> (Vec<HotBatch>, bool) {
        let first = self.batches.partition_point(|batch| batch.last_offset < from);
        let mut read = Vec::new();
        let mut taken = 0;
        for batch in self.batches.range(first..).take_while(|batch| batch.base_offset < upto) {
            let length = batch.bytes.len();
            let first_batch_fits = read.is_empty() && length <= limit.first_batch_bytes;
            if taken + length > limit.bytes && !first_batch_fits {
                return (read, true);
            }
            taken += length;
            read.push(batch.clone());
        }
        (read, false)
    }

    /// The batches that make up exactly `first..=last`, for an upload.
    pub(crate) fn range(&self, first: i64, last: i64) -> impl Iterator<Item = &HotBatch> {
        let from = self.batches.partition_point(|batch| batch.last_offset < first);
        let upto = self.batches.partition_point(|batch| batch.base_offset <= last);
        self.batches.range(from..upto.max(from))
    }

    /// All batches from the one that holds `from` on.
    pub(crate) fn from(&self, from: i64) -> impl Iterator<Item = &HotBatch> {
        let first = self.batches.partition_point(|batch| batch.last_offset < from);
        self.batches.range(first..)
    }

    /// Takes out the oldest batch if it starts at `base_offset` or before: the floor rises.
    pub(crate) fn evict_upto(&mut self, base_offset: i64) -> Option<HotBatch> {
        self.batches.pop_front_if(|batch| batch.base_offset <= base_offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: i64 = i64::MAX;

    fn hot(sizes: &[usize]) -> HotBatches {
        let mut hot = HotBatches::new(100);
        for (index, size) in sizes.iter().enumerate() {
            let base_offset = 100 + index as i64 * 10;
            hot.push(HotBatch {
                base_offset,
                last_offset: base_offset + 9,
                max_timestamp: 0,
                bytes: Bytes::from(vec![index as u8; *size]),
            });
        }
        hot
    }

    fn sizes(read: &[HotBatch]) -> Vec<usize> {
        read.iter().map(|batch| batch.bytes.len()).collect()
    }

    #[test]
    fn a_read_in_the_middle_of_a_batch_returns_it_whole() {
        let limit = ReadLimit { bytes: 100, first_batch_bytes: 100 };
        let (read, limited) = hot(&[10, 20, 30]).read(115, END, limit);
        assert_eq!((sizes(&read), limited), (vec![20, 30], false));
    }

    #[test]
    fn a_read_ends_before_what_is_not_decided() {
        let limit = ReadLimit { bytes: 100, first_batch_bytes: 100 };
        let (read, limited) = hot(&[10, 20, 30]).read(100, 120, limit);
        assert_eq!((sizes(&read), limited), (vec![10, 20], false));
        assert_eq!(sizes(&hot(&[10, 20]).read(110, 110, limit).0), [0; 0]);
    }

    #[test]
    fn a_read_takes_whole_batches_up_to_its_limit() {
        let limit = ReadLimit { bytes: 35, first_batch_bytes: 35 };
        let (read, limited) = hot(&[10, 20, 30]).read(100, END, limit);
        assert_eq!((sizes(&read), limited), (vec![10, 20], true));
    }

    #[test]
    fn the_first_batch_may_exceed_the_limit_but_then_comes_alone() {
        let limit = ReadLimit { bytes: 5, first_batch_bytes: 1_000 };
        assert_eq!(sizes(&hot(&[10, 2]).read(100, END, limit).0), [10]);
        let strict = ReadLimit { bytes: 5, first_batch_bytes: 5 };
        let (read, limited) = hot(&[10, 2]).read(100, END, strict);
        assert_eq!((sizes(&read), limited), (vec![], true));
    }

    #[test]
    fn the_floor_rises_with_eviction_and_ends_at_the_end() {
        let mut hot = hot(&[1, 1]);
        assert_eq!(hot.floor(), 100);
        assert!(hot.evict_upto(99).is_none());
        assert!(hot.evict_upto(110).is_some());
        assert_eq!(hot.floor(), 110);
        assert!(hot.evict_upto(110).is_some());
        assert_eq!(hot.floor(), 120);
        assert!(hot.evict_upto(110).is_none());
    }

    #[test]
    fn an_upload_gets_exactly_its_range() {
        let hot = hot(&[1, 2, 3, 4]);
        let sizes: Vec<_> = hot.range(110, 129).map(|batch| batch.bytes.len()).collect();
        assert_eq!(sizes, [2, 3]);
        assert_eq!(hot.range(140, 139).count(), 0);
    }

    #[test]
    #[should_panic(expected = "offset order")]
    fn a_gap_is_refused() {
        let mut hot = hot(&[1]);
        let bytes = Bytes::from_static(b"x");
        hot.push(HotBatch { base_offset: 111, last_offset: 111, max_timestamp: 0, bytes });
    }
}
