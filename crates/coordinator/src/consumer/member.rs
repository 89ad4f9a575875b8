//! Who sends a heartbeat: may it speak for the member, and what does it say about itself?

use std::collections::BTreeSet;

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TopicId;
use protocol::messages::ConsumerGroupHeartbeatRequest;
use protocol::messages::consumer_group_heartbeat_request::TopicPartitions;

use super::assignor::Assignor;
use super::{ConsumerGroup, JOIN_EPOCH, LEAVE_EPOCH, LEAVE_STATIC_EPOCH, Refused};
use crate::command::Caller;
use crate::ledger::MemberLedger;
use crate::limits::{GROUP_MEMBERS_BYTES_MAX, MEMBER_OVERHEAD_BYTES, TEXT_BYTES_MAX};
use crate::owned::owned;
use crate::record::{Assignment, ConsumerMember, TopicPartition};

/// Refuses a heartbeat that makes no sense whatever the group is like.
pub(super) fn validate(request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refused> {
    let invalid = |message: &str| Err(Refused::new(ErrorCode::InvalidRequest, message));
    let blank = |text: &Option<StrBytes>| text.as_ref().is_some_and(|text| text.trim().is_empty());
    if request.group_id.trim().is_empty() {
        return invalid("GroupId can't be empty.");
    }
    if blank(&request.instance_id) {
        return invalid("InstanceId can't be empty.");
    }
    if blank(&request.rack_id) {
        return invalid("RackId can't be empty.");
    }
    let texts = [&request.instance_id, &request.rack_id, &request.subscribed_topic_regex];
    let texts = texts.into_iter().flatten().chain([&request.group_id.0, &request.member_id]);
    if texts.into_iter().any(|text| text.len() > TEXT_BYTES_MAX) {
        return invalid("A name is too long.");
    }
    match request.member_epoch {
        JOIN_EPOCH => validate_join(request)?,
        LEAVE_STATIC_EPOCH if request.instance_id.is_none() => {
            return invalid("InstanceId can't be null.");
        }
        LEAVE_STATIC_EPOCH | LEAVE_EPOCH | 1.. if request.member_id.trim().is_empty() => {
            return invalid("MemberId can't be empty.");
        }
        LEAVE_STATIC_EPOCH | LEAVE_EPOCH | 1.. => {}
        _ => return invalid("MemberEpoch is invalid."),
    }
    match &request.server_assignor {
        Some(name) if Assignor::named(name).is_none() => {
            let known = Assignor::ALL.map(Assignor::name).join(", ");
            let message =
                format!("ServerAssignor {name} is not supported. Supported assignors: {known}.");
            Err(Refused::new(ErrorCode::UnsupportedAssignor, message))
        }
        _ => Ok(()),
    }
}

fn validate_join(request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refused> {
    let invalid = |message: &str| Err(Refused::new(ErrorCode::InvalidRequest, message));
    if request.rebalance_timeout_ms == -1 {
        return invalid("RebalanceTimeoutMs must be provided in first request.");
    }
    if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) {
        return invalid("TopicPartitions must be empty when (re-)joining.");
    }
    if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
        return invalid(
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        );
    }
    Ok(())
}

/// The partitions that the client says it has, if it says so.
pub(super) fn owned_partitions(request: &ConsumerGroupHeartbeatRequest) -> Option<Assignment> {
    let of_topic = |topic: &TopicPartitions| {
        let id = TopicId(topic.topic_id);
        let at = move |index: &i32| TopicPartition { topic: id, index: *index };
        topic.partitions.iter().map(at).collect::<Vec<_>>()
    };
    Some(request.topic_partitions.as_ref()?.iter().flat_map(of_topic).collect())
}

