//! Consumer groups: each request to the node that owns the group's internal partition.
//!
//! Clients see a gateway as coordinator ([`find`]); behind it a group belongs to a partition of the
//! internal topic, by a hash of its name, and that partition's owner runs its state machine. So a
//! group fails over as data does, and no client notices. What nodes answer is at one version;
//! what older clients must see instead is put right here.

pub(super) mod admin;
pub(super) mod consumer;
pub(super) mod find;
pub(super) mod lists;
pub(super) mod member;
pub(super) mod offsets;

use std::time::Duration;

use hop::Call;
use protocol::ErrorCode;
use protocol::ids::{PartitionId, TenantId, coordinator_index};
use tokio::time::{Instant, sleep};

use crate::context::Context;
use crate::errors;
use crate::limits::{CALL_TIMEOUT, COORDINATOR_PATIENCE, COORDINATOR_PAUSE};

/// The address of the node that coordinates `group`, which may be a transactional id as well.
fn coordinator(context: &Context, group: &str) -> Result<String, ErrorCode> {
    let cluster = context.core.view.cluster().ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let partitions = cluster.group_state_partitions;
    if partitions <= 0 {
        return Err(ErrorCode::CoordinatorNotAvailable);
    }
    let index = coordinator_index(context.tenant(), group, partitions);
    let partition = PartitionId::new(TenantId::SYSTEM, cluster.group_state_topic, index);
    let (node, _) = context.core.owner(partition).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    Ok(node.address.clone())
}

/// Asks the coordinator of `group`. The request has its place in the connection's lane when this
/// returns, so that a group's requests on one connection keep their order.
pub(super) fn ask<M: Call>(
    context: &Context,
    group: &str,
    deadline: Duration,
    message: M,
) -> impl Future<Output = Result<M::Answer, ErrorCode>> + Send + use<M> {
    let call = coordinator(context, group).map(|address| context.ask(&address, deadline, message));
    async move {
        call?.await.map_err(|error| {
            tracing::debug!(%error, "call to a group coordinator failed");
            errors::of_group(&error)
        })
    }
}

/// Asks the coordinator of `group`, and again while that moves, loads or is lost: only what may be
/// carried out twice, and what not all clients repeat themselves. The first try has its place in the
/// lane as with [`ask`]; `error` finds what is wrong in an answer.
pub(super) fn insist<M: Call + Clone>(
    context: &Context,
    group: &str,
    message: M,
    error: fn(&M::Answer) -> ErrorCode,
) -> impl Future<Output = Result<M::Answer, ErrorCode>> + Send + use<M> {
    repeat(context, group, message, move |answer| {
        is_transient(answer.as_ref().map_or_else(|error| *error, error))
    })
}

/// Asks the coordinator of `group`, and again for [`COORDINATOR_PATIENCE`] while `again` says so of the
/// last answer. What it says just before a try holds when that has its place in the lane, for a
/// connection's requests begin and go on in one task.
pub(super) fn repeat<M, F>(
    context: &Context,
    group: &str,
    message: M,
    again: F,
) -> impl Future<Output = Result<M::Answer, ErrorCode>> + Send + use<M, F>
where
    M: Call + Clone,
    F: Fn(&Result<M::Answer, ErrorCode>) -> bool + Send,
{
    let patience_ends = Instant::now() + COORDINATOR_PATIENCE;
    let first = ask(context, group, CALL_TIMEOUT, message.clone());
    let (context, group) = (context.clone(), group.to_owned());
    async move {
        let mut answer = first.await;
        while again(&answer) && Instant::now() < patience_ends {
            sleep(COORDINATOR_PAUSE).await;
            if !again(&answer) {
                break;
            }
            answer = ask(&context, &group, CALL_TIMEOUT, message.clone()).await;
        }
        answer
    }
}

/// Whether another try may not meet this error.
pub(super) fn is_transient(error: ErrorCode) -> bool {
    is_refusal(error) || error == ErrorCode::CoordinatorNotAvailable
}

/// Whether a coordinator that says so did nothing, and another try may find one that does.
pub(super) fn is_refusal(error: ErrorCode) -> bool {
    matches!(error, ErrorCode::NotCoordinator | ErrorCode::CoordinatorLoadInProgress)
}
