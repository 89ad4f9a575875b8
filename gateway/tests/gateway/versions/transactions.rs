//! Transactions in every version.

use protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiKey, DescribeTransactionsRequest,
    EndTxnRequest, ListTransactionsRequest, TransactionalId, TxnOffsetCommitRequest,
};
use protocol::versions::Api;

use crate::support::{Client, name, text};

fn transactional_id() -> TransactionalId {
    text("t").into()
}

pub(super) async fn ask(client: &mut Client, api: &Api, version: i16) {
    match api.key {
        ApiKey::AddPartitionsToTxn => add_partitions(client, version).await,
        ApiKey::AddOffsetsToTxn => {
            let request =
                AddOffsetsToTxnRequest::default().with_transactional_id(transactional_id());
            assert_eq!(client.call(version, request).await.error_code, 0);
        }
        ApiKey::EndTxn => {
            let request = EndTxnRequest::default().with_transactional_id(transactional_id());
            let response = client.call(version, request).await;
            // What the node has heard of the client's version, and says again in the epoch.
            assert_eq!(response.producer_epoch, if version >= 5 { 2 } else { -1 });
        }
        ApiKey::TxnOffsetCommit => {
            let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(3);
            let topic = TxnOffsetCommitRequestTopic::default()
                .with_name(name("orders"))
                .with_partitions(vec![partition]);
            let request = TxnOffsetCommitRequest::default()
                .with_transactional_id(transactional_id())
                .with_group_id(text("g").into())
                .with_topics(vec![topic]);
            let response = client.call(version, request).await;
            assert_eq!(response.topics[0].partitions[0].error_code, 0);
        }
        ApiKey::DescribeTransactions => {
            let request = DescribeTransactionsRequest::default()
                .with_transactional_ids(vec![transactional_id()]);
            let response = client.call(version, request).await;
            let state = &response.transaction_states[0];
            assert_eq!(state.transaction_state.as_str(), "Ongoing");
            assert_eq!(state.topics[0].topic.as_str(), "orders", "by its name");
        }
        ApiKey::ListTransactions => {
            let request = ListTransactionsRequest::default();
            let response = client.call(version, request.clone()).await;
            assert_eq!(
                response.transaction_states.len(),
                2,
                "each once, though both nodes list it"
            );
            if version >= 2 {
                let matching = request.with_transactional_id_pattern(Some(text("t")));
                assert_eq!(client.call(version, matching).await.transaction_states.len(), 1);
            }
        }
        key => panic!("{key:?} is served and has no test here"),
    }
}

async fn add_partitions(client: &mut Client, version: i16) {
    let topics = |index| {
        vec![
            AddPartitionsToTxnTopic::default()
                .with_name(name("orders"))
                .with_partitions(vec![0, index]),
        ]
    };
    // The second partition exists, or the first is not attempted either.
    for (index, codes) in [(1, [0, 0]), (9, [55, 3])] {
        let request = AddPartitionsToTxnRequest::default();
        let request = if version >= 4 {
            let transaction = AddPartitionsToTxnTransaction::default()
                .with_transactional_id(transactional_id())
                .with_topics(topics(index));
            request.with_transactions(vec![transaction])
        } else {
            request
                .with_v3_and_below_transactional_id(transactional_id())
                .with_v3_and_below_topics(topics(index))
        };
        let response = client.call(version, request).await;
        let topics = match response.results_by_transaction.first() {
            Some(result) => &result.topic_results,
            None => &response.results_by_topic_v3_and_below,
        };
        let partitions = &topics[0].results_by_partition;
        let seen: Vec<i16> = partitions.iter().map(|result| result.partition_error_code).collect();
        assert_eq!(seen, codes);
    }
}
