//! ConsumerGroupHeartbeat: a member joins, stays, says what it wants and has, and learns what it
//! should have.

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::consumer_group_heartbeat_response::{
    Assignment as WireAssignment, TopicPartitions,
};
use protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};

use super::member::{described, owned_partitions};
use super::reconcile::{Target, reconcile};
use super::{ConsumerGroup, JOIN_EPOCH, LEAVE_EPOCH, LEAVE_STATIC_EPOCH, Refused, topics};
use crate::command::Caller;
use crate::ledger::MemberLedger;
use crate::owned::owned;
use crate::record::{Assignment, ConsumerChange, ConsumerMember, TopicPartition};

impl ConsumerGroup<'_> {
    /// Carries out a heartbeat that is valid in itself.
    pub(super) fn heartbeat(
        &mut self,
        caller: &Caller,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        let exists = self.state().is_some();
        if !exists && request.member_epoch != JOIN_EPOCH {
            let stays = request.member_epoch > JOIN_EPOCH;
            let what = if stays { "Consumer group" } else { "Group" };
            let message = format!("{what} {} not found.", self.key.group);
            return Err(Refused::new(ErrorCode::GroupIdNotFound, message));
        }
        match request.member_epoch {
            LEAVE_EPOCH | LEAVE_STATIC_EPOCH => self.leave(request),
            _ => self.stay(caller, request),
        }
    }

    fn stay(
        &mut self,
        caller: &Caller,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        // Only clients of version 0 come without an id.
        let id = if request.member_id.is_empty() {
            self.fx.member_ids.next_uuid()
        } else {
            owned(&request.member_id)
        };
        let owned = owned_partitions(request);
        let former = self.former_self(&id, request, owned.as_ref())?.cloned();
        let known = former.as_ref().map(|former| &former.info);
        let info = described(id.clone(), known, caller, request);
        if known != Some(&info) {
            check_regex(known, &info)?;
            self.check_room(known.map(|known| &known.id), &info)?;
        }

        // Nothing is refused from here on.
        let subscribes =
            known.is_none_or(|known| known.topics != info.topics || known.regex != info.regex);
        self.look_at_topics(subscribes.then_some(&info));
        self.describe_member(former, info);
        self.update_targets();
        let changed = self.reconcile_member(&id, owned.as_ref());
        self.arm_session(&id);
        Ok(self.response(&id, changed || is_full(request)))
    }

    fn describe_member(&mut self, former: Option<MemberLedger>, info: ConsumerMember) {
        match former {
            Some(former)
                if former.current.epoch == LEAVE_STATIC_EPOCH || former.info.id != info.id =>
            {
                self.disarm(&former.info.id);
                self.emit(ConsumerChange::Replaced { former_id: former.info.id, member: info });
            }
            Some(former) if former.info == info => {}
            _ => self.emit(ConsumerChange::Subscribed(info)),
        }
    }

    /// Moves the member a step towards its target. Returns whether what it may consume has changed.
    pub(super) fn reconcile_member(&mut self, id: &StrBytes, owned: Option<&Assignment>) -> bool {
        let state = self.state().expect("a member was described, so there is a group");
        let member = state.members.get(id).expect("the member was described");
        let others = || state.members.iter().filter(|(other, _)| *other != id);
        let is_free = |at: &TopicPartition| others().all(|(_, other)| !other.current.holds(at));
        let target = Target { epoch: state.epochs.target, partitions: &member.target };
        let next = reconcile(&member.current, target, owned, is_free);
        if next == member.current {
            return false;
        }
        let changed = next.assigned != member.current.assigned;
        self.emit(ConsumerChange::Reconciled { member_id: id.clone(), current: next });
        self.arm_rebalance(id);
        changed
    }

    fn response(&self, id: &StrBytes, with_assignment: bool) -> ConsumerGroupHeartbeatResponse {
        let current = &self.member(id).expect("the member was described").current;
        let interval_ms = self.configs.consumer_heartbeat_interval_ms;
        let interval_ms = interval_ms.unwrap_or(self.fx.config.consumer_heartbeat_interval_ms);
        ConsumerGroupHeartbeatResponse::default()
            .with_member_id(Some(id.clone()))
            .with_member_epoch(current.epoch)
            .with_heartbeat_interval_ms(interval_ms)
            .with_assignment(with_assignment.then(|| wire_assignment(&current.assigned)))
    }
}

/// A heartbeat with everything in it is one of a client that is not sure of what it knows: it gets
/// everything back.
fn is_full(request: &ConsumerGroupHeartbeatRequest) -> bool {
    let subscribes =
        request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some();
    let all =
        request.rebalance_timeout_ms != -1 && subscribes && request.topic_partitions.is_some();
    request.member_epoch == JOIN_EPOCH || all
}

fn check_regex(former: Option<&ConsumerMember>, info: &ConsumerMember) -> Result<(), Refused> {
    match &info.regex {
        Some(regex)
            if former.and_then(|former| former.regex.as_ref()) != Some(regex)
                && topics::compile(regex).is_none() =>
        {
            let message =
                format!("SubscribedTopicRegex `{regex}` is not a valid regular expression.");
            Err(Refused::new(ErrorCode::InvalidRegularExpression, message))
        }
        _ => Ok(()),
    }
}

fn wire_assignment(partitions: &Assignment) -> WireAssignment {
    let mut topics: Vec<TopicPartitions> = Vec::new();
    for at in partitions {
        match topics.last_mut() {
            Some(topic) if topic.topic_id == at.topic.0 => topic.partitions.push(at.index),
            _ => topics.push(
                TopicPartitions::default()
                    .with_topic_id(at.topic.0)
                    .with_partitions(vec![at.index]),
            ),
        }
    }
    WireAssignment::default().with_topic_partitions(topics)
}
