//! A group coordinator that remembers offsets and answers everything else by rote.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use hop::{Request, Response, listed_shards};
use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::messages::consumer_group_describe_response::{
    DescribedGroup as DescribedConsumerGroup, Member,
};
use protocol::messages::consumer_group_heartbeat_response::{
    Assignment, TopicPartitions as AssignedPartitions,
};
use protocol::messages::delete_groups_response::DeletableGroupResult;
use protocol::messages::describe_groups_response::DescribedGroup;
use protocol::messages::leave_group_response::MemberResponse;
use protocol::messages::list_groups_response::ListedGroup;
use protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use protocol::messages::{
    ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatResponse, DeleteGroupsResponse,
    DescribeGroupsResponse, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupResponse, ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse,
    OffsetDeleteResponse, OffsetFetchResponse, SyncGroupResponse, TopicName,
};

use super::text;
use super::transaction_coordinator::Transactions;

/// Offsets by group, then by topic id in text and partition.
type Offsets = BTreeMap<String, BTreeMap<(String, i32), i64>>;

/// The groups of one node.
#[derive(Default)]
pub(crate) struct Groups {
    offsets: Mutex<Offsets>,
    transactions: Transactions,
    /// The shards of groups and transactional ids that are here.
    pub(crate) shards: Mutex<Vec<i32>>,
    /// How many of the requests that a [`refusal`] is for, and OffsetFetches, are answered with
    /// COORDINATOR_LOAD_IN_PROGRESS first.
    pub(crate) loading: AtomicUsize,
}

impl Groups {
    /// The groups that committed something here.
    pub(crate) fn names(&self) -> Vec<String> {
        self.offsets.lock().keys().cloned().collect()
    }

    pub(crate) fn answer(&self, request: Request) -> Response {
        if let Some(refusal) = refusal(&request).filter(|_| self.is_loading()) {
            return refusal;
        }
        match request {
            Request::JoinGroup(request) => Response::JoinGroup(join(request)),
            Request::SyncGroup(_) => Response::SyncGroup(SyncGroupResponse::default()),
            Request::Heartbeat(_) => Response::Heartbeat(HeartbeatResponse::default()),
            Request::LeaveGroup(request) => {
                let members = request.members.into_iter().map(|member| {
                    let ghost = member.member_id.as_str() == "ghost";
                    let code = if ghost { ErrorCode::UnknownMemberId } else { ErrorCode::None };
                    MemberResponse::default()
                        .with_member_id(member.member_id)
                        .with_error_code(code.code())
                });
                Response::LeaveGroup(LeaveGroupResponse::default().with_members(members.collect()))
            }
            Request::OffsetCommit(request) => Response::OffsetCommit(self.commit(request)),
            Request::OffsetFetch(request) => {
                let groups = request.groups.into_iter().map(|group| self.fetch(group));
                Response::OffsetFetch(OffsetFetchResponse::default().with_groups(groups.collect()))
            }
            Request::OffsetDelete(request) => {
                let topics = request.topics.into_iter().map(|topic| {
                    let partitions = topic.partitions.iter().map(|partition| {
                        OffsetDeleteResponsePartition::default()
                            .with_partition_index(partition.partition_index)
                    });
                    OffsetDeleteResponseTopic::default()
                        .with_partitions(partitions.collect())
                        .with_name(topic.name)
                });
                Response::OffsetDelete(
                    OffsetDeleteResponse::default().with_topics(topics.collect()),
                )
            }
            Request::DescribeGroups(request) => {
                let groups = request.groups.into_iter().map(|group| {
                    let known = self.offsets.lock().contains_key(group.as_str());
                    let answer = DescribedGroup::default().with_group_id(group);
                    if known {
                        return answer.with_group_state(text("Stable"));
                    }
                    let error = ErrorCode::GroupIdNotFound.code();
                    answer.with_error_code(error).with_error_message(Some(text("no such group")))
                });
                Response::DescribeGroups(
                    DescribeGroupsResponse::default().with_groups(groups.collect()),
                )
            }
            Request::ListGroups(_) => Response::ListGroups(self.list()),
            Request::DeleteGroups(request) => {
                let results = request
                    .groups_names
                    .into_iter()
                    .map(|group| DeletableGroupResult::default().with_group_id(group));
                Response::DeleteGroups(
                    DeleteGroupsResponse::default().with_results(results.collect()),
                )
            }
            Request::ListTransactions(_) => {
                let mut listed = self.transactions.list();
                listed_shards::set(&mut listed.unknown_tagged_fields, &self.shards.lock());
                Response::ListTransactions(listed)
            }
            other => consumer_groups(other, &self.transactions),
        }
    }

    fn is_loading(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.loading.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }

    fn list(&self) -> ListGroupsResponse {
        let groups = self.names().into_iter().map(|group| {
            ListedGroup::default()
                .with_group_id(text(&group).into())
                .with_group_state(text("Stable"))
                .with_group_type(text("classic"))
        });
        let mut listed = ListGroupsResponse::default().with_groups(groups.collect());
        listed_shards::set(&mut listed.unknown_tagged_fields, &self.shards.lock());
        listed
    }

