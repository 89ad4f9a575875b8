//! The table is well formed, and values are judged as Kafka judges them.

use super::*;

fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_table_is_sorted_and_its_defaults_are_legal() {
    assert!(TOPIC_CONFIGS.is_sorted_by(|a, b| a.name < b.name), "each name once, in order");
    for config in TOPIC_CONFIGS {
        assert!(config.doc.ends_with('.'), "{}", config.name);
        validate(config.name, config.default).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_set_value_goes_before_the_default() {
    let configs = set(&[("retention.ms", "5")]);
    assert_eq!(effective(&configs, "retention.ms"), Some("5"));
    assert_eq!(effective(&configs, "max.message.bytes"), Some("1048588"));
    assert_eq!(effective(&configs, "retention.lightyears"), None);
}

#[test]
fn kafka_s_legal_values_are_accepted() {
    for (name, value) in [
        ("cleanup.policy", "compact"),
        ("cleanup.policy", "compact, delete"),
        ("retention.ms", "-1"),
        ("retention.bytes", "1024"),
        ("compression.type", "producer"),
        ("compression.type", "uncompressed"),
        ("compression.type", "zstd"),
        ("compression.zstd.level", "-131072"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("preallocate", "TRUE"),
        ("message.timestamp.type", "LogAppendTime"),
        ("segment.bytes", " 1048576 "),
    ] {
        assert!(validate(name, value).is_ok(), "{name}={value}");
    }
}

#[test]
fn anything_else_is_refused_with_the_reason() {
    let refused = |name: &str, value: &str| validate(name, value).unwrap_err().to_string();
    assert_eq!(
        refused("retention.lightyears", "1"),
        "Unknown topic config name: retention.lightyears"
    );
    assert_eq!(
        refused("retention.ms", "soon"),
        "Invalid value soon for configuration retention.ms: must be a 64-bit integer"
    );
    assert_eq!(
        refused("retention.ms", "-2"),
        "Invalid value -2 for configuration retention.ms: must be at least -1"
    );
    assert_eq!(
        refused("cleanup.policy", "delete,shred"),
        "Invalid value delete,shred for configuration cleanup.policy: must be of: delete, compact"
    );
    assert!(refused("max.message.bytes", "2147483648").contains("32-bit"));
    assert!(refused("min.cleanable.dirty.ratio", "NaN").contains("number"));
    assert!(refused("compression.type", "brotli").contains("snappy, lz4, zstd"));
    assert!(refused("remote.log.copy.disable", "true").contains("only false"));
}

#[test]
fn compaction_lags_must_leave_a_window() {
    assert!(validated(&set(&[("min.compaction.lag.ms", "10")])).is_ok());
    let crossed = set(&[("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "9")]);
    assert!(validated(&crossed).is_err());
}

#[test]
fn values_are_kept_in_their_plain_spelling() {
    let odd = set(&[
        ("max.message.bytes", " +0100 "),
        ("preallocate", " TRUE"),
        ("cleanup.policy", "compact ,, delete"),
        ("min.cleanable.dirty.ratio", " 0.25 "),
    ]);
    let plain = set(&[
        ("max.message.bytes", "100"),
        ("preallocate", "true"),
        ("cleanup.policy", "compact,delete"),
        ("min.cleanable.dirty.ratio", "0.25"),
    ]);
    assert_eq!(validated(&odd), Ok(plain));
}

#[test]
fn values_are_bounded() {
    let long = "1:2,".repeat(CONFIG_VALUE_BYTES_MAX);
    let text = validate("leader.replication.throttled.replicas", &long).unwrap_err().to_string();
    assert!(text.contains("at most") && text.len() < 300, "{text}");
    let batch = protocol::limits::BATCH_BYTES_MAX;
    assert!(validate("max.message.bytes", &batch.to_string()).is_ok());
    assert!(validate("max.message.bytes", &(batch + 1).to_string()).is_err());
}

#[test]
fn every_synonym_is_of_a_topic_config() {
    let named = TOPIC_CONFIGS.iter().filter(|config| broker_config(config.name).is_some());
    assert_eq!(named.count(), synonyms::BROKER_CONFIGS.len());
    assert!(synonyms::BROKER_CONFIGS.is_sorted());
}

#[test]
fn the_page_of_topic_configs_is_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/topic-configs.md");
    let text = topic_configs_markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("docs can be written");
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == text, "{} is stale: run the test with UPDATE_DOCS=1", path.display());
}

#[test]
fn long_and_odd_client_text_is_shortened() {
    let text = validate(&"x\n".repeat(1000), "1").unwrap_err().to_string();
    assert!(text.len() < 300 && !text.contains('\n'), "{text}");
}
