//! The node's side of the internal hop: which request goes where.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use hop::internal::{
    AllocateProducerIdsResponse, ColdFetchResponse, EndIncarnationResponse, OpenPartition,
    OpenPartitionsRequest, OpenPartitionsResponse, PingResponse, ProbeResponse,
};
use hop::{Handler, HopRequest, Request, Response};
use protocol::ErrorCode;
use protocol::messages::create_acls_response::AclCreationResult;
use protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use protocol::messages::create_topics_response::CreatableTopicResult;
use protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use protocol::messages::delete_topics_response::DeletableTopicResult;
use protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use protocol::messages::{
    CreateAclsResponse, CreatePartitionsResponse, CreateTopicsResponse, DeleteAclsResponse,
    DeleteTopicsResponse, IncrementalAlterConfigsResponse,
};
use tokio::sync::watch;

use crate::node::Node;
use crate::{
    cleaning, compaction, delete_records, describe_producers, fetch, list_offsets, log_dirs,
    produce, reconcile, release, txn_markers,
};

/// Answers for a node, whichever its incarnation.
pub(crate) struct Server(pub(crate) watch::Receiver<Arc<Node>>);

impl Handler for Server {
    fn call(&self, request: HopRequest) -> BoxFuture<'static, Response> {
        let node = Arc::clone(&self.0.borrow());
        let HopRequest { header, body } = request;
        match body {
            Request::Produce(request) => produce::produce(&node, &header, request),
            Request::Fetch(request) => {
                let partitions = Arc::clone(node.partitions());
                fetch::fetch(partitions, header, request).map(Response::Fetch).boxed()
            }
            Request::ListOffsets(request) => {
                let partitions = Arc::clone(node.partitions());
                list_offsets::list_offsets(partitions, header, request)
                    .map(Response::ListOffsets)
                    .boxed()
            }
            Request::OffsetForLeaderEpoch(request) => async move {
                let partitions = node.partitions();
                let answer = list_offsets::offset_for_leader_epoch(partitions, &header, request);
                Response::OffsetForLeaderEpoch(answer.await)
            }
            .boxed(),
            Request::DeleteRecords(request) => {
                delete_records::delete_records(node, header, request)
                    .map(Response::DeleteRecords)
                    .boxed()
            }
            Request::DescribeLogDirs(request) => {
                let answer = log_dirs::describe(node.partitions(), &header, request);
                ready(Response::DescribeLogDirs(answer))
            }
            Request::InitProducerId(request) if request.transactional_id.is_none() => async move {
                Response::InitProducerId(node.producer_ids().init(header, request).await)
            }
            .boxed(),
            Request::Plan(request) => async move {
                let now = node.clock().since_boot();
                let planner = node.planner();
                Response::Plan(planner.plan(node.partitions(), &header, &request, now).await)
            }
            .boxed(),
            Request::DescribeProducers(request) => {
                let partitions = Arc::clone(node.partitions());
                describe_producers::describe(partitions, header, request)
                    .map(Response::DescribeProducers)
                    .boxed()
            }
            Request::WriteTxnMarkers(request) => txn_markers::write(&node, header, request),
            _ if is_for_coordinators(&body) => node.groups().call(HopRequest { header, body }),
            Request::CreateTopics(_)
            | Request::DeleteTopics(_)
            | Request::CreatePartitions(_)
            | Request::IncrementalAlterConfigs(_)
            | Request::CreateAcls(_)
            | Request::DeleteAcls(_)
            | Request::ChangePlacement(_)
            | Request::ColdFetch(_)
            | Request::ColdSearch(_)
            | Request::AllocateProducerIds(_) => ready(misrouted(&body)),
            _ => answer_cluster(node, header.deadline, body),
        }
    }
}

/// What coordinators of groups and transactions answer.
fn is_for_coordinators(request: &Request) -> bool {
    matches!(
        request,
        Request::JoinGroup(_)
            | Request::SyncGroup(_)
            | Request::Heartbeat(_)
            | Request::LeaveGroup(_)
            | Request::ConsumerGroupHeartbeat(_)
            | Request::ConsumerGroupDescribe(_)
            | Request::OffsetCommit(_)
            | Request::OffsetFetch(_)
            | Request::DescribeGroups(_)
            | Request::ListGroups(_)
            | Request::DeleteGroups(_)
            | Request::OffsetDelete(_)
            | Request::InitProducerId(_)
            | Request::AddTxnPartitions(_)
            | Request::AddOffsetsToTxn(_)
            | Request::EndTxn(_)
            | Request::TxnOffsetCommit(_)
            | Request::DescribeTransactions(_)
            | Request::ListTransactions(_)
    )
}

