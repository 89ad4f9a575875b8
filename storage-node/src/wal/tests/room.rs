//! Space: limits, trimming and the laps of the ring.

use std::sync::Arc;

use super::harness::{
    FaultIo, Recorder, Told, all, entry, logged, recover_image, stall, start, tuning, write_blocks,
};
use crate::wal::io::WalIo;
use crate::wal::layout::ALIGN;
use crate::wal::{DiskFront, Entry, Front, FrontError, NoPromise, Tuning};

/// Fills `front` with one-sector entries until it refuses one.
fn fill(front: &DiskFront, recorder: &Arc<Recorder>, from: i64, internal: bool) -> i64 {
    for offset in from.. {
        let entry = Entry { internal, ..entry(offset, 3000, recorder) };
        match front.append(entry) {
            Ok(_) => recorder.wait(usize::try_from(offset).unwrap() + 1),
            Err(FrontError::Full { .. }) => return offset,
            Err(error) => panic!("{error}"),
        };
    }
    unreachable!("the ring is finite")
}

#[test]
fn clients_are_refused_at_90_percent_and_internal_partitions_at_95() {
    let front = start(&FaultIo::new(100), 1);
    let recorder = Recorder::new();
    assert_eq!(fill(&front, &recorder, 0, false), 90);
    assert_eq!(fill(&front, &recorder, 90, true), 95);
    let usage = front.usage();
    assert_eq!((usage.used_bytes, usage.capacity_bytes), (95 * ALIGN, 100 * ALIGN));
    assert!(usage.used_share() > 0.94);
}

#[test]
fn trimmed_space_is_used_again_lap_after_lap() {
    // Goal: the log goes round several times, and after each trim exactly the rest is recovered.
    let io = FaultIo::new(100);
    let front = start(&io, 2);
    let recorder = Recorder::new();
    let mut lsns = Vec::new();
    for offset in 0..1000_usize {
        let bytes = 100 + offset * 37 % 20_000;
        let lsn = loop {
            match front.append(entry(offset as i64, bytes, &recorder)) {
                Ok(lsn) => break lsn,
                Err(FrontError::Full { .. }) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        };
        recorder.wait(offset + 1);
        lsns.push((lsn, bytes));
        if offset % 7 == 6 {
            front.trim(lsns[offset - 5].0.start);
            let recovered = recover_image(io.image()).unwrap();
            assert!(recovered.start() <= lsns[offset - 5].0.start);
            let expected: Vec<_> = lsns
                .iter()
                .enumerate()
                .filter(|(_, (lsn, _))| lsn.end > recovered.start())
                .map(|(at, &(lsn, bytes))| logged(lsn, at as i64, bytes))
                .collect();
            assert_eq!(all(&recovered), expected);
        }
    }
}

#[test]
fn an_entry_that_waits_for_room_is_written_once_there_is_some() {
    let io = FaultIo::new(256);
    let front = start(&io, 2);
    let recorder = Recorder::new();
    let stalled = stall(&front, &recorder);
    let writes = io.started();
    front.trim(stalled.start);
    assert!(matches!(recorder.wait(17)[16], Told::Committed { lsn, .. } if lsn == stalled));
    assert_eq!(io.started(), writes + 2, "a superblock, then the block");
}

#[test]
fn a_batch_larger_than_a_block_is_refused() {
    let front = start(&FaultIo::new(64), 1);
    let recorder = Recorder::new();
    for bytes in [16, 60, 64 * 4096 / 16 - 111, 1 << 20] {
        let refused = front.append(entry(0, bytes, &recorder));
        assert!(matches!(refused, Err(FrontError::BatchSize { .. })), "{bytes}: {refused:?}");
    }
    assert_eq!(front.batch_bytes_max(), 64 * 4096 / 16 - 112, "what its node says");
    front.append(entry(0, 64 * 4096 / 16 - 112, &recorder)).unwrap();
    assert!(matches!(recorder.wait(1)[0], Told::Committed { .. }));
}

#[test]
fn a_device_that_does_not_keep_up_pushes_back() {
    let io = FaultIo::new(1000);
    let tuning = Tuning { pending_bytes_max: 10_000, ..tuning(1) };
    let as_io = Arc::clone(&io) as Arc<dyn WalIo>;
    let front = DiskFront::start(as_io, "log-1", tuning, Arc::new(NoPromise)).unwrap();
    let recorder = Recorder::new();
    io.hold(0);
    for offset in 0..3 {
        front.append(entry(offset, 3000, &recorder)).unwrap();
    }
    let refused = front.append(entry(3, 3000, &recorder));
    assert_eq!(refused, Err(FrontError::Busy { pending_bytes: 3 * 3048 }));
    io.release(0);
    recorder.wait(3);
    while front.usage().pending_bytes > 0 {
        std::thread::yield_now();
    }
    front.append(entry(3, 3000, &recorder)).unwrap();
}

#[test]
fn a_group_ends_at_its_limit() {
    let io = FaultIo::new(1000);
    let tuning = Tuning { group_bytes_max: 16_384, ..tuning(1) };
    let as_io = Arc::clone(&io) as Arc<dyn WalIo>;
    let front = DiskFront::start(as_io, "log-1", tuning, Arc::new(NoPromise)).unwrap();
    let recorder = Recorder::new();
    io.hold(0);
    for offset in 0..11 {
        front.append(entry(offset, 3000, &recorder)).unwrap();
        io.wait_started(3);
    }
    io.release(0);
    recorder.wait(11);
    assert_eq!(io.started(), 2 + 1 + 2, "five entries to a block");
}

#[test]
fn trimming_everything_leaves_an_empty_log() {
    let io = FaultIo::new(64);
    let front = start(&io, 3);
    let expected = write_blocks(&front, &[5000; 6]);
    front.trim(expected[5].lsn.end);
    drop(front);
    let recovered = recover_image(io.image()).unwrap();
    assert_eq!(all(&recovered), []);
    assert_eq!((recovered.start(), recovered.end()), (expected[5].lsn.end, expected[5].lsn.end));
}
