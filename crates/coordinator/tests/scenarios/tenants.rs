//! Tenants do not see each other, whatever they call their groups (R56).

use coordinator::{Command, Reply};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::{DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest};

use crate::dsl::{Client, GROUP, World};

#[test]
fn groups_of_the_same_name_are_strangers_to_each_other() {
    let mut world = World::new();
    let mut ours = Client::new("ours");
    let mut theirs = Client { tenant: TenantId(2), ..Client::new("theirs") };
    world.form(&mut [&mut ours]);
    world.form(&mut [&mut theirs]);
    ours.commit(&mut world, (1, 0), 1);
    theirs.commit(&mut world, (1, 0), 2);
    assert_eq!(world.committed((1, 0)).0, 1);

    let borrowed = Client { tenant: TenantId(2), ..ours.clone() };
    assert_eq!(borrowed.heartbeat(&mut world), ErrorCode::UnknownMemberId);
    assert_eq!(theirs.leave(&mut world), ErrorCode::None);
    assert_eq!(ours.heartbeat(&mut world), ErrorCode::None);
}

#[test]
fn a_tenant_can_neither_list_describe_nor_delete_groups_of_another() {
    let mut world = World::new();
    Client { group: "secret", ..Client::new("ours") }.commit(&mut world, (1, 0), 1);
    let them = Client { tenant: TenantId(2), ..Client::new("them") };

    let token = world.send(&them, Command::ListGroups(ListGroupsRequest::default()));
    assert!(matches!(world.answer(token), Reply::ListGroups(list) if list.groups.is_empty()));
    let names = vec![StrBytes::from("secret").into()];
    let request = DescribeGroupsRequest::default().with_groups(names.clone());
    let token = world.send(&them, Command::DescribeGroups(request));
    assert_eq!(world.error(token), ErrorCode::GroupIdNotFound);
    let request = DeleteGroupsRequest::default().with_groups_names(names);
    let token = world.send(&them, Command::DeleteGroups(request));
    assert_eq!(world.error(token), ErrorCode::GroupIdNotFound);
    assert_eq!(world.list(&[], &[]).len(), 1);
    assert_eq!(world.state(GROUP), "Dead");
}
