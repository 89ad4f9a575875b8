//! SeqLog: one writer, one end, no record behind a hole.

mod pipeline;
mod tail;

use bytes::Bytes;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use protocol::ids::NodeId;

use super::{
    AppendError, EndOutcome, EndReason, EndRecord, HEADER_LEN, OpenSlot, SeqLogReader,
    SeqLogWriter, SlotHeader, SlotKind, Tail, WalKind, place_end, try_end,
};
use crate::faulty::{Fault, FaultyStore};
use crate::hex;
use crate::keys::{self, Family};
use crate::log_id::LogId;
use crate::store::{Store, StoreErrorKind};
use crate::token::WriterToken;

fn log() -> LogId {
    LogId { node: NodeId(1), generation: 1, incarnation: 1, nonce: 7 }
}

fn open() -> OpenSlot {
    OpenSlot { wal_kind: WalKind::Disk.into(), front: Bytes::new(), control_slot: 3 }
}

fn end(lsn: u64) -> EndRecord {
    EndRecord { reason: EndReason::Failover.into(), lsn, index: None }
}

async fn writer(store: &Store) -> SeqLogWriter {
    SeqLogWriter::create(store.clone(), Family::Wal, log(), &open()).await.unwrap()
}

fn reader(store: &Store) -> SeqLogReader {
    SeqLogReader::new(store.clone(), Family::Wal, log())
}

async fn append(writer: &mut SeqLogWriter, text: &str) -> Result<u64, AppendError> {
    writer.append(SlotKind::Data, vec![Bytes::copy_from_slice(text.as_bytes())]).await
}

async fn texts(store: &Store) -> Vec<String> {
    let reader = reader(store);
    let mut texts = Vec::new();
    for header in reader.scan(1).await.unwrap().slots {
        let slot = reader.read(header.slot).await.unwrap().unwrap();
        texts.push(String::from_utf8(slot.payload.to_vec()).unwrap());
    }
    texts
}

#[tokio::test]
async fn a_log_reads_back_as_written() {
    let store = Store::memory("test");
    let mut writer = writer(&store).await;
    for (slot, text) in [(1, "one"), (2, "two"), (3, "three")] {
        assert_eq!(append(&mut writer, text).await.unwrap(), slot);
    }
    assert_eq!(reader(&store).scan(0).await.unwrap().tail, Tail::Hole(4));
    assert_eq!(writer.end(&end(9)).await.unwrap(), 4);
    assert!(matches!(append(&mut writer, "late").await, Err(AppendError::Closed)));

    let opened = reader(&store).read(0).await.unwrap().unwrap();
    assert_eq!((opened.header.kind, opened.open()), (SlotKind::Open, Some(open())));
    assert_eq!(texts(&store).await, ["one", "two", "three"]);
    assert_eq!(reader(&store).scan(2).await.unwrap().tail, Tail::End(4, end(9)));
    assert_eq!(reader(&store).find_end().await.unwrap(), Some((4, end(9))));
    assert_eq!(reader(&store).read(5).await.unwrap().map(|slot| slot.header), None);
}

/// END from outside fences a writer that does not know (R1): its append is
/// refused, for ever, and is not in the log.
#[tokio::test]
async fn end_fences_the_writer() {
    let store = Store::memory("test");
    let mut writer = writer(&store).await;
    append(&mut writer, "one").await.unwrap();
    assert_eq!(place_end(&store, Family::Wal, &log(), &end(1)).await.unwrap(), (2, end(1)));
    let refused = append(&mut writer, "late").await;
    assert!(matches!(refused, Err(AppendError::Fenced { slot: 2, by: SlotKind::End })));
    assert!(matches!(append(&mut writer, "later").await, Err(AppendError::Closed)));
    assert_eq!(texts(&store).await, ["one"]);
}

/// Anyone may end a log, any number of times; the first END stands.
#[tokio::test]
async fn end_is_placed_once() {
    let store = Store::memory("test");
    writer(&store).await;
    assert_eq!(place_end(&store, Family::Wal, &log(), &end(1)).await.unwrap(), (1, end(1)));
    assert_eq!(place_end(&store, Family::Wal, &log(), &end(2)).await.unwrap(), (1, end(1)));
    let outcome = try_end(&store, Family::Wal, &log(), 1, &end(3)).await.unwrap();
    assert_eq!(outcome, EndOutcome::Ended(end(1)));
}

