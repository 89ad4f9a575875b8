//! A group's configs as DescribeConfigs shows them.

use metadata::model::Record;
use metadata::settings::SettingKind;
use metadata::settings::group::{GROUP_CONFIGS, GroupConfig, GroupRecord};
use metadata::topic_config::ConfigKind;
use protocol::StrBytes;
use protocol::messages::describe_configs_response::DescribeConfigsResourceResult;

use super::{Detail, kind, source, synonym};
use crate::context::Context;

pub(super) fn configs(
    context: &Context,
    group: &str,
    detail: Detail,
) -> Vec<DescribeConfigsResourceResult> {
    let settings = context.catalogue.settings(SettingKind::Group);
    let set = settings.entries.get(group).and_then(|value| {
        let read = GroupRecord::decode(value);
        read.inspect_err(|error| tracing::error!(%error, "configs of a group cannot be read")).ok()
    });
    let set = set.unwrap_or_default();
    GROUP_CONFIGS.iter().map(|config| shown(&set, config, detail)).collect()
}

fn shown(set: &GroupRecord, config: &GroupConfig, detail: Detail) -> DescribeConfigsResourceResult {
    let own = set.configs.get(config.name);
    // As Apache Kafka, which does not name the broker's config behind it.
    let synonyms =
        own.filter(|_| detail.synonyms).map(|set| synonym(config.name, set, source::GROUP));
    let in_force = own.cloned().unwrap_or_else(|| config.default.to_string());
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(config.name))
        .with_value(Some(StrBytes::from_string(in_force)))
        .with_config_source(if own.is_some() { source::GROUP } else { source::DEFAULT })
        .with_config_type(kind(ConfigKind::Int))
        .with_synonyms(synonyms.into_iter().collect())
        .with_documentation(detail.documentation.then(|| StrBytes::from_static_str(config.doc)))
}
