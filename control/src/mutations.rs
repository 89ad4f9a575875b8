//! How fast clients may create and delete partitions (KIP-599). Kept here and not in the gateways:
//! only the leader changes the catalogue, so it sees all of it, and what a request costs is known
//! once it is planned.
//!
//! Clients of newer versions are refused what is above their quota, topic by topic. Older ones would
//! not understand; what they ask for is done, and then they wait.

use std::collections::HashMap;
use std::time::Duration;

use metadata::settings::quota::{QuotaEntity, QuotaKey, Table};
use protocol::ids::TenantId;
use quota::Bucket;
use tokio::time::Instant;

use crate::limits::MUTATION_QUOTAS_MAX;

/// What is left of every quota.
#[derive(Debug)]
pub(crate) struct Mutations {
    began: Instant,
    buckets: HashMap<(TenantId, QuotaEntity), Bucket>,
}

/// Who changes something, and whether it can be refused a part of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mutator<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) user: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) strict: bool,
}

/// Which changes of a request may happen, in their order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    allowed: Vec<bool>,
    /// How long the client should wait before it asks again.
    pub(crate) wait: Duration,
}

// === impl Mutations ===

impl Default for Mutations {
    fn default() -> Self {
        Self { began: Instant::now(), buckets: HashMap::new() }
    }
}

impl Mutations {
    /// Charges changes of so many partitions each.
    pub(crate) fn admit(
        &mut self,
        table: &Table,
        mutator: Mutator<'_>,
        partitions: impl Iterator<Item = i32>,
    ) -> Admitted {
        let now = self.began.elapsed();
        if self.buckets.len() > MUTATION_QUOTAS_MAX {
            self.buckets.retain(|_, bucket| !bucket.is_idle(now));
        }
        let key = QuotaKey::ControllerMutationRate;
        let user = mutator.user.strip_prefix("User:").unwrap_or(mutator.user);
        let own = table.of_client(key, user, mutator.client_id);
        let of_tenant = table.of_tenant(key).map(|rate| (QuotaEntity::tenant(), rate));
        let limits: Vec<_> = own.into_iter().chain(of_tenant).collect();
        let mut admitted = Admitted { allowed: Vec::new(), wait: Duration::ZERO };
        for partitions in partitions {
            let owed = self.owed(mutator.tenant, &limits, now);
            let allowed = !mutator.strict || owed.is_zero();
            if allowed {
                self.charge(mutator.tenant, &limits, f64::from(partitions), now);
            } else {
                admitted.wait = admitted.wait.max(owed);
            }
            admitted.allowed.push(allowed);
        }
        if !mutator.strict {
            admitted.wait = self.owed(mutator.tenant, &limits, now);
        }
        admitted
    }

    fn owed(&mut self, tenant: TenantId, limits: &[(QuotaEntity, f64)], now: Duration) -> Duration {
        let waits = limits.iter().map(|(entity, rate)| {
            let bucket = self.bucket(tenant, entity, *rate, now);
            let last = bucket.last();
            bucket.wait(last, now)
        });
        waits.max().unwrap_or_default()
    }

    fn charge(
        &mut self,
        tenant: TenantId,
        limits: &[(QuotaEntity, f64)],
        units: f64,
        now: Duration,
    ) {
        for (entity, rate) in limits {
            self.bucket(tenant, entity, *rate, now).charge(units, now);
        }
    }

    fn bucket(
        &mut self,
        tenant: TenantId,
        entity: &QuotaEntity,
        rate: f64,
        now: Duration,
    ) -> &mut Bucket {
        let key = (tenant, entity.clone());
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket::new(rate, now));
        bucket.set_rate(rate, now);
        bucket
    }
}

// === impl Admitted ===

impl Admitted {
    /// The changes that may happen; the others are handed to `refuse`.
    pub(crate) fn keep<T>(&self, changes: Vec<T>, mut refuse: impl FnMut(&T)) -> Vec<T> {
        let mut allowed = self.allowed.iter();
        let keeps = |change: &T| {
            let keeps = allowed.next().copied().unwrap_or(true);
            if !keeps {
                refuse(change);
            }
            keeps
        };
        changes.into_iter().filter(keeps).collect()
    }

    /// The wait, as answers say it.
    pub(crate) fn throttle_time_ms(&self) -> i32 {
        i32::try_from(self.wait.as_millis()).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use metadata::model::Record;
    use metadata::settings::Settings;
    use metadata::settings::quota::QuotaRecord;
    use tokio::time::advance;

    use super::*;

    fn table(quotas: &[(&str, f64)]) -> Table {
        let entries = quotas.iter().map(|(name, rate)| {
            let values = BTreeMap::from([(QuotaKey::ControllerMutationRate, *rate)]);
            ((*name).to_owned(), QuotaRecord { values }.encode())
        });
        Table::new(&Settings { revision: 1, entries: entries.collect() })
    }

    fn mutator(user: &str, strict: bool) -> Mutator<'_> {
        Mutator { tenant: TenantId(1), user, client_id: "c", strict }
    }

    #[tokio::test(start_paused = true)]
    async fn newer_clients_are_refused_what_is_above_their_quota() {
        let (mut mutations, table) = (Mutations::default(), table(&[("user=a", 2.0)]));
        let admitted = mutations.admit(&table, mutator("User:a", true), [5, 1, 1].into_iter());
        assert_eq!(admitted.allowed, [true, false, false], "the first overdraws");
        assert_eq!(admitted.wait, Duration::from_secs(2));
        let mut refused = Vec::new();
        assert_eq!(admitted.keep(vec!["x", "y", "z"], |name| refused.push(*name)), ["x"]);
        assert_eq!(refused, ["y", "z"]);
        let other = mutations.admit(&table, mutator("User:b", true), [50].into_iter());
        assert_eq!(other, Admitted { allowed: vec![true], wait: Duration::ZERO });
        advance(Duration::from_secs(2)).await;
        let admitted = mutations.admit(&table, mutator("User:a", true), [1].into_iter());
        assert_eq!(admitted.allowed, [true]);
    }

    #[tokio::test(start_paused = true)]
    async fn older_clients_have_it_done_and_wait() {
        let (mut mutations, table) = (Mutations::default(), table(&[("tenant=<default>", 2.0)]));
        let admitted = mutations.admit(&table, mutator("User:a", false), [5, 2].into_iter());
        assert_eq!(admitted.allowed, [true, true]);
        assert_eq!(admitted.throttle_time_ms(), 3_000);
        let other = mutations.admit(&table, mutator("User:b", true), [1].into_iter());
        assert_eq!(other.allowed, [false], "the tenant is one");
    }
}
