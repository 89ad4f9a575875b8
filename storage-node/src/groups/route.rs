//! Which shard a request about a group goes to, and how the parts of one that concerns several come
//! together again.
//!
//! Everything is handed to the shards before a function here returns, so that requests of one lane
//! keep their order (R45); the futures only wait.

use coordinator::{Command, Reply};
use futures::FutureExt;
use futures::future::BoxFuture;
use hop::{HopHeader, Request, Response, client_version, listed_shards};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DeleteGroupsRequest,
    DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
    ListGroupsRequest, ListGroupsResponse, OffsetFetchRequest, OffsetFetchResponse,
};
use tokio::sync::oneshot;

use super::Shards;
use super::metrics;
use super::refusal::{
    Refusable, refuse_consumer_description, refuse_deletion, refuse_description, refuse_fetch,
};
use super::shard::{Client, Refusal};
use super::transactions::neighbours;

mod transactions;

/// What a client is taken for whose version nobody said: one that can hear every error.
const OFFSET_COMMIT_NEWEST: i16 = 10;

/// A command that was handed to a shard, or was not.
type Sent = Result<oneshot::Receiver<Reply>, Refusal>;

/// How a request for several groups is split up: its items, their keys, their answers.
struct Scatter<T, R> {
    key: fn(&T) -> &StrBytes,
    command: fn(Vec<T>) -> Command,
    answers: fn(Reply) -> Option<Vec<R>>,
    refuse: fn(&T, ErrorCode) -> R,
}

