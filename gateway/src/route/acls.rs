//! Access control lists: kept by control, shown from the view, enforced by [`crate::grants`].
//!
//! A gateway that does not enforce them answers SECURITY_DISABLED, as Kafka does without an
//! authorizer: an entry that is accepted and does nothing would be a hole.

use metadata::model::Record;
use metadata::settings::SettingKind;
use metadata::settings::acl::{AclBinding, AclFilter};
use protocol::messages::create_acls_response::AclCreationResult;
use protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use protocol::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use protocol::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse,
    DescribeAclsRequest, DescribeAclsResponse,
};
use protocol::{ErrorCode, StrBytes};

use super::admin::{ask_control, enforced};
use crate::context::Context;
use crate::errors;
use crate::limits::ALTER_SETTINGS_TIMEOUT_MS;

/// Why nothing is kept, as Kafka says it.
const DISABLED: StrBytes = StrBytes::from_static_str("No Authorizer is configured.");

/// Answers DescribeAcls.
pub(super) async fn describe(
    context: Context,
    request: DescribeAclsRequest,
) -> DescribeAclsResponse {
    let failed = |error: ErrorCode, text: Option<StrBytes>| {
        DescribeAclsResponse::default().with_error_code(error.code()).with_error_message(text)
    };
    if !context.grants.is_enforced() {
        return failed(ErrorCode::SecurityDisabled, Some(DISABLED));
    }
    let codes = [
        request.resource_type_filter,
        request.pattern_type_filter,
        request.operation,
        request.permission_type,
    ];
    let texts = [&request.resource_name_filter, &request.principal_filter, &request.host_filter];
    let filter = match AclFilter::from_codes(codes, texts.map(Option::as_deref)) {
        Ok(filter) => filter,
        Err(unknown) => {
            let text = StrBytes::from_string(unknown.to_string());
            return failed(ErrorCode::InvalidRequest, Some(text));
        }
    };
    if let Err(error) = context.catalogue.refresh().await {
        return failed(errors::of_lookup(&error), None);
    }
    let found = entries(&context).filter(|acl| filter.matches(acl)).collect();
    DescribeAclsResponse::default().with_error_message(None).with_resources(by_resource(found))
}

/// The tenant's entries that this version can read.
fn entries(context: &Context) -> impl Iterator<Item = AclBinding> + use<> {
    let settings = context.core.view.settings(context.tenant(), SettingKind::Acl);
    let entries: Vec<_> = settings.entries.values().cloned().collect();
    entries.into_iter().filter_map(|entry| AclBinding::decode(&entry).ok())
}

/// Entries of one pattern become one resource of the answer.
fn by_resource(mut found: Vec<AclBinding>) -> Vec<DescribeAclsResource> {
    found.sort_unstable();
    let key = |acl: &AclBinding| (acl.resource_type, acl.pattern_type, acl.resource_name.clone());
    let resources = found.chunk_by(|one, other| key(one) == key(other)).map(|acls| {
        let described = acls.iter().map(|acl| {
            AclDescription::default()
                .with_principal(acl.principal.clone().into())
                .with_host(acl.host.clone().into())
                .with_operation(acl.operation.code())
                .with_permission_type(acl.permission.code())
        });
        DescribeAclsResource::default()
            .with_resource_type(acls[0].resource_type.code())
            .with_resource_name(acls[0].resource_name.clone().into())
            .with_pattern_type(acls[0].pattern_type.code())
            .with_acls(described.collect())
    });
    resources.collect()
}

/// Answers CreateAcls, once this gateway enforces what was created.
pub(super) async fn create(context: Context, request: CreateAclsRequest) -> CreateAclsResponse {
    let count = request.creations.len();
    let all = |error: ErrorCode, text: Option<StrBytes>| {
        let result =
            AclCreationResult::default().with_error_code(error.code()).with_error_message(text);
        CreateAclsResponse::default().with_results(vec![result; count])
    };
    if !context.grants.is_enforced() {
        return all(ErrorCode::SecurityDisabled, Some(DISABLED));
    }
    let refused = |answer: &CreateAclsResponse| {
        let mut results = answer.results.iter();
        results.any(|result| result.error_code == ErrorCode::NotController.code())
    };
    let answer = match ask_control(&context, ALTER_SETTINGS_TIMEOUT_MS, request, refused).await {
        Ok(answer) => answer,
        Err(error) => return all(error, None),
    };
    // Committed and copied: once the view has caught up, it is enforced here. If it does not, the
    // client has to know: asked again, entries that are there are no error.
    match enforced(&context).await {
        Ok(()) => answer,
        Err(error) => all(error, None),
    }
}

/// Answers DeleteAcls, once this gateway does not enforce what was deleted any more.
pub(super) async fn delete(context: Context, request: DeleteAclsRequest) -> DeleteAclsResponse {
    let count = request.filters.len();
    let all = |error: ErrorCode, text: Option<StrBytes>| {
        let result = DeleteAclsFilterResult::default()
            .with_error_code(error.code())
            .with_error_message(text);
        DeleteAclsResponse::default().with_filter_results(vec![result; count])
    };
    if !context.grants.is_enforced() {
        return all(ErrorCode::SecurityDisabled, Some(DISABLED));
    }
    let refused = |answer: &DeleteAclsResponse| {
        let mut results = answer.filter_results.iter();
        results.any(|result| result.error_code == ErrorCode::NotController.code())
    };
    let answer = match ask_control(&context, ALTER_SETTINGS_TIMEOUT_MS, request, refused).await {
        Ok(answer) => answer,
        Err(error) => return all(error, None),
    };
    match enforced(&context).await {
        Ok(()) => answer,
        Err(error) => all(error, None),
    }
}
