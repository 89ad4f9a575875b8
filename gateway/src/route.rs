//! The innermost stage: each API to the file that answers it.
//!
//! ```text
//! produce ─────────────────► owner of each partition
//! fetch ── sessions ── tier ─┬► owner          hot
//!                            └► plan, reader   cold
//! offsets, delete_records,
//!   log_dirs ──────────────► owner of each partition
//!   describe_producers ────► owner of each partition
//! groups, transactions ────► owner of the group's or the id's internal partition
//! admin, configs, quotas,
//!   credentials,
//!   producer_id ───────────► control leader
//! metadata, api_versions,
//!   describe, placement ───► answered here, from the view
//! ```
//!
//! Before all of them, [`authorise`] asks whether the request may be made at all; what may be asked
//! for in it, the routes find out part by part.
//!
//! What must keep its order is sent before [`Router::call`] returns; the future only waits (R45).

pub(crate) mod acls;
pub(crate) mod admin;
pub(crate) mod api_versions;
mod authorise;
pub(crate) mod cold;
pub(crate) mod configs;
pub(crate) mod credentials;
pub(crate) mod delete_records;
pub(crate) mod describe;
pub(crate) mod describe_producers;
pub(crate) mod fetch;
pub(crate) mod groups;
mod handover;
mod leaders;
pub(crate) mod log_dirs;
pub(crate) mod metadata;
pub(crate) mod offsets;
pub(crate) mod placement;
pub(crate) mod produce;
pub(crate) mod producer_id;
pub(crate) mod quotas;
mod sasl;
pub(crate) mod sessions;
mod spread;
pub(crate) mod tides;
pub(crate) mod tier;
pub(crate) mod transactions;

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures::future::{BoxFuture, FutureExt};
use protocol::request::ClientRequest;
use protocol::response::ClientResponse;
use tower::Service;
use tracing::instrument::Instrumented;
use tracing::{Instrument, Span};

use self::produce::order::Order;
use crate::audit::Change;
use crate::call::{Call, Disconnect, Scoped};
use crate::context::{Context, Core};
#[cfg(test)]
use crate::layers::Stages;

/// What a request comes to.
type Answer = BoxFuture<'static, Result<Option<ClientResponse>, Disconnect>>;

/// Answers one connection's requests.
pub(crate) struct Router {
    core: Arc<Core>,
    order: Order,
}

// === impl Router ===

impl Router {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core, order: Order::default() }
    }

    fn context(&self, scoped: Scoped) -> (Context, ClientRequest) {
        let Scoped { call, grants, catalogue } = scoped;
        let Call { header, client, identity, toll, request } = call;
        let context = Context {
            core: Arc::clone(&self.core),
            client,
            identity,
            grants,
            catalogue,
            toll,
            version: header.api_version,
            client_id: header.client_id.unwrap_or_default(),
            trace_id: self.core.next_trace(),
        };
        (context, request)
    }

    /// Sends the request on; what must keep its order has its place when this returns.
    fn dispatch(&mut self, context: Context, request: ClientRequest) -> Answer {
        use ClientRequest as R;
        match request {
            R::Produce(request) => produce::handle(context, request, &mut self.order),
            R::Fetch(request) => answer(fetch::handle(context, request)),
            R::ListOffsets(request) => answer(offsets::list(context, request)),
            R::OffsetForLeaderEpoch(request) => answer(offsets::epoch_ends(context, request)),
            R::DeleteRecords(request) => answer(delete_records::handle(context, request)),
            R::Metadata(request) => answer(metadata::handle(context, request)),
            R::ApiVersions(request) => {
                answer(std::future::ready(api_versions::handle(&context, &request)))
            }
            R::FindCoordinator(request) => {
                answer(std::future::ready(groups::find::handle(&context, request)))
            }
            R::JoinGroup(request) => answer(groups::member::join(context, request)),
            R::SyncGroup(request) => answer(groups::member::sync(&context, request)),
            R::Heartbeat(request) => answer(groups::member::heartbeat(&context, request)),
            R::LeaveGroup(request) => answer(groups::member::leave(&context, request)),
            R::OffsetCommit(request) => answer(groups::offsets::commit(&context, request)),
            R::OffsetFetch(request) => answer(groups::offsets::fetch(context, request)),
            R::OffsetDelete(request) => answer(groups::offsets::delete(&context, request)),
            R::DescribeGroups(request) => answer(groups::admin::describe(&context, request)),
            R::ListGroups(request) => answer(groups::admin::list(context, request)),
            R::DeleteGroups(request) => answer(groups::admin::delete(&context, request)),
            R::ConsumerGroupHeartbeat(request) => {
                answer(groups::consumer::heartbeat(&context, request))
            }
            R::ConsumerGroupDescribe(request) => {
                answer(groups::consumer::describe(&context, request))
            }
            R::CreateTopics(request) => answer(admin::create_topics(context, request)),
            R::DeleteTopics(request) => answer(admin::delete_topics(context, request)),
            R::CreatePartitions(request) => answer(admin::create_partitions(context, request)),
            R::InitProducerId(request) => answer(producer_id::handle(context, request)),
            request @ (R::DescribeProducers(_)
            | R::DescribeCluster(_)
            | R::DescribeConfigs(_)
            | R::AlterConfigs(_)
            | R::IncrementalAlterConfigs(_)
            | R::ListConfigResources(_)
            | R::DescribeTopicPartitions(_)
            | R::DescribeLogDirs(_)
            | R::AlterReplicaLogDirs(_)
            | R::ElectLeaders(_)
            | R::AlterPartitionReassignments(_)
            | R::ListPartitionReassignments(_)
            | R::SaslHandshake(_)
            | R::SaslAuthenticate(_)
            | R::DescribeUserScramCredentials(_)
            | R::AlterUserScramCredentials(_)
            | R::DescribeClientQuotas(_)
            | R::AlterClientQuotas(_)
            | R::DescribeAcls(_)
            | R::CreateAcls(_)
            | R::DeleteAcls(_)) => administer(context, request),
            request @ (R::AddPartitionsToTxn(_)
            | R::AddOffsetsToTxn(_)
            | R::EndTxn(_)
            | R::TxnOffsetCommit(_)
            | R::DescribeTransactions(_)
            | R::ListTransactions(_)) => transact(context, request),
        }
    }
}

