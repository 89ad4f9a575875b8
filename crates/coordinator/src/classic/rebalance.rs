//! Rebalances: how a group gets from one generation to the next.

use bytes::Bytes;
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::join_group_response::JoinGroupResponseMember;
use protocol::messages::{JoinGroupResponse, SyncGroupResponse};

use super::{ClassicGroup, Phase};
use crate::command::Reply;
use crate::effects::Effects;
use crate::record::Record;
use crate::timers::Timer;

/// How the first generation of a group gathers its members: each newcomer prolongs the wait, up to
/// the rebalance timeout. Otherwise a hundred consumers that start together would make a hundred
/// generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InitialDelay {
    /// What may still be added to the wait.
    pub(super) remaining_ms: i32,
    /// Somebody came since the timer was armed.
    pub(super) newcomer: bool,
}

impl ClassicGroup {
    /// The set of members or their metadata has changed: start a rebalance, or see whether the one
    /// under way is complete.
    pub(super) fn rebalance(&mut self, fx: &mut Effects<'_>) {
        match self.phase {
            Phase::Empty | Phase::Completing | Phase::Stable => self.prepare(fx),
            Phase::Preparing { .. } => self.complete_join_if_all_here(fx),
        }
    }

    /// `Empty | Completing | Stable => Preparing`
    pub(super) fn prepare(&mut self, fx: &mut Effects<'_>) {
        if self.phase == Phase::Completing {
            self.drop_assignments(fx);
        }
        self.unsynced.clear();
        fx.timers.disarm(&Timer::Sync(self.key.clone()));
        if self.phase == Phase::Empty {
            self.start_initial_delay(fx);
            return;
        }
        self.phase = Phase::Preparing { initial: None };
        if self.all_joined() {
            self.complete_join(fx);
        } else {
            fx.arm(Timer::Join(self.key.clone()), self.roster.rebalance_timeout_ms());
        }
    }

    /// Begins with a rebalance: the group was one of consumers so far (KIP-848).
    pub(crate) fn start_over(&mut self, fx: &mut Effects<'_>) {
        self.start_sessions(fx);
        self.prepare(fx);
    }

    /// Ends the group as a classic one: whoever waits is to join again, and finds it as it is then.
    pub(crate) fn dissolve(&mut self, fx: &mut Effects<'_>) {
        fx.timers.disarm(&Timer::Join(self.key.clone()));
        fx.timers.disarm(&Timer::Sync(self.key.clone()));
        for id in self.pending.iter().cloned().chain(self.roster.ids()).collect::<Vec<_>>() {
            self.disarm_session(&id, fx);
            if let Some(token) = self.roster.take_join(&id) {
                fx.reply(token, join_error(id.clone(), ErrorCode::RebalanceInProgress));
            }
            if let Some(token) = self.roster.get_mut(&id).and_then(|member| member.syncing.take()) {
                fx.reply(token, sync_error(ErrorCode::RebalanceInProgress));
            }
        }
    }

    fn start_initial_delay(&mut self, fx: &mut Effects<'_>) {
        let delay_ms = fx.config.initial_rebalance_delay_ms;
        if delay_ms == 0 {
            self.phase = Phase::Preparing { initial: None };
            self.complete_join(fx);
            return;
        }
        let remaining_ms = (self.roster.rebalance_timeout_ms().saturating_sub(delay_ms)).max(0);
        let initial = InitialDelay { remaining_ms, newcomer: false };
        self.phase = Phase::Preparing { initial: Some(initial) };
        fx.arm(Timer::Join(self.key.clone()), delay_ms);
    }

    /// The join timer has fired.
    pub(crate) fn on_join_timer(&mut self, fx: &mut Effects<'_>) {
        let Phase::Preparing { initial } = self.phase else { return };
        match initial {
            Some(InitialDelay { remaining_ms, newcomer: true }) if remaining_ms > 0 => {
                let delay_ms = fx.config.initial_rebalance_delay_ms.min(remaining_ms);
                let remaining_ms = remaining_ms - delay_ms;
                let initial = InitialDelay { remaining_ms, newcomer: false };
                self.phase = Phase::Preparing { initial: Some(initial) };
                fx.arm(Timer::Join(self.key.clone()), delay_ms);
            }
            Some(_) | None => self.complete_join(fx),
        }
    }

    pub(super) fn all_joined(&self) -> bool {
        self.roster.joining() == self.roster.len() && self.pending.is_empty()
    }

    /// Ends the wait for members if all are here. The initial delay is waited out in any case.
    pub(super) fn complete_join_if_all_here(&mut self, fx: &mut Effects<'_>) {
        if self.phase == (Phase::Preparing { initial: None }) && self.all_joined() {
            self.complete_join(fx);
        }
    }

    /// `Preparing => Completing | Empty`, or more waiting when only static members are left and
    /// none of them has joined.
    pub(super) fn complete_join(&mut self, fx: &mut Effects<'_>) {
        fx.timers.disarm(&Timer::Join(self.key.clone()));
        self.drop_absent_dynamic_members(fx);
        if self.roster.is_empty() {
            self.become_empty(fx);
        } else if self.elect_leader() {
            self.begin_generation(fx);
        } else {
            // Static members keep their place for their session timeout, whoever is away.
            self.phase = Phase::Preparing { initial: None };
            fx.arm(Timer::Join(self.key.clone()), self.roster.rebalance_timeout_ms());
        }
    }

