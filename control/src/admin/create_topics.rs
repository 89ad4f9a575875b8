//! CreateTopics.
//!
//! Shared storage keeps one copy of a partition, durable in the front and then in the object
//! store, so a replication factor is accepted where clients' habits set one (1 to 3, or -1) and
//! answered as 1. Nodes are chosen by the cluster, so manual assignments are refused.

use std::collections::{BTreeMap, HashSet};

use metadata::{
    model::TopicRecord,
    topic_config::{self, TOPIC_CONFIGS},
};
use protocol::{
    ErrorCode, StrBytes,
    ids::{TenantId, TopicId},
    messages::{
        CreateTopicsRequest, CreateTopicsResponse,
        create_topics_request::CreatableTopic,
        create_topics_response::{CreatableTopicConfigs, CreatableTopicResult},
    },
};

use super::{Bounds, Refusal, check_batch_size, check_growth, duplicates};
use crate::{
    catalogue::{Catalogue, name},
    front_choice::FrontChoice,
    limits::PARTITIONS_PER_REQUEST_MAX,
};

/// The replication factors that clients may ask for.
const REPLICATION_FACTOR_MAX: i16 = 3;
/// What a topic without a given number asks for.
const UNSET: i16 = -1;
/// What every topic has.
const REPLICATION_FACTOR: i16 = 1;

/// Sources of a config in Kafka's numbering (`ConfigSource`).
const SOURCE_TOPIC: i8 = 1;
const SOURCE_DEFAULT: i8 = 5;

/// What to do and what to answer.
pub(crate) struct Plan {
    /// The topics to create; none if the request only asks what would happen.
    pub(crate) topics: Vec<TopicRecord>,
    /// The answer, if that succeeds.
    pub(crate) response: CreateTopicsResponse,
}

/// Topics of this request that are not in the catalogue yet.
#[derive(Default)]
struct Planned {
    topics: Vec<TopicRecord>,
    names: HashSet<String>,
    partitions: usize,
}

/// Plans a request of one tenant.
pub(crate) fn plan(
    catalogue: &Catalogue,
    bounds: Bounds,
    tenant: TenantId,
    request: &CreateTopicsRequest,
    now_ms: i64,
) -> Plan {
    let names = request.topics.iter().map(|topic| topic.name.as_str());
    let repeated = duplicates(names);
    let mut reported = HashSet::new();
    let mut planned = Planned::default();
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let name = topic.name.as_str();
        let checked = if repeated.contains_key(name) {
            if !reported.insert(name) {
                continue;
            }
            Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name."))
        } else {
            plan_topic(catalogue, bounds, tenant, topic, &planned)
        };
        results.push(match checked {
            Ok((partitions, configs)) => {
                let id = TopicId::random();
                let (name, internal) = (name.to_owned(), false);
                let record = TopicRecord {
                    tenant,
                    id,
                    name,
                    partitions,
                    configs,
                    internal,
                    created_ms: now_ms,
                };
                let result = accepted(topic, &record, request.validate_only);
                planned.add(record);
                result
            }
            Err(refusal) => refused(topic, refusal),
        });
    }
    let topics = if request.validate_only { Vec::new() } else { planned.topics };
    Plan { topics, response: CreateTopicsResponse::default().with_topics(results) }
}

/// An answer that refuses every topic alike.
pub(crate) fn refuse_all(request: &CreateTopicsRequest, refusal: &Refusal) -> CreateTopicsResponse {
    let results = request.topics.iter().map(|topic| refused(topic, refusal.clone()));
    CreateTopicsResponse::default().with_topics(results.collect())
}

/// Turns the successes of an answer into this refusal: their record was not committed.
pub(crate) fn refuse_planned(response: &mut CreateTopicsResponse, refusal: &Refusal) {
    refuse_named(response, refusal, |_| true);
}

/// The same of those topics only.
pub(crate) fn refuse_named(
    response: &mut CreateTopicsResponse,
    refusal: &Refusal,
    is_it: impl Fn(&str) -> bool,
) {
    let successes = response.topics.iter_mut().filter(|result| result.error_code == 0);
    for result in successes.filter(|result| is_it(&result.name)) {
        *result = CreatableTopicResult::default()
            .with_name(result.name.clone())
            .with_error_code(refusal.code.code())
            .with_error_message(refusal.clone().text())
            .with_num_partitions(-1)
            .with_replication_factor(-1);
    }
}

/// The number of partitions and the configs of a topic that may be created.
fn plan_topic(
    catalogue: &Catalogue,
    bounds: Bounds,
    tenant: TenantId,
    topic: &CreatableTopic,
    planned: &Planned,
) -> Result<(i32, BTreeMap<String, String>), Refusal> {
    check_name(catalogue, tenant, topic.name.as_str(), planned)?;
    check_assignments(topic)?;
    check_replication(topic.replication_factor)?;
    let partitions = match topic.num_partitions {
        -1 => bounds.default_partitions,
        count if count > 0 => count,
        _ => {
            let text = "Number of partitions was set to an invalid non-positive value.";
            return Err(Refusal::new(ErrorCode::InvalidPartitions, text));
        }
    };
    let now = catalogue.partition_count() + planned.partitions;
    check_growth(bounds, now, partitions, partitions)?;
    let wanted = usize::try_from(partitions).expect("checked to be positive");
    if planned.partitions + wanted > PARTITIONS_PER_REQUEST_MAX {
        let text = format!(
            "Excessively large number of partitions per request: at most \
             {PARTITIONS_PER_REQUEST_MAX}."
        );
        return Err(Refusal::new(ErrorCode::PolicyViolation, text));
    }
    let configs = configs(topic)?;
    check_front(bounds, &configs)?;
    check_batch_size(bounds, &BTreeMap::new(), &configs)?;
    Ok((partitions, configs))
}

