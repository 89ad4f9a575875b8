//! AlterConfigs and IncrementalAlterConfigs.
//!
//! Topics and groups are control's to change. Of AlterConfigs, which sets some configs and takes back all
//! others, control never hears: it comes as an IncrementalAlterConfigs that deletes the others by
//! name, so that both are one change of one state. Configs of brokers are in files.

use std::collections::HashSet;

use metadata::settings::acl::AclOperation;
use metadata::settings::group::GROUP_CONFIGS;
use metadata::topic_config::{FRONT, TOPIC_CONFIGS};
use protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, alter_configs_request, alter_configs_response,
};
use protocol::{ErrorCode, StrBytes};

use super::{authorise, broker, resource, unsupported};
use crate::context::Context;
use crate::limits::{ALTER_SETTINGS_TIMEOUT_MS, CONFIG_RESOURCES_MAX};
use crate::route::admin::ask_control;

/// Kafka's `AlterConfigOp.OpType`.
mod operation {
    pub(super) const SET: i8 = 0;
    pub(super) const DELETE: i8 = 1;
}

/// Longest client text in an answer (R66).
const ECHO_CHARS_MAX: usize = 200;

/// Answers AlterConfigs.
pub(in crate::route) async fn replace(
    context: Context,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let resources = request.resources.into_iter().map(instead).collect();
    let responses = change(&context, resources, request.validate_only).await;
    let responses = responses.into_iter().map(|response| {
        alter_configs_response::AlterConfigsResourceResponse::default()
            .with_error_code(response.error_code)
            .with_error_message(response.error_message)
            .with_resource_type(response.resource_type)
            .with_resource_name(response.resource_name)
    });
    AlterConfigsResponse::default().with_responses(responses.collect())
}

/// Answers IncrementalAlterConfigs.
pub(in crate::route) async fn handle(
    context: Context,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let responses = change(&context, request.resources, request.validate_only).await;
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

/// Sets what is named, and deletes all else that can be changed.
fn instead(wanted: alter_configs_request::AlterConfigsResource) -> AlterConfigsResource {
    let named: HashSet<_> = wanted.configs.iter().map(|config| config.name.clone()).collect();
    let all: Vec<_> = match wanted.resource_type {
        resource::TOPIC => TOPIC_CONFIGS.iter().map(|config| config.name).collect(),
        resource::GROUP => GROUP_CONFIGS.iter().map(|config| config.name).collect(),
        _ => Vec::new(),
    };
    let others = all.into_iter().filter(|name| *name != FRONT && !named.contains(name.as_bytes()));
    let deleted = others.map(|name| {
        AlterableConfig::default()
            .with_name(StrBytes::from_static_str(name))
            .with_config_operation(operation::DELETE)
            .with_value(None)
    });
    let set = wanted.configs.into_iter().map(|config| {
        AlterableConfig::default()
            .with_name(config.name)
            .with_config_operation(operation::SET)
            .with_value(config.value)
    });
    AlterConfigsResource::default()
        .with_resource_type(wanted.resource_type)
        .with_resource_name(wanted.resource_name)
        .with_configs(set.chain(deleted).collect())
}

/// Changes what may be changed, and answers for each resource in its place.
async fn change(
    context: &Context,
    resources: Vec<AlterConfigsResource>,
    validate_only: bool,
) -> Vec<AlterConfigsResourceResponse> {
    let repeated = repeated(&resources);
    let mut responses: Vec<_> = resources
        .iter()
        .enumerate()
        .map(|(place, resource)| {
            let answer = AlterConfigsResourceResponse::default()
                .with_error_message(None)
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone());
            match judge(context, resource, place, &repeated) {
                Ok(()) => answer,
                Err((code, text)) => answer
                    .with_error_code(code.code())
                    .with_error_message(Some(StrBytes::from_string(text))),
            }
        })
        .collect();
    let is_legal = |place: &usize| {
        let of_control = [resource::TOPIC, resource::GROUP];
        responses[*place].error_code == 0 && of_control.contains(&responses[*place].resource_type)
    };
    let places: Vec<_> = (0..responses.len()).filter(is_legal).collect();
    if places.is_empty() {
        return responses;
    }
    let mut resources: Vec<_> = resources.into_iter().map(Some).collect();
    let asked = places.iter().filter_map(|place| resources[*place].take()).collect();
    let question = IncrementalAlterConfigsRequest::default()
        .with_resources(asked)
        .with_validate_only(validate_only);
    ask(context, question, &places, &mut responses).await;
    responses
}

