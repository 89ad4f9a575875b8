//! Every topic config of Kafka 4.x, and our own `thermocline.front`: name, type, default, legal
//! values and what it does here.
//!
//! One table serves both sides: control validates what CreateTopics sets, gateways answer
//! DescribeConfigs. Kafka refuses unknown names and so do we; a config that is accepted and has
//! no effect says so in its doc.

mod table;

use std::collections::BTreeMap;

pub use table::TOPIC_CONFIGS;

/// One topic config.
#[derive(Clone, Copy, Debug)]
pub struct TopicConfig {
    /// Its name, as Kafka spells it.
    pub name: &'static str,
    /// The type that DescribeConfigs shows.
    pub kind: ConfigKind,
    /// The value in force where none is set.
    pub default: &'static str,
    /// What it does, in Thermocline.
    pub doc: &'static str,
    valid: Valid,
}

/// Kafka's config types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKind {
    /// `true` or `false`.
    Boolean,
    /// Free text or one of a few words.
    String,
    /// A 32-bit integer.
    Int,
    /// A 64-bit integer.
    Long,
    /// A decimal number.
    Double,
    /// Words with commas.
    List,
}

/// The legal values of a config.
#[derive(Clone, Copy, Debug)]
enum Valid {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    Ratio,
    OneOf(&'static [&'static str]),
    EachOf(&'static [&'static str]),
    /// Only this value: any other asks for something that is not done, and silently ignoring it
    /// would be worse than refusing.
    Only(&'static str),
}

/// Why a topic's configs are refused. The text goes to the client with INVALID_CONFIG.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicConfigError {
    /// No such config.
    #[error("Unknown topic config name: {0}")]
    Unknown(String),
    /// The value is not legal.
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Invalid {
        /// The config.
        name: &'static str,
        /// The refused value, shortened.
        value: String,
        /// What would be legal.
        reason: String,
    },
}

/// Finds a config by name.
pub fn find(name: &str) -> Option<&'static TopicConfig> {
    TOPIC_CONFIGS.iter().find(|config| config.name == name)
}

/// The value in force: set on the topic, or the default. `None` for an unknown name.
pub fn effective<'a>(set: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    match set.get(name) {
        Some(value) => Some(value),
        None => find(name).map(|config| config.default),
    }
}

/// Checks everything that is set on a topic, also against each other.
pub fn validate_all(set: &BTreeMap<String, String>) -> Result<(), TopicConfigError> {
    for (name, value) in set {
        validate(name, value)?;
    }
    let lag = |name| effective(set, name).and_then(|value| value.trim().parse::<i64>().ok());
    let (least, most) = (lag("min.compaction.lag.ms"), lag("max.compaction.lag.ms"));
    if least > most {
        let config = find("min.compaction.lag.ms").expect("the table has it");
        let value = set.get(config.name).map_or(config.default, String::as_str);
        return Err(config.refuse(value, "more than max.compaction.lag.ms".to_owned()));
    }
    Ok(())
}

/// Checks one name and value.
pub fn validate(name: &str, value: &str) -> Result<&'static TopicConfig, TopicConfigError> {
    let config = find(name).ok_or_else(|| TopicConfigError::Unknown(shorten(name)))?;
    config.check_type(value)?;
    config.check_value(value)?;
    Ok(config)
}

// === impl TopicConfig ===

impl TopicConfig {
    fn check_type(&self, value: &str) -> Result<(), TopicConfigError> {
        let value = value.trim();
        let (fits, wanted) = match self.kind {
            ConfigKind::Boolean => (
                value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
                "true or false",
            ),
            ConfigKind::Int => (value.parse::<i32>().is_ok(), "a 32-bit integer"),
            ConfigKind::Long => (value.parse::<i64>().is_ok(), "a 64-bit integer"),
            ConfigKind::Double => (value.parse::<f64>().is_ok_and(f64::is_finite), "a number"),
            ConfigKind::String | ConfigKind::List => (true, ""),
        };
        if fits { Ok(()) } else { Err(self.refuse(value, format!("must be {wanted}"))) }
    }

    fn check_value(&self, value: &str) -> Result<(), TopicConfigError> {
        let value = value.trim();
        let number = || value.parse::<i64>().unwrap_or(i64::MIN);
        let wanted = match self.valid {
            Valid::Any => return Ok(()),
            Valid::AtLeast(least) if number() >= least => return Ok(()),
            Valid::AtLeast(least) => format!("must be at least {least}"),
            Valid::Between(least, most) if (least..=most).contains(&number()) => return Ok(()),
            Valid::Between(least, most) => format!("must be between {least} and {most}"),
            Valid::Ratio if value.parse().is_ok_and(|r: f64| (0.0..=1.0).contains(&r)) => {
                return Ok(());
            }
            Valid::Ratio => "must be between 0 and 1".to_owned(),
            Valid::OneOf(words) if words.contains(&value) => return Ok(()),
            Valid::EachOf(words) if value.split(',').all(|word| words.contains(&word.trim())) => {
                return Ok(());
            }
            Valid::OneOf(words) | Valid::EachOf(words) => {
                format!("must be of: {}", words.join(", "))
            }
            Valid::Only(word) if word == value => return Ok(()),
            Valid::Only(word) => format!("this cluster supports only {word}"),
        };
        Err(self.refuse(value, wanted))
    }

    fn refuse(&self, value: &str, reason: String) -> TopicConfigError {
        TopicConfigError::Invalid { name: self.name, value: shorten(value), reason }
    }
}

/// Client text in answers and logs is bounded (R66).
fn shorten(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests;
