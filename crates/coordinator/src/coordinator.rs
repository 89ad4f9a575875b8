//! The coordinator of all groups and transactions whose state one internal partition keeps.
//!
//! Commands that concern one group's members go to its [`ClassicGroup`] or, of the consumer protocol
//! (KIP-848), to [`crate::consumer`]; offsets and administration have their own modules beside this
//! one. Share groups will stand next to them. Transactions have their own module, too, and keep no
//! state beside the ledger's.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::{TenantId, TopicId};
use protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, LeaveGroupRequest, LeaveGroupResponse,
    SyncGroupRequest,
};

use crate::classic::rebalance::{join_error, sync_error};
use crate::classic::{ClassicGroup, join};
use crate::command::{Caller, Command, Outputs, Reply};
use crate::config::Config;
use crate::effects::{Effects, MemberIds};
use crate::ledger::Ledger;
use crate::limits::TEXT_BYTES_MAX;
use crate::owned::owned;
use crate::record::{GroupKey, Record};
use crate::timers::{Timer, Timers};

/// The topics that there are, and what is set on groups. Groups name the topics they subscribe to;
/// everything else in the coordinator goes by id.
pub trait Topics: Send + Sync {
    /// The topic's name, or `None` if it is not known here (yet, or any more).
    fn name(&self, tenant: TenantId, topic: TopicId) -> Option<StrBytes>;

    /// The topic of a name.
    fn find(&self, tenant: TenantId, name: &str) -> Option<TopicShape>;

    /// Every topic of a tenant with its name.
    fn all(&self, tenant: TenantId) -> Vec<(StrBytes, TopicShape)>;

    /// A number that is another one whenever a topic was created, grown or deleted. What depends
    /// on topics is computed again when it has moved.
    fn revision(&self) -> u64;

    /// What the tenant has set on a group.
    fn group_configs(&self, _tenant: TenantId, _group: &str) -> GroupConfigs {
        GroupConfigs::default()
    }
}

/// What is set on one group, in place of the coordinator's own [`Config`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupConfigs {
    /// `consumer.session.timeout.ms`.
    pub consumer_session_timeout_ms: Option<i32>,
    /// `consumer.heartbeat.interval.ms`.
    pub consumer_heartbeat_interval_ms: Option<i32>,
}

/// A topic as groups need to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicShape {
    /// Its id.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: i32,
}

/// The internal partition that a coordinator belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// The internal topic.
    pub topic: TopicId,
    /// Its partitions. Groups and transactional ids are hashed onto them.
    pub count: i32,
    /// The partition's epoch: tells a coordinator from the ones before it.
    pub epoch: i32,
}

/// Groups, offsets and transactions of one internal partition.
pub struct Coordinator {
    pub(crate) shard: Shard,
    pub(crate) config: Config,
    pub(crate) topics: Arc<dyn Topics>,
    pub(crate) ledger: Ledger,
    /// The revision of the topics that each consumer group knows, if it has members.
    pub(crate) topics_looked_at: BTreeMap<GroupKey, u64>,
    /// Classic groups with members or with ids given out. A group that is not here is empty, and all about
    /// it stands in the ledger.
    pub(crate) groups: BTreeMap<GroupKey, ClassicGroup>,
    pub(crate) timers: Timers,
    /// Producer ids that nobody has.
    pub(crate) producer_ids: VecDeque<i64>,
    /// The highest epoch that each coordinator of transactions has shown in a marker.
    pub(crate) marker_epochs: BTreeMap<i32, i32>,
    pub(crate) member_ids: MemberIds,
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("ledger", &self.ledger)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

impl Coordinator {
    /// A coordinator that knows no group yet. `seed` makes its member ids unlike those of any
    /// other incarnation.
    pub fn new(config: Config, shard: Shard, seed: u64, topics: Arc<dyn Topics>) -> Self {
        Self {
            shard,
            config,
            topics,
            topics_looked_at: BTreeMap::new(),
            ledger: Ledger::default(),
            groups: BTreeMap::new(),
            timers: Timers::default(),
            producer_ids: VecDeque::new(),
            marker_epochs: BTreeMap::new(),
            member_ids: MemberIds::new(seed),
        }
    }

