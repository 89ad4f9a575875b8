//! Entries come and go as Kafka has it.

use super::*;
use crate::meta_log::MetaRecord;

const TENANT: TenantId = TenantId(1);

/// READ of a topic for alice, from anywhere.
fn creation(name: &str) -> AclCreation {
    AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(name.to_owned().into())
        .with_resource_pattern_type(3)
        .with_principal("User:alice".into())
        .with_host("*".into())
        .with_operation(3)
        .with_permission_type(3)
}

fn create(
    catalogue: &mut Catalogue,
    creations: Vec<AclCreation>,
) -> Vec<(ErrorCode, Option<String>)> {
    let request = CreateAclsRequest::default().with_creations(creations);
    let (changes, response) = plan_creation(catalogue, TENANT, &request);
    catalogue.apply(MetaRecord::SettingsChanged(changes));
    let said = response.results.into_iter().map(|result| {
        let text = result.error_message.map(|text| text.to_string());
        (ErrorCode::from_code(result.error_code), text)
    });
    said.collect()
}

fn names(catalogue: &Catalogue, tenant: TenantId) -> Vec<String> {
    let settings = catalogue.settings(tenant, SettingKind::Acl);
    let entries = settings.entries.values().map(|value| AclBinding::decode(value).unwrap());
    entries.map(|acl| acl.resource_name).collect()
}

/// Anything that matches the name; the pattern type is MATCH.
fn matching(name: Option<&str>) -> DeleteAclsFilter {
    DeleteAclsFilter::default()
        .with_resource_type_filter(1)
        .with_resource_name_filter(name.map(|name| name.to_owned().into()))
        .with_pattern_type_filter(2)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(1)
        .with_permission_type(1)
}

fn delete(catalogue: &mut Catalogue, filters: Vec<DeleteAclsFilter>) -> DeleteAclsResponse {
    let request = DeleteAclsRequest::default().with_filters(filters);
    let (changes, response) = plan_deletion(catalogue, TENANT, &request);
    catalogue.apply(MetaRecord::SettingsChanged(changes));
    response
}

const CREATED: (ErrorCode, Option<String>) = (ErrorCode::None, None);

#[test]
fn an_entry_is_there_once_however_often_it_is_created() {
    let mut catalogue = Catalogue::default();
    assert_eq!(create(&mut catalogue, vec![creation("a"), creation("a")]), [CREATED, CREATED]);
    let request = CreateAclsRequest::default().with_creations(vec![creation("a")]);
    let (changes, response) = plan_creation(&catalogue, TENANT, &request);
    assert!(changes.is_empty(), "nothing to commit");
    assert_eq!(response.results[0].error_code, 0);
    assert_eq!(names(&catalogue, TENANT), ["a"]);
    assert!(names(&catalogue, TenantId(2)).is_empty(), "another tenant's");
}

#[test]
fn what_is_no_entry_is_refused_and_the_rest_created() {
    let mut catalogue = Catalogue::default();
    let cluster = creation("kafka-cluster").with_resource_type(4);
    let said = create(
        &mut catalogue,
        vec![
            creation("").with_resource_name("".into()),
            creation("a").with_resource_type(1),
            creation("a").with_resource_pattern_type(2),
            creation("a").with_operation(1),
            creation("a").with_permission_type(1),
            cluster.clone().with_resource_name("other".into()),
            creation("a").with_principal("alice".into()),
            creation(&"x".repeat(ACL_TEXT_BYTES_MAX)),
            cluster,
            creation("a"),
        ],
    );
    let codes: Vec<_> = said.iter().map(|(code, _)| *code).collect();
    let (refused, created) = codes.split_at(8);
    assert_eq!(refused[..7], [ErrorCode::InvalidRequest; 7]);
    assert_eq!(refused[7], ErrorCode::PolicyViolation);
    assert_eq!(created, [ErrorCode::None; 2]);
    assert_eq!(said[0].1.as_deref(), Some("Invalid empty resource name"));
    let text = "The only valid name for the CLUSTER resource is kafka-cluster";
    assert_eq!(said[5].1.as_deref(), Some(text));
    assert_eq!(names(&catalogue, TENANT).len(), 2);
}

#[test]
fn a_filter_deletes_what_it_matches_and_says_what() {
    let mut catalogue = Catalogue::default();
    let prefix = creation("ord").with_resource_pattern_type(4);
    create(&mut catalogue, vec![creation("orders"), prefix, creation("*"), creation("bills")]);
    let response = delete(&mut catalogue, vec![matching(Some("orders")), matching(Some("orders"))]);
    let deleted = |at: usize| {
        let acls = &response.filter_results[at].matching_acls;
        let mut names: Vec<_> = acls.iter().map(|acl| acl.resource_name.to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(deleted(0), ["*", "ord", "orders"]);
    assert_eq!(deleted(1), deleted(0), "each filter lists what it matches");
    assert_eq!(names(&catalogue, TENANT), ["bills"]);

    let unknown = matching(None).with_operation(0);
    let response = delete(&mut catalogue, vec![unknown, matching(Some("none")), matching(None)]);
    let codes = response.filter_results.iter().map(|result| result.error_code);
    assert!(codes.eq([ErrorCode::InvalidRequest.code(), 0, 0]));
    assert!(names(&catalogue, TENANT).is_empty());
}

#[test]
fn a_request_creates_so_many_and_a_tenant_has_so_many() {
    let mut catalogue = Catalogue::default();
    for batch in 0..SETTINGS_PER_KIND_MAX / ACLS_PER_REQUEST_MAX {
        let wanted = (0..=ACLS_PER_REQUEST_MAX).map(|at| creation(&format!("{batch}-{at}")));
        let said = create(&mut catalogue, wanted.collect());
        assert!(said[..ACLS_PER_REQUEST_MAX].iter().all(|said| *said == CREATED));
        assert_eq!(said[ACLS_PER_REQUEST_MAX].0, ErrorCode::PolicyViolation);
    }
    assert_eq!(create(&mut catalogue, vec![creation("more")])[0].0, ErrorCode::PolicyViolation);
    assert_eq!(create(&mut catalogue, vec![creation("0-0")])[0].0, ErrorCode::None, "has it");

    // Many filters that match everything would make an answer of any size.
    let response = delete(&mut catalogue, vec![matching(None), matching(None)]);
    let codes = response.filter_results.iter().map(|result| result.error_code);
    assert!(codes.eq([0, ErrorCode::PolicyViolation.code()]));
    assert!(names(&catalogue, TENANT).is_empty());
}

#[test]
fn a_change_in_doubt_says_so_where_it_was_to_succeed() {
    let mut catalogue = Catalogue::default();
    let refusal = Refusal::new(ErrorCode::RequestTimedOut, "?");
    let creations = vec![creation("a"), creation("")];
    let request = CreateAclsRequest::default().with_creations(creations);
    let (_, mut response) = plan_creation(&catalogue, TENANT, &request);
    refuse_planned_creations(&mut response, &refusal);
    let codes = response.results.iter().map(|result| result.error_code);
    let expected = [ErrorCode::RequestTimedOut.code(), ErrorCode::InvalidRequest.code()];
    assert!(codes.eq(expected));

    create(&mut catalogue, vec![creation("a")]);
    let request = DeleteAclsRequest::default().with_filters(vec![matching(None)]);
    let (_, mut response) = plan_deletion(&catalogue, TENANT, &request);
    refuse_planned_deletions(&mut response, &refusal);
    let result = &response.filter_results[0];
    assert_eq!(result.error_code, ErrorCode::RequestTimedOut.code());
    assert!(result.matching_acls.is_empty());
}
