//! Damage to what was durable: reported, never silently dropped (R69).

use std::sync::Arc;

use super::harness::{FaultIo, all, recover_image, start, tuning, write_blocks};
use crate::wal::block::{BlockHeader, HEADER_BYTES};
use crate::wal::io::WalIo;
use crate::wal::layout::{ALIGN, RING_START};
use crate::wal::superblock::Superblock;
use crate::wal::{Damage, DiskFront, Front, LoggedEntry, Lsn, NoPromise, RecoverError};

/// A log of one-sector blocks, and what it holds.
fn log_of(blocks: usize) -> (Vec<u8>, Vec<LoggedEntry>) {
    let io = FaultIo::new(32);
    let front = start(&io, 1);
    let sizes: Vec<_> = (0..blocks).map(|at| 300 + at * 100).collect();
    let expected = write_blocks(&front, &sizes);
    (io.image(), expected)
}

fn block_start(number: usize) -> usize {
    usize::try_from(RING_START + number as u64 * ALIGN).unwrap()
}

fn damage_of(image: Vec<u8>) -> (u64, Damage) {
    match recover_image(image) {
        Err(RecoverError::Corrupt { position, damage }) => (position, damage),
        Err(error) => panic!("{error}"),
        Ok(recovered) => panic!("{} bytes recovered", recovered.end()),
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    // Goal: whichever bit of a block flips, recovery returns the truth or an error. Only the last
    // block may go missing: its damage looks like a torn write.
    let (image, expected) = log_of(4);
    for number in 0..4 {
        let block_bytes = 64 + 48 + 300 + number * 100;
        for at in 0..block_bytes {
            let mut flipped = image.clone();
            flipped[block_start(number) + at] ^= 1 << (at % 8);
            match recover_image(flipped) {
                Ok(recovered) => {
                    assert_eq!(number, 3, "block {number} was dropped, byte {at}");
                    assert_eq!(all(&recovered), expected[..3]);
                }
                Err(RecoverError::Corrupt { position, damage }) => {
                    assert_eq!(position, number as u64 * ALIGN);
                    let later = (number as u64 + 1) * ALIGN;
                    assert_eq!(damage, Damage::BadBlock { later }, "byte {at}");
                    assert_ne!(number, 3);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn damage_to_several_blocks_is_noticed_by_any_later_one() {
    let (mut image, _) = log_of(12);
    image[block_start(3)..block_start(11)].fill(0);
    assert_eq!(damage_of(image), (3 * ALIGN, Damage::BadBlock { later: 11 * ALIGN }));
}

#[test]
fn one_superblock_is_enough_and_none_is_an_error() {
    let (image, expected) = log_of(3);
    for copy in 0..2 {
        let mut one = image.clone();
        one[copy * 4096..(copy + 1) * 4096].fill(0xff);
        assert_eq!(all(&recover_image(one).unwrap()), expected);
    }
    let mut none = image;
    none[..8192].fill(0);
    assert_eq!(damage_of(none), (0, Damage::Superblocks));
}

#[test]
fn a_lost_superblock_leads_to_an_error_once_its_predecessor_is_overwritten() {
    // The newest superblock is damaged and the other points to where a later lap is now: what lies
    // between cannot be known, so nothing is recovered.
    let io = FaultIo::new(16);
    let front = start(&io, 1);
    let expected = write_blocks(&front, &[3000; 13]);
    front.trim(expected[12].lsn.end);
    while front.usage().used_bytes > 0 {
        std::thread::yield_now();
    }
    write_blocks(&front, &[3000; 5]);
    let mut image = io.image();
    image[4096 + 20] ^= 1; // The third superblock went to the second place.
    assert!(matches!(damage_of(image), (0, Damage::BadBlock { .. })));
}

#[test]
fn a_log_that_ends_before_what_a_superblock_saw_is_damaged() {
    // The last block has none behind it that would tell, but it was durable when the log was trimmed.
    let io = FaultIo::new(32);
    let front = start(&io, 1);
    let expected = write_blocks(&front, &[3000; 6]);
    front.trim(expected[2].lsn.end);
    drop(front);
    let mut image = io.image();
    image[block_start(5) + 70] ^= 1;
    assert_eq!(damage_of(image), (5 * ALIGN, Damage::Short));
}

#[test]
fn a_file_of_another_size_is_refused() {
    let (mut image, _) = log_of(2);
    image.truncate(image.len() - 4096);
    assert_eq!(damage_of(image), (0, Damage::FileSize));
    assert_eq!(damage_of(vec![0; 100]), (0, Damage::FileSize));
}

#[test]
fn a_block_moved_from_elsewhere_is_not_taken_for_another() {
    // A misdirected write: block 1 stands where block 2 belongs too.
    let (mut image, _) = log_of(5);
    image.copy_within(block_start(1)..block_start(2), block_start(2));
    assert_eq!(damage_of(image), (2 * ALIGN, Damage::BadBlock { later: 3 * ALIGN }));
}

#[test]
fn a_lost_superblock_never_leads_back_to_an_earlier_incarnation() {
    let io = FaultIo::new(32);
    write_blocks(&start(&io, 1), &[3000; 5]);
    let as_io = Arc::clone(&io) as Arc<dyn WalIo>;
    let front = DiskFront::start(as_io, "log-2", tuning(1), Arc::new(NoPromise)).unwrap();
    let expected = write_blocks(&front, &[100]);
    for copy in 0..2 {
        let mut image = io.image();
        image[copy * 4096] ^= 1;
        let recovered = recover_image(image).unwrap();
        assert_eq!((recovered.log_id(), all(&recovered)), ("log-2", expected.clone()));
    }
}

#[test]
fn a_whole_block_that_contradicts_the_chain_is_damage() {
    // No crash makes such a block; our own mistake or a forger might.
    type Change = fn(&mut BlockHeader);
    let changes: [Change; 3] = [
        |header| header.previous_crc ^= 1,
        |header| header.lsn = Lsn(header.lsn.0 + 1),
        |header| header.skipped += 4096,
    ];
    for change in changes {
        let (mut image, _) = log_of(3);
        let nonce = Superblock::decode(&image[..4096]).unwrap().nonce;
        let place = block_start(2)..block_start(2) + HEADER_BYTES;
        let (mut header, _) = BlockHeader::decode(&image[place.clone()], nonce).unwrap();
        change(&mut header);
        header.encode(nonce, (&mut image[place]).try_into().unwrap());
        assert_eq!(damage_of(image), (2 * ALIGN, Damage::Chain));
    }
}
