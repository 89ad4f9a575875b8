//! Requests about topics, planned against the catalogue. Pure: no I/O, no clock.
//!
//! Each API has a `plan`: the record to commit, if anything is to change, and the answer, which
//! is true once the record is committed. Codes and texts are Kafka's.

pub(crate) mod acls;
pub(crate) mod alter_client_quotas;
pub(crate) mod alter_configs;
pub(crate) mod alter_credentials;
pub(crate) mod change_tenant;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_topics;
pub(crate) mod encryption;
pub(crate) mod placement;
pub(crate) mod producer_ids;

use std::collections::{BTreeMap, HashMap};

use protocol::{ErrorCode, StrBytes};

use crate::front_choice::{FrontChoice, Offered};

const MAX_MESSAGE_BYTES: &str = "max.message.bytes";

/// Bounds that the operator sets, by configuration or by the nodes there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The fronts that a topic may ask for.
    pub(crate) offered: Offered,
    pub(crate) default_partitions: i32,
    pub(crate) partitions_per_topic_max: i32,
    pub(crate) partitions_max: usize,
    /// What the tenant is limited to, if it is.
    pub(crate) of_tenant: Option<TenantBound>,
}

/// How many partitions a tenant may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TenantBound {
    pub(crate) most: usize,
    /// How many the cluster has when the tenant has that many and all others what they have now.
    pub(crate) full_at: usize,
}

/// Why one topic of a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The message as the answer carries it.
    pub(crate) fn text(self) -> Option<StrBytes> {
        Some(StrBytes::from_string(self.message))
    }
}

/// Names that a request has more than once. Kafka refuses all of them.
pub(crate) fn duplicates<'a>(names: impl Iterator<Item = &'a str>) -> HashMap<&'a str, usize> {
    let mut counts = HashMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts.retain(|_, count| *count > 1);
    counts
}

/// Whether the nodes can take what `max.message.bytes` would promise. `before` is what was promised
/// already: a topic that has more than its nodes take keeps it until somebody changes it.
pub(crate) fn check_batch_size(
    bounds: Bounds,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    let Some(value) = after.get(MAX_MESSAGE_BYTES) else { return Ok(()) };
    let front = FrontChoice::asked(after).unwrap_or_default();
    let takes = bounds.offered.batch_bytes_max(front);
    let wanted = value.parse::<u64>().expect("configs are validated");
    if wanted <= takes || before.get(MAX_MESSAGE_BYTES) == Some(value) {
        return Ok(());
    }
    let text = format!(
        "Invalid value {value} for configuration {MAX_MESSAGE_BYTES}: the write-ahead logs of this \
         cluster take batches of up to {takes} bytes, a sixteenth of their size at most."
    );
    Err(Refusal::new(ErrorCode::InvalidConfig, text))
}

/// What a larger number of partitions would break.
pub(crate) fn check_growth(
    bounds: Bounds,
    now: usize,
    topic: i32,
    more: i32,
) -> Result<(), Refusal> {
    let most = bounds.partitions_per_topic_max;
    if topic > most {
        let text = format!("A topic may have at most {most} partitions in this cluster.");
        return Err(Refusal::new(ErrorCode::PolicyViolation, text));
    }
    let total = usize::try_from(more).map_or(usize::MAX, |more| now.saturating_add(more));
    if let Some(of_tenant) = bounds.of_tenant.filter(|of_tenant| total > of_tenant.full_at) {
        let text = format!("There may be at most {} partitions.", of_tenant.most);
        return Err(Refusal::new(ErrorCode::PolicyViolation, text));
    }
    if total > bounds.partitions_max {
        let text = format!(
            "The cluster may have at most {} partitions and has {now}.",
            bounds.partitions_max
        );
        return Err(Refusal::new(ErrorCode::PolicyViolation, text));
    }
    Ok(())
}
