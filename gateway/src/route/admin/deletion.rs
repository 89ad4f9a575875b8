//! DeleteTopics: names become ids here, so that control deletes the topic that the client meant and
//! not one that was created again meanwhile.
//!
//! What is named twice is not deleted at all, as in Kafka: one of the two may be a mistake.

use std::collections::HashSet;

use metadata::settings::acl::AclOperation;
use protocol::ids::TopicId;
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::delete_topics_response::DeletableTopicResult;
use protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use protocol::{ErrorCode, StrBytes};
use uuid::Uuid;

use super::{DELETE_TOPICS_STRICT_FROM, ask_control, say_strict, shows};
use crate::authoriser::Resource;
use crate::context::Context;

/// First version that may name topics by id.
const BY_ID_FROM: i16 = 6;

/// Why a topic is not deleted.
type Refusal = (ErrorCode, &'static str);

/// Answers DeleteTopics.
pub(in crate::route) async fn delete_topics(
    context: Context,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let asked: Vec<_> = if context.version >= BY_ID_FROM {
        request.topics
    } else {
        let names = request.topic_names.into_iter();
        names.map(|name| DeleteTopicState::default().with_name(Some(name))).collect()
    };
    let mut results = resolve_all(&context, &asked);
    let mut throttle_time_ms = 0;
    let is_unknown = |result: &DeletableTopicResult| is_unknown(result.error_code);
    if results.iter().any(is_unknown) && context.catalogue.refresh().await.is_ok() {
        results = resolve_all(&context, &asked);
    }
    let known = results.iter().filter(|result| result.error_code == 0);
    let known: Vec<_> =
        known.map(|found| DeleteTopicState::default().with_topic_id(found.topic_id)).collect();
    if !known.is_empty() {
        let mut question =
            DeleteTopicsRequest::default().with_topics(known).with_timeout_ms(request.timeout_ms);
        let fields = &mut question.unknown_tagged_fields;
        say_strict(&context, DELETE_TOPICS_STRICT_FROM, fields);
        throttle_time_ms = delete_known(&context, question, &mut results).await;
    }
    if context.version < BY_ID_FROM {
        // Older versions have no place for an id.
        results.iter_mut().for_each(|result| result.topic_id = Uuid::nil());
    }
    DeleteTopicsResponse::default().with_responses(results).with_throttle_time_ms(throttle_time_ms)
}

fn is_unknown(code: i16) -> bool {
    [ErrorCode::UnknownTopicOrPartition.code(), ErrorCode::UnknownTopicId.code()].contains(&code)
}

/// What a client wants deleted, by both its names, or why not.
fn resolve_all(context: &Context, asked: &[DeleteTopicState]) -> Vec<DeletableTopicResult> {
    let mut seen = HashSet::new();
    let named = asked.iter().map(|wanted| (&wanted.name, wanted.topic_id));
    let repeated: HashSet<_> = named.filter(|wanted| !seen.insert(*wanted)).collect();
    let mut chosen = HashSet::new();
    let results = asked.iter().map(|wanted| {
        let answer = DeletableTopicResult::default()
            .with_name(wanted.name.clone())
            .with_topic_id(wanted.topic_id);
        let found = resolve(context, wanted, &repeated).and_then(|found| {
            let text = "The provided topic name maps to an ID that was already supplied.";
            let once = chosen.insert(found.id());
            if once { Ok(found) } else { Err((ErrorCode::InvalidRequest, text)) }
        });
        match found {
            Ok(topic) => {
                let name = StrBytes::from_string(topic.name().to_owned());
                answer.with_topic_id(topic.id().0).with_name(Some(name.into()))
            }
            Err((code, text)) => answer
                .with_error_code(code.code())
                .with_error_message(Some(StrBytes::from_static_str(text))),
        }
    });
    results.collect()
}

fn resolve(
    context: &Context,
    wanted: &DeleteTopicState,
    repeated: &HashSet<(&Option<TopicName>, Uuid)>,
) -> Result<std::sync::Arc<metadata::Topic>, Refusal> {
    let invalid = |text| Err((ErrorCode::InvalidRequest, text));
    let repeated = repeated.contains(&(&wanted.name, wanted.topic_id));
    match (&wanted.name, wanted.topic_id.is_nil()) {
        (Some(_), false) => invalid("You may not specify both topic name and topic id."),
        (None, true) => invalid("Neither topic name nor id were specified."),
        (Some(_), true) if repeated => invalid("Duplicate topic name."),
        (None, false) if repeated => invalid("Duplicate topic id."),
        (Some(name), true) => {
            may(context, AclOperation::Describe, name)?;
            let unknown = "This server does not host this topic-partition.";
            let topic = context.catalogue.by_name(name);
            let topic = topic.ok_or((ErrorCode::UnknownTopicOrPartition, unknown))?;
            may(context, AclOperation::Delete, name)?;
            Ok(topic)
        }
        (None, false) => {
            let unknown = "This server does not host this topic ID.";
            let topic = context.catalogue.by_id(TopicId(wanted.topic_id));
            let topic = topic.ok_or((ErrorCode::UnknownTopicId, unknown))?;
            may(context, AclOperation::Describe, topic.name())?;
            may(context, AclOperation::Delete, topic.name())?;
            Ok(topic)
        }
    }
}

/// Who may delete from the cluster may see and delete every topic.
fn may(context: &Context, operation: AclOperation, topic: &str) -> Result<(), Refusal> {
    let grants = &context.grants;
    if grants.may(AclOperation::Delete, Resource::CLUSTER) {
        return Ok(());
    }
    let refused = grants.require(operation, Resource::topic(topic));
    refused.map_err(|error| (error, "Topic authorization failed."))
}

/// Deletes topics that exist, and puts what came of it into `results`. How long the client should
/// wait before it changes more, in milliseconds.
async fn delete_known(
    context: &Context,
    question: DeleteTopicsRequest,
    results: &mut [DeletableTopicResult],
) -> i32 {
    let timeout_ms = question.timeout_ms;
    let refused = |answer: &DeleteTopicsResponse| {
        let mut topics = answer.responses.iter();
        topics.any(|topic| topic.error_code == ErrorCode::NotController.code())
    };
    let answer = ask_control(context, timeout_ms, question, refused).await;
    for result in results.iter_mut().filter(|result| result.error_code == 0) {
        let (code, text) = match &answer {
            Ok(answer) => {
                let mut said = answer.responses.iter();
                let said = said.find(|said| said.topic_id == result.topic_id);
                said.map_or((ErrorCode::RequestTimedOut.code(), None), |said| {
                    (said.error_code, said.error_message.clone())
                })
            }
            Err(error) => (error.code(), None),
        };
        result.error_code = code;
        result.error_message = text;
    }
    let deleted = results.iter().filter(|result| result.error_code == 0);
    let deleted: Vec<_> = deleted.map(|result| TopicId(result.topic_id)).collect();
    shows(context, || deleted.iter().all(|id| context.catalogue.by_id(*id).is_none())).await;
    answer.map_or(0, |answer| answer.throttle_time_ms)
}
