//! CreatePartitions. Topics only grow: a record's key decides its partition, and its order with
//! it.

use std::collections::HashSet;

use protocol::{
    ErrorCode,
    ids::{TenantId, TopicId},
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse,
        create_partitions_request::CreatePartitionsTopic,
        create_partitions_response::CreatePartitionsTopicResult,
    },
};

use super::{Bounds, Refusal, check_growth, duplicates};
use crate::{catalogue::Catalogue, limits::PARTITIONS_PER_REQUEST_MAX};

/// What to do and what to answer.
pub(crate) struct Plan {
    /// The topics that grow, and to how many partitions.
    pub(crate) topics: Vec<(TopicId, i32)>,
    /// The answer, if that succeeds.
    pub(crate) response: CreatePartitionsResponse,
}

/// Plans a request of one tenant.
pub(crate) fn plan(
    catalogue: &Catalogue,
    bounds: Bounds,
    tenant: TenantId,
    request: &CreatePartitionsRequest,
) -> Plan {
    let repeated = duplicates(request.topics.iter().map(|topic| topic.name.as_str()));
    let mut reported = HashSet::new();
    let mut topics = Vec::new();
    let mut added = 0;
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let name = topic.name.as_str();
        let checked = if repeated.contains_key(name) {
            if !reported.insert(name) {
                continue;
            }
            Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name."))
        } else {
            plan_topic(catalogue, bounds, tenant, topic, added)
        };
        results.push(match checked {
            Ok((id, more)) => {
                topics.push((id, topic.count));
                added += more;
                CreatePartitionsTopicResult::default()
                    .with_name(topic.name.clone())
                    .with_error_message(None)
            }
            Err(refusal) => refused(topic, refusal),
        });
    }
    if request.validate_only {
        topics.clear();
    }
    Plan { topics, response: CreatePartitionsResponse::default().with_results(results) }
}

/// An answer that refuses every topic alike.
pub(crate) fn refuse_all(
    request: &CreatePartitionsRequest,
    refusal: &Refusal,
) -> CreatePartitionsResponse {
    let results = request.topics.iter().map(|topic| refused(topic, refusal.clone()));
    CreatePartitionsResponse::default().with_results(results.collect())
}

/// Turns the successes of an answer into this refusal: their record was not committed.
pub(crate) fn refuse_planned(response: &mut CreatePartitionsResponse, refusal: &Refusal) {
    refuse_named(response, refusal, |_| true);
}

/// The same of those topics only.
pub(crate) fn refuse_named(
    response: &mut CreatePartitionsResponse,
    refusal: &Refusal,
    is_it: impl Fn(&str) -> bool,
) {
    let successes = response.results.iter_mut().filter(|result| result.error_code == 0);
    for result in successes.filter(|result| is_it(&result.name)) {
        result.error_code = refusal.code.code();
        result.error_message = refusal.clone().text();
    }
}

/// The topic and how many partitions it gets in addition.
fn plan_topic(
    catalogue: &Catalogue,
    bounds: Bounds,
    tenant: TenantId,
    topic: &CreatePartitionsTopic,
    added: usize,
) -> Result<(TopicId, usize), Refusal> {
    let name = topic.name.as_str();
    let Some(existing) = catalogue.by_name(tenant, name) else {
        let text = "This server does not host this topic-partition.";
        return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, text));
    };
    let invalid = |text: String| Err(Refusal::new(ErrorCode::InvalidPartitions, text));
    let (now, wanted) = (existing.partitions, topic.count);
    if existing.internal {
        let text = "The topic belongs to the cluster.";
        return Err(Refusal::new(ErrorCode::TopicAuthorizationFailed, text));
    }
    if wanted == now {
        return invalid(format!("Topic already has {now} partition(s)."));
    }
    if wanted < now {
        return invalid(format!(
            "The topic {name} currently has {now} partition(s); {wanted} would not be an increase."
        ));
    }
    if topic.assignments.is_some() {
        let text = "Manual partition assignments are not supported: every gateway serves every \
                    partition, and the cluster places partitions by itself.";
        return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, text));
    }
    check_growth(bounds, catalogue.partition_count() + added, wanted, wanted - now)?;
    let more = usize::try_from(wanted - now).expect("checked to be an increase");
    if added + more > PARTITIONS_PER_REQUEST_MAX {
        let text = format!(
            "Excessively large number of partitions per request: at most \
             {PARTITIONS_PER_REQUEST_MAX}."
        );
        return Err(Refusal::new(ErrorCode::PolicyViolation, text));
    }
    Ok((existing.id, more))
}

fn refused(topic: &CreatePartitionsTopic, refusal: Refusal) -> CreatePartitionsTopicResult {
    CreatePartitionsTopicResult::default()
        .with_name(topic.name.clone())
        .with_error_code(refusal.code.code())
        .with_error_message(refusal.text())
}

#[cfg(test)]
mod tests;