    /// Replays one record of the log. All of them come before [`Coordinator::loaded`].
    pub fn apply(&mut self, record: &Record) {
        self.ledger.apply(record);
    }

    /// Ends the replay: groups come to life, and every timer starts in full (R42).
    pub fn loaded(&mut self, now_ms: i64) {
        let classic = self.ledger.groups().filter(|(_, ledger)| ledger.consumer.is_none());
        let with_members = classic.filter(|(_, ledger)| !ledger.is_empty());
        self.groups = with_members
            .map(|(key, ledger)| (key.clone(), ClassicGroup::resume(key.clone(), Some(ledger))))
            .collect();
        let mut nothing = Outputs::default();
        let (groups, mut fx) = self.split(now_ms, &mut nothing);
        for group in groups.values_mut() {
            group.start_timers(&mut fx);
        }
        self.start_consumer_timers(now_ms, &mut nothing);
        self.timers.arm(Timer::Retention, now_ms, self.config.offsets_retention_check_ms);
        self.start_transactions(now_ms);
        debug_assert!(nothing.is_empty(), "starting timers changes no state");
    }

    /// Starts every timer in full again: the process was paused, or the clock jumped (R42).
    pub fn restart_timers(&mut self, now_ms: i64) {
        self.timers.restart(now_ms);
    }

    /// Carries out one command.
    pub fn handle(&mut self, now_ms: i64, caller: &Caller, command: Command, out: &mut Outputs) {
        match command {
            Command::JoinGroup(request) => self.join_group(now_ms, caller, &request, out),
            Command::SyncGroup(request) => self.sync_group(now_ms, caller, &request, out),
            Command::Heartbeat(request) => self.heartbeat(now_ms, caller, &request, out),
            Command::LeaveGroup(request) => self.leave_group(now_ms, caller, &request, out),
            Command::ConsumerGroupHeartbeat(request) => {
                self.consumer_group_heartbeat(now_ms, caller, &request, out);
            }
            Command::ConsumerGroupDescribe(request) => {
                self.consumer_group_describe(caller, &request, out);
            }
            Command::OffsetCommit(request, version) => {
                self.offset_commit(now_ms, caller, &request, version, out);
            }
            Command::OffsetFetch(request) => self.offset_fetch(caller, &request, out),
            Command::OffsetDelete(request) => self.offset_delete(caller, &request, out),
            Command::DescribeGroups(request) => self.describe_groups(caller, &request, out),
            Command::ListGroups(request) => self.list_groups(caller, &request, out),
            Command::DeleteGroups(request) => self.delete_groups(caller, &request, out),
            Command::TxnOffsetCommit(request) => {
                self.txn_offset_commit(now_ms, caller, &request, out);
            }
            Command::WriteMarker(marker) => self.write_marker(caller, &marker, out),
            Command::InitProducerId(request) => {
                self.init_producer_id(now_ms, caller, &request, out);
            }
            Command::AddPartitions(request) => self.add_partitions(now_ms, caller, &request, out),
            Command::AddOffsetsToTxn(request) => {
                self.add_offsets_to_txn(now_ms, caller, &request, out);
            }
            Command::EndTxn(request, version) => {
                self.end_txn(now_ms, caller, &request, version, out);
            }
            Command::MarkersWritten(written) => {
                self.markers_written(now_ms, caller, &written, out);
            }
            Command::DescribeTransactions(request) => {
                self.describe_transactions(caller, &request, out);
            }
            Command::ListTransactions(request) => {
                self.list_transactions(now_ms, caller, &request, out);
            }
        }
    }

