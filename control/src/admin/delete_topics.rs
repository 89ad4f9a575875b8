//! DeleteTopics.

use std::collections::HashSet;

use metadata::model::TopicRecord;
use protocol::{
    ErrorCode, StrBytes,
    ids::{TenantId, TopicId},
    messages::{
        DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
        delete_topics_request::DeleteTopicState, delete_topics_response::DeletableTopicResult,
    },
};

use super::{Refusal, duplicates};
use crate::catalogue::Catalogue;

/// What to do and what to answer.
pub(crate) struct Plan {
    /// The topics to delete.
    pub(crate) topics: Vec<TopicRecord>,
    /// The answer, if that succeeds.
    pub(crate) response: DeleteTopicsResponse,
}

/// Plans a request of one tenant.
pub(crate) fn plan(catalogue: &Catalogue, tenant: TenantId, request: &DeleteTopicsRequest) -> Plan {
    let names = request.topics.iter().filter_map(|topic| topic.name.as_deref());
    let repeated = duplicates(names.map(StrBytes::as_str));
    let mut chosen = HashSet::new();
    let mut topics = Vec::new();
    let mut results = Vec::with_capacity(request.topics.len());
    for wanted in &request.topics {
        let name = wanted.name.as_deref().map(StrBytes::as_str);
        let found = if name.is_some_and(|name| repeated.contains_key(name)) {
            Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name."))
        } else {
            find(catalogue, tenant, wanted)
        };
        results.push(match found {
            // Twice, by name and by id: the second is gone by then.
            Ok(topic) if !chosen.insert(topic.id) => refused(wanted, unknown(wanted)),
            Ok(topic) => {
                topics.push(topic.clone());
                let name = TopicName(StrBytes::from_string(topic.name.clone()));
                DeletableTopicResult::default().with_name(Some(name)).with_topic_id(topic.id.0)
            }
            Err(refusal) => refused(wanted, refusal),
        });
    }
    Plan { topics, response: DeleteTopicsResponse::default().with_responses(results) }
}

/// An answer that refuses every topic alike.
pub(crate) fn refuse_all(request: &DeleteTopicsRequest, refusal: &Refusal) -> DeleteTopicsResponse {
    let results = request.topics.iter().map(|topic| refused(topic, refusal.clone()));
    DeleteTopicsResponse::default().with_responses(results.collect())
}

/// Turns the successes of an answer into this refusal: their record was not committed.
pub(crate) fn refuse_planned(response: &mut DeleteTopicsResponse, refusal: &Refusal) {
    refuse_ids(response, refusal, |_| true);
}

/// The same of those topics only.
pub(crate) fn refuse_ids(
    response: &mut DeleteTopicsResponse,
    refusal: &Refusal,
    is_it: impl Fn(TopicId) -> bool,
) {
    let successes = response.responses.iter_mut().filter(|result| result.error_code == 0);
    for result in successes.filter(|result| is_it(TopicId(result.topic_id))) {
        result.error_code = refusal.code.code();
        result.error_message = refusal.clone().text();
    }
}

fn find<'a>(
    catalogue: &'a Catalogue,
    tenant: TenantId,
    wanted: &DeleteTopicState,
) -> Result<&'a TopicRecord, Refusal> {
    let id = TopicId(wanted.topic_id);
    let found = match &wanted.name {
        Some(_) if !id.is_nil() => {
            let text = "You may not specify both topic name and topic id.";
            return Err(Refusal::new(ErrorCode::InvalidRequest, text));
        }
        Some(name) => catalogue.by_name(tenant, name.as_str()),
        None if id.is_nil() => {
            let text = "Neither topic name nor id were specified.";
            return Err(Refusal::new(ErrorCode::InvalidRequest, text));
        }
        None => catalogue.by_id(tenant, id),
    };
    match found {
        // No client may break the cluster itself, whatever tenant it claims to be.
        Some(topic) if topic.internal => {
            let text = "The topic belongs to the cluster.";
            Err(Refusal::new(ErrorCode::TopicAuthorizationFailed, text))
        }
        Some(topic) => Ok(topic),
        None => Err(unknown(wanted)),
    }
}

fn unknown(wanted: &DeleteTopicState) -> Refusal {
    match &wanted.name {
        Some(_) => Refusal::new(
            ErrorCode::UnknownTopicOrPartition,
            "This server does not host this topic-partition.",
        ),
        None => Refusal::new(ErrorCode::UnknownTopicId, "This server does not host this topic ID."),
    }
}

fn refused(wanted: &DeleteTopicState, refusal: Refusal) -> DeletableTopicResult {
    DeletableTopicResult::default()
        .with_name(wanted.name.clone())
        .with_topic_id(wanted.topic_id)
        .with_error_code(refusal.code.code())
        .with_error_message(refusal.text())
}

#[cfg(test)]
mod tests;
