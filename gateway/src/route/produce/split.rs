//! A produce split by the owners of its partitions.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use hop::{client_version, expected_epoch};
use metadata::Topic;
use metadata::settings::acl::AclOperation;
use protocol::batch::{BatchView, Sequence};
use protocol::ids::{NodeId, PartitionId, TopicId};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use protocol::messages::{ProduceRequest, ProduceResponse};
use protocol::{ErrorCode, StrBytes};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use uuid::Uuid;

use super::recompress::Packing;
use super::{TOPIC_ID_FROM, failed};
use crate::authoriser::Resource;
use crate::context::{Context, Core, Owner, is_live};
use crate::takeover::Place;

/// Of a batch that no owner is sent.
const NO_EPOCH: i32 = -1;

/// What goes where, and the answer as far as it is known already.
pub(super) struct Split {
    pub(super) shares: Vec<Share>,
    /// Has a place for every partition, in request order. Partitions that go to an owner say
    /// REQUEST_TIMED_OUT, an unknown outcome, until it has answered.
    pub(super) response: ProduceResponse,
    /// Topics that this gateway has not heard of, with their places in the response.
    unknown: Vec<(usize, TopicProduceData)>,
    /// Partitions whose node has just gone or come back.
    held: Vec<Held>,
    /// Batches whose partitions have left one owner, and are not served by the next one yet.
    astray: Vec<Astray>,
    /// Batches of idempotent producers that were refused and will come again: their partitions have no
    /// owner, or there is no memory to pack them.
    deferred: Vec<(PartitionId, Sequence)>,
    /// Memory for what was packed anew, for as long as this is under way (R61).
    pub(super) memory: Vec<OwnedSemaphorePermit>,
    /// What every owner is told, without the batches.
    message: ProduceRequest,
    /// It is what owners before have refused.
    again: bool,
}

/// One partition's batch before it has an owner.
pub(super) struct Unrouted {
    pub(super) id: PartitionId,
    pub(super) slot: Slot,
    /// What the topic wants of its batches, if that is not as they come.
    packing: Option<Packing>,
    data: PartitionProduceData,
}

/// A partition that waits for an owner that serves.
struct Held {
    batch: Unrouted,
    until: Instant,
}

/// A batch that nobody was sent, as if the owner before had refused it.
struct Astray {
    sequence: Option<Sequence>,
    batch: Unrouted,
}

/// One owner's part.
pub(super) struct Share {
    pub(super) address: String,
    pub(super) owner: NodeId,
    /// What it is sent for.
    pub(super) batches: Vec<Routed>,
    pub(super) message: ProduceRequest,
    pub(super) slots: Slots,
}

/// One partition's batch on its way to an owner.
#[derive(Debug, Clone, Copy)]
pub(super) struct Routed {
    pub(super) partition: PartitionId,
    /// In which the owner is expected to be.
    pub(super) epoch: i32,
    /// Of the batch, if its producer is idempotent.
    pub(super) sequence: Option<Sequence>,
    /// How it is to be packed before it is sent, if not as it is.
    pub(super) packing: Option<Packing>,
    /// Its partition moves: the owner may refuse it, and then it goes to the next one.
    pub(super) leaving: bool,
    /// It has a turn among those of its connection that may be sent again.
    pub(super) turned: bool,
}

/// Where one owner's partitions stand in the response.
#[derive(Default)]
pub(super) struct Slots(HashMap<(Uuid, i32), Slot>);

/// A partition's place in the response.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    topic: usize,
    partition: usize,
}

// === impl Split ===

impl Split {
    pub(super) fn new(context: &Context, request: ProduceRequest) -> Self {
        let ProduceRequest { transactional_id, acks, timeout_ms, topic_data, .. } = request;
        let mut message = ProduceRequest::default().with_acks(acks).with_timeout_ms(timeout_ms);
        if transactional_id.is_some() {
            client_version::set(&mut message.unknown_tagged_fields, context.version);
            message.transactional_id = transactional_id;
        }
        let skeleton = topic_data.iter().map(|topic| {
            let indexes = topic.partition_data.iter().map(|partition| partition.index);
            let places = indexes.map(|index| failed(index, ErrorCode::RequestTimedOut));
            TopicProduceResponse::default()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
                .with_partition_responses(places.collect())
        });
        let response = ProduceResponse::default().with_responses(skeleton.collect());
        let mut split = Self::with(response, message);
        for (at, topic) in topic_data.into_iter().enumerate() {
            split.add(context, at, topic);
        }
        split
    }

