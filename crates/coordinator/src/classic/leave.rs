//! LeaveGroup: members that go on their own, or that an administrator removes (KIP-345).

use protocol::error::ErrorCode;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::leave_group_response::MemberResponse;

use super::{ClassicGroup, Phase};
use crate::effects::Effects;

impl ClassicGroup {
    /// Removes the members named; each is answered on its own. One rebalance follows for all.
    pub(crate) fn leave(
        &mut self,
        identities: &[MemberIdentity],
        fx: &mut Effects<'_>,
    ) -> Vec<MemberResponse> {
        let members_before = self.roster.len();
        let mut responses = Vec::with_capacity(identities.len());
        for identity in identities {
            let left = self.leave_one(identity, fx);
            responses.push(member_response(identity, left.err()));
        }
        match self.phase {
            Phase::Empty => {}
            // Also when only ids were given back that the rebalance waits for.
            Phase::Preparing { .. } => self.complete_join_if_all_here(fx),
            Phase::Completing | Phase::Stable if self.roster.len() < members_before => {
                self.prepare(fx);
            }
            Phase::Completing | Phase::Stable => {}
        }
        responses
    }

    fn leave_one(
        &mut self,
        identity: &MemberIdentity,
        fx: &mut Effects<'_>,
    ) -> Result<(), ErrorCode> {
        let instance_id = identity.group_instance_id.as_ref();
        let member_id = if identity.member_id.is_empty() {
            // By instance id alone: an administrator removes a static member.
            let member_id = instance_id.and_then(|instance_id| self.roster.instance(instance_id));
            member_id.cloned().ok_or(ErrorCode::UnknownMemberId)?
        } else {
            if !self.pending.contains(&identity.member_id) {
                self.roster.check(&identity.member_id, instance_id)?;
            }
            identity.member_id.clone()
        };
        self.remove_member(&member_id, fx);
        Ok(())
    }
}

pub(crate) fn member_response(
    identity: &MemberIdentity,
    error: Option<ErrorCode>,
) -> MemberResponse {
    MemberResponse::default()
        .with_member_id(identity.member_id.clone())
        .with_group_instance_id(identity.group_instance_id.clone())
        .with_error_code(error.unwrap_or(ErrorCode::None).code())
}