    fn drop_absent_dynamic_members(&mut self, fx: &mut Effects<'_>) {
        let absent = |id: &StrBytes| {
            let member = self.roster.get(id);
            member.is_some_and(|member| !member.is_joining() && !member.is_static())
        };
        let absent: Vec<_> = self.roster.ids().into_iter().filter(absent).collect();
        for id in absent {
            self.remove_member(&id, fx);
        }
    }

    fn become_empty(&mut self, fx: &mut Effects<'_>) {
        self.phase = Phase::Empty;
        self.generation = fx.next_generation(&self.key);
        self.protocol_name = None;
        self.leader = None;
        self.emit_membership(fx);
    }

    /// Makes sure that the leader is a member that has joined. Returns false if there is none.
    fn elect_leader(&mut self) -> bool {
        let joined = |id: &StrBytes| self.roster.get(id).is_some_and(|member| member.is_joining());
        if self.leader.as_ref().is_some_and(joined) {
            return true;
        }
        let Some(successor) = self.roster.ids().into_iter().find(joined) else { return false };
        self.leader = Some(successor);
        true
    }

    fn begin_generation(&mut self, fx: &mut Effects<'_>) {
        self.generation = fx.next_generation(&self.key);
        let (group, generation) = (self.key.clone(), self.generation);
        fx.emit(Record::GenerationPromised { group, generation });
        self.protocol_name = self.roster.vote();
        self.phase = Phase::Completing;
        self.unsynced = self.roster.ids().into_iter().collect();
        for id in self.roster.ids() {
            let Some(member) = self.roster.get_mut(&id) else { continue };
            member.is_new = false;
            self.touch(&id, fx);
            if let Some(token) = self.roster.take_join(&id) {
                let response = self.join_response(&id);
                fx.reply(token, Reply::JoinGroup(response));
            }
        }
        fx.arm(Timer::Sync(self.key.clone()), self.roster.rebalance_timeout_ms());
    }

    /// The answer to a JoinGroup in the current generation: the leader gets all members.
    pub(super) fn join_response(&self, member_id: &StrBytes) -> JoinGroupResponse {
        let members =
            if self.is_leader(member_id) { self.members_for_leader() } else { Vec::new() };
        JoinGroupResponse::default()
            .with_generation_id(self.generation)
            .with_protocol_type(Some(self.protocol_type.clone()))
            .with_protocol_name(self.protocol_name.clone())
            .with_leader(self.leader.clone().unwrap_or_default())
            .with_member_id(member_id.clone())
            .with_members(members)
    }

    fn members_for_leader(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let members = self.roster.iter().map(|member| {
            JoinGroupResponseMember::default()
                .with_member_id(member.record.id.clone())
                .with_group_instance_id(member.record.instance_id.clone())
                .with_metadata(member.metadata(protocol).cloned().unwrap_or_default())
        });
        members.collect()
    }

    /// The generation under way is void: members that wait for its assignment join again.
    fn drop_assignments(&mut self, fx: &mut Effects<'_>) {
        for id in self.roster.ids() {
            let Some(member) = self.roster.get_mut(&id) else { continue };
            member.record.assignment = Bytes::new();
            if let Some(token) = member.syncing.take() {
                fx.reply(token, sync_error(ErrorCode::RebalanceInProgress));
                // Its session may have run out while it waited for us.
                self.touch(&id, fx);
            }
        }
    }

    /// Takes a member or a pending id out of the group and answers what waits for it.
    pub(super) fn remove_member(&mut self, id: &StrBytes, fx: &mut Effects<'_>) {
        self.disarm_session(id, fx);
        self.pending.remove(id);
        self.unsynced.remove(id);
        if let Some(token) = self.roster.take_join(id) {
            // The client may be alive and only its first JoinGroup timed out: it starts afresh.
            fx.reply(token, join_error(StrBytes::new(), ErrorCode::UnknownMemberId));
        }
        let removed = self.roster.remove(id);
        if let Some(token) = removed.and_then(|member| member.syncing) {
            fx.reply(token, sync_error(ErrorCode::UnknownMemberId));
        }
        if self.is_leader(id) {
            self.leader = self.roster.ids().into_iter().next();
        }
    }
}

/// A JoinGroup answer that only tells what is wrong. Unlike the message's default it has no
/// protocol name, as in Kafka.
pub(crate) fn join_error(member_id: StrBytes, code: ErrorCode) -> Reply {
    let response = JoinGroupResponse::default()
        .with_error_code(code.code())
        .with_protocol_name(None)
        .with_member_id(member_id);
    Reply::JoinGroup(response)
}

/// A SyncGroup answer that only tells what is wrong.
pub(crate) fn sync_error(code: ErrorCode) -> Reply {
    Reply::SyncGroup(SyncGroupResponse::default().with_error_code(code.code()))
}
