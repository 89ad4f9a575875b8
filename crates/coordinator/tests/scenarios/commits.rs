//! OffsetCommit, OffsetFetch and OffsetDelete.

use coordinator::{Command, Reply};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::{OffsetDeleteRequest, OffsetFetchRequest};

use crate::dsl::{Client, GROUP, World, topic};

#[test]
fn a_committed_offset_is_read_back_with_its_text_and_epoch() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    let token = a.send_commit(&mut world, (1, 0), 42, Some("my text".into()));
    assert_eq!(world.error(token), ErrorCode::None);
    assert_eq!(world.committed((1, 0)), (42, "my text".into(), 7));
    world.fail_over();
    assert_eq!(world.committed((1, 0)), (42, "my text".into(), 7));
}

#[test]
fn a_text_that_is_null_reads_back_empty_as_from_kafka() {
    let mut world = World::new();
    let admin = Client::new("admin");
    admin.send_commit(&mut world, (1, 0), 1, None);
    admin.send_commit(&mut world, (1, 1), 1, Some("".into()));
    assert_eq!(world.committed((1, 0)).1, "");
    assert_eq!(world.committed((1, 1)).1, "");
}

#[test]
fn an_offset_that_nobody_committed_is_minus_one_without_an_error() {
    let mut world = World::new();
    assert_eq!(world.committed((1, 0)), (-1, String::new(), -1));
    Client::new("admin").commit(&mut world, (1, 0), 5);
    assert_eq!(world.committed((1, 1)).0, -1);
    assert_eq!(world.committed((2, 0)).0, -1);
    assert_eq!(world.state("elsewhere"), "Dead", "asking creates nothing");
}

#[test]
fn the_last_commit_counts_even_if_it_goes_back() {
    let mut world = World::new();
    let admin = Client::new("admin");
    for offset in [5, 9, 3] {
        assert_eq!(admin.commit(&mut world, (1, 0), offset), ErrorCode::None);
    }
    assert_eq!(world.committed((1, 0)).0, 3);
}

#[test]
fn a_client_outside_the_group_may_commit_only_while_it_is_empty() {
    let mut world = World::new();
    let outsider = Client::new("outsider");
    assert_eq!(outsider.commit(&mut world, (1, 0), 1), ErrorCode::None);
    assert_eq!(world.describe(GROUP).protocol_type.as_str(), "", "a simple group");
    assert_eq!(world.state(GROUP), "Empty");

    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    assert_eq!(outsider.commit(&mut world, (1, 0), 2), ErrorCode::UnknownMemberId);
    assert_eq!(world.committed((1, 0)).0, 1);
    a.leave(&mut world);
    assert_eq!(outsider.commit(&mut world, (1, 0), 3), ErrorCode::None);
}

#[test]
fn a_commit_needs_the_current_generation_and_a_known_member() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    let stale = Client { generation: a.generation - 1, ..a.clone() };
    assert_eq!(stale.commit(&mut world, (1, 0), 1), ErrorCode::IllegalGeneration);
    let stranger = Client { member_id: "stranger".into(), ..a.clone() };
    assert_eq!(stranger.commit(&mut world, (1, 0), 1), ErrorCode::UnknownMemberId);
    let no_generation = Client { generation: -1, ..a.clone() };
    assert_eq!(no_generation.commit(&mut world, (1, 0), 1), ErrorCode::IllegalGeneration);
    assert_eq!(world.committed((1, 0)).0, -1);
}

#[test]
fn members_may_commit_while_they_are_asked_to_join_but_not_before_their_assignment() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    let mut b = Client::new("b");
    let of_b = b.join(&mut world);
    assert_eq!(a.heartbeat(&mut world), ErrorCode::RebalanceInProgress);
    assert_eq!(
        a.commit(&mut world, (1, 0), 1),
        ErrorCode::None,
        "the last commit before rejoining"
    );
    let of_a = a.join(&mut world);
    a.absorb(&world.join_answer(of_a).clone());
    b.absorb(&world.join_answer(of_b).clone());
    assert_eq!(a.commit(&mut world, (1, 0), 2), ErrorCode::RebalanceInProgress);
    assert_eq!(world.committed((1, 0)).0, 1);
}

