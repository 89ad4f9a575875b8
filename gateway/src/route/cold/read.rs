//! One cold read: a plan from the owner, bytes from a reader.
//!
//! Every step only reads, so every step may be repeated. A reader that refuses a plan makes us ask
//! for a new one (R31); a reader that is away is replaced by the next. What remains after that is a
//! retriable error, never "empty" and never OFFSET_OUT_OF_RANGE, which only the owner can say (R6).

use std::sync::Arc;

use hop::internal::{ColdFetchRequest, ColdFetchResponse, PlanRequest, PlanResponse};
use protocol::ErrorCode;
use protocol::fetch::{AbortedTransaction, FetchPartition};

use super::plans::{Plan, Plans};
use super::{Outcome, Want, failed};
use crate::context::Context;
use crate::limits::{CALL_TIMEOUT, PLAN_ATTEMPTS, PLAN_BYTES, READER_ATTEMPTS};
use crate::route::tier::{self, Tide, Tier};
use crate::{errors, rendezvous};

/// Why there is no plan to read by.
enum NoPlan {
    Hot,
    Error(Outcome),
}

pub(super) async fn read(context: &Context, plans: &Plans, want: Want) -> Outcome {
    let mut error = ErrorCode::KafkaStorageError;
    for _ in 0..PLAN_ATTEMPTS {
        let plan = match plan(context, plans, want).await {
            Ok(plan) => plan,
            Err(NoPlan::Hot) => return Outcome::Hot,
            Err(NoPlan::Error(outcome)) => return outcome,
        };
        match read_along(context, want, &plan).await {
            Ok(answer) if answer.error_code == 0 && !answer.records.is_empty() => {
                let next_offset = answer.next_offset;
                return Outcome::Records { partition: partition(want, answer), next_offset };
            }
            Ok(answer) => {
                tracing::debug!(partition = %want.partition, code = answer.error_code, "cold reader refused a plan");
                plans.forget(&want, &plan);
            }
            Err(code) => error = code,
        }
    }
    tracing::warn!(partition = %want.partition, offset = want.offset, "cold read failed");
    failed(want, error)
}

/// A plan that covers what is wanted: a known one, or a new one from the owner.
async fn plan(context: &Context, plans: &Plans, want: Want) -> Result<Arc<Plan>, NoPlan> {
    if let Some(plan) = plans.find(&want, context.core.clock.since_boot()) {
        return Ok(plan);
    }
    let Some((node, epoch)) = context.core.owner(want.partition) else {
        return Err(NoPlan::Error(failed(want, ErrorCode::NotLeaderOrFollower)));
    };
    let mut question = PlanRequest::new(want.partition, want.offset);
    question.read_committed = want.read_committed;
    question.max_bytes = PLAN_BYTES;
    let asked_at = context.core.clock.since_boot();
    let answer = context.ask(&node.address, CALL_TIMEOUT, question).await;
    let answer = answer.map_err(|error| NoPlan::Error(failed(want, errors::of_read(&error))))?;
    let said = said(want, &answer);
    if said.error_code != 0 {
        return Err(NoPlan::Error(Outcome::Failed(said)));
    }
    let tide = Tide::of(epoch, &said);
    context.core.tides.learn([(want.partition, tide)]);
    // Whoever asks for a plan was sent here from below, or the owner would have been asked.
    let policy = context.core.tier_policy();
    let tier = tier::decide(want.offset, epoch, Some(tide), policy, || Tier::Cold);
    if answer.plan.is_empty() || tier == Tier::Hot {
        return Err(NoPlan::Hot);
    }
    Ok(plans.add(&want, Plan::new(&answer, asked_at)))
}

/// Asks the reader that likely has the blocks cached; if it is away, the next one.
async fn read_along(
    context: &Context,
    want: Want,
    plan: &Plan,
) -> Result<ColdFetchResponse, ErrorCode> {
    let key = rendezvous::of_partition(want.partition);
    let readers = rendezvous::ranked(key, context.core.view.readers(), |reader| reader.reader.0);
    if readers.is_empty() {
        tracing::warn!("no cold reader is registered");
    }
    let mut code = ErrorCode::KafkaStorageError;
    for reader in readers.into_iter().take(READER_ATTEMPTS) {
        let question = ColdFetchRequest {
            plan: plan.token.clone(),
            fetch_offset: want.offset,
            max_bytes: want.max_bytes,
            plan_age_ms: u64::try_from(plan.age(context.core.clock.since_boot()).as_millis())
                .unwrap_or(u64::MAX),
        };
        match context.ask(&reader.address, CALL_TIMEOUT, question).await {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                tracing::debug!(reader = %reader.reader, %error, "cold reader did not answer");
                code = errors::of_read(&error);
            }
        }
    }
    Err(code)
}

/// What the owner said about the partition's offsets, in the terms of a fetch.
fn said(want: Want, answer: &PlanResponse) -> FetchPartition {
    FetchPartition {
        error_code: i16::try_from(answer.error_code)
            .unwrap_or_else(|_| ErrorCode::KafkaStorageError.code()),
        high_watermark: answer.high_watermark,
        last_stable_offset: answer.last_stable_offset,
        log_start_offset: answer.log_start_offset,
        hot_floor: answer.hot_floor,
        ..FetchPartition::new(want.partition.index)
    }
}

fn partition(want: Want, answer: ColdFetchResponse) -> FetchPartition {
    let aborted = answer.aborted.iter().map(|aborted| AbortedTransaction {
        producer_id: aborted.producer_id,
        first_offset: aborted.first_offset,
    });
    FetchPartition {
        high_watermark: answer.high_watermark,
        last_stable_offset: answer.last_stable_offset,
        log_start_offset: answer.log_start_offset,
        aborted_transactions: want.read_committed.then(|| aborted.collect()),
        records: answer.records,
        ..FetchPartition::new(want.partition.index)
    }
}
