//! A classic consumer group: its members, its generation, and where its rebalance stands.
//!
//! ```text
//!            first member                all joined, or time over
//!   Empty ─────────────▶ Preparing ──────────────────────────────▶ Completing
//!     ▲                   ▲  ▲  │ nobody left                          │  │
//!     └───────────────────┼──┼──┘                  somebody came/went  │  │ leader sent the
//!                         │  └─────────────────────────────────────────┘  │ assignment
//!                         └───────────────────── Stable ◀────────────────┘
//! ```
//!
//! Only Empty and Stable reach the log. A coordinator that takes over in between goes on from the
//! last of them: its members' next heartbeat tells them to join again.

use std::collections::BTreeSet;

use protocol::StrBytes;
use protocol::error::ErrorCode;

use crate::effects::Effects;
use crate::ledger::GroupLedger;
use crate::record::{GroupKey, MemberRecord, Membership, Record};
use crate::timers::Timer;

pub(crate) mod describe;
mod heartbeat;
pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod rebalance;
pub(crate) mod roster;
mod sync;

use rebalance::InitialDelay;
use roster::{Member, Roster};

/// Where the group's rebalance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No members. Offsets may be stored.
    Empty,
    /// Members have been asked to join. `initial` while the first ones of an empty group gather.
    Preparing { initial: Option<InitialDelay> },
    /// Every member knows its generation; the leader works on the assignment.
    Completing,
    /// Every member has, or can ask for, its assignment.
    Stable,
}

/// A group with members, or with clients that are about to become some.
#[derive(Debug)]
pub(crate) struct ClassicGroup {
    key: GroupKey,
    phase: Phase,
    generation: i32,
    protocol_type: StrBytes,
    protocol_name: Option<StrBytes>,
    leader: Option<StrBytes>,
    roster: Roster,
    /// Ids that were given out but not joined with yet (KIP-394). A rebalance waits for them.
    pending: BTreeSet<StrBytes>,
    /// Members of the current generation that have not asked for their assignment.
    unsynced: BTreeSet<StrBytes>,
}

impl ClassicGroup {
    /// The group as the log has it: Stable with its members, or Empty.
    pub(crate) fn resume(key: GroupKey, ledger: Option<&GroupLedger>) -> Self {
        let membership = ledger.and_then(|ledger| ledger.membership.clone()).unwrap_or_default();
        let mut roster = Roster::default();
        for record in membership.members {
            roster.add(Member::new(record));
        }
        Self {
            key,
            phase: if roster.is_empty() { Phase::Empty } else { Phase::Stable },
            generation: membership.generation,
            protocol_type: membership.protocol_type,
            protocol_name: membership.protocol_name,
            leader: membership.leader,
            roster,
            pending: BTreeSet::new(),
            unsynced: BTreeSet::new(),
        }
    }

    /// True if the log knows as much about the group as we do, so that it can be forgotten here.
    pub(crate) fn is_vacant(&self) -> bool {
        self.phase == Phase::Empty && self.pending.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.phase == Phase::Empty
    }

    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    /// The members as the log keeps them, whatever rebalance is under way.
    pub(crate) fn members(&self) -> impl Iterator<Item = &MemberRecord> {
        self.roster.iter().map(|member| &member.record)
    }

    /// Starts the timers after a replay (R42). A group of members that nobody has led yet was one of
    /// consumers, and begins with a rebalance.
    pub(crate) fn start_timers(&mut self, fx: &mut Effects<'_>) {
        if self.leader.is_none() {
            self.start_over(fx);
        } else {
            self.start_sessions(fx);
        }
    }

    fn start_sessions(&self, fx: &mut Effects<'_>) {
        for member in self.roster.iter() {
            self.arm_session(&member.record.id, member.record.session_timeout_ms, fx);
        }
    }

    fn arm_session(&self, member_id: &StrBytes, timeout_ms: i32, fx: &mut Effects<'_>) {
        fx.arm(Timer::Session(self.key.clone(), member_id.clone()), timeout_ms);
    }

    fn disarm_session(&self, member_id: &StrBytes, fx: &mut Effects<'_>) {
        fx.timers.disarm(&Timer::Session(self.key.clone(), member_id.clone()));
    }

    /// The member was heard of.
    fn touch(&self, member_id: &StrBytes, fx: &mut Effects<'_>) {
        if let Some(member) = self.roster.get(member_id) {
            self.arm_session(member_id, member.record.session_timeout_ms, fx);
        }
    }

    /// Writes the settled members to the log.
    fn emit_membership(&self, fx: &mut Effects<'_>) {
        let membership = Membership {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone(),
            since_ms: fx.now_ms,
            members: self.roster.iter().map(|member| member.record.clone()).collect(),
        };
        fx.emit(Record::Membership { group: self.key.clone(), membership });
    }

    fn is_leader(&self, member_id: &StrBytes) -> bool {
        self.leader.as_ref() == Some(member_id)
    }

    /// May this client commit offsets? A commit with neither generation nor member is one of a
    /// client that assigns partitions itself; it may not disturb a group with members.
    pub(crate) fn check_commit(
        &mut self,
        member_id: &StrBytes,
        instance_id: Option<&StrBytes>,
        generation: i32,
        fx: &mut Effects<'_>,
    ) -> Result<(), ErrorCode> {
        if generation < 0 && self.phase == Phase::Empty {
            return Ok(());
        }
        if generation < 0 && member_id.is_empty() && instance_id.is_none() {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.check_member(member_id, instance_id, generation)?;
        match self.phase {
            // The member has its generation from JoinGroup but no assignment, so it consumes
            // nothing yet: it should finish the rebalance first.
            Phase::Completing => Err(ErrorCode::RebalanceInProgress),
            Phase::Empty | Phase::Preparing { .. } | Phase::Stable => {
                self.touch(member_id, fx);
                Ok(())
            }
        }
    }

    /// May this client commit offsets in a transaction (KIP-447)? One that names neither member nor
    /// generation is of before that, and is fenced by its transactional id alone. A rebalance does
    /// not stand in the way: the transaction must be able to end.
    pub(crate) fn check_txn_commit(
        &self,
        member_id: &StrBytes,
        instance_id: Option<&StrBytes>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        let names_a_member = generation >= 0 || !member_id.is_empty() || instance_id.is_some();
        if !names_a_member || (generation < 0 && self.phase == Phase::Empty) {
            return Ok(());
        }
        self.check_member(member_id, instance_id, generation)
    }

    fn check_member(
        &self,
        member_id: &StrBytes,
        instance_id: Option<&StrBytes>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        self.roster.check(member_id, instance_id)?;
        if generation == self.generation { Ok(()) } else { Err(ErrorCode::IllegalGeneration) }
    }
}
