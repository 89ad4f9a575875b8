//! The requests of a transactional producer, each repeated as its clients repeat it.
//!
//! Over a broken connection only what cannot act twice is sent again: batches have sequences, and under
//! version 2 each transaction has an epoch. Under version 1 a late EndTxn or offset would act on the
//! next transaction (that is why there is a version 2), so that a client must begin anew.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::batch::BatchBuilder;
use protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic,
};
use protocol::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use protocol::messages::{
    AddOffsetsToTxnRequest, EndTxnRequest, InitProducerIdRequest, ProducerId, TopicName,
    TransactionalId,
};
use rand::Rng;
use tokio::time::sleep;

use super::group;
use crate::history::transactions::Written;
use crate::kafka::text;
use crate::scenario::{TRANSACTIONS_TOPIC, TransactionalProducer};
use crate::workload::Client;
use crate::world::client_now_ms;

const INIT: i16 = 4;
const ADD_PARTITIONS: i16 = 3;
const ADD_OFFSETS: i16 = 3;
/// How often a request is sent before its client gives up.
const ATTEMPTS: u32 = 5;
/// How long the cluster may take for a batch.
const TIMEOUT_MS: i32 = 4_000;

/// Nothing more can be done under this epoch, or nobody knows whether it was.
#[derive(Debug)]
pub(super) struct Lost;

/// A producer that owns its transactional id, as far as it knows.
pub(super) struct Session {
    plan: TransactionalProducer,
    id: i64,
    epoch: i16,
    /// The next sequence of each partition.
    sequences: BTreeMap<i32, i32>,
    /// The partitions of the open transaction. Version 1 only.
    added: Vec<i32>,
}

// === impl Session ===

