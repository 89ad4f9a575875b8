//! `docs/topic-configs.md`, generated from the table.

use std::fmt::Write as _;

use super::{ConfigKind, TOPIC_CONFIGS, TopicConfig, Valid};

const INTRODUCTION: &str = "\
# Topic configs

<!-- Generated from crates/metadata/src/topic_config/table.rs. Do not edit;
     run `UPDATE_DOCS=1 cargo test -p metadata --lib topic_config`. -->

Every topic config of Kafka 4.1 is known, with Kafka's type and default. It is set by CreateTopics,
AlterConfigs or IncrementalAlterConfigs, and in force on all gateways and storage nodes within
milliseconds, without a restart. An unknown name, or a value that is not legal, is refused with
INVALID_CONFIG and a message that says which.

What has no meaning on shared storage is accepted and shown again, so that existing tools and
manifests work, and says here that it has no effect. What would ask for something that is not done
is refused instead.

| Config | Type | Default | Legal values | What it does |
|---|---|---|---|---|
";

/// The text of `docs/topic-configs.md`.
pub fn topic_configs_markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for config in TOPIC_CONFIGS {
        let TopicConfig { name, kind, default, doc, valid } = config;
        let default = if default.is_empty() { "" } else { &format!("`{default}`") };
        let (kind, valid) = (type_name(*kind), legal(*valid));
        writeln!(text, "| `{name}` | {kind} | {default} | {valid} | {doc} |")
            .expect("a String grows");
    }
    text
}

fn type_name(kind: ConfigKind) -> &'static str {
    match kind {
        ConfigKind::Boolean => "boolean",
        ConfigKind::String => "string",
        ConfigKind::Int => "int",
        ConfigKind::Long => "long",
        ConfigKind::Double => "double",
        ConfigKind::List => "list",
    }
}

fn legal(valid: Valid) -> String {
    match valid {
        Valid::Any => String::new(),
        Valid::AtLeast(least) => format!("≥ {least}"),
        Valid::Between(least, most) => format!("{least} to {most}"),
        Valid::Ratio => "0 to 1".to_owned(),
        Valid::OneOf(words) => words.join(", "),
        Valid::EachOf(words) => format!("any of {}", words.join(", ")),
        Valid::Only(word) => format!("only `{word}`"),
    }
}
