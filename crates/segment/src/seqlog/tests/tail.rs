//! Finding the end of a long log, whatever the last slots in flight left there.

use bytes::Bytes;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use super::{end, log, reader};
use crate::keys::{self, Family};
use crate::seqlog::record;
use crate::seqlog::{IN_FLIGHT_MAX, ReadError, SeqLogWriter, SlotKind, Tail};
use crate::store::{Store, StoreErrorKind};

async fn put(store: &Store, slot: u64, kind: SlotKind) {
    let payload = match kind {
        SlotKind::End => vec![record::encode(&end(slot))],
        _ => vec![Bytes::from_static(b"x")],
    };
    let mut writer = SeqLogWriter::at(store.clone(), Family::Wal, log(), slot);
    writer.append(kind, payload).await.unwrap();
}

/// A log with its first hole, or END, at `tail`, and of the slots behind it those in `behind`.
async fn log_of(tail: u64, ended: bool, behind: [bool; IN_FLIGHT_MAX - 1]) -> Store {
    let store = Store::memory("test");
    for slot in 0..tail {
        put(&store, slot, SlotKind::Data).await;
    }
    if ended {
        put(&store, tail, SlotKind::End).await;
    }
    for (slot, made) in (tail + 1..).zip(behind) {
        if made {
            put(&store, slot, SlotKind::Data).await;
        }
    }
    store
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_tail_is_what_a_scan_finds(
        tail in 0..600_u64, ended: bool, behind in any::<[bool; IN_FLIGHT_MAX - 1]>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let store = log_of(tail, ended, behind).await;
            let found = reader(&store).find_tail().await.unwrap();
            let expected = if ended { Tail::End(tail, end(tail)) } else { Tail::Hole(tail) };
            prop_assert_eq!(&found.tail, &expected);
            let last = found.slots.last().map(|header| header.slot);
            prop_assert_eq!(last, tail.checked_sub(1), "the slot before the end is shown");
            Ok(())
        })?;
    }
}

/// A slot that is gone although a later one proves that it was made is damage, not the end (R69).
#[tokio::test]
async fn a_lost_slot_is_not_the_end() {
    let late = IN_FLIGHT_MAX as u64;
    for (lost, tail, ended) in [(7, 8, true), (5, 8, true), (7, 8 + late, false)] {
        let store = log_of(tail, ended, [false; IN_FLIGHT_MAX - 1]).await;
        store.delete(&keys::slot(Family::Wal, &log(), lost)).await.unwrap();
        let ReadError::Store(error) = reader(&store).find_tail().await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Damaged, "slot {lost} of {tail}: {error}");
    }
}
