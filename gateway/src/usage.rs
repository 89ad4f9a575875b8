//! What each group is given from memory and from the object store, and the plans that it takes.
//!
//! A fetch does not say for which group it is, so a group is the clients of one name on one host, as
//! in the cold readers, which share by it.

use std::collections::HashMap;

use metrics::{Counter, counter, describe_counter};
use parking_lot::RwLock;
use protocol::ids::TenantId;

use crate::context::Context;
use crate::limits::GROUPS_NAMED_MAX;

/// Bytes of records answered, by group and tier.
const GROUP_FETCH_BYTES_TOTAL: &str = "gateway_group_fetch_bytes_total";
/// Plans that were made for cold reads, by the group that needed them first.
const GROUP_PLANS_TOTAL: &str = "gateway_group_plans_total";

/// The name of all groups without series of their own.
const OTHERS: &str = "others";

/// Bytes of one fetch's answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tiers {
    /// From owners.
    pub(crate) hot: usize,
    /// From cold readers.
    pub(crate) cold: usize,
}

/// The counters of all groups that were here.
///
/// Names are the clients' to choose, and a series once made stays: the first groups have series of
/// their own, and all others of a tenant share one (R66).
#[derive(Default)]
pub(crate) struct Usage {
    groups: RwLock<Groups>,
}

#[derive(Default)]
struct Groups {
    /// Few, so looked through in order.
    named: Vec<Group>,
    others: HashMap<TenantId, Counters>,
}

/// The clients of one name on one host.
struct Group {
    tenant: TenantId,
    client_id: String,
    host: String,
    counters: Counters,
}

/// Handles: to look one up at the recorder costs more than to count.
#[derive(Clone)]
struct Counters {
    hot: Counter,
    cold: Counter,
    plans: Counter,
}

/// Describes the metrics of groups.
pub(crate) fn describe() {
    describe_counter!(GROUP_FETCH_BYTES_TOTAL, "bytes of records fetched, by group and tier");
    describe_counter!(
        GROUP_PLANS_TOTAL,
        "plans made for cold reads, by the group that needed them first"
    );
}

// === impl Usage ===

impl Usage {
    /// A fetch was answered.
    pub(crate) fn fetched(&self, context: &Context, bytes: Tiers) {
        if bytes == Tiers::default() {
            return;
        }
        let counters = self.of(context);
        counters.hot.increment(bytes.hot as u64);
        counters.cold.increment(bytes.cold as u64);
    }

    /// A plan was made.
    pub(crate) fn planned(&self, context: &Context) {
        self.of(context).plans.increment(1);
    }

    fn of(&self, context: &Context) -> Counters {
        let (tenant, id, host) = (context.tenant(), &context.client_id, &context.client.host);
        let known = self.groups.read().find(tenant, id, host);
        known.unwrap_or_else(|| self.groups.write().find_or_add(tenant, id, host))
    }
}

impl Groups {
    fn find(&self, tenant: TenantId, client_id: &str, host: &str) -> Option<Counters> {
        let is_it = |group: &&Group| {
            group.tenant == tenant && group.client_id == client_id && group.host == host
        };
        let named = self.named.iter().find(is_it).map(|group| &group.counters);
        let is_full = self.named.len() >= GROUPS_NAMED_MAX;
        named.or_else(|| self.others.get(&tenant).filter(|_| is_full)).cloned()
    }

    fn find_or_add(&mut self, tenant: TenantId, client_id: &str, host: &str) -> Counters {
        if let Some(counters) = self.find(tenant, client_id, host) {
            return counters;
        }
        if self.named.len() >= GROUPS_NAMED_MAX {
            let counters = Counters::new(tenant, OTHERS.to_owned());
            return self.others.entry(tenant).or_insert(counters).clone();
        }
        let counters = Counters::new(tenant, hop::client_name(client_id, host));
        // Copied: the texts of a request keep its whole frame.
        let (client_id, host) = (client_id.to_owned(), host.to_owned());
        self.named.push(Group { tenant, client_id, host, counters: counters.clone() });
        counters
    }
}

// === impl Counters ===

impl Counters {
    fn new(tenant: TenantId, group: String) -> Self {
        let tenant = tenant.0.to_string();
        let bytes = |tier: &'static str| {
            let (tenant, group) = (tenant.clone(), group.clone());
            counter!(
                GROUP_FETCH_BYTES_TOTAL,
                "tenant" => tenant, "group" => group, "tier" => tier
            )
        };
        let (hot, cold) = (bytes("hot"), bytes("cold"));
        let plans = counter!(GROUP_PLANS_TOTAL, "tenant" => tenant, "group" => group);
        Self { hot, cold, plans }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_series_is_bounded_whatever_clients_call_themselves() {
        let mut groups = Groups::default();
        for n in 0..3 * GROUPS_NAMED_MAX {
            for tenant in [TenantId(1), TenantId(2)] {
                groups.find_or_add(tenant, &n.to_string(), "host");
            }
        }
        assert_eq!((groups.named.len(), groups.others.len()), (GROUPS_NAMED_MAX, 2));
        assert!(groups.find(TenantId(2), "7", "host").is_some(), "named");
        assert!(groups.find(TenantId(2), "new", "host").is_some(), "one of the others");
        assert!(groups.find(TenantId(3), "new", "host").is_none(), "a tenant that is new");
    }
}
