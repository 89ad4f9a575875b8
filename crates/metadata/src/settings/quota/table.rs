//! One tenant's quotas by whom they limit, in Kafka's order: the most specific one that is set
//! counts, for each key by itself.

use std::collections::{BTreeMap, HashMap};

use super::{EntityType, QuotaEntity, QuotaKey, QuotaRecord};
use crate::model::Record;
use crate::settings::Settings;

/// The quotas of a tenant.
#[derive(Debug, Default)]
pub struct Table {
    /// That of the settings.
    pub revision: u64,
    quotas: HashMap<QuotaEntity, QuotaRecord>,
}

// === impl Table ===

impl Table {
    /// Reads a tenant's settings.
    pub fn new(settings: &Settings) -> Self {
        let quotas = settings.entries.iter().filter_map(|(name, value)| {
            let entity = QuotaEntity::parse(name);
            match (entity, QuotaRecord::decode(value)) {
                (Some(entity), Ok(record)) => Some((entity, record)),
                _ => {
                    tracing::error!(name, "quota cannot be read, and is not kept");
                    None
                }
            }
        });
        Self { revision: settings.revision, quotas: quotas.collect() }
    }

    /// What a client is limited to, and who shares that limit with it: all of its user's clients,
    /// all clients of its name, or those that have both in common. A quota for users without one
    /// of their own is one for each of them.
    pub fn of_client(
        &self,
        key: QuotaKey,
        user: &str,
        client_id: &str,
    ) -> Option<(QuotaEntity, f64)> {
        let both = |user, client_id| QuotaEntity::user_and_client(user, client_id);
        let of_user = |name| QuotaEntity::of(EntityType::User, name);
        let of_client = |name| QuotaEntity::of(EntityType::ClientId, name);
        let (exact_user, exact_client) = (Some(user), Some(client_id));
        let order = [
            (both(exact_user, exact_client), both(exact_user, exact_client)),
            (both(exact_user, None), both(exact_user, exact_client)),
            (of_user(exact_user), of_user(exact_user)),
            (both(None, exact_client), both(exact_user, exact_client)),
            (both(None, None), both(exact_user, exact_client)),
            (of_user(None), of_user(exact_user)),
            (of_client(exact_client), of_client(exact_client)),
            (of_client(None), of_client(exact_client)),
        ];
        order.into_iter().find_map(|(set, shared)| Some((shared, self.value(&set, key)?)))
    }

    /// What those who share a limit are limited to now: the quota of just these names, or one for
    /// names without their own.
    pub fn of_shared(&self, key: QuotaKey, QuotaEntity(shared): &QuotaEntity) -> Option<f64> {
        let mut sets = vec![shared.clone()];
        for kind in [EntityType::ClientId, EntityType::User, EntityType::Ip] {
            if shared.contains_key(&kind) {
                let without = |set: &BTreeMap<_, _>| {
                    let mut set = set.clone();
                    set.insert(kind, None);
                    set
                };
                let more: Vec<_> = sets.iter().map(without).collect();
                sets.extend(more);
            }
        }
        sets.into_iter().find_map(|set| self.value(&QuotaEntity(set), key))
    }

    /// How many connections an address may open per second.
    pub fn of_address(&self, ip: &str) -> Option<f64> {
        let own = QuotaEntity::of(EntityType::Ip, Some(ip));
        let default = QuotaEntity::of(EntityType::Ip, None);
        let key = QuotaKey::ConnectionCreationRate;
        self.value(&own, key).or_else(|| self.value(&default, key))
    }

    /// What the tenant as a whole is limited to.
    pub fn of_tenant(&self, key: QuotaKey) -> Option<f64> {
        self.value(&QuotaEntity::tenant(), key)
    }

    fn value(&self, entity: &QuotaEntity, key: QuotaKey) -> Option<f64> {
        self.quotas.get(entity)?.values.get(&key).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: QuotaKey = QuotaKey::ProducerByteRate;

    fn table(quotas: &[(&str, f64)]) -> Table {
        let entries = quotas.iter().map(|(name, value)| {
            let record = QuotaRecord { values: BTreeMap::from([(KEY, *value)]) };
            ((*name).to_owned(), record.encode())
        });
        Table::new(&Settings { revision: 1, entries: entries.collect() })
    }

    /// Kafka's order of precedence, each line above all that follow.
    const ORDER: [(&str, &str); 8] = [
        ("user=u,client-id=c", "user=u,client-id=c"),
        ("user=u,client-id=<default>", "user=u,client-id=c"),
        ("user=u", "user=u"),
        ("user=<default>,client-id=c", "user=u,client-id=c"),
        ("user=<default>,client-id=<default>", "user=u,client-id=c"),
        ("user=<default>", "user=u"),
        ("client-id=c", "client-id=c"),
        ("client-id=<default>", "client-id=c"),
    ];

    #[test]
    fn the_most_specific_quota_counts_and_is_shared_by_those_it_names() {
        for first in 0..ORDER.len() {
            let quotas: Vec<_> = ORDER[first..]
                .iter()
                .zip(1..)
                .map(|((name, _), n)| (*name, f64::from(n)))
                .collect();
            let (shared, rate) = table(&quotas).of_client(KEY, "u", "c").unwrap();
            assert_eq!((shared.to_string().as_str(), rate), (ORDER[first].1, 1.0));
            assert_eq!(table(&quotas[..1]).of_shared(KEY, &shared), Some(1.0));
            assert_eq!(table(&[("user=v", 1.0)]).of_shared(KEY, &shared), None);
        }
        assert!(table(&[("user=v", 1.0), ("client-id=d", 1.0)]).of_client(KEY, "u", "c").is_none());
    }

    #[test]
    fn a_specific_quota_of_one_key_hides_no_other_key() {
        let mut table = table(&[("user=u", 1.0)]);
        let both = QuotaEntity::user_and_client(Some("u"), Some("c"));
        let values = BTreeMap::from([(QuotaKey::ConsumerByteRate, 2.0)]);
        table.quotas.insert(both, QuotaRecord { values });
        assert_eq!(table.of_client(KEY, "u", "c").unwrap().1, 1.0);
        assert_eq!(table.of_client(QuotaKey::ConsumerByteRate, "u", "c").unwrap().1, 2.0);
    }

    #[test]
    fn an_address_without_a_quota_of_its_own_has_the_default() {
        let mut table = Table::default();
        let values = |rate| BTreeMap::from([(QuotaKey::ConnectionCreationRate, rate)]);
        let mut set = |ip, rate| {
            let entity = QuotaEntity::of(EntityType::Ip, ip);
            table.quotas.insert(entity, QuotaRecord { values: values(rate) });
        };
        set(None, 5.0);
        set(Some("10.0.0.1"), 1.0);
        assert_eq!(table.of_address("10.0.0.1"), Some(1.0));
        assert_eq!(table.of_address("10.0.0.2"), Some(5.0));
    }
}
