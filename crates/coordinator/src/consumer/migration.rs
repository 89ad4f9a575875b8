//! Groups that change their protocol while they have members (KIP-848), and the requests of classic
//! members meanwhile.
//!
//! ```text
//!             first member of the consumer protocol joins
//!   classic ────────────────────────────────────────────────▶ consumer
//!           ◀────────────────────────────────────────────────
//!             last member of the consumer protocol goes
//! ```
//!
//! Both ways as with Kafka's migration policy `bidirectional`, its default; see [`MigrationPolicy`].
//! A group that may not go back stays one of consumers, with classic members only: they are served all
//! the same.
//!
//! [`MigrationPolicy`]: crate::config::MigrationPolicy

use std::collections::BTreeSet;

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::leave_group_response::MemberResponse;
use protocol::messages::{HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};

use super::ConsumerGroup;
use super::classic::named;
use crate::classic::ClassicGroup;
use crate::classic::describe::CONSUMER_PROTOCOL_TYPE;
use crate::classic::leave::member_response;
use crate::classic::rebalance::{join_error, sync_error};
use crate::classic::roster::{Member, Roster};
use crate::command::{Caller, Outputs, Reply};
use crate::coordinator::{Coordinator, Topics};
use crate::ledger::{ConsumerLedger, MemberLedger};
use crate::record::{
    Assignment, ClassicMember, ConsumerChange, ConsumerEpochs, ConsumerMember, CurrentAssignment,
    GroupKey, MemberRecord, Membership, Record,
};
use crate::subscription::{NamedPartitions, Subscription, encode_assignment, parse_assignment};

/// A classic member as a member of a consumer group, with what its leader gave it.
type Converted = (ConsumerMember, NamedPartitions);

impl Coordinator {
    pub(crate) fn join_consumer_group(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        key: GroupKey,
        request: &JoinGroupRequest,
        out: &mut Outputs,
    ) {
        let joined = self.act(now_ms, key, out, |group| group.join_classic(caller, request));
        let reply = match joined {
            Ok(response) => Reply::JoinGroup(response),
            Err((member_id, code)) => join_error(member_id, code),
        };
        out.replies.push((caller.token, reply));
    }

    pub(crate) fn sync_consumer_group(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        key: GroupKey,
        request: &SyncGroupRequest,
        out: &mut Outputs,
    ) {
        let synced = self.act(now_ms, key, out, |group| group.sync_classic(request));
        let reply = synced.map_or_else(sync_error, Reply::SyncGroup);
        out.replies.push((caller.token, reply));
    }

    pub(crate) fn heartbeat_consumer_group(
        &mut self,
        now_ms: i64,
        key: GroupKey,
        request: &HeartbeatRequest,
        out: &mut Outputs,
    ) -> Result<(), ErrorCode> {
        self.act(now_ms, key, out, |group| group.heartbeat_classic(request))
    }

    pub(crate) fn leave_consumer_group(
        &mut self,
        now_ms: i64,
        key: GroupKey,
        request: &LeaveGroupRequest,
        out: &mut Outputs,
    ) -> Vec<MemberResponse> {
        self.act(now_ms, key, out, |group| {
            let leave = |identity| member_response(identity, group.leave_classic(identity).err());
            request.members.iter().map(leave).collect()
        })
    }

