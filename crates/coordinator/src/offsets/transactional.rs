//! TxnOffsetCommit: offsets that count once the transaction is committed (KIP-98, KIP-447).
//!
//! That the transaction is open, and that its marker will come here, was made sure of by the host,
//! who has asked the transaction's coordinator. Until the marker is there nobody who wants a stable
//! offset gets one (T10).

use protocol::error::ErrorCode;
use protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use super::commit::{Commits, committed_offset};
use super::topic_of;
use crate::command::{Caller, Outputs, Reply};
use crate::coordinator::Coordinator;
use crate::limits::TEXT_BYTES_MAX;
use crate::owned::owned;
use crate::record::{GroupKey, Record, TopicPartition};
use crate::transactions::Producer;

/// The end of a transaction, as it reaches the groups whose offsets are part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// Whose transaction, as the marker carries it.
    pub producer: Producer,
    /// See [`crate::Markers::bumped`].
    pub bumped: bool,
    /// The internal partition whose coordinator has decided.
    pub coordinator: i32,
    /// That partition's epoch when it was decided, or later.
    pub coordinator_epoch: i32,
    /// Committed, or aborted.
    pub commit: bool,
}

impl Coordinator {
    pub(crate) fn txn_offset_commit(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &TxnOffsetCommitRequest,
        out: &mut Outputs,
    ) {
        let allowed = self.check_txn_commit(now_ms, caller, request, out);
        let mut commits = Commits::new();
        let topics = request.topics.iter().map(|topic| match allowed {
            Ok(()) => self.pend_topic(now_ms, topic, &mut commits),
            Err(code) => topic_response(topic, |_| code),
        });
        let response = TxnOffsetCommitResponse::default().with_topics(topics.collect());
        let group = GroupKey { tenant: caller.tenant, group: owned(&request.group_id) };
        let producer = Producer { id: request.producer_id.0, epoch: request.producer_epoch };
        for record in Record::offsets_pending(&group, producer, commits) {
            self.emit(record, out);
        }
        out.replies.push((caller.token, Reply::TxnOffsetCommit(response)));
    }

    fn check_txn_commit(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &TxnOffsetCommitRequest,
        out: &mut Outputs,
    ) -> Result<(), ErrorCode> {
        if request.group_id.is_empty() || request.group_id.len() > TEXT_BYTES_MAX {
            return Err(ErrorCode::InvalidGroupId);
        }
        let generation = request.generation_id;
        let key = GroupKey { tenant: caller.tenant, group: request.group_id.0.clone() };
        if generation >= 0 && !self.knows_group(&key) {
            return Err(ErrorCode::IllegalGeneration);
        }
        if let Some(group) = self.consumer(&key) {
            return group.check_txn_commit(&request.member_id, generation);
        }
        self.on_group(now_ms, caller, &request.group_id, out, |group, _| {
            let instance_id = request.group_instance_id.as_ref();
            group.check_txn_commit(&request.member_id, instance_id, generation)
        })
    }

    fn pend_topic(
        &self,
        now_ms: i64,
        topic: &TxnOffsetCommitRequestTopic,
        commits: &mut Commits,
    ) -> TxnOffsetCommitResponseTopic {
        let id = topic_of(uuid::Uuid::nil(), &topic.name);
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

    /// Ends what a producer's transaction left pending here. One that left nothing, or whose end
    /// came before, is ended already (T11).
    pub(crate) fn write_marker(&mut self, caller: &Caller, marker: &Marker, out: &mut Outputs) {
        let code = match self.end_pending(caller, marker, out) {
            Ok(()) => ErrorCode::None,
            Err(code) => code,
        };
        out.replies.push((caller.token, Reply::Marker(code)));
    }

    fn end_pending(
        &mut self,
        caller: &Caller,
        marker: &Marker,
        out: &mut Outputs,
    ) -> Result<(), ErrorCode> {
        let newest = self.marker_epochs.entry(marker.coordinator).or_insert(i32::MIN);
        if marker.coordinator_epoch < *newest {
            // Of a coordinator that is none any more: what it ends has been ended since (R40).
            return Err(ErrorCode::TransactionCoordinatorFenced);
        }
        *newest = marker.coordinator_epoch;
        let through = marker.producer.epoch.saturating_sub(i16::from(marker.bumped));
        let producer = Producer { epoch: through, ..marker.producer };
        if self.ledger.has_pending(caller.tenant, producer) {
            let (tenant, commit) = (caller.tenant, marker.commit);
            self.emit(Record::Marker { tenant, producer, commit }, out);
        }
        Ok(())
    }
}

fn topic_response(
    topic: &TxnOffsetCommitRequestTopic,
    mut outcome: impl FnMut(&TxnOffsetCommitRequestPartition) -> ErrorCode,
) -> TxnOffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().map(|partition| {
        TxnOffsetCommitResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(outcome(partition).code())
    });
    TxnOffsetCommitResponseTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(partitions.collect())
}
