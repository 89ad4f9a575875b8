//! Names leaders in the answer to a fetch that was refused for its leader (KIP-951).
//!
//! Any gateway serves any partition, so it is never "ask another gateway": a partition has just got
//! another owner, or none yet, and a client that knows an earlier epoch learns the one that is now.

use protocol::fetch::{FetchPartition, FetchResponse, NodeEndpoint};
use protocol::{ErrorCode, StrBytes};

use crate::context::Context;
use crate::route::leaders::Leaders;
use crate::route::metadata::rack;

/// First version that has a place for it. Topics are named by id since before.
const HINTS_FROM: i16 = 16;

/// Tells the client who leads the partitions that were refused.
pub(super) fn put(context: &Context, response: &mut FetchResponse) {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    if context.version < HINTS_FROM || !partitions.clone().any(is_refused) {
        return;
    }
    let gateways = context.gateways();
    let mut leaders = Leaders::new(&gateways);
    for answer in &mut response.topics {
        let Some(topic) = context.catalogue.by_id(answer.id) else { continue };
        for partition in answer.partitions.iter_mut().filter(|each| is_refused(each)) {
            let leader = leaders.of(&topic, partition.index);
            partition.current_leader = leader.map(|(id, epoch)| (id.0, epoch));
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

fn is_refused(partition: &FetchPartition) -> bool {
    matches!(
        ErrorCode::from_code(partition.error_code),
        ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch
    )
}
