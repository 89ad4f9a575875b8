//! Records read back, golden bytes stay readable, and what is newer is refused.

use protocol::ids::TenantId;

use metadata::settings::SettingKind;

use super::*;

fn topic() -> TopicRecord {
    TopicRecord {
        tenant: TenantId(1),
        id: TopicId::from_slice(&[7; 16]).unwrap(),
        name: "orders".to_owned(),
        partitions: 3,
        configs: BTreeMap::from([("retention.ms".to_owned(), "1000".to_owned())]),
        internal: false,
        created_ms: 5,
    }
}

fn founded(release: Release) -> MetaRecord {
    let cluster_id = "c".to_owned();
    MetaRecord::Founded { cluster_id, generation: 1, group_state: topic(), release }
}

fn setting(name: &str) -> SettingKey {
    SettingKey::new(TenantId(1), SettingKind::Acl, name)
}

#[test]
fn every_record_reads_back() {
    let id = topic().id;
    for record in [
        founded(Release::FIRST),
        founded(Release::THIS),
        MetaRecord::ReleaseFinished(Release::THIS),
        MetaRecord::Generation(u16::MAX),
        MetaRecord::Leader { control_id: String::new() },
        MetaRecord::TopicsCreated(vec![topic(), topic()]),
        MetaRecord::TopicsCreated(Vec::new()),
        MetaRecord::TopicsDeleted(vec![id]),
        MetaRecord::PartitionsAdded(vec![(id, 12)]),
        MetaRecord::ProducerIdsReserved { next: 1 << 46 },
        MetaRecord::ConfigsChanged(vec![(id, topic().configs), (id, BTreeMap::new())]),
        MetaRecord::SettingsChanged(vec![
            (setting("a b"), Some(Bytes::from_static(b"value"))),
            (setting("a b"), Some(Bytes::new())),
            (setting("c"), None),
        ]),
    ] {
        assert_eq!(MetaRecord::decode(&record.encode()), Ok(record));
    }
}

#[test]
fn version_one_stays_readable() {
    // Golden bytes: the log is the cluster's memory.
    let mut deleted = vec![1, 0x2a, 18, 0x0a, 16];
    deleted.extend([7; 16]);
    assert_eq!(MetaRecord::decode(&deleted), Ok(MetaRecord::TopicsDeleted(vec![topic().id])));
    let reserved = [1, 0x3a, 3, 0x08, 0xe8, 0x07];
    let record = MetaRecord::ProducerIdsReserved { next: 1000 };
    assert_eq!(record.encode(), reserved.as_slice());
    assert_eq!(MetaRecord::decode(&reserved), Ok(record));
    let mut configured = vec![1, 0x42, 26, 0x0a, 24, 0x0a, 16];
    configured.extend([7; 16]);
    configured.extend([0x12, 4, 0x0a, 0, 0x12, 0]);
    let empty = BTreeMap::from([(String::new(), String::new())]);
    let record = MetaRecord::ConfigsChanged(vec![(topic().id, empty)]);
    assert_eq!(MetaRecord::decode(&configured), Ok(record));
    let mut set = vec![1, 0x4a, 16, 0x0a, 14, 0x0a, 9];
    set.extend(b"s/acl/1/a");
    set.extend([0x12, 1, 7]);
    let record = MetaRecord::SettingsChanged(vec![(setting("a"), Some(vec![7].into()))]);
    assert_eq!(MetaRecord::decode(&set), Ok(record));
}

#[test]
fn what_is_newer_is_refused_and_not_skipped() {
    assert_eq!(MetaRecord::decode(&[2, 0x3a, 0]), Err(RecordError::Newer));
    // Tag 15 of the envelope.
    assert_eq!(MetaRecord::decode(&[1, 0x7a, 0]), Err(RecordError::Newer));
    let unknown_kind = [1, 0x4a, 9, 0x0a, 7, 0x0a, 5, b's', b'/', b'x', b'/', b'1'];
    assert_eq!(MetaRecord::decode(&unknown_kind), Err(RecordError::Newer));
    assert!(matches!(MetaRecord::decode(&[]), Err(RecordError::Malformed(_))));
    assert!(matches!(MetaRecord::decode(&[1, 0x3a, 9]), Err(RecordError::Malformed(_))));
}

#[test]
fn a_release_that_is_not_known_stops_the_reader() {
    // Tag 11 with release 3, tag 12 with release 3: as the next release writes them.
    let finished = [1, 0x5a, 2, 0x08, 3];
    assert_eq!(Release::THIS.number() + 1, 3, "the next release writes these with 4");
    assert_eq!(MetaRecord::decode(&finished), Err(RecordError::Newer));
    assert_eq!(MetaRecord::decode(&[1, 0x62, 2, 0x10, 3]), Err(RecordError::Newer));
    assert!(matches!(MetaRecord::decode(&[1, 0x5a, 0]), Err(RecordError::Malformed(_))));
}

/// Golden bytes: release 1 knows the tags 1 to 10 and stops at any other.
#[test]
fn what_is_of_release_2_is_under_a_tag_that_release_1_refuses() {
    let tag = |record: &MetaRecord| record.encode()[1] >> 3;
    assert_eq!(tag(&founded(Release::FIRST)), 1);
    assert_eq!(tag(&founded(Release::THIS)), 12);
    assert_eq!(MetaRecord::ReleaseFinished(Release::THIS).encode()[..], [1, 0x5a, 2, 0x08, 2]);
}
