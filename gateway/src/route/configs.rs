//! Configs: DescribeConfigs and ListConfigResources. Changing them is in [`alter`].
//!
//! Configs are shown as Kafka shows them: every name there is, the value in force, where it comes
//! from and what it would be otherwise. A topic's stem from the topic or from the defaults, a group's
//! likewise, whether there is such a group or not; a gateway's own are read-only facts that clients
//! look for.

pub(super) mod alter;
mod broker;
mod group;
mod topic;

use metadata::settings::SettingKind;
use metadata::settings::acl::AclOperation;
use metadata::topic_config::ConfigKind;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use protocol::messages::list_config_resources_response::ConfigResource;
use protocol::messages::{
    DescribeConfigsRequest, DescribeConfigsResponse, ListConfigResourcesRequest,
    ListConfigResourcesResponse,
};
use protocol::{ErrorCode, StrBytes};

use super::metadata::is_legal_name;
use crate::authoriser::Resource;
use crate::context::Context;

/// Kafka's `ConfigResource.Type`.
mod resource {
    pub(super) const TOPIC: i8 = 2;
    pub(super) const BROKER: i8 = 4;
    pub(super) const BROKER_LOGGER: i8 = 8;
    pub(super) const CLIENT_METRICS: i8 = 16;
    pub(super) const GROUP: i8 = 32;
}

/// Kafka's `DescribeConfigsResponse.ConfigSource`.
mod source {
    pub(super) const TOPIC: i8 = 1;
    pub(super) const STATIC_BROKER: i8 = 4;
    pub(super) const DEFAULT: i8 = 5;
    pub(super) const GROUP: i8 = 8;
}

/// First version of ListConfigResources that says which types it wants; before, it lists what
/// clients report of themselves.
const TYPES_FROM: i16 = 1;

/// What a client wants to see of each config.
#[derive(Debug, Clone, Copy)]
struct Detail {
    synonyms: bool,
    documentation: bool,
}

pub(super) async fn describe(
    context: Context,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let unsure = |resource: &DescribeConfigsResource| match resource.resource_type {
        resource::TOPIC => context.catalogue.by_name(&resource.resource_name).is_none(),
        // That nothing is set here does not say that nothing is set.
        resource::GROUP => true,
        _ => false,
    };
    if request.resources.iter().any(unsure) {
        // A failure leaves the topics unknown, which is retried by clients.
        drop(context.catalogue.refresh().await);
    }
    let detail =
        Detail { synonyms: request.include_synonyms, documentation: request.include_documentation };
    let results = request.resources.iter().map(|resource| {
        let answer = DescribeConfigsResult::default()
            .with_error_message(None)
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match configs_of(&context, resource, detail) {
            Ok(mut configs) => {
                if let Some(keys) = &resource.configuration_keys {
                    configs.retain(|config| keys.contains(&config.name));
                }
                answer.with_configs(configs)
            }
            Err((code, text)) => answer
                .with_error_code(code.code())
                .with_error_message(Some(StrBytes::from_string(text))),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

/// Every config of a resource.
fn configs_of(
    context: &Context,
    resource: &DescribeConfigsResource,
    detail: Detail,
) -> Result<Vec<DescribeConfigsResourceResult>, (ErrorCode, String)> {
    let name = resource.resource_name.as_str();
    authorise(context, AclOperation::DescribeConfigs, resource.resource_type, name)?;
    match resource.resource_type {
        resource::TOPIC => match context.catalogue.by_name(name) {
            Some(topic) => Ok(topic::configs(&topic, detail)),
            None if is_legal_name(name) => {
                Err((ErrorCode::UnknownTopicOrPartition, "there is no such topic".to_owned()))
            }
            None => Err((ErrorCode::InvalidTopicException, "no legal topic name".to_owned())),
        },
        // The defaults of all brokers that were set while they ran: none.
        resource::BROKER if name.is_empty() => Ok(Vec::new()),
        resource::BROKER => {
            broker::check_id(context, name)?;
            Ok(broker::configs(context, detail))
        }
        resource::GROUP if name.is_empty() => {
            Err((ErrorCode::InvalidRequest, "Group name must not be empty".to_owned()))
        }
        resource::GROUP => Ok(group::configs(context, name, detail)),
        other => Err((ErrorCode::InvalidRequest, unsupported(other))),
    }
}

/// Refuses what may not be done to the configs of a resource.
fn authorise(
    context: &Context,
    operation: AclOperation,
    resource_type: i8,
    name: &str,
) -> Result<(), (ErrorCode, String)> {
    let asked = match resource_type {
        resource::TOPIC => Resource::topic(name),
        resource::GROUP => Resource::group(name),
        // Brokers and their loggers, what clients report, and what there is not.
        _ => Resource::CLUSTER,
    };
    let allowed = context.grants.require(operation, asked);
    allowed.map_err(|error| (error, "Authorization failed.".to_owned()))
}

/// Answers ListConfigResources: what DescribeConfigs knows (KIP-1142).
pub(super) fn list(
    context: &Context,
    request: &ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    const LISTED: [i8; 5] = [
        resource::TOPIC,
        resource::BROKER,
        resource::BROKER_LOGGER,
        resource::CLIENT_METRICS,
        resource::GROUP,
    ];
    let wanted = match request.resource_types.as_slice() {
        _ if context.version < TYPES_FROM => &[resource::CLIENT_METRICS],
        [] => &LISTED[..],
        wanted => wanted,
    };
    if wanted.iter().any(|kind| !LISTED.contains(kind)) {
        let code = ErrorCode::UnsupportedVersion.code();
        return ListConfigResourcesResponse::default().with_error_code(code);
    }
    let listed = |kind, name: String| {
        ConfigResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name))
    };
    let mut resources = Vec::new();
    if wanted.contains(&resource::TOPIC) {
        let topics = context.catalogue.all();
        resources.extend(topics.iter().map(|t| listed(resource::TOPIC, t.name().to_owned())));
    }
    if wanted.contains(&resource::BROKER) {
        let gateways = context.gateways();
        resources
            .extend(gateways.iter().map(|g| listed(resource::BROKER, g.broker_id.to_string())));
    }
    if wanted.contains(&resource::GROUP) {
        let groups = context.catalogue.settings(SettingKind::Group);
        resources.extend(groups.entries.keys().map(|name| listed(resource::GROUP, name.clone())));
    }
    ListConfigResourcesResponse::default().with_config_resources(resources)
}

/// Why nothing can be said of, or done to, a resource of this type.
fn unsupported(resource_type: i8) -> String {
    let what = match resource_type {
        resource::BROKER_LOGGER => "Loggers have",
        resource::CLIENT_METRICS => "Client metrics have",
        _ => return format!("Unknown resource type {resource_type}"),
    };
    format!("{what} no configs in this cluster; topics, groups and brokers have.")
}

fn synonym(name: &str, value: &str, source: i8) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(StrBytes::from_string(name.to_owned()))
        .with_value(Some(StrBytes::from_string(value.to_owned())))
        .with_source(source)
}

/// Kafka's `ConfigDef.Type` numbers in this response.
fn kind(kind: ConfigKind) -> i8 {
    match kind {
        ConfigKind::Boolean => 1,
        ConfigKind::String => 2,
        ConfigKind::Int => 3,
        ConfigKind::Long => 5,
        ConfigKind::Double => 6,
        ConfigKind::List => 7,
    }
}
