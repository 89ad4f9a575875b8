//! JoinGroup: who may become or stay a member, and under which id.

use bytes::Bytes;
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::JoinGroupRequest;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;

use super::rebalance::{InitialDelay, join_error};
use super::roster::{Member, record_bytes};
use super::{ClassicGroup, Phase};
use crate::command::{Caller, Reply};
use crate::effects::Effects;
use crate::limits::{GROUP_MEMBERS_BYTES_MAX, TEXT_BYTES_MAX};
use crate::owned::{owned, owned_bytes};
use crate::record::MemberRecord;

/// A client that does not know its id yet cannot send heartbeats, so its session timeout cannot
/// apply while its JoinGroup waits. This long it may wait (Kafka's constant).
const NEW_MEMBER_JOIN_TIMEOUT_MS: i32 = 5 * 60 * 1_000;

/// A JoinGroup with what all its paths need.
pub(super) struct Join<'a> {
    pub(super) caller: &'a Caller,
    member_id: StrBytes,
    instance_id: Option<StrBytes>,
    session_timeout_ms: i32,
    rebalance_timeout_ms: i32,
    protocol_type: StrBytes,
    protocols: Vec<(StrBytes, Bytes)>,
}

impl<'a> Join<'a> {
    fn new(caller: &'a Caller, request: &JoinGroupRequest) -> Self {
        Self {
            caller,
            member_id: owned(&request.member_id),
            instance_id: request.group_instance_id.as_ref().map(owned),
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: rebalance_timeout_ms(request),
            protocol_type: owned(&request.protocol_type),
            protocols: distinct(&request.protocols),
        }
    }

    fn record(&self, member_id: StrBytes) -> MemberRecord {
        MemberRecord {
            id: member_id,
            instance_id: self.instance_id.clone(),
            client_id: owned(&self.caller.client_id),
            client_host: owned(&self.caller.client_host),
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            protocols: self.protocols.clone(),
            assignment: Bytes::new(),
        }
    }

    fn refuse(&self, member_id: StrBytes, code: ErrorCode, fx: &mut Effects<'_>) {
        fx.reply(self.caller.token, join_error(member_id, code));
    }
}

/// True if every name in the request has a length that a name can have.
pub(crate) fn texts_fit(request: &JoinGroupRequest) -> bool {
    let protocols = request.protocols.iter().map(|protocol| &protocol.name);
    let names = request.group_instance_id.iter().chain([&request.protocol_type]).chain(protocols);
    names.into_iter().all(|name| name.len() <= TEXT_BYTES_MAX)
}

/// Version 0 has no rebalance timeout: the session timeout takes its place.
pub(crate) fn rebalance_timeout_ms(request: &JoinGroupRequest) -> i32 {
    match request.rebalance_timeout_ms {
        timeout_ms if timeout_ms < 0 => request.session_timeout_ms,
        timeout_ms => timeout_ms,
    }
}

/// The protocols without repetitions: a name counts once per member in the vote.
pub(crate) fn distinct(protocols: &[JoinGroupRequestProtocol]) -> Vec<(StrBytes, Bytes)> {
    let mut distinct: Vec<(StrBytes, Bytes)> = Vec::with_capacity(protocols.len());
    for protocol in protocols {
        if distinct.iter().all(|(name, _)| *name != protocol.name) {
            distinct.push((owned(&protocol.name), owned_bytes(&protocol.metadata)));
        }
    }
    distinct
}

impl ClassicGroup {
    /// Carries out a JoinGroup whose group id and session timeout are in order.
    pub(crate) fn join(
        &mut self,
        caller: &Caller,
        request: &JoinGroupRequest,
        fx: &mut Effects<'_>,
    ) {
        let join = Join::new(caller, request);
        if !self.has_room_for(&join, fx.config.group_size_max) {
            if self.roster.contains(&join.member_id) || self.pending.contains(&join.member_id) {
                self.expel(&join.member_id, fx);
            }
            join.refuse(StrBytes::new(), ErrorCode::GroupMaxSizeReached, fx);
        } else if !self.supports(&join) {
            join.refuse(join.member_id.clone(), ErrorCode::InconsistentGroupProtocol, fx);
        } else if !join.member_id.is_empty() {
            self.join_known(join, fx);
        } else if let Some(instance_id) = join.instance_id.clone() {
            let new_id = fx.member_ids.next(&instance_id);
            match self.roster.instance(&instance_id).cloned() {
                Some(old_id) => self.replace_static(join, &old_id, new_id, fx),
                None => self.add_member(join, new_id, fx),
            }
        } else {
            self.give_id(join, fx);
        }
    }

    /// During a rebalance those who have joined count, so that the last to come stay outside when
    /// the limit was lowered; otherwise the members. Ids given out count as well: they cost memory
    /// and nothing else bounds them.
    fn has_room_for(&self, join: &Join<'_>, size_max: usize) -> bool {
        let former_self = join.instance_id.as_ref().and_then(|id| self.roster.instance(id));
        let member = self.roster.get(former_self.unwrap_or(&join.member_id));
        let inside = match self.phase {
            Phase::Empty => false,
            Phase::Preparing { .. } => member.is_some_and(Member::is_joining),
            Phase::Completing | Phase::Stable => member.is_some(),
        };
        let taken = match self.phase {
            Phase::Empty => 0,
            Phase::Preparing { .. } => self.roster.joining(),
            Phase::Completing | Phase::Stable => self.roster.len(),
        };
        let ids_left = !join.member_id.is_empty() || self.pending.len() < size_max;
        let former_bytes = member.map_or(0, |member| record_bytes(&member.record));
        let bytes =
            self.roster.bytes() - former_bytes + record_bytes(&join.record(StrBytes::new()));
        (inside || (taken < size_max && ids_left)) && bytes <= GROUP_MEMBERS_BYTES_MAX
    }

