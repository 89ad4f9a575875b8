//! Keys: golden texts, round trips, refusal of second spellings.

use proptest::prelude::{any, proptest};
use protocol::ids::{NodeId, PartitionId, TenantId, TopicId};
use uuid::Uuid;

use super::{Family, Key, Parsed, compacted, generation, index, manifest, parse, slot};
use crate::log_id::LogId;

fn log() -> LogId {
    LogId { node: NodeId(3), generation: 1, incarnation: 7, nonce: 0x00c0_ffee_00c0_ffee }
}

fn partition() -> PartitionId {
    PartitionId { tenant: TenantId::DEFAULT, topic: TopicId(Uuid::from_u128(0xabc)), index: 12 }
}

#[test]
fn persisted_keys_stay_stable() {
    let unique = Uuid::from_u128(1);
    let texts = [
        slot(Family::Meta, &log(), 5),
        slot(Family::Data, &log(), 5),
        slot(Family::Wal, &log(), 5),
        manifest(&partition()),
        compacted(&partition(), 1000, unique),
        index(&log(), unique),
        generation(2),
    ]
    .map(|key| key.to_string());
    assert_eq!(
        texts,
        [
            "meta/00000000000000000005",
            "l/94/3-1-7-00c0ffee00c0ffee/000000000005",
            "w/94/3-1-7-00c0ffee00c0ffee/000000000005",
            "m/04/00000000000000000000000000000abc/12",
            "d/04/00000000000000000000000000000abc/12/00000000000000001000-00000000000000000000000000000001",
            "x/94/3-1-7-00c0ffee00c0ffee/index-00000000000000000000000000000001",
            "g/00002",
        ]
    );
}

proptest! {
    #[test]
    fn slots_round_trip(node in 0..=i32::MAX, generation: u32, incarnation: u64, nonce: u64, number: u64) {
        let log = LogId { node: NodeId(node), generation, incarnation, nonce };
        for family in [Family::Data, Family::Wal] {
            let parsed = parse(&slot(family, &log, number));
            assert_eq!(parsed, Some(Parsed::LogSlot(family, log, number)));
        }
        assert_eq!(parse(&super::generation(generation)), Some(Parsed::Generation(generation)));
        assert_eq!(parse(&slot(Family::Meta, &log, number)), Some(Parsed::MetaSlot(number)));
        let unique = Uuid::from_u128(u128::from(nonce));
        assert_eq!(parse(&index(&log, unique)), Some(Parsed::Index(log, unique)));
    }

    #[test]
    fn partition_keys_round_trip(topic: u128, index in 0..=i32::MAX, base in 0..=i64::MAX, unique: u128) {
        let topic = TopicId(Uuid::from_u128(topic));
        let unique = Uuid::from_u128(unique);
        let partition = PartitionId { tenant: TenantId::DEFAULT, topic, index };
        assert_eq!(parse(&manifest(&partition)), Some(Parsed::Manifest(topic, index)));
        let key = compacted(&partition, base, unique);
        assert_eq!(parse(&key), Some(Parsed::Compacted(topic, index, base, unique)));
    }

    #[test]
    fn slots_of_a_log_sort_by_number(a in 0..999_999_999_999_u64, b in 0..999_999_999_999_u64) {
        let (first, second) = (slot(Family::Data, &log(), a), slot(Family::Data, &log(), b));
        assert_eq!(first.cmp(&second), a.cmp(&b));
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in any::<String>()) {
        parse(&Key::from_text(&text));
    }
}

#[test]
fn second_spellings_are_refused() {
    for text in [
        "meta/5",
        "l/00/3-1-7-00c0ffee00c0ffee/000000000005",
        "l/94/3-1-7-00c0ffee00c0ffee/5",
        "m/04/00000000-0000-0000-0000-000000000abc/12",
        "m/04/00000000000000000000000000000abc/012",
        "x/94/3-1-7-00c0ffee00c0ffee/00000000000000000000000000000001",
    ] {
        assert_eq!(parse(&Key::from_text(text)), None, "{text}");
    }
}
