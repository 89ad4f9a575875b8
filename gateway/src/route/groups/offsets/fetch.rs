//! OffsetFetch: a read that the gateway repeats.
//!
//! While a coordinator moves or loads it is asked again for a while instead of handing the error out:
//! clients answer such errors by looking for the coordinator, and some hang on one that lists no
//! partition (R41, librdkafka #5586). What remains an error is therefore said for the group and for
//! each partition asked for.

use std::collections::HashSet;

use futures::future::join_all;
use metadata::settings::acl::AclOperation;
use protocol::ErrorCode;
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};

use crate::authoriser::Resource;
use crate::context::Context;
use crate::route::groups::{insist, is_transient};
use crate::route::spread::{id_of, name_of};

/// First version that asks for several groups (KIP-709).
const GROUPS_FROM: i16 = 8;

pub(in crate::route) async fn fetch(
    context: Context,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    let require_stable = request.require_stable;
    let groups =
        if context.version >= GROUPS_FROM { request.groups } else { vec![single_group(request)] };
    let answers = groups.into_iter().map(|group| fetch_group(&context, group, require_stable));
    OffsetFetchResponse::default().with_groups(join_all(answers).await)
}

/// What a request of an older version asks for.
fn single_group(request: OffsetFetchRequest) -> OffsetFetchRequestGroup {
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name)
                .with_partition_indexes(topic.partition_indexes)
        });
        topics.collect()
    });
    OffsetFetchRequestGroup::default().with_group_id(request.group_id).with_topics(topics)
}

/// Asks for one group, names topics as the client does.
async fn fetch_group(
    context: &Context,
    group: OffsetFetchRequestGroup,
    require_stable: bool,
) -> OffsetFetchResponseGroup {
    let grants = &context.grants;
    let mut question = group.clone();
    let mut hidden = HashSet::new();
    if let Some(topics) = &mut question.topics {
        topics.retain_mut(|topic| match context.catalogue.by_name(&topic.name) {
            _ if !grants.allows(AclOperation::Describe, Resource::topic(&topic.name)) => {
                hidden.insert(topic.name.clone());
                false
            }
            Some(found) => {
                topic.name = name_of(found.id());
                true
            }
            None => false,
        });
    }
    let answer = match grants.require(AclOperation::Describe, Resource::group(&group.group_id)) {
        Ok(()) => ask_patiently(context, question, require_stable).await,
        Err(refused) => Err(refused),
    };
    let (mut said, error) = match answer {
        Ok(said) => {
            let error = said.error_code;
            (said, error)
        }
        Err(error) => (OffsetFetchResponseGroup::default(), error.code()),
    };
    let topics = match &group.topics {
        None if error == 0 => all_topics(context, said),
        None => Vec::new(),
        Some(asked) => {
            let mut topics = asked_topics(context, asked, &mut said, error);
            // The group's own error says it all.
            let hidden = topics.iter_mut().filter(|t| error == 0 && hidden.contains(&t.name));
            for partition in hidden.flat_map(|topic| &mut topic.partitions) {
                let index = partition.partition_index;
                *partition = no_offset(index, ErrorCode::TopicAuthorizationFailed.code());
            }
            topics
        }
    };
    OffsetFetchResponseGroup::default()
        .with_group_id(group.group_id)
        .with_topics(topics)
        .with_error_code(error)
}

/// Asks until the coordinator is there and loaded, or patience ends.
async fn ask_patiently(
    context: &Context,
    group: OffsetFetchRequestGroup,
    require_stable: bool,
) -> Result<OffsetFetchResponseGroup, ErrorCode> {
    let group_id = group.group_id.clone();
    let request =
        OffsetFetchRequest::default().with_require_stable(require_stable).with_groups(vec![group]);
    let error: fn(&OffsetFetchResponse) -> ErrorCode = |answer| match answer.groups.first() {
        Some(said) => transient(said).unwrap_or(ErrorCode::None),
        None => ErrorCode::CoordinatorNotAvailable,
    };
    let mut answer = insist(context, &group_id, request, error).await?;
    match error(&answer) {
        ErrorCode::None => answer.groups.pop().ok_or(ErrorCode::CoordinatorNotAvailable),
        error => Err(error),
    }
}

/// The error of a group, or of a partition in it, that another try may not meet.
fn transient(said: &OffsetFetchResponseGroup) -> Option<ErrorCode> {
    let partitions = said.topics.iter().flat_map(|topic| &topic.partitions);
    let codes = std::iter::once(said.error_code).chain(partitions.map(|p| p.error_code));
    codes.map(ErrorCode::from_code).find(|error| is_transient(*error))
}

/// Every topic with offsets that exists still, and that the client may see.
fn all_topics(context: &Context, said: OffsetFetchResponseGroup) -> Vec<OffsetFetchResponseTopics> {
    let topics = said.topics.into_iter().filter_map(|topic| {
        let found = context.catalogue.by_id(id_of(&topic.name)?)?;
        if !context.grants.may(AclOperation::Describe, Resource::topic(found.name())) {
            return None;
        }
        let name = protocol::StrBytes::from_string(found.name().to_owned());
        Some(topic.with_name(name.into()))
    });
    topics.collect()
}

/// The topics asked for, each partition with its offset, its error, or neither.
fn asked_topics(
    context: &Context,
    asked: &[OffsetFetchRequestTopics],
    said: &mut OffsetFetchResponseGroup,
    error: i16,
) -> Vec<OffsetFetchResponseTopics> {
    let topics = asked.iter().map(|topic| {
        let id = context.catalogue.by_name(&topic.name).map(|found| name_of(found.id()));
        let of_topic = said.topics.iter().filter(|said| Some(&said.name) == id.as_ref());
        let known: Vec<_> = of_topic.flat_map(|said| said.partitions.iter().cloned()).collect();
        let partitions = topic.partition_indexes.iter().map(|index| {
            let found = known.iter().find(|partition| partition.partition_index == *index);
            found.cloned().unwrap_or_else(|| no_offset(*index, error))
        });
        OffsetFetchResponseTopics::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    topics.collect()
}

fn no_offset(index: i32, error: i16) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(index)
        .with_committed_offset(-1)
        .with_committed_leader_epoch(-1)
        .with_metadata(Some(protocol::StrBytes::default()))
        .with_error_code(error)
}
