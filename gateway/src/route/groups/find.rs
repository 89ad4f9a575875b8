//! FindCoordinator: a gateway, the same one whoever asks.
//!
//! Any gateway could serve any group or transactional id. Spreading groups over them by rendezvous hash spreads their
//! connections, and lets each gateway list its own groups only, as clients expect of a broker.

use metadata::settings::acl::AclOperation;
use protocol::messages::find_coordinator_response::Coordinator;
use protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use protocol::{ErrorCode, StrBytes};

use crate::authoriser::Resource;
use crate::context::{Broker, Context};
use crate::rendezvous;

/// First version that asks for several keys at once (KIP-699).
const BATCHED_FROM: i16 = 4;
/// `key_type` of a group.
const GROUP: i8 = 0;
/// `key_type` of a transactional id.
const TRANSACTION: i8 = 1;

pub(in crate::route) fn handle(
    context: &Context,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let keys =
        if context.version >= BATCHED_FROM { request.coordinator_keys } else { vec![request.key] };
    let coordinators = keys.into_iter().map(|key| find(context, request.key_type, key));
    FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
}

/// Whether clients are told to come here for this group or transactional id.
pub(in crate::route) fn is_here(context: &Context, group: &str) -> bool {
    let gateway = gateway_of(context, group);
    gateway.is_some_and(|found| found.broker_id == context.core.own_id())
}

fn find(context: &Context, key_type: i8, key: StrBytes) -> Coordinator {
    let resource = match key_type {
        GROUP => Resource::group(&key),
        TRANSACTION => Resource::transactional_id(&key),
        _ => return failure(key, ErrorCode::InvalidRequest, "unknown coordinator type"),
    };
    if let Err(error) = context.grants.require(AclOperation::Describe, resource) {
        return failure(key, error, "not authorized to describe it");
    }
    if let Err(error) = super::coordinator(context, &key) {
        return failure(key, error, "its partition has no owner at the moment");
    }
    match gateway_of(context, &key) {
        Some(gateway) => Coordinator::default()
            .with_error_message(None)
            .with_node_id(BrokerId(gateway.broker_id.0))
            .with_host(gateway.endpoint.host.into())
            .with_port(gateway.endpoint.port.into())
            .with_key(key),
        None => failure(key, ErrorCode::CoordinatorNotAvailable, "no gateway is registered"),
    }
}

fn gateway_of(context: &Context, group: &str) -> Option<Broker> {
    let gateways = context.gateways();
    let key = rendezvous::of_text(context.tenant(), group);
    rendezvous::pick(key, &gateways, |gateway| gateway.broker_id.0).cloned()
}

fn failure(key: StrBytes, error: ErrorCode, message: &'static str) -> Coordinator {
    Coordinator::default()
        .with_key(key)
        .with_node_id(BrokerId(-1))
        .with_port(-1)
        .with_error_code(error.code())
        .with_error_message(Some(StrBytes::from_static_str(message)))
}
