//! DescribeGroups, ListGroups and DeleteGroups.

use coordinator::Command;
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::DeleteGroupsRequest;

use crate::dsl::{Client, GROUP, World, assignment_of, subscription};

fn delete(world: &mut World, group: &'static str) -> ErrorCode {
    let request =
        DeleteGroupsRequest::default().with_groups_names(vec![StrBytes::from(group).into()]);
    let token = world.send(&Client::new("admin"), Command::DeleteGroups(request));
    world.error(token)
}

#[test]
fn a_stable_group_is_described_with_members_metadata_and_assignments() {
    let mut world = World::new();
    let mut a = Client::with_instance("a", "a-1");
    world.form(&mut [&mut a]);
    let described = world.describe(GROUP);
    assert_eq!((described.error_code, described.group_state.as_str()), (0, "Stable"));
    assert_eq!(described.protocol_type.as_str(), "consumer");
    assert_eq!(described.protocol_data.as_str(), "range");
    let member = &described.members[0];
    assert_eq!(member.member_id, a.member_id);
    assert_eq!(member.group_instance_id.as_deref(), Some("a-1"));
    assert_eq!((member.client_id.as_str(), member.client_host.as_str()), ("a", "/10.0.0.1"));
    assert_eq!(member.member_metadata, subscription(&["topic-1"]));
    assert_eq!(member.member_assignment, assignment_of(&a.member_id));
}

#[test]
fn a_group_in_a_rebalance_is_described_without_protocol_and_metadata() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    Client::new("b").join(&mut world);
    let described = world.describe(GROUP);
    assert_eq!(described.group_state.as_str(), "PreparingRebalance");
    assert_eq!(described.protocol_data.as_str(), "");
    assert_eq!(described.members.len(), 2);
    assert!(described.members.iter().all(|member| member.member_metadata.is_empty()));
}

#[test]
fn an_unknown_group_is_dead_and_says_so() {
    let mut world = World::new();
    let described = world.describe("nowhere");
    assert_eq!(described.group_state.as_str(), "Dead");
    assert_eq!(described.error_code, ErrorCode::GroupIdNotFound.code());
    assert_eq!(described.error_message.as_deref(), Some("Group nowhere not found."));
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut world = World::new();
    world.form(&mut [&mut Client { group: "stable", ..Client::new("a") }]);
    Client { group: "preparing", ..Client::new("b") }.join(&mut world);
    Client { group: "simple", ..Client::new("c") }.commit(&mut world, (1, 0), 1);

    let mut names = |states: &[&'static str], types: &[&'static str]| -> Vec<String> {
        world.list(states, types).iter().map(|group| group.group_id.to_string()).collect()
    };
    assert_eq!(names(&[], &[]), ["preparing", "simple", "stable"]);
    assert_eq!(names(&["Stable"], &[]), ["stable"]);
    assert_eq!(names(&["empty", " PREPARINGREBALANCE "], &[]), ["preparing", "simple"]);
    assert_eq!(names(&[], &["Classic"]), ["preparing", "simple", "stable"]);
    assert!(names(&[], &["consumer"]).is_empty());
    assert!(names(&["Dead"], &[]).is_empty());
    assert!(names(&["no such state"], &["no such type"]).is_empty());

    let listed = world.list(&["Stable"], &[]);
    assert_eq!(listed[0].protocol_type.as_str(), "consumer");
    assert_eq!(listed[0].group_state.as_str(), "Stable");
    assert_eq!(listed[0].group_type.as_str(), "classic");
}

#[test]
fn an_empty_group_is_deleted_with_its_offsets() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    a.commit(&mut world, (1, 0), 9);
    assert_eq!(delete(&mut world, GROUP), ErrorCode::NonEmptyGroup);
    a.leave(&mut world);
    assert_eq!(delete(&mut world, GROUP), ErrorCode::None);
    assert_eq!(delete(&mut world, GROUP), ErrorCode::GroupIdNotFound);
    world.fail_over();
    assert_eq!(world.committed((1, 0)).0, -1);
    assert_eq!(world.state(GROUP), "Dead");
}

#[test]
fn an_id_given_out_dies_with_its_group() {
    let mut world = World::new();
    let mut a = Client::new("a");
    let token = a.send_join(&mut world);
    a.member_id = world.join_answer(token).member_id.clone();
    assert_eq!(delete(&mut world, GROUP), ErrorCode::None);
    let token = a.send_join(&mut world);
    assert_eq!(world.error(token), ErrorCode::UnknownMemberId);
    assert!(world.log.is_empty(), "nothing of it was durable");
}

#[test]
fn groups_are_counted_once_whether_they_have_members_or_not() {
    let mut world = World::new();
    let mut a = Client::new("a");
    world.form(&mut [&mut a]);
    Client { group: "asked for an id", ..Client::new("b") }.send_join(&mut world);
    Client { group: "simple", ..Client::new("c") }.commit(&mut world, (1, 0), 1);
    assert_eq!(world.coordinator.group_count(), 3);
}