    /// Batches that an owner refused, on their way to the next one, until when they may wait for it.
    pub(super) fn again(
        response: ProduceResponse,
        message: ProduceRequest,
        refused: Vec<Unrouted>,
        until: Instant,
    ) -> Self {
        let held = refused.into_iter().map(|batch| Held { batch, until }).collect();
        Self { held, again: true, ..Self::with(response, message) }
    }

    fn with(response: ProduceResponse, message: ProduceRequest) -> Self {
        let (shares, unknown, held, astray, deferred, memory) = Default::default();
        let again = false;
        Self { shares, response, unknown, held, astray, deferred, memory, message, again }
    }

    /// Copies of the batches whose owners may refuse them because their partitions leave, those that
    /// were sent to nobody for that reason, and what goes with every share. The records are shared.
    pub(super) fn following(&mut self) -> Option<(ProduceRequest, Vec<Unrouted>)> {
        let mut batches: Vec<_> = self.shares.iter().flat_map(Share::leaving).collect();
        batches.extend(self.astray.drain(..).map(|astray| astray.batch));
        (!batches.is_empty()).then(|| (self.message.clone(), batches))
    }

    /// Batches that are sent to nobody yet, as if owners before were about to refuse them.
    pub(super) fn astray(&self) -> impl Iterator<Item = Routed> {
        self.astray.iter().map(|Astray { sequence, batch }| Routed {
            partition: batch.id,
            epoch: NO_EPOCH,
            sequence: *sequence,
            packing: None,
            leaving: true,
            turned: true,
        })
    }

    /// Whether everything has its place: in a share, or refused in the response.
    pub(super) fn is_complete(&self) -> bool {
        self.unknown.is_empty() && self.held.is_empty()
    }

    /// Whether the view must be refreshed before these topics can be said not to exist.
    pub(super) fn has_unknown_topics(&self) -> bool {
        !self.unknown.is_empty()
    }

    /// Looks the unknown topics up again. Those still unknown stay so marked in the response, and
    /// nothing of them is sent.
    pub(super) fn look_up_again(mut self, context: &Context) -> Self {
        for (at, topic) in std::mem::take(&mut self.unknown) {
            self.add(context, at, topic);
        }
        self
    }

    /// The partitions that wait for an owner that serves.
    pub(super) fn held(&self) -> impl Iterator<Item = PartitionId> {
        self.held.iter().map(|held| held.batch.id)
    }

