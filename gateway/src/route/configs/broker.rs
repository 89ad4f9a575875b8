//! A gateway's configs as DescribeConfigs shows them: what clients look for in a broker. All are
//! read-only, for they stand in the gateway's file or are what they are.

use metadata::topic_config::ConfigKind::{Boolean, Int, List, Long, String as Text};
use metadata::topic_config::{ConfigKind, TOPIC_CONFIGS, broker_config};
use protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use protocol::{ErrorCode, StrBytes};

use super::{Detail, kind, source, synonym};
use crate::context::Context;

/// One config, and where it comes from.
struct Fact {
    name: &'static str,
    kind: ConfigKind,
    value: String,
    source: i8,
    doc: Option<&'static str>,
}

pub(super) fn configs(context: &Context, detail: Detail) -> Vec<DescribeConfigsResourceResult> {
    let mut facts = of_gateway(context);
    facts.extend(unchangeable());
    facts.extend(defaults_of_topics());
    facts.sort_by_key(|fact| fact.name);
    facts.into_iter().map(|fact| shown(fact, detail)).collect()
}

/// Only this gateway's own: clients send what is about a broker to that broker.
pub(super) fn check_id(context: &Context, name: &str) -> Result<(), (ErrorCode, String)> {
    let own = context.core.own_id().0;
    let text = match name.parse::<i32>() {
        Ok(id) if id == own => return Ok(()),
        Ok(id) => {
            format!("Unexpected broker id, expected {own} or empty string, but received {id}")
        }
        Err(_) => "Broker id must be an integer".to_owned(),
    };
    Err((ErrorCode::InvalidRequest, text))
}

fn of_gateway(context: &Context) -> Vec<Fact> {
    let config = &context.core.config;
    let limits = &config.limits;
    // The client's own only: others may be other tenants'.
    let name = context.client.listener.name();
    let gateways = context.gateways();
    let own_id = context.core.own_id();
    let own = gateways.iter().find(|gateway| gateway.broker_id == own_id);
    let listener = own.map(|own| format!("{name}://{}", own.endpoint)).unwrap_or_default();
    let facts = [
        ("advertised.listeners", List, listener),
        ("auto.create.topics.enable", Boolean, config.auto_create_topics.to_string()),
        ("broker.id", Int, own_id.to_string()),
        ("broker.rack", Text, config.zone.clone()),
        ("connections.max.idle.ms", Long, limits.idle_timeout.as_millis().to_string()),
        ("max.connections", Int, limits.connections.to_string()),
        ("max.incremental.fetch.session.cache.slots", Int, config.fetch.sessions.to_string()),
        ("node.id", Int, own_id.to_string()),
        ("socket.request.max.bytes", Int, limits.request_size.as_u64().to_string()),
    ];
    let fact =
        |(name, kind, value)| Fact { name, kind, value, source: source::STATIC_BROKER, doc: None };
    facts.into_iter().map(fact).collect()
}

/// What is so in every cluster.
fn unchangeable() -> impl Iterator<Item = Fact> {
    let facts =
        [("default.replication.factor", Int, "1"), ("delete.topic.enable", Boolean, "true")];
    facts.into_iter().map(|(name, kind, value)| Fact {
        name,
        kind,
        value: value.to_owned(),
        source: source::DEFAULT,
        doc: None,
    })
}

/// Tools look up here what a topic is created with.
fn defaults_of_topics() -> impl Iterator<Item = Fact> {
    TOPIC_CONFIGS.iter().filter_map(|config| {
        let (value, doc) = (config.default.to_owned(), Some(config.doc));
        let name = broker_config(config.name)?;
        Some(Fact { name, kind: config.kind, value, source: source::DEFAULT, doc })
    })
}

fn shown(fact: Fact, detail: Detail) -> DescribeConfigsResourceResult {
    let synonyms = vec![synonym(fact.name, &fact.value, fact.source)];
    let doc = fact.doc.filter(|_| detail.documentation);
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(fact.name))
        .with_value(Some(StrBytes::from_string(fact.value)))
        .with_read_only(true)
        .with_config_source(fact.source)
        .with_config_type(kind(fact.kind))
        .with_synonyms(if detail.synonyms { synonyms } else { Vec::new() })
        .with_documentation(doc.map(StrBytes::from_static_str))
}
