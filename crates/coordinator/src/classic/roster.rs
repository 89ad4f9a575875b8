//! The members of a classic group: who they are, what they speak, who of them waits for an answer.
//!
//! A collection with its counts, no protocol logic. The counts make a join cost no walk over all
//! members, which matters when a thousand of them arrive at once.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::StrBytes;
use protocol::error::ErrorCode;

use crate::command::Token;
use crate::limits::MEMBER_OVERHEAD_BYTES;
use crate::record::MemberRecord;

/// A member, and the requests of it that wait.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// Who it is: what the log keeps once the generation is settled.
    pub(crate) record: MemberRecord,
    /// Its JoinGroup, until the rebalance is through.
    joining: Option<Token>,
    /// Its SyncGroup, until the leader has sent the assignment.
    pub(crate) syncing: Option<Token>,
    /// It has not been in a generation yet. It may have gone away before it learned its id, so it
    /// can be dropped even while its JoinGroup waits.
    pub(crate) is_new: bool,
}

impl Member {
    pub(crate) fn new(record: MemberRecord) -> Self {
        Self { record, joining: None, syncing: None, is_new: false }
    }

    pub(crate) fn is_joining(&self) -> bool {
        self.joining.is_some()
    }

    pub(crate) fn is_static(&self) -> bool {
        self.record.instance_id.is_some()
    }

    /// The member's metadata for `protocol`, if it speaks it.
    pub(crate) fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        let spoken = self.record.protocols.iter().find(|(name, _)| name.as_str() == protocol);
        spoken.map(|(_, metadata)| metadata)
    }
}

/// All members of a group.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    members: BTreeMap<StrBytes, Member>,
    /// Member ids of the static members by their instance id.
    instances: BTreeMap<StrBytes, StrBytes>,
    /// How many members speak each protocol.
    speakers: BTreeMap<StrBytes, usize>,
    joining: usize,
    /// What the members say about themselves, in bytes.
    bytes: usize,
}

impl Roster {
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// How many members wait for the rebalance.
    pub(crate) fn joining(&self) -> usize {
        self.joining
    }

    /// What all members say about themselves, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn contains(&self, id: &StrBytes) -> bool {
        self.members.contains_key(id)
    }

    pub(crate) fn get(&self, id: &StrBytes) -> Option<&Member> {
        self.members.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &StrBytes) -> Option<&mut Member> {
        self.members.get_mut(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.values_mut()
    }

    pub(crate) fn ids(&self) -> Vec<StrBytes> {
        self.members.keys().cloned().collect()
    }

    /// The member that runs under a `group.instance.id`.
    pub(crate) fn instance(&self, instance_id: &StrBytes) -> Option<&StrBytes> {
        self.instances.get(instance_id)
    }

    pub(crate) fn add(&mut self, member: Member) {
        let id = member.record.id.clone();
        if let Some(instance_id) = &member.record.instance_id {
            self.instances.insert(instance_id.clone(), id.clone());
        }
        self.count_protocols(&member.record.protocols, true);
        self.bytes += record_bytes(&member.record);
        self.joining += usize::from(member.is_joining());
        let replaced = self.members.insert(id, member);
        debug_assert!(replaced.is_none(), "a member id is added once");
    }

    pub(crate) fn remove(&mut self, id: &StrBytes) -> Option<Member> {
        let member = self.members.remove(id)?;
        if let Some(instance_id) = &member.record.instance_id {
            self.instances.remove(instance_id);
        }
        self.count_protocols(&member.record.protocols, false);
        self.bytes -= record_bytes(&member.record);
        self.joining -= usize::from(member.is_joining());
        Some(member)
    }

    /// Replaces what a member speaks.
    pub(crate) fn set_protocols(&mut self, id: &StrBytes, protocols: Vec<(StrBytes, Bytes)>) {
        let Some(member) = self.members.get_mut(id) else { return };
        self.bytes -= record_bytes(&member.record);
        let old = std::mem::replace(&mut member.record.protocols, protocols.clone());
        self.bytes += record_bytes(&member.record);
        self.count_protocols(&old, false);
        self.count_protocols(&protocols, true);
    }

    /// Lets the member's JoinGroup wait. Returns the one that waited before.
    pub(crate) fn park_join(&mut self, id: &StrBytes, token: Token) -> Option<Token> {
        let before = self.members.get_mut(id)?.joining.replace(token);
        self.joining += usize::from(before.is_none());
        before
    }

    /// Takes the member's waiting JoinGroup, to answer it.
    pub(crate) fn take_join(&mut self, id: &StrBytes) -> Option<Token> {
        let token = self.members.get_mut(id)?.joining.take()?;
        self.joining -= 1;
        Some(token)
    }

    /// Checks that a request speaks for a member: known, and not replaced under its instance id
    /// (KIP-345).
    pub(crate) fn check(
        &self,
        member_id: &StrBytes,
        instance_id: Option<&StrBytes>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            let current = self.instances.get(instance_id).ok_or(ErrorCode::UnknownMemberId)?;
            if current != member_id {
                return Err(ErrorCode::FencedInstanceId);
            }
        }
        if self.contains(member_id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// True if some protocol of the list is spoken by every member.
    pub(crate) fn all_speak_one_of(&self, protocols: &[(StrBytes, Bytes)]) -> bool {
        protocols.iter().any(|(name, _)| {
            self.speakers.get(name).copied().unwrap_or_default() == self.members.len()
        })
    }

    /// The protocol of the next generation. Each member votes for the first of its list that all
    /// members speak; on a tie the smaller name wins, so that the result repeats.
    pub(crate) fn vote(&self) -> Option<StrBytes> {
        let mut votes: BTreeMap<&StrBytes, usize> = BTreeMap::new();
        for member in self.members.values() {
            let common = |name: &StrBytes| self.speakers.get(name) == Some(&self.members.len());
            let vote = member.record.protocols.iter().find(|(name, _)| common(name));
            if let Some((name, _)) = vote {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = *votes.values().max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.clone())
    }

    /// The longest time that a member wants a rebalance to wait for it.
    pub(crate) fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.record.rebalance_timeout_ms).max().unwrap_or(0)
    }

    fn count_protocols(&mut self, protocols: &[(StrBytes, Bytes)], added: bool) {
        for (name, _) in protocols {
            let count = self.speakers.entry(name.clone()).or_default();
            *count = if added { *count + 1 } else { *count - 1 };
            if *count == 0 {
                self.speakers.remove(name);
            }
        }
    }
}

