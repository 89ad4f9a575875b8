//! What administrators see of consumer groups.

use coordinator::Command;
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::DeleteGroupsRequest;

use crate::dsl::{Client, Consumer, GROUP, World, topic};

fn delete(world: &mut World) -> ErrorCode {
    let request =
        DeleteGroupsRequest::default().with_groups_names(vec![StrBytes::from(GROUP).into()]);
    let token = world.send_as(TenantId::DEFAULT, "admin", Command::DeleteGroups(request));
    world.error(token)
}

#[test]
fn a_description_shows_what_members_have_and_should_have() {
    let mut world = World::new();
    world.topics.set(1, 2);
    let mut a = Consumer::with_instance("a", "one", &["topic-1"]);
    a.join(&mut world);
    Consumer::new("b", &["topic-1"]).join(&mut world);
    let group = world.describe_consumers(GROUP);
    assert_eq!((group.error_code, group.group_epoch, group.assignment_epoch), (0, 2, 2));
    assert_eq!(
        (group.group_state.as_str(), group.assignor_name.as_str()),
        ("Reconciling", "uniform")
    );
    let member = &group.members[0];
    assert_eq!((member.member_id.as_str(), member.member_epoch, member.member_type), ("a", 1, 1));
    assert_eq!(member.instance_id.as_deref(), Some("one"));
    assert_eq!((member.client_id.as_str(), member.client_host.as_str()), ("a", "/10.0.0.1"));
    let partitions =
        |assignment: &protocol::messages::consumer_group_describe_response::Assignment| {
            let one = &assignment.topic_partitions[0];
            assert_eq!((one.topic_id, one.topic_name.as_str()), (topic(1).0, "topic-1"));
            one.partitions.clone()
        };
    assert_eq!(partitions(&member.assignment), [0, 1]);
    assert_eq!(partitions(&member.target_assignment), [0]);
}

#[test]
fn each_kind_of_group_has_its_own_description() {
    let mut world = World::without_initial_delay();
    let nothing = world.describe_consumers(GROUP);
    assert_eq!(nothing.error_code, ErrorCode::GroupIdNotFound.code());
    assert_eq!(nothing.error_message.as_deref(), Some("Group group not found."));
    Consumer::new("a", &["topic-1"]).join(&mut world);
    let classic = world.describe(GROUP);
    assert_eq!(classic.error_code, ErrorCode::GroupIdNotFound.code());
    assert_eq!(classic.group_state.as_str(), "Dead");
    assert_eq!(classic.error_message.as_deref(), Some("Group group is not a classic group."));
    let mut member = Client { group: "other", ..Client::new("c") };
    world.form(&mut [&mut member]);
    let consumer = world.describe_consumers("other");
    assert_eq!(consumer.error_message.as_deref(), Some("Group other is not a consumer group."));
}

#[test]
fn lists_can_be_filtered_by_type_and_state() {
    let mut world = World::without_initial_delay();
    Consumer::new("a", &["topic-1"]).join(&mut world);
    let mut member = Client { group: "other", ..Client::new("c") };
    world.form(&mut [&mut member]);
    for (states, types, expected) in [
        (&[][..], &[][..], &["group", "other"][..]),
        (&[], &["Consumer"], &["group"]),
        (&[], &["classic"], &["other"]),
        (&[], &["classic", "consumer"], &["group", "other"]),
        (&["stable"], &["consumer"], &["group"]),
        (&["empty"], &["consumer"], &[]),
        (&[], &["share"], &[]),
    ] {
        let listed = world.list(states, types);
        let names: Vec<_> = listed.iter().map(|group| group.group_id.to_string()).collect();
        assert_eq!(names, expected, "{states:?} {types:?}");
    }
    let consumer = &world.list(&[], &["consumer"])[0];
    assert_eq!(
        (consumer.group_type.as_str(), consumer.protocol_type.as_str()),
        ("consumer", "consumer")
    );
}

#[test]
fn only_an_empty_group_can_be_deleted() {
    let mut world = World::new();
    let mut a = Consumer::new("a", &["topic-1"]);
    a.join(&mut world);
    a.commit(&mut world, (1, 0), 3);
    assert_eq!(delete(&mut world), ErrorCode::NonEmptyGroup);
    a.leave(&mut world);
    assert_eq!(delete(&mut world), ErrorCode::None);
    assert_eq!(delete(&mut world), ErrorCode::GroupIdNotFound);
    assert_eq!(world.committed((1, 0)).0, -1);
}
