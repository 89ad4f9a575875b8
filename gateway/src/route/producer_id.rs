//! InitProducerId: ids for idempotent producers, from a block that control gave this gateway. With a
//! transactional id it is its coordinator's to answer.
//!
//! A block is this gateway's alone and is never given out again, whatever happens to the gateway or
//! to control (R43): the ids left in it when the gateway stops are lost, and nobody misses them.

use std::ops::Range;

use hop::internal::AllocateProducerIdsRequest;
use protocol::ErrorCode;
use protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use tokio::sync::Mutex;

use crate::context::Context;
use crate::limits::CALL_TIMEOUT;
use crate::route::transactions;

/// The ids not given out yet.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds {
    // Held across the call to control: those who come meanwhile want the same block.
    block: Mutex<Range<i64>>,
}

pub(super) async fn handle(
    context: Context,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    match &request.transactional_id {
        None => {}
        Some(id) if id.is_empty() => return failure(ErrorCode::InvalidRequest),
        Some(id) => {
            let id = id.0.clone();
            return transactions::init(&context, &id, request).await;
        }
    }
    // An id and epoch in the request (KIP-360) mean the client wants to start anew: without a
    // transactional id it gets a new id, as in Kafka.
    match next(&context).await {
        Ok(id) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(0),
        Err(error) => failure(error),
    }
}

async fn next(context: &Context) -> Result<i64, ErrorCode> {
    let mut block = context.core.producer_ids.block.lock().await;
    if block.is_empty() {
        *block = allocate(context).await?;
    }
    block.next().ok_or(ErrorCode::CoordinatorLoadInProgress)
}

async fn allocate(context: &Context) -> Result<Range<i64>, ErrorCode> {
    let not_controller = i32::from(ErrorCode::NotController.code());
    let header = context.header(CALL_TIMEOUT);
    let answer = context
        .core
        .upstream
        .ask_control(header, AllocateProducerIdsRequest {}, |a| a.error_code == not_controller)
        .await;
    match answer {
        Ok(answer) if answer.error_code == 0 => {
            Ok(answer.first..answer.first.saturating_add(answer.count.into()))
        }
        // Whatever became of the block, the producer has none of it and may ask again. The code is
        // Kafka's for this case: others send a producer to look for a coordinator it has none of.
        Ok(answer) => {
            tracing::warn!(code = answer.error_code, "control gave no producer ids");
            Err(ErrorCode::CoordinatorLoadInProgress)
        }
        Err(error) => {
            tracing::warn!(%error, "control gave no producer ids");
            Err(ErrorCode::CoordinatorLoadInProgress)
        }
    }
}

pub(super) fn failure(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(error.code())
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}
