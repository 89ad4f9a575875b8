//! Topics are deleted by name or by id, each once.

use std::collections::BTreeMap;

use super::*;
use crate::meta_log::MetaRecord;

const TENANT: TenantId = TenantId(1);

fn record(tenant: TenantId, name: &str, internal: bool) -> TopicRecord {
    TopicRecord {
        tenant,
        id: TopicId::random(),
        name: name.to_owned(),
        partitions: 1,
        configs: BTreeMap::new(),
        internal,
        created_ms: 0,
    }
}

fn by_name(name: &str) -> DeleteTopicState {
    DeleteTopicState::default().with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
}

fn by_id(id: TopicId) -> DeleteTopicState {
    DeleteTopicState::default().with_name(None).with_topic_id(id.0)
}

fn plan_on(
    topics: &[&TopicRecord],
    wanted: Vec<DeleteTopicState>,
) -> (Vec<TopicId>, Vec<ErrorCode>) {
    let records = topics.iter().map(|&topic| topic.clone()).collect();
    let catalogue = Catalogue::replay(vec![MetaRecord::TopicsCreated(records)]);
    let request = DeleteTopicsRequest::default().with_topics(wanted);
    let plan = plan(&catalogue, TENANT, &request);
    assert_eq!(plan.response.responses.len(), request.topics.len(), "one answer each");
    let code = |result: &DeletableTopicResult| ErrorCode::from_code(result.error_code);
    let ids = plan.topics.iter().map(|topic| topic.id).collect();
    (ids, plan.response.responses.iter().map(code).collect())
}

#[test]
fn a_topic_is_found_by_name_and_by_id() {
    let (a, b) = (record(TENANT, "a", false), record(TENANT, "b", false));
    let (deleted, codes) = plan_on(&[&a, &b], vec![by_name("a"), by_id(b.id)]);
    assert_eq!(deleted, [a.id, b.id]);
    assert_eq!(codes, [ErrorCode::None, ErrorCode::None]);
}

#[test]
fn an_answer_names_the_topic_completely() {
    let a = record(TENANT, "a", false);
    let catalogue = Catalogue::replay(vec![MetaRecord::TopicsCreated(vec![a.clone()])]);
    let request = DeleteTopicsRequest::default().with_topics(vec![by_id(a.id)]);
    let result = &plan(&catalogue, TENANT, &request).response.responses[0];
    assert_eq!(result.name.as_ref().unwrap().as_str(), "a");
    assert_eq!(result.topic_id, a.id.0);
}

#[test]
fn what_is_not_there_or_not_ours_is_unknown() {
    let foreign = record(TenantId(2), "theirs", false);
    let wanted = vec![by_name("never"), by_name("theirs"), by_id(foreign.id)];
    let (deleted, codes) = plan_on(&[&foreign], wanted);
    assert!(deleted.is_empty());
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(codes, [unknown, unknown, ErrorCode::UnknownTopicId]);
}

#[test]
fn contradictions_and_repetitions_are_refused() {
    let (a, b) = (record(TENANT, "a", false), record(TENANT, "b", false));
    let both = by_name("b").with_topic_id(b.id.0);
    let wanted = vec![by_name("a"), by_name("a"), both, by_id(TopicId::NIL)];
    let (deleted, codes) = plan_on(&[&a, &b], wanted);
    assert!(deleted.is_empty());
    assert_eq!(codes, [ErrorCode::InvalidRequest; 4]);

    let (deleted, codes) = plan_on(&[&a], vec![by_name("a"), by_id(a.id)]);
    assert_eq!(deleted, [a.id], "once");
    assert_eq!(codes, [ErrorCode::None, ErrorCode::UnknownTopicId]);
}

#[test]
fn the_cluster_s_own_topics_stay() {
    let own = record(TENANT, "__group_state", true);
    let (deleted, codes) = plan_on(&[&own], vec![by_name("__group_state")]);
    assert!(deleted.is_empty());
    assert_eq!(codes, [ErrorCode::TopicAuthorizationFailed]);
}
