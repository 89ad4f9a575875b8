//! IncrementalAlterConfigs of topics and groups. AlterConfigs comes as one, too: what it does not name is
//! deleted (see the gateway's `route/alter_configs.rs`).
//!
//! A change is planned against all that is set on the topic afterwards, because some configs forbid
//! each other. Everything of one resource happens, or nothing.

mod group;

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use metadata::{
    model::TopicRecord,
    settings::SettingKey,
    topic_config::{self, ConfigKind, FRONT},
};
use protocol::{
    ErrorCode, StrBytes,
    ids::{TenantId, TopicId},
    messages::{
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
        incremental_alter_configs_response::AlterConfigsResourceResponse,
    },
};

use super::{Bounds, Refusal, check_batch_size};
use crate::{
    catalogue::Catalogue, front_choice::FrontChoice, limits::TOPICS_ALTERED_PER_REQUEST_MAX,
};

/// Kafka's `ConfigResource.Type` of topics.
const TOPIC: i8 = 2;
/// The same of groups.
const GROUP: i8 = 32;

/// Kafka's `AlterConfigOp.OpType`.
mod operation {
    pub(super) const SET: i8 = 0;
    pub(super) const DELETE: i8 = 1;
    pub(super) const APPEND: i8 = 2;
    pub(super) const SUBTRACT: i8 = 3;
}

/// What is set on a topic.
type Configs = BTreeMap<String, String>;

/// What to do and what to answer.
pub(crate) struct Plan {
    /// The topics that change, and all that is set on them from then on.
    pub(crate) topics: Vec<(TopicId, Configs)>,
    /// The groups that change, as settings.
    pub(crate) groups: Vec<(SettingKey, Option<Bytes>)>,
    /// The answer, if that succeeds.
    pub(crate) response: IncrementalAlterConfigsResponse,
}

/// Plans a request of one tenant.
pub(crate) fn plan(
    catalogue: &Catalogue,
    bounds: Bounds,
    tenant: TenantId,
    request: &IncrementalAlterConfigsRequest,
) -> Plan {
    let mut named = HashSet::new();
    let (mut topics, mut groups) = (Vec::new(), Vec::new());
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in &request.resources {
        let is_new = named.insert((resource.resource_type, resource.resource_name.as_str()));
        let planned = check_bounds(is_new, topics.len() + groups.len()).and_then(|()| {
            if resource.resource_type == GROUP {
                groups.extend(group::plan(catalogue, tenant, resource)?);
                return Ok(());
            }
            let topic = find(catalogue, tenant, resource)?;
            let configs = changed(&topic.configs, &resource.configs)?;
            check_batch_size(bounds, &topic.configs, &configs)?;
            if configs != topic.configs {
                topics.push((topic.id, configs));
            }
            Ok(())
        });
        responses.push(match planned {
            Ok(()) => answer(resource).with_error_message(None),
            Err(refusal) => refused(resource, refusal),
        });
    }
    if request.validate_only {
        topics.clear();
        groups.clear();
    }
    Plan {
        topics,
        groups,
        response: IncrementalAlterConfigsResponse::default().with_responses(responses),
    }
}