#[test]
fn a_commit_with_a_generation_needs_a_group() {
    let mut world = World::new();
    let lost = Client { member_id: "m".into(), generation: 3, ..Client::new("lost") };
    assert_eq!(lost.commit(&mut world, (1, 0), 1), ErrorCode::GroupIdNotFound);
    assert_eq!(world.state(GROUP), "Dead");
}

#[test]
fn a_text_beyond_the_limit_is_refused_for_its_partition_only() {
    let mut world = World::new();
    let admin = Client::new("admin");
    let longest = "é".repeat(4_096);
    let token = admin.send_commit(&mut world, (1, 0), 1, Some(longest.clone().into()));
    assert_eq!(world.error(token), ErrorCode::None, "counted in characters, not bytes");
    let token = admin.send_commit(&mut world, (1, 0), 2, Some(format!("{longest}x").into()));
    assert_eq!(world.error(token), ErrorCode::OffsetMetadataTooLarge);
    assert_eq!(world.committed((1, 0)).0, 1);
}

#[test]
fn a_topic_that_is_no_id_is_unknown() {
    let mut world = World::new();
    let admin = Client::new("admin");
    let partition =
        protocol::messages::offset_commit_request::OffsetCommitRequestPartition::default();
    let named = protocol::messages::offset_commit_request::OffsetCommitRequestTopic::default()
        .with_name(StrBytes::from("orders").into())
        .with_partitions(vec![partition]);
    let request = protocol::messages::OffsetCommitRequest::default()
        .with_group_id(StrBytes::from(GROUP).into())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![named]);
    let token = world.send(&admin, Command::OffsetCommit(request, 8));
    assert_eq!(world.error(token), ErrorCode::UnknownTopicOrPartition);
    assert!(world.log.is_empty());
}

#[test]
fn all_topics_are_listed_when_none_is_named() {
    let mut world = World::new();
    let admin = Client::new("admin");
    for (at, offset) in [((2, 0), 20), ((1, 1), 11), ((1, 0), 10)] {
        admin.commit(&mut world, at, offset);
    }
    let all = world.fetch(GROUP, None);
    let seen: Vec<_> = all
        .topics
        .iter()
        .flat_map(|t| t.partitions.iter().map(|p| (t.name.to_string(), p.committed_offset)))
        .collect();
    let (one, two) = (topic(1).simple_text(), topic(2).simple_text());
    assert_eq!(seen, [(one.clone(), 10), (one, 11), (two, 20)]);
    assert_eq!(all.topics[0].topic_id, topic(1).0);
    assert!(world.fetch("elsewhere", None).topics.is_empty());
}

#[test]
fn several_groups_are_fetched_at_once() {
    let mut world = World::new();
    for (group, offset) in [("one", 1), ("two", 2)] {
        Client { group, ..Client::new("admin") }.commit(&mut world, (1, 0), offset);
    }
    let groups = ["one", "two", "three"].map(|group| {
        let topics = OffsetFetchRequestTopics::default()
            .with_name(StrBytes::from(topic(1).simple_text()).into())
            .with_partition_indexes(vec![0, 1]);
        OffsetFetchRequestGroup::default()
            .with_group_id(StrBytes::from(group).into())
            .with_topics(Some(vec![topics]))
    });
    let request = OffsetFetchRequest::default().with_groups(groups.to_vec());
    let token = world.send(&Client::new("c"), Command::OffsetFetch(request));
    let Reply::OffsetFetch(response) = world.answer(token) else { panic!("no offsets") };
    let offsets: Vec<Vec<i64>> = response
        .groups
        .iter()
        .map(|g| g.topics[0].partitions.iter().map(|p| p.committed_offset).collect())
        .collect();
    assert_eq!(offsets, [[1, -1], [2, -1], [-1, -1]]);
}

