//! OffsetFetch: where a group stands.
//!
//! A position nobody committed is -1 without an error, whether the group exists or not (KIP-211):
//! so the client starts where its configuration says. That makes a premature answer dangerous, and
//! the host holds this one until it has proof that it still owns the group (R6, C1).
//!
//! Who asks for stable offsets gets UNSTABLE_OFFSET_COMMIT where a transaction is not over (KIP-447),
//! also where nothing was committed before.

use std::collections::{BTreeMap, BTreeSet};

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TopicId;
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};

use super::topic_of;
use crate::command::{Caller, Outputs, Reply};
use crate::coordinator::Coordinator;
use crate::ledger::GroupLedger;
use crate::record::{GroupKey, TopicPartition};

impl Coordinator {
    pub(crate) fn offset_fetch(
        &self,
        caller: &Caller,
        request: &OffsetFetchRequest,
        out: &mut Outputs,
    ) {
        let stable = request.require_stable;
        let groups = request.groups.iter().map(|group| self.fetch_group(caller, group, stable));
        let response = OffsetFetchResponse::default().with_groups(groups.collect());
        out.replies.push((caller.token, Reply::OffsetFetch(response)));
    }

    fn fetch_group(
        &self,
        caller: &Caller,
        request: &OffsetFetchRequestGroup,
        stable: bool,
    ) -> OffsetFetchResponseGroup {
        let key = GroupKey { tenant: caller.tenant, group: request.group_id.0.clone() };
        if let Some(consumer) = self.consumer(&key)
            && let Err(code) =
                consumer.check_fetch(request.member_id.as_ref(), request.member_epoch)
        {
            return OffsetFetchResponseGroup::default()
                .with_group_id(request.group_id.clone())
                .with_error_code(code.code());
        }
        let ledger = self.ledger.get(&key);
        let topics = match &request.topics {
            Some(topics) => topics.iter().map(|topic| fetch_topic(ledger, topic, stable)).collect(),
            None => ledger.map(|ledger| fetch_all(ledger, stable)).unwrap_or_default(),
        };
        OffsetFetchResponseGroup::default()
            .with_group_id(request.group_id.clone())
            .with_topics(topics)
    }
}

fn fetch_topic(
    ledger: Option<&GroupLedger>,
    request: &OffsetFetchRequestTopics,
    stable: bool,
) -> OffsetFetchResponseTopics {
    let topic = topic_of(request.topic_id, &request.name);
    let partitions = request.partition_indexes.iter().map(|&index| {
        let known = ledger.zip(topic.map(|topic| TopicPartition { topic, index }));
        match known {
            Some((ledger, at)) => fetch_partition(ledger, at, stable),
            None => no_offset(index),
        }
    });
    OffsetFetchResponseTopics::default()
        .with_name(request.name.clone())
        .with_topic_id(request.topic_id)
        .with_partitions(partitions.collect())
}

fn fetch_all(ledger: &GroupLedger, stable: bool) -> Vec<OffsetFetchResponseTopics> {
    let pending = ledger.pending.partitions().filter(|_| stable);
    let known: BTreeSet<TopicPartition> = ledger.offsets.keys().chain(pending).copied().collect();
    let mut topics: BTreeMap<TopicId, Vec<OffsetFetchResponsePartitions>> = BTreeMap::new();
    for at in known {
        topics.entry(at.topic).or_default().push(fetch_partition(ledger, at, stable));
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        OffsetFetchResponseTopics::default()
            .with_name(StrBytes::from(topic.simple_text()).into())
            .with_topic_id(topic.0)
            .with_partitions(partitions)
    });
    topics.collect()
}

fn fetch_partition(
    ledger: &GroupLedger,
    at: TopicPartition,
    stable: bool,
) -> OffsetFetchResponsePartitions {
    if stable && ledger.pending.is_unstable(&at) {
        return no_offset(at.index).with_error_code(ErrorCode::UnstableOffsetCommit.code());
    }
    match ledger.offsets.get(&at) {
        Some(committed) => OffsetFetchResponsePartitions::default()
            .with_partition_index(at.index)
            .with_committed_offset(committed.offset)
            .with_committed_leader_epoch(committed.leader_epoch)
            .with_metadata(Some(committed.metadata.clone())),
        None => no_offset(at.index),
    }
}

fn no_offset(index: i32) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(index)
        .with_committed_offset(-1)
        .with_committed_leader_epoch(-1)
        .with_metadata(Some(StrBytes::new()))
}
