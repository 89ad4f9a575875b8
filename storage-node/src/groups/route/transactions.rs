//! Requests about transactions, and what they mean for groups.

use std::sync::Arc;

use coordinator::{
    AddPartitions, Command, Marker, Producer, Reply, TopicPartition, TransactionVersion,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::future::join_all;
use hop::internal::{
    AddTxnPartitionsRequest, TxnMarker, TxnPartition, WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
};
use hop::{HopHeader, Request, Response, listed_shards, transaction_version};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::{PartitionId, TenantId};
use protocol::messages::describe_transactions_response::TransactionState;
use protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ListTransactionsRequest,
    ListTransactionsResponse, TransactionalId, TxnOffsetCommitRequest,
};

use super::{Scatter, answer, client, response};
use crate::groups::Shards;
use crate::groups::refusal::Refusable;
use crate::groups::shard::{Client, Refusal};
use crate::groups::transactions::neighbours;

impl Shards {
    pub(super) fn call_transactional(
        &self,
        header: &HopHeader,
        request: Request,
    ) -> BoxFuture<'static, Response> {
        match request {
            Request::InitProducerId(request) => {
                let id = request.transactional_id.clone().unwrap_or_default().0;
                self.call_one(header, &id, Command::InitProducerId(request))
            }
            Request::AddTxnPartitions(request) => self.add_partitions(header, &request),
            Request::AddOffsetsToTxn(request) => {
                let id = request.transactional_id.0.clone();
                self.call_one(header, &id, Command::AddOffsetsToTxn(request))
            }
            Request::EndTxn(request) => {
                let id = request.transactional_id.0.clone();
                let version = match transaction_version::get(&request.unknown_tagged_fields) {
                    ..=1 => TransactionVersion::V1,
                    _ => TransactionVersion::V2,
                };
                self.call_one(header, &id, Command::EndTxn(request, version))
            }
            Request::WriteTxnMarkers(request) => self.write_markers(header.tenant, &request),
            Request::TxnOffsetCommit(request) => self.commit_in_transaction(header, request),
            Request::DescribeTransactions(request) => self.describe_transactions(header, request),
            Request::ListTransactions(request) => self.list_transactions(header, &request),
            other => unreachable!("{} is no request to a coordinator", other.api().name()),
        }
    }

    fn add_partitions(
        &self,
        header: &HopHeader,
        request: &AddTxnPartitionsRequest,
    ) -> BoxFuture<'static, Response> {
        let partition = |at: &TxnPartition| {
            let PartitionId { topic, index, .. } = at.partition(header.tenant)?;
            Some(TopicPartition { topic, index })
        };
        let partitions: Option<Vec<_>> = request.partitions.iter().map(partition).collect();
        let epoch = i16::try_from(request.producer_epoch);
        let (Some(partitions), Ok(epoch)) = (partitions, epoch) else {
            let codes = vec![ErrorCode::InvalidRequest; request.partitions.len()];
            let refused = Response::AddTxnPartitions(neighbours::answer(&codes));
            return std::future::ready(refused).boxed();
        };
        let transactional_id = StrBytes::from_string(request.transactional_id.clone());
        let command = Command::AddPartitions(AddPartitions {
            transactional_id: transactional_id.clone(),
            producer: Producer { id: request.producer_id, epoch },
            verify_only: request.verify_only,
            partitions,
        });
        self.call_one(header, &transactional_id, command)
    }

    /// Commits offsets in a transaction, once its coordinator knows that there will be some: a
    /// marker has to come here (R38). Clients of version 2 leave that to us.
    fn commit_in_transaction(
        &self,
        header: &HopHeader,
        request: TxnOffsetCommitRequest,
    ) -> BoxFuture<'static, Response> {
        let (tenant, deadline, client) = (header.tenant, header.deadline, client(header));
        let shard = self.shard_of(tenant, &request.group_id);
        let here = PartitionId::new(TenantId::SYSTEM, self.topic, shard);
        let question = AddTxnPartitionsRequest {
            transactional_id: request.transactional_id.to_string(),
            producer_id: request.producer_id.0,
            producer_epoch: request.producer_epoch.into(),
            verify_only: transaction_version::get(&request.unknown_tagged_fields) < 2,
            partitions: vec![TxnPartition::new(here)],
        };
        let note = self.verifications.begin(shard, tenant, request.producer_id.0);
        let (shards, neighbours) = (self.here.clone(), Arc::clone(&self.neighbours));
        let command = Command::TxnOffsetCommit(request);
        let refusable = Refusable::of(&command).expect("a command for one group");
        async move {
            let said = neighbours.add_partitions(tenant, question, deadline).await;
            let said = said.first().copied().unwrap_or(ErrorCode::CoordinatorNotAvailable);
            if said != ErrorCode::None {
                return response(refusable.refuse_transactional(unverified(said)));
            }
            let Some(sent) = note.commit(|| shards.send(shard, client, command)) else {
                // Too late, unless the marker was an old one come again: asking again shows it.
                let code = ErrorCode::CoordinatorLoadInProgress;
                return response(refusable.refuse_transactional(code));
            };
            let reply = answer(sent).await;
            response(reply.unwrap_or_else(|refusal| refusable.refuse(refusal)))
        }
        .boxed()
    }

    /// Ends transactions in the groups of shards: what a partition is for records, its internal
    /// partition is for a group.
    fn write_markers(
        &self,
        tenant: TenantId,
        request: &WriteTxnMarkersRequest,
    ) -> BoxFuture<'static, Response> {
        let written = request.markers.iter().flat_map(|marker| {
            let shards = marker.partitions.iter().map(|at| at.index);
            shards.map(|shard| self.write_marker(tenant, shard, marker))
        });
        let written: Vec<_> = written.collect();
        async move {
            let codes = join_all(written).await;
            let error_codes = codes.into_iter().map(|code| code.code().into()).collect();
            Response::WriteTxnMarkers(WriteTxnMarkersResponse { error_codes })
        }
        .boxed()
    }

    fn write_marker(
        &self,
        tenant: TenantId,
        shard: i32,
        marker: &TxnMarker,
    ) -> BoxFuture<'static, ErrorCode> {
        let Ok(epoch) = i16::try_from(marker.producer_epoch) else {
            return std::future::ready(ErrorCode::InvalidRequest).boxed();
        };
        let command = Command::WriteMarker(Marker {
            producer: Producer { id: marker.producer_id, epoch },
            bumped: marker.transaction_version >= 2,
            coordinator: marker.coordinator,
            coordinator_epoch: marker.coordinator_epoch,
            commit: marker.commit,
        });
        let client = Client { tenant, id: StrBytes::new(), host: StrBytes::new() };
        let hand_on = || self.here.send(shard, client, command);
        let sent = self.verifications.end(shard, tenant, marker.producer_id, hand_on);
        async move {
            match answer(sent).await {
                Ok(Reply::Marker(code)) => code,
                Ok(other) => unreachable!("not the outcome of a marker: {other:?}"),
                Err(refusal) => refusal.code(),
            }
        }
        .boxed()
    }

    fn describe_transactions(
        &self,
        header: &HopHeader,
        request: DescribeTransactionsRequest,
    ) -> BoxFuture<'static, Response> {
        let scatter = Scatter {
            key: |id: &TransactionalId| id,
            command: |ids| {
                let request = DescribeTransactionsRequest::default();
                Command::DescribeTransactions(request.with_transactional_ids(ids))
            },
            answers: |reply| match reply {
                Reply::DescribeTransactions(response) => Some(response.transaction_states),
                _ => None,
            },
            refuse: |id, code| {
                TransactionState::default()
                    .with_transactional_id(id.clone())
                    .with_error_code(code.code())
            },
        };
        let states = self.call_many(header, request.transactional_ids, &scatter);
        let response =
            |states| DescribeTransactionsResponse::default().with_transaction_states(states);
        states.map(move |states| Response::DescribeTransactions(response(states))).boxed()
    }

    /// The transactional ids of every shard here; the gateway joins those of all nodes.
    fn list_transactions(
        &self,
        header: &HopHeader,
        request: &ListTransactionsRequest,
    ) -> BoxFuture<'static, Response> {
        let mut sent = Vec::new();
        for shard in self.hosted() {
            let command = Command::ListTransactions(request.clone());
            sent.push((shard, self.send(shard, header, command)));
        }
        async move {
            let mut response = ListTransactionsResponse::default();
            let mut listed = Vec::new();
            for (shard, sent) in sent {
                match answer(sent).await {
                    Ok(Reply::ListTransactions(part)) => {
                        listed.push(shard);
                        response.unknown_state_filters = part.unknown_state_filters;
                        response.transaction_states.extend(part.transaction_states);
                    }
                    Ok(other) => unreachable!("not a list of transactions: {other:?}"),
                    // Its ids are another node's to list by now.
                    Err(Refusal::NotHere) => {}
                    Err(refusal) => response.error_code = refusal.code().code(),
                }
            }
            listed_shards::set(&mut response.unknown_tagged_fields, &listed);
            Response::ListTransactions(response)
        }
        .boxed()
    }
}

/// What a client reads that has asked its group's coordinator, when the transaction's says this.
fn unverified(code: ErrorCode) -> ErrorCode {
    match code {
        // Nothing that finding the group's coordinator again would help against.
        ErrorCode::NotCoordinator
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::ConcurrentTransactions => ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        code => code,
    }
}
