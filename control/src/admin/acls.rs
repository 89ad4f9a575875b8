//! CreateAcls and DeleteAcls. What may be in an entry, and what is said about what may not, is
//! Kafka's; lengths and numbers are bounded besides.
//!
//! An entry that is there already is created again with success, and nothing is committed for it.
//! A filter deletes what it matches, each entry once.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use metadata::{
    limits::{ACL_TEXT_BYTES_MAX, SETTINGS_PER_KIND_MAX},
    model::Record,
    settings::{
        SettingKey, SettingKind,
        acl::{
            AclBinding, AclFilter, AclOperation, CLUSTER_NAME, PatternType, Permission,
            ResourceType,
        },
    },
};
use protocol::{
    ErrorCode,
    ids::TenantId,
    messages::{
        CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse,
        create_acls_request::AclCreation,
        create_acls_response::AclCreationResult,
        delete_acls_request::DeleteAclsFilter,
        delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl},
    },
};

use super::Refusal;
use crate::{catalogue::Catalogue, limits::ACLS_PER_REQUEST_MAX};

/// Entries to write, or to remove.
pub(crate) type Changes = Vec<(SettingKey, Option<Bytes>)>;

/// Plans CreateAcls of one tenant: what to commit, and the answer if that succeeds.
pub(crate) fn plan_creation(
    catalogue: &Catalogue,
    tenant: TenantId,
    request: &CreateAclsRequest,
) -> (Changes, CreateAclsResponse) {
    let present = catalogue.settings(tenant, SettingKind::Acl);
    let mut added = BTreeMap::new();
    let results = request.creations.iter().map(|creation| {
        let result = AclCreationResult::default().with_error_message(None);
        let planned = binding(creation).and_then(|acl| {
            let name = acl.setting_name();
            if present.entries.contains_key(&name) || added.contains_key(&name) {
                return Ok(());
            }
            check_room(present.entries.len(), added.len())?;
            added.insert(name, acl.encode());
            Ok(())
        });
        match planned {
            Ok(()) => result,
            Err(refusal) => {
                result.with_error_code(refusal.code.code()).with_error_message(refusal.text())
            }
        }
    });
    let response = CreateAclsResponse::default().with_results(results.collect());
    let change = |(name, value)| (SettingKey::new(tenant, SettingKind::Acl, name), Some(value));
    (added.into_iter().map(change).collect(), response)
}

/// Plans DeleteAcls of one tenant.
pub(crate) fn plan_deletion(
    catalogue: &Catalogue,
    tenant: TenantId,
    request: &DeleteAclsRequest,
) -> (Changes, DeleteAclsResponse) {
    let present = catalogue.settings(tenant, SettingKind::Acl);
    let entries: Vec<_> = present
        .entries
        .iter()
        .filter_map(|(name, value)| Some((name, AclBinding::decode(value).ok()?)))
        .collect();
    let mut removed = BTreeSet::new();
    let mut listed = 0;
    let results = request.filters.iter().enumerate().map(|(place, wanted)| {
        let result = DeleteAclsFilterResult::default().with_error_message(None);
        let matching = filter(place, wanted).and_then(|filter| {
            let found: Vec<_> = entries.iter().filter(|(_, acl)| filter.matches(acl)).collect();
            // Filters that match the same entries all list them.
            if listed + found.len() > SETTINGS_PER_KIND_MAX {
                let text = format!("An answer lists at most {SETTINGS_PER_KIND_MAX} acls.");
                return Err(Refusal::new(ErrorCode::PolicyViolation, text));
            }
            listed += found.len();
            removed.extend(found.iter().map(|(name, _)| *name));
            Ok(found.into_iter().map(|(_, acl)| deleted(acl)).collect())
        });
        match matching {
            Ok(matching) => result.with_matching_acls(matching),
            Err(refusal) => {
                result.with_error_code(refusal.code.code()).with_error_message(refusal.text())
            }
        }
    });
    let response = DeleteAclsResponse::default().with_filter_results(results.collect());
    let change = |name: &String| (SettingKey::new(tenant, SettingKind::Acl, name.as_str()), None);
    (removed.into_iter().map(change).collect(), response)
}

/// An answer that refuses every creation alike.
pub(crate) fn refuse_creations(
    request: &CreateAclsRequest,
    refusal: &Refusal,
) -> CreateAclsResponse {
    let refused = AclCreationResult::default()
        .with_error_code(refusal.code.code())
        .with_error_message(refusal.clone().text());
    CreateAclsResponse::default().with_results(vec![refused; request.creations.len()])
}