    /// Lends a consumer group that may be one of classic members only afterwards.
    pub(super) fn act<T>(
        &mut self,
        now_ms: i64,
        key: GroupKey,
        out: &mut Outputs,
        act: impl FnOnce(&mut ConsumerGroup<'_>) -> T,
    ) -> T {
        let result = self.consumer_group(now_ms, key.clone(), out, act);
        self.downgrade_if_classic(now_ms, key, out);
        result
    }

    /// Makes a classic group one of consumers. Its members are told to join again as soon as they
    /// ask. Refuses one whose members do not say what they read.
    pub(super) fn upgrade(&mut self, now_ms: i64, key: &GroupKey, out: &mut Outputs) -> bool {
        let Some(classic) = self.groups.get(key) else { return false };
        if !self.config.consumer_migration_policy.upgrades() {
            return false;
        }
        let size_max = self.config.consumer_group_size_max;
        let fits = classic.speaks_consumer_protocol() && classic.members().count() < size_max;
        let converted: Option<Vec<Converted>> = classic.members().map(convert).collect();
        let Some(converted) = converted.filter(|_| fits) else { return false };
        let generation = classic.generation();
        let (groups, mut fx) = self.split(now_ms, out);
        let mut classic = groups.remove(key).expect("it was there above");
        classic.dissolve(&mut fx);
        self.consumer_group(now_ms, key.clone(), out, |group| {
            group.take_over(generation, converted)
        });
        true
    }

    /// Makes a group whose last member of the consumer protocol has gone a classic one. The others
    /// keep what they have until the rebalance that begins.
    fn downgrade_if_classic(&mut self, now_ms: i64, key: GroupKey, out: &mut Outputs) {
        let Some(group) = self.consumer(&key) else { return };
        let all_classic = group.members.values().all(|member| member.info.classic.is_some());
        let may = self.config.consumer_migration_policy.downgrades();
        if group.members.is_empty() || !all_classic || !may {
            return;
        }
        let membership = membership(group, now_ms, &key, self.topics.as_ref());
        self.consumer_group(now_ms, key.clone(), out, |group| group.disarm_all());
        self.emit(Record::Membership { group: key.clone(), membership }, out);
        let classic = ClassicGroup::resume(key.clone(), self.ledger.get(&key));
        let (groups, mut fx) = self.split(now_ms, out);
        let classic = groups.entry(key).or_insert(classic);
        classic.start_over(&mut fx);
    }
}

impl ConsumerGroup<'_> {
    /// Makes the classic members of a generation the group's own. They have what their leader gave
    /// them, and the generation is their epoch.
    fn take_over(&mut self, generation: i32, members: Vec<Converted>) {
        self.emit(ConsumerChange::Epochs(ConsumerEpochs {
            group: generation,
            target: generation,
            topics_hash: 0,
            since_ms: self.fx.now_ms,
        }));
        let mut taken = BTreeSet::new();
        for (info, assigned) in members {
            let member_id = info.id.clone();
            // A leader may have given a partition to two. It is the first's.
            let assigned: Assignment =
                self.with_ids(&assigned).into_iter().filter(|at| taken.insert(*at)).collect();
            let current = CurrentAssignment {
                epoch: generation,
                previous_epoch: generation,
                assigned: assigned.clone(),
                ..CurrentAssignment::default()
            };
            self.emit(ConsumerChange::Subscribed(info));
            let partitions = assigned;
            self.emit(ConsumerChange::Targeted { member_id: member_id.clone(), partitions });
            self.emit(ConsumerChange::Reconciled { member_id: member_id.clone(), current });
            self.arm_session(&member_id);
        }
    }
}

fn convert(record: &MemberRecord) -> Option<Converted> {
    let (_, metadata) = record.protocols.first()?;
    let subscription = Subscription::parse(metadata)?;
    let info = ConsumerMember {
        id: record.id.clone(),
        instance_id: record.instance_id.clone(),
        rack_id: subscription.rack,
        client_id: record.client_id.clone(),
        client_host: record.client_host.clone(),
        rebalance_timeout_ms: record.rebalance_timeout_ms,
        topics: subscription.topics.into_iter().collect(),
        regex: None,
        assignor: None,
        classic: Some(ClassicMember {
            session_timeout_ms: record.session_timeout_ms,
            protocols: record.protocols.clone(),
        }),
    };
    Some((info, parse_assignment(&record.assignment)?))
}

/// The members of a consumer group that are all classic, as those of a settled generation.
fn membership(
    group: &ConsumerLedger,
    since_ms: i64,
    key: &GroupKey,
    topics: &dyn Topics,
) -> Membership {
    let record = |(id, member): (&StrBytes, &MemberLedger)| {
        let info = &member.info;
        let classic = info.classic.clone().unwrap_or_default();
        MemberRecord {
            id: id.clone(),
            instance_id: info.instance_id.clone(),
            client_id: info.client_id.clone(),
            client_host: info.client_host.clone(),
            session_timeout_ms: classic.session_timeout_ms,
            rebalance_timeout_ms: info.rebalance_timeout_ms,
            protocols: classic.protocols,
            assignment: encode_assignment(&named(&member.current.assigned, key, topics)),
        }
    };
    let members: Vec<MemberRecord> = group.members.iter().map(record).collect();
    let mut roster = Roster::default();
    members.iter().for_each(|member| roster.add(Member::new(member.clone())));
    // The epoch that members know, if they are not behind: they are told that there is a rebalance
    // rather than that they are strangers. The next generation is beyond the group's epoch.
    let generation = group.members.values().map(|member| member.current.epoch).max();
    Membership {
        generation: generation.unwrap_or_default(),
        protocol_type: CONSUMER_PROTOCOL_TYPE.into(),
        protocol_name: roster.vote(),
        // Nobody has led yet, which says after a replay that the rebalance is still to come.
        leader: None,
        since_ms,
        members,
    }
}
