//! Configs: shown with where they come from, changed by control, and known here at once.

use std::collections::BTreeMap;

use protocol::ErrorCode;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest, alter_configs_request, incremental_alter_configs_request,
};

use crate::support::{Client, Cluster, text};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn configs(kind: i8, resource: &str, keys: Option<&[&str]>) -> DescribeConfigsRequest {
    let keys = keys.map(|keys| keys.iter().map(|key| text(key)).collect());
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(resource))
        .with_configuration_keys(keys);
    DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true)
}

#[tokio::test]
async fn a_topics_configs_say_where_they_come_from() {
    let cluster = Cluster::start().await;
    // The fake control sets retention.ms to 1000 on every topic.
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let all = client.call(4, configs(2, "orders", None)).await.results.remove(0);
    assert_eq!(all.error_code, 0);
    assert_eq!(all.configs.len(), metadata::topic_config::TOPIC_CONFIGS.len());
    let of = |name: &str| all.configs.iter().find(|config| config.name.as_str() == name).unwrap();
    let value = |name: &str| of(name).value.as_ref().unwrap().to_string();
    let set = of("retention.ms");
    assert_eq!((value("retention.ms").as_str(), set.config_source), ("1000", 1));
    let synonyms = |name: &str| -> Vec<_> {
        let synonyms = of(name).synonyms.iter();
        synonyms
            .map(|s| (s.name.to_string(), s.value.as_ref().unwrap().to_string(), s.source))
            .collect()
    };
    assert_eq!(synonyms("retention.ms"), [("retention.ms".to_owned(), "1000".to_owned(), 1)]);
    let of_brokers = ("log.cleanup.policy".to_owned(), "delete".to_owned(), 5);
    assert_eq!(synonyms("cleanup.policy"), [of_brokers]);
    let default = of("cleanup.policy");
    assert_eq!((value("cleanup.policy").as_str(), default.config_source), ("delete", 5));

    let one = configs(2, "orders", Some(&["max.message.bytes", "no.such"]));
    let one = client.call(1, one).await.results.remove(0);
    assert_eq!(one.configs.len(), 1);
    let unknown = client.call(4, configs(2, "nothing", None)).await.results.remove(0);
    assert_eq!(unknown.error_code, ErrorCode::UnknownTopicOrPartition.code());
}

#[tokio::test]
async fn a_gateways_configs_are_facts() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(3).await;
    let mut client = gateway.client().await;
    let shown = client.call(4, configs(4, "3", None)).await.results.remove(0);
    let facts: BTreeMap<_, _> = shown
        .configs
        .iter()
        .map(|config| (config.name.to_string(), config.value.as_ref().unwrap().to_string()))
        .collect();
    assert_eq!(facts["broker.id"], "3");
    assert_eq!(facts["auto.create.topics.enable"], "true");
    assert!(shown.configs.iter().all(|config| config.read_only));
    assert_eq!(facts["message.max.bytes"], "1048588", "what topics are created with");
    let all = client.call(4, configs(4, "", None)).await.results.remove(0);
    assert_eq!((all.error_code, all.configs.len()), (0, 0), "nothing was set for all brokers");
    for (kind, resource) in [(4, "99"), (4, "x"), (8, "3"), (32, ""), (3, "")] {
        let refused = client.call(4, configs(kind, resource, None)).await.results.remove(0);
        assert_eq!(refused.error_code, ErrorCode::InvalidRequest.code());
    }
}

#[tokio::test]
async fn what_is_set_on_a_group_is_shown_beside_the_default() {
    let cluster = Cluster::start().await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let name = "consumer.session.timeout.ms";
    let set = client.call(1, change(&[(32, "g")], name, Some("50000"))).await;
    assert_eq!(set.responses[0].error_code, 0);
    let shown = client.call(4, configs(32, "g", None)).await.results.remove(0);
    let shown: Vec<_> = shown
        .configs
        .iter()
        .map(|c| (c.name.as_str(), c.value.as_deref().unwrap(), c.config_source))
        .collect();
    assert_eq!(shown, [("consumer.heartbeat.interval.ms", "5000", 5), (name, "50000", 8)]);
    let groups = ListConfigResourcesRequest::default().with_resource_types(vec![32]);
    let listed = client.call(1, groups).await.config_resources;
    assert_eq!((listed.len(), listed[0].resource_name.as_str()), (1, "g"));
}

/// Sets one config to a value, or deletes it, on each of these resources.
pub(crate) fn change(
    resources: &[(i8, &str)],
    name: &str,
    value: Option<&str>,
) -> IncrementalAlterConfigsRequest {
    use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let config = AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(i8::from(value.is_none()))
        .with_value(value.map(text));
    let resources = resources.iter().map(|(kind, resource)| {
        AlterConfigsResource::default()
            .with_resource_type(*kind)
            .with_resource_name(text(resource))
            .with_configs(vec![config.clone()])
    });
    IncrementalAlterConfigsRequest::default().with_resources(resources.collect())
}