    /// Does what has fallen due.
    pub fn tick(&mut self, now_ms: i64, out: &mut Outputs) {
        while let Some(timer) = self.timers.pop(now_ms) {
            match timer {
                Timer::Join(key) => self.on_live(now_ms, key, out, ClassicGroup::on_join_timer),
                Timer::Sync(key) => self.on_live(now_ms, key, out, ClassicGroup::on_sync_timer),
                Timer::Session(key, member_id) => {
                    self.on_live(now_ms, key, out, |group, fx| {
                        group.on_session_timer(&member_id, fx);
                    });
                }
                Timer::ConsumerSession(key, member_id)
                | Timer::ConsumerJoin(key, member_id)
                | Timer::ConsumerSync(key, member_id) => {
                    self.on_consumer_silence(now_ms, key, &member_id, out);
                }
                Timer::ConsumerRebalance(key, member_id) => {
                    self.on_consumer_rebalance_timer(now_ms, key, &member_id, out);
                }
                Timer::Retention => {
                    let check_ms = self.config.offsets_retention_check_ms;
                    self.timers.arm(Timer::Retention, now_ms, check_ms.max(1));
                    self.expire_offsets(now_ms, out);
                }
                Timer::Transaction(key) => self.on_transaction_timer(now_ms, key, out),
                Timer::TransactionExpiry => {
                    let check_ms = self.config.transactional_id_expiration_check_ms;
                    self.timers.arm(Timer::TransactionExpiry, now_ms, check_ms.max(1));
                    self.expire_transactional_ids(now_ms, out);
                }
            }
        }
    }

    /// When [`Coordinator::tick`] has something to do next.
    pub fn next_deadline(&self) -> Option<i64> {
        self.timers.next_deadline()
    }

    /// Records that replay to the same durable state.
    pub fn snapshot(&self) -> Vec<Record> {
        self.ledger.snapshot()
    }

    /// How many groups there are, of all tenants.
    pub fn group_count(&self) -> usize {
        let only_live = self.groups.keys().filter(|key| self.ledger.get(key).is_none());
        self.ledger.groups().count() + only_live.count()
    }

    fn join_group(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &JoinGroupRequest,
        out: &mut Outputs,
    ) {
        let session_timeouts =
            self.config.session_timeout_min_ms..=self.config.session_timeout_max_ms;
        let key = GroupKey { tenant: caller.tenant, group: request.group_id.0.clone() };
        let refusal = if !is_group_id(&request.group_id) {
            Some(ErrorCode::InvalidGroupId)
        } else if !join::texts_fit(request) {
            Some(ErrorCode::InvalidRequest)
        } else if !session_timeouts.contains(&request.session_timeout_ms) {
            Some(ErrorCode::InvalidSessionTimeout)
        } else {
            None
        };
        if let Some(code) = refusal {
            out.replies.push((caller.token, join_error(request.member_id.clone(), code)));
            return;
        }
        if self.has_consumer_members(&key) {
            self.join_consumer_group(now_ms, caller, owned_key(&key), request, out);
            return;
        }
        self.on_group(now_ms, caller, &request.group_id, out, |group, fx| {
            group.join(caller, request, fx);
        });
    }

    fn sync_group(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &SyncGroupRequest,
        out: &mut Outputs,
    ) {
        if request.group_id.is_empty() {
            out.replies.push((caller.token, sync_error(ErrorCode::InvalidGroupId)));
            return;
        }
        let key = GroupKey { tenant: caller.tenant, group: request.group_id.0.clone() };
        if self.has_consumer_members(&key) {
            self.sync_consumer_group(now_ms, caller, owned_key(&key), request, out);
            return;
        }
        self.on_group(now_ms, caller, &request.group_id, out, |group, fx| {
            group.sync(caller, request, fx);
        });
    }