#[test]
fn the_empty_group_id_may_store_offsets() {
    let mut world = World::new();
    let nameless = Client { group: "", ..Client::new("old") };
    assert_eq!(nameless.commit(&mut world, (1, 0), 4), ErrorCode::None);
    assert_eq!(world.committed_by("", (1, 0)).0, 4);
}

#[test]
fn a_large_commit_becomes_records_of_bounded_size() {
    let mut world = World::new();
    let admin = Client::new("admin");
    let text = StrBytes::from("x".repeat(4_096));
    let partitions = (0..1_000).map(|index| {
        protocol::messages::offset_commit_request::OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(i64::from(index))
            .with_committed_metadata(Some(text.clone()))
    });
    let named = protocol::messages::offset_commit_request::OffsetCommitRequestTopic::default()
        .with_topic_id(topic(1).0)
        .with_partitions(partitions.collect());
    let request = protocol::messages::OffsetCommitRequest::default()
        .with_group_id(StrBytes::from(GROUP).into())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![named]);
    world.send(&admin, Command::OffsetCommit(request, 8));
    assert!(world.log.iter().all(|record| record.len() < 300_000));
    world.fail_over();
    assert_eq!(world.committed((1, 999)).0, 999);
    let snapshot = world.coordinator.snapshot();
    assert!(snapshot.iter().all(|record| record.encode().len() < 300_000));
}

fn delete(world: &mut World, topics: &[u128]) -> coordinator::Token {
    let topics = topics.iter().map(|number| {
        OffsetDeleteRequestTopic::default()
            .with_name(StrBytes::from(topic(*number).simple_text()).into())
            .with_partitions(vec![OffsetDeleteRequestPartition::default()])
    });
    let request = OffsetDeleteRequest::default()
        .with_group_id(StrBytes::from(GROUP).into())
        .with_topics(topics.collect());
    world.send(&Client::new("admin"), Command::OffsetDelete(request))
}

#[test]
fn offsets_of_an_empty_group_are_deleted_for_good() {
    let mut world = World::new();
    let admin = Client::new("admin");
    admin.commit(&mut world, (1, 0), 1);
    admin.commit(&mut world, (1, 1), 2);
    let token = delete(&mut world, &[1]);
    assert_eq!(world.error(token), ErrorCode::None);
    world.fail_over();
    assert_eq!(world.committed((1, 0)).0, -1);
    assert_eq!(world.committed((1, 1)).0, 2);
}

#[test]
fn offsets_of_topics_that_members_read_are_not_deleted() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    for number in [1, 2] {
        a.commit(&mut world, (number, 0), 5);
    }
    let token = delete(&mut world, &[1, 2]);
    let Reply::OffsetDelete(response) = world.answer(token) else { panic!("no deletion") };
    let codes: Vec<_> = response.topics.iter().map(|t| t.partitions[0].error_code).collect();
    assert_eq!(codes, [ErrorCode::GroupSubscribedToTopic.code(), 0]);
    assert_eq!(world.committed((1, 0)).0, 5);
    assert_eq!(world.committed((2, 0)).0, -1);
}

#[test]
fn offsets_of_active_groups_that_are_not_consumers_are_not_deleted() {
    let mut world = World::new();
    let mut worker = Client { protocol_type: "connect", ..Client::new("worker") };
    world.form(&mut [&mut worker]);
    let token = delete(&mut world, &[1]);
    assert_eq!(world.error(token), ErrorCode::NonEmptyGroup);
}

#[test]
fn nothing_is_deleted_while_subscriptions_cannot_be_read() {
    let mut world = World::new();
    let mut a = Client::speaking("a", &["range"]);
    world.form(&mut [&mut a]);
    a.commit(&mut world, (1, 0), 5);
    let token = delete(&mut world, &[1]);
    assert_eq!(world.error(token), ErrorCode::GroupSubscribedToTopic);
}

#[test]
fn deleting_offsets_of_an_unknown_group_says_so() {
    let mut world = World::new();
    let token = delete(&mut world, &[1]);
    assert_eq!(world.error(token), ErrorCode::GroupIdNotFound);
}
