//! Which commits and fetches of offsets a consumer group allows: those of its members, at their
//! epoch.

use std::collections::BTreeSet;

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TenantId;

use super::topics::Resolver;
use crate::coordinator::Topics;
use crate::ledger::ConsumerLedger;

/// First version of OffsetCommit whose clients know STALE_MEMBER_EPOCH. An older one cannot be of a
/// member of the consumer protocol. OffsetFetch names members from the same version on, so that an
/// older one is an administrator's.
const MEMBER_EPOCH_FROM: i16 = 9;

impl ConsumerLedger {
    /// May this client commit offsets, with this version of OffsetCommit? As with classic groups,
    /// clients without a member may while there is none.
    pub(crate) fn check_commit(
        &self,
        member_id: &StrBytes,
        epoch: i32,
        version: i16,
    ) -> Result<(), ErrorCode> {
        if epoch < 0 && self.members.is_empty() {
            return Ok(());
        }
        let member = self.members.get(member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if member.info.classic.is_none() && version < MEMBER_EPOCH_FROM {
            return Err(ErrorCode::UnsupportedVersion);
        }
        self.check_epoch(member_id, epoch)
    }

    /// May this client commit offsets in a transaction (KIP-447)? One that names neither member nor
    /// epoch is fenced by its transactional id alone; the others hear of epochs as of generations.
    pub(crate) fn check_txn_commit(
        &self,
        member_id: &StrBytes,
        epoch: i32,
    ) -> Result<(), ErrorCode> {
        if epoch < 0 && (member_id.is_empty() || self.members.is_empty()) {
            return Ok(());
        }
        self.check_epoch(member_id, epoch).map_err(|code| match code {
            ErrorCode::StaleMemberEpoch => ErrorCode::IllegalGeneration,
            code => code,
        })
    }

    /// May this client read the group's offsets? Administrators name no member.
    pub(crate) fn check_fetch(
        &self,
        member_id: Option<&StrBytes>,
        epoch: i32,
    ) -> Result<(), ErrorCode> {
        match member_id.filter(|id| !id.is_empty()) {
            None if epoch < 0 => Ok(()),
            None => Err(ErrorCode::UnknownMemberId),
            Some(member_id) => self.check_epoch(member_id, epoch),
        }
    }

    fn check_epoch(&self, member_id: &StrBytes, epoch: i32) -> Result<(), ErrorCode> {
        let member = self.members.get(member_id).ok_or(ErrorCode::UnknownMemberId)?;
        match &member.info.classic {
            _ if member.current.epoch == epoch => Ok(()),
            Some(_) => Err(ErrorCode::IllegalGeneration),
            None => Err(ErrorCode::StaleMemberEpoch),
        }
    }

    /// The names of the topics that members subscribe to.
    pub(crate) fn subscribed_topics(
        &self,
        tenant: TenantId,
        topics: &dyn Topics,
    ) -> BTreeSet<StrBytes> {
        let mut resolver = Resolver::new(tenant, topics);
        self.members.values().flat_map(|member| resolver.names(&member.info)).collect()
    }
}