impl Service<Scoped> for Router {
    type Response = Option<ClientResponse>;
    type Error = Disconnect;
    type Future = Instrumented<Answer>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Disconnect>> {
        self.order.poll_ready(cx).map(Ok)
    }

    fn call(&mut self, scoped: Scoped) -> Self::Future {
        let (context, request) = self.context(scoped);
        let span = span(&context, &request);
        let entered = span.clone().entered();
        if let Some(refusal) = authorise::refusal(&context, &request) {
            drop(entered);
            return async move { Ok(Some(refusal)) }.boxed().instrument(span);
        }
        let (audit, client) = (&self.core.audit, &context.client);
        let change = Change::begin(audit, &context.identity, &client.host, &request);
        let answer = self.dispatch(context, request);
        drop(entered);
        let answer = match change {
            Some(change) => told(change, answer),
            None => answer,
        };
        answer.instrument(span)
    }
}

/// What the log lines of a request have in common.
fn span(context: &Context, request: &ClientRequest) -> Span {
    tracing::debug_span!(
        "gateway.route",
        api = ?request.api(),
        tenant = %context.identity.tenant,
        trace_id = format_args!("{:016x}", context.trace_id),
    )
}

/// Configs, placement and access.
fn administer(context: Context, request: ClientRequest) -> Answer {
    use ClientRequest as R;
    match request {
        R::DescribeProducers(request) => answer(describe_producers::handle(context, request)),
        R::DescribeCluster(request) => {
            answer(std::future::ready(describe::cluster(&context, &request)))
        }
        R::DescribeConfigs(request) => answer(configs::describe(context, request)),
        R::AlterConfigs(request) => answer(configs::alter::replace(context, request)),
        R::IncrementalAlterConfigs(request) => answer(configs::alter::handle(context, request)),
        R::ListConfigResources(request) => {
            answer(std::future::ready(configs::list(&context, &request)))
        }
        R::DescribeTopicPartitions(request) => answer(describe::topic_partitions(context, request)),
        R::DescribeLogDirs(request) => answer(log_dirs::handle(context, request)),
        R::ElectLeaders(request) => answer(placement::elect(context, request)),
        R::AlterPartitionReassignments(request) => answer(placement::reassign(context, request)),
        R::ListPartitionReassignments(_) => answer(std::future::ready(placement::reassignments())),
        R::AlterReplicaLogDirs(request) => answer(placement::move_to_dirs(context, request)),
        R::SaslHandshake(_) => answer(std::future::ready(sasl::handshake())),
        R::SaslAuthenticate(_) => answer(std::future::ready(sasl::authenticate())),
        R::DescribeUserScramCredentials(request) => answer(credentials::describe(context, request)),
        R::AlterUserScramCredentials(request) => answer(credentials::alter(context, request)),
        R::DescribeClientQuotas(request) => answer(quotas::describe(context, request)),
        R::AlterClientQuotas(request) => answer(quotas::alter(context, request)),
        R::DescribeAcls(request) => answer(acls::describe(context, request)),
        R::CreateAcls(request) => answer(acls::create(context, request)),
        R::DeleteAcls(request) => answer(acls::delete(context, request)),
        other => unreachable!("{:?} has its own route", other.api()),
    }
}

#[cfg(test)]
impl Stages for Router {
    fn stages(&self, names: &mut Vec<&'static str>) {
        names.push("route");
    }
}

/// The requests of and about transactions.
fn transact(context: Context, request: ClientRequest) -> Answer {
    use ClientRequest as R;
    match request {
        R::AddPartitionsToTxn(request) => answer(transactions::add_partitions(&context, request)),
        R::AddOffsetsToTxn(request) => answer(transactions::add_offsets(&context, request)),
        R::EndTxn(request) => answer(transactions::end(&context, request)),
        R::TxnOffsetCommit(request) => answer(groups::offsets::txn_commit(&context, request)),
        R::DescribeTransactions(request) => answer(transactions::admin::describe(context, request)),
        R::ListTransactions(request) => answer(transactions::admin::list(context, request)),
        other => unreachable!("{:?} is not about transactions", other.api()),
    }
}

/// A change whose outcome goes into the audit log.
fn told(change: Change, answer: Answer) -> Answer {
    async move {
        let answer = answer.await;
        if let Ok(Some(response)) = &answer {
            change.answered(response);
        }
        answer
    }
    .boxed()
}

/// For the routes that always answer.
fn answer<R>(response: impl Future<Output = R> + Send + 'static) -> Answer
where
    R: Into<ClientResponse>,
{
    async move { Ok(Some(response.await.into())) }.boxed()
}