/// END fills the first hole even when a later slot exists: after the highest key
/// it would leave the hole to the paused writer (RELIABILITY §4.7).
#[tokio::test]
async fn end_goes_to_the_first_hole() {
    let store = Store::memory("test");
    writer(&store).await;
    let mut ahead = SeqLogWriter::at(store.clone(), Family::Wal, log(), 3);
    append(&mut ahead, "behind a hole").await.unwrap();
    let mut paused = SeqLogWriter::at(store.clone(), Family::Wal, log(), 1);

    assert_eq!(place_end(&store, Family::Wal, &log(), &end(0)).await.unwrap().0, 1);
    assert!(matches!(append(&mut paused, "late").await, Err(AppendError::Fenced { .. })));
    assert_eq!(texts(&store).await, Vec::<String>::new());
    // Again, now that a dead slot lies behind END.
    assert_eq!(place_end(&store, Family::Wal, &log(), &end(5)).await.unwrap(), (1, end(0)));
    assert_eq!(reader(&store).find_end().await.unwrap(), Some((1, end(0))));
}

/// A drainer whose END is too early learns what it overlooked.
#[tokio::test]
async fn an_end_at_a_taken_slot_shows_its_occupant() {
    let store = Store::memory("test");
    let mut writer = writer(&store).await;
    append(&mut writer, "overlooked").await.unwrap();
    let outcome = try_end(&store, Family::Wal, &log(), 1, &end(0)).await.unwrap();
    let EndOutcome::Occupied(header) = outcome else { panic!("slot 1 is taken: {outcome:?}") };
    assert_eq!((header.slot, header.kind), (1, SlotKind::Data));
}

/// A log that was never opened can be ended too: its writer can then never start.
#[tokio::test]
async fn an_unopened_log_can_be_ended() {
    let store = Store::memory("test");
    assert_eq!(place_end(&store, Family::Wal, &log(), &end(0)).await.unwrap().0, 0);
    let refused = SeqLogWriter::create(store, Family::Wal, log(), &open()).await;
    assert!(matches!(refused, Err(AppendError::Fenced { slot: 0, by: SlotKind::End })));
}

/// Lost answers are no fence: R13 finds our own slot.
#[tokio::test(start_paused = true)]
async fn a_healthy_writer_survives_ambiguous_answers() {
    for fault in [Fault::LostAnswer, Fault::AppliedButRefused, Fault::Conflict409, Fault::NotSent] {
        let faulty = FaultyStore::with([]);
        let store = faulty.store();
        let mut writer = writer(&store).await;
        faulty.push(fault);
        assert_eq!(append(&mut writer, "one").await.unwrap(), 1, "{fault:?}");
        assert_eq!(append(&mut writer, "two").await.unwrap(), 2, "{fault:?}");
        assert_eq!(texts(&store).await, ["one", "two"], "{fault:?}");
    }
}