/// Has control decide, and puts its answers into their places.
async fn ask(
    context: &Context,
    question: IncrementalAlterConfigsRequest,
    places: &[usize],
    responses: &mut [AlterConfigsResourceResponse],
) {
    let validate_only = question.validate_only;
    let refused = |answer: &IncrementalAlterConfigsResponse| {
        let mut resources = answer.responses.iter();
        resources.any(|resource| resource.error_code == ErrorCode::NotController.code())
    };
    match ask_control(context, ALTER_SETTINGS_TIMEOUT_MS, question, refused).await {
        Ok(answer) if answer.responses.len() == places.len() => {
            for (place, said) in places.iter().zip(answer.responses) {
                responses[*place] = said;
            }
        }
        Ok(_) => {
            tracing::error!("control did not answer for every resource");
            fail(responses, places, ErrorCode::RequestTimedOut);
        }
        Err(error) => fail(responses, places, error),
    }
    if !validate_only {
        // Whoever asks this gateway next sees the change. Others hear of it in a moment.
        drop(context.catalogue.refresh().await);
    }
}

fn fail(responses: &mut [AlterConfigsResourceResponse], places: &[usize], error: ErrorCode) {
    places.iter().for_each(|place| responses[*place].error_code = error.code());
}

/// Resources that are named more than once. Kafka refuses all of them.
fn repeated(resources: &[AlterConfigsResource]) -> HashSet<(i8, StrBytes)> {
    let mut seen = HashSet::new();
    let named = resources.iter().map(|r| (r.resource_type, r.resource_name.clone()));
    named.filter(|resource| !seen.insert(resource.clone())).collect()
}

/// Whether control may be asked about a resource, or, where it is none of its business, whether
/// nothing is left to be done.
fn judge(
    context: &Context,
    wanted: &AlterConfigsResource,
    place: usize,
    repeated: &HashSet<(i8, StrBytes)>,
) -> Result<(), (ErrorCode, String)> {
    if repeated.contains(&(wanted.resource_type, wanted.resource_name.clone())) {
        let text = "Each resource must appear at most once.";
        return Err((ErrorCode::InvalidRequest, text.to_owned()));
    }
    if place >= CONFIG_RESOURCES_MAX {
        let text = format!("A request may change at most {CONFIG_RESOURCES_MAX} resources.");
        return Err((ErrorCode::PolicyViolation, text));
    }
    authorise(context, AclOperation::AlterConfigs, wanted.resource_type, &wanted.resource_name)?;
    match wanted.resource_type {
        resource::TOPIC | resource::GROUP => Ok(()),
        resource::BROKER => {
            let name = wanted.resource_name.as_str();
            if !name.is_empty() {
                broker::check_id(context, name)?;
            }
            let names: Vec<_> = wanted.configs.iter().map(|config| config.name.as_str()).collect();
            if names.is_empty() {
                return Ok(());
            }
            let names: String = names.join(", ").chars().take(ECHO_CHARS_MAX).collect();
            let text = format!("Cannot update these configs dynamically: {names}");
            Err((ErrorCode::InvalidRequest, text))
        }
        other => Err((ErrorCode::InvalidRequest, unsupported(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_taken_back_but_for_the_front() {
        let set = alter_configs_request::AlterableConfig::default()
            .with_name(StrBytes::from_static_str("retention.ms"))
            .with_value(Some(StrBytes::from_static_str("5")));
        let wanted = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(resource::TOPIC)
            .with_configs(vec![set]);
        let changes = instead(wanted.clone()).configs;
        assert_eq!(changes.len(), TOPIC_CONFIGS.len() - 1);
        assert_eq!(changes[0].config_operation, operation::SET);
        assert_eq!(changes[0].value.as_deref(), Some("5"));
        let deleted = &changes[1..];
        assert!(deleted.iter().all(|change| change.config_operation == operation::DELETE));
        let names = ["retention.ms", FRONT];
        assert!(deleted.iter().all(|change| !names.contains(&change.name.as_str())));
        let of_broker = instead(wanted.with_resource_type(resource::BROKER));
        assert_eq!(of_broker.configs.len(), 1);
    }
}
