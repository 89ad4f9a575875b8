//! How members go: on their own, for a while, or because they were silent for too long.

use protocol::StrBytes;
use protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};

use super::{ConsumerGroup, LEAVE_STATIC_EPOCH, Refused};
use crate::record::{Assignment, ConsumerChange, CurrentAssignment, MemberState};

impl ConsumerGroup<'_> {
    pub(super) fn leave(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        let id = self.leaving(request)?;
        if request.member_epoch == LEAVE_STATIC_EPOCH {
            self.leave_for_a_while(&id);
        } else {
            self.remove(&id);
        }
        Ok(ConsumerGroupHeartbeatResponse::default()
            .with_member_id(Some(id))
            .with_member_epoch(request.member_epoch))
    }

    /// A static member keeps its partitions for what is left of its session (KIP-345).
    fn leave_for_a_while(&mut self, id: &StrBytes) {
        let Some(member) = self.member(id) else { return };
        let current = CurrentAssignment {
            epoch: LEAVE_STATIC_EPOCH,
            state: MemberState::Stable,
            revoking: Assignment::new(),
            ..member.current.clone()
        };
        self.emit(ConsumerChange::Reconciled { member_id: id.clone(), current });
        self.arm_rebalance(id);
    }

    pub(super) fn remove(&mut self, id: &StrBytes) {
        self.disarm(id);
        self.raise_epoch_without(id);
        self.emit(ConsumerChange::Left { member_id: id.clone() });
        if self.infos().next().is_none() {
            self.looked_at.remove(&self.key);
        }
    }

    /// Stops the timers of a group that is to be a classic one.
    pub(super) fn disarm_all(&mut self) {
        for id in self.ids() {
            self.disarm(&id);
        }
        self.looked_at.remove(&self.key);
    }

    /// The member was silent for its session timeout, or did not join or sync when it was to.
    pub(super) fn on_silence(&mut self, id: &StrBytes) {
        if self.member(id).is_some() {
            self.remove(id);
        }
    }

    /// The member has not given back what it was told to, in its rebalance timeout.
    pub(super) fn on_rebalance_timer(&mut self, id: &StrBytes) {
        let late = |state| state == MemberState::UnrevokedPartitions;
        if self.member(id).is_some_and(|member| late(member.current.state)) {
            self.remove(id);
        }
    }
}