/// An undecided slot keeps its bytes, whatever the caller would rather write (R14).
#[tokio::test(start_paused = true)]
async fn an_undecided_append_is_frozen_until_resumed() {
    let faulty = FaultyStore::with([]);
    let store = faulty.store();
    let mut writer = writer(&store).await;
    (0..50).for_each(|_| faulty.push(Fault::NotSent));
    assert!(matches!(append(&mut writer, "one").await, Err(AppendError::Unavailable(_))));
    assert!(matches!(append(&mut writer, "other").await, Err(AppendError::Pending)));
    let slot = loop {
        match writer.resume().await {
            Ok(slot) => break slot,
            Err(AppendError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(slot, Some(1));
    assert_eq!(writer.resume().await.unwrap(), None);
    let mut frozen = faulty.attempts().split_off(1);
    frozen.dedup();
    assert_eq!(frozen.len(), 1, "attempts of one slot differ");
    assert_eq!(texts(&store).await, ["one"]);
}

/// A dropped append may have been applied: it stays undecided too.
#[tokio::test(start_paused = true)]
async fn a_cancelled_append_is_frozen() {
    let faulty = FaultyStore::with([]);
    let store = faulty.store();
    let mut writer = writer(&store).await;
    (0..3).for_each(|_| faulty.push(Fault::NotSent));
    let cancelled =
        tokio::time::timeout(std::time::Duration::from_millis(1), append(&mut writer, "one"));
    assert!(cancelled.await.is_err(), "the first pause is longer");
    assert!(matches!(append(&mut writer, "other").await, Err(AppendError::Pending)));
    assert_eq!(writer.resume().await.unwrap(), Some(1));
    assert_eq!(texts(&store).await, ["one"]);
}

#[tokio::test]
async fn a_payload_above_the_limit_is_refused_and_leaves_the_writer_usable() {
    let store = Store::memory("test");
    let mut writer = writer(&store).await;
    let large = vec![Bytes::from(vec![0; 1 << 20]); 33];
    let refused = writer.append(SlotKind::Data, large).await;
    assert!(matches!(refused, Err(AppendError::TooLarge { bytes }) if bytes == 33 << 20));
    assert_eq!(append(&mut writer, "one").await.unwrap(), 1);
}

/// A drainer continues where the dead writer stopped, and not behind END.
#[tokio::test]
async fn another_process_continues_at_the_first_hole() {
    let store = Store::memory("test");
    let mut dead = writer(&store).await;
    append(&mut dead, "one").await.unwrap();
    let mut drainer = SeqLogWriter::attach(store.clone(), Family::Wal, log()).await.unwrap();
    assert_eq!(drainer.next_slot(), 2);
    assert_eq!(append(&mut drainer, "two").await.unwrap(), 2);
    let refused = append(&mut dead, "late").await;
    assert!(matches!(refused, Err(AppendError::Fenced { slot: 2, by: SlotKind::Data })));
    drainer.end(&end(0)).await.unwrap();
    assert!(SeqLogWriter::attach(store, Family::Wal, log()).await.is_err());
}

/// Leaders follow each other in one metadata log; whoever lost a slot stops.
#[tokio::test]
async fn the_metadata_log_has_successive_writers() {
    let store = Store::memory("test");
    let second = LogId { nonce: 8, ..log() };
    let mut old = SeqLogWriter::create(store.clone(), Family::Meta, log(), &open()).await.unwrap();
    let mut new = SeqLogWriter::attach(store.clone(), Family::Meta, second).await.unwrap();
    assert_eq!(append(&mut new, "change").await.unwrap(), 1);
    assert!(matches!(append(&mut old, "late").await, Err(AppendError::Fenced { slot: 1, .. })));
    let slot = SeqLogReader::new(store, Family::Meta, log()).read(1).await.unwrap().unwrap();
    assert_eq!((slot.header.log, slot.payload), (second, Bytes::from_static(b"change")));
}

/// The object at a slot's key must be that slot of that log (R27).
#[tokio::test]
async fn a_misplaced_or_damaged_slot_is_an_error() {
    let store = Store::memory("test");
    let mut writer = writer(&store).await;
    append(&mut writer, "one").await.unwrap();
    let good = store.get(&keys::slot(Family::Wal, &log(), 1)).await.unwrap();
    let mut damaged = good.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let longer = [&good[..], b"x"].concat();
    let cut = good[..HEADER_LEN - 1].to_vec();
    for (slot, object) in [(2, good.to_vec()), (1, damaged), (1, longer), (1, cut)] {
        let key = keys::slot(Family::Wal, &log(), slot);
        store.put_unconditional(&key, vec![object.into()]).await.unwrap();
        let super::ReadError::Store(error) = reader(&store).read(slot).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Damaged, "{error}");
    }
}

fn header() -> SlotHeader {
    SlotHeader {
        family: Family::Data,
        kind: SlotKind::End,
        token: WriterToken([7; 16]),
        slot: 5,
        log: log(),
        payload_len: 9,
        payload_crc: 0xdead_beef,
    }
}

#[test]
fn the_persisted_header_stays_stable() {
    let hex = hex::encode(&header().encode());
    let expected = concat!(
        "54434c53010105000707070707070707070707070707070700000000000000050000000100000001",
        "000000000000000100000000000000070000000000000009deadbeef",
    );
    assert_eq!(&hex[..136], expected);
}

proptest! {
    #[test]
    fn headers_round_trip(
        token: [u8; 16], slot: u64, node: i32, generation: u32, incarnation: u64, nonce: u64,
        payload_len: u64, payload_crc: u32,
    ) {
        let log = LogId { node: NodeId(node), generation, incarnation, nonce };
        for family in [Family::Data, Family::Wal, Family::Meta] {
            for kind in [SlotKind::Open, SlotKind::Data, SlotKind::Front, SlotKind::Close, SlotKind::End] {
                let token = WriterToken(token);
                let header = SlotHeader { family, kind, token, slot, log, payload_len, payload_crc };
                prop_assert_eq!(SlotHeader::decode(&header.encode()), Ok(header));
            }
        }
    }

    #[test]
    fn a_changed_header_is_refused(position in 0..HEADER_LEN, bit in 0..8u8) {
        let mut bytes = header().encode().to_vec();
        bytes[position] ^= 1 << bit;
        prop_assert!(SlotHeader::decode(&bytes).is_err());
    }

    #[test]
    fn any_bytes_are_a_header_or_refused(bytes in any::<Vec<u8>>()) {
        prop_assert!(SlotHeader::decode(&bytes).is_err());
    }
}