impl Shards {
    /// Answers a group request.
    pub(super) fn call(
        &self,
        header: &HopHeader,
        request: Request,
    ) -> BoxFuture<'static, Response> {
        match request {
            Request::JoinGroup(request) => {
                let group = request.group_id.0.clone();
                self.call_one(header, &group, Command::JoinGroup(request))
            }
            Request::SyncGroup(request) => {
                let group = request.group_id.0.clone();
                self.call_one(header, &group, Command::SyncGroup(request))
            }
            Request::OffsetCommit(request) => {
                let group = request.group_id.0.clone();
                let version = client_version::get(&request.unknown_tagged_fields);
                let version = version.unwrap_or(OFFSET_COMMIT_NEWEST);
                self.call_one(header, &group, Command::OffsetCommit(request, version))
            }
            Request::Heartbeat(request) => {
                let group = request.group_id.0.clone();
                self.call_one(header, &group, Command::Heartbeat(request))
            }
            Request::LeaveGroup(request) => {
                let group = request.group_id.0.clone();
                self.call_one(header, &group, Command::LeaveGroup(request))
            }
            Request::ConsumerGroupHeartbeat(request) => {
                let group = request.group_id.0.clone();
                self.call_one(header, &group, Command::ConsumerGroupHeartbeat(request))
            }
            Request::OffsetDelete(request) => {
                let group = request.group_id.0.clone();
                self.call_one(header, &group, Command::OffsetDelete(request))
            }
            Request::OffsetFetch(request) => self.fetch_offsets(header, request),
            Request::DescribeGroups(request) => self.describe(header, request),
            Request::ConsumerGroupDescribe(request) => self.describe_consumers(header, request),
            Request::DeleteGroups(request) => self.delete(header, request),
            Request::ListGroups(request) => self.list(header, &request),
            other => self.call_transactional(header, other),
        }
    }

    fn call_one(
        &self,
        header: &HopHeader,
        group: &StrBytes,
        command: Command,
    ) -> BoxFuture<'static, Response> {
        let refusable = Refusable::of(&command).expect("a command for one group");
        let sent = self.send(self.shard_of(header.tenant, group), header, command);
        async move {
            let reply = match answer(sent).await {
                Ok(reply) => reply,
                Err(refusal) => refusable.refuse(refusal),
            };
            response(reply)
        }
        .boxed()
    }

    fn fetch_offsets(
        &self,
        header: &HopHeader,
        request: OffsetFetchRequest,
    ) -> BoxFuture<'static, Response> {
        let scatter = Scatter {
            key: |group: &OffsetFetchRequestGroup| &group.group_id,
            command: if request.require_stable {
                |groups| fetch_command(groups, true)
            } else {
                |groups| fetch_command(groups, false)
            },
            answers: |reply| match reply {
                Reply::OffsetFetch(response) => Some(response.groups),
                _ => None,
            },
            refuse: refuse_fetch,
        };
        let groups = self.call_many(header, request.groups, &scatter);
        groups
            .map(|groups| Response::OffsetFetch(OffsetFetchResponse::default().with_groups(groups)))
            .boxed()
    }

    fn describe(
        &self,
        header: &HopHeader,
        request: DescribeGroupsRequest,
    ) -> BoxFuture<'static, Response> {
        let scatter = Scatter {
            key: |group: &GroupId| group,
            command: |groups| {
                Command::DescribeGroups(DescribeGroupsRequest::default().with_groups(groups))
            },
            answers: |reply| match reply {
                Reply::DescribeGroups(response) => Some(response.groups),
                _ => None,
            },
            refuse: refuse_description,
        };
        let groups = self.call_many(header, request.groups, &scatter);
        let response = |groups| DescribeGroupsResponse::default().with_groups(groups);
        groups.map(move |groups| Response::DescribeGroups(response(groups))).boxed()
    }

    fn describe_consumers(
        &self,
        header: &HopHeader,
        request: ConsumerGroupDescribeRequest,
    ) -> BoxFuture<'static, Response> {
        let scatter = Scatter {
            key: |group: &GroupId| group,
            command: |groups| {
                let request = ConsumerGroupDescribeRequest::default().with_group_ids(groups);
                Command::ConsumerGroupDescribe(request)
            },
            answers: |reply| match reply {
                Reply::ConsumerGroupDescribe(response) => Some(response.groups),
                _ => None,
            },
            refuse: refuse_consumer_description,
        };
        let groups = self.call_many(header, request.group_ids, &scatter);
        let response = |groups| ConsumerGroupDescribeResponse::default().with_groups(groups);
        groups.map(move |groups| Response::ConsumerGroupDescribe(response(groups))).boxed()
    }

    fn delete(
        &self,
        header: &HopHeader,
        request: DeleteGroupsRequest,
    ) -> BoxFuture<'static, Response> {
        let scatter = Scatter {
            key: |group: &GroupId| group,
            command: |groups| {
                Command::DeleteGroups(DeleteGroupsRequest::default().with_groups_names(groups))
            },
            answers: |reply| match reply {
                Reply::DeleteGroups(response) => Some(response.results),
                _ => None,
            },
            refuse: refuse_deletion,
        };
        let results = self.call_many(header, request.groups_names, &scatter);
        let response = |results| DeleteGroupsResponse::default().with_results(results);
        results.map(move |results| Response::DeleteGroups(response(results))).boxed()
    }

    /// Sends each shard its items and puts the answers back into the order of the items.
    fn call_many<T: Clone + Send + 'static, R: Send + 'static>(
        &self,
        header: &HopHeader,
        items: Vec<T>,
        scatter: &Scatter<T, R>,
    ) -> BoxFuture<'static, Vec<R>> {
        let mut by_shard: std::collections::BTreeMap<i32, Vec<(usize, T)>> = Default::default();
        for (position, item) in items.into_iter().enumerate() {
            let shard = self.shard_of(header.tenant, (scatter.key)(&item));
            by_shard.entry(shard).or_default().push((position, item));
        }
        let mut sent: Vec<(Vec<(usize, T)>, Sent)> = Vec::with_capacity(by_shard.len());
        for (shard, items) in by_shard {
            let own = items.iter().map(|(_, item)| item.clone()).collect();
            sent.push((items, self.send(shard, header, (scatter.command)(own))));
        }
        let (answers_of, refuse) = (scatter.answers, scatter.refuse);
        async move {
            let mut all: Vec<(usize, R)> = Vec::new();
            for (items, sent) in sent {
                let answers: Vec<R> = match answer(sent).await {
                    Ok(reply) => answers_of(reply).expect("an answer to what was asked"),
                    Err(refusal) => {
                        items.iter().map(|(_, item)| refuse(item, refusal.code())).collect()
                    }
                };
                all.extend(items.iter().map(|(position, _)| *position).zip(answers));
            }
            all.sort_unstable_by_key(|(position, _)| *position);
            all.into_iter().map(|(_, answer)| answer).collect()
        }
        .boxed()
    }

    /// The groups of every shard here; the gateway joins those of all nodes, and has to know which
    /// these are. As in Kafka, a shard that loads makes the whole answer an error, with what is known
    /// in it.
    fn list(
        &self,
        header: &HopHeader,
        request: &ListGroupsRequest,
    ) -> BoxFuture<'static, Response> {
        let mut sent = Vec::new();
        for shard in self.hosted() {
            let command = Command::ListGroups(request.clone());
            sent.push((shard, self.send(shard, header, command)));
        }
        async move {
            let mut response = ListGroupsResponse::default();
            let mut listed = Vec::new();
            for (shard, sent) in sent {
                match answer(sent).await {
                    Ok(Reply::ListGroups(part)) => {
                        response.groups.extend(part.groups);
                        listed.push(shard);
                    }
                    Ok(other) => unreachable!("not a list of groups: {other:?}"),
                    // Its groups are another node's to list by now.
                    Err(Refusal::NotHere) => {}
                    Err(refusal) => response.error_code = refusal.code().code(),
                }
            }
            listed_shards::set(&mut response.unknown_tagged_fields, &listed);
            Response::ListGroups(response)
        }
        .boxed()
    }

    fn send(&self, shard: i32, header: &HopHeader, command: Command) -> Sent {
        let sent = self.here.send(shard, client(header), command);
        if sent.is_err() {
            metrics::refused();
        }
        sent
    }
}

