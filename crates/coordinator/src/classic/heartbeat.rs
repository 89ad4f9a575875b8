//! Heartbeats, and what happens when they stay away.

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::HeartbeatRequest;

use super::{ClassicGroup, Phase};
use crate::effects::Effects;

impl ClassicGroup {
    /// Carries out a Heartbeat.
    pub(crate) fn heartbeat(
        &mut self,
        request: &HeartbeatRequest,
        fx: &mut Effects<'_>,
    ) -> Result<(), ErrorCode> {
        self.roster.check(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        self.touch(&request.member_id, fx);
        match self.phase {
            Phase::Empty => Err(ErrorCode::UnknownMemberId),
            Phase::Preparing { .. } => Err(ErrorCode::RebalanceInProgress),
            Phase::Completing | Phase::Stable => Ok(()),
        }
    }

    /// A member, or an id that was given out, was silent for too long.
    pub(crate) fn on_session_timer(&mut self, member_id: &StrBytes, fx: &mut Effects<'_>) {
        let waits_for_us = self.roster.get(member_id).is_some_and(|member| {
            !member.is_new && (member.is_joining() || member.syncing.is_some())
        });
        // A member whose request we hold cannot send heartbeats. Its timer starts again with our
        // answer.
        if !waits_for_us {
            self.expel(member_id, fx);
        }
    }

    /// Removes a member or a pending id and lets the group go on without it.
    pub(super) fn expel(&mut self, member_id: &StrBytes, fx: &mut Effects<'_>) {
        let was_member = self.roster.contains(member_id);
        self.remove_member(member_id, fx);
        match self.phase {
            Phase::Empty => {}
            // Kafka ends even the initial delay here: with nobody left there is nothing to wait
            // for, and whoever else has joined need not wait for a dead one.
            Phase::Preparing { .. } if self.all_joined() => self.complete_join(fx),
            Phase::Preparing { .. } => {}
            Phase::Completing | Phase::Stable if was_member => self.prepare(fx),
            Phase::Completing | Phase::Stable => {}
        }
    }
}
