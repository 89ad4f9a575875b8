//! Offsets of groups.

use protocol::ErrorCode;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use protocol::messages::{OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest};

use super::world::{World, group, is, text};

/// First version of OffsetFetch that asks for several groups.
const BY_GROUPS: i16 = 8;
const NONE: i64 = -1;

/// Commits an offset of partition 0 for a group without members.
pub(super) fn committed(world: &mut World, version: i16, name: &str, offset: i64) {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("a note")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(world.filled.name.clone())
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group(name))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let answer =
        world.wire.settled(version, &request, |answer| answer.topics[0].partitions[0].error_code);
    is(ErrorCode::None, answer.topics[0].partitions[0].error_code);
}

/// A group's offset of partition 0 with its note.
fn fetched(world: &mut World, version: i16, name: &str) -> (i64, Option<String>) {
    let topic = world.filled.name.clone();
    if version >= BY_GROUPS {
        let topic =
            OffsetFetchRequestTopics::default().with_name(topic).with_partition_indexes(vec![0]);
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(group(name))
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![asked]);
        let answer = world.wire.ask(version, &request);
        is(ErrorCode::None, answer.groups[0].error_code);
        let found = &answer.groups[0].topics[0].partitions[0];
        is(ErrorCode::None, found.error_code);
        return (found.committed_offset, found.metadata.as_ref().map(ToString::to_string));
    }
    let topic = OffsetFetchRequestTopic::default().with_name(topic).with_partition_indexes(vec![0]);
    let request =
        OffsetFetchRequest::default().with_group_id(group(name)).with_topics(Some(vec![topic]));
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    let found = &answer.topics[0].partitions[0];
    is(ErrorCode::None, found.error_code);
    (found.committed_offset, found.metadata.as_ref().map(ToString::to_string))
}

pub(super) fn commit(world: &mut World, version: i16) {
    let name = format!("committing-{version}");
    committed(world, version, &name, i64::from(version));
    let note = Some("a note".to_owned());
    assert_eq!(fetched(world, 9, &name), (i64::from(version), note));
}

pub(super) fn fetch(world: &mut World, version: i16) {
    let name = format!("fetching-{version}");
    committed(world, 9, &name, i64::from(version));
    let note = Some("a note".to_owned());
    assert_eq!(fetched(world, version, &name), (i64::from(version), note));
    assert_eq!(fetched(world, version, "nobody"), (NONE, Some(String::new())));
}

pub(super) fn delete(world: &mut World, version: i16) {
    let name = format!("forgetting-{version}");
    committed(world, 9, &name, 3);
    let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(world.filled.name.clone())
        .with_partitions(vec![partition]);
    let request =
        OffsetDeleteRequest::default().with_group_id(group(&name)).with_topics(vec![topic]);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    is(ErrorCode::None, answer.topics[0].partitions[0].error_code);
    assert_eq!(fetched(world, 9, &name).0, NONE);
}