/// A front that no node has would leave the partitions without a node, and nobody would know why.
fn check_front(bounds: Bounds, configs: &BTreeMap<String, String>) -> Result<(), Refusal> {
    match FrontChoice::asked(configs) {
        Some(asked) if !bounds.offered.has(asked) => {
            let text = format!(
                "No storage node of this cluster has the front that thermocline.front asks for \
                 ({asked:?})."
            );
            Err(Refusal::new(ErrorCode::InvalidConfig, text))
        }
        _ => Ok(()),
    }
}

fn check_name(
    catalogue: &Catalogue,
    tenant: TenantId,
    name: &str,
    planned: &Planned,
) -> Result<(), Refusal> {
    let invalid = |text: String| Refusal::new(ErrorCode::InvalidTopicException, text);
    name::check(name).map_err(|error| invalid(error.to_string()))?;
    match catalogue.colliding(tenant, name) {
        Some(existing) if existing.name == name => {
            let text = format!("Topic '{name}' already exists.");
            return Err(Refusal::new(ErrorCode::TopicAlreadyExists, text));
        }
        Some(existing) => {
            let text = format!("Topic '{name}' collides with existing topic: {}", existing.name);
            return Err(invalid(text));
        }
        None => {}
    }
    if planned.names.contains(&name::collision_key(name)) {
        return Err(invalid(format!("Topic '{name}' collides with another topic of the request.")));
    }
    Ok(())
}

fn check_assignments(topic: &CreatableTopic) -> Result<(), Refusal> {
    if topic.assignments.is_empty() {
        return Ok(());
    }
    if topic.num_partitions != i32::from(UNSET) || topic.replication_factor != UNSET {
        let text = "A manual partition assignment was specified, but numPartitions or \
                    replicationFactor was not set to -1.";
        return Err(Refusal::new(ErrorCode::InvalidRequest, text));
    }
    let text = "Manual partition assignments are not supported: every gateway serves every \
                partition, and the cluster places partitions by itself.";
    Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, text))
}

fn check_replication(factor: i16) -> Result<(), Refusal> {
    let text = match factor {
        UNSET | 1..=REPLICATION_FACTOR_MAX => return Ok(()),
        4.. => {
            "Replication factor must be 1 to 3, or -1 to use the default value. Whatever it is, \
             shared storage keeps one durable copy."
        }
        _ => "Replication factor must be larger than 0, or -1 to use the default value.",
    };
    Err(Refusal::new(ErrorCode::InvalidReplicationFactor, text))
}

fn configs(topic: &CreatableTopic) -> Result<BTreeMap<String, String>, Refusal> {
    let invalid = |text: String| Refusal::new(ErrorCode::InvalidConfig, text);
    let mut configs = BTreeMap::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            let text = format!("Null value not supported for topic configs: {}", config.name);
            return Err(invalid(text));
        };
        configs.insert(config.name.to_string(), value.to_string());
    }
    topic_config::validated(&configs).map_err(|error| invalid(error.to_string()))
}

fn accepted(
    topic: &CreatableTopic,
    record: &TopicRecord,
    validate_only: bool,
) -> CreatableTopicResult {
    let text = |text: &str| Some(StrBytes::from_string(text.to_owned()));
    let config = |config: &topic_config::TopicConfig| {
        let set = record.configs.get(config.name);
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_static_str(config.name))
            .with_value(text(set.map_or(config.default, String::as_str)))
            .with_config_source(if set.is_some() { SOURCE_TOPIC } else { SOURCE_DEFAULT })
    };
    // What is only validated has no id.
    let id = if validate_only { TopicId::NIL } else { record.id };
    CreatableTopicResult::default()
        .with_name(topic.name.clone())
        .with_topic_id(id.0)
        .with_error_message(None)
        .with_num_partitions(record.partitions)
        .with_replication_factor(REPLICATION_FACTOR)
        .with_configs(Some(TOPIC_CONFIGS.iter().map(config).collect()))
}

fn refused(topic: &CreatableTopic, refusal: Refusal) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(topic.name.clone())
        .with_error_code(refusal.code.code())
        .with_error_message(refusal.text())
        .with_num_partitions(-1)
        .with_replication_factor(-1)
}

// === impl Planned ===

impl Planned {
    fn add(&mut self, topic: TopicRecord) {
        self.names.insert(name::collision_key(&topic.name));
        self.partitions += usize::try_from(topic.partitions).expect("checked to be positive");
        self.topics.push(topic);
    }
}

#[cfg(test)]
mod tests;
