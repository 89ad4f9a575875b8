//! A topic's configs as DescribeConfigs shows them.

use metadata::Topic;
use metadata::topic_config::{FRONT, TOPIC_CONFIGS, TopicConfig, broker_config};
use protocol::StrBytes;
use protocol::messages::describe_configs_response::DescribeConfigsResourceResult;

use super::{Detail, kind, source, synonym};

pub(super) fn configs(topic: &Topic, detail: Detail) -> Vec<DescribeConfigsResourceResult> {
    TOPIC_CONFIGS.iter().map(|config| shown(topic, config, detail)).collect()
}

fn shown(topic: &Topic, config: &TopicConfig, detail: Detail) -> DescribeConfigsResourceResult {
    let set = topic.record.configs.get(config.name);
    let in_force = set.map_or(config.default, String::as_str);
    let mut synonyms = Vec::new();
    if detail.synonyms {
        synonyms.extend(set.map(|value| synonym(config.name, value, source::TOPIC)));
        let of_brokers = broker_config(config.name);
        synonyms.extend(of_brokers.map(|name| synonym(name, config.default, source::DEFAULT)));
    }
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(config.name))
        .with_value(Some(StrBytes::from_string(in_force.to_owned())))
        .with_read_only(config.name == FRONT)
        .with_config_source(if set.is_some() { source::TOPIC } else { source::DEFAULT })
        .with_config_type(kind(config.kind))
        .with_synonyms(synonyms)
        .with_documentation(detail.documentation.then(|| StrBytes::from_static_str(config.doc)))
}