impl Session {
    /// Becomes the owner of the id, once; `was` is the producer before, if it goes on (KIP-360).
    pub(super) async fn begin(
        client: &mut Client,
        plan: TransactionalProducer,
        was: Option<(i64, i16)>,
    ) -> Option<Self> {
        let (id, epoch) = was.unwrap_or((-1, -1));
        let timeout_ms = i32::try_from(plan.timeout.as_millis()).expect("seconds");
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(name(plan.id)))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch);
        let answer = client.ask(INIT, &request).await?;
        let code = answer.error_code;
        client.load.trace.line(format_args!("transactional {} begins: {code}", plan.id));
        if code != 0 {
            sleep(Duration::from_millis(client.rng.random_range(20..=200))).await;
            return None;
        }
        let (id, epoch) = (answer.producer_id.0, answer.producer_epoch);
        Some(Self { plan, id, epoch, sequences: BTreeMap::new(), added: Vec::new() })
    }

    /// Ends what is open in one of the ways in which clients do; `None` if it must begin anew.
    pub(super) async fn recover(mut self, client: &mut Client) -> Option<Self> {
        if self.plan.version_2 && client.rng.random_bool(0.5) {
            return self.end(client, false).await.ok().map(|()| self);
        }
        let goes_on = client.rng.random_bool(0.3);
        Self::begin(client, self.plan, goes_on.then_some((self.id, self.epoch))).await
    }

    /// Writes a batch, in the transaction that it opens if none is.
    pub(super) async fn write(
        &mut self,
        client: &mut Client,
        partition: i32,
        records: &[Written],
    ) -> Result<(), Lost> {
        if !self.plan.version_2 && !self.added.contains(&partition) {
            self.add_partition(client, partition).await?;
            self.added.push(partition);
        }
        let sequence = self.sequences.entry(partition).or_insert(0);
        let mut batch =
            BatchBuilder::new().producer(self.id, self.epoch, *sequence).transactional();
        *sequence += i32::try_from(records.len()).expect("batches are small");
        let now_ms = client_now_ms();
        for record in records {
            batch.push(now_ms, None, Some(record.to_string().as_bytes()));
        }
        let data =
            PartitionProduceData::default().with_index(partition).with_records(Some(batch.build()));
        let topic = TopicProduceData::default().with_name(topic()).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(name(self.plan.id)))
            .with_acks(-1)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_data(vec![topic]);
        let version = if self.plan.version_2 { 12 } else { 9 };
        for _ in 0..ATTEMPTS {
            let Some(answer) = client.ask(version, &request).await else { continue };
            let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
            let code = partitions.map(|partition| partition.error_code).next().unwrap_or(-1);
            match judge(client, self.plan.id, "write", code) {
                Judged::Done => return Ok(()),
                Judged::Lost => return Err(Lost),
                Judged::Again => pause(client).await,
            }
        }
        Err(Lost)
    }

    async fn add_partition(&mut self, client: &mut Client, partition: i32) -> Result<(), Lost> {
        let topic =
            AddPartitionsToTxnTopic::default().with_name(topic()).with_partitions(vec![partition]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(name(self.plan.id))
            .with_v3_and_below_producer_id(ProducerId(self.id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let id = self.plan.id;
        repeat(client, id, "add partition", ADD_PARTITIONS, &request, false, |answer| {
            let topics = answer.results_by_topic_v3_and_below.iter();
            let partitions = topics.flat_map(|topic| &topic.results_by_partition);
            partitions.map(|partition| partition.partition_error_code).next().unwrap_or(-1)
        })
        .await
        .map(drop)
    }

    /// Commits the offset of the producer's group in the transaction.
    pub(super) async fn commit_offset(
        &mut self,
        client: &mut Client,
        partition: i32,
        offset: i64,
    ) -> Result<(), Lost> {
        let (id, version_2) = (self.plan.id, self.plan.version_2);
        if !version_2 {
            let request = AddOffsetsToTxnRequest::default()
                .with_transactional_id(name(id))
                .with_producer_id(ProducerId(self.id))
                .with_producer_epoch(self.epoch)
                .with_group_id(group(id));
            let code = |answer: &protocol::messages::AddOffsetsToTxnResponse| answer.error_code;
            repeat(client, id, "add offsets", ADD_OFFSETS, &request, false, code).await?;
        }
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(topic())
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(name(id))
            .with_group_id(group(id))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_topics(vec![topic]);
        let version = if version_2 { 5 } else { 3 };
        repeat(client, id, "commit offset", version, &request, version_2, |answer| {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            partitions.map(|partition| partition.error_code).next().unwrap_or(-1)
        })
        .await
        .map(drop)
    }

    /// Commits or aborts. Afterwards the next transaction may begin.
    pub(super) async fn end(&mut self, client: &mut Client, commit: bool) -> Result<(), Lost> {
        let (id, version_2) = (self.plan.id, self.plan.version_2);
        let request = EndTxnRequest::default()
            .with_transactional_id(name(id))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_committed(commit);
        let version = if version_2 { 5 } else { 3 };
        let what = if commit { "commit" } else { "abort" };
        let code = |answer: &protocol::messages::EndTxnResponse| answer.error_code;
        let answer = repeat(client, id, what, version, &request, version_2, code).await?;
        self.added.clear();
        if version_2 {
            (self.id, self.epoch) = (answer.producer_id.0, answer.producer_epoch);
            // A new epoch counts from 0.
            self.sequences.clear();
        }
        Ok(())
    }
}

/// What an answer means to a client.
enum Judged {
    Done,
    Again,
    Lost,
}

fn judge(client: &Client, id: u32, what: &str, code: i16) -> Judged {
    if code != 0 {
        client.load.trace.line(format_args!("transactional {id} {what}: {code}"));
    }
    match ErrorCode::from_code(code) {
        ErrorCode::None | ErrorCode::DuplicateSequenceNumber => Judged::Done,
        ErrorCode::NotLeaderOrFollower
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::RequestTimedOut
        | ErrorCode::KafkaStorageError
        | ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotCoordinator
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::ConcurrentTransactions => Judged::Again,
        _ => Judged::Lost,
    }
}

/// Asks until there is an answer that is one; over a new connection only if it `may_repeat`.
async fn repeat<R: protocol::Request>(
    client: &mut Client,
    id: u32,
    what: &str,
    version: i16,
    request: &R,
    may_repeat: bool,
    code: impl Fn(&R::Response) -> i16,
) -> Result<R::Response, Lost> {
    for _ in 0..ATTEMPTS {
        let Some(answer) = client.ask(version, request).await else {
            if may_repeat {
                continue;
            }
            return Err(Lost);
        };
        match judge(client, id, what, code(&answer)) {
            Judged::Done => return Ok(answer),
            Judged::Lost => return Err(Lost),
            // The gateway did not hear from the coordinator: it may still act.
            Judged::Again if !may_repeat && is_unknown(code(&answer)) => return Err(Lost),
            Judged::Again => pause(client).await,
        }
    }
    Err(Lost)
}

/// Whether an answer leaves open whether the request was carried out.
fn is_unknown(code: i16) -> bool {
    !ErrorCode::from_code(code).definite()
}

async fn pause(client: &mut Client) {
    let pause = client.rng.random_range(20..=200);
    sleep(Duration::from_millis(pause)).await;
}

fn name(producer: u32) -> TransactionalId {
    TransactionalId(text(&format!("transactional-{producer}")))
}

fn topic() -> TopicName {
    TopicName(text(TRANSACTIONS_TOPIC))
}
