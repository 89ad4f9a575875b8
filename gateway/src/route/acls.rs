//! Access control lists: there is no authorizer yet, and these answers say so as Kafka's do where
//! none is configured. An entry that was accepted and not enforced would be a hole.

use protocol::messages::create_acls_response::AclCreationResult;
use protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use protocol::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse,
    DescribeAclsResponse,
};
use protocol::{ErrorCode, StrBytes};

const DISABLED: i16 = ErrorCode::SecurityDisabled as i16;

/// Why, as Kafka says it.
const TEXT: StrBytes = StrBytes::from_static_str("No Authorizer is configured.");

pub(super) fn describe() -> DescribeAclsResponse {
    DescribeAclsResponse::default().with_error_code(DISABLED).with_error_message(Some(TEXT))
}

pub(super) fn create(request: &CreateAclsRequest) -> CreateAclsResponse {
    let refused =
        AclCreationResult::default().with_error_code(DISABLED).with_error_message(Some(TEXT));
    CreateAclsResponse::default().with_results(vec![refused; request.creations.len()])
}

pub(super) fn delete(request: &DeleteAclsRequest) -> DeleteAclsResponse {
    let refused =
        DeleteAclsFilterResult::default().with_error_code(DISABLED).with_error_message(Some(TEXT));
    DeleteAclsResponse::default().with_filter_results(vec![refused; request.filters.len()])
}
