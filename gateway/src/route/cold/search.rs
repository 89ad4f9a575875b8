//! One step of a search by time below the hot floor: a plan as for a fetch, and a reader that looks at
//! the records. No node reads them (see [`crate::route::offsets`]).

use hop::internal::{ColdSearchRequest, FoundRecord};
use protocol::ErrorCode;
use protocol::ids::PartitionId;

use super::read::{NoPlan, ask_along, plan};
use super::{Outcome, Want};
use crate::context::Context;
use crate::limits::PLAN_ATTEMPTS;

/// What is looked for: the first record from `offset` on that is not earlier than `timestamp`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    pub(crate) partition: PartitionId,
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) read_committed: bool,
}

/// How far it has come.
#[derive(Debug)]
pub(crate) enum Searched {
    Found(FoundRecord),
    /// No record before this offset is it. From there on the owner knows more.
    NotBefore(i64),
}

/// Looks as far as one plan goes.
pub(crate) async fn search(context: &Context, at: Search) -> Result<Searched, ErrorCode> {
    let plans = &context.core.cold.plans;
    let Search { partition, offset, timestamp, read_committed } = at;
    let want = Want { partition, offset, read_committed, max_bytes: 0 };
    let mut error = ErrorCode::KafkaStorageError;
    for _ in 0..PLAN_ATTEMPTS {
        let plan = match plan(context, plans, want).await {
            Ok(plan) => plan,
            Err(no_plan) => return without_plan(no_plan, offset),
        };
        let question = |plan_age_ms| ColdSearchRequest {
            plan: plan.token.clone(),
            from_offset: offset,
            timestamp,
            plan_age_ms,
        };
        match ask_along(context, want, &plan, question).await {
            Ok(answer) if answer.error_code == 0 => {
                let next = answer.next_offset;
                return Ok(answer.found.map_or(Searched::NotBefore(next), Searched::Found));
            }
            Ok(answer) => {
                tracing::debug!(%partition, code = answer.error_code, "cold reader refused a plan");
                plans.forget(&want, &plan);
            }
            Err(code) => error = code,
        }
    }
    tracing::warn!(%partition, offset, timestamp, "search by time failed");
    Err(error)
}

/// What became hot, or is below the log start by now, is the owner's to answer.
fn without_plan(no_plan: NoPlan, offset: i64) -> Result<Searched, ErrorCode> {
    match no_plan {
        NoPlan::Hot => Ok(Searched::NotBefore(offset)),
        NoPlan::NoOwner(code) => Err(code),
        NoPlan::Error(Outcome::Failed(said)) => match ErrorCode::from_code(said.error_code) {
            ErrorCode::OffsetOutOfRange => Ok(Searched::NotBefore(offset)),
            code => Err(code),
        },
        NoPlan::Error(_) => Err(ErrorCode::KafkaStorageError),
    }
}
