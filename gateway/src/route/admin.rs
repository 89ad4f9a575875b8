//! CreateTopics, DeleteTopics, CreatePartitions: decided by the control leader, answered once this
//! gateway's own view shows the change.
//!
//! Control commits first and opens partitions on their nodes before it answers, so a created topic
//! serves when its creation is answered, on any gateway: those that have not heard of it look
//! before they deny it (see [`super::metadata`]).

mod deletion;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use hop::{Call, strict_quota};
use metadata::settings::acl::AclOperation;
use protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::create_topics_response::CreatableTopicResult;
use protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    TopicName,
};
use protocol::{ErrorCode, StrBytes};
use tokio::time::timeout;

pub(super) use self::deletion::delete_topics;
use crate::authoriser::Resource;
use crate::context::Context;
use crate::errors;
use crate::grants::Grants;
use crate::limits::{ADMIN_TIMEOUT, VIEW_PATIENCE};

/// First versions whose clients know THROTTLING_QUOTA_EXCEEDED.
const CREATE_TOPICS_STRICT_FROM: i16 = 6;
const DELETE_TOPICS_STRICT_FROM: i16 = 5;
const CREATE_PARTITIONS_STRICT_FROM: i16 = 3;

pub(super) async fn create_topics(
    context: Context,
    mut request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    say_strict(&context, CREATE_TOPICS_STRICT_FROM, &mut request.unknown_tagged_fields);
    create(context, request).await
}

async fn create(context: Context, mut request: CreateTopicsRequest) -> CreateTopicsResponse {
    let refused = refuse_creations(&context.grants, &mut request.topics);
    let mut answer = match request.topics.is_empty() && !refused.is_empty() {
        true => CreateTopicsResponse::default(),
        false => create_allowed(&context, request).await,
    };
    for topic in &mut answer.topics {
        hide_configs(&context.grants, topic);
    }
    answer.topics.extend(refused);
    answer
}

/// Takes the topics out that may not be created, and answers them.
fn refuse_creations(
    grants: &Grants,
    topics: &mut Vec<CreatableTopic>,
) -> Vec<CreatableTopicResult> {
    if grants.may(AclOperation::Create, Resource::CLUSTER) {
        return Vec::new();
    }
    let refused = topics
        .extract_if(.., |topic| !grants.allows(AclOperation::Create, Resource::topic(&topic.name)));
    let refused = refused.map(|topic| {
        CreatableTopicResult::default()
            .with_name(topic.name)
            .with_error_code(ErrorCode::TopicAuthorizationFailed.code())
            .with_error_message(Some(StrBytes::from_static_str("Authorization failed.")))
            .with_num_partitions(-1)
            .with_replication_factor(-1)
    });
    refused.collect()
}

/// Who may create a topic need not see its configs (KIP-525).
fn hide_configs(grants: &Grants, topic: &mut CreatableTopicResult) {
    let shown = || grants.may(AclOperation::DescribeConfigs, Resource::topic(&topic.name));
    if topic.error_code == 0 && !shown() {
        topic.topic_config_error_code = ErrorCode::TopicAuthorizationFailed.code();
        topic.num_partitions = -1;
        topic.replication_factor = -1;
        topic.configs = None;
    }
}

async fn create_allowed(context: &Context, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let validate_only = request.validate_only;
    let timeout_ms = request.timeout_ms;
    let refused = |answer: &CreateTopicsResponse| {
        let mut topics = answer.topics.iter();
        topics.any(|topic| topic.error_code == ErrorCode::NotController.code())
    };
    let answer = match ask_control(context, timeout_ms, request, refused).await {
        Ok(answer) => answer,
        Err(error) => {
            let failed = names.into_iter().map(|name| {
                CreatableTopicResult::default().with_name(name).with_error_code(error.code())
            });
            return CreateTopicsResponse::default().with_topics(failed.collect());
        }
    };
    if !validate_only {
        let created = answer.topics.iter().filter(|topic| topic.error_code == 0);
        let created: Vec<_> = created.map(|topic| topic.name.clone()).collect();
        shows(context, || created.iter().all(|name| is_served(context, name))).await;
    }
    answer
}

