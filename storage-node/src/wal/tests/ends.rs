//! The ends of a log: sealed, dropped.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::harness::{
    Fault, FaultIo, Recorder, Told, all, entry, recover_image, stall, start, write_blocks,
};
use crate::wal::layout::{ALIGN, RING_START};
use crate::wal::{
    CommitTarget, Damage, Entry, Front, FrontError, FrontState, Lsn, LsnRange, RecoverError,
};

#[tokio::test]
async fn sealing_waits_for_what_is_in_flight_and_refuses_the_rest() {
    let io = FaultIo::new(64);
    let front = start(&io, 3);
    let recorder = Recorder::new();
    io.hold(0);
    let lsn = front.append(entry(0, 100, &recorder)).unwrap();
    io.wait_started(3);
    let mut seal = front.seal();
    for _ in 0..20 {
        assert!(futures::poll!(&mut seal).is_pending(), "sealed with a write in flight");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(front.append(entry(1, 100, &recorder)), Err(FrontError::Sealed));
    io.release(0);
    assert_eq!(seal.await, Ok(lsn.end));
    assert!(matches!(recorder.told()[..], [Told::Committed { .. }]));
    assert_eq!(*front.state().borrow(), FrontState::Sealed(lsn.end));
    assert_eq!(front.seal().await, Ok(lsn.end), "sealing again changes nothing");
}

#[tokio::test]
async fn a_sealed_log_reads_back_in_pieces() {
    let front = start(&FaultIo::new(256), 3);
    let expected = write_blocks(&front, &[3000; 12]);
    let early = front.read_sealed(Lsn(0), 1).await;
    assert!(matches!(early, Err(RecoverError::NotSealed)));
    let end = front.seal().await.unwrap();
    let mut read = Vec::new();
    let mut from = Lsn(0);
    loop {
        let chunk = front.read_sealed(from, 7000).await.unwrap();
        if chunk.entries.is_empty() {
            break;
        }
        assert!(chunk.entries.len() <= 2);
        read.extend(chunk.entries);
        from = chunk.next;
    }
    assert_eq!(read, expected);
    assert_eq!(from, end);
}

#[tokio::test]
async fn a_failing_log_cannot_be_sealed() {
    let io = FaultIo::new(64);
    let front = start(&io, 3);
    write_blocks(&front, &[100; 3]);
    io.fail_now(Fault::Error(std::io::ErrorKind::Other));
    assert!(matches!(front.seal().await, Err(FrontError::Poisoned(_))));
    assert!(matches!(*front.state().borrow(), FrontState::Poisoned(_)));
}

#[tokio::test]
async fn a_sealed_log_that_lost_its_last_block_is_damaged() {
    // Without the seal this could not be told from a torn tail.
    let io = FaultIo::new(64);
    let front = start(&io, 1);
    write_blocks(&front, &[100; 3]);
    let before = io.image();
    front.seal().await.unwrap();
    let last_block = usize::try_from(RING_START + 2 * ALIGN).unwrap();
    for (mut image, sealed) in [(before, false), (io.image(), true)] {
        image[last_block + 80] ^= 1;
        let recovered = recover_image(image);
        match recovered {
            Ok(recovered) => assert!(!sealed && all(&recovered).len() == 2),
            Err(RecoverError::Corrupt { damage, .. }) => {
                assert!(sealed && damage == Damage::Short);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn dropping_the_front_writes_what_is_queued() {
    let io = FaultIo::new(64);
    let front = start(&io, 2);
    let recorder = Recorder::new();
    io.hold(0);
    for offset in 0..10 {
        front.append(entry(offset, 500, &recorder)).unwrap();
    }
    io.release(0);
    drop(front);
    assert_eq!(recorder.told().len(), 10, "all threads are joined, so all is told");
    assert_eq!(Arc::strong_count(&io), 1, "no thread holds the file");
    assert_eq!(all(&recover_image(io.image()).unwrap()).len(), 10);
}

#[test]
fn dropping_a_full_front_fails_what_cannot_be_written() {
    let io = FaultIo::new(256);
    let front = start(&io, 2);
    let recorder = Recorder::new();
    stall(&front, &recorder);
    drop(front);
    let told = recorder.told();
    assert_eq!(told.len(), 17);
    assert_eq!(told[16], Told::Failed { base_offset: 16 });
}

#[test]
fn a_target_may_drop_the_front() {
    // The last reference to the front goes away on one of its own threads: no deadlock.
    struct Owner(Mutex<Option<Box<dyn Front>>>, Arc<Recorder>);
    impl CommitTarget for Owner {
        fn committed(&self, lsn: LsnRange, base: i64, last: i64, batch: Bytes) {
            drop(self.0.lock().take());
            self.1.committed(lsn, base, last, batch);
        }
        fn failed(&self, base: i64) {
            self.1.failed(base);
        }
    }
    let io = FaultIo::new(64);
    let recorder = Recorder::new();
    let front = start(&io, 3);
    io.hold(0);
    let owner = Arc::new(Owner(Mutex::new(None), Arc::clone(&recorder)));
    let target = Arc::clone(&owner) as Arc<dyn CommitTarget>;
    front.append(Entry { target, ..entry(0, 100, &recorder) }).unwrap();
    *owner.0.lock() = Some(Box::new(front));
    io.release(0);
    assert_eq!(recorder.wait(1).len(), 1);
}
