//! Gateway sets: what is known of them, and switching by hand.

use hyper::StatusCode;
use metadata::gateway_sets::{ActiveSet, Cause};

use super::Api;
use super::http::Answer;
use super::model::{ActiveSetInfo, GatewaySetInfo, GatewaySets, SwitchInfo, SwitchRequest};
use super::routes::parse;
use crate::dns::{Order, Refused, Shown, ShownSet, Verdict};

/// `GET /v1/gateway-sets`
pub(super) fn show(api: &Api) -> Answer {
    match api.sets.read() {
        Some(shown) => Answer::ok(&info(api, shown)),
        None => refuse(&Refused::Off),
    }
}

/// `POST /v1/gateway-sets/switch`
pub(super) async fn switch(api: &Api, body: &[u8]) -> Result<Answer, Answer> {
    let SwitchRequest { to, back, force, dry_run } = parse(body)?;
    let cause = if back { Cause::Failback } else { Cause::Failover };
    let from = api.sets.read().map(|shown| shown.active.set).unwrap_or_default();
    match api.switches.order(Order { to, cause, force, dry_run }).await {
        Ok(next) => Ok(Answer::ok(&SwitchInfo { from, dry_run, next: active(&next) })),
        Err(refused) => Err(refuse(&refused)),
    }
}

fn refuse(refused: &Refused) -> Answer {
    let status = match refused {
        Refused::NotLeading => StatusCode::MISDIRECTED_REQUEST,
        Refused::Off | Refused::NoSet(_) => StatusCode::NOT_FOUND,
        Refused::Metadata(_) => StatusCode::SERVICE_UNAVAILABLE,
        Refused::There(_)
        | Refused::Nowhere
        | Refused::Unproven { .. }
        | Refused::UnderWay(_)
        | Refused::Conflict => StatusCode::CONFLICT,
    };
    Answer::problem(status, refused.to_string())
}

fn info(api: &Api, shown: Shown) -> GatewaySets {
    let gateways = api.view.gateways();
    let set = |set: ShownSet| GatewaySetInfo {
        is_active: set.name == shown.active.set,
        is_barred: shown.active.barred.contains(&set.name),
        verdict: match set.verdict {
            Verdict::Serves => "serves",
            Verdict::Fails => "fails",
            Verdict::Disputed => "disputed",
        }
        .to_owned(),
        gateways: gateways.iter().filter(|gateway| gateway.set == set.name).count(),
        serves: set.votes.serves,
        fails: set.votes.fails,
        of: set.votes.of,
        problems: set.problems.into_iter().collect(),
        set: set.name,
    };
    let sets = shown.sets.into_iter().map(set).collect();
    GatewaySets {
        active: active(&shown.active),
        standing: shown.standing,
        dns_problem: shown.dns_problem,
        sets,
    }
}

fn active(active: &ActiveSet) -> ActiveSetInfo {
    ActiveSetInfo {
        set: active.set.clone(),
        generation: active.generation,
        applied: active.applied,
        cause: active.cause.name().to_owned(),
        since_ms: active.since_ms,
    }
}
