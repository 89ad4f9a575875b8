//! Producer ids and transactions.

use protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiKey, DescribeTransactionsRequest,
    EndTxnRequest, InitProducerIdRequest, ListTransactionsRequest, TransactionalId,
    TxnOffsetCommitRequest,
};

use super::{Call, told};
use crate::support::{Client, name, text};

fn transaction() -> TransactionalId {
    text("t").into()
}

/// `None` if the API is none of these.
pub(super) async fn make(client: &mut Client, call: &Call<'_>) -> Option<String> {
    let version = call.version;
    let answer = match call.api {
        ApiKey::InitProducerId => {
            let id = (call.case != "idempotent").then(transaction);
            let request = InitProducerIdRequest::default().with_transactional_id(id);
            told(client, version, request).await
        }
        ApiKey::AddPartitionsToTxn => told(client, version, add_partitions(version)).await,
        ApiKey::AddOffsetsToTxn => {
            let request = AddOffsetsToTxnRequest::default()
                .with_transactional_id(transaction())
                .with_group_id(text("g").into());
            told(client, version, request).await
        }
        ApiKey::EndTxn => {
            let request = EndTxnRequest::default().with_transactional_id(transaction());
            told(client, version, request).await
        }
        ApiKey::TxnOffsetCommit => {
            let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(3);
            let topic = TxnOffsetCommitRequestTopic::default()
                .with_name(name("orders"))
                .with_partitions(vec![partition]);
            let request = TxnOffsetCommitRequest::default()
                .with_transactional_id(transaction())
                .with_group_id(text("g").into())
                .with_topics(vec![topic]);
            told(client, version, request).await
        }
        ApiKey::DescribeTransactions => {
            let ids = vec![transaction()];
            let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
            told(client, version, request).await
        }
        ApiKey::ListTransactions => told(client, version, ListTransactionsRequest::default()).await,
        _ => return None,
    };
    Some(answer)
}

fn add_partitions(version: i16) -> AddPartitionsToTxnRequest {
    let topic =
        AddPartitionsToTxnTopic::default().with_name(name("orders")).with_partitions(vec![0]);
    let request = AddPartitionsToTxnRequest::default();
    if version >= 4 {
        let added = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(transaction())
            .with_topics(vec![topic]);
        return request.with_transactions(vec![added]);
    }
    request.with_v3_and_below_transactional_id(transaction()).with_v3_and_below_topics(vec![topic])
}
