//! Names leaders in the answer to a produce that was refused (KIP-951).
//!
//! A node names itself in such an answer, which is for gateways. Clients are told of gateways.

use protocol::ids::TopicId;
use protocol::messages::ProduceResponse;
use protocol::messages::produce_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
};
use protocol::{ErrorCode, StrBytes};

use super::TOPIC_ID_FROM;
use crate::context::Context;
use crate::route::leaders::Leaders;
use crate::route::metadata::rack;

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
    let mut leaders = Leaders::new(&gateways);
    for answer in &mut response.responses {
        let topic = match context.version {
            ..TOPIC_ID_FROM => context.catalogue.by_name(&answer.name),
            _ => context.catalogue.by_id(TopicId(answer.topic_id)),
        };
        let Some(topic) = topic else { continue };
        for partition in answer.partition_responses.iter_mut().filter(|each| is_refused(each)) {
            if let Some((id, epoch)) = leaders.of(&topic, partition.index) {
                partition.current_leader =
                    LeaderIdAndEpoch::default().with_leader_id(id).with_leader_epoch(epoch);
            }
        }
    }
    let endpoints = leaders.named().map(|(id, gateway)| {
        NodeEndpoint::default()
            .with_node_id(id)
            .with_host(StrBytes::from_string(gateway.endpoint.host.clone()))
            .with_port(gateway.endpoint.port.into())
            .with_rack(rack(gateway))
    });
    response.node_endpoints = endpoints.collect();
}
