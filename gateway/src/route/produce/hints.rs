//! Who leads a partition that a produce was refused for (KIP-951).
//!
//! A node names itself in such an answer, which is for gateways. Clients are told of the gateway
//! that Metadata shows them as leader, with the epoch that Metadata would show, so that they need
//! not ask.

use std::collections::BTreeMap;

use protocol::ids::TopicId;
use protocol::messages::produce_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
};
use protocol::messages::{BrokerId, ProduceResponse};
use protocol::{ErrorCode, StrBytes};

use super::TOPIC_ID_FROM;
use crate::context::Context;
use crate::route::metadata::{Shown, rack};

/// First version that has a place for it.
const HINTS_FROM: i16 = 10;

/// Replaces what nodes say about leaders by what clients are to know.
pub(super) fn put(context: &Context, response: &mut ProduceResponse) {
    let mut refused = false;
    for partition in response.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses)
    {
        partition.current_leader = LeaderIdAndEpoch::default();
        refused |= is_refused(partition);
    }
    if refused && context.version >= HINTS_FROM {
        name_leaders(context, response);
    }
}

fn is_refused(partition: &PartitionProduceResponse) -> bool {
    partition.error_code == ErrorCode::NotLeaderOrFollower.code()
}

fn name_leaders(context: &Context, response: &mut ProduceResponse) {
    let gateways = context.gateways();
    let shown = Shown { gateways: &gateways };
    let mut endpoints = BTreeMap::new();
    for answer in &mut response.responses {
        let topic = match context.version {
            ..TOPIC_ID_FROM => context.catalogue.by_name(&answer.name),
            _ => context.catalogue.by_id(TopicId(answer.topic_id)),
        };
        let Some(topic) = topic else { continue };
        for partition in answer.partition_responses.iter_mut().filter(|each| is_refused(each)) {
            let leader = shown.leader(&topic, partition.index);
            if let (Some(gateway), Some(owner)) = (leader, topic.owner(partition.index)) {
                partition.current_leader = LeaderIdAndEpoch::default()
                    .with_leader_id(BrokerId(gateway.broker_id.0))
                    .with_leader_epoch(owner.epoch);
                endpoints.insert(gateway.broker_id, gateway);
            }
        }
    }
    let endpoints = endpoints.into_values().map(|gateway| {
        NodeEndpoint::default()
            .with_node_id(BrokerId(gateway.broker_id.0))
            .with_host(StrBytes::from_string(gateway.endpoint.host.clone()))
            .with_port(gateway.endpoint.port.into())
            .with_rack(rack(gateway))
    });
    response.node_endpoints = endpoints.collect();
}
