//! What each group is given from memory and from the object store, and the plans that it takes.
//!
//! A fetch does not say for which group it is, so a group is the clients of one name on one host, as
//! in the cold readers, which share by it.

use metrics::{counter, describe_counter};
use process::admin::{Names, OTHERS};
use protocol::ids::TenantId;

use crate::context::Context;
use crate::limits::GROUPS_NAMED_MAX;

/// Bytes of records answered, by group and tier.
const GROUP_FETCH_BYTES_TOTAL: &str = "gateway_group_fetch_bytes_total";
/// Plans that were made for cold reads, by the group that needed them first.
const GROUP_PLANS_TOTAL: &str = "gateway_group_plans_total";

/// Bytes of one fetch's answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tiers {
    /// From owners.
    pub(crate) hot: usize,
    /// From cold readers.
    pub(crate) cold: usize,
}

/// The groups with series of their own.
#[derive(Debug)]
pub(crate) struct Usage {
    names: Names<(TenantId, String)>,
}

/// Describes the metrics of groups.
pub(crate) fn describe() {
    describe_counter!(GROUP_FETCH_BYTES_TOTAL, "bytes of records fetched, by group and tier");
    describe_counter!(
        GROUP_PLANS_TOTAL,
        "plans made for cold reads, by the group that needed them first"
    );
}

impl Usage {
    pub(crate) fn new() -> Self {
        Self { names: Names::new(GROUPS_NAMED_MAX) }
    }

    /// A fetch was answered.
    pub(crate) fn fetched(&self, context: &Context, bytes: Tiers) {
        if bytes == Tiers::default() {
            return;
        }
        let (tenant, group) = self.series(context);
        for (tier, bytes) in [("hot", bytes.hot), ("cold", bytes.cold)] {
            if bytes > 0 {
                let (tenant, group) = (tenant.clone(), group.clone());
                counter!(
                    GROUP_FETCH_BYTES_TOTAL,
                    "tenant" => tenant, "group" => group, "tier" => tier
                )
                .increment(bytes as u64);
            }
        }
    }

    /// A plan was made.
    pub(crate) fn planned(&self, context: &Context) {
        let (tenant, group) = self.series(context);
        counter!(GROUP_PLANS_TOTAL, "tenant" => tenant, "group" => group).increment(1);
    }

    fn series(&self, context: &Context) -> (String, String) {
        let tenant = context.tenant();
        let group = (tenant, hop::client_name(&context.client_id, &context.client.host));
        let name = if self.names.has(&group) { group.1 } else { OTHERS.to_owned() };
        (tenant.0.to_string(), name)
    }
}
