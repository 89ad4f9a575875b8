//! DescribeCluster and DescribeTopicPartitions.

use std::collections::BTreeSet;

use metadata::settings::acl::AclOperation;
use protocol::messages::describe_cluster_response::DescribeClusterBroker;
use protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use protocol::messages::{
    BrokerId, DescribeClusterRequest, DescribeClusterResponse, DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse, TopicName,
};
use protocol::{ErrorCode, StrBytes};

use super::metadata::{Shown, cluster_id, controller, is_legal_name, rack};
use crate::authoriser::Resource;
use crate::context::Context;
use crate::limits::DESCRIBED_PARTITIONS_MAX;

/// `endpoint_type` of brokers; the other is controllers, which clients cannot reach.
const BROKERS: i8 = 1;

const DESCRIBE: AclOperation = AclOperation::Describe;

pub(super) fn cluster(
    context: &Context,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    if request.endpoint_type != BROKERS {
        let text = "controllers are not reachable by clients";
        return DescribeClusterResponse::default()
            .with_endpoint_type(request.endpoint_type)
            .with_error_code(ErrorCode::InvalidRequest.code())
            .with_error_message(Some(StrBytes::from_static_str(text)));
    }
    let gateways = context.gateways();
    let brokers = gateways.iter().map(|gateway| {
        DescribeClusterBroker::default()
            .with_broker_id(BrokerId(gateway.broker_id.0))
            .with_host(StrBytes::from_string(gateway.endpoint.host.clone()))
            .with_port(gateway.endpoint.port.into())
            .with_rack(rack(gateway))
    });
    let operations = if request.include_cluster_authorized_operations {
        context.grants.cluster_operations()
    } else {
        i32::MIN
    };
    DescribeClusterResponse::default()
        .with_cluster_id(cluster_id(context).unwrap_or_default())
        .with_controller_id(controller(&gateways))
        .with_brokers(brokers.collect())
        .with_cluster_authorized_operations(operations)
}

/// Answers DescribeTopicPartitions: topics in the order of their names, so many partitions at a
/// time, and where the next answer begins (KIP-966).
pub(super) async fn topic_partitions(
    context: Context,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let everything = request.topics.is_empty();
    let asked: BTreeSet<_> = if everything {
        let all = context.catalogue.all();
        let seen =
            all.iter().filter(|topic| context.grants.may(DESCRIBE, Resource::topic(topic.name())));
        seen.map(|topic| name_of(topic.name())).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.clone()).collect()
    };
    let (from, index) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.clone(), cursor.partition_index),
        None => (TopicName::default(), 0),
    };
    let is_elsewhere = request.cursor.is_some() && !everything && !asked.contains(&from);
    if is_elsewhere || index < 0 {
        return refused(asked, ErrorCode::InvalidRequest);
    }
    let hidden: BTreeSet<_> = asked
        .iter()
        .filter(|name| !everything && !context.grants.allows(DESCRIBE, Resource::topic(name)))
        .cloned()
        .collect();
    let mut visible = asked.difference(&hidden);
    if visible.any(|name| context.catalogue.by_name(name).is_none()) {
        // A failure leaves the topics unknown, which is retried by clients.
        drop(context.catalogue.refresh().await);
    }
    let gateways = context.gateways();
    let shown = Shown { gateways: &gateways };
    let room = request.response_partition_limit.clamp(1, DESCRIBED_PARTITIONS_MAX);
    let mut page = Page { context: &context, shown, topics: Vec::new(), room, next: None };
    for name in asked.difference(&hidden).filter(|name| **name >= from) {
        let first = if *name == from { index } else { 0 };
        if !page.add(name, first, everything) {
            break;
        }
    }
    let Page { mut topics, next, .. } = page;
    let hidden = hidden.into_iter().filter(|name| *name >= from);
    let code = ErrorCode::TopicAuthorizationFailed.code();
    topics.extend(hidden.map(|name| missing(name).with_error_code(code)));
    DescribeTopicPartitionsResponse::default().with_topics(topics).with_next_cursor(next)
}

/// One answer, as far as there is room in it.
struct Page<'a> {
    context: &'a Context,
    shown: Shown<'a>,
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
    room: i32,
    next: Option<Cursor>,
}

// === impl Page ===

impl Page<'_> {
    /// Adds a topic from its partition `first` on. False once the page is full.
    fn add(&mut self, name: &TopicName, first: i32, everything: bool) -> bool {
        let found = self.context.catalogue.by_name(name);
        if self.room == 0 {
            self.next = Some(cursor(name, 0));
            return false;
        }
        let Some(topic) = found else {
            // Of all topics, one that was deleted meanwhile is none.
            if !everything {
                self.topics.push(missing(name.clone()));
            }
            return true;
        };
        let end = first.saturating_add(self.room).min(topic.partitions());
        let partitions = (first..end).map(|index| partition(&self.shown, &topic, index));
        let partitions: Vec<_> = partitions.collect();
        self.room -= (end - first).max(0);
        let answer = DescribeTopicPartitionsResponseTopic::default()
            .with_name(Some(name.clone()))
            .with_topic_id(topic.id().0)
            .with_is_internal(topic.record.internal)
            .with_partitions(partitions)
            .with_topic_authorized_operations(self.context.grants.topic_operations(topic.name()));
        self.topics.push(answer);
        if end < topic.partitions() {
            self.next = Some(cursor(name, end));
        }
        self.next.is_none()
    }
}

/// A partition as Metadata shows it.
fn partition(
    shown: &Shown<'_>,
    topic: &metadata::Topic,
    index: i32,
) -> DescribeTopicPartitionsResponsePartition {
    let partition = shown.partition(topic, index);
    DescribeTopicPartitionsResponsePartition::default()
        .with_error_code(partition.error_code)
        .with_partition_index(index)
        .with_leader_id(partition.leader_id)
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(partition.replica_nodes)
        .with_isr_nodes(partition.isr_nodes)
        .with_eligible_leader_replicas(Some(Vec::new()))
        .with_last_known_elr(Some(Vec::new()))
}

fn missing(name: TopicName) -> DescribeTopicPartitionsResponseTopic {
    let code = if is_legal_name(&name) {
        ErrorCode::UnknownTopicOrPartition
    } else {
        ErrorCode::InvalidTopicException
    };
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(name))
        .with_error_code(code.code())
}

fn refused(asked: BTreeSet<TopicName>, code: ErrorCode) -> DescribeTopicPartitionsResponse {
    let topics = asked.into_iter().map(|name| missing(name).with_error_code(code.code()));
    DescribeTopicPartitionsResponse::default().with_topics(topics.collect())
}

fn cursor(name: &TopicName, index: i32) -> Cursor {
    Cursor::default().with_topic_name(name.clone()).with_partition_index(index)
}

fn name_of(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