    fn commit(&self, request: OffsetCommitRequest) -> OffsetCommitResponse {
        let mut offsets = self.offsets.lock();
        let of_group = offsets.entry(request.group_id.to_string()).or_default();
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let key = (topic.name.to_string(), partition.partition_index);
                of_group.insert(key, partition.committed_offset);
                OffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
            });
            OffsetCommitResponseTopic::default()
                .with_partitions(partitions.collect())
                .with_name(topic.name.clone())
        });
        OffsetCommitResponse::default().with_topics(topics.collect())
    }

    fn fetch(&self, group: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
        let answer = OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
        if self.is_loading() {
            return answer.with_error_code(ErrorCode::CoordinatorLoadInProgress.code());
        }
        let offsets = self.offsets.lock();
        let of_group = offsets.get(group.group_id.as_str()).cloned().unwrap_or_default();
        let wanted = |topic: &str, index: i32| match &group.topics {
            None => true,
            Some(topics) => topics.iter().any(|asked| {
                asked.name.as_str() == topic && asked.partition_indexes.contains(&index)
            }),
        };
        let found = of_group.iter().filter(|((topic, index), _)| wanted(topic, *index));
        let topics = found.map(|((topic, index), offset)| {
            let partition = OffsetFetchResponsePartitions::default()
                .with_partition_index(*index)
                .with_committed_offset(*offset)
                .with_metadata(Some(text("")));
            OffsetFetchResponseTopics::default()
                .with_name(TopicName(text(topic)))
                .with_partitions(vec![partition])
        });
        answer.with_topics(topics.collect())
    }
}

/// What those are told that no client repeats, by a coordinator that loads.
fn refusal(request: &Request) -> Option<Response> {
    let loading = ErrorCode::CoordinatorLoadInProgress.code();
    match request {
        Request::LeaveGroup(_) => {
            Some(Response::LeaveGroup(LeaveGroupResponse::default().with_error_code(loading)))
        }
        Request::ConsumerGroupHeartbeat(request) if request.member_epoch < 0 => {
            let refused = ConsumerGroupHeartbeatResponse::default().with_error_code(loading);
            Some(Response::ConsumerGroupHeartbeat(refused))
        }
        Request::DescribeGroups(_) => {
            let refused = vec![DescribedGroup::default().with_error_code(loading)];
            Some(Response::DescribeGroups(DescribeGroupsResponse::default().with_groups(refused)))
        }
        Request::ConsumerGroupDescribe(_) => {
            let refused = vec![DescribedConsumerGroup::default().with_error_code(loading)];
            let refused = ConsumerGroupDescribeResponse::default().with_groups(refused);
            Some(Response::ConsumerGroupDescribe(refused))
        }
        Request::OffsetCommit(request) => {
            let topics = request.topics.iter().map(|topic| {
                let partitions = topic.partitions.iter().map(|partition| {
                    OffsetCommitResponsePartition::default()
                        .with_partition_index(partition.partition_index)
                        .with_error_code(loading)
                });
                OffsetCommitResponseTopic::default()
                    .with_name(topic.name.clone())
                    .with_partitions(partitions.collect())
            });
            let refused = OffsetCommitResponse::default().with_topics(topics.collect());
            Some(Response::OffsetCommit(refused))
        }
        Request::OffsetDelete(_) => {
            Some(Response::OffsetDelete(OffsetDeleteResponse::default().with_error_code(loading)))
        }
        Request::DeleteGroups(_) => {
            let refused = vec![DeletableGroupResult::default().with_error_code(loading)];
            Some(Response::DeleteGroups(DeleteGroupsResponse::default().with_results(refused)))
        }
        _ => None,
    }
}

/// Groups of the consumer protocol, by rote as well.
fn consumer_groups(request: Request, transactions: &Transactions) -> Response {
    match request {
        Request::ConsumerGroupHeartbeat(request) => {
            // What a member says that it owns is what it is to own.
            let owned = request.topic_partitions.unwrap_or_default().into_iter().map(|owned| {
                AssignedPartitions::default()
                    .with_topic_id(owned.topic_id)
                    .with_partitions(owned.partitions)
            });
            let assignment = Assignment::default().with_topic_partitions(owned.collect());
            let response = ConsumerGroupHeartbeatResponse::default()
                .with_member_id(Some(request.member_id))
                .with_member_epoch(1)
                .with_assignment(Some(assignment));
            Response::ConsumerGroupHeartbeat(response)
        }
        Request::ConsumerGroupDescribe(request) => {
            let member = Member::default()
                .with_member_type(1)
                .with_subscribed_topic_names(vec![TopicName(text("orders"))])
                .with_subscribed_topic_regex(Some(text("orders.*")));
            let groups = request.group_ids.into_iter().map(|group| {
                DescribedConsumerGroup::default()
                    .with_group_id(group)
                    .with_members(vec![member.clone()])
            });
            let response = ConsumerGroupDescribeResponse::default();
            Response::ConsumerGroupDescribe(response.with_groups(groups.collect()))
        }
        other => transactions.answer(other),
    }
}

/// Members must bring the id they are given (KIP-394), and each leads its own generation.
fn join(request: JoinGroupRequest) -> JoinGroupResponse {
    if request.member_id.is_empty() {
        return JoinGroupResponse::default()
            .with_error_code(ErrorCode::MemberIdRequired.code())
            .with_generation_id(-1)
            .with_protocol_name(None)
            .with_member_id(text("member-1"));
    }
    JoinGroupResponse::default()
        .with_generation_id(1)
        .with_protocol_type(Some(request.protocol_type))
        .with_protocol_name(request.protocols.first().map(|protocol| protocol.name.clone()))
        .with_leader(request.member_id.clone())
        .with_member_id(request.member_id)
}
