//! Metadata: gateways as brokers, and every partition led by one of them.
//!
//! Any gateway serves any partition, so the leader shown is nothing but a way to spread clients: a
//! rendezvous hash over the live gateways, the same on each of them. What is true of the partition
//! is its epoch. Moves and failures of nodes behind the gateways never show here.
//!
//! "There is no such topic" is answered only after a look at the store itself, so that a topic is
//! known everywhere once its creation was answered anywhere.

use std::collections::HashSet;
use std::sync::Arc;

use metadata::Topic;
use metadata::settings::acl::AclOperation;
use protocol::ids::{PartitionId, TopicId};
use protocol::limits::TOPIC_NAME_BYTES_MAX;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use protocol::{ErrorCode, StrBytes};
use uuid::Uuid;

use super::admin;
use crate::authoriser::Resource;
use crate::context::{Broker, Context};
use crate::grants::Grants;
use crate::{errors, rendezvous};

/// First version in which a request may keep us from creating topics; before, asking creates.
const AUTO_CREATION_FROM: i16 = 4;
/// Last version in which an empty list means all topics.
const EMPTY_MEANS_ALL_UNTIL: i16 = 0;
/// First version that has an error of the whole answer (KIP-1102).
const REBOOTSTRAP_FROM: i16 = 13;
/// Authorised operations that were not asked for.
const NOT_ASKED: i32 = i32::MIN;

pub(super) async fn handle(context: Context, request: MetadataRequest) -> MetadataResponse {
    if context.version >= REBOOTSTRAP_FROM && context.core.departure.concerns(&context.client) {
        let code = ErrorCode::RebootstrapRequired.code();
        return MetadataResponse::default().with_error_code(code);
    }
    let gateways = context.gateways();
    let answer = Answer {
        shown: Shown { gateways: &gateways },
        grants: &context.grants,
        with_operations: request.include_topic_authorized_operations,
    };
    let topics = match asked(&context, &request) {
        None => {
            let all = context.catalogue.all();
            let seen = all.iter().filter(|topic| {
                context.grants.may(AclOperation::Describe, Resource::topic(topic.name()))
            });
            seen.map(|topic| answer.topic(topic)).collect()
        }
        Some(asked) => {
            let may_create =
                request.allow_auto_topic_creation || context.version < AUTO_CREATION_FROM;
            find(&context, asked, may_create)
                .await
                .into_iter()
                .map(|found| answer.found(found))
                .collect()
        }
    };
    let cluster_operations = if request.include_cluster_authorized_operations {
        context.grants.cluster_operations()
    } else {
        NOT_ASKED
    };
    MetadataResponse::default()
        .with_brokers(gateways.iter().map(broker).collect())
        .with_cluster_id(cluster_id(&context))
        .with_controller_id(controller(&gateways))
        .with_topics(topics)
        .with_cluster_authorized_operations(cluster_operations)
}

/// The cluster's id, as every API shows it.
pub(super) fn cluster_id(context: &Context) -> Option<StrBytes> {
    let cluster = context.core.view.cluster()?;
    Some(StrBytes::from_string(cluster.cluster_id.clone()))
}

/// The broker that is shown as controller: any would do, all gateways must show the same.
pub(super) fn controller(gateways: &[Broker]) -> BrokerId {
    let least = gateways.iter().map(|gateway| gateway.broker_id).min();
    BrokerId(least.map_or(-1, |broker| broker.0))
}

/// A topic as a client asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Asked {
    Name(TopicName),
    Id(TopicId),
}

/// A topic as it was found.
struct Found {
    asked: Asked,
    topic: Result<Arc<Topic>, ErrorCode>,
}

/// What is asked for, each topic once; `None` for everything.
fn asked(context: &Context, request: &MetadataRequest) -> Option<Vec<Asked>> {
    let topics = request.topics.as_ref()?;
    if topics.is_empty() && context.version <= EMPTY_MEANS_ALL_UNTIL {
        return None;
    }
    let mut seen = HashSet::new();
    let asked = topics.iter().map(Asked::from).filter(|asked| seen.insert(asked.clone()));
    Some(asked.collect())
}

/// Finds topics; looks again if some are not known here; creates those that may be created.
async fn find(context: &Context, asked: Vec<Asked>, may_create: bool) -> Vec<Found> {
    let mut found: Vec<_> = asked.into_iter().map(|asked| look_up(context, asked)).collect();
    if found.iter().all(|found| found.topic.is_ok() || found.is_hidden()) {
        return found;
    }
    if let Err(error) = context.catalogue.refresh().await {
        // The store is away: topics that we know are served, others may or may not exist.
        let code = errors::of_lookup(&error);
        let open = found.iter_mut().filter(|found| found.topic.is_err() && !found.is_hidden());
        open.for_each(|found| found.topic = Err(code));
        return found;
    }
    found = found.into_iter().map(|found| look_up(context, found.asked)).collect();
    if may_create && context.core.config.auto_create_topics {
        create_missing(context, &mut found).await;
    }
    found
}

/// Finds one topic. Whether one exists that the client may not see, its name does not tell; its id
/// does, as in Kafka: nobody comes upon an id by chance.
fn look_up(context: &Context, asked: Asked) -> Found {
    let visible =
        |name: &str| context.grants.require(AclOperation::Describe, Resource::topic(name));
    let topic = match &asked {
        Asked::Id(id) => {
            let topic = context.catalogue.by_id(*id).ok_or(ErrorCode::UnknownTopicId);
            topic.and_then(|topic| visible(topic.name()).map(|()| topic))
        }
        Asked::Name(name) => visible(name).and_then(|()| {
            context.catalogue.by_name(name).ok_or_else(|| {
                if is_legal_name(name) {
                    ErrorCode::UnknownTopicOrPartition
                } else {
                    ErrorCode::InvalidTopicException
                }
            })
        }),
    };
    Found { asked, topic }
}