/// An answer that refuses everything alike.
pub(crate) fn refuse_all(
    request: &IncrementalAlterConfigsRequest,
    refusal: &Refusal,
) -> IncrementalAlterConfigsResponse {
    let responses = request.resources.iter().map(|resource| refused(resource, refusal.clone()));
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

/// Turns the successes of an answer into this refusal: their record was not committed.
pub(crate) fn refuse_planned(response: &mut IncrementalAlterConfigsResponse, refusal: &Refusal) {
    for result in response.responses.iter_mut().filter(|result| result.error_code == 0) {
        result.error_code = refusal.code.code();
        result.error_message = refusal.clone().text();
    }
}

fn check_bounds(is_new: bool, changes: usize) -> Result<(), Refusal> {
    if !is_new {
        let text = "Each resource must appear at most once.";
        return Err(Refusal::new(ErrorCode::InvalidRequest, text));
    }
    if changes >= TOPICS_ALTERED_PER_REQUEST_MAX {
        let text =
            format!("A request may change at most {TOPICS_ALTERED_PER_REQUEST_MAX} resources.");
        return Err(Refusal::new(ErrorCode::PolicyViolation, text));
    }
    Ok(())
}

fn find<'a>(
    catalogue: &'a Catalogue,
    tenant: TenantId,
    resource: &AlterConfigsResource,
) -> Result<&'a TopicRecord, Refusal> {
    let name = resource.resource_name.as_str();
    if resource.resource_type != TOPIC {
        let text = format!("Unexpected resource type {}.", resource.resource_type);
        return Err(Refusal::new(ErrorCode::InvalidRequest, text));
    }
    if name.is_empty() {
        let text = "Default topic resources are not allowed.";
        return Err(Refusal::new(ErrorCode::InvalidRequest, text));
    }
    match catalogue.by_name(tenant, name) {
        // No client may break the cluster itself, whatever tenant it claims to be.
        Some(topic) if topic.internal => {
            let text = "The topic belongs to the cluster.";
            Err(Refusal::new(ErrorCode::TopicAuthorizationFailed, text))
        }
        Some(topic) => Ok(topic),
        None => {
            let text = "The topic does not exist.";
            Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, text))
        }
    }
}

/// What is set on a topic after these changes.
fn changed(before: &Configs, changes: &[AlterableConfig]) -> Result<Configs, Refusal> {
    let after = topic_config::validated(&applied(before, changes)?)
        .map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.to_string()))?;
    if FrontChoice::asked(&after) != FrontChoice::asked(before) {
        let text = format!("{FRONT} is set when a topic is created and cannot be changed.");
        return Err(Refusal::new(ErrorCode::InvalidConfig, text));
    }
    Ok(after)
}

/// What is set after these changes, whether it is legal or not.
fn applied(before: &Configs, changes: &[AlterableConfig]) -> Result<Configs, Refusal> {
    let mut after = before.clone();
    let mut named = HashSet::new();
    for change in changes {
        if !named.insert(change.name.as_str()) {
            let text = "Error due to duplicate config keys";
            return Err(Refusal::new(ErrorCode::InvalidRequest, text));
        }
        change_one(&mut after, change)?;
    }
    Ok(after)
}

fn change_one(configs: &mut Configs, change: &AlterableConfig) -> Result<(), Refusal> {
    let name = change.name.as_str();
    if change.config_operation == operation::DELETE {
        configs.remove(name);
        return Ok(());
    }
    let value = change.value.as_deref().ok_or_else(|| {
        Refusal::new(ErrorCode::InvalidRequest, format!("Null value not supported for : {name}"))
    })?;
    let value = match change.config_operation {
        operation::SET => value.to_owned(),
        operation::APPEND => edit_list(configs, name, |list| {
            for element in topic_config::elements(value) {
                if !list.contains(&element) {
                    list.push(element);
                }
            }
        })?,
        operation::SUBTRACT => edit_list(configs, name, |list| {
            list.retain(|element| topic_config::elements(value).all(|gone| gone != *element));
        })?,
        unknown => {
            let text = format!("Unknown operation {unknown} for {name}");
            return Err(Refusal::new(ErrorCode::InvalidRequest, text));
        }
    };
    configs.insert(name.to_owned(), value);
    Ok(())
}

/// The list in force, edited.
fn edit_list<'a>(
    configs: &'a Configs,
    name: &str,
    edit: impl FnOnce(&mut Vec<&'a str>),
) -> Result<String, Refusal> {
    if topic_config::find(name).is_none_or(|config| config.kind != ConfigKind::List) {
        let text = format!("Can't append to or subtract from {name}: it is not of type LIST.");
        return Err(Refusal::new(ErrorCode::InvalidConfig, text));
    }
    let in_force = topic_config::effective(configs, name).unwrap_or_default();
    let mut list = topic_config::elements(in_force).collect();
    edit(&mut list);
    Ok(list.join(","))
}

fn answer(resource: &AlterConfigsResource) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(StrBytes::clone(&resource.resource_name))
}

fn refused(resource: &AlterConfigsResource, refusal: Refusal) -> AlterConfigsResourceResponse {
    answer(resource).with_error_code(refusal.code.code()).with_error_message(refusal.text())
}

#[cfg(test)]
mod tests;
