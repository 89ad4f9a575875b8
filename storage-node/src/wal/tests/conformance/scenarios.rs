//! One promise of [`Front`] each.

use std::sync::Arc;
use std::time::Duration;

use super::{CAPACITY_BYTES, Kind, PENDING_BYTES_MAX};
use crate::wal::tests::harness::{Recorder, Told, entry, logged};
use crate::wal::{
    Entry, Front, FrontError, FrontState, LoggedEntry, Lsn, LsnRange, RecoverError, SealedFront,
};

/// How long a scenario waits for a front before it gives up. Not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for `count` answers of either kind, without holding up a runtime that serves the front.
async fn told(recorder: &Recorder, count: usize) -> Vec<Told> {
    let all = async {
        while recorder.told().len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, all).await;
    assert!(in_time.is_ok(), "{} of {count} answers", recorder.told().len());
    recorder.told()
}

fn committed(lsn: LsnRange, offset: i64, bytes: usize) -> Told {
    let batch = logged(lsn, offset, bytes).batch;
    Told::Committed { lsn, base_offset: offset, last_offset: offset + 9, batch }
}

/// Sizes from the least to several KiB, in no order.
fn sizes(count: usize) -> Vec<usize> {
    (0..count).map(|at| 61 + at * 137 % 9000).collect()
}

