//! What the view makes of listings and changes.

use proptest::prelude::*;

use super::*;
use crate::{model::NodeState, settings::SettingKind};

const TENANT: TenantId = TenantId(1);

fn topic_id(n: u8) -> TopicId {
    TopicId::from_slice(&[n + 1; 16]).unwrap()
}

fn topic(n: u8, name: &str, partitions: i32) -> TopicRecord {
    TopicRecord {
        tenant: TENANT,
        id: topic_id(n),
        name: name.to_owned(),
        partitions,
        configs: BTreeMap::new(),
        internal: false,
        created_ms: 0,
    }
}

fn cluster(generation: u16) -> ClusterRecord {
    ClusterRecord {
        cluster_id: "c".to_owned(),
        generation,
        secret: [0; 32],
        group_state_topic: topic_id(9),
        group_state_partitions: 1,
        retired: false,
        release: protocol::release::Release::THIS,
    }
}

fn put(key: Key, record: &impl Record) -> Event {
    let value = record.encode();
    Event::Put(Entry { key: key.into(), value, mod_revision: 0, create_revision: 0 })
}

fn put_topic(record: &TopicRecord) -> Event {
    put(Key::Topic(record.tenant, record.id), record)
}

fn assign(n: u8, index: i32, node: i32) -> Event {
    put(Key::Partition(topic_id(n), index), &Assignment { node: NodeId(node), epoch: 0 })
}

fn delete(key: Key) -> Event {
    Event::Delete { key: key.into(), mod_revision: 0 }
}

/// A state after these batches, at revisions 1, 2, ...
fn state(batches: Vec<Vec<Event>>) -> State {
    let mut state = State::default();
    for (revision, events) in (1..).zip(batches) {
        assert!(state.apply(WatchBatch { revision, events }));
    }
    state
}

fn partition(n: u8, index: i32) -> PartitionId {
    PartitionId { tenant: TENANT, topic: topic_id(n), index }
}

#[test]
fn topics_are_found_by_name_with_their_owners() {
    let state = state(vec![vec![put_topic(&topic(0, "a", 2)), assign(0, 1, 7)]]);
    let found = state.topic_by_name(TENANT, "a").unwrap();
    assert_eq!(found.owner(0), None);
    assert_eq!(found.owner(1).unwrap().node, NodeId(7));
    assert_eq!((found.owner(2), found.owner(-1)), (None, None));
    assert_eq!(state.assigned_to(NodeId(7)), [partition(0, 1)]);
    assert!(state.topic_by_name(TenantId(2), "a").is_none(), "another tenant has no such topic");
}

#[test]
fn a_topic_that_grows_keeps_its_owners() {
    let state = state(vec![
        vec![put_topic(&topic(0, "a", 1)), assign(0, 0, 7)],
        vec![put_topic(&topic(0, "a", 3))],
        vec![assign(0, 2, 8), assign(0, 3, 8)],
    ]);
    let found = state.topic_by_name(TENANT, "a").unwrap();
    let nodes: Vec<_> = found.owners.iter().map(|o| o.map(|o| o.node.0)).collect();
    assert_eq!(nodes, [Some(7), None, Some(8)], "there is no partition 3");
}

#[test]
fn a_topic_created_again_is_another_one() {
    let again = topic(1, "a", 1);
    let old = Key::Topic(TENANT, topic_id(0));
    let created = vec![put_topic(&topic(0, "a", 1)), assign(0, 0, 7)];
    let deleted = vec![delete(old), delete(Key::Partition(topic_id(0), 0))];
    let renewed = vec![put_topic(&again), assign(1, 0, 8)];
    let expected = Some(topic_id(1));

    let in_order = state(vec![created.clone(), deleted.clone(), renewed.clone()]);
    let in_one = state(vec![created, renewed.into_iter().chain(deleted).collect()]);
    for state in [in_order, in_one] {
        assert_eq!(state.topic_by_name(TENANT, "a").map(|topic| topic.id()), expected);
        assert!(state.assigned_to(NodeId(7)).is_empty());
        assert_eq!(state.assigned_to(NodeId(8)), [partition(1, 0)]);
    }
}

#[test]
fn a_moved_partition_is_only_in_one_place() {
    let state =
        state(vec![vec![put_topic(&topic(0, "a", 1)), assign(0, 0, 7)], vec![assign(0, 0, 8)]]);
    assert!(state.assigned_to(NodeId(7)).is_empty());
    assert_eq!(state.assigned_to(NodeId(8)), [partition(0, 0)]);
}

#[test]
fn old_news_is_no_news() {
    let mut state = state(vec![vec![put_topic(&topic(0, "a", 1))], vec![assign(0, 0, 8)]]);
    // A watch that travels back.
    let events = vec![assign(0, 0, 7)];
    assert!(!state.apply(WatchBatch { revision: 2, events: events.clone() }));
    assert!(!state.apply(WatchBatch { revision: 1, events }));
    // A listing of a server that lags behind.
    assert!(!state.reset(Listing { revision: 1, entries: Vec::new() }));
    assert_eq!(state.assigned_to(NodeId(8)), [partition(0, 0)]);
    // A listing of the same revision may repair what a lost event left wrong.
    assert!(state.reset(Listing { revision: 2, entries: Vec::new() }));
    assert!(state.topic_by_name(TENANT, "a").is_none());
}