    /// Until when they wait; `None` if there are none.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.until).max()
    }

    /// Gives the partitions that waited to the owners they have now. Those without one are refused.
    pub(super) fn release(mut self, context: &Context) -> Self {
        for Held { batch, .. } in std::mem::take(&mut self.held) {
            let slot = batch.slot;
            // It may have moved on meanwhile.
            let serving = context.core.serving(batch.id).map(|(owner, _)| owner);
            if let Err(error) = self.route(serving, batch, false) {
                slot.of(&mut self.response).error_code = error.code();
            }
        }
        self
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.message.transactional_id.is_some()
    }

    /// Bytes of all records that go somewhere.
    pub(super) fn record_bytes(&self) -> usize {
        self.shares.iter().map(|share| super::record_bytes(&share.message)).sum()
    }

    /// Every partition that goes somewhere: which, to whom, by which epoch.
    pub(super) fn routes(&self) -> impl Iterator<Item = (PartitionId, NodeId, i32)> {
        self.shares.iter().flat_map(|share| {
            share.batches.iter().map(|batch| (batch.partition, share.owner, batch.epoch))
        })
    }

    /// The batches that were refused here and will come again.
    pub(super) fn take_deferred(&mut self) -> Vec<(PartitionId, Sequence)> {
        std::mem::take(&mut self.deferred)
    }

    /// Notes that a batch was refused and will come again.
    pub(super) fn defer(&mut self, partition: PartitionId, sequence: Sequence) {
        self.deferred.push((partition, sequence));
    }

    /// Refuses the batches of idempotent producers of which `refuse` says so. Nothing of them is sent.
    pub(super) fn refuse(&mut self, mut refuse: impl FnMut(PartitionId, Sequence) -> bool) {
        self.withdraw(|batch| {
            let refused = batch.sequence.is_some_and(|sequence| refuse(batch.partition, sequence));
            refused.then_some((ErrorCode::NotLeaderOrFollower, None))
        });
    }

    /// Takes batches out of their shares: those for which `refusal` has a code, and perhaps a reason.
    pub(super) fn withdraw(
        &mut self,
        mut refusal: impl FnMut(&Routed) -> Option<(ErrorCode, Option<String>)>,
    ) {
        for share in &mut self.shares {
            let mut refusals = Vec::new();
            let refused = |batch: &mut Routed| {
                let refusal = refusal(batch);
                let is_refused = refusal.is_some();
                refusals.extend(refusal);
                is_refused
            };
            let refused: Vec<_> = share.batches.extract_if(.., refused).collect();
            for (batch, (code, reason)) in refused.into_iter().zip(refusals) {
                let (topic, index) = (batch.partition.topic.0, batch.partition.index);
                let slot = share.slots.0.remove(&(topic, index)).expect("each batch has its place");
                let place = slot.of(&mut self.response);
                place.error_code = code.code();
                place.error_message = reason.map(StrBytes::from_string);
                for data in &mut share.message.topic_data {
                    let same = data.topic_id == topic;
                    data.partition_data.retain(|data| !same || data.index != index);
                }
            }
        }
        self.shares.retain(|share| !share.batches.is_empty());
    }

    fn add(&mut self, context: &Context, at: usize, topic: TopicProduceData) {
        let (found, unknown) = if context.version >= TOPIC_ID_FROM {
            (context.catalogue.by_id(TopicId(topic.topic_id)), ErrorCode::UnknownTopicId)
        } else {
            (context.catalogue.by_name(&topic.name), ErrorCode::UnknownTopicOrPartition)
        };
        // By name, whether there is such a topic or not: the answer does not tell.
        let name = found.as_ref().map_or(topic.name.as_str(), |found| found.name());
        let asked_by_name = context.version < TOPIC_ID_FROM;
        if (found.is_some() || asked_by_name)
            && let Err(error) = context.grants.require(AclOperation::Write, Resource::topic(name))
        {
            self.refuse_topic(at, error);
            return;
        }
        let Some(found) = found else {
            self.refuse_topic(at, unknown);
            self.unknown.push((at, topic));
            return;
        };
        let packing = Packing::of(&found);
        for (place, partition) in topic.partition_data.into_iter().enumerate() {
            let slot = Slot { topic: at, partition: place };
            if let Err(error) = self.add_partition(context, &found, packing, slot, partition) {
                slot.of(&mut self.response).error_code = error.code();
            }
        }
    }

    /// Answers a whole topic with this, unless something else comes of it.
    fn refuse_topic(&mut self, at: usize, error: ErrorCode) {
        for place in &mut self.response.responses[at].partition_responses {
            place.error_code = error.code();
        }
    }

    fn add_partition(
        &mut self,
        context: &Context,
        topic: &Arc<Topic>,
        packing: Option<Packing>,
        slot: Slot,
        data: PartitionProduceData,
    ) -> Result<(), ErrorCode> {
        let id = context
            .catalogue
            .partition(topic, data.index)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let Core { view, takeovers, .. } = &*context.core;
        let batch = Unrouted { id, slot, packing, data };
        let owner = view.owner(id);
        match owner.as_ref().map(|owner| takeovers.place(id, owner, view)) {
            Some(Place::Nowhere(until)) => {
                self.held.push(Held { batch, until });
                Ok(())
            }
            Some(Place::Before(before)) => self.route(Some(before), batch, true),
            Some(Place::Next(until)) => {
                self.go_astray(until, batch);
                Ok(())
            }
            Some(Place::Owner) | None => self.route(owner.filter(is_live), batch, false),
        }
    }

    /// Lets a batch go to the next owner without holding up what comes after it.
    fn go_astray(&mut self, until: Instant, batch: Unrouted) {
        let records = batch.data.records.as_deref();
        let view = records.and_then(|records| BatchView::whole(records).ok());
        let repacked = batch.packing.zip(view.as_ref());
        if repacked.is_some_and(|(packing, view)| packing.changes(view)) {
            // That is done before anything is sent.
            self.held.push(Held { batch, until });
            return;
        }
        batch.slot.of(&mut self.response).error_code = ErrorCode::NotLeaderOrFollower.code();
        let sequence = view.as_ref().and_then(Sequence::of);
        self.astray.push(Astray { sequence, batch });
    }

    fn route(
        &mut self,
        owner: Option<Owner>,
        batch: Unrouted,
        leaving: bool,
    ) -> Result<(), ErrorCode> {
        let Unrouted { id, slot, packing, mut data } = batch;
        let view = data.records.as_deref().and_then(|records| BatchView::whole(records).ok());
        // The owner validates the batch; what does not look like one has no sequence here.
        let sequence = view.as_ref().and_then(Sequence::of);
        let packing = packing.filter(|packing| view.is_some_and(|view| packing.changes(&view)));
        let Some((node, epoch)) = owner else {
            self.deferred.extend(sequence.map(|sequence| (id, sequence)));
            return Err(ErrorCode::NotLeaderOrFollower);
        };
        if self.shares.iter().any(|share| share.slots.has(id)) {
            // Two batches for one partition have no order within one request.
            return Err(ErrorCode::InvalidRequest);
        }
        // The client's own tags end here: the hop's mean something else (R49).
        data.unknown_tagged_fields.clear();
        expected_epoch::set(&mut data, epoch);
        let at = match self.shares.iter().position(|share| share.owner == node.node) {
            Some(at) => at,
            None => {
                let message = self.message.clone();
                self.shares.push(Share {
                    address: node.address.clone(),
                    owner: node.node,
                    batches: Vec::new(),
                    message,
                    slots: Slots::default(),
                });
                self.shares.len() - 1
            }
        };
        // The slot's index is the request's, so the answer finds it whatever its order.
        let turned = leaving || self.again;
        let batch = Routed { partition: id, epoch, sequence, packing, leaving, turned };
        self.shares[at].add(batch, slot, data);
        Ok(())
    }
}

