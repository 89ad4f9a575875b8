//! What recovery finds after a clean or unclean end.

use std::sync::Arc;

use super::harness::{
    Fault, FaultIo, Recorder, all, entry, logged, recover_image, start, tuning, write_blocks,
};
use crate::wal::io::{MemoryIo, WalIo};
use crate::wal::layout::{ALIGN, RING_START};
use crate::wal::{DiskFront, Front, Lsn, NoPromise};

#[test]
fn a_fresh_log_is_empty() {
    let io = FaultIo::new(64);
    let _front = start(&io, 3);
    let recovered = recover_image(io.image()).unwrap();
    assert_eq!(recovered.log_id(), "log-1");
    assert_eq!((recovered.start(), recovered.end()), (Lsn(0), Lsn(0)));
    assert_eq!(all(&recovered), []);
}

#[test]
fn a_log_reads_back_as_written() {
    let io = FaultIo::new(1000);
    let front = start(&io, 3);
    let sizes: Vec<_> = (0..150).map(|at| 61 + at * 137 % 9000).collect();
    let expected = write_blocks(&front, &sizes);
    let recovered = recover_image(io.image()).unwrap();
    assert_eq!(all(&recovered), expected);
    assert_eq!(recovered.end(), front.usage().end);
}

#[test]
fn a_block_torn_at_any_byte_is_the_end_of_the_log() {
    // Goal: recovery yields the blocks before a torn one and never part of it. The last block is cut
    // at each of its bytes; behind the cut stands the opposite of what was written.
    let io = FaultIo::new(16);
    let front = start(&io, 1);
    let expected = write_blocks(&front, &[700, 1500, 2222]);
    let image = io.image();
    let last = usize::try_from(RING_START + 2 * ALIGN).unwrap();
    let block_bytes = 64 + 48 + 2222;
    for cut in 0..4096 {
        let mut torn = image.clone();
        torn[last + cut..last + 4096].iter_mut().for_each(|byte| *byte = !*byte);
        let recovered = recover_image(torn).unwrap();
        let whole = if cut < block_bytes { 2 } else { 3 };
        assert_eq!(all(&recovered), expected[..whole], "cut at {cut}");
    }
}

#[test]
fn a_hole_among_the_writes_in_flight_is_a_torn_tail() {
    // Block 1 never lands, blocks 2 and 3 do: none of the three was acknowledged.
    let io = FaultIo::new(64);
    let front = start(&io, 3);
    let expected = write_blocks(&front, &[100]);
    let recorder = Recorder::new();
    io.hold(1);
    for offset in 1..4 {
        front.append(entry(offset, 100, &recorder)).unwrap();
        io.wait_started(3 + offset as usize);
    }
    // The pwrite of block 3 has begun; it has landed when its bytes are there.
    let third = usize::try_from(RING_START + 3 * ALIGN).unwrap();
    while io.image()[third] == 0 {
        std::thread::yield_now();
    }
    let recovered = recover_image(io.image()).unwrap();
    assert_eq!(all(&recovered), expected);
    io.release(1);
    assert_eq!(recorder.wait(3).len(), 3);
}

#[test]
fn left_overs_of_an_earlier_incarnation_are_not_part_of_the_log() {
    let io = FaultIo::new(64);
    write_blocks(&start(&io, 1), &[5000; 8]);
    let as_io = Arc::clone(&io) as Arc<dyn WalIo>;
    let front = DiskFront::start(as_io, "log-2", tuning(1), Arc::new(NoPromise)).unwrap();
    let empty = recover_image(io.image()).unwrap();
    assert_eq!((empty.log_id(), all(&empty)), ("log-2", vec![]));
    let expected = write_blocks(&front, &[6000, 100]);
    assert_eq!(all(&recover_image(io.image()).unwrap()), expected);
}

#[test]
fn a_crash_while_an_incarnation_begins_leaves_one_of_both() {
    // The two superblock writes of the second incarnation tear in every way: recovery sees the log of
    // the first, or the empty log of the second, and never a mixture.
    let first = FaultIo::new(16);
    let expected = write_blocks(&start(&first, 1), &[100, 200]);
    let image = first.image();
    for nth in 0..2 {
        for sectors in 0..256 {
            let io = FaultIo::holding(image.clone());
            io.fail_from(nth, Fault::Torn(sectors));
            let as_io = Arc::clone(&io) as Arc<dyn WalIo>;
            assert!(DiskFront::start(as_io, "log-2", tuning(1), Arc::new(NoPromise)).is_err());
            let recovered = recover_image(io.image()).unwrap();
            match recovered.log_id() {
                "log-1" => assert_eq!(all(&recovered), expected),
                "log-2" => assert_eq!(all(&recovered), []),
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn entries_below_the_trim_point_are_left_out() {
    // Three entries share a block, and the trim point lies between them.
    let io = FaultIo::new(64);
    let front = start(&io, 1);
    let recorder = Recorder::new();
    io.hold(0);
    let mut lsns = vec![front.append(entry(0, 100, &recorder)).unwrap()];
    io.wait_started(3);
    for offset in 1..4 {
        lsns.push(front.append(entry(offset, 100, &recorder)).unwrap());
    }
    io.release(0);
    recorder.wait(4);
    front.trim(lsns[2].start);
    drop(front);
    let recovered = recover_image(io.image()).unwrap();
    assert_eq!(recovered.start(), lsns[2].start);
    assert_eq!(all(&recovered), [logged(lsns[2], 2, 100), logged(lsns[3], 3, 100)]);
}

#[test]
fn a_recovered_log_reads_from_any_place() {
    let io = Arc::new(MemoryIo::zeroed(32 << 20));
    let as_io = Arc::clone(&io) as Arc<dyn WalIo>;
    let front = DiskFront::start(as_io, "log-1", tuning(3), Arc::new(NoPromise)).unwrap();
    let expected = write_blocks(&front, &[60_000; 200]);
    let recovered = recover_image(io.image()).unwrap();
    for at in [0, 1, 17, 18, 99, 199] {
        let chunk = recovered.read(expected[at].lsn.start, 150_000).unwrap();
        assert_eq!(chunk.entries, expected[at..(at + 2).min(200)]);
        assert_eq!(chunk.next, chunk.entries.last().unwrap().lsn.end);
    }
    assert_eq!(recovered.read(recovered.end(), 1).unwrap().entries, []);
}
