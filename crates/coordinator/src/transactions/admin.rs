//! ListTransactions and DescribeTransactions (KIP-664).

use std::collections::BTreeMap;

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TopicId;
use protocol::messages::describe_transactions_response::{
    TopicData, TransactionState as Described,
};
use protocol::messages::list_transactions_response::TransactionState as Listed;
use protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ListTransactionsRequest,
    ListTransactionsResponse, ProducerId, TransactionalId,
};

use super::key_of;
use super::transaction::{Transaction, TransactionState};
use crate::command::{Caller, Outputs, Reply};
use crate::coordinator::Coordinator;

/// States that Kafka knows by name and that no transactional id of ours is ever seen in.
const NEVER_SEEN: [&str; 2] = ["Dead", "PrepareEpochFence"];

const STATES: [TransactionState; 6] = [
    TransactionState::Empty,
    TransactionState::Ongoing,
    TransactionState::PrepareCommit,
    TransactionState::PrepareAbort,
    TransactionState::CompleteCommit,
    TransactionState::CompleteAbort,
];

impl Coordinator {
    pub(crate) fn describe_transactions(
        &self,
        caller: &Caller,
        request: &DescribeTransactionsRequest,
        out: &mut Outputs,
    ) {
        let ids = request.transactional_ids.iter();
        let described = ids.map(|id| match self.look_up(caller, id) {
            Ok(transaction) => describe(id, transaction),
            Err(code) => {
                Described::default().with_transactional_id(id.clone()).with_error_code(code.code())
            }
        });
        let response =
            DescribeTransactionsResponse::default().with_transaction_states(described.collect());
        out.replies.push((caller.token, Reply::DescribeTransactions(response)));
    }

    fn look_up(&self, caller: &Caller, id: &StrBytes) -> Result<&Transaction, ErrorCode> {
        let key = key_of(caller, id)?;
        self.ledger.transaction(&key).ok_or(ErrorCode::TransactionalIdNotFound)
    }

    /// The transactional ids that pass the filters on state, producer and duration. A pattern is
    /// for whoever puts the lists of all coordinators together.
    pub(crate) fn list_transactions(
        &self,
        now_ms: i64,
        caller: &Caller,
        request: &ListTransactionsRequest,
        out: &mut Outputs,
    ) {
        let states = &request.state_filters;
        let known = |name: &str| {
            STATES.iter().any(|state| state.name() == name) || NEVER_SEEN.contains(&name)
        };
        let unknown = states.iter().filter(|name| !known(name)).cloned();
        let wanted = |transaction: &Transaction| {
            let producers = &request.producer_id_filters;
            (states.is_empty() || states.iter().any(|name| **name == *transaction.state.name()))
                && (producers.is_empty()
                    || producers.iter().any(|id| id.0 == transaction.producer.id))
                && has_run_for(transaction, now_ms, request.duration_filter)
        };
        let of_tenant = self.ledger.transactions_of(caller.tenant);
        let listed = of_tenant.filter(|(_, transaction)| wanted(transaction));
        let listed = listed.map(|(key, transaction)| {
            Listed::default()
                .with_transactional_id(TransactionalId(key.id.clone()))
                .with_producer_id(ProducerId(transaction.producer.id))
                .with_transaction_state(transaction.state.name().into())
        });
        let response = ListTransactionsResponse::default()
            .with_unknown_state_filters(unknown.collect())
            .with_transaction_states(listed.collect());
        out.replies.push((caller.token, Reply::ListTransactions(response)));
    }
}

/// Only what runs has a duration (KIP-994).
fn has_run_for(transaction: &Transaction, now_ms: i64, duration_ms: i64) -> bool {
    if duration_ms < 0 {
        return true;
    }
    let started_at_ms = transaction.started_at_ms.filter(|_| !transaction.state.is_idle());
    started_at_ms.is_some_and(|began_ms| now_ms.saturating_sub(began_ms) > duration_ms)
}

fn describe(id: &TransactionalId, transaction: &Transaction) -> Described {
    let mut topics: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
    for at in &transaction.partitions {
        topics.entry(at.topic).or_default().push(at.index);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        TopicData::default()
            .with_topic(StrBytes::from(topic.simple_text()).into())
            .with_partitions(partitions)
    });
    Described::default()
        .with_transactional_id(id.clone())
        .with_transaction_state(transaction.state.name().into())
        .with_transaction_timeout_ms(transaction.timeout_ms)
        .with_transaction_start_time_ms(transaction.started_at_ms.unwrap_or(-1))
        .with_producer_id(ProducerId(transaction.producer.id))
        .with_producer_epoch(transaction.producer.epoch)
        .with_topics(topics.collect())
}
