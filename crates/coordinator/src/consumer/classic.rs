//! Members of the classic protocol in a consumer group: how a group changes over while it runs
//! (KIP-848's online migration).
//!
//! They join, sync and send heartbeats as ever, and are given what the coordinator assigns. A
//! generation is the member's epoch. Nobody leads and nobody waits: every JoinGroup is one step
//! towards the member's target, answered at once, and a heartbeat that is told
//! REBALANCE_IN_PROGRESS makes the client take the next.

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TopicId;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest, SyncGroupResponse,
};

use super::ConsumerGroup;
use crate::classic::describe::CONSUMER_PROTOCOL_TYPE;
use crate::classic::join::{distinct, rebalance_timeout_ms};
use crate::command::Caller;
use crate::coordinator::Topics;
use crate::ledger::MemberLedger;
use crate::owned::owned;
use crate::record::{
    Assignment, ClassicMember, ConsumerChange, ConsumerMember, CurrentAssignment, GroupKey,
    MemberState, TopicPartition,
};
use crate::subscription::{NamedPartitions, Subscription, encode_assignment};
use crate::timers::Timer;

/// A JoinGroup that is refused: the member id to answer with, and the error.
pub(super) type JoinRefused = (StrBytes, ErrorCode);

impl ConsumerGroup<'_> {
    /// Carries out a JoinGroup.
    pub(super) fn join_classic(
        &mut self,
        caller: &Caller,
        request: &JoinGroupRequest,
    ) -> Result<JoinGroupResponse, JoinRefused> {
        let refuse = |code| (request.member_id.clone(), code);
        let classic = ClassicMember {
            session_timeout_ms: request.session_timeout_ms,
            protocols: distinct(&request.protocols),
        };
        let subscription = self
            .subscription(&request.protocol_type, &classic)
            .ok_or_else(|| refuse(ErrorCode::InconsistentGroupProtocol))?;
        let anonymous = request.member_id.is_empty();
        let id = if anonymous {
            let prefix = request.group_instance_id.as_ref().unwrap_or(&caller.client_id);
            self.fx.member_ids.next(prefix)
        } else {
            owned(&request.member_id)
        };
        if anonymous && request.group_instance_id.is_none() {
            return Err((id, ErrorCode::MemberIdRequired));
        }
        let former = self.classic_self(&id, request).map_err(refuse)?.cloned();
        let info = described(id.clone(), former.as_ref(), caller, request, &subscription, classic);
        let former_id = former.as_ref().map(|former| &former.info.id);
        self.check_room(former_id, &info).map_err(|refused| refuse(refused.code))?;

        // Nothing is refused from here on.
        let protocol = info.classic.as_ref().and_then(|classic| classic.protocols.first());
        let protocol = protocol.map(|(name, _)| name.clone());
        let changed = |former: &MemberLedger| {
            former.info.topics != info.topics || former.info.regex != info.regex
        };
        self.look_at_topics(former.as_ref().is_none_or(changed).then_some(&info));
        self.describe_classic(former, info);
        self.update_targets();
        let owned = self.owned_by(&id, &subscription);
        self.reconcile_member(&id, Some(&owned));
        self.expect_sync(&id);
        let epoch = self.member(&id).map_or(0, |member| member.current.epoch);
        Ok(JoinGroupResponse::default()
            .with_generation_id(epoch)
            .with_protocol_type(Some(CONSUMER_PROTOCOL_TYPE.into()))
            .with_protocol_name(protocol)
            .with_member_id(id))
    }

    /// The subscription of a client that can be in this group: a consumer's, in a protocol that the
    /// other classic members speak as well.
    fn subscription(
        &self,
        protocol_type: &StrBytes,
        classic: &ClassicMember,
    ) -> Option<Subscription> {
        let others = || self.infos().filter_map(|info| info.classic.as_ref());
        let speaks = |other: &ClassicMember, name: &StrBytes| {
            other.protocols.iter().any(|(spoken, _)| spoken == name)
        };
        let is_common = |name: &StrBytes| others().all(|other| speaks(other, name));
        let common = classic.protocols.iter().any(|(name, _)| is_common(name));
        let (_, metadata) = classic.protocols.first()?;
        let consumer = protocol_type.as_str() == CONSUMER_PROTOCOL_TYPE;
        (consumer && common).then(|| Subscription::parse(metadata)).flatten()
    }

    /// Who the client is, or whose place it takes: a static member without an id has restarted.
    fn classic_self(
        &self,
        id: &StrBytes,
        request: &JoinGroupRequest,
    ) -> Result<Option<&MemberLedger>, ErrorCode> {
        let Some(instance_id) = &request.group_instance_id else { return Ok(self.member(id)) };
        let current = self.state().and_then(|state| state.instance(instance_id));
        match current {
            Some(former) if request.member_id.is_empty() || former.info.id == *id => {
                Ok(Some(former))
            }
            Some(_) => Err(ErrorCode::FencedInstanceId),
            None if request.member_id.is_empty() => Ok(None),
            None => Err(ErrorCode::UnknownMemberId),
        }
    }

    fn describe_classic(&mut self, former: Option<MemberLedger>, info: ConsumerMember) {
        match former {
            Some(former) if former.info.id != info.id => {
                self.disarm(&former.info.id);
                self.emit(ConsumerChange::Replaced { former_id: former.info.id, member: info });
            }
            Some(former) if former.info == info => {}
            _ => self.emit(ConsumerChange::Subscribed(info)),
        }
    }

    /// What the client says that it has. Of another generation than its own it has nothing.
    fn owned_by(&self, id: &StrBytes, subscription: &Subscription) -> Assignment {
        let epoch = self.member(id).map(|member| member.current.epoch);
        if subscription.generation != -1 && Some(subscription.generation) != epoch {
            return Assignment::new();
        }
        self.with_ids(&subscription.owned)
    }

    pub(super) fn with_ids(&self, named: &NamedPartitions) -> Assignment {
        let of_topic = |(name, indexes): &(StrBytes, Vec<i32>)| {
            let topic = self.topics.find(self.key.tenant, name).map(|shape| shape.id);
            let at = |index: &i32| Some(TopicPartition { topic: topic?, index: *index });
            indexes.iter().filter_map(at).collect::<Vec<_>>()
        };
        named.iter().flat_map(of_topic).collect()
    }

    /// The member has its epoch and is to fetch its assignment, within its rebalance timeout.
    fn expect_sync(&mut self, id: &StrBytes) {
        let Some(member) = self.member(id) else { return };
        let timeout_ms = member.info.rebalance_timeout_ms;
        self.fx.timers.disarm(&Timer::ConsumerJoin(self.key.clone(), id.clone()));
        self.fx.arm(Timer::ConsumerSync(self.key.clone(), id.clone()), timeout_ms);
        self.arm_session(id);
        self.note_sync(id, true);
    }

    /// Remembers whether the member is to fetch its assignment: whoever takes over must wait for it no
    /// longer than we would have (R42).
    fn note_sync(&mut self, id: &StrBytes, awaits_sync: bool) {
        let Some(member) = self.member(id) else { return };
        if member.current.awaits_sync != awaits_sync {
            let current = CurrentAssignment { awaits_sync, ..member.current.clone() };
            self.emit(ConsumerChange::Reconciled { member_id: id.clone(), current });
        }
    }

    /// Starts the timer of a member that was to fetch its assignment, after a replay.
    pub(super) fn resume_sync(&mut self, id: &StrBytes) {
        let Some(member) = self.member(id) else { return };
        let timeout_ms = member.info.rebalance_timeout_ms;
        if member.info.classic.is_some() && member.current.awaits_sync {
            self.fx.arm(Timer::ConsumerSync(self.key.clone(), id.clone()), timeout_ms);
        }
    }

    /// Carries out a SyncGroup.
    pub(super) fn sync_classic(
        &mut self,
        request: &SyncGroupRequest,
    ) -> Result<SyncGroupResponse, ErrorCode> {
        let instance_id = request.group_instance_id.as_ref();
        let member = self.classic_member(&request.member_id, instance_id)?;
        if request.generation_id != member.current.epoch {
            return Err(ErrorCode::IllegalGeneration);
        }
        let classic = member.info.classic.as_ref();
        let protocol = classic.and_then(|classic| classic.protocols.first());
        let protocol = protocol.map(|(name, _)| name.clone()).unwrap_or_default();
        let differs = |theirs: &Option<StrBytes>, ours: &str| {
            theirs.as_ref().is_some_and(|theirs| theirs.as_str() != ours)
        };
        if differs(&request.protocol_type, CONSUMER_PROTOCOL_TYPE)
            || differs(&request.protocol_name, &protocol)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let (id, current) = (member.info.id.clone(), member.current.clone());
        // One that gives partitions back first learns which: its assignment is without them.
        if self.is_behind(current.epoch) && current.state != MemberState::UnrevokedPartitions {
            self.expect_join(&id);
            return Err(ErrorCode::RebalanceInProgress);
        }
        self.fx.timers.disarm(&Timer::ConsumerSync(self.key.clone(), id.clone()));
        self.note_sync(&id, false);
        self.arm_session(&id);
        let assignment = encode_assignment(&named(&current.assigned, &self.key, self.topics));
        Ok(SyncGroupResponse::default()
            .with_protocol_type(Some(CONSUMER_PROTOCOL_TYPE.into()))
            .with_protocol_name(Some(protocol))
            .with_assignment(assignment))
    }

    /// Carries out a Heartbeat.
    pub(super) fn heartbeat_classic(
        &mut self,
        request: &HeartbeatRequest,
    ) -> Result<(), ErrorCode> {
        let instance_id = request.group_instance_id.as_ref();
        let member = self.classic_member(&request.member_id, instance_id)?;
        if request.generation_id != member.current.epoch {
            return Err(ErrorCode::IllegalGeneration);
        }
        let (id, epoch) = (member.info.id.clone(), member.current.epoch);
        let rejoins = match member.current.state {
            MemberState::UnrevokedPartitions => true,
            MemberState::UnreleasedPartitions => self.has_released(member),
            MemberState::Stable => false,
        };
        self.arm_session(&id);
        self.look_at_topics(None);
        if rejoins || self.is_behind(epoch) {
            self.expect_join(&id);
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    fn is_behind(&self, epoch: i32) -> bool {
        self.state().is_some_and(|state| state.epochs.group > epoch)
    }

    /// True if no other member has what this one waits for.
    fn has_released(&self, member: &MemberLedger) -> bool {
        let id = &member.info.id;
        let members = self.state().into_iter().flat_map(|state| &state.members);
        let mut others = members.filter(|(other, _)| *other != id);
        let waits = |other: &MemberLedger| member.target.iter().any(|at| other.current.holds(at));
        others.all(|(_, other)| !waits(other))
    }

    /// The member is to join again, within its rebalance timeout from when it was first told.
    fn expect_join(&mut self, id: &StrBytes) {
        let Some(member) = self.member(id) else { return };
        let timeout_ms = member.info.rebalance_timeout_ms;
        let timer = Timer::ConsumerJoin(self.key.clone(), id.clone());
        if !self.fx.timers.is_armed(&timer) {
            self.fx.arm(timer, timeout_ms);
        }
    }

    /// Removes one member. By instance id alone an administrator removes a static member of either
    /// protocol.
    pub(super) fn leave_classic(&mut self, identity: &MemberIdentity) -> Result<(), ErrorCode> {
        let instance_id = identity.group_instance_id.as_ref();
        let id = if identity.member_id.is_empty() {
            let state = self.state().ok_or(ErrorCode::UnknownMemberId)?;
            let member = instance_id.and_then(|instance_id| state.instance(instance_id));
            member.ok_or(ErrorCode::UnknownMemberId)?.info.id.clone()
        } else {
            self.classic_member(&identity.member_id, instance_id)?.info.id.clone()
        };
        self.remove(&id);
        Ok(())
    }

    /// Checks that a request speaks for a classic member (KIP-345).
    fn classic_member(
        &self,
        id: &StrBytes,
        instance_id: Option<&StrBytes>,
    ) -> Result<&MemberLedger, ErrorCode> {
        if let Some(instance_id) = instance_id {
            let current = self.state().and_then(|state| state.instance(instance_id));
            if current.ok_or(ErrorCode::UnknownMemberId)?.info.id != *id {
                return Err(ErrorCode::FencedInstanceId);
            }
        }
        let member = self.member(id).filter(|member| member.info.classic.is_some());
        member.ok_or(ErrorCode::UnknownMemberId)
    }
}

fn described(
    id: StrBytes,
    former: Option<&MemberLedger>,
    caller: &Caller,
    request: &JoinGroupRequest,
    subscription: &Subscription,
    classic: ClassicMember,
) -> ConsumerMember {
    let former_instance = || former.and_then(|former| former.info.instance_id.clone());
    ConsumerMember {
        id,
        instance_id: request.group_instance_id.as_ref().map(owned).or_else(former_instance),
        rack_id: subscription.rack.clone(),
        client_id: owned(&caller.client_id),
        client_host: owned(&caller.client_host),
        rebalance_timeout_ms: rebalance_timeout_ms(request),
        topics: subscription.topics.iter().cloned().collect(),
        regex: None,
        assignor: None,
        classic: Some(classic),
    }
}

/// Partitions under the names of their topics, without those of topics that are gone.
pub(super) fn named(
    partitions: &Assignment,
    key: &GroupKey,
    topics: &dyn Topics,
) -> NamedPartitions {
    let mut named: Vec<(TopicId, Vec<i32>)> = Vec::new();
    for at in partitions {
        match named.last_mut() {
            Some((topic, indexes)) if *topic == at.topic => indexes.push(at.index),
            _ => named.push((at.topic, vec![at.index])),
        }
    }
    let with_name = |(topic, indexes)| Some((topics.name(key.tenant, topic)?, indexes));
    named.into_iter().filter_map(with_name).collect()
}
