//! Several slots in flight: settled in order, each the same bytes until its fate is known.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;

use super::{end, log, open, reader, texts};
use crate::faulty::{Fault, FaultyStore};
use crate::keys::Family;
use crate::seqlog::{AppendError, PipelinedWriter, SlotKind, Tail, place_end};
use crate::store::Store;

async fn writer(store: &Store, in_flight_max: usize) -> PipelinedWriter {
    let store = store.clone();
    PipelinedWriter::create(store, Family::Wal, log(), &open(), in_flight_max).await.unwrap()
}

fn begin(writer: &mut PipelinedWriter, text: &str) -> Result<u64, AppendError> {
    writer.begin(SlotKind::Data, vec![Bytes::copy_from_slice(text.as_bytes())])
}

async fn settled(writer: &mut PipelinedWriter) -> u64 {
    writer.settled().await.expect("a slot is in flight").unwrap()
}

#[tokio::test]
async fn slots_are_settled_in_order_and_the_log_reads_back() {
    let store = Store::memory("test");
    let mut writer = writer(&store, 2).await;
    assert!(writer.settled().await.is_none());
    assert_eq!((begin(&mut writer, "one").unwrap(), begin(&mut writer, "two").unwrap()), (1, 2));
    assert!(!writer.has_room());
    assert!(matches!(begin(&mut writer, "three"), Err(AppendError::Pending)));
    assert_eq!((settled(&mut writer).await, settled(&mut writer).await), (1, 2));
    assert_eq!(begin(&mut writer, "three").unwrap(), 3);
    let early = writer.begin_end(&end(9));
    assert!(matches!(early, Err(AppendError::Pending)), "END follows what is made");
    assert_eq!(settled(&mut writer).await, 3);
    assert_eq!(writer.begin_end(&end(9)).unwrap(), 4);
    assert!(matches!(begin(&mut writer, "late"), Err(AppendError::Closed)));
    assert_eq!(settled(&mut writer).await, 4);
    assert_eq!(texts(&store).await, ["one", "two", "three"]);
    assert_eq!(reader(&store).find_tail().await.unwrap().tail, Tail::End(4, end(9)));
}

/// A slot that is made behind one that is not is nobody's business yet (R15).
#[tokio::test(start_paused = true)]
async fn a_made_slot_waits_for_the_one_before_it() {
    let faulty = FaultyStore::with([]);
    let store = faulty.store();
    let mut writer = writer(&store, 2).await;
    faulty.push(Fault::Hang);
    begin(&mut writer, "one").unwrap();
    begin(&mut writer, "two").unwrap();
    let early = tokio::time::timeout(Duration::from_millis(499), writer.settled()).await;
    assert!(early.is_err(), "slot 1 hangs");
    let second = reader(&store).header(2).await.unwrap();
    assert!(second.is_some(), "slot 2 is there");
    assert!(!writer.has_room(), "and still counts: no slot 3 before slot 1");
    assert_eq!((settled(&mut writer).await, settled(&mut writer).await), (1, 2));
    assert_eq!(texts(&store).await, ["one", "two"]);
}

/// The second attempt carries the bytes of the first, and either may turn out to have made the slot
/// (R14, R18).
#[tokio::test(start_paused = true)]
async fn a_late_attempt_is_hedged_with_the_same_bytes() {
    for fault in [Fault::Hang, Fault::AppliedButHang] {
        let faulty = FaultyStore::with([]);
        let store = faulty.store();
        let mut writer = writer(&store, 1).await;
        faulty.push(fault);
        begin(&mut writer, "one").unwrap();
        assert_eq!(settled(&mut writer).await, 1, "{fault:?}");
        let attempts = faulty.attempts().split_off(1);
        assert_eq!(attempts.len(), 2, "{fault:?}");
        assert_eq!(attempts[0], attempts[1], "{fault:?}");
        assert_eq!(texts(&store).await, ["one"], "{fault:?}");
    }
}

/// Whatever the answers, the slot is made once and the writer is not fenced by itself (R13, R17).
#[tokio::test(start_paused = true)]
async fn ambiguous_answers_settle_in_the_end() {
    let late = Fault::AppliedLate(Duration::from_secs(30));
    for fault in [
        Fault::LostAnswer,
        Fault::AppliedButRefused,
        Fault::Conflict409,
        Fault::NotSent,
        Fault::SlowDown,
        late,
    ] {
        let faulty = FaultyStore::with([]);
        let store = faulty.store();
        let mut writer = writer(&store, 2).await;
        (0..3).for_each(|_| faulty.push(fault));
        for text in ["one", "two", "three"] {
            if !writer.has_room() {
                settled(&mut writer).await;
            }
            begin(&mut writer, text).unwrap();
        }
        assert_eq!((settled(&mut writer).await, settled(&mut writer).await), (2, 3), "{fault:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(texts(&store).await, ["one", "two", "three"], "{fault:?}");
    }
}

/// A store that is away for an hour costs an hour, and nothing else.
#[tokio::test(start_paused = true)]
async fn a_slot_is_put_until_the_store_is_back() {
    let faulty = FaultyStore::with([]);
    let store = faulty.store();
    let mut writer = writer(&store, 2).await;
    faulty.set_down(true);
    begin(&mut writer, "one").unwrap();
    begin(&mut writer, "two").unwrap();
    let away = tokio::time::timeout(Duration::from_secs(3600), writer.settled()).await;
    assert!(away.is_err());
    faulty.set_down(false);
    assert_eq!((settled(&mut writer).await, settled(&mut writer).await), (1, 2));
    assert_eq!(texts(&store).await, ["one", "two"]);
}

/// END in a hole fences what is behind it too, made or not.
#[tokio::test(start_paused = true)]
async fn an_end_in_a_hole_fences_the_slots_behind_it() {
    let faulty = FaultyStore::with([]);
    let store = faulty.store();
    let mut writer = writer(&store, 3).await;
    faulty.push(Fault::NotSent);
    for text in ["one", "two", "three"] {
        begin(&mut writer, text).unwrap();
    }
    assert!(writer.settled().now_or_never().is_none(), "slot 1 pauses, 2 and 3 are made");
    assert_eq!(place_end(&store, Family::Wal, &log(), &end(0)).await.unwrap().0, 1);
    let lost = writer.settled().await.expect("slot 1 is in flight");
    assert!(matches!(lost, Err(AppendError::Fenced { slot: 1, by: SlotKind::End })), "{lost:?}");
    assert!(writer.settled().await.is_none(), "slots 2 and 3 never count");
    assert!(matches!(begin(&mut writer, "four"), Err(AppendError::Closed)));
    assert_eq!(reader(&store).find_tail().await.unwrap().tail, Tail::End(1, end(0)));
}

/// 503 halves the rate that the writer's owner sees, and success restores it (R28).
#[tokio::test(start_paused = true)]
async fn an_overloaded_store_is_spared() {
    let faulty = FaultyStore::with([]);
    let mut writer = writer(&faulty.store(), 1).await;
    assert_eq!(writer.pace().slowdown(), 1.0);
    faulty.push(Fault::SlowDown);
    begin(&mut writer, "one").unwrap();
    settled(&mut writer).await;
    assert!(writer.pace().slowdown() > 1.5);
    for _ in 0..16 {
        begin(&mut writer, "more").unwrap();
        settled(&mut writer).await;
    }
    assert_eq!(writer.pace().slowdown(), 1.0);
}
