//! Which quotas a DescribeClientQuotas asks for (KIP-546).

use std::collections::BTreeMap;

use metadata::model::Record;
use metadata::settings::Settings;
use metadata::settings::quota::{EntityType, QuotaEntity, QuotaRecord};
use protocol::messages::DescribeClientQuotasRequest;
use protocol::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use protocol::{ErrorCode, StrBytes};

/// Kafka's `DescribeClientQuotasRequest.MATCH_TYPE`.
mod match_type {
    pub(super) const EXACT: i8 = 0;
    pub(super) const DEFAULT: i8 = 1;
    pub(super) const SPECIFIED: i8 = 2;
}

/// What entities must be like.
#[derive(Debug)]
pub(super) struct Filter {
    parts: BTreeMap<EntityType, Match>,
    /// Whether they must have no other part.
    strict: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Match {
    Exact(String),
    Default,
    /// Named or default.
    Any,
}

// === impl Filter ===

impl Filter {
    /// Reads a request; the errors are Kafka's.
    pub(super) fn new(request: &DescribeClientQuotasRequest) -> Result<Self, (ErrorCode, String)> {
        let invalid = |text: String| Err((ErrorCode::InvalidRequest, text));
        let mut parts = BTreeMap::new();
        for component in &request.components {
            let name = component.entity_type.as_str();
            if name.is_empty() {
                return invalid("Invalid empty entity type.".to_owned());
            }
            // The tenant is not for its clients to see.
            let kind = EntityType::parse(name).filter(|kind| *kind != EntityType::Tenant);
            let Some(kind) = kind else {
                let name: String = name.chars().take(100).collect();
                return Err((
                    ErrorCode::UnsupportedVersion,
                    format!("Unsupported entity type {name}"),
                ));
            };
            let part = match (component.match_type, &component._match) {
                (match_type::EXACT, Some(name)) => Match::Exact(name.to_string()),
                (match_type::DEFAULT, None) => Match::Default,
                (match_type::SPECIFIED, None) => Match::Any,
                (match_type::EXACT, None) => {
                    let text = "Request specified MATCH_TYPE_EXACT, but set match string to null.";
                    return invalid(text.to_owned());
                }
                (match_type::DEFAULT | match_type::SPECIFIED, Some(_)) => {
                    let text = "Request specified no exact match, but also a match string.";
                    return invalid(text.to_owned());
                }
                (unknown, _) => return invalid(format!("Unknown match type {unknown}")),
            };
            if parts.insert(kind, part).is_some() {
                let name = kind.name();
                return invalid(format!(
                    "Entity type {name} cannot appear more than once in the filter."
                ));
            }
        }
        if parts.contains_key(&EntityType::Ip) && parts.len() > 1 {
            let text = "Invalid entity filter component combination. IP filter component should \
                        not be used with user or clientId filter component.";
            return invalid(text.to_owned());
        }
        Ok(Self { parts, strict: request.strict })
    }

    fn admits(&self, QuotaEntity(entity): &QuotaEntity) -> bool {
        let fits = |(kind, wanted): (&EntityType, &Match)| match (entity.get(kind), wanted) {
            (None, _) => false,
            (Some(_), Match::Any) | (Some(None), Match::Default) => true,
            (Some(Some(name)), Match::Exact(wanted)) => name == wanted,
            (Some(_), _) => false,
        };
        let is_tenant = entity.contains_key(&EntityType::Tenant);
        let has_no_more = !self.strict || entity.len() == self.parts.len();
        !is_tenant && has_no_more && self.parts.iter().all(fits)
    }
}

/// The quotas that a filter admits.
pub(super) fn entries(settings: &Settings, filter: &Filter) -> Vec<EntryData> {
    let entries = settings.entries.iter().filter_map(|(name, value)| {
        let entity = QuotaEntity::parse(name).filter(|entity| filter.admits(entity))?;
        let record = QuotaRecord::decode(value).inspect_err(|error| {
            tracing::error!(%entity, %error, "quota cannot be read");
        });
        Some(entry(entity, &record.ok()?))
    });
    entries.collect()
}

fn entry(QuotaEntity(entity): QuotaEntity, record: &QuotaRecord) -> EntryData {
    let parts = entity.into_iter().map(|(kind, name)| {
        EntityData::default()
            .with_entity_type(StrBytes::from_static_str(kind.name()))
            .with_entity_name(name.map(StrBytes::from_string))
    });
    let values = record.values.iter().map(|(key, value)| {
        ValueData::default().with_key(StrBytes::from_static_str(key.name())).with_value(*value)
    });
    EntryData::default().with_entity(parts.collect()).with_values(values.collect())
}

#[cfg(test)]
mod tests {
    use metadata::settings::quota::QuotaKey;
    use protocol::messages::describe_client_quotas_request::ComponentData;

