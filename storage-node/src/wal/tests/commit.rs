//! What targets are told, and in which order.

use std::io::ErrorKind;
use std::sync::Arc;

use bytes::Bytes;

use super::harness::{Fault, FaultIo, Recorder, Told, entry, logged, start, write_blocks};
use crate::wal::io::WalIo;
use crate::wal::{
    CommitTarget, DiskFront, Entry, Front, FrontError, FrontState, Lsn, LsnRange, Promise,
    PromiseState, Tuning,
};

fn committed(lsn: LsnRange, offset: i64, bytes: usize) -> Told {
    let batch = logged(lsn, offset, bytes).batch;
    Told::Committed { lsn, base_offset: offset, last_offset: offset + 9, batch }
}

fn failed(offset: i64) -> Told {
    Told::Failed { base_offset: offset }
}

#[test]
fn a_committed_batch_has_its_offset_and_epoch_and_nothing_else_changed() {
    let front = start(&FaultIo::new(256), 3);
    let recorder = Recorder::new();
    let small = front.append(entry(40, 61, &recorder)).unwrap();
    recorder.wait(1);
    let large = front.append(entry(50, 20_000, &recorder)).unwrap();
    assert_eq!(small.start, Lsn(0));
    assert_eq!(small.end, large.start);
    assert_eq!(recorder.wait(2), [committed(small, 40, 61), committed(large, 50, 20_000)]);
}

#[test]
fn a_buffer_used_before_leaves_nothing_behind_a_shorter_block() {
    let io = FaultIo::new(64);
    let front = start(&io, 1);
    write_blocks(&front, &[3900, 61]);
    let second = &io.image()[8192 + 4096..8192 + 8192];
    assert_ne!(second[..64 + 48 + 61], [0; 64 + 48 + 61]);
    assert!(second[64 + 48 + 61..].iter().all(|byte| *byte == 0));
}

#[test]
fn writes_that_finish_early_wait_for_the_ones_before_them() {
    // Block 0 hangs, blocks 1 and 2 are durable: nobody may hear of them (R15).
    let io = FaultIo::new(64);
    let front = start(&io, 3);
    let recorder = Recorder::new();
    io.hold(0);
    let mut lsns = Vec::new();
    for offset in 0..3 {
        lsns.push(front.append(entry(offset, 100, &recorder)).unwrap());
        io.wait_started(3 + offset as usize);
    }
    assert_eq!(recorder.told(), []);
    assert_eq!(front.usage().durable, Lsn(0));
    io.release(0);
    let expected: Vec<_> =
        lsns.into_iter().enumerate().map(|(at, lsn)| committed(lsn, at as i64, 100)).collect();
    assert_eq!(recorder.wait(3), expected);
}

#[test]
fn what_queues_up_during_a_write_shares_the_next_block() {
    let io = FaultIo::new(64);
    let front = start(&io, 1);
    let recorder = Recorder::new();
    io.hold(0);
    for offset in 0..20 {
        front.append(entry(offset, 100, &recorder)).unwrap();
        io.wait_started(3);
    }
    io.release(0);
    assert_eq!(recorder.wait(20).len(), 20);
    assert_eq!(io.started(), 4, "two superblocks, the first entry, and all others together");
}

#[test]
fn a_write_error_ends_the_log_for_everybody() {
    // Goal: nothing is acknowledged once a write failed (R68), and everybody gets an answer.
    // Block 0 hangs and succeeds later, block 1 fails: even block 0 is not acknowledged.
    for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
        let io = FaultIo::new(64);
        let front = start(&io, 2);
        let recorder = Recorder::new();
        io.hold(0);
        front.append(entry(0, 100, &recorder)).unwrap();
        io.wait_started(3);
        io.fail_from(3, Fault::Error(kind));
        io.hold(1);
        front.append(entry(1, 100, &recorder)).unwrap();
        io.wait_started(4);
        front.append(entry(2, 100, &recorder)).unwrap();
        io.release(1);
        while *front.state().borrow() == FrontState::Open {
            std::thread::yield_now();
        }
        io.release(0);
        assert_eq!(recorder.wait(3), [failed(0), failed(1), failed(2)]);
        let refused = front.append(entry(3, 100, &recorder));
        assert!(matches!(refused, Err(FrontError::Poisoned(_))), "{refused:?}");
        assert_eq!(io.started(), 4, "nothing is tried again");
    }
}

#[test]
fn a_panicking_target_ends_the_log_but_the_others_hear_of_it() {
    struct Panics;
    impl CommitTarget for Panics {
        fn committed(&self, _: LsnRange, _: i64, _: i64, _: Bytes) {
            panic!("expected by the test");
        }
        fn failed(&self, _: i64) {}
    }
    let io = FaultIo::new(64);
    let front = start(&io, 2);
    let recorder = Recorder::new();
    io.hold(0);
    front.append(entry(0, 100, &recorder)).unwrap();
    io.wait_started(3);
    front.append(Entry { target: Arc::new(Panics), ..entry(1, 100, &recorder) }).unwrap();
    io.wait_started(4);
    front.append(entry(2, 100, &recorder)).unwrap();
    io.release(0);
    let told = recorder.wait(2);
    assert!(matches!(told[0], Told::Committed { base_offset: 0, .. }));
    assert_eq!(told[1], failed(2));
}

/// A promise that the test changes.
struct Switch(parking_lot::Mutex<PromiseState>);

impl Promise for Switch {
    fn state(&self) -> PromiseState {
        *self.0.lock()
    }
}

fn start_with(io: &Arc<FaultIo>, switch: &Arc<Switch>) -> DiskFront {
    let io = Arc::clone(io) as Arc<dyn WalIo>;
    let promise = Arc::clone(switch) as Arc<dyn Promise>;
    DiskFront::start(io, "log-1", Tuning::default(), promise).unwrap()
}

#[test]
fn durable_entries_wait_while_the_promise_is_expired() {
    let switch = Arc::new(Switch(parking_lot::Mutex::new(PromiseState::Expired)));
    let io = FaultIo::new(64);
    let front = start_with(&io, &switch);
    let recorder = Recorder::new();
    let lsn = front.append(entry(0, 100, &recorder)).unwrap();
    while front.usage().durable < lsn.end {
        std::thread::yield_now();
    }
    assert_eq!(recorder.told(), [], "durable, but the deadline has passed (R4)");
    *switch.0.lock() = PromiseState::Held;
    assert_eq!(recorder.wait(1), [committed(lsn, 0, 100)]);
}

#[test]
fn a_lost_promise_ends_the_log() {
    let switch = Arc::new(Switch(parking_lot::Mutex::new(PromiseState::Lost)));
    let front = start_with(&FaultIo::new(64), &switch);
    let recorder = Recorder::new();
    front.append(entry(0, 100, &recorder)).unwrap();
    assert_eq!(recorder.wait(1), [failed(0)]);
    *switch.0.lock() = PromiseState::Held;
    assert!(matches!(front.append(entry(1, 100, &recorder)), Err(FrontError::Poisoned(_))));
}
