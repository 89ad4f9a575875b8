//! Which path does what.

use std::collections::HashMap;

use hop::{
    HopHeader, HopRequest, Request, Response,
    internal::{ChangePlacementRequest, PlacementChange},
};
use hyper::{Method, StatusCode};
use metadata::{
    model::Record,
    settings::placement::{Duty, NodePlacement, Pin, PlacementName, WEIGHT_MAX},
};
use protocol::{
    ErrorCode,
    ids::{NodeId, PartitionId, TenantId},
};
use serde::de::DeserializeOwned;

use super::{
    Api, answers,
    http::Answer,
    model::{MoveRequest, PinInfo, Problem, WeightRequest},
    sets,
};
use crate::{
    balance::{
        orders::{Order, Refused},
        survey,
    },
    command::{self, Command},
    limits::{ADMIN_PATIENCE, PARTITIONS_SHOWN_MAX},
};

/// An answer, or why there is none.
type Outcome = Result<Answer, Answer>;

/// Answers one request of somebody who may ask.
pub(super) async fn answer(
    api: &Api,
    method: &Method,
    path: &str,
    query: &str,
    body: &[u8],
) -> Answer {
    let Some(path) = path.strip_prefix("/v1/") else { return no_such_path(path) };
    if let Some(elsewhere) = elsewhere(api) {
        return elsewhere;
    }
    let parts: Vec<&str> = path.split('/').collect();
    let outcome = match (method.as_str(), parts.as_slice()) {
        ("GET", ["status"]) => Ok(Answer::ok(&answers::status(api))),
        ("GET", ["nodes"]) => Ok(Answer::ok(&answers::nodes(api))),
        ("GET", ["nodes", id]) => show_node(api, id),
        ("GET", ["topics"]) => Ok(Answer::ok(&answers::topics(api))),
        ("GET", ["partitions"]) => show_partitions(api, query),
        ("GET", ["moves"]) => Ok(Answer::ok(&answers::moves(api))),
        ("GET", ["pins"]) => Ok(Answer::ok(&answers::pins(api))),
        ("POST", ["nodes", id, "drain"]) => set_duty(api, id, Duty::Draining).await,
        ("POST", ["nodes", id, "cordon"]) => set_duty(api, id, Duty::Cordoned).await,
        ("POST", ["nodes", id, "undrain" | "uncordon"]) => set_duty(api, id, Duty::Active).await,
        ("PUT", ["nodes", id, "weight"]) => set_weight(api, id, body).await,
        ("PUT", ["pins"]) => set_pin(api, body).await,
        ("GET", ["gateway-sets"]) => Ok(sets::show(api)),
        ("POST", ["gateway-sets", "switch"]) => sets::switch(api, body).await,
        ("POST", ["partitions", "move"]) => move_partition(api, body).await,
        _ => return no_such_path(path),
    };
    outcome.unwrap_or_else(|refused| refused)
}

fn no_such_path(path: &str) -> Answer {
    let text = format!("nothing answers `{path}` with this method; see docs/operations.md");
    Answer::problem(StatusCode::NOT_FOUND, text)
}

/// What a process answers that does not lead.
fn elsewhere(api: &Api) -> Option<Answer> {
    if api.gate.is_open() {
        return None;
    }
    let leader = api.view.leader().map(|leader| leader.admin).filter(|admin| !admin.is_empty());
    let error = match &leader {
        Some(leader) => format!("this control process does not lead; ask {leader}"),
        None => "no control process leads at the moment; try again".to_owned(),
    };
    Some(Answer::json(StatusCode::MISDIRECTED_REQUEST, &Problem { error, leader }))
}

fn show_node(api: &Api, id: &str) -> Outcome {
    let node = node(api, id)?;
    answers::node(api, node).map(|info| Answer::ok(&info)).ok_or_else(|| no_such_node(node))
}

fn show_partitions(api: &Api, query: &str) -> Outcome {
    let wanted = Query::parse(query)?;
    wanted.names_what_there_is(api)?;
    Ok(Answer::ok(&answers::partitions(api, &wanted)))
}

async fn set_duty(api: &Api, id: &str, duty: Duty) -> Outcome {
    change_node(api, node(api, id)?, |said| NodePlacement { duty, ..said }).await
}

async fn set_weight(api: &Api, id: &str, body: &[u8]) -> Outcome {
    let node = node(api, id)?;
    let WeightRequest { weight } = parse(body)?;
    if !(1..=WEIGHT_MAX).contains(&weight) {
        let text = format!("a weight is between 1 and {WEIGHT_MAX}; 100 is everybody's at first");
        return Err(Answer::problem(StatusCode::BAD_REQUEST, text));
    }
    change_node(api, node, |said| NodePlacement { weight, ..said }).await
}

/// Says something else about a node; answers what it looks like then.
async fn change_node(
    api: &Api,
    node: NodeId,
    change: impl FnOnce(NodePlacement) -> NodePlacement,
) -> Outcome {
    let _alone = api.writes.lock().await;
    let said = change(survey::placement(&api.view).node(node));
    let value = (said != NodePlacement::default()).then(|| said.encode());
    commit(api, PlacementName::Node(node), value).await?;
    answers::node(api, node).map(|info| Answer::ok(&info)).ok_or_else(|| no_such_node(node))
}

async fn set_pin(api: &Api, body: &[u8]) -> Outcome {
    let pin: PinInfo = parse(body)?;
    let id = partition(api, pin.tenant, &pin.topic, pin.partition)?;
    let value = match pin.node.map(NodeId) {
        Some(node) if api.view.node(node).is_none() => return Err(no_such_node(node)),
        node => node.map(|node| Pin { node }.encode()),
    };
    let _alone = api.writes.lock().await;
    commit(api, PlacementName::Partition(id.topic, id.index), value).await?;
    Ok(Answer::ok(&answers::pins(api)))
}

