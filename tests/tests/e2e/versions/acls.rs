//! ACLs of a node without an authorizer, which says so.

use protocol::ErrorCode;
use protocol::messages::create_acls_request::AclCreation;
use protocol::messages::delete_acls_request::DeleteAclsFilter;
use protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

use super::world::{World, is, text};

const TOPIC: i8 = 2;
const LITERAL: i8 = 3;
const READ: i8 = 3;
const ALLOW: i8 = 3;

pub(super) fn describe(world: &mut World, version: i16) {
    let request = DescribeAclsRequest::default()
        .with_resource_type_filter(TOPIC)
        .with_pattern_type_filter(LITERAL)
        .with_operation(READ)
        .with_permission_type(ALLOW);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::SecurityDisabled, answer.error_code);
    assert!(answer.resources.is_empty());
}

pub(super) fn create(world: &mut World, version: i16) {
    let creation = AclCreation::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text("orders"))
        .with_resource_pattern_type(LITERAL)
        .with_principal(text("User:alice"))
        .with_host(text("*"))
        .with_operation(READ)
        .with_permission_type(ALLOW);
    let request = CreateAclsRequest::default().with_creations(vec![creation.clone(), creation]);
    let answer = world.wire.ask(version, &request);
    assert_eq!(answer.results.len(), 2);
    is(ErrorCode::SecurityDisabled, answer.results[1].error_code);
}

pub(super) fn delete(world: &mut World, version: i16) {
    let filter = DeleteAclsFilter::default()
        .with_resource_type_filter(TOPIC)
        .with_pattern_type_filter(LITERAL)
        .with_operation(READ)
        .with_permission_type(ALLOW);
    let request = DeleteAclsRequest::default().with_filters(vec![filter]);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::SecurityDisabled, answer.filter_results[0].error_code);
}