/// Sets these configs and no others.
pub(crate) fn replace(topic: &str, configs: &[(&str, &str)]) -> AlterConfigsRequest {
    use alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let configs = configs.iter().map(|(name, value)| {
        AlterableConfig::default().with_name(text(name)).with_value(Some(text(value)))
    });
    let resource = AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(topic))
        .with_configs(configs.collect());
    AlterConfigsRequest::default().with_resources(vec![resource])
}

/// What is set on a topic.
async fn set(client: &mut Client, topic: &str) -> BTreeMap<String, String> {
    let shown = client.call(4, configs(TOPIC, topic, None)).await.results.remove(0);
    let set = shown.configs.into_iter().filter(|config| config.config_source == 1);
    set.map(|config| (config.name.to_string(), config.value.unwrap().to_string())).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_changed_config_is_shown_at_once_where_it_was_changed() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let request = change(&[(TOPIC, "orders")], "segment.ms", Some("7"));
    let changed = client.call(1, request.clone().with_validate_only(true)).await;
    assert_eq!(changed.responses[0].error_code, 0);
    assert_eq!(set(&mut client, "orders").await, pairs(&[("retention.ms", "1000")]));
    let changed = client.call(1, request).await.responses.remove(0);
    assert_eq!((changed.error_code, changed.resource_name.as_str()), (0, "orders"));
    let both = pairs(&[("retention.ms", "1000"), ("segment.ms", "7")]);
    assert_eq!(set(&mut client, "orders").await, both);
    let deleted = client.call(0, change(&[(TOPIC, "orders")], "retention.ms", None)).await;
    assert_eq!(deleted.responses[0].error_code, 0);
    assert_eq!(set(&mut client, "orders").await, pairs(&[("segment.ms", "7")]));
}

#[tokio::test]
async fn alter_configs_takes_back_what_it_does_not_name() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let request = replace("orders", &[("segment.ms", "7"), ("flush.ms", "9")]);
    assert_eq!(client.call(2, request).await.responses[0].error_code, 0);
    let expected = pairs(&[("segment.ms", "7"), ("flush.ms", "9")]);
    assert_eq!(set(&mut client, "orders").await, expected);
    let refused = client.call(0, replace("orders", &[("no.such", "7")])).await;
    assert_eq!(refused.responses[0].error_code, ErrorCode::InvalidConfig.code());
    assert_eq!(client.call(1, replace("orders", &[])).await.responses[0].error_code, 0);
    assert_eq!(set(&mut client, "orders").await, BTreeMap::new());
}

#[tokio::test]
async fn each_resource_is_answered_in_its_place_and_repeated_ones_are_refused() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let resources = [
        (BROKER, "1"),
        (TOPIC, "nothing"),
        (TOPIC, "orders"),
        (8, "group"),
        (BROKER, "2"),
        (BROKER, ""),
    ];
    let answer = client.call(1, change(&resources, "segment.ms", Some("7"))).await.responses;
    let answered: Vec<_> =
        answer.iter().map(|a| (a.resource_type, a.resource_name.as_str())).collect();
    assert_eq!(answered, resources);
    let codes: Vec<_> = answer.iter().map(|a| ErrorCode::from_code(a.error_code)).collect();
    let (invalid, unknown) = (ErrorCode::InvalidRequest, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(codes, [invalid, unknown, ErrorCode::None, invalid, invalid, invalid]);
    let text = answer[0].error_message.as_ref().unwrap();
    assert!(text.contains("segment.ms"), "{text}");

    let twice = [(TOPIC, "orders"), (TOPIC, "orders")];
    let answer = client.call(1, change(&twice, "segment.ms", Some("8"))).await.responses;
    assert!(answer.iter().all(|a| a.error_code == ErrorCode::InvalidRequest.code()));
    assert_eq!(set(&mut client, "orders").await["segment.ms"], "7");
}

#[tokio::test]
async fn resources_with_configs_are_listed() {
    let cluster = Cluster::start().await;
    cluster.topic("orders", &[1]).await;
    let gateway = cluster.gateway(1).await;
    let mut client = gateway.client().await;
    let list =
        |types: &[i8]| ListConfigResourcesRequest::default().with_resource_types(types.to_vec());
    for (types, expected) in [
        (&[][..], &[(TOPIC, "orders"), (BROKER, "1")][..]),
        (&[BROKER], &[(BROKER, "1")]),
        (&[16, 32], &[]),
    ] {
        let answer = client.call(1, list(types)).await;
        let listed: Vec<_> = answer
            .config_resources
            .iter()
            .map(|resource| (resource.resource_type, resource.resource_name.as_str()))
            .collect();
        assert_eq!(listed, expected);
    }
    let unknown = client.call(1, list(&[3])).await;
    assert_eq!(unknown.error_code, ErrorCode::UnsupportedVersion.code());
    assert_eq!(client.call(0, list(&[])).await.config_resources.len(), 0, "clients' metrics only");
}
