//! Configs of topics and brokers.

use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest, alter_configs_request as whole,
    incremental_alter_configs_request as incremental,
};
use protocol::{ErrorCode, StrBytes};

use super::world::{World, is, text};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SET: i8 = 0;
/// First versions with the documentation of configs, and with other resources than client metrics.
const DOCUMENTED: i16 = 3;
const ANY_RESOURCE: i16 = 1;

pub(super) fn describe(world: &mut World, version: i16) {
    let topic = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(world.filled.name.0.clone())
        .with_configuration_keys(Some(vec![text("max.message.bytes")]));
    let broker = DescribeConfigsResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(text("1"))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![topic, broker])
        .with_include_synonyms(true)
        .with_include_documentation(version >= DOCUMENTED);
    let answer = world.wire.ask(version, &request);
    let [topic, broker] = &answer.results[..] else { panic!("{answer:?}") };
    is(ErrorCode::None, topic.error_code);
    let [config] = &topic.configs[..] else { panic!("{topic:?}") };
    assert_eq!(config.name.as_str(), "max.message.bytes");
    assert_eq!(config.value.as_deref(), Some("1048588"));
    assert_eq!(config.synonyms[0].name.as_str(), "message.max.bytes");
    let documentation = config.documentation.as_deref().unwrap_or_default();
    assert_eq!(!documentation.is_empty(), version >= DOCUMENTED);
    is(ErrorCode::None, broker.error_code);
    assert!(broker.configs.len() > 1);
}

/// What a topic's `retention.ms` is.
fn retention(world: &mut World, topic: &StrBytes) -> Option<StrBytes> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(topic.clone())
        .with_configuration_keys(Some(vec![text("retention.ms")]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    world.wire.ask(4, &request).results.remove(0).configs.remove(0).value
}

pub(super) fn alter(world: &mut World, version: i16) {
    let topic = world.topic(&format!("altered-{version}")).name.0;
    let config = whole::AlterableConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("7000000")));
    let resource = whole::AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(topic.clone())
        .with_configs(vec![config]);
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    is(ErrorCode::None, world.wire.ask(version, &request).responses[0].error_code);
    assert_eq!(retention(world, &topic).as_deref(), Some("7000000"));
}

pub(super) fn alter_incrementally(world: &mut World, version: i16) {
    let topic = world.topic(&format!("changed-{version}")).name.0;
    let config = |value| {
        incremental::AlterableConfig::default()
            .with_name(text("retention.ms"))
            .with_config_operation(SET)
            .with_value(Some(text(value)))
    };
    let request = |value| {
        let resource = incremental::AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(topic.clone())
            .with_configs(vec![config(value)]);
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
    };
    let done = world.wire.ask(version, &request("8000000"));
    is(ErrorCode::None, done.responses[0].error_code);
    assert_eq!(retention(world, &topic).as_deref(), Some("8000000"));
    let refused = world.wire.ask(version, &request("soon"));
    is(ErrorCode::InvalidConfig, refused.responses[0].error_code);
}

pub(super) fn list(world: &mut World, version: i16) {
    let types = if version >= ANY_RESOURCE { vec![TOPIC] } else { Vec::new() };
    let request = ListConfigResourcesRequest::default().with_resource_types(types);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    let listed = answer.config_resources.iter().any(|r| r.resource_name == world.filled.name.0);
    // Version 0 asks for client metrics, of which there are none.
    assert_eq!(listed, version >= ANY_RESOURCE);
}
