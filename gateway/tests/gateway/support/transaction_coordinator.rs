//! A coordinator of transactions that says yes to everything.

use hop::internal::AddTxnPartitionsResponse;
use hop::{Request, Response, transaction_version};
use parking_lot::Mutex;
use protocol::messages::describe_transactions_response::{
    TopicData, TransactionState as Described,
};
use protocol::messages::list_transactions_response::TransactionState as Listed;
use protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use protocol::messages::{
    AddOffsetsToTxnResponse, DescribeTransactionsResponse, EndTxnResponse, InitProducerIdResponse,
    ListTransactionsResponse, ProducerId, TxnOffsetCommitResponse,
};

use super::text;

/// The partitions of the last transaction, by their topic's id.
#[derive(Default)]
pub(crate) struct Transactions {
    topic: Mutex<Option<protocol::ids::TopicId>>,
}

impl Transactions {
    /// Two ids: both nodes have them, and each says so of the shards that it has.
    pub(crate) fn list(&self) -> ListTransactionsResponse {
        let listed =
            ["t", "other"].map(|id| Listed::default().with_transactional_id(text(id).into()));
        ListTransactionsResponse::default().with_transaction_states(listed.into())
    }

    pub(crate) fn answer(&self, request: Request) -> Response {
        match request {
            Request::InitProducerId(_) => Response::InitProducerId(
                InitProducerIdResponse::default()
                    .with_producer_id(ProducerId(4_000))
                    .with_producer_epoch(7),
            ),
            Request::AddTxnPartitions(request) => {
                let first = request.partitions.first();
                let topic = first.and_then(|at| protocol::ids::TopicId::from_slice(&at.topic));
                *self.topic.lock() = topic;
                let error_codes = vec![0; request.partitions.len()];
                Response::AddTxnPartitions(AddTxnPartitionsResponse { error_codes })
            }
            Request::AddOffsetsToTxn(_) => {
                Response::AddOffsetsToTxn(AddOffsetsToTxnResponse::default())
            }
            Request::EndTxn(request) => Response::EndTxn(
                EndTxnResponse::default()
                    .with_producer_id(ProducerId(4_000))
                    .with_producer_epoch(transaction_version::get(&request.unknown_tagged_fields)),
            ),
            Request::TxnOffsetCommit(request) => {
                let topics = request.topics.into_iter().map(|topic| {
                    let partitions = topic.partitions.iter().map(|partition| {
                        TxnOffsetCommitResponsePartition::default()
                            .with_partition_index(partition.partition_index)
                    });
                    TxnOffsetCommitResponseTopic::default()
                        .with_partitions(partitions.collect())
                        .with_name(topic.name)
                });
                let response = TxnOffsetCommitResponse::default().with_topics(topics.collect());
                Response::TxnOffsetCommit(response)
            }
            Request::DescribeTransactions(request) => {
                let topic = self.topic.lock().expect("partitions were added before");
                let topic = TopicData::default()
                    .with_topic(protocol::StrBytes::from(topic.simple_text()).into())
                    .with_partitions(vec![0]);
                let described = request.transactional_ids.into_iter().map(|id| {
                    Described::default()
                        .with_transactional_id(id)
                        .with_transaction_state(text("Ongoing"))
                        .with_topics(vec![topic.clone()])
                });
                let response = DescribeTransactionsResponse::default();
                let response = response.with_transaction_states(described.collect());
                Response::DescribeTransactions(response)
            }
            other => panic!("a node was asked {:?}", other.api()),
        }
    }
}
