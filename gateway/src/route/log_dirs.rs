//! DescribeLogDirs: how much of each partition is stored.
//!
//! Kafka's brokers tell of their own replicas, and clients add up what all brokers say. So each
//! gateway tells of the partitions that it is shown to lead, in one directory that stands for the
//! shared storage. A partition whose owner does not answer is left out, as an offline replica is.

use std::collections::{BTreeMap, BTreeSet};

use metadata::Topic;
use protocol::limits::REQUEST_PARTITIONS_MAX;
use protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use protocol::{ErrorCode, StrBytes};

use super::metadata::Shown;
use super::spread::{self, PerPartition};
use crate::context::Context;
use crate::grants::Grants;

/// The one directory there is.
pub(super) const LOG_DIR: &str = "/thermocline";

/// A size that nobody told.
const UNKNOWN: i64 = -1;

/// Answers DescribeLogDirs.
pub(super) async fn handle(
    context: Context,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let questions = questions(&context, request.topics);
    let mut topics = BTreeMap::<TopicName, Vec<_>>::new();
    for some in questions.chunks(REQUEST_PARTITIONS_MAX) {
        for (name, partitions) in spread::ask_owners(&context, &Sizes, by_topic(some)).await {
            let told = partitions.into_iter().filter(|answer| answer.partition_size != UNKNOWN);
            topics.entry(name).or_default().extend(told);
        }
    }
    let topics = topics.into_iter().filter(|(_, partitions)| !partitions.is_empty());
    let topics = topics.map(|(name, partitions)| {
        DescribeLogDirsTopic::default().with_name(name).with_partitions(partitions)
    });
    let dir = DescribeLogDirsResult::default()
        .with_log_dir(StrBytes::from_static_str(LOG_DIR))
        .with_topics(topics.collect());
    DescribeLogDirsResponse::default().with_results(vec![dir])
}

/// The partitions that are this gateway's to tell of. As in Kafka, what does not exist is not
/// mentioned.
fn questions(
    context: &Context,
    asked: Option<Vec<DescribableLogDirTopic>>,
) -> Vec<(TopicName, i32)> {
    let gateways = context.gateways();
    let shown = Shown { gateways: &gateways };
    let own = context.core.own_id();
    let is_ours = |topic: &Topic, index: i32| {
        let leads = shown.leader(topic, index).is_some_and(|leader| leader.broker_id == own);
        leads && (0..topic.partitions()).contains(&index)
    };
    let of = |topic: &Topic, indexes: &mut dyn Iterator<Item = i32>| -> Vec<_> {
        let name = TopicName(StrBytes::from_string(topic.name().to_owned()));
        let ours = indexes.filter(|index| is_ours(topic, *index));
        ours.map(|index| (name.clone(), index)).collect()
    };
    match asked {
        None => {
            let all = context.catalogue.all();
            all.iter().flat_map(|topic| of(topic, &mut (0..topic.partitions()))).collect()
        }
        Some(asked) => {
            let named = asked.into_iter().filter_map(|asked| {
                let topic = context.catalogue.by_name(&asked.topic)?;
                Some(of(&topic, &mut asked.partitions.into_iter()))
            });
            let named: BTreeSet<_> = named.flatten().collect();
            named.into_iter().collect()
        }
    }
}

/// Neighbours of one topic, together.
fn by_topic(questions: &[(TopicName, i32)]) -> Vec<(TopicName, Vec<i32>)> {
    let topics = questions.chunk_by(|(one, _), (other, _)| one == other);
    let topics = topics.map(|of_topic| {
        let indexes = of_topic.iter().map(|(_, index)| *index);
        (of_topic[0].0.clone(), indexes.collect())
    });
    topics.collect()
}

/// Owners know what they have stored.
struct Sizes;

impl PerPartition for Sizes {
    type Question = i32;
    type Answer = DescribeLogDirsPartition;
    type Message = DescribeLogDirsRequest;

    fn may_ask(&self, _grants: &Grants, _topic: &str) -> bool {
        // Who may describe the cluster may ask about every topic in it.
        true
    }

    fn refuse(&self, _question: &i32) -> Option<ErrorCode> {
        None
    }

    fn index(question: &i32) -> i32 {
        *question
    }

    fn message(&self, topics: Vec<(TopicName, Vec<i32>)>) -> DescribeLogDirsRequest {
        let topics = topics.into_iter().map(|(name, partitions)| {
            DescribableLogDirTopic::default().with_topic(name).with_partitions(partitions)
        });
        DescribeLogDirsRequest::default().with_topics(Some(topics.collect()))
    }

    fn answers(
        answer: DescribeLogDirsResponse,
    ) -> impl Iterator<Item = (TopicName, Vec<DescribeLogDirsPartition>)> {
        let topics = answer.results.into_iter().flat_map(|dir| dir.topics);
        topics.map(|topic| (topic.name, topic.partitions))
    }

    fn answered_index(answer: &DescribeLogDirsPartition) -> i32 {
        answer.partition_index
    }

    fn error(_answer: &DescribeLogDirsPartition) -> ErrorCode {
        ErrorCode::None
    }

    fn failure(index: i32, _error: ErrorCode) -> DescribeLogDirsPartition {
        DescribeLogDirsPartition::default().with_partition_index(index).with_partition_size(UNKNOWN)
    }
}
