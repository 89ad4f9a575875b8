//! The coordinator's side of consumer groups: which of its groups are some, and commands for them.

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::consumer_group_describe_response::DescribedGroup;
use protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
};

use super::member::validate;
use super::{ConsumerGroup, JOIN_EPOCH, Refused};
use crate::command::{Caller, Outputs, Reply};
use crate::coordinator::Coordinator;
use crate::effects::Effects;
use crate::ledger::ConsumerLedger;
use crate::owned::owned;
use crate::record::GroupKey;

impl Coordinator {
    /// The group as one of the consumer protocol, if it is one. A group that classic members are
    /// about to form is none any more.
    pub(crate) fn consumer(&self, key: &GroupKey) -> Option<&ConsumerLedger> {
        if self.groups.contains_key(key) {
            return None;
        }
        self.ledger.get(key)?.consumer.as_ref()
    }

    /// True if the group has members and is one of the consumer protocol, whatever each of them speaks.
    pub(crate) fn has_consumer_members(&self, key: &GroupKey) -> bool {
        self.consumer(key).is_some_and(|group| !group.members.is_empty())
    }

    pub(crate) fn consumer_group_heartbeat(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &ConsumerGroupHeartbeatRequest,
        out: &mut Outputs,
    ) {
        let response =
            self.try_heartbeat(now_ms, caller, request, out).unwrap_or_else(Refused::into_response);
        out.replies.push((caller.token, Reply::ConsumerGroupHeartbeat(response)));
    }

    fn try_heartbeat(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &ConsumerGroupHeartbeatRequest,
        out: &mut Outputs,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        let key = GroupKey { tenant: caller.tenant, group: owned(&request.group_id) };
        validate(request)?;
        if let Some(classic) = self.groups.get(&key) {
            let joins = request.member_epoch == JOIN_EPOCH;
            if joins && classic.is_empty() {
                // Only ids were given out. Whoever comes with one is told to start afresh.
                self.groups.remove(&key);
            } else if !joins || !self.upgrade(now_ms, &key, out) {
                let message = format!("Group {} is not a consumer group.", key.group);
                return Err(Refused::new(ErrorCode::GroupIdNotFound, message));
            }
        }
        self.act(now_ms, key, out, |group| group.heartbeat(caller, request))
    }

    /// A member has not done in time what it should have.
    pub(crate) fn on_consumer_silence(
        &mut self,
        now_ms: i64,
        key: GroupKey,
        member_id: &StrBytes,
        out: &mut Outputs,
    ) {
        self.act(now_ms, key, out, |group| group.on_silence(member_id));
    }

    pub(crate) fn on_consumer_rebalance_timer(
        &mut self,
        now_ms: i64,
        key: GroupKey,
        member_id: &StrBytes,
        out: &mut Outputs,
    ) {
        self.act(now_ms, key, out, |group| group.on_rebalance_timer(member_id));
    }

    /// Starts the timers of all members after a replay (R42).
    pub(crate) fn start_consumer_timers(&mut self, now_ms: i64, out: &mut Outputs) {
        let with_members = self.ledger.groups().filter(|(_, ledger)| ledger.consumer.is_some());
        let keys: Vec<GroupKey> = with_members.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.consumer_group(now_ms, key, out, |group| group.start_timers());
        }
    }

    pub(super) fn consumer_group<T>(
        &mut self,
        now_ms: i64,
        key: GroupKey,
        out: &mut Outputs,
        act: impl FnOnce(&mut ConsumerGroup<'_>) -> T,
    ) -> T {
        let fx = Effects {
            now_ms,
            config: &self.config,
            timers: &mut self.timers,
            ledger: &mut self.ledger,
            member_ids: &mut self.member_ids,
            out,
        };
        let (topics, looked_at) = (self.topics.as_ref(), &mut self.topics_looked_at);
        let configs = topics.group_configs(key.tenant, &key.group);
        act(&mut ConsumerGroup { key, topics, looked_at, configs, fx })
    }

    pub(crate) fn consumer_group_describe(
        &self,
        caller: &Caller,
        request: &ConsumerGroupDescribeRequest,
        out: &mut Outputs,
    ) {
        let groups = request.group_ids.iter().map(|group| {
            let key = GroupKey { tenant: caller.tenant, group: group.0.clone() };
            match self.consumer(&key) {
                Some(group) => group.describe(&key, self.topics.as_ref()),
                None => self.no_consumer_group(&key),
            }
        });
        let response = ConsumerGroupDescribeResponse::default().with_groups(groups.collect());
        out.replies.push((caller.token, Reply::ConsumerGroupDescribe(response)));
    }

    fn no_consumer_group(&self, key: &GroupKey) -> DescribedGroup {
        let exists = self.groups.contains_key(key) || self.ledger.get(key).is_some();
        let what = if exists { "is not a consumer group" } else { "not found" };
        DescribedGroup::default()
            .with_group_id(key.group.clone().into())
            .with_error_code(ErrorCode::GroupIdNotFound.code())
            .with_error_message(Some(format!("Group {} {what}.", key.group).into()))
    }
}
