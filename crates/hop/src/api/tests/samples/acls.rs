//! Access control entries.

use protocol::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse,
    create_acls_request::AclCreation,
    create_acls_response::AclCreationResult,
    delete_acls_request::DeleteAclsFilter,
    delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl},
};

use super::{Request, Response, text};

pub(super) fn create() -> (Request, Response) {
    let creation = AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(text("orders"))
        .with_resource_pattern_type(4)
        .with_principal(text("User:alice"))
        .with_host(text("*"))
        .with_operation(3)
        .with_permission_type(3);
    let request = CreateAclsRequest::default().with_creations(vec![creation]);
    let result = AclCreationResult::default()
        .with_error_code(42)
        .with_error_message(Some(text("no such operation")));
    let response =
        CreateAclsResponse::default().with_throttle_time_ms(9).with_results(vec![result]);
    (Request::CreateAcls(request), Response::CreateAcls(response))
}

pub(super) fn delete() -> (Request, Response) {
    let filter = DeleteAclsFilter::default()
        .with_resource_type_filter(2)
        .with_resource_name_filter(Some(text("orders")))
        .with_pattern_type_filter(2)
        .with_principal_filter(Some(text("User:alice")))
        .with_host_filter(Some(text("*")))
        .with_operation(1)
        .with_permission_type(1);
    let request = DeleteAclsRequest::default().with_filters(vec![filter]);
    let matching = DeleteAclsMatchingAcl::default()
        .with_error_code(1)
        .with_error_message(Some(text("odd")))
        .with_resource_type(2)
        .with_resource_name(text("orders"))
        .with_pattern_type(4)
        .with_principal(text("User:alice"))
        .with_host(text("*"))
        .with_operation(3)
        .with_permission_type(3);
    let result = DeleteAclsFilterResult::default()
        .with_error_code(42)
        .with_error_message(Some(text("no such filter")))
        .with_matching_acls(vec![matching]);
    let response =
        DeleteAclsResponse::default().with_throttle_time_ms(9).with_filter_results(vec![result]);
    (Request::DeleteAcls(request), Response::DeleteAcls(response))
}
