//! What is particular to the object front: windows, slots in flight, a store that fails, and the end
//! that others place. Time is paused, so each test says exactly when what happens.

mod encrypted;

use std::sync::Arc;
use std::time::Duration;

use process::Drain;
use protocol::ids::NodeId;
use segment::faulty::{Fault, FaultyStore};
use segment::seqlog::{SeqLogReader, SlotKind, Tail};
use segment::{Family, LogId, Store, keys};
use tokio::time::{Instant, sleep};

use super::sealed::SealedObject;
use super::{ObjectFront, ObjectTuning};
use crate::wal::tests::harness::{Recorder, Told, entry, logged};
use crate::wal::{Front, FrontError, FrontState, LoggedEntry, Lsn, RecoverError, SealedFront};

const WINDOW: Duration = Duration::from_millis(50);

struct Fixture {
    faulty: Arc<FaultyStore>,
    store: Store,
    log: LogId,
    front: ObjectFront,
    recorder: Arc<Recorder>,
}

async fn fixture(tuning: ObjectTuning) -> Fixture {
    let faulty = FaultyStore::with([]);
    let store = faulty.store();
    let log = LogId::fresh(NodeId(1), 1, 1);
    let front = ObjectFront::create(store.clone(), log, tuning, &Drain::new()).await.unwrap();
    Fixture { faulty, store, log, front, recorder: Recorder::new() }
}

impl Fixture {
    fn append(&self, offset: i64, bytes: usize) -> LoggedEntry {
        logged(self.front.append(entry(offset, bytes, &self.recorder)).unwrap(), offset, bytes)
    }

    async fn told(&self, count: usize) -> Vec<Told> {
        while self.recorder.told().len() < count {
            sleep(Duration::from_millis(1)).await;
        }
        self.recorder.told()
    }

