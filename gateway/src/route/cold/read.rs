//! One cold read: a plan from the owner, or from the manifest while there is none, and bytes from a
//! reader.
//!
//! Every step only reads, so every step may be repeated. A reader that refuses a plan makes us ask
//! for a new one (R31); a reader that is away is replaced by the next. What remains after that is a
//! retriable error, never "empty" and never OFFSET_OUT_OF_RANGE, which only the owner can say (R6).

use std::sync::Arc;

use hop::internal::{ColdFetchRequest, ColdFetchResponse, PlanRequest, PlanResponse};
use hop::{Call, HopError};
use metadata::model::ReaderRecord;
use protocol::ErrorCode;
use protocol::fetch::{AbortedTransaction, FetchPartition};

use super::plans::{Plan, Plans};
use super::{Outcome, Want, failed};
use crate::context::Context;
use crate::limits::{
    CALL_TIMEOUT, PLAN_ATTEMPTS, PLAN_BYTES, READER_ATTEMPTS, READER_WINDOW_OFFSETS,
};
use crate::route::tier::{self, Tide, Tier};
use crate::{errors, metrics, rendezvous};

/// Why there is no plan to read by.
pub(super) enum NoPlan {
    Hot,
    /// Nobody to ask, or who was asked owns it no longer.
    NoOwner(ErrorCode),
    Error(Outcome),
}

pub(super) async fn read(context: &Context, plans: &Plans, want: Want) -> Outcome {
    let mut error = ErrorCode::KafkaStorageError;
    for _ in 0..PLAN_ATTEMPTS {
        let plan = match plan(context, plans, want).await {
            Ok(plan) => plan,
            Err(NoPlan::Hot) => return Outcome::Hot,
            Err(NoPlan::NoOwner(code)) => return failed(want, code),
            Err(NoPlan::Error(outcome)) => return outcome,
        };
        match read_along(context, want, &plan).await {
            Ok(answer) if answer.error_code == 0 && !answer.records.is_empty() => {
                let next_offset = answer.next_offset;
                if let Some(offset) = plan.ends_soon(next_offset) {
                    plan_ahead(context, Want { offset, ..want });
                }
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

/// A plan that covers what is wanted: a known one, a new one from the owner, or while there is no
/// owner to ask, one that a reader makes from the partition's manifest.
pub(super) async fn plan(
    context: &Context,
    plans: &Plans,
    want: Want,
) -> Result<Arc<Plan>, NoPlan> {
    if let Some(plan) = plans.find(&want, context.core.clock.since_boot()) {
        return Ok(plan);
    }
    let asked_at = context.core.clock.since_boot();
    let answer = match plan_of_owner(context, want).await {
        Err(NoPlan::NoOwner(code)) => {
            let answer = plan_of_reader(context, want).await;
            answer.ok_or_else(|| NoPlan::Error(failed(want, code)))
        }
        answer => answer,
    };
    let answer = answer?;
    context.core.usage.planned(context);
    Ok(plans.add(&want, Plan::new(&answer, asked_at)))
}

/// Has the plan after the present one at hand before its consumer is there: a replay does not wait for
/// the owner at the end of every plan.
fn plan_ahead(context: &Context, next: Want) {
    let core = Arc::clone(&context.core);
    let context = context.clone();
    let plan = async move {
        // What keeps it from being made, the consumer that comes there will meet.
        drop(plan(&context, &context.core.cold.plans, next).await);
    };
    drop(core.drain.spawn("next plan", plan));
}

async fn plan_of_owner(context: &Context, want: Want) -> Result<PlanResponse, NoPlan> {
    let no_owner = NoPlan::NoOwner(ErrorCode::NotLeaderOrFollower);
    let (node, epoch) = context.core.owner(want.partition).ok_or(no_owner)?;
    let answer = context.ask(&node.address, CALL_TIMEOUT, question(want)).await;
    let answer = answer.map_err(|error| NoPlan::NoOwner(errors::of_read(&error)))?;
    let said = said(want, &answer);
    match ErrorCode::from_code(said.error_code) {
        ErrorCode::None => {}
        ErrorCode::NotLeaderOrFollower => {
            return Err(NoPlan::NoOwner(ErrorCode::NotLeaderOrFollower));
        }
        _ => return Err(NoPlan::Error(Outcome::Failed(said))),
    }
    let tide = Tide::of(epoch, &said);
    context.core.tides.learn([(want.partition, tide)]);
    // Whoever asks for a plan was sent here from below, or the owner would have been asked.
    let policy = context.core.tier_policy();
    let tier = tier::decide(want.offset, epoch, Some(tide), policy, || Tier::Cold);
    if answer.plan.is_empty() || tier == Tier::Hot { Err(NoPlan::Hot) } else { Ok(answer) }
}

/// From a manifest comes less than from an owner, and nothing to learn: its high watermark is that
/// of the logs that ended. Nothing it does not cover is out of range for that (R6).
async fn plan_of_reader(context: &Context, want: Want) -> Option<PlanResponse> {
    for reader in ranked_readers(context, want).into_iter().take(READER_ATTEMPTS) {
        match context.ask_reader(&reader, question(want)).await {
            Ok(answer) if answer.error_code == 0 && !answer.plan.is_empty() => return Some(answer),
            Ok(answer) => {
                tracing::debug!(partition = %want.partition, code = answer.error_code, "no plan from the manifest");
                return None;
            }
            Err(error) => passed_over(&reader, &error),
        }
    }
    None
}

fn question(want: Want) -> PlanRequest {
    let mut question = PlanRequest::new(want.partition, want.offset);
    question.read_committed = want.read_committed;
    question.max_bytes = PLAN_BYTES;
    question
}

/// All readers, first the one that likely has the blocks cached.
fn ranked_readers(context: &Context, want: Want) -> Vec<ReaderRecord> {
    let window = want.offset.div_euclid(READER_WINDOW_OFFSETS);
    let key = rendezvous::of_window(want.partition, window);
    let readers = rendezvous::ranked(key, context.core.view.readers(), |reader| reader.reader.0);
    if readers.is_empty() {
        tracing::warn!("no cold reader is registered");
    }
    readers
}

fn passed_over(reader: &ReaderRecord, error: &HopError) {
    metrics::reader_passed_over();
    tracing::debug!(reader = %reader.reader, %error, "cold reader did not answer");
}

async fn read_along(
    context: &Context,
    want: Want,
    plan: &Plan,
) -> Result<ColdFetchResponse, ErrorCode> {
    let question = |plan_age_ms| ColdFetchRequest {
        plan: plan.token.clone(),
        fetch_offset: want.offset,
        max_bytes: want.max_bytes,
        plan_age_ms,
    };
    ask_along(context, want, plan, question).await
}

/// Asks the reader that likely has the blocks cached; if it is away, the next one. The question says
/// how old the plan is by then, in milliseconds.
pub(super) async fn ask_along<M: Call>(
    context: &Context,
    want: Want,
    plan: &Plan,
    question: impl Fn(u64) -> M,
) -> Result<M::Answer, ErrorCode> {
    let mut code = ErrorCode::KafkaStorageError;
    for reader in ranked_readers(context, want).into_iter().take(READER_ATTEMPTS) {
        let age = plan.age(context.core.clock.since_boot()).as_millis();
        let question = question(u64::try_from(age).unwrap_or(u64::MAX));
        match context.ask_reader(&reader, question).await {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                passed_over(&reader, &error);
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
