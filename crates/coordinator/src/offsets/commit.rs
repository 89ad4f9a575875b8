//! OffsetCommit: who may commit, and what is kept.

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use super::topic_of;
use crate::command::{Caller, Outputs, Reply};
use crate::coordinator::Coordinator;
use crate::limits::TEXT_BYTES_MAX;
use crate::owned::owned;
use crate::record::{CommittedOffset, GroupKey, Record, TopicPartition};

pub(super) type Commits = Vec<(TopicPartition, CommittedOffset)>;

impl Coordinator {
    pub(crate) fn offset_commit(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &OffsetCommitRequest,
        version: i16,
        out: &mut Outputs,
    ) {
        let allowed = self.check_commit(now_ms, caller, request, version, out);
        let mut commits = Commits::new();
        let topics = request.topics.iter().map(|topic| match allowed {
            Ok(()) => self.commit_topic(now_ms, topic, &mut commits),
            Err(code) => topic_response(topic, |_| code),
        });
        let response = OffsetCommitResponse::default().with_topics(topics.collect());
        let group = GroupKey { tenant: caller.tenant, group: owned(&request.group_id) };
        for record in Record::offsets_committed(&group, commits) {
            self.emit(record, out);
        }
        out.replies.push((caller.token, Reply::OffsetCommit(response)));
    }

    fn check_commit(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &OffsetCommitRequest,
        version: i16,
        out: &mut Outputs,
    ) -> Result<(), ErrorCode> {
        if request.group_id.len() > TEXT_BYTES_MAX {
            return Err(ErrorCode::InvalidGroupId);
        }
        let generation = request.generation_id_or_member_epoch;
        let key = GroupKey { tenant: caller.tenant, group: request.group_id.0.clone() };
        if generation >= 0 && !self.knows_group(&key) {
            return Err(ErrorCode::GroupIdNotFound);
        }
        if let Some(group) = self.consumer(&key) {
            return group.check_commit(&request.member_id, generation, version);
        }
        self.on_group(now_ms, caller, &request.group_id, out, |group, fx| {
            let instance_id = request.group_instance_id.as_ref();
            group.check_commit(&request.member_id, instance_id, generation, fx)
        })
    }

    fn commit_topic(
        &self,
        now_ms: i64,
        topic: &OffsetCommitRequestTopic,
        commits: &mut Commits,
    ) -> OffsetCommitResponseTopic {
        let id = topic_of(topic.topic_id, &topic.name);
        topic_response(topic, |partition| {
            let metadata = partition.committed_metadata.as_ref();
            let Some(topic) = id else { return ErrorCode::UnknownTopicOrPartition };
            if metadata.is_some_and(|text| self.is_too_long(text)) {
                return ErrorCode::OffsetMetadataTooLarge;
            }
            let (offset, epoch) = (partition.committed_offset, partition.committed_leader_epoch);
            let committed = committed_offset(offset, epoch, metadata, now_ms);
            commits.push((TopicPartition { topic, index: partition.partition_index }, committed));
            ErrorCode::None
        })
    }

    pub(super) fn knows_group(&self, key: &GroupKey) -> bool {
        self.groups.contains_key(key) || self.ledger.get(key).is_some()
    }

    pub(super) fn is_too_long(&self, metadata: &StrBytes) -> bool {
        let max = self.config.offset_metadata_max;
        metadata.len() > max && metadata.encode_utf16().count() > max
    }
}

/// The offset as it is kept.
pub(super) fn committed_offset(
    offset: i64,
    leader_epoch: i32,
    metadata: Option<&StrBytes>,
    now_ms: i64,
) -> CommittedOffset {
    CommittedOffset {
        offset,
        leader_epoch: leader_epoch.max(-1),
        // A client that sends null reads back an empty text, as from Kafka.
        metadata: metadata.map(owned).unwrap_or_default(),
        committed_at_ms: now_ms,
    }
}

fn topic_response(
    topic: &OffsetCommitRequestTopic,
    mut outcome: impl FnMut(&OffsetCommitRequestPartition) -> ErrorCode,
) -> OffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().map(|partition| {
        OffsetCommitResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(outcome(partition).code())
    });
    OffsetCommitResponseTopic::default()
        .with_name(topic.name.clone())
        .with_topic_id(topic.topic_id)
        .with_partitions(partitions.collect())
}