/// Appends entries from offset `first` on, waiting for room; returns what a log with all of them
/// holds.
async fn append(
    front: &dyn Front,
    recorder: &Arc<Recorder>,
    first: i64,
    sizes: &[usize],
) -> Vec<LoggedEntry> {
    let mut expected = Vec::new();
    for (offset, &bytes) in (first..).zip(sizes) {
        let lsn = loop {
            match front.append(entry(offset, bytes, recorder)) {
                Ok(lsn) => break lsn,
                Err(FrontError::Busy { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(error) => panic!("{error}"),
            }
        };
        expected.push(logged(lsn, offset, bytes));
    }
    expected
}

async fn read_all(sealed: &dyn SealedFront, from: Lsn, bytes_max: usize) -> Vec<LoggedEntry> {
    let (mut all, mut from) = (Vec::new(), from);
    loop {
        let chunk = sealed.read_sealed(from, bytes_max).await.unwrap();
        if chunk.entries.is_empty() {
            assert_eq!(from, sealed.end());
            return all;
        }
        from = chunk.next;
        all.extend(chunk.entries);
    }
}

pub(super) async fn commits_come_in_the_order_of_appends(kind: &dyn Kind) {
    let (_, front) = kind.begin().await;
    let recorder = Recorder::new();
    let sizes = sizes(100);
    let appended = append(&*front, &recorder, 0, &sizes).await;
    let mut end = Lsn(0);
    for entry in &appended {
        assert_eq!(entry.lsn.start, end, "entries tile the stream");
        end = entry.lsn.end;
    }
    let expected: Vec<Told> = appended
        .iter()
        .zip(&sizes)
        .map(|(entry, &bytes)| committed(entry.lsn, entry.base_offset, bytes))
        .collect();
    assert_eq!(told(&recorder, sizes.len()).await, expected);
    let usage = front.usage();
    assert_eq!((usage.durable, usage.end, usage.pending_bytes), (end, end, 0));
    kind.crash(front);
}

pub(super) async fn a_sealed_log_is_what_was_committed(kind: &dyn Kind) {
    let (log, front) = kind.begin().await;
    let recorder = Recorder::new();
    let appended = append(&*front, &recorder, 0, &sizes(60)).await;
    let early = front.read_sealed(Lsn(0), 1).await;
    assert!(matches!(early, Err(RecoverError::NotSealed)));

    let end = front.seal().await.unwrap();
    assert_eq!(front.seal().await.unwrap(), end, "sealing again changes nothing");
    assert_eq!(*front.state().borrow(), FrontState::Sealed(end));
    assert_eq!(front.append(entry(99, 100, &recorder)), Err(FrontError::Sealed));
    let told = told(&recorder, 60).await;
    assert!(told.iter().all(|told| matches!(told, Told::Committed { .. })));
    assert_eq!(front.usage().durable, end);

    let (mut read, mut from) = (Vec::new(), Lsn(0));
    while from < end {
        let chunk = front.read_sealed(from, 20_000).await.unwrap();
        let bytes: usize = chunk.entries.iter().map(|entry| entry.batch.len()).sum();
        assert!(bytes <= 20_000 || chunk.entries.len() == 1);
        from = chunk.next;
        read.extend(chunk.entries);
    }
    assert_eq!(read, appended);
    assert!(front.read_sealed(end, 1).await.unwrap().entries.is_empty());
    kind.crash(front);
    let again = kind.open_sealed(log).await.unwrap();
    assert_eq!((again.start(), again.end()), (Lsn(0), end));
    assert_eq!(read_all(&*again, Lsn(0), 20_000).await, appended);
}

pub(super) async fn what_was_trimmed_is_not_read_again(kind: &dyn Kind) {
    let (log, front) = kind.begin().await;
    let recorder = Recorder::new();
    let first = append(&*front, &recorder, 0, &[4000; 100]).await;
    told(&recorder, 100).await;
    // In the middle of an entry's neighbours, wherever blocks and objects begin.
    let trimmed = first[69].lsn.end;
    front.trim(trimmed);
    assert_eq!(front.usage().trimmed, trimmed);
    front.trim(first[10].lsn.end);
    assert_eq!(front.usage().trimmed, trimmed, "trimming less changes nothing");
    let mut all = first;
    all.extend(append(&*front, &recorder, 100, &[4000; 30]).await);
    told(&recorder, 130).await;
    front.seal().await.unwrap();
    kind.crash(front);

    let sealed = kind.open_sealed(log).await.unwrap();
    assert!(sealed.start() > Lsn(0), "the trim became durable with what followed it");
    assert!(sealed.start() <= trimmed, "and nothing above it is given up");
    let expected: Vec<_> = all.into_iter().filter(|entry| entry.lsn.end > trimmed).collect();
    assert_eq!(read_all(&*sealed, trimmed, 1 << 20).await, expected);
}

pub(super) async fn a_full_front_refuses_and_loses_nothing(kind: &dyn Kind) {
    let (_, front) = kind.begin().await;
    let recorder = Recorder::new();
    let mut accepted = 0;
    let fill = async |internal: bool, mut accepted: i64| {
        loop {
            match front.append(Entry { internal, ..entry(accepted, 8000, &recorder) }) {
                Ok(_) => accepted += 1,
                Err(FrontError::Busy { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(FrontError::Full { used_bytes, capacity_bytes }) => {
                    return (accepted, used_bytes as f64 / capacity_bytes as f64);
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    let (clients, share) = fill(false, accepted).await;
    assert!((0.85..=0.90).contains(&share), "clients are refused at {share} (R28)");
    let (internals, share) = fill(true, clients).await;
    assert!(internals > clients, "internal partitions still write");
    assert!((0.90..=0.95).contains(&share), "and are refused at {share}");
    accepted += internals;
    let answers = told(&recorder, accepted as usize).await;
    assert!(answers.iter().all(|told| matches!(told, Told::Committed { .. })), "nothing is lost");

    front.trim(recorder.committed_end());
    let room = async {
        while front.append(entry(accepted, 8000, &recorder)).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, room).await.expect("trimming makes room");
    told(&recorder, accepted as usize + 1).await;
    kind.crash(front);
}

pub(super) async fn a_stalled_front_is_busy_and_loses_nothing(kind: &dyn Kind) {
    let (_, front) = kind.begin().await;
    let recorder = Recorder::new();
    if !kind.stall(true) {
        return kind.crash(front);
    }
    let mut accepted = 0;
    let refused = loop {
        match front.append(entry(accepted, 8000, &recorder)) {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
    };
    let FrontError::Busy { pending_bytes } = refused else { panic!("{refused}") };
    assert!(pending_bytes <= PENDING_BYTES_MAX && PENDING_BYTES_MAX < CAPACITY_BYTES / 2);
    assert_eq!(recorder.told(), [], "nothing is durable");
    front.append(Entry { internal: true, ..entry(accepted, 8000, &recorder) }).unwrap();
    accepted += 1;
    kind.stall(false);
    let answers = told(&recorder, accepted as usize).await;
    assert!(answers.iter().all(|told| matches!(told, Told::Committed { .. })));
    front.append(entry(accepted, 100, &recorder)).unwrap();
    told(&recorder, accepted as usize + 1).await;
    kind.crash(front);
}

pub(super) async fn poison_is_final(kind: &dyn Kind) {
    let (log, front) = kind.begin().await;
    let recorder = Recorder::new();
    let before = append(&*front, &recorder, 0, &[100; 5]).await;
    told(&recorder, 5).await;
    if !kind.fail(log).await {
        return kind.crash(front);
    }
    front.append(entry(5, 100, &recorder)).unwrap();
    let answers = told(&recorder, 6).await;
    assert_eq!(answers[5], Told::Failed { base_offset: 5 });
    let refused = front.append(entry(6, 100, &recorder));
    assert!(matches!(refused, Err(FrontError::Poisoned(_))), "{refused:?}");
    assert!(matches!(front.seal().await, Err(FrontError::Poisoned(_))));
    assert!(matches!(*front.state().borrow(), FrontState::Poisoned(_)));
    kind.crash(front);
    assert_eq!(recorder.told().len(), 6, "each entry has one answer");

    let sealed = kind.open_sealed(log).await.unwrap();
    let read = read_all(&*sealed, Lsn(0), 1 << 20).await;
    assert_eq!(read[..5], before, "what was committed before is there");
}

pub(super) async fn two_sealers_at_once_read_the_same(kind: &dyn Kind) {
    let (log, front) = kind.begin().await;
    let recorder = Recorder::new();
    let appended = append(&*front, &recorder, 0, &sizes(40)).await;
    told(&recorder, 40).await;
    kind.crash(front);
    // A file has one user at a time: then the second comes after the first.
    let (first, second) = tokio::join!(kind.open_sealed(log), kind.open_sealed(log));
    let mut opened = 0;
    for sealed in [first, second] {
        match sealed {
            Ok(sealed) => {
                assert_eq!(sealed.end(), appended[39].lsn.end);
                assert_eq!(read_all(&*sealed, Lsn(0), 1 << 20).await, appended);
                opened += 1;
            }
            Err(RecoverError::Locked) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(opened > 0);
    let again = kind.open_sealed(log).await.unwrap();
    assert_eq!(read_all(&*again, Lsn(0), 1 << 20).await, appended);
}

pub(super) async fn a_zombie_commits_nothing_after_the_seal(kind: &dyn Kind) {
    if !kind.seals_the_living() {
        return;
    }
    let (log, front) = kind.begin().await;
    let recorder = Recorder::new();
    // Appends go on while the log is sealed from outside.
    for offset in 0..40 {
        front.append(entry(offset, 3000, &recorder)).unwrap();
        if offset % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
    let sealed = kind.open_sealed(log).await.unwrap();
    let log_entries = read_all(&*sealed, Lsn(0), 1 << 20).await;
    let mut offset = 40;
    while front.append(entry(offset, 100, &recorder)).is_ok() {
        offset += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let answers = told(&recorder, offset as usize).await;
    let commits = answers.iter().take_while(|told| matches!(told, Told::Committed { .. })).count();
    assert!(
        answers[commits..].iter().all(|told| matches!(told, Told::Failed { .. })),
        "nothing is committed after the first failure"
    );
    assert!(recorder.committed_end() <= sealed.end(), "acknowledged is a part of sealed (R1, R3)");
    assert!(log_entries.len() >= commits);
    let again = kind.open_sealed(log).await.unwrap();
    assert_eq!(read_all(&*again, Lsn(0), 1 << 20).await, log_entries, "nothing was added");
    kind.crash(front);
}

pub(super) async fn a_crash_at_any_point_leaves_a_prefix(kind: &dyn Kind) {
    for (round, wait_for) in [0, 1, 3, 10, 29, 60].into_iter().enumerate() {
        let (log, front) = kind.begin().await;
        let recorder = Recorder::new();
        let appended = append(&*front, &recorder, 0, &sizes(60)).await;
        told(&recorder, wait_for).await;
        let acknowledged = recorder.committed_end();
        kind.crash(front);
        let sealed = kind.open_sealed(log).await.unwrap();
        let read = read_all(&*sealed, sealed.start(), 30_000).await;
        assert_eq!(read, appended[..read.len()], "round {round}: the log is a prefix");
        assert!(sealed.end() >= acknowledged, "round {round}: everything acknowledged is in it");
    }
}

pub(super) async fn the_next_incarnation_begins_at_zero(kind: &dyn Kind) {
    let (_, front) = kind.begin().await;
    let recorder = Recorder::new();
    append(&*front, &recorder, 0, &[500; 9]).await;
    told(&recorder, 9).await;
    kind.crash(front);
    let (second_log, front) = kind.begin().await;
    let second = append(&*front, &recorder, 100, &[700; 3]).await;
    assert_eq!(second[0].lsn.start, Lsn(0));
    told(&recorder, 12).await;
    kind.crash(front);
    let sealed = kind.open_sealed(second_log).await.unwrap();
    assert_eq!(read_all(&*sealed, Lsn(0), 1 << 20).await, second, "and has nothing of the first");
}