/// An answer that refuses every filter alike.
pub(crate) fn refuse_deletions(
    request: &DeleteAclsRequest,
    refusal: &Refusal,
) -> DeleteAclsResponse {
    let refused = DeleteAclsFilterResult::default()
        .with_error_code(refusal.code.code())
        .with_error_message(refusal.clone().text());
    DeleteAclsResponse::default().with_filter_results(vec![refused; request.filters.len()])
}

/// Turns the successes of an answer into this refusal: their record was not committed.
pub(crate) fn refuse_planned_creations(response: &mut CreateAclsResponse, refusal: &Refusal) {
    for result in response.results.iter_mut().filter(|result| result.error_code == 0) {
        result.error_code = refusal.code.code();
        result.error_message = refusal.clone().text();
    }
}

/// The same for deletions: whether the entries are gone, nobody knows.
pub(crate) fn refuse_planned_deletions(response: &mut DeleteAclsResponse, refusal: &Refusal) {
    for result in response.filter_results.iter_mut().filter(|result| result.error_code == 0) {
        result.error_code = refusal.code.code();
        result.error_message = refusal.clone().text();
        result.matching_acls.clear();
    }
}

/// The entry that a creation asks for.
fn binding(creation: &AclCreation) -> Result<AclBinding, Refusal> {
    let invalid = |text: String| Refusal::new(ErrorCode::InvalidRequest, text);
    let unknown = |what: &str, code: i8| invalid(format!("Invalid {what} {code}"));
    let resource_type = ResourceType::from_code(creation.resource_type)
        .ok_or_else(|| unknown("resourceType", creation.resource_type))?;
    let pattern_type = PatternType::from_code(creation.resource_pattern_type)
        .ok_or_else(|| unknown("patternType", creation.resource_pattern_type))?;
    let operation = AclOperation::from_code(creation.operation)
        .ok_or_else(|| unknown("operation", creation.operation))?;
    let permission = Permission::from_code(creation.permission_type)
        .ok_or_else(|| unknown("permissionType", creation.permission_type))?;
    let acl = AclBinding {
        resource_type,
        pattern_type,
        resource_name: creation.resource_name.to_string(),
        principal: creation.principal.to_string(),
        host: creation.host.to_string(),
        operation,
        permission,
    };
    if resource_type == ResourceType::Cluster && acl.resource_name != CLUSTER_NAME {
        let text = format!("The only valid name for the CLUSTER resource is {CLUSTER_NAME}");
        return Err(invalid(text));
    }
    if acl.resource_name.is_empty() {
        return Err(invalid("Invalid empty resource name".to_owned()));
    }
    if !acl.principal.contains(':') {
        let text = "Could not parse principal (no colon is present separating the principal type \
                    from the principal name)";
        return Err(invalid(text.to_owned()));
    }
    if acl.text_bytes() > ACL_TEXT_BYTES_MAX {
        let text = format!(
            "Principal, host and resource name may have at most {ACL_TEXT_BYTES_MAX} bytes together."
        );
        return Err(Refusal::new(ErrorCode::PolicyViolation, text));
    }
    Ok(acl)
}

fn check_room(present: usize, added: usize) -> Result<(), Refusal> {
    if added >= ACLS_PER_REQUEST_MAX {
        let text = format!("A request may create at most {ACLS_PER_REQUEST_MAX} acls.");
        return Err(Refusal::new(ErrorCode::PolicyViolation, text));
    }
    if present + added >= SETTINGS_PER_KIND_MAX {
        let text = format!("There may be at most {SETTINGS_PER_KIND_MAX} acls.");
        return Err(Refusal::new(ErrorCode::PolicyViolation, text));
    }
    Ok(())
}

fn filter(place: usize, wanted: &DeleteAclsFilter) -> Result<AclFilter, Refusal> {
    if place >= ACLS_PER_REQUEST_MAX {
        let text = format!("A request may have at most {ACLS_PER_REQUEST_MAX} filters.");
        return Err(Refusal::new(ErrorCode::PolicyViolation, text));
    }
    let codes = [
        wanted.resource_type_filter,
        wanted.pattern_type_filter,
        wanted.operation,
        wanted.permission_type,
    ];
    let texts = [&wanted.resource_name_filter, &wanted.principal_filter, &wanted.host_filter];
    AclFilter::from_codes(codes, texts.map(|text| text.as_deref()))
        .map_err(|unknown| Refusal::new(ErrorCode::InvalidRequest, unknown.to_string()))
}

fn deleted(acl: &AclBinding) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl::default()
        .with_error_message(None)
        .with_resource_type(acl.resource_type.code())
        .with_resource_name(acl.resource_name.clone().into())
        .with_pattern_type(acl.pattern_type.code())
        .with_principal(acl.principal.clone().into())
        .with_host(acl.host.clone().into())
        .with_operation(acl.operation.code())
        .with_permission_type(acl.permission.code())
}

#[cfg(test)]
mod tests;