/// Creates topics as asking for their metadata does. What is wrong with each that is not there
/// afterwards. Their partitions count for the client's quota of changes, but none is refused for it:
/// no version of Metadata knows that error (KIP-599).
pub(super) async fn create_with_defaults(
    context: &Context,
    names: Vec<TopicName>,
) -> HashMap<TopicName, ErrorCode> {
    let topics = names.into_iter().map(|name| {
        CreatableTopic::default()
            .with_name(name)
            .with_num_partitions(-1)
            .with_replication_factor(-1)
    });
    let request = CreateTopicsRequest::default()
        .with_topics(topics.collect())
        .with_timeout_ms(i32::try_from(VIEW_PATIENCE.as_millis()).unwrap_or(i32::MAX));
    let answer = create(context.clone(), request).await;
    let codes = answer.topics.into_iter().map(|topic| {
        let code = match ErrorCode::from_code(topic.error_code) {
            // Created by us or by somebody else a moment ago, or still being created: our view
            // shows it soon, and clients know to ask again.
            ErrorCode::None
            | ErrorCode::TopicAlreadyExists
            | ErrorCode::RequestTimedOut
            | ErrorCode::NotController => ErrorCode::LeaderNotAvailable,
            refused => refused,
        };
        (topic.name, code)
    });
    let codes: HashMap<_, _> = codes.collect();
    if codes.values().any(|code| *code == ErrorCode::LeaderNotAvailable) {
        shows(context, || codes.keys().all(|name| context.catalogue.by_name(name).is_some())).await;
    }
    codes
}

pub(super) async fn create_partitions(
    context: Context,
    mut request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let grants = &context.grants;
    let refused = request
        .topics
        .extract_if(.., |topic| !grants.allows(AclOperation::Alter, Resource::topic(&topic.name)));
    let refused: Vec<_> = refused
        .map(|topic| {
            CreatePartitionsTopicResult::default()
                .with_name(topic.name)
                .with_error_code(ErrorCode::TopicAuthorizationFailed.code())
        })
        .collect();
    let mut answer = match request.topics.is_empty() && !refused.is_empty() {
        true => CreatePartitionsResponse::default(),
        false => grow_allowed(&context, request).await,
    };
    answer.results.extend(refused);
    answer
}

async fn grow_allowed(
    context: &Context,
    mut request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    say_strict(context, CREATE_PARTITIONS_STRICT_FROM, &mut request.unknown_tagged_fields);
    let asked: Vec<_> =
        request.topics.iter().map(|topic| (topic.name.clone(), topic.count)).collect();
    let (validate_only, timeout_ms) = (request.validate_only, request.timeout_ms);
    let refused = |answer: &CreatePartitionsResponse| {
        let mut topics = answer.results.iter();
        topics.any(|topic| topic.error_code == ErrorCode::NotController.code())
    };
    let answer = match ask_control(context, timeout_ms, request, refused).await {
        Ok(answer) => answer,
        Err(error) => {
            let failed = asked.into_iter().map(|(name, _)| {
                CreatePartitionsTopicResult::default().with_name(name).with_error_code(error.code())
            });
            return CreatePartitionsResponse::default().with_results(failed.collect());
        }
    };
    if !validate_only {
        let grown = |name: &TopicName| {
            answer.results.iter().any(|topic| topic.name == *name && topic.error_code == 0)
        };
        let grown: Vec<_> = asked.iter().filter(|(name, _)| grown(name)).collect();
        shows(context, || {
            grown.iter().all(|(name, count)| {
                let topic = context.catalogue.by_name(name);
                topic.is_none_or(|topic| topic.partitions() >= *count)
            })
        })
        .await;
    }
    answer
}

/// Clients from this version on can be refused what is above their quota (KIP-599).
fn say_strict(context: &Context, from: i16, fields: &mut BTreeMap<i32, Bytes>) {
    if context.version >= from {
        strict_quota::set(fields);
    }
}

/// Asks the control leader, for as long as the client is willing to wait.
pub(super) async fn ask_control<M: Call + Clone>(
    context: &Context,
    timeout_ms: i32,
    message: M,
    refused: impl Fn(&M::Answer) -> bool,
) -> Result<M::Answer, ErrorCode> {
    let (least, most) = ADMIN_TIMEOUT;
    let deadline = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    let header = context.header(deadline.clamp(least, most));
    let answer = context.core.upstream.ask_control(header, message, refused).await;
    answer.map_err(|error| {
        tracing::warn!(%error, "control did not answer");
        errors::of_control(&error)
    })
}

/// Waits until this gateway enforces what control has committed. Whether it was done is certain; that
/// it holds here is what the client asks for.
pub(super) async fn enforced(context: &Context) -> Result<(), ErrorCode> {
    context.core.view.refresh().await.map_err(|error| {
        tracing::warn!(%error, "a change is made, and this gateway cannot see it yet");
        ErrorCode::RequestTimedOut
    })
}

/// Waits until the view shows a change that is committed already. It always will; if it takes too
/// long the answer is true nevertheless.
async fn shows(context: &Context, shown: impl Fn() -> bool) {
    let mut changed = context.core.view.changed();
    let shown = changed.wait_for(|_| shown());
    if timeout(VIEW_PATIENCE, shown).await.is_err() {
        tracing::warn!("the view does not show a change that control has committed");
    }
}

/// Whether every partition of a topic has an owner.
fn is_served(context: &Context, name: &str) -> bool {
    let topic = context.catalogue.by_name(name);
    topic.is_some_and(|topic| (0..topic.partitions()).all(|index| topic.owner(index).is_some()))
}