/// What a member says about itself after this heartbeat. What a heartbeat leaves out stays.
pub(super) fn described(
    id: StrBytes,
    former: Option<&ConsumerMember>,
    caller: &Caller,
    request: &ConsumerGroupHeartbeatRequest,
) -> ConsumerMember {
    let mut info = former.cloned().unwrap_or_default();
    let update = |field: &mut Option<StrBytes>, said: &Option<StrBytes>| {
        if let Some(said) = said {
            *field = Some(owned(said));
        }
    };
    info.id = id;
    info.classic = None;
    info.client_id = owned(&caller.client_id);
    info.client_host = owned(&caller.client_host);
    update(&mut info.instance_id, &request.instance_id);
    update(&mut info.rack_id, &request.rack_id);
    update(&mut info.assignor, &request.server_assignor);
    update(&mut info.regex, &request.subscribed_topic_regex);
    // An empty one takes the subscription by regular expression back.
    info.regex = info.regex.filter(|regex| !regex.is_empty());
    if request.rebalance_timeout_ms != -1 {
        info.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    if let Some(names) = &request.subscribed_topic_names {
        info.topics = names.iter().map(|name| owned(name)).collect::<BTreeSet<_>>();
    }
    info
}

/// What a member says about itself, in bytes.
fn bytes(info: &ConsumerMember) -> usize {
    let optional = [&info.instance_id, &info.rack_id, &info.regex, &info.assignor];
    let texts =
        optional.into_iter().flatten().chain([&info.id, &info.client_id, &info.client_host]);
    let names: usize = texts.chain(&info.topics).map(|text| text.len()).sum();
    let protocols = info.classic.iter().flat_map(|classic| &classic.protocols);
    let classic: usize = protocols.map(|(name, metadata)| name.len() + metadata.len()).sum();
    MEMBER_OVERHEAD_BYTES + names + classic
}

impl ConsumerGroup<'_> {
    /// The member that the heartbeat speaks for, or that it takes the place of. `None` for somebody
    /// new.
    pub(super) fn former_self(
        &self,
        id: &StrBytes,
        request: &ConsumerGroupHeartbeatRequest,
        owned: Option<&Assignment>,
    ) -> Result<Option<&MemberLedger>, Refused> {
        let joins = request.member_epoch == JOIN_EPOCH;
        let member = match &request.instance_id {
            Some(instance_id) => self.static_self(id, instance_id, joins)?,
            None => self.member(id),
        };
        match member {
            // Only `static_self` lets one through that has left for a while and joins again.
            Some(former) if former.info.id != *id => Ok(Some(former)),
            Some(member) => {
                let returns = member.current.epoch == LEAVE_STATIC_EPOCH
                    && joins
                    && request.instance_id.is_some();
                if !returns {
                    check_epoch(member, request.member_epoch, owned)?;
                }
                Ok(Some(member))
            }
            None if joins => Ok(None),
            None => Err(self.unknown_member(id)),
        }
    }

    /// Who runs under an instance id now (KIP-345). Only a member that has left for a while can be
    /// replaced: of two that run at once, the second is refused.
    fn static_self(
        &self,
        id: &StrBytes,
        instance_id: &StrBytes,
        joins: bool,
    ) -> Result<Option<&MemberLedger>, Refused> {
        let current = self.state().and_then(|state| state.instance(instance_id));
        match current {
            // The answer to its join may have been lost.
            Some(member) if member.info.id == *id => Ok(Some(member)),
            // A classic member cannot say that it leaves for a while: it just comes back.
            Some(former)
                if joins
                    && (former.current.epoch == LEAVE_STATIC_EPOCH
                        || former.info.classic.is_some()) =>
            {
                Ok(Some(former))
            }
            Some(other) if joins => {
                let message = format!(
                    "Static member {id} with instance id {instance_id} cannot join the group \
                     because the instance id is owned by {} member.",
                    other.info.id
                );
                Err(Refused::new(ErrorCode::UnreleasedInstanceId, message))
            }
            Some(other) => {
                let message = format!(
                    "Static member {id} with instance id {instance_id} was fenced by member {}.",
                    other.info.id
                );
                Err(Refused::new(ErrorCode::FencedInstanceId, message))
            }
            None if joins => Ok(self.member(id)),
            None => {
                let message = format!("Instance id {instance_id} is unknown.");
                Err(Refused::new(ErrorCode::UnknownMemberId, message))
            }
        }
    }

    pub(super) fn unknown_member(&self, id: &StrBytes) -> Refused {
        let message = format!("Member {id} is not a member of group {}.", self.key.group);
        Refused::new(ErrorCode::UnknownMemberId, message)
    }

    /// The member that a farewell is from.
    pub(super) fn leaving(
        &self,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<StrBytes, Refused> {
        let id = &request.member_id;
        if let Some(instance_id) = &request.instance_id {
            self.static_self(id, instance_id, false)?;
        }
        self.member(id).map(|member| member.info.id.clone()).ok_or_else(|| self.unknown_member(id))
    }

    /// Bounds the number of members and what they say about themselves, together.
    pub(super) fn check_room(
        &self,
        former_id: Option<&StrBytes>,
        info: &ConsumerMember,
    ) -> Result<(), Refused> {
        let full = |message| Err(Refused::new(ErrorCode::GroupMaxSizeReached, message));
        let max = self.fx.config.consumer_group_size_max;
        if former_id.is_none() && self.infos().count() >= max {
            return full(format!(
                "The consumer group has reached its maximum capacity of {max} members."
            ));
        }
        let others = self.infos().filter(|other| Some(&other.id) != former_id);
        if others.map(bytes).sum::<usize>() + bytes(info) > GROUP_MEMBERS_BYTES_MAX {
            return full("The members' subscriptions are too large together.".to_owned());
        }
        Ok(())
    }
}

/// The epoch must be the member's. The one before is as good if the client has nothing that the
/// member has lost since: the answer with the new epoch may not have arrived.
fn check_epoch(
    member: &MemberLedger,
    received: i32,
    owned: Option<&Assignment>,
) -> Result<(), Refused> {
    let current = &member.current;
    let missed_one = received == current.previous_epoch
        && owned.is_some_and(|owned| owned.is_subset(&current.assigned));
    if received == current.epoch || (received < current.epoch && missed_one) {
        return Ok(());
    }
    let than = if received > current.epoch { "greater" } else { "smaller" };
    let message = format!(
        "The consumer group member has a {than} member epoch ({received}) than the one known by \
         the group coordinator ({}). The member must abandon all its partitions and rejoin.",
        current.epoch
    );
    Err(Refused::new(ErrorCode::FencedMemberEpoch, message))
}
