//! The superblock format: golden bytes, round trips, refusals.

use proptest::prelude::*;

use super::*;

fn superblock() -> Superblock {
    Superblock {
        sequence: 3,
        log_id: "7-1-2-00000000000000aa".into(),
        nonce: 0x1122_3344_5566_7788,
        capacity: 0x0400_0000,
        start: Start {
            trimmed: Lsn(0x0102_0304),
            position: Position(0x5000),
            lsn: Lsn(0x0102_0300),
            previous_crc: 0xdead_beef,
        },
        durable: Position(0x9000),
    }
}

fn encoded(superblock: &Superblock) -> Vec<u8> {
    let mut out = vec![0xff; SUPERBLOCK_BYTES];
    superblock.encode(&mut out);
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_superblock_is_laid_out_as_documented() {
    // Golden: files on disks have these bytes. Another layout needs another version.
    let out = encoded(&superblock());
    assert_eq!(
        hex(&out[..103]),
        concat!(
            "544357414c524e47", // magic
            "01000000",         // version
            "889822b9",         // CRC
            "0300000000000000", // sequence
            "8877665544332211", // nonce
            "0000000400000000", // capacity
            "0403020100000000", // trimmed
            "0050000000000000", // start position
            "0003020100000000", // start LSN
            "efbeadde",         // start CRC
            "00000000",         // zero
            "0090000000000000", // durable
            "16",               // log id length
            "372d312d322d30303030303030303030303030306161",
        )
    );
    assert!(out[103..].iter().all(|byte| *byte == 0));
    assert_eq!(superblock().offset(), 4096, "odd sequences are the second copy");
}

#[test]
fn any_flipped_bit_is_refused() {
    let whole = encoded(&superblock());
    assert_eq!(Superblock::decode(&whole), Some(superblock()));
    for bit in 0..SUPERBLOCK_BYTES * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Superblock::decode(&damaged), None, "bit {bit}");
    }
    assert_eq!(Superblock::decode(&whole[..4095]), None);
    assert_eq!(Superblock::decode(&[0; SUPERBLOCK_BYTES]), None, "never written");
}

#[test]
fn the_later_copy_counts() {
    let older = Superblock { sequence: 2, ..superblock() };
    let copies = || (Some(older.clone()), Some(superblock()));
    let (first, second) = copies();
    assert_eq!(Superblock::newest([first, second]), Some(superblock()));
    let (first, _) = copies();
    assert_eq!(Superblock::newest([first, None]), Some(older));
    assert_eq!(Superblock::newest([None, None]), None);
}

proptest! {
    #[test]
    fn any_superblock_reads_back(
        numbers in any::<[u64; 7]>(),
        previous_crc in any::<u32>(),
        log_id in "[ -~]{0,255}",
    ) {
        let superblock = Superblock {
            sequence: numbers[0],
            log_id: log_id.as_str().into(),
            nonce: numbers[1],
            capacity: numbers[2],
            start: Start {
                trimmed: Lsn(numbers[3]),
                position: Position(numbers[4]),
                lsn: Lsn(numbers[5]),
                previous_crc,
            },
            durable: Position(numbers[6]),
        };
        prop_assert_eq!(Superblock::decode(&encoded(&superblock)), Some(superblock));
    }
}