fn fetch_command(groups: Vec<OffsetFetchRequestGroup>, stable: bool) -> Command {
    let request = OffsetFetchRequest::default().with_groups(groups).with_require_stable(stable);
    Command::OffsetFetch(request)
}

fn client(header: &HopHeader) -> Client {
    Client { tenant: header.tenant, id: header.client_id.clone(), host: header.client_host.clone() }
}

/// The shard's answer. One that goes away without a word is not the coordinator any more.
async fn answer(sent: Sent) -> Result<Reply, Refusal> {
    sent?.await.map_err(|_dropped| Refusal::NotHere)
}

fn response(reply: Reply) -> Response {
    match reply {
        Reply::JoinGroup(response) => Response::JoinGroup(response),
        Reply::SyncGroup(response) => Response::SyncGroup(response),
        Reply::Heartbeat(response) => Response::Heartbeat(response),
        Reply::LeaveGroup(response) => Response::LeaveGroup(response),
        Reply::ConsumerGroupHeartbeat(response) => Response::ConsumerGroupHeartbeat(response),
        Reply::ConsumerGroupDescribe(response) => Response::ConsumerGroupDescribe(response),
        Reply::OffsetCommit(response) => Response::OffsetCommit(response),
        Reply::OffsetFetch(response) => Response::OffsetFetch(response),
        Reply::OffsetDelete(response) => Response::OffsetDelete(response),
        Reply::DescribeGroups(response) => Response::DescribeGroups(response),
        Reply::ListGroups(response) => Response::ListGroups(response),
        Reply::DeleteGroups(response) => Response::DeleteGroups(response),
        Reply::TxnOffsetCommit(response) => Response::TxnOffsetCommit(response),
        Reply::InitProducerId(response) => Response::InitProducerId(response),
        Reply::AddPartitions(codes) => Response::AddTxnPartitions(neighbours::answer(&codes)),
        Reply::AddOffsetsToTxn(response) => Response::AddOffsetsToTxn(response),
        Reply::EndTxn(response) => Response::EndTxn(response),
        Reply::DescribeTransactions(response) => Response::DescribeTransactions(response),
        Reply::ListTransactions(response) => Response::ListTransactions(response),
        Reply::Marker(_) | Reply::MarkersWritten => unreachable!("no request asks for this"),
    }
}
