//! Records read back, golden bytes stay readable, and any other bytes are refused.

use proptest::prelude::*;

use super::*;
use crate::model::ClusterRecord;

fn topic() -> TopicRecord {
    TopicRecord {
        tenant: TenantId(1),
        id: TopicId::from_slice(&[7; 16]).unwrap(),
        name: "orders".to_owned(),
        partitions: 3,
        configs: BTreeMap::from([("retention.ms".to_owned(), "1000".to_owned())]),
        internal: false,
        created_ms: 1_700_000_000_000,
    }
}

fn reads_back<R: Record + PartialEq + std::fmt::Debug>(record: R) {
    assert_eq!(R::decode(&record.encode()), Ok(record));
}

#[test]
fn every_record_reads_back() {
    reads_back(topic());
    reads_back(ClusterRecord {
        cluster_id: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        generation: u16::MAX,
        secret: [9; 32],
        group_state_topic: TopicId::random(),
        group_state_partitions: 50,
        retired: false,
        release: Release::THIS,
    });
    reads_back(LeaderRecord {
        control_id: "a".to_owned(),
        address: "b:1".to_owned(),
        admin: "b:2".to_owned(),
    });
    for state in [NodeState::Live, NodeState::Fenced, NodeState::Ended] {
        reads_back(NodeRecord {
            node: NodeId(1),
            incarnation: u64::MAX,
            log_id: "1-0-1-00ff".to_owned(),
            state,
            address: "127.0.0.1:1".to_owned(),
            zone: String::new(),
            front: "disk".to_owned(),
            batch_bytes_max: 1 << 24,
        });
    }
    reads_back(GatewayRecord {
        set: "standby".to_owned(),
        slot: BrokerId(3),
        broker_id: BrokerId(0),
        endpoints: [
            (
                "PLAINTEXT".to_owned(),
                Endpoint {
                    host: "h".to_owned(),
                    port: u16::MAX,
                    tenant_host: "h.{host}".to_owned(),
                },
            ),
            (
                "SSL".to_owned(),
                Endpoint { host: "i".to_owned(), port: 1, tenant_host: String::new() },
            ),
        ]
        .into(),
        zone: "z".to_owned(),
        address: String::new(),
        release: Release::THIS,
    });
    reads_back(NodeLiveRecord { clock_is_wrong: true, release: Release::THIS });
    reads_back(ReaderRecord {
        reader: ReaderId(2),
        address: "r:1".to_owned(),
        zone: "z".to_owned(),
        release: Release::THIS,
    });
    reads_back(ProcessRecord { role: "compactor".to_owned(), release: Release::THIS });
    reads_back(Assignment { node: NodeId(0), epoch: 0 });
    reads_back(ProducerIdRecord { next: i64::MAX });
}

#[test]
fn version_one_stays_readable() {
    // Golden bytes: a store written by the first release must open for ever.
    let mut golden = vec![1, 0x08, 1, 0x12, 16];
    golden.extend([7; 16]);
    golden.extend([0x1a, 6]);
    golden.extend(b"orders");
    golden.extend([0x20, 3, 0x2a, 20, 0x0a, 12]);
    golden.extend(b"retention.ms");
    golden.extend([0x12, 4]);
    golden.extend(b"1000");
    golden.extend([0x38, 0x80, 0xd0, 0x95, 0xff, 0xbc, 0x31]);
    assert_eq!(TopicRecord::decode(&golden), Ok(topic()));
    assert_eq!(topic().encode(), golden);
}

#[test]
fn unknown_fields_are_skipped_and_unknown_versions_refused() {
    let mut bytes = Assignment { node: NodeId(4), epoch: 2 }.encode().to_vec();
    bytes.extend([0x78, 1]); // tag 15, varint 1
    assert_eq!(Assignment::decode(&bytes), Ok(Assignment { node: NodeId(4), epoch: 2 }));
    bytes[0] = 2;
    assert_eq!(Assignment::decode(&bytes), Err(DecodeError::Version(2)));
    assert_eq!(Assignment::decode(&[]), Err(DecodeError::Empty));
}

#[test]
fn fields_without_a_legal_value_are_refused() {
    let nothing = [VERSION];
    assert!(TopicRecord::decode(&nothing).is_err(), "a topic has an id");
    assert!(NodeRecord::decode(&nothing).is_err(), "a node has a state");
    assert!(ClusterRecord::decode(&nothing).is_err(), "a cluster has a secret");
}

/// The record that decides who may join: release 1 must read what is its own and refuse the rest.
#[test]
fn a_cluster_beyond_release_1_is_refused_by_release_1_and_read_by_every_other() {
    let as_written = |release| {
        let record = ClusterRecord {
            cluster_id: "x".to_owned(),
            generation: 1,
            secret: [7; 32],
            group_state_topic: TopicId::from_slice(&[8; 16]).unwrap(),
            group_state_partitions: 3,
            retired: false,
            release,
        };
        let bytes = record.encode();
        assert_eq!(ClusterRecord::decode(&bytes), Ok(record));
        bytes
    };
    // Golden bytes of release 1.
    let mut golden = vec![1, 0x0a, 1, b'x', 0x10, 1, 0x1a, 32];
    golden.extend([7; 32]);
    golden.extend([0x22, 16]);
    golden.extend([8; 16]);
    golden.extend([0x28, 3]);
    assert_eq!(as_written(Release::FIRST), golden);
    assert_eq!(as_written(Release::THIS)[0], 2, "release 1 knows version 1 alone");
    // Release 9 may have fields that this one does not know; it still tells which it is.
    let next = Release::new(9).unwrap();
    let mut later = as_written(next).to_vec();
    later.extend([0x42, 1, b'y']);
    assert_eq!(ClusterRecord::decode(&later).unwrap().release, next);
}

/// What says nothing of its release is of the first.
#[test]
fn processes_of_release_1_are_told_by_their_silence() {
    assert_eq!(NodeLiveRecord::decode(&[VERSION]).unwrap().release, Release::FIRST);
    let silent = NodeLiveRecord { release: Release::FIRST, ..NodeLiveRecord::default() };
    assert_eq!(silent.encode()[..], [VERSION]);
}

#[test]
fn the_secret_is_not_printed() {
    let record = ClusterRecord {
        cluster_id: "x".to_owned(),
        generation: 0,
        secret: [0x5a; 32],
        group_state_topic: TopicId::random(),
        group_state_partitions: 1,
        retired: false,
        release: Release::FIRST,
    };
    let text = format!("{record:?}");
    assert!(!text.contains("90, 90") && !text.contains("secret"), "{text}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        for version in [VERSION, 2] {
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            let _ = TopicRecord::decode(&bytes);
            let _ = NodeRecord::decode(&bytes);
            let _ = ClusterRecord::decode(&bytes);
            let _ = GatewayRecord::decode(&bytes);
        }
    }
}
