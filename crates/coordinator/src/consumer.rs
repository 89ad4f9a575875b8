//! Groups of the consumer protocol (KIP-848): the coordinator assigns, members only send heartbeats.
//!
//! ```text
//!  subscriptions, topics ──▶ group epoch ──▶ target assignment ──▶ current assignments
//!        (who wants what)    (+1 a change)   (the assignor says)   (member by member, at its pace)
//! ```
//!
//! No barrier stops the group: each heartbeat moves one member a step towards its target, in
//! [`reconcile`]. All state is durable (see [`crate::record::ConsumerChange`]), so a [`ConsumerGroup`]
//! is made for one step and a failover loses nothing but the timers, which start in full (R42).
//! Topics are looked up when their revision has moved since the group last looked.

use std::collections::BTreeMap;

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::ConsumerGroupHeartbeatResponse;

use crate::coordinator::{GroupConfigs, Topics};
use crate::effects::Effects;
use crate::ledger::{ConsumerLedger, MemberLedger};
use crate::record::{ConsumerChange, ConsumerMember, GroupKey, MemberState, Record};
use crate::timers::Timer;

mod assignor;
mod classic;
pub(crate) mod describe;
mod heartbeat;
mod leave;
mod member;
mod migration;
mod offsets;
mod reconcile;
mod service;
mod target;
mod topics;

/// Epoch of a heartbeat that joins.
const JOIN_EPOCH: i32 = 0;
/// Epoch of a heartbeat that leaves.
const LEAVE_EPOCH: i32 = -1;
/// Epoch of a heartbeat with which a static member leaves to come back.
const LEAVE_STATIC_EPOCH: i32 = -2;

/// A consumer group for the length of a step.
pub(crate) struct ConsumerGroup<'a> {
    key: GroupKey,
    topics: &'a dyn Topics,
    /// The revision of the topics that each group's targets are for.
    looked_at: &'a mut BTreeMap<GroupKey, u64>,
    /// What is set on the group.
    configs: GroupConfigs,
    fx: Effects<'a>,
}

/// Why a heartbeat is refused: the code, and a text for the client's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    code: ErrorCode,
    message: String,
}

impl ConsumerGroup<'_> {
    fn state(&self) -> Option<&ConsumerLedger> {
        self.fx.ledger.get(&self.key)?.consumer.as_ref()
    }

    fn member(&self, id: &StrBytes) -> Option<&MemberLedger> {
        self.state()?.members.get(id)
    }

    /// What all members say about themselves.
    fn infos(&self) -> impl Iterator<Item = &ConsumerMember> {
        self.state().into_iter().flat_map(|state| state.members.values()).map(|member| &member.info)
    }

    fn emit(&mut self, change: ConsumerChange) {
        self.fx.emit(Record::Consumer { group: self.key.clone(), change });
    }

    /// The member was heard of. A classic one has brought its session timeout.
    fn arm_session(&mut self, member_id: &StrBytes) {
        let classic = self.member(member_id).and_then(|member| member.info.classic.as_ref());
        let timeout_ms = classic.map(|classic| classic.session_timeout_ms);
        let timeout_ms = timeout_ms.or(self.configs.consumer_session_timeout_ms);
        let timeout_ms = timeout_ms.unwrap_or(self.fx.config.consumer_session_timeout_ms);
        let timer = Timer::ConsumerSession(self.key.clone(), member_id.clone());
        self.fx.arm(timer, timeout_ms);
    }

    /// A member that was told to give partitions back has its rebalance timeout for it. A classic
    /// one has it for the JoinGroup with which it does so.
    fn arm_rebalance(&mut self, member_id: &StrBytes) {
        let Some(member) = self.member(member_id) else { return };
        let timeout_ms = member.info.rebalance_timeout_ms;
        let waits = member.current.state == MemberState::UnrevokedPartitions
            && member.info.classic.is_none();
        let timer = Timer::ConsumerRebalance(self.key.clone(), member_id.clone());
        if waits {
            self.fx.arm(timer, timeout_ms);
        } else {
            self.fx.timers.disarm(&timer);
        }
    }

    fn disarm(&mut self, member_id: &StrBytes) {
        let timers = [
            Timer::ConsumerSession,
            Timer::ConsumerRebalance,
            Timer::ConsumerJoin,
            Timer::ConsumerSync,
        ];
        for timer in timers {
            self.fx.timers.disarm(&timer(self.key.clone(), member_id.clone()));
        }
    }

    fn ids(&self) -> Vec<StrBytes> {
        self.infos().map(|info| info.id.clone()).collect()
    }

    /// Starts the timers of all members after a replay (R42).
    pub(crate) fn start_timers(&mut self) {
        for id in self.ids() {
            self.arm_session(&id);
            self.arm_rebalance(&id);
            self.resume_sync(&id);
        }
    }
}

impl Refused {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    fn into_response(self) -> ConsumerGroupHeartbeatResponse {
        ConsumerGroupHeartbeatResponse::default()
            .with_error_code(self.code.code())
            .with_error_message(Some(self.message.into()))
    }
}