/// What other roles ask: control, other nodes, compactors.
fn answer_cluster(
    node: Arc<Node>,
    deadline: Duration,
    body: Request,
) -> BoxFuture<'static, Response> {
    match body {
        Request::CompactionWork(request) => {
            ready(Response::CompactionWork(compaction::work(&node, &request)))
        }
        Request::CleaningWork(request) => {
            ready(Response::CleaningWork(cleaning::work(&node, &request)))
        }
        Request::CommitCompaction(request) => {
            compaction::commit(node, request).map(Response::CommitCompaction).boxed()
        }
        Request::OpenPartitions(request) => {
            open_partitions(node, deadline, request).map(Response::OpenPartitions).boxed()
        }
        Request::Ping(_) => ready(Response::Ping(ping(&node))),
        Request::DescribeLoad(_) => ready(Response::DescribeLoad(node.load())),
        Request::Probe(request) => async move {
            let well = node.survivor().probe(request, deadline).await;
            Response::Probe(ProbeResponse { well })
        }
        .boxed(),
        Request::EndIncarnation(request) => async move {
            let error_code = node.survivor().end(request).await.code().into();
            Response::EndIncarnation(EndIncarnationResponse { error_code })
        }
        .boxed(),
        Request::ReleasePartition(request) => {
            release::release(node, request).map(Response::ReleasePartition).boxed()
        }
        other => ready(misrouted(&other)),
    }
}

fn ready(response: Response) -> BoxFuture<'static, Response> {
    futures::future::ready(response).boxed()
}

fn ping(node: &Node) -> PingResponse {
    PingResponse { node: node.id().0, log_id: node.log().to_string(), healthy: node.is_well() }
}

/// What control and cold readers answer. A gateway that asks a node has a wrong address, and no
/// answer of ours could be mistaken for success.
fn misrouted(request: &Request) -> Response {
    tracing::error!(api = request.api().name(), "a request for another role came to this node");
    let not_controller = ErrorCode::NotController.code();
    match request {
        Request::CreateTopics(request) => {
            let results = request.topics.iter().map(|topic| {
                CreatableTopicResult::default()
                    .with_name(topic.name.clone())
                    .with_error_code(not_controller)
            });
            Response::CreateTopics(CreateTopicsResponse::default().with_topics(results.collect()))
        }
        Request::DeleteTopics(request) => {
            let results = request.topics.iter().map(|topic| {
                DeletableTopicResult::default()
                    .with_name(topic.name.clone())
                    .with_topic_id(topic.topic_id)
                    .with_error_code(not_controller)
            });
            let response = DeleteTopicsResponse::default().with_responses(results.collect());
            Response::DeleteTopics(response)
        }
        Request::CreatePartitions(request) => {
            let results = request.topics.iter().map(|topic| {
                CreatePartitionsTopicResult::default()
                    .with_name(topic.name.clone())
                    .with_error_code(not_controller)
            });
            let response = CreatePartitionsResponse::default().with_results(results.collect());
            Response::CreatePartitions(response)
        }
        Request::IncrementalAlterConfigs(request) => {
            let results = request.resources.iter().map(|resource| {
                AlterConfigsResourceResponse::default()
                    .with_resource_type(resource.resource_type)
                    .with_resource_name(resource.resource_name.clone())
                    .with_error_code(not_controller)
            });
            let response =
                IncrementalAlterConfigsResponse::default().with_responses(results.collect());
            Response::IncrementalAlterConfigs(response)
        }
        Request::CreateAcls(request) => {
            let result = AclCreationResult::default().with_error_code(not_controller);
            let results = vec![result; request.creations.len()];
            Response::CreateAcls(CreateAclsResponse::default().with_results(results))
        }
        Request::DeleteAcls(request) => {
            let result = DeleteAclsFilterResult::default().with_error_code(not_controller);
            let results = vec![result; request.filters.len()];
            Response::DeleteAcls(DeleteAclsResponse::default().with_filter_results(results))
        }
        Request::AllocateProducerIds(_) => {
            let error_code = i32::from(not_controller);
            let response = AllocateProducerIdsResponse { error_code, ..Default::default() };
            Response::AllocateProducerIds(response)
        }
        _ => {
            let error_code = ErrorCode::ReplicaNotAvailable.code();
            Response::ColdFetch(ColdFetchResponse { error_code, ..Default::default() })
        }
    }
}

/// Answers when the partitions serve, so that a topic serves when its creation is answered.
async fn open_partitions(
    node: Arc<Node>,
    deadline: Duration,
    request: OpenPartitionsRequest,
) -> OpenPartitionsResponse {
    let opens = request.partitions.into_iter().map(|wanted| {
        let open = open_one(Arc::clone(&node), deadline, wanted);
        open.map(|code| i32::from(code.code()))
    });
    let error_codes = futures::future::join_all(opens).await;
    reconcile::publish_epochs(&node).await;
    OpenPartitionsResponse { error_codes }
}

async fn open_one(node: Arc<Node>, deadline: Duration, wanted: OpenPartition) -> ErrorCode {
    let Some(partition) = wanted.partition() else { return ErrorCode::InvalidRequest };
    match tokio::time::timeout(deadline, node.open_when_assigned(partition)).await {
        Ok(Ok(_)) => ErrorCode::None,
        Ok(Err(error)) => {
            tracing::warn!(%partition, %error, "partition is not opened");
            error.code()
        }
        Err(_elapsed) => ErrorCode::RequestTimedOut,
    }
}
