//! Every topic config of Kafka 4.x, and our own `thermocline.front`: name, type, default, legal
//! values and what it does here.
//!
//! One table serves all sides: control validates what is set, gateways answer DescribeConfigs, and
//! `docs/topic-configs.md` is made of it. Kafka refuses unknown names and so do we; a config that is
//! accepted and has no effect says so in its doc.

mod page;
mod synonyms;
mod table;

use std::collections::BTreeMap;
use std::fmt;

use crate::limits::CONFIG_VALUE_BYTES_MAX;

pub use page::topic_configs_markdown;
pub use synonyms::broker_config;
pub use table::TOPIC_CONFIGS;

/// Our own config: which front a topic's records are acknowledged by. Set at creation for good.
pub const FRONT: &str = "thermocline.front";

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

/// Checks everything that is set on a topic, also against each other, and returns it as it is to be
/// stored: whoever reads a config later reads its plain spelling.
pub fn validated(
    set: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, TopicConfigError> {
    let plain = set.iter().map(|(name, value)| {
        let config = validate(name, value)?;
        Ok((name.clone(), config.plain(value)))
    });
    let plain: BTreeMap<_, _> = plain.collect::<Result<_, _>>()?;
    let lag = |name| effective(&plain, name).and_then(|value| value.parse::<i64>().ok());
    let (least, most) = (lag("min.compaction.lag.ms"), lag("max.compaction.lag.ms"));
    if least > most {
        let config = find("min.compaction.lag.ms").expect("the table has it");
        let value = plain.get(config.name).map_or(config.default, String::as_str);
        return Err(config.refuse(value, "more than max.compaction.lag.ms".to_owned()));
    }
    Ok(plain)
}

/// Checks one name and value.
pub fn validate(name: &str, value: &str) -> Result<&'static TopicConfig, TopicConfigError> {
    let config = find(name).ok_or_else(|| TopicConfigError::Unknown(shorten(name)))?;
    if value.len() > CONFIG_VALUE_BYTES_MAX {
        let reason = format!("must be at most {CONFIG_VALUE_BYTES_MAX} bytes");
        return Err(config.refuse(value, reason));
    }
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
        let fits = match self.valid {
            Valid::Any => true,
            Valid::AtLeast(least) => number() >= least,
            Valid::Between(least, most) => (least..=most).contains(&number()),
            Valid::Ratio => value.parse().is_ok_and(|r: f64| (0.0..=1.0).contains(&r)),
            Valid::OneOf(words) => words.contains(&value),
            Valid::EachOf(words) => elements(value).all(|word| words.contains(&word)),
            Valid::Only(word) => word == value,
        };
        if fits { Ok(()) } else { Err(self.refuse(value, self.valid.to_string())) }
    }

    /// A legal value in its plain spelling, which is also how Kafka shows it.
    fn plain(&self, value: &str) -> String {
        let value = value.trim();
        match self.kind {
            ConfigKind::Boolean => value.to_ascii_lowercase(),
            ConfigKind::Int | ConfigKind::Long => {
                value.parse::<i64>().map_or_else(|_| value.to_owned(), |number| number.to_string())
            }
            ConfigKind::Double | ConfigKind::String => value.to_owned(),
            ConfigKind::List => elements(value).collect::<Vec<_>>().join(","),
        }
    }

    fn refuse(&self, value: &str, reason: String) -> TopicConfigError {
        TopicConfigError::Invalid { name: self.name, value: shorten(value), reason }
    }
}

/// The elements of a list, without the blanks between them. An empty list has none.
pub fn elements(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|element| !element.is_empty())
}

impl fmt::Display for Valid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("anything"),
            Self::AtLeast(least) => write!(f, "must be at least {least}"),
            Self::Between(least, most) => write!(f, "must be between {least} and {most}"),
            Self::Ratio => f.write_str("must be between 0 and 1"),
            Self::OneOf(words) | Self::EachOf(words) => {
                write!(f, "must be of: {}", words.join(", "))
            }
            Self::Only(word) => write!(f, "this cluster supports only {word}"),
        }
    }
}

/// Client text in answers and logs is bounded (R66).
fn shorten(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests;