    use super::*;

    fn request(
        components: &[(&str, i8, Option<&str>)],
        strict: bool,
    ) -> DescribeClientQuotasRequest {
        let components = components.iter().map(|&(kind, match_type, name)| {
            ComponentData::default()
                .with_entity_type(StrBytes::from_string(kind.to_owned()))
                .with_match_type(match_type)
                .with_match(name.map(|name| StrBytes::from_string(name.to_owned())))
        });
        DescribeClientQuotasRequest::default()
            .with_components(components.collect())
            .with_strict(strict)
    }

    /// The names of the settings that are found among some of every kind.
    fn found(components: &[(&str, i8, Option<&str>)], strict: bool) -> Vec<String> {
        let value =
            QuotaRecord { values: BTreeMap::from([(QuotaKey::ProducerByteRate, 5.0)]) }.encode();
        let user = |name| QuotaEntity::of(EntityType::User, name);
        let entities = [
            user(Some("a")),
            user(None),
            QuotaEntity::user_and_client(Some("a"), Some("c")),
            QuotaEntity::user_and_client(Some("a"), None),
            QuotaEntity::of(EntityType::ClientId, Some("c")),
            QuotaEntity::of(EntityType::Ip, Some("::1")),
            QuotaEntity::tenant(),
        ];
        let entries = entities.map(|entity| (entity.to_string(), value.clone()));
        let settings = Settings { revision: 1, entries: BTreeMap::from(entries) };
        let filter = Filter::new(&request(components, strict)).unwrap();
        let found = super::entries(&settings, &filter).into_iter().map(|entry| {
            assert_eq!(entry.values[0].value, 5.0);
            let parts = entry.entity.iter();
            let parts = parts.map(|part| (part.entity_type.as_str(), part.entity_name.as_deref()));
            QuotaEntity::checked(parts).unwrap().to_string()
        });
        found.collect()
    }

    #[test]
    fn filters_match_as_kafka_s_do() {
        let of_a = ["user=a", "user=a,client-id=<default>", "user=a,client-id=c"];
        assert_eq!(found(&[("user", 0, Some("a"))], false), of_a);
        assert_eq!(found(&[("user", 0, Some("a"))], true), ["user=a"]);
        assert_eq!(found(&[("user", 1, None)], false), ["user=<default>"]);
        assert_eq!(found(&[("user", 2, None)], true), ["user=<default>", "user=a"]);
        let both = [("user", 2, None), ("client-id", 0, Some("c"))];
        assert_eq!(found(&both, true), ["user=a,client-id=c"]);
        assert_eq!(
            found(&[("client-id", 0, Some("c"))], false),
            ["client-id=c", "user=a,client-id=c"]
        );
        assert_eq!(found(&[("ip", 2, None)], false), ["ip=%3A%3A1"]);
        assert_eq!(found(&[], false).len(), 6, "all but the tenant's");
        assert!(found(&[], true).is_empty(), "nothing has no part");
    }

    #[test]
    fn filters_are_refused_as_kafka_s_are() {
        for (components, code) in [
            (&[("", 0, Some("a"))][..], ErrorCode::InvalidRequest),
            (&[("user", 0, None)], ErrorCode::InvalidRequest),
            (&[("user", 1, Some("a"))], ErrorCode::InvalidRequest),
            (&[("user", 3, None)], ErrorCode::InvalidRequest),
            (&[("user", 1, None), ("user", 2, None)], ErrorCode::InvalidRequest),
            (&[("user", 1, None), ("ip", 2, None)], ErrorCode::InvalidRequest),
            (&[("group", 1, None)], ErrorCode::UnsupportedVersion),
            (&[("tenant", 1, None)], ErrorCode::UnsupportedVersion),
        ] {
            let refused = Filter::new(&request(components, false)).unwrap_err();
            assert_eq!(refused.0, code, "{components:?}");
        }
    }
}