    /// The slots with entries.
    async fn slots(&self) -> usize {
        let reader = SeqLogReader::new(self.store.clone(), Family::Wal, self.log);
        let slots = reader.scan(0).await.unwrap().slots;
        slots.iter().filter(|slot| slot.kind == SlotKind::Data).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_batch_waits_for_nobody_and_a_crowd_shares_a_slot_per_window() {
    let fixture = fixture(ObjectTuning::default()).await;
    let started = Instant::now();
    fixture.append(0, 100);
    fixture.told(1).await;
    assert!(started.elapsed() < WINDOW / 2, "an idle front puts at once");
    for offset in 1..=200 {
        fixture.append(offset, 100);
        sleep(Duration::from_millis(1)).await;
    }
    fixture.told(201).await;
    let slots = fixture.slots().await;
    assert!((5..=7).contains(&slots), "{slots} slots in 200 ms of 50 ms windows");
}

#[tokio::test(start_paused = true)]
async fn a_full_object_does_not_wait_for_the_window() {
    let tuning = ObjectTuning { object_bytes_max: 20_000, in_flight: 4, ..ObjectTuning::default() };
    let fixture = fixture(tuning).await;
    let started = Instant::now();
    for offset in 0..12 {
        fixture.append(offset, 9_000);
    }
    fixture.told(12).await;
    assert!(started.elapsed() < 2 * WINDOW, "six objects in {:?}", started.elapsed());
    assert!(fixture.slots().await >= 6, "an object ends at its size");
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_hangs_holds_back_those_behind_it() {
    let fixture = fixture(ObjectTuning::default()).await;
    fixture.faulty.push(Fault::Hang);
    fixture.append(0, 100);
    sleep(WINDOW).await;
    fixture.append(1, 100);
    sleep(Duration::from_millis(400)).await;
    assert_eq!(fixture.recorder.told(), [], "slot 2 is made, slot 1 is not (R15)");
    assert_eq!(fixture.front.usage().durable, Lsn(0));
    let told = fixture.told(2).await;
    assert!(matches!(told[..], [Told::Committed { .. }, Told::Committed { .. }]), "hedged (R18)");
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_the_store_refuses_what_does_not_fit_and_loses_nothing() {
    let tuning = ObjectTuning { pending_bytes_max: 100_000, ..ObjectTuning::default() };
    let fixture = fixture(tuning).await;
    fixture.faulty.set_down(true);
    let mut accepted = Vec::new();
    while let Ok(lsn) = fixture.front.append(entry(accepted.len() as i64, 5_000, &fixture.recorder))
    {
        accepted.push(logged(lsn, accepted.len() as i64, 5_000));
    }
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(fixture.recorder.told(), []);
    let busy = fixture.front.append(entry(99, 5_000, &fixture.recorder));
    assert!(matches!(busy, Err(FrontError::Busy { .. })), "{busy:?}");
    assert_eq!(*fixture.front.state().borrow(), FrontState::Open, "away is not over");
    fixture.faulty.set_down(false);
    fixture.told(accepted.len()).await;
    let sealed = SealedObject::open(&fixture.store, fixture.log).await.unwrap();
    assert_eq!(sealed.read_sealed(Lsn(0), 1 << 20).await.unwrap().entries, accepted);
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_store_gets_fewer_and_larger_objects() {
    let fixture = fixture(ObjectTuning { in_flight: 1, ..ObjectTuning::default() }).await;
    // The first attempts of the first slot are refused, a second apart: the rate is halved for each.
    (0..4).for_each(|_| fixture.faulty.push(Fault::SlowDown));
    fixture.append(0, 100);
    fixture.told(1).await;
    let before = fixture.slots().await;
    for offset in 1..=400 {
        fixture.append(offset, 100);
        sleep(Duration::from_millis(1)).await;
    }
    fixture.told(401).await;
    let slots = fixture.slots().await - before;
    assert!(slots < 6, "{slots} slots in 400 ms, where an unhurt store gets 8");
}

#[tokio::test(start_paused = true)]
async fn a_late_put_of_a_fenced_writer_is_no_part_of_the_log() {
    let fixture = fixture(ObjectTuning::default()).await;
    let first = fixture.append(0, 100);
    fixture.told(1).await;
    sleep(WINDOW).await;
    // Slot 2 is on its way for a minute; END takes its place.
    fixture.faulty.push(Fault::AppliedLate(Duration::from_secs(60)));
    fixture.append(1, 100);
    sleep(Duration::from_millis(1)).await;
    let sealed = SealedObject::open(&fixture.store, fixture.log).await.unwrap();
    assert_eq!(sealed.end(), first.lsn.end);
    assert_eq!(fixture.told(2).await[1], Told::Failed { base_offset: 1 });
    sleep(Duration::from_secs(120)).await;
    let again = SealedObject::open(&fixture.store, fixture.log).await.unwrap();
    assert_eq!(again.read_sealed(Lsn(0), 1 << 20).await.unwrap().entries, [first]);
}

#[tokio::test(start_paused = true)]
async fn a_trim_spares_the_reader_the_slots_before_it() {
    let fixture = fixture(ObjectTuning::default()).await;
    let mut entries = Vec::new();
    for offset in 0..20 {
        entries.push(fixture.append(offset, 100));
        fixture.told(offset as usize + 1).await;
        sleep(WINDOW).await;
    }
    fixture.front.trim(entries[15].lsn.end);
    entries.push(fixture.append(20, 100));
    fixture.front.seal().await.unwrap();
    // Nobody reads what is not needed any more, so its state is nobody's concern.
    for slot in 1..=8 {
        let key = keys::slot(Family::Wal, &fixture.log, slot);
        let mut object = fixture.store.get(&key).await.unwrap().to_vec();
        *object.last_mut().unwrap() ^= 1;
        fixture.store.put_unconditional(&key, vec![object.into()]).await.unwrap();
    }
    let sealed = SealedObject::open(&fixture.store, fixture.log).await.unwrap();
    assert_eq!(sealed.start(), entries[15].lsn.end);
    assert_eq!(sealed.read_sealed(Lsn(0), 1 << 20).await.unwrap().entries, entries[16..]);
    let reader = SeqLogReader::new(fixture.store.clone(), Family::Wal, fixture.log);
    let last = reader.prefix(21, super::format::HEADER_BYTES).await.unwrap().unwrap().1;
    let header = super::format::PayloadHeader::decode(&last).unwrap();
    assert_eq!((header.trimmed, header.needed_slot), (entries[15].lsn.end, 17));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_or_missing_slot_is_an_error_and_never_less_data() {
    for slot in 1..=3 {
        for damage in [true, false] {
            let fixture = fixture(ObjectTuning::default()).await;
            for offset in 0..3 {
                fixture.append(offset, 1_000);
                fixture.told(offset as usize + 1).await;
                sleep(WINDOW).await;
            }
            fixture.front.seal().await.unwrap();
            let key = keys::slot(Family::Wal, &fixture.log, slot);
            let mut object = fixture.store.get(&key).await.unwrap().to_vec();
            fixture.store.delete(&key).await.unwrap();
            if damage {
                *object.last_mut().unwrap() ^= 1;
                fixture.store.put_unconditional(&key, vec![object.into()]).await.unwrap();
            }
            let read = async {
                let sealed = SealedObject::open(&fixture.store, fixture.log).await?;
                sealed.read_sealed(Lsn(0), 1 << 20).await.map(|chunk| chunk.entries.len())
            };
            let read = read.await;
            assert!(matches!(read, Err(RecoverError::Store(_))), "slot {slot}: {read:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_says_where_the_log_ends() {
    let fixture = fixture(ObjectTuning::default()).await;
    let only = fixture.append(0, 100);
    assert_eq!(fixture.front.seal().await.unwrap(), only.lsn.end);
    let reader = SeqLogReader::new(fixture.store.clone(), Family::Wal, fixture.log);
    match reader.find_tail().await.unwrap().tail {
        Tail::End(slot, end) => assert_eq!((slot, end.lsn), (2, only.lsn.end.0)),
        Tail::Hole(slot) => panic!("hole at {slot}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_front_stops_and_its_task_ends() {
    let store = FaultyStore::with([]).store();
    let (log, drain) = (LogId::fresh(NodeId(1), 1, 1), Drain::new());
    let tuning = ObjectTuning::default();
    let front = ObjectFront::create(store, log, tuning, &drain).await.unwrap();
    let recorder = Recorder::new();
    front.append(entry(0, 100, &recorder)).unwrap();
    front.abandon();
    assert!(
        drain.finish(Duration::from_secs(1)).await,
        "nobody drops it, and nothing waits for it"
    );
    assert_eq!(recorder.told(), [Told::Failed { base_offset: 0 }]);
    let refused = front.append(entry(1, 100, &recorder));
    assert!(matches!(refused, Err(FrontError::Poisoned(_))), "{refused:?}");
}