/// What a member says about itself, in bytes. Its assignment is the leader's to say.
pub(crate) fn record_bytes(record: &MemberRecord) -> usize {
    let protocols = record.protocols.iter().map(|(name, metadata)| name.len() + metadata.len());
    let names = record.id.len() + record.client_id.len() + record.client_host.len();
    let instance_id = record.instance_id.as_ref().map_or(0, |id| id.len());
    MEMBER_OVERHEAD_BYTES + names + instance_id + protocols.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &'static str, protocols: &[&'static str]) -> Member {
        Member::new(MemberRecord {
            id: id.into(),
            protocols: protocols.iter().map(|name| ((*name).into(), Bytes::new())).collect(),
            ..MemberRecord::default()
        })
    }

    fn roster(members: &[(&'static str, &[&'static str])]) -> Roster {
        let mut roster = Roster::default();
        for (id, protocols) in members {
            roster.add(member(id, protocols));
        }
        roster
    }

    #[test]
    fn the_vote_counts_only_protocols_that_all_members_speak() {
        let roster = roster(&[
            ("a", &["sticky", "range"]),
            ("b", &["sticky", "range"]),
            ("c", &["roundrobin", "range"]),
        ]);
        assert_eq!(roster.vote(), Some("range".into()));
    }

    #[test]
    fn most_votes_win_and_a_tie_goes_to_the_smaller_name() {
        let two_to_one = roster(&[("a", &["x", "y"]), ("b", &["y", "x"]), ("c", &["y", "x"])]);
        assert_eq!(two_to_one.vote(), Some("y".into()));
        let tie = roster(&[("a", &["x", "y"]), ("b", &["y", "x"])]);
        assert_eq!(tie.vote(), Some("x".into()));
        assert_eq!(Roster::default().vote(), None);
    }

    #[test]
    fn counts_follow_additions_removals_and_changed_protocols() {
        let mut roster = roster(&[("a", &["x"]), ("b", &["x"])]);
        assert!(roster.all_speak_one_of(&[("x".into(), Bytes::new())]));
        roster.set_protocols(&"b".into(), vec![("y".into(), Bytes::new())]);
        assert!(!roster.all_speak_one_of(&[("x".into(), Bytes::new())]));
        roster.remove(&"b".into());
        assert!(roster.all_speak_one_of(&[("x".into(), Bytes::new())]));
        assert_eq!(roster.len(), 1);
    }

    #[test]
    fn a_parked_join_is_counted_once_however_often_it_is_repeated() {
        let mut roster = roster(&[("a", &["x"])]);
        assert_eq!(roster.park_join(&"a".into(), Token(1)), None);
        assert_eq!(roster.park_join(&"a".into(), Token(2)), Some(Token(1)));
        assert_eq!(roster.joining(), 1);
        assert_eq!(roster.take_join(&"a".into()), Some(Token(2)));
        assert_eq!(roster.joining(), 0);
    }
}
