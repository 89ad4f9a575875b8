//! OffsetDelete: an administrator makes a group forget positions (KIP-496).

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TopicId;
use protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::expiry::Readers;
use super::topic_of;
use crate::command::{Caller, Outputs, Reply};
use crate::coordinator::Coordinator;
use crate::owned::owned;
use crate::record::{GroupKey, Record, TopicPartition};

impl Coordinator {
    pub(crate) fn offset_delete(
        &mut self,
        caller: &Caller,
        request: &OffsetDeleteRequest,
        out: &mut Outputs,
    ) {
        let group = GroupKey { tenant: caller.tenant, group: owned(&request.group_id) };
        let response = match self.check_delete(&group) {
            Ok(readers) => {
                let mut doomed = Vec::new();
                let topics = request.topics.iter();
                let topics =
                    topics.map(|topic| self.delete_topic(&group, &readers, topic, &mut doomed));
                let response = OffsetDeleteResponse::default().with_topics(topics.collect());
                for record in Record::offsets_deleted(&group, &doomed) {
                    self.emit(record, out);
                }
                response
            }
            Err(code) => OffsetDeleteResponse::default().with_error_code(code.code()),
        };
        out.replies.push((caller.token, Reply::OffsetDelete(response)));
    }

    /// Who reads from this group, if its offsets may be deleted at all. Of an active group that is
    /// not one of consumers, nobody can tell which offsets it needs.
    fn check_delete(&self, key: &GroupKey) -> Result<Readers, ErrorCode> {
        if key.group.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        if let Some(group) = self.consumer(key) {
            return Ok(self.consumer_readers(key, group));
        }
        let readers = self.view(key, |group| {
            let foreign = !group.is_empty() && !group.speaks_consumer_protocol();
            if foreign { Err(ErrorCode::NonEmptyGroup) } else { Ok(Readers::of(group)) }
        });
        readers.unwrap_or(Err(ErrorCode::GroupIdNotFound))
    }

    fn delete_topic(
        &self,
        key: &GroupKey,
        readers: &Readers,
        request: &OffsetDeleteRequestTopic,
        doomed: &mut Vec<TopicPartition>,
    ) -> OffsetDeleteResponseTopic {
        let topic = topic_of(uuid::Uuid::nil(), &request.name);
        let outcome = match topic {
            None => ErrorCode::UnknownTopicOrPartition,
            Some(topic) if self.may_read(key, readers, topic) => ErrorCode::GroupSubscribedToTopic,
            Some(topic) => {
                let offsets = self.ledger.get(key).map(|ledger| &ledger.offsets);
                let at = |partition: &OffsetDeleteRequestPartition| TopicPartition {
                    topic,
                    index: partition.partition_index,
                };
                let stored = |at: &TopicPartition| offsets.is_some_and(|all| all.contains_key(at));
                doomed.extend(request.partitions.iter().map(at).filter(stored));
                ErrorCode::None
            }
        };
        let partitions = request.partitions.iter().map(|partition| {
            OffsetDeleteResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(outcome.code())
        });
        OffsetDeleteResponseTopic::default()
            .with_name(request.name.clone())
            .with_partitions(partitions.collect())
    }

    /// Could a member read this topic? A topic without a name here counts as read: better an
    /// offset too many than a group that starts over.
    pub(super) fn may_read(&self, key: &GroupKey, readers: &Readers, topic: TopicId) -> bool {
        let name = |topic| -> Option<StrBytes> { self.topics.name(key.tenant, topic) };
        match readers {
            Readers::Nobody => false,
            Readers::Anything => true,
            Readers::Of(topics) => name(topic).is_none_or(|name| topics.contains(&name)),
        }
    }
}