#[test]
fn a_rebuilt_store_counts_anew() {
    let listing = |revision, generation| Listing {
        revision,
        entries: vec![Entry {
            key: Key::Cluster.into(),
            value: cluster(generation).encode(),
            mod_revision: 1,
            create_revision: 1,
        }],
    };
    let mut state = State::default();
    assert!(state.reset(listing(100, 3)));
    assert!(!state.reset(listing(99, 3)));
    assert!(!state.reset(listing(99, 2)));
    assert!(state.reset(listing(5, 4)));
    assert_eq!(state.revision, 5);
}

#[test]
fn an_unreadable_record_leaves_the_rest_alone() {
    let broken = Event::Put(Entry {
        key: Key::Topic(TENANT, topic_id(0)).into(),
        value: "?".into(),
        mod_revision: 1,
        create_revision: 1,
    });
    let foreign = Event::Put(Entry {
        key: "x/new/kind".to_owned(),
        value: "?".into(),
        mod_revision: 1,
        create_revision: 1,
    });
    let state = state(vec![
        vec![put_topic(&topic(0, "a", 1))],
        vec![broken, foreign, put_topic(&topic(1, "b", 1))],
    ]);
    assert!(state.topic_by_name(TENANT, "a").is_some());
    assert!(state.topic_by_name(TENANT, "b").is_some());
}

#[test]
fn a_hundred_thousand_partitions_fit() {
    // What one partition costs: its slot in the topic and its entry in the index by node, at
    // the index's worst fill (7/16) with one control byte.
    let slot = size_of::<Option<Assignment>>();
    let indexed = (size_of::<PartitionId>() + 1) * 16 / 7;
    assert!(slot + indexed <= 200, "{}", slot + indexed);
}

/// Random histories over few keys, so that they collide.
fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..3u8, 0..2u8, 1..4i32).prop_map(|(n, name, count)| {
            put_topic(&topic(n, if name == 0 { "a" } else { "b" }, count))
        }),
        (0..3u8).prop_map(|n| delete(Key::Topic(TENANT, topic_id(n)))),
        (0..3u8, 0..4i32, 0..3i32).prop_map(|(n, index, node)| assign(n, index, node)),
        (0..3u8, 0..4i32).prop_map(|(n, index)| delete(Key::Partition(topic_id(n), index))),
        (0..3i32).prop_map(|node| {
            let record = NodeRecord {
                node: NodeId(node),
                incarnation: 1,
                log_id: String::new(),
                state: NodeState::Live,
                address: String::new(),
                zone: String::new(),
                front: String::new(),
                batch_bytes_max: 0,
            };
            put(Key::Node(NodeId(node)), &record)
        }),
    ]
}

proptest! {
    /// The index by node says exactly what the topics say, whatever happened.
    #[test]
    fn the_index_by_node_is_the_inverse_of_the_owners(
        events in proptest::collection::vec(any_event(), 0..60),
    ) {
        let state = state(events.into_iter().map(|event| vec![event]).collect());
        let mut from_topics = HashMap::<NodeId, HashSet<PartitionId>>::new();
        for topic in state.topics.values() {
            for (index, owner) in topic.owners.iter().enumerate() {
                if let Some(owner) = owner {
                    from_topics.entry(owner.node).or_default().insert(topic.partition(index));
                }
            }
        }
        prop_assert_eq!(&state.assigned, &from_topics);
    }

    /// A listing in key order gives what the events in their own order gave.
    #[test]
    fn a_listing_is_as_good_as_the_history(
        counts in proptest::collection::vec(1..4i32, 1..4),
        owners in proptest::collection::vec((0..4i32, 0..3i32), 0..12),
    ) {
        let mut events = Vec::new();
        for (n, &count) in counts.iter().enumerate() {
            let n = u8::try_from(n).unwrap();
            events.push(put_topic(&topic(n, &format!("t{n}"), count)));
            events.extend(owners.iter().map(|&(index, node)| assign(n, index, node)));
        }
        let mut last = BTreeMap::new();
        for event in &events {
            if let Event::Put(entry) = event {
                last.insert(entry.key.clone(), entry.clone());
            }
        }
        let followed = state(vec![events]);
        let mut loaded = State::default();
        loaded.reset(Listing { revision: 1, entries: last.into_values().collect() });
        prop_assert_eq!(&followed.topics, &loaded.topics);
        prop_assert_eq!(&followed.names, &loaded.names);
        prop_assert_eq!(&followed.assigned, &loaded.assigned);
    }
}

#[test]
fn settings_are_shown_and_keep_their_revision_over_a_listing() {
    let key = SettingKey::new(TENANT, SettingKind::Acl, "a b");
    let entry = Entry {
        key: key.to_string(),
        value: bytes::Bytes::from_static(b"v"),
        mod_revision: 1,
        create_revision: 1,
    };
    let mut state = state(vec![vec![Event::Put(entry.clone())]]);
    let shown = state.settings.of(TENANT, SettingKind::Acl);
    assert_eq!(shown.entries, BTreeMap::from([("a b".to_owned(), entry.value.clone())]));
    assert!(state.reset(Listing { entries: vec![entry], revision: 2 }));
    assert_eq!(state.settings.of(TENANT, SettingKind::Acl), shown);
    let events = vec![Event::Delete { key: key.into(), mod_revision: 3 }];
    assert!(state.apply(WatchBatch { revision: 3, events }));
    let gone = state.settings.of(TENANT, SettingKind::Acl);
    assert!(gone.entries.is_empty() && gone.revision > shown.revision);
}