    fn supports(&self, join: &Join<'_>) -> bool {
        if self.phase == Phase::Empty {
            return !join.protocol_type.is_empty() && !join.protocols.is_empty();
        }
        self.protocol_type == join.protocol_type && self.roster.all_speak_one_of(&join.protocols)
    }

    /// KIP-394: a client that crashes while it joins leaves an id that expires, not a member that
    /// the next rebalance waits for.
    fn give_id(&mut self, join: Join<'_>, fx: &mut Effects<'_>) {
        let id = fx.member_ids.next(&join.caller.client_id);
        self.pending.insert(id.clone());
        self.arm_session(&id, join.session_timeout_ms, fx);
        join.refuse(id, ErrorCode::MemberIdRequired, fx);
    }

    fn join_known(&mut self, join: Join<'_>, fx: &mut Effects<'_>) {
        let id = join.member_id.clone();
        if self.pending.contains(&id) && join.instance_id.is_none() {
            self.add_member(join, id, fx);
            return;
        }
        if let Err(code) = self.roster.check(&id, join.instance_id.as_ref()) {
            join.refuse(id, code, fx);
            return;
        }
        let unchanged =
            self.roster.get(&id).is_some_and(|member| member.record.protocols == join.protocols);
        let keeps_generation = match self.phase {
            // It may have missed the answer to its first JoinGroup.
            Phase::Completing => unchanged,
            // The leader rejoins to ask for a rebalance: the topics have changed, say.
            Phase::Stable => unchanged && !self.is_leader(&id),
            Phase::Empty | Phase::Preparing { .. } => false,
        };
        if keeps_generation {
            fx.reply(join.caller.token, Reply::JoinGroup(self.join_response(&id)));
        } else {
            self.update_member(join, &id, fx);
            self.rebalance(fx);
        }
    }

    fn add_member(&mut self, join: Join<'_>, id: StrBytes, fx: &mut Effects<'_>) {
        if let Phase::Preparing { initial: Some(InitialDelay { newcomer, .. }) } = &mut self.phase {
            *newcomer = true;
        }
        if self.roster.is_empty() {
            self.protocol_type = join.protocol_type.clone();
        }
        self.leader.get_or_insert_with(|| id.clone());
        self.pending.remove(&id);
        let mut member = Member::new(join.record(id.clone()));
        member.is_new = true;
        self.roster.add(member);
        self.roster.park_join(&id, join.caller.token);
        self.arm_session(&id, NEW_MEMBER_JOIN_TIMEOUT_MS, fx);
        self.rebalance(fx);
    }

    fn update_member(&mut self, join: Join<'_>, id: &StrBytes, fx: &mut Effects<'_>) {
        self.roster.set_protocols(id, join.protocols);
        if let Some(member) = self.roster.get_mut(id) {
            member.record.session_timeout_ms = join.session_timeout_ms;
            member.record.rebalance_timeout_ms = join.rebalance_timeout_ms;
        }
        if let Some(older) = self.roster.park_join(id, join.caller.token) {
            // The client has sent JoinGroup twice. Answers leave in order, so the first must go.
            fx.reply(older, join_error(id.clone(), ErrorCode::RebalanceInProgress));
        }
    }

    /// KIP-345: a static member has restarted. It takes over the place of its former self under a
    /// new id; whoever still uses the old one is fenced.
    fn replace_static(
        &mut self,
        join: Join<'_>,
        old_id: &StrBytes,
        new_id: StrBytes,
        fx: &mut Effects<'_>,
    ) {
        let was_leader = self.is_leader(old_id);
        let Some(assignment) = self.fence_static(old_id, fx) else { return };
        let token = join.caller.token;
        let mut member = Member::new(join.record(new_id.clone()));
        member.record.assignment = assignment;
        self.roster.add(member);
        if was_leader {
            self.leader = Some(new_id.clone());
        }
        self.touch(&new_id, fx);
        if self.phase == Phase::Stable && self.roster.vote() == self.protocol_name {
            // Same protocol: the group goes on without a rebalance.
            // The assignment stands as well, so a leader must not make another one (KIP-814).
            self.emit_membership(fx);
            let response = self.join_response(&new_id).with_skip_assignment(was_leader);
            fx.reply(token, Reply::JoinGroup(response));
            return;
        }
        self.roster.park_join(&new_id, token);
        self.rebalance(fx);
    }

    /// Takes the former self out of the group. Returns its assignment.
    fn fence_static(&mut self, old_id: &StrBytes, fx: &mut Effects<'_>) -> Option<Bytes> {
        self.disarm_session(old_id, fx);
        self.unsynced.remove(old_id);
        if let Some(token) = self.roster.take_join(old_id) {
            fx.reply(token, join_error(old_id.clone(), ErrorCode::FencedInstanceId));
        }
        let old = self.roster.remove(old_id)?;
        if let Some(token) = old.syncing {
            fx.reply(token, super::rebalance::sync_error(ErrorCode::FencedInstanceId));
        }
        Some(old.record.assignment)
    }
}