async fn move_partition(api: &Api, body: &[u8]) -> Outcome {
    let MoveRequest { tenant, topic, partition: index, to } = parse(body)?;
    let id = partition(api, tenant, &topic, index)?;
    match api.moves.order(Order { partition: id, to: NodeId(to) }).await {
        Ok(()) => Ok(Answer::ok(&answers::moves(api))),
        Err(refused) => {
            let status = match refused {
                Refused::NotLeading => StatusCode::MISDIRECTED_REQUEST,
                Refused::NoPartition => StatusCode::NOT_FOUND,
                Refused::Metadata(_) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::CONFLICT,
            };
            Err(Answer::problem(status, refused.to_string()))
        }
    }
}

/// Has the term commit one entry, and waits until the view shows it.
async fn commit(api: &Api, name: PlacementName, value: Option<bytes::Bytes>) -> Result<(), Answer> {
    let changes = vec![PlacementChange { name: name.to_string(), value }];
    let header = HopHeader::internal(TenantId::SYSTEM, ADMIN_PATIENCE);
    let body = Request::ChangePlacement(ChangePlacementRequest { changes });
    let (command, answer) = Command::new(HopRequest { header, body });
    api.gate.submit(command);
    let code = match answer.await {
        Ok(Response::ChangePlacement(answer)) => i16::try_from(answer.error_code)
            .map_or(ErrorCode::UnknownServerError, ErrorCode::from_code),
        Ok(_) | Err(_) => ErrorCode::UnknownServerError,
    };
    let status = match code {
        ErrorCode::None => {
            // Only what the answer shows depends on it.
            if let Err(error) = api.view.refresh().await {
                tracing::debug!(%error, "the view may lag behind a change");
            }
            return Ok(());
        }
        ErrorCode::NotController => StatusCode::MISDIRECTED_REQUEST,
        ErrorCode::RequestTimedOut => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::ThrottlingQuotaExceeded => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    Err(Answer::problem(status, command::message(code)))
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    serde_json::from_slice(body)
        .map_err(|error| Answer::problem(StatusCode::BAD_REQUEST, format!("body: {error}")))
}

fn node(api: &Api, id: &str) -> Result<NodeId, Answer> {
    let parsed = id.parse().map(NodeId).map_err(|_| {
        Answer::problem(StatusCode::BAD_REQUEST, format!("`{id}` is not a node's number"))
    })?;
    api.view.node(parsed).map(|_| parsed).ok_or_else(|| no_such_node(parsed))
}

fn no_such_node(node: NodeId) -> Answer {
    Answer::problem(StatusCode::NOT_FOUND, format!("there is no node {node}"))
}

fn partition(api: &Api, tenant: u32, name: &str, index: i32) -> Result<PartitionId, Answer> {
    let problem = |text| Answer::problem(StatusCode::NOT_FOUND, text);
    let topic = api.view.topic_by_name(TenantId(tenant), name);
    let topic = topic.ok_or_else(|| problem(format!("tenant {tenant} has no topic `{name}`")))?;
    if !(0..topic.partitions()).contains(&index) {
        let count = topic.partitions();
        return Err(problem(format!("`{name}` has {count} partitions, from 0")));
    }
    Ok(PartitionId::new(TenantId(tenant), topic.id(), index))
}

/// What partitions are asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) tenant: Option<TenantId>,
    pub(super) topic: Option<String>,
    pub(super) node: Option<NodeId>,
    pub(super) limit: usize,
}

impl Query {
    /// Refuses a topic or a node that there is not: an empty list would look like an answer.
    fn names_what_there_is(&self, api: &Api) -> Result<(), Answer> {
        if let Some(node) = self.node.filter(|node| api.view.node(*node).is_none()) {
            return Err(no_such_node(node));
        }
        let Some(name) = &self.topic else { return Ok(()) };
        let is_wanted = |tenant| self.tenant.is_none_or(|wanted| wanted == tenant);
        let topics = api.view.all_topics();
        let mut named = topics.iter().filter(|topic| topic.record.name == *name);
        if named.any(|topic| is_wanted(topic.record.tenant)) {
            return Ok(());
        }
        let whose = self.tenant.map_or(String::new(), |tenant| format!("tenant {}: ", tenant.0));
        let text = format!("{whose}there is no topic `{name}`; `thermocline topics` lists all");
        Err(Answer::problem(StatusCode::NOT_FOUND, text))
    }

    pub(super) fn parse(text: &str) -> Result<Self, Answer> {
        let bad = |key: &str| {
            let text = format!("query: `{key}`; known are tenant, topic, node and limit");
            Answer::problem(StatusCode::BAD_REQUEST, text)
        };
        let mut values = HashMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| bad(pair))?;
            // Names of topics have no character that a query would have to escape.
            values.insert(key, value);
        }
        let mut query = Self { limit: PARTITIONS_SHOWN_MAX, ..Self::default() };
        for (key, value) in values {
            match key {
                "tenant" => {
                    query.tenant = Some(TenantId(value.parse().map_err(|_| bad(key))?));
                }
                "topic" => query.topic = Some(value.to_owned()),
                "node" => query.node = Some(NodeId(value.parse().map_err(|_| bad(key))?)),
                "limit" => {
                    let limit: usize = value.parse().map_err(|_| bad(key))?;
                    query.limit = limit.min(PARTITIONS_SHOWN_MAX);
                }
                other => return Err(bad(other)),
            }
        }
        Ok(query)
    }
}
