//! DescribeConfigs and DescribeCluster.
//!
//! Configs are shown as Kafka shows them: every name there is, the value in force, where it comes
//! from and what it would be otherwise. A topic's stem from the topic or from the defaults; a
//! gateway's own are read-only facts that clients look for.

use metadata::Topic;
use metadata::topic_config::{self, ConfigKind, TOPIC_CONFIGS, TopicConfig};
use protocol::messages::describe_cluster_response::DescribeClusterBroker;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use protocol::messages::{
    BrokerId, DescribeClusterRequest, DescribeClusterResponse, DescribeConfigsRequest,
    DescribeConfigsResponse,
};
use protocol::{ErrorCode, StrBytes};

use super::metadata::{cluster_id, controller, rack};
use crate::context::Context;

/// Kafka's `ConfigResource.Type`.
mod resource {
    pub(super) const TOPIC: i8 = 2;
    pub(super) const BROKER: i8 = 4;
}

/// Kafka's `DescribeConfigsResponse.ConfigSource`.
mod source {
    pub(super) const TOPIC: i8 = 1;
    pub(super) const STATIC_BROKER: i8 = 4;
    pub(super) const DEFAULT: i8 = 5;
}

/// `endpoint_type` of brokers; the other is controllers, which clients cannot reach.
const BROKERS: i8 = 1;

pub(super) async fn configs(
    context: Context,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let unknown = |resource: &DescribeConfigsResource| {
        resource.resource_type == resource::TOPIC
            && context.catalogue.by_name(&resource.resource_name).is_none()
    };
    if request.resources.iter().any(unknown) {
        // A failure leaves the topics unknown, which is retried by clients.
        drop(context.catalogue.refresh().await);
    }
    let detail =
        Detail { synonyms: request.include_synonyms, documentation: request.include_documentation };
    let results = request.resources.iter().map(|resource| describe(&context, resource, detail));
    DescribeConfigsResponse::default().with_results(results.collect())
}

pub(super) fn cluster(
    context: &Context,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    if request.endpoint_type != BROKERS {
        let text = "controllers are not reachable by clients";
        return DescribeClusterResponse::default()
            .with_endpoint_type(request.endpoint_type)
            .with_error_code(ErrorCode::InvalidRequest.code())
            .with_error_message(Some(StrBytes::from_static_str(text)));
    }
    let gateways = context.core.gateways();
    let brokers = gateways.iter().map(|gateway| {
        DescribeClusterBroker::default()
            .with_broker_id(BrokerId(gateway.broker_id.0))
            .with_host(StrBytes::from_string(gateway.host.clone()))
            .with_port(gateway.port.into())
            .with_rack(rack(gateway))
    });
    let operations = if request.include_cluster_authorized_operations {
        context.grants.cluster_operations()
    } else {
        i32::MIN
    };
    DescribeClusterResponse::default()
        .with_cluster_id(cluster_id(context).unwrap_or_default())
        .with_controller_id(controller(&gateways))
        .with_brokers(brokers.collect())
        .with_cluster_authorized_operations(operations)
}

/// What a client wants to see of each config.
#[derive(Debug, Clone, Copy)]
struct Detail {
    synonyms: bool,
    documentation: bool,
}

fn describe(
    context: &Context,
    resource: &DescribeConfigsResource,
    detail: Detail,
) -> DescribeConfigsResult {
    let answer = DescribeConfigsResult::default()
        .with_error_message(None)
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone());
    let wanted = |name: &str| match &resource.configuration_keys {
        None => true,
        Some(keys) => keys.iter().any(|key| key.as_str() == name),
    };
    let refuse = |error: ErrorCode, text: &'static str| {
        answer
            .clone()
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_static_str(text)))
    };
    let configs: Vec<_> = match resource.resource_type {
        resource::TOPIC => match context.catalogue.by_name(&resource.resource_name) {
            Some(topic) => {
                let shown = TOPIC_CONFIGS.iter().filter(|config| wanted(config.name));
                shown.map(|config| of_topic(&topic, config, detail)).collect()
            }
            None => {
                return refuse(ErrorCode::UnknownTopicOrPartition, "there is no such topic");
            }
        },
        resource::BROKER if is_a_broker(context, &resource.resource_name) => {
            let all = of_broker(context).into_iter();
            all.filter(|(name, _)| wanted(name)).map(|(n, v)| fact(n, v, detail)).collect()
        }
        resource::BROKER => {
            return refuse(ErrorCode::InvalidRequest, "there is no such broker");
        }
        _ => return refuse(ErrorCode::InvalidRequest, "only topics and brokers have configs"),
    };
    answer.with_configs(configs)
}

/// A broker's number, or nothing for the defaults of all.
fn is_a_broker(context: &Context, name: &str) -> bool {
    let gateways = context.core.gateways();
    name.is_empty() || gateways.iter().any(|gateway| gateway.broker_id.to_string() == name)
}

fn of_topic(topic: &Topic, config: &TopicConfig, detail: Detail) -> DescribeConfigsResourceResult {
    let set = topic.record.configs.get(config.name);
    let in_force = topic_config::effective(&topic.record.configs, config.name);
    let mut synonyms = Vec::new();
    if let Some(value) = set {
        synonyms.push(synonym(config.name, value, source::TOPIC));
    }
    synonyms.push(synonym(config.name, config.default, source::DEFAULT));
    let source = if set.is_some() { source::TOPIC } else { source::DEFAULT };
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(config.name))
        .with_value(in_force.map(|value| StrBytes::from_string(value.to_owned())))
        .with_config_source(source)
        .with_config_type(kind(config.kind))
        .with_synonyms(if detail.synonyms { synonyms } else { Vec::new() })
        .with_documentation(detail.documentation.then(|| StrBytes::from_static_str(config.doc)))
}

/// What clients look for in a broker's configs.
fn of_broker(context: &Context) -> Vec<(&'static str, String)> {
    let config = &context.core.config;
    let gateway = &context.core.advertised;
    vec![
        ("advertised.listeners", format!("PLAINTEXT://{}:{}", gateway.host, gateway.port)),
        ("auto.create.topics.enable", config.auto_create_topics.to_string()),
        ("broker.id", config.broker_id.to_string()),
        ("broker.rack", gateway.zone.clone()),
        ("connections.max.idle.ms", config.limits.idle_timeout.as_millis().to_string()),
        ("max.connections", config.limits.connections.to_string()),
        ("max.incremental.fetch.session.cache.slots", config.fetch.sessions.to_string()),
        ("node.id", config.broker_id.to_string()),
        ("socket.request.max.bytes", config.limits.request_size.as_u64().to_string()),
    ]
}

fn fact(name: &'static str, value: String, detail: Detail) -> DescribeConfigsResourceResult {
    let synonyms = vec![synonym(name, &value, source::STATIC_BROKER)];
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(name))
        .with_value(Some(StrBytes::from_string(value)))
        .with_read_only(true)
        .with_config_source(source::STATIC_BROKER)
        .with_config_type(kind(ConfigKind::String))
        .with_synonyms(if detail.synonyms { synonyms } else { Vec::new() })
        .with_documentation(None)
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
