//! The encoding keeps what it was given, keeps its bytes over releases, and refuses the rest.

mod consumer;

use proptest::prelude::{Just, Strategy, any};
use proptest::{collection, option, prop_assert_eq, prop_oneof, proptest};
use uuid::Uuid;

use super::{
    Bytes, CommittedOffset, GroupKey, MemberRecord, Membership, Record, RecordError, StrBytes,
    TenantId, TopicId, TopicPartition, TransactionKey,
};
use crate::transactions::{Producer, Transaction, TransactionState};

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

fn producer() -> impl Strategy<Value = Producer> {
    (any::<i64>(), any::<i16>()).prop_map(|(id, epoch)| Producer { id, epoch })
}

fn transaction() -> impl Strategy<Value = Transaction> {
    let states = prop_oneof![
        Just(TransactionState::Empty),
        Just(TransactionState::Ongoing),
        Just(TransactionState::PrepareCommit),
        Just(TransactionState::PrepareAbort),
        Just(TransactionState::CompleteCommit),
        Just(TransactionState::CompleteAbort),
    ];
    let owners = (producer(), any::<bool>(), option::of(producer()), option::of(producer()));
    let times = (any::<i32>(), option::of(any::<i64>()), any::<i64>());
    (owners, states, collection::btree_set(partition(), 0..4), times).prop_map(
        |((producer, bumped, previous, next), state, partitions, times)| Transaction {
            producer,
            bumped,
            previous,
            next,
            timeout_ms: times.0,
            state,
            partitions,
            started_at_ms: times.1,
            updated_at_ms: times.2,
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
        (producer(), collection::vec((partition(), offset()), 0..4)).prop_map(
            |(producer, offsets)| Record::OffsetsPending { group: nobody(), producer, offsets }
        ),
        (producer(), any::<bool>()).prop_map(|(producer, commit)| Record::Marker {
            tenant: TenantId::DEFAULT,
            producer,
            commit,
        }),
        transaction().prop_map(|transaction| Record::Transaction { key: no_id(), transaction }),
        any::<bool>().prop_map(|_| Record::TransactionExpired { key: no_id() }),
    ];
    (group, kind).prop_map(|(key, mut record)| {
        match &mut record {
            Record::Membership { group, .. }
            | Record::GenerationPromised { group, .. }
            | Record::Consumer { group, .. }
            | Record::GroupDeleted { group }
            | Record::OffsetsCommitted { group, .. }
            | Record::OffsetsDeleted { group, .. }
            | Record::OffsetsPending { group, .. } => *group = key,
            Record::Marker { tenant, .. } => *tenant = key.tenant,
            Record::Transaction { key: of, .. } | Record::TransactionExpired { key: of } => {
                *of = TransactionKey { tenant: key.tenant, id: key.group };
            }
        }
        record
    })
}

fn nobody() -> GroupKey {
    GroupKey { tenant: TenantId::DEFAULT, group: "".into() }
}

fn no_id() -> TransactionKey {
    TransactionKey { tenant: TenantId::DEFAULT, id: "".into() }
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
    assert_golden(golden);
}

fn assert_golden<const N: usize>(golden: [(Record, String); N]) {
    for (record, bytes) in golden {
        assert_eq!(hex(&record.encode()), bytes.replace(' ', ""), "{record:?}");
    }
}

#[test]
fn nor_do_those_of_transactions() {
    let group = GroupKey { tenant: TenantId(3), group: "g".into() };
    let at = TopicPartition { topic: TopicId(Uuid::from_u128(5)), index: 6 };
    let committed =
        CommittedOffset { offset: 7, leader_epoch: -1, metadata: "m".into(), committed_at_ms: 8 };
    let topic = "0a1000000000000000000000000000000005";
    let key = || TransactionKey { tenant: TenantId(3), id: "g".into() };
    let producer = Producer { id: 11, epoch: 12 };
    let transaction = Transaction {
        producer,
        bumped: true,
        previous: Some(Producer { id: 11, epoch: 11 }),
        next: Some(Producer { id: 13, epoch: 0 }),
        timeout_ms: 14,
        state: TransactionState::PrepareAbort,
        partitions: [at].into(),
        started_at_ms: Some(15),
        updated_at_ms: 16,
    };
    let golden = [
        (
            Record::OffsetsPending { group, producer, offsets: vec![(at, committed)] },
            format!("010803120167 820325 0a04 080b100c 121d {topic} 1006 1807 2001 2a016d 3008"),
        ),
        (
            Record::Marker { tenant: TenantId(3), producer, commit: true },
            "010803 8a0308 0a04 080b100c 1001".to_owned(),
        ),
        (
            Record::Transaction { key: key(), transaction },
            format!(
                "010803120167 820430 0a04 080b100c 1001 1a04 080b100b 2202 080d \
                 280e 3003 3a14 {topic} 1006 400f 4810"
            ),
        ),
        (Record::TransactionExpired { key: key() }, "010803120167 8a0400".to_owned()),
    ];
    assert_golden(golden);
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