    fn heartbeat(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &HeartbeatRequest,
        out: &mut Outputs,
    ) {
        let key = GroupKey { tenant: caller.tenant, group: request.group_id.0.clone() };
        let result = if request.group_id.is_empty() {
            Err(ErrorCode::InvalidGroupId)
        } else if self.has_consumer_members(&key) {
            self.heartbeat_consumer_group(now_ms, owned_key(&key), request, out)
        } else {
            self.on_group(now_ms, caller, &request.group_id, out, |group, fx| {
                group.heartbeat(request, fx)
            })
        };
        let code = result.err().unwrap_or(ErrorCode::None).code();
        let response = HeartbeatResponse::default().with_error_code(code);
        out.replies.push((caller.token, Reply::Heartbeat(response)));
    }

    fn leave_group(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        request: &LeaveGroupRequest,
        out: &mut Outputs,
    ) {
        let mut response = LeaveGroupResponse::default();
        let key = GroupKey { tenant: caller.tenant, group: request.group_id.0.clone() };
        if request.group_id.is_empty() {
            response.error_code = ErrorCode::InvalidGroupId.code();
        } else if self.has_consumer_members(&key) {
            response.members = self.leave_consumer_group(now_ms, owned_key(&key), request, out);
        } else {
            response.members =
                self.on_group(now_ms, caller, &request.group_id, out, |group, fx| {
                    group.leave(&request.members, fx)
                });
        }
        out.replies.push((caller.token, Reply::LeaveGroup(response)));
    }

    /// Lends a group, and what it acts upon, to `act`. An empty or unknown one is made up from the
    /// ledger, and forgotten again if it is still empty after.
    pub(crate) fn on_group<T>(
        &mut self,
        now_ms: i64,
        caller: &Caller,
        group: &StrBytes,
        out: &mut Outputs,
        act: impl FnOnce(&mut ClassicGroup, &mut Effects<'_>) -> T,
    ) -> T {
        let key = GroupKey { tenant: caller.tenant, group: owned(group) };
        if !self.groups.contains_key(&key) {
            let resumed = ClassicGroup::resume(key.clone(), self.ledger.get(&key));
            self.groups.insert(key.clone(), resumed);
        }
        let (groups, mut fx) = self.split(now_ms, out);
        let group = groups.get_mut(&key).expect("the group was put there above");
        let result = act(group, &mut fx);
        if group.is_vacant() {
            groups.remove(&key);
        }
        result
    }

    /// Lends a group that has members or ids given out. Its timers may outlive it.
    fn on_live(
        &mut self,
        now_ms: i64,
        key: GroupKey,
        out: &mut Outputs,
        act: impl FnOnce(&mut ClassicGroup, &mut Effects<'_>),
    ) {
        let (groups, mut fx) = self.split(now_ms, out);
        let Some(group) = groups.get_mut(&key) else { return };
        act(group, &mut fx);
        if group.is_vacant() {
            groups.remove(&key);
        }
    }

    /// Shows a group, whether it has members or stands in the ledger only.
    pub(crate) fn view<T>(
        &self,
        key: &GroupKey,
        show: impl FnOnce(&ClassicGroup) -> T,
    ) -> Option<T> {
        if let Some(group) = self.groups.get(key) {
            return Some(show(group));
        }
        let ledger = self.ledger.get(key)?;
        Some(show(&ClassicGroup::resume(key.clone(), Some(ledger))))
    }

    pub(crate) fn emit(&mut self, record: Record, out: &mut Outputs) {
        self.ledger.apply(&record);
        out.records.push(record);
    }

    pub(crate) fn split<'a>(
        &'a mut self,
        now_ms: i64,
        out: &'a mut Outputs,
    ) -> (&'a mut BTreeMap<GroupKey, ClassicGroup>, Effects<'a>) {
        let Self { config, ledger, groups, timers, member_ids, .. } = self;
        (groups, Effects { now_ms, config, timers, ledger, member_ids, out })
    }
}

/// A key that outlives its request.
fn owned_key(key: &GroupKey) -> GroupKey {
    GroupKey { tenant: key.tenant, group: owned(&key.group) }
}

/// Groups with members need a name. Offsets may be stored under the empty one (KIP-289).
fn is_group_id(group: &StrBytes) -> bool {
    !group.is_empty() && group.len() <= TEXT_BYTES_MAX
}