// === impl Share ===

impl Share {
    fn leaving(&self) -> impl Iterator<Item = Unrouted> {
        let leaving = self.batches.iter().filter(|batch| batch.leaving);
        leaving.filter_map(|Routed { partition, .. }| {
            let topics = self.message.topic_data.iter();
            let same = topics.filter(|topic| topic.topic_id == partition.topic.0);
            let mut data = same.flat_map(|topic| &topic.partition_data);
            let data = data.find(|data| data.index == partition.index)?.clone();
            let slot = self.slots.find(partition.topic.0, partition.index)?;
            // It has been packed.
            Some(Unrouted { id: *partition, slot, packing: None, data })
        })
    }

    /// The records of one of its batches.
    pub(super) fn records(&mut self, partition: PartitionId) -> Option<&mut Bytes> {
        let topics = self.message.topic_data.iter_mut();
        let data = topics.filter(|topic| topic.topic_id == partition.topic.0);
        let mut data = data.flat_map(|topic| &mut topic.partition_data);
        data.find(|data| data.index == partition.index)?.records.as_mut()
    }

    fn add(&mut self, batch: Routed, slot: Slot, data: PartitionProduceData) {
        let id = batch.partition;
        self.batches.push(batch);
        self.slots.0.insert((id.topic.0, id.index), slot);
        match self.message.topic_data.last_mut() {
            Some(topic) if topic.topic_id == id.topic.0 => topic.partition_data.push(data),
            _ => {
                let topic = TopicProduceData::default()
                    .with_topic_id(id.topic.0)
                    .with_partition_data(vec![data]);
                self.message.topic_data.push(topic);
            }
        }
    }
}

// === impl Slots ===

impl Slots {
    pub(super) fn find(&self, topic: Uuid, index: i32) -> Option<Slot> {
        self.0.get(&(topic, index)).copied()
    }

    pub(super) fn positions(&self) -> impl Iterator<Item = Slot> {
        self.0.values().copied()
    }

    fn has(&self, id: PartitionId) -> bool {
        self.0.contains_key(&(id.topic.0, id.index))
    }
}

// === impl Slot ===

impl Slot {
    /// What the response says there.
    pub(super) fn code(self, response: &ProduceResponse) -> ErrorCode {
        let place = &response.responses[self.topic].partition_responses[self.partition];
        ErrorCode::from_code(place.error_code)
    }

    /// The place itself.
    pub(super) fn of(self, response: &mut ProduceResponse) -> &mut PartitionProduceResponse {
        &mut response.responses[self.topic].partition_responses[self.partition]
    }
}
