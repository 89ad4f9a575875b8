//! The same for consumer groups.

use proptest::prelude::{Just, Strategy, any};
use proptest::{collection, option, prop_oneof};
use uuid::Uuid;

use super::{
    Bytes, GroupKey, Record, TenantId, TopicId, TopicPartition, blob, hex, partition, text,
};
use crate::record::{
    Assignment, ClassicMember, ConsumerChange, ConsumerEpochs, ConsumerMember, CurrentAssignment,
    MemberState,
};

fn assignment() -> impl Strategy<Value = Assignment> {
    collection::btree_set(partition(), 0..5)
}

fn member() -> impl Strategy<Value = ConsumerMember> {
    let names = (text(), option::of(text()), option::of(text()), text(), text());
    let wishes = (collection::btree_set(text(), 0..3), option::of(text()), option::of(text()));
    let protocols = collection::vec((text(), blob()), 0..3);
    let classic = (any::<i32>(), protocols).prop_map(|(session_timeout_ms, protocols)| {
        ClassicMember { session_timeout_ms, protocols }
    });
    let wishes = (wishes, option::of(classic));
    (names, any::<i32>(), wishes).prop_map(|(names, rebalance_timeout_ms, wishes)| {
        let (id, instance_id, rack_id, client_id, client_host) = names;
        let ((topics, regex, assignor), classic) = wishes;
        ConsumerMember {
            id,
            instance_id,
            rack_id,
            client_id,
            client_host,
            rebalance_timeout_ms,
            topics,
            regex,
            assignor,
            classic,
        }
    })
}

fn current() -> impl Strategy<Value = CurrentAssignment> {
    let state = prop_oneof![
        Just(MemberState::Stable),
        Just(MemberState::UnrevokedPartitions),
        Just(MemberState::UnreleasedPartitions)
    ];
    (any::<i32>(), any::<i32>(), state, assignment(), assignment(), any::<bool>()).prop_map(
        |(epoch, previous_epoch, state, assigned, revoking, awaits_sync)| CurrentAssignment {
            epoch,
            previous_epoch,
            state,
            assigned,
            revoking,
            awaits_sync,
        },
    )
}

pub(super) fn change() -> impl Strategy<Value = ConsumerChange> {
    prop_oneof![
        (any::<i32>(), any::<i32>(), any::<u64>(), any::<i64>()).prop_map(
            |(group, target, topics_hash, since_ms)| {
                let epochs = ConsumerEpochs { group, target, topics_hash, since_ms };
                ConsumerChange::Epochs(epochs)
            }
        ),
        member().prop_map(ConsumerChange::Subscribed),
        (text(), member())
            .prop_map(|(former_id, member)| ConsumerChange::Replaced { former_id, member }),
        (text(), assignment())
            .prop_map(|(member_id, partitions)| ConsumerChange::Targeted { member_id, partitions }),
        (text(), current())
            .prop_map(|(member_id, current)| ConsumerChange::Reconciled { member_id, current }),
        text().prop_map(|member_id| ConsumerChange::Left { member_id }),
    ]
}

#[test]
fn the_bytes_of_version_1_never_change() {
    let group = || GroupKey { tenant: TenantId(3), group: "g".into() };
    let at = |index| TopicPartition { topic: TopicId(Uuid::from_u128(5)), index };
    let member = ConsumerMember {
        id: "i".into(),
        instance_id: Some("s".into()),
        rack_id: Some("r".into()),
        client_id: "c".into(),
        client_host: "h".into(),
        rebalance_timeout_ms: 2,
        topics: ["t".into()].into(),
        regex: Some("x".into()),
        assignor: Some("u".into()),
        classic: None,
    };
    let current = CurrentAssignment {
        epoch: -2,
        previous_epoch: 1,
        state: MemberState::UnreleasedPartitions,
        assigned: [at(6), at(7)].into(),
        revoking: [at(8)].into(),
        awaits_sync: false,
    };
    let awaiting = CurrentAssignment { awaits_sync: true, ..CurrentAssignment::default() };
    let epochs = ConsumerEpochs { group: 4, target: 3, topics_hash: 9, since_ms: 10 };
    let topic = "0a1000000000000000000000000000000005";
    let wire_member =
        "0a0169 120173 1a0172 220163 2a0168 3002 3a0174 420178 4a0175".replace(' ', "");
    let golden = [
        (ConsumerChange::Epochs(epochs), "11 0a0f 0804 1003 190900000000000000 200a".to_owned()),
        (
            ConsumerChange::Subscribed(ConsumerMember {
                id: "i".into(),
                classic: Some(ClassicMember {
                    session_timeout_ms: 1,
                    protocols: vec![("p".into(), Bytes::from_static(b"x"))],
                }),
                ..ConsumerMember::default()
            }),
            "11 120f 0a0169 520a 0801 1206 0a0170 120178".to_owned(),
        ),
        (ConsumerChange::Subscribed(member.clone()), format!("1c 121a {wire_member}")),
        (
            ConsumerChange::Replaced { former_id: "f".into(), member },
            format!("21 1a1f 0a0166 121a {wire_member}"),
        ),
        (
            ConsumerChange::Targeted { member_id: "i".into(), partitions: [at(6)].into() },
            format!("1c 221a 0a0169 1215 {topic} 120106"),
        ),
        (
            ConsumerChange::Reconciled { member_id: "i".into(), current },
            format!("3a 2a38 0a0169 1003 1802 2002 2a16 {topic} 12020607 3215 {topic} 120108"),
        ),
        (
            ConsumerChange::Reconciled { member_id: "i".into(), current: awaiting },
            "07 2a05 0a0169 3801".to_owned(),
        ),
        (ConsumerChange::Left { member_id: "i".into() }, "05 3203 0a0169".to_owned()),
    ];
    for (change, bytes) in golden {
        let record = Record::Consumer { group: group(), change };
        let bytes = format!("010803120167 8201 {bytes}").replace(' ', "");
        assert_eq!(hex(&record.encode()), bytes, "{record:?}");
    }
}
