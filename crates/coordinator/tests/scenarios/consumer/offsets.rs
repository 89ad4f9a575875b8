//! Offsets of consumer groups: committed and read by members at their epoch.

use coordinator::{Command, Config};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::OffsetDeleteRequest;
use protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};

use crate::dsl::{Client, Consumer, GROUP, World, topic};

fn group() -> (World, Consumer) {
    let mut world = World::new();
    world.topics.set(1, 2);
    let mut a = Consumer::new("a", &["topic-1"]);
    a.join(&mut world);
    (world, a)
}

#[test]
fn only_members_at_their_epoch_commit_and_read() {
    let (mut world, a) = group();
    assert_eq!(a.commit(&mut world, (1, 0), 5), ErrorCode::None);
    assert_eq!(a.fetch(&mut world, (1, 0)), Ok(5));
    let stale = Consumer { epoch: 0, ..a.clone() };
    assert_eq!(stale.commit(&mut world, (1, 0), 6), ErrorCode::StaleMemberEpoch);
    assert_eq!(stale.fetch(&mut world, (1, 0)), Err(ErrorCode::StaleMemberEpoch));
    let stranger = Consumer { member_id: "b".into(), ..a.clone() };
    assert_eq!(stranger.commit(&mut world, (1, 0), 6), ErrorCode::UnknownMemberId);
    assert_eq!(stranger.fetch(&mut world, (1, 0)), Err(ErrorCode::UnknownMemberId));
    let simple = Client::new("simple");
    assert_eq!(simple.commit(&mut world, (1, 0), 6), ErrorCode::UnknownMemberId);
    assert_eq!(world.committed((1, 0)).0, 5, "an administrator reads without being a member");
}

/// As Kafka has it: STALE_MEMBER_EPOCH is nothing that a client of before 9 knows.
#[test]
fn members_of_the_consumer_protocol_commit_with_a_version_that_knows_epochs() {
    let (mut world, mut a) = group();
    for version in [2, 8] {
        let stranger = Consumer { member_id: "b".into(), ..a.clone() };
        let unknown = stranger.commit_in(&mut world, (1, 0), 5, version);
        assert_eq!(unknown, ErrorCode::UnknownMemberId);
        for epoch in [a.epoch, a.epoch - 1] {
            let member = Consumer { epoch, ..a.clone() };
            let refused = member.commit_in(&mut world, (1, 0), 5, version);
            assert_eq!(refused, ErrorCode::UnsupportedVersion, "epoch {epoch}");
        }
    }
    assert_eq!(world.committed((1, 0)).0, -1);
    assert_eq!(a.commit_in(&mut world, (1, 0), 5, 9), ErrorCode::None);
    a.leave(&mut world);
    assert_eq!(Client::new("admin").commit(&mut world, (1, 0), 6), ErrorCode::None, "no member");
}

#[test]
fn an_empty_group_takes_the_commits_of_administrators() {
    let (mut world, mut a) = group();
    a.leave(&mut world);
    assert_eq!(Client::new("admin").commit(&mut world, (1, 0), 6), ErrorCode::None);
    assert_eq!(world.committed((1, 0)).0, 6);
    a.join(&mut world);
    assert_eq!(a.fetch(&mut world, (1, 0)), Ok(6));
}

#[test]
fn offsets_of_topics_that_members_read_cannot_be_deleted() {
    let (mut world, mut a) = group();
    world.topics.set(2, 1);
    a.regex = Some("topic-2");
    let request = a.full_request();
    a.ask(&mut world, request);
    for (number, outcome) in [
        (1, ErrorCode::GroupSubscribedToTopic),
        (2, ErrorCode::GroupSubscribedToTopic),
        (3, ErrorCode::None),
    ] {
        a.commit(&mut world, (number, 0), 1);
        let topic = OffsetDeleteRequestTopic::default()
            .with_name(StrBytes::from(topic(number).simple_text()).into())
            .with_partitions(vec![OffsetDeleteRequestPartition::default()]);
        let request = OffsetDeleteRequest::default()
            .with_group_id(StrBytes::from(GROUP).into())
            .with_topics(vec![topic]);
        let token = world.send_as(TenantId::DEFAULT, "admin", Command::OffsetDelete(request));
        assert_eq!(world.error(token), outcome, "topic-{number}");
    }
    assert_eq!(world.committed((3, 0)).0, -1);
}

#[test]
fn offsets_expire_once_nobody_reads_the_topic_or_the_group_is_empty() {
    let config = Config {
        offsets_retention_ms: 100_000,
        offsets_retention_check_ms: 10_000,
        ..Config::default()
    };
    let mut world = World::with(config);
    let mut a = Consumer::new("a", &["topic-1"]);
    a.join(&mut world);
    a.commit(&mut world, (1, 0), 1);
    a.commit(&mut world, (2, 0), 1);
    for _ in 0..25 {
        world.advance(5_000);
        assert_eq!(a.heartbeat(&mut world), ErrorCode::None);
    }
    assert_eq!(world.committed((1, 0)).0, 1, "read");
    assert_eq!(world.committed((2, 0)).0, -1, "not read");
    a.leave(&mut world);
    world.advance(90_000);
    assert_eq!(world.committed((1, 0)).0, 1, "the retention time begins when the group is empty");
    world.advance(20_000);
    assert_eq!(world.committed((1, 0)).0, -1);
    assert_eq!(world.coordinator.group_count(), 0);
}