async fn create_missing(context: &Context, found: &mut [Found]) {
    let may_create_all = context.grants.may(AclOperation::Create, Resource::CLUSTER);
    for found in found.iter_mut().filter(|_| !may_create_all) {
        if let (Asked::Name(name), Err(ErrorCode::UnknownTopicOrPartition)) =
            (&found.asked, &found.topic)
            && let Err(refused) =
                context.grants.require(AclOperation::Create, Resource::topic(name))
        {
            found.topic = Err(refused);
        }
    }
    let missing = |found: &Found| match (&found.asked, &found.topic) {
        (Asked::Name(name), Err(ErrorCode::UnknownTopicOrPartition)) => Some(name.clone()),
        _ => None,
    };
    let names: Vec<_> = found.iter().filter_map(missing).collect();
    if names.is_empty() {
        return;
    }
    let codes = admin::create_with_defaults(context, names).await;
    for found in found {
        let Asked::Name(name) = &found.asked else { continue };
        if let Some(code) = codes.get(name) {
            found.topic = context.catalogue.by_name(name).ok_or(*code);
        }
    }
}

/// Partitions as clients are shown them: led by one of these gateways.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) gateways: &'a [Broker],
}

/// What all topics of one answer share.
struct Answer<'a> {
    shown: Shown<'a>,
    grants: &'a Grants,
    with_operations: bool,
}

// === impl Found ===

impl Found {
    /// Whether the client may not see it, so that looking again is of no use.
    fn is_hidden(&self) -> bool {
        matches!(self.topic, Err(ErrorCode::TopicAuthorizationFailed))
    }
}

// === impl Shown ===

impl<'a> Shown<'a> {
    /// The gateway that is shown as the leader of a partition, whether it has an owner or not.
    pub(super) fn leader(&self, topic: &Topic, index: i32) -> Option<&'a Broker> {
        let id = PartitionId::new(topic.record.tenant, topic.id(), index);
        let key = rendezvous::of_partition(id);
        rendezvous::pick(key, self.gateways, |gateway| gateway.broker_id.0)
    }

    /// A partition that exists.
    pub(super) fn partition(&self, topic: &Topic, index: i32) -> MetadataResponsePartition {
        let answer = MetadataResponsePartition::default().with_partition_index(index);
        match (self.leader(topic, index), topic.owner(index)) {
            (Some(leader), Some(owner)) => {
                let leader = BrokerId(leader.broker_id.0);
                answer
                    .with_leader_id(leader)
                    .with_leader_epoch(owner.epoch)
                    // One copy as far as clients can tell: durability is the object store's.
                    .with_replica_nodes(vec![leader])
                    .with_isr_nodes(vec![leader])
            }
            _ => answer
                .with_error_code(ErrorCode::LeaderNotAvailable.code())
                .with_leader_id(BrokerId(-1))
                .with_leader_epoch(-1),
        }
    }
}

// === impl Answer ===

impl Answer<'_> {
    fn found(&self, found: Found) -> MetadataResponseTopic {
        let error = match found.topic {
            Ok(topic) => return self.topic(&topic),
            Err(error) => error,
        };
        let answer = MetadataResponseTopic::default().with_error_code(error.code());
        match found.asked {
            Asked::Name(name) => answer.with_name(Some(name)),
            Asked::Id(id) => answer.with_topic_id(id.0).with_name(None),
        }
    }

    fn topic(&self, topic: &Topic) -> MetadataResponseTopic {
        let partitions = (0..topic.partitions()).map(|index| self.shown.partition(topic, index));
        let name = StrBytes::from_string(topic.name().to_owned());
        let operations = match self.with_operations {
            true => self.grants.topic_operations(topic.name()),
            false => NOT_ASKED,
        };
        MetadataResponseTopic::default()
            .with_name(Some(TopicName(name)))
            .with_topic_id(topic.id().0)
            .with_is_internal(topic.record.internal)
            .with_partitions(partitions.collect())
            .with_topic_authorized_operations(operations)
    }
}

impl From<&MetadataRequestTopic> for Asked {
    fn from(topic: &MetadataRequestTopic) -> Self {
        match &topic.name {
            Some(name) if topic.topic_id == Uuid::nil() => Self::Name(name.clone()),
            _ => Self::Id(TopicId(topic.topic_id)),
        }
    }
}

/// A gateway as clients know it.
fn broker(gateway: &Broker) -> MetadataResponseBroker {
    MetadataResponseBroker::default()
        .with_node_id(BrokerId(gateway.broker_id.0))
        .with_host(StrBytes::from_string(gateway.endpoint.host.clone()))
        .with_port(gateway.endpoint.port.into())
        .with_rack(rack(gateway))
}

/// The zone of a gateway, if it has one.
pub(super) fn rack(gateway: &Broker) -> Option<StrBytes> {
    let zone = &gateway.zone;
    (!zone.is_empty()).then(|| StrBytes::from_string(zone.clone()))
}

/// Kafka's rule for topic names.
pub(super) fn is_legal_name(name: &str) -> bool {
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    (1..=TOPIC_NAME_BYTES_MAX).contains(&name.len())
        && !matches!(name, "." | "..")
        && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_follow_the_rule_of_kafka() {
        for good in ["a", "A.b_c-9", "...", &"x".repeat(249)] {
            assert!(is_legal_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "ä", "a\0", &"x".repeat(250)] {
            assert!(!is_legal_name(bad), "{bad:?}");
        }
    }
}
