//! What the log adds up to.

use super::*;

const TENANT: TenantId = TenantId(1);

fn topic(name: &str, partitions: i32) -> TopicRecord {
    TopicRecord {
        tenant: TENANT,
        id: TopicId::random(),
        name: name.to_owned(),
        partitions,
        configs: BTreeMap::new(),
        internal: false,
        created_ms: 0,
    }
}

fn founded(generation: u16) -> MetaRecord {
    let group_state = TopicRecord { tenant: TenantId::SYSTEM, ..topic("__group_state", 4) };
    let release = Release::FIRST;
    MetaRecord::Founded {
        cluster_id: format!("cluster {generation}"),
        generation,
        group_state,
        release,
    }
}

#[test]
fn the_first_founding_counts() {
    let catalogue = Catalogue::replay(vec![
        founded(1),
        founded(2),
        MetaRecord::Generation(5),
        MetaRecord::Generation(4),
    ]);
    let identity = catalogue.founded().unwrap();
    assert_eq!((identity.cluster_id.as_str(), identity.generation), ("cluster 1", 5));
    assert_eq!((catalogue.topic_count(), catalogue.partition_count()), (1, 4));
    assert!(catalogue.by_name(TENANT, "__group_state").is_none(), "not a tenant's");
    assert!(catalogue.by_name(TenantId::SYSTEM, "__group_state").is_some());
}

#[test]
fn topics_come_grow_and_go() {
    let (a, b) = (topic("a", 1), topic("b", 2));
    let (a_id, b_id) = (a.id, b.id);
    let mut catalogue = Catalogue::replay(vec![MetaRecord::TopicsCreated(vec![a.clone(), b])]);
    catalogue.apply(MetaRecord::PartitionsAdded(vec![(a_id, 5), (b_id, 1)]));
    assert_eq!(catalogue.topic(a_id).unwrap().partitions, 5);
    assert_eq!(catalogue.topic(b_id).unwrap().partitions, 2, "topics never shrink");
    assert_eq!(catalogue.partition_count(), 7);
    assert!(catalogue.by_id(TenantId(2), a_id).is_none(), "not that tenant's");

    let again = topic("a", 1);
    let again_id = again.id;
    catalogue.apply(MetaRecord::TopicsDeleted(vec![a_id]));
    catalogue.apply(MetaRecord::TopicsCreated(vec![again]));
    catalogue.apply(MetaRecord::TopicsDeleted(vec![a_id]));
    assert_eq!(catalogue.by_name(TENANT, "a").unwrap().id, again_id);
    assert_eq!(catalogue.partition_count(), 3);
}

#[test]
fn the_last_configs_of_a_topic_count() {
    let (a, gone) = (topic("a", 1), TopicId::random());
    let id = a.id;
    let set = |value: &str| BTreeMap::from([("retention.ms".to_owned(), value.to_owned())]);
    let catalogue = Catalogue::replay(vec![
        MetaRecord::TopicsCreated(vec![a]),
        MetaRecord::ConfigsChanged(vec![(id, set("1")), (gone, set("1"))]),
        MetaRecord::ConfigsChanged(vec![(id, set("2"))]),
    ]);
    assert_eq!(catalogue.topic(id).unwrap().configs, set("2"));
    assert_eq!(catalogue.topic_count(), 1);
}

#[test]
fn a_repeated_record_changes_nothing() {
    let a = topic("a", 3);
    let records = vec![
        MetaRecord::TopicsCreated(vec![a.clone()]),
        MetaRecord::TopicsCreated(vec![a]),
        MetaRecord::ProducerIdsReserved { next: 10 },
        MetaRecord::ProducerIdsReserved { next: 5 },
    ];
    let catalogue = Catalogue::replay(records);
    assert_eq!((catalogue.topic_count(), catalogue.partition_count()), (1, 3));
    assert_eq!(catalogue.next_producer_id(), 10, "ids are never handed out twice");
}

#[test]
fn names_collide_within_a_tenant() {
    let catalogue = Catalogue::replay(vec![MetaRecord::TopicsCreated(vec![topic("a.b", 1)])]);
    assert!(catalogue.by_name(TENANT, "a_b").is_none());
    assert_eq!(catalogue.colliding(TENANT, "a_b").unwrap().name, "a.b");
    assert!(catalogue.colliding(TenantId(2), "a_b").is_none());
}

#[test]
fn settings_come_change_and_go() {
    let key = |tenant| SettingKey::new(TenantId(tenant), SettingKind::Quota, "q");
    let change = |tenant, value: Option<&'static str>| {
        MetaRecord::SettingsChanged(vec![(key(tenant), value.map(Bytes::from))])
    };
    let mut catalogue =
        Catalogue::replay(vec![change(1, Some("a")), change(2, Some("b")), change(1, Some("c"))]);
    let all: HashMap<_, _> = catalogue.all_settings().collect();
    assert_eq!(all, HashMap::from([(key(1), &Bytes::from("c")), (key(2), &Bytes::from("b"))]));
    catalogue.apply(change(1, None));
    assert!(catalogue.settings(TENANT, SettingKind::Quota).entries.is_empty());
    assert_eq!(catalogue.settings(TenantId(2), SettingKind::Quota).entries.len(), 1);
}
