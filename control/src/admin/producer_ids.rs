//! Producer ids: the cluster's generation, then a counter that is reserved in the log before
//! anybody gets a part of it (R43).
//!
//! ```text
//! bit 63     62            47 46                                   0
//!      0    │ generation     │ counter                              │
//! ```
//!
//! A reused id would make a partition's owner swallow new records as duplicates (T2), so what a
//! leader reserved and did not hand out is thrown away with it.

use hop::internal::AllocateProducerIdsResponse;
use protocol::ErrorCode;

use crate::limits::{
    PRODUCER_ID_COUNTER_BITS, PRODUCER_IDS_PER_BLOCK, PRODUCER_IDS_PER_RESERVATION,
};

/// What is left of this term's reservation: counters, without generation.
#[derive(Debug, Default)]
pub(crate) struct Reservation {
    next: i64,
    end: i64,
}

impl Reservation {
    /// The next block, as the answer carries it. `None` when the reservation is used up.
    pub(crate) fn take(&mut self, generation: u16) -> Option<AllocateProducerIdsResponse> {
        if self.end - self.next < PRODUCER_IDS_PER_BLOCK {
            return None;
        }
        let first = (i64::from(generation) << PRODUCER_ID_COUNTER_BITS) | self.next;
        self.next += if process::mutation::on("R43") { 0 } else { PRODUCER_IDS_PER_BLOCK };
        let count = i32::try_from(PRODUCER_IDS_PER_BLOCK).expect("a block is small");
        Some(AllocateProducerIdsResponse { error_code: 0, first, count })
    }

    /// Where the reservation after `reserved` ends; `None` when the counter is used up.
    pub(crate) fn next_end(reserved: i64) -> Option<i64> {
        let end = reserved.checked_add(PRODUCER_IDS_PER_RESERVATION)?;
        (end <= 1 << PRODUCER_ID_COUNTER_BITS).then_some(end)
    }

    /// A reservation that the log has committed.
    pub(crate) fn committed(from: i64, end: i64) -> Self {
        Self { next: from, end }
    }
}

/// An answer without ids.
pub(crate) fn refuse(code: ErrorCode) -> AllocateProducerIdsResponse {
    let error_code = i32::from(code.code());
    AllocateProducerIdsResponse { error_code, first: -1, count: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_a_reservation_do_not_overlap_and_end() {
        let mut reservation = Reservation::committed(0, PRODUCER_IDS_PER_RESERVATION);
        let mut firsts = Vec::new();
        while let Some(block) = reservation.take(3) {
            assert_eq!((block.error_code, i64::from(block.count)), (0, PRODUCER_IDS_PER_BLOCK));
            firsts.push(block.first);
        }
        let blocks = PRODUCER_IDS_PER_RESERVATION / PRODUCER_IDS_PER_BLOCK;
        assert_eq!(firsts.len(), usize::try_from(blocks).unwrap());
        assert!(firsts.windows(2).all(|pair| pair[1] - pair[0] == PRODUCER_IDS_PER_BLOCK));
        assert_eq!(firsts[0], 3 << 47);
        assert!(Reservation::default().take(0).is_none());
    }

    #[test]
    fn ids_are_positive_to_the_last() {
        let end = (1 << PRODUCER_ID_COUNTER_BITS) / PRODUCER_IDS_PER_RESERVATION
            * PRODUCER_IDS_PER_RESERVATION;
        assert_eq!(Reservation::next_end(end - PRODUCER_IDS_PER_RESERVATION), Some(end));
        assert_eq!(Reservation::next_end(end), None);
        let last = Reservation::committed(end - PRODUCER_IDS_PER_BLOCK, end).take(u16::MAX);
        let last = last.unwrap();
        assert!(last.first > 0 && last.first.checked_add(i64::from(last.count)).is_some());
    }

    #[test]
    fn a_counter_that_is_used_up_says_so() {
        assert_eq!(Reservation::next_end(0), Some(PRODUCER_IDS_PER_RESERVATION));
        assert_eq!(Reservation::next_end(1 << PRODUCER_ID_COUNTER_BITS), None);
        assert_eq!(Reservation::next_end(i64::MAX), None);
    }
}
