//! The block format: golden bytes, round trips, refusals.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const NONCE: u64 = 0x1122_3344_5566_7788;

fn header() -> BlockHeader {
    BlockHeader {
        position: Position(0x0102_0304_0506_0000),
        durable: Position(0x4000),
        lsn: Lsn(0x0a0b_0c0d),
        payload_bytes: 109,
        entries: 1,
        skipped: 0x2000,
        previous_crc: 0xdead_beef,
        payload_crc: 0xcafe_f00d,
    }
}

fn entry_header() -> EntryHeader {
    EntryHeader {
        batch_bytes: 5,
        partition: PartitionId {
            tenant: TenantId(9),
            topic: TopicId(Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff)),
            index: 3,
        },
        leader_epoch: 4,
        base_offset: 1000,
        last_offset: 1004,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn headers_are_laid_out_as_documented() {
    // Golden: logs on disks have these bytes. Another layout needs another version.
    let mut out = [0; HEADER_BYTES];
    let crc = header().encode(NONCE, &mut out);
    assert_eq!(
        hex(&out),
        concat!(
            "54435742",         // magic
            "01000000",         // version, zero
            "8877665544332211", // nonce
            "0000060504030201", // position
            "0040000000000000", // durable
            "0d0c0b0a00000000", // LSN
            "6d000000",         // payload length
            "01000000",         // entries
            "00200000",         // skipped
            "efbeadde",         // previous CRC
            "0df0feca",         // payload CRC
            "85d91f0c",         // header CRC
        )
    );
    assert_eq!(crc, u32::from_le_bytes(out[60..].try_into().unwrap()));

    let mut out = [0; ENTRY_HEADER_BYTES];
    entry_header().encode(&mut out);
    assert_eq!(
        hex(&out),
        concat!(
            "05000000",                         // batch length
            "09000000",                         // tenant
            "00112233445566778899aabbccddeeff", // topic
            "03000000",                         // partition
            "04000000",                         // leader epoch
            "e803000000000000",                 // base offset
            "ec03000000000000",                 // last offset
        )
    );
}

#[test]
fn only_whole_headers_of_this_incarnation_are_read() {
    let mut out = [0; HEADER_BYTES];
    let crc = header().encode(NONCE, &mut out);
    assert_eq!(BlockHeader::decode(&out, NONCE), Some((header(), crc)));
    assert_eq!(BlockHeader::decode(&out, NONCE + 1), None, "an earlier incarnation's");
    assert_eq!(BlockHeader::decode(&out[..63], NONCE), None);
    for bit in 0..HEADER_BYTES * 8 {
        let mut damaged = out;
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(BlockHeader::decode(&damaged, NONCE), None, "bit {bit}");
    }
}

#[test]
fn entries_must_fill_the_payload() {
    let mut payload = vec![0; ENTRY_HEADER_BYTES];
    entry_header().encode(&mut payload);
    payload.extend(*b"batch");
    let whole = decode_entries(payload.clone().into(), Lsn(100), 1).unwrap();
    assert_eq!(whole[0].batch, &b"batch"[..]);
    assert_eq!(whole[0].lsn, LsnRange { start: Lsn(100), end: Lsn(153) });
    for wrong_count in [0, 2] {
        assert_eq!(decode_entries(payload.clone().into(), Lsn(0), wrong_count), None);
    }
    for length in 1..payload.len() {
        assert_eq!(decode_entries(payload[..length].to_vec().into(), Lsn(0), 1), None, "{length}");
    }
}

proptest! {
    #[test]
    fn any_header_reads_back(
        numbers in any::<[u64; 3]>(),
        words in any::<[u32; 5]>(),
        nonce in any::<u64>(),
    ) {
        let header = BlockHeader {
            position: Position(numbers[0]),
            durable: Position(numbers[1]),
            lsn: Lsn(numbers[2]),
            payload_bytes: words[0],
            entries: words[1],
            skipped: words[2],
            previous_crc: words[3],
            payload_crc: words[4],
        };
        let mut out = [0; HEADER_BYTES];
        let crc = header.encode(nonce, &mut out);
        prop_assert_eq!(BlockHeader::decode(&out, nonce), Some((header, crc)));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        count in any::<u32>(),
    ) {
        BlockHeader::decode(&bytes, NONCE);
        decode_entries(bytes.into(), Lsn(0), count);
    }
}
