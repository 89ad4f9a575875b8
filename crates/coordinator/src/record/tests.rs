//! The encoding keeps what it was given, keeps its bytes over releases, and refuses the rest.

mod consumer;

use proptest::prelude::{Strategy, any};
use proptest::{collection, option, prop_assert_eq, prop_oneof, proptest};
use uuid::Uuid;

use super::{
    Bytes, CommittedOffset, GroupKey, MemberRecord, Membership, Record, RecordError, StrBytes,
    TenantId, TopicId, TopicPartition,
};

fn text() -> impl Strategy<Value = StrBytes> {
    ".{0,12}".prop_map(StrBytes::from)
}

fn blob() -> impl Strategy<Value = Bytes> {
    collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

fn partition() -> impl Strategy<Value = TopicPartition> {
    (any::<u128>(), any::<i32>())
        .prop_map(|(id, index)| TopicPartition { topic: TopicId(Uuid::from_u128(id)), index })
}

fn offset() -> impl Strategy<Value = CommittedOffset> {
    (any::<i64>(), any::<i32>(), text(), any::<i64>()).prop_map(
        |(offset, leader_epoch, metadata, committed_at_ms)| CommittedOffset {
            offset,
            leader_epoch,
            metadata,
            committed_at_ms,
        },
    )
}

fn member() -> impl Strategy<Value = MemberRecord> {
    let names = (text(), option::of(text()), text(), text());
    let rest = (any::<i32>(), any::<i32>(), collection::vec((text(), blob()), 0..3), blob());
    (names, rest).prop_map(|((id, instance_id, client_id, client_host), rest)| MemberRecord {
        id,
        instance_id,
        client_id,
        client_host,
        session_timeout_ms: rest.0,
        rebalance_timeout_ms: rest.1,
        protocols: rest.2,
        assignment: rest.3,
    })
}

fn membership() -> impl Strategy<Value = Membership> {
    let names = (text(), option::of(text()), option::of(text()));
    (any::<i32>(), names, any::<i64>(), collection::vec(member(), 0..3)).prop_map(
        |(generation, (protocol_type, protocol_name, leader), since_ms, members)| Membership {
            generation,
            protocol_type,
            protocol_name,
            leader,
            since_ms,
            members,
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    let group =
        (any::<u32>(), text()).prop_map(|(id, group)| GroupKey { tenant: TenantId(id), group });
    let kind = prop_oneof![
        membership().prop_map(|membership| Record::Membership { group: nobody(), membership }),
        any::<i32>()
            .prop_map(|generation| Record::GenerationPromised { group: nobody(), generation }),
        consumer::change().prop_map(|change| Record::Consumer { group: nobody(), change }),
        any::<bool>().prop_map(|_| Record::GroupDeleted { group: nobody() }),
        collection::vec((partition(), offset()), 0..4)
            .prop_map(|offsets| Record::OffsetsCommitted { group: nobody(), offsets }),
        collection::vec(partition(), 0..4)
            .prop_map(|partitions| Record::OffsetsDeleted { group: nobody(), partitions }),
    ];
    (group, kind).prop_map(|(key, mut record)| {
        match &mut record {
            Record::Membership { group, .. }
            | Record::GenerationPromised { group, .. }
            | Record::Consumer { group, .. }
            | Record::GroupDeleted { group }
            | Record::OffsetsCommitted { group, .. }
            | Record::OffsetsDeleted { group, .. } => *group = key,
        }
        record
    })
}

fn nobody() -> GroupKey {
    GroupKey { tenant: TenantId::DEFAULT, group: "".into() }
}

proptest! {
    #[test]
    fn a_record_reads_back_as_it_was_written(record in record()) {
        prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn bytes_that_are_no_record_are_refused_without_a_panic(bytes in collection::vec(any::<u8>(), 0..80)) {
        let _ = Record::decode(&bytes);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_bytes_of_version_1_never_change() {
    let group = || GroupKey { tenant: TenantId(3), group: "g".into() };
    let at = TopicPartition { topic: TopicId(Uuid::from_u128(5)), index: 6 };
    let committed =
        CommittedOffset { offset: 7, leader_epoch: -1, metadata: "m".into(), committed_at_ms: 8 };
    let member = MemberRecord {
        id: "i".into(),
        instance_id: Some("s".into()),
        client_id: "c".into(),
        client_host: "h".into(),
        session_timeout_ms: 1,
        rebalance_timeout_ms: 2,
        protocols: vec![("p".into(), Bytes::from_static(b"x"))],
        assignment: Bytes::from_static(b"y"),
    };
    let membership = Membership {
        generation: 9,
        protocol_type: "t".into(),
        protocol_name: Some("p".into()),
        leader: Some("i".into()),
        since_ms: 10,
        members: vec![member],
    };
    let topic = "0a1000000000000000000000000000000005";
    let golden = [
        (
            Record::Membership { group: group(), membership },
            "010803120167\
             1a2a 0809 120174 1a0170 220169 280a 321b 0a0169 120173 1a0163 220168 2801 3002 3a06 0a0170 120178 420179"
                .to_owned(),
        ),
        (
            Record::GenerationPromised { group: group(), generation: 4 },
            "010803120167 2202 0804".to_owned(),
        ),
        (Record::GroupDeleted { group: group() }, "010803120167 2a00".to_owned()),
        (
            Record::OffsetsCommitted { group: group(), offsets: vec![(at, committed)] },
            format!("010803120167 321f 0a1d {topic} 1006 1807 2001 2a016d 3008"),
        ),
        (
            Record::OffsetsDeleted { group: group(), partitions: vec![at] },
            format!("010803120167 3a16 0a14 {topic} 1006"),
        ),
    ];
    for (record, bytes) in golden {
        assert_eq!(hex(&record.encode()), bytes.replace(' ', ""), "{record:?}");
    }
}

#[test]
fn what_cannot_be_understood_is_never_skipped() {
    let record = Record::GroupDeleted { group: nobody() };
    let mut bytes = record.encode().to_vec();
    bytes[0] = 2;
    assert_eq!(Record::decode(&bytes), Err(RecordError::Version { version: 2 }));
    assert_eq!(Record::decode(&[]), Err(RecordError::Empty));
    // Field 17: a kind of a later version.
    assert_eq!(Record::decode(b"\x01\x8a\x01\x00"), Err(RecordError::Malformed("unknown kind")));
    // A topic id of one byte.
    let short = b"\x01\x3a\x05\x0a\x03\x0a\x01\x00";
    assert_eq!(Record::decode(short), Err(RecordError::Malformed("topic id length")));
    // Field 16, a consumer group, with nothing in it.
    let nothing = RecordError::Malformed("unknown change of a consumer group");
    assert_eq!(Record::decode(b"\x01\x82\x01\x00"), Err(nothing));
    assert!(matches!(Record::decode(b"\x01\xff"), Err(RecordError::Protobuf(_))));
}
