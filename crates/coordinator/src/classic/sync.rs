//! SyncGroup: the leader brings the assignment, the others fetch it.

use std::collections::BTreeMap;

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use super::rebalance::sync_error;
use super::{ClassicGroup, Phase};
use crate::command::{Caller, Reply};
use crate::effects::Effects;
use crate::limits::GROUP_ASSIGNMENT_BYTES_MAX;
use crate::owned::owned_bytes;
use crate::timers::Timer;

impl ClassicGroup {
    /// Carries out a SyncGroup.
    pub(crate) fn sync(
        &mut self,
        caller: &Caller,
        request: &SyncGroupRequest,
        fx: &mut Effects<'_>,
    ) {
        if let Err(code) = self.check_sync(request) {
            fx.reply(caller.token, sync_error(code));
            return;
        }
        match self.phase {
            Phase::Empty => fx.reply(caller.token, sync_error(ErrorCode::UnknownMemberId)),
            Phase::Preparing { .. } => {
                fx.reply(caller.token, sync_error(ErrorCode::RebalanceInProgress));
            }
            Phase::Completing => self.sync_in_completing(caller, request, fx),
            Phase::Stable => {
                self.synced(&request.member_id, fx);
                let response = self.sync_response(&request.member_id);
                fx.reply(caller.token, response);
            }
        }
    }

    fn check_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        self.roster.check(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        // Clients say which protocol they think the group has since KIP-559; older ones do not.
        let differs = |theirs: &Option<StrBytes>, ours: Option<&StrBytes>| {
            theirs.as_ref().zip(ours).is_some_and(|(theirs, ours)| theirs != ours)
        };
        if differs(&request.protocol_type, Some(&self.protocol_type))
            || differs(&request.protocol_name, self.protocol_name.as_ref())
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let assigned: usize = request.assignments.iter().map(|one| one.assignment.len()).sum();
        if assigned > GROUP_ASSIGNMENT_BYTES_MAX {
            return Err(ErrorCode::InvalidRequest);
        }
        Ok(())
    }

    fn sync_in_completing(
        &mut self,
        caller: &Caller,
        request: &SyncGroupRequest,
        fx: &mut Effects<'_>,
    ) {
        let id = &request.member_id;
        let Some(member) = self.roster.get_mut(id) else { return };
        if let Some(older) = member.syncing.replace(caller.token) {
            fx.reply(older, sync_error(ErrorCode::RebalanceInProgress));
        }
        self.synced(id, fx);
        if self.is_leader(id) {
            self.settle(&request.assignments, fx);
        }
    }

    /// `Completing => Stable`: the leader's assignment becomes durable and goes to all who wait.
    /// Members that it leaves out get an empty one.
    fn settle(&mut self, assignments: &[SyncGroupRequestAssignment], fx: &mut Effects<'_>) {
        let assigned: BTreeMap<_, _> =
            assignments.iter().map(|one| (&one.member_id, &one.assignment)).collect();
        for member in self.roster.iter_mut() {
            let assignment = assigned.get(&member.record.id);
            member.record.assignment =
                assignment.map(|bytes| owned_bytes(bytes)).unwrap_or_default();
        }
        self.phase = Phase::Stable;
        self.emit_membership(fx);
        for id in self.roster.ids() {
            let waiting = self.roster.get_mut(&id).and_then(|member| member.syncing.take());
            if let Some(token) = waiting {
                let response = self.sync_response(&id);
                fx.reply(token, response);
                // Its session may have run out while it waited for the leader.
                self.touch(&id, fx);
            }
        }
    }

    fn synced(&mut self, member_id: &StrBytes, fx: &mut Effects<'_>) {
        self.unsynced.remove(member_id);
        if self.unsynced.is_empty() {
            fx.timers.disarm(&Timer::Sync(self.key.clone()));
        }
    }

    fn sync_response(&self, member_id: &StrBytes) -> Reply {
        let assignment = self.roster.get(member_id).map(|member| member.record.assignment.clone());
        let response = SyncGroupResponse::default()
            .with_protocol_type(Some(self.protocol_type.clone()))
            .with_protocol_name(self.protocol_name.clone())
            .with_assignment(assignment.unwrap_or_default());
        Reply::SyncGroup(response)
    }

    /// Members that did not ask for their assignment in time are gone: another rebalance, without
    /// them. A leader among them would otherwise hold the group for ever.
    pub(crate) fn on_sync_timer(&mut self, fx: &mut Effects<'_>) {
        let waits_for_sync = matches!(self.phase, Phase::Completing | Phase::Stable);
        if !waits_for_sync || self.unsynced.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.unsynced) {
            self.remove_member(&id, fx);
        }
        self.prepare(fx);
    }
}
