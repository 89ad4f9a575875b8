//! A transactional producer that does each step when it is told to, also out of turn.

use anyhow::{Context, Result};
use process::Clock;
use protocol::batch::BatchBuilder;
use protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest,
    InitProducerIdRequest, ProduceRequest, TopicName, TxnOffsetCommitRequest,
};
use protocol::{ErrorCode, StrBytes};

use crate::raw::Raw;

/// Which transactions it speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// Version 1: partitions are added by a request of their own (Produce 11, EndTxn 4).
    Old,
    /// Version 2, with a bumped epoch for every end (KIP-890: Produce 12, EndTxn 5).
    New,
}

/// Versions of the requests of a producer.
struct Versions {
    produce: i16,
    end: i16,
    offsets: i16,
}

impl Speaks {
    fn versions(self) -> Versions {
        match self {
            Self::Old => Versions { produce: 11, end: 4, offsets: 3 },
            Self::New => Versions { produce: 12, end: 5, offsets: 5 },
        }
    }
}

/// The producer. What it was answered is the caller's to judge: nothing is repeated here, and an error
/// of a call means that there was no answer.
#[derive(Debug)]
pub(super) struct RawProducer {
    pub(super) raw: Raw,
    speaks: Speaks,
    id: StrBytes,
    topic: TopicName,
    session: Session,
}

/// What a producer writes into its batches.
#[derive(Debug, Clone)]
pub(super) struct Session {
    producer: i64,
    epoch: i16,
    /// The next one of each partition.
    sequences: Vec<i32>,
}

impl RawProducer {
    /// Takes the transactional id, which fences whoever had it.
    pub(super) fn init(
        mut raw: Raw,
        speaks: Speaks,
        id: &str,
        (topic, partitions): (&str, u32),
        timeout_ms: i32,
    ) -> Result<Self> {
        let id = StrBytes::from(id.to_owned());
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id.clone().into()))
            .with_producer_id((-1).into())
            .with_producer_epoch(-1)
            .with_transaction_timeout_ms(timeout_ms);
        let answer = patiently(|| {
            let answer = raw.ask(&request, 4)?;
            Ok((ErrorCode::from_code(answer.error_code), answer))
        });
        let (code, answer) = answer?;
        anyhow::ensure!(code.is_none(), "InitProducerId: {}", code.name());
        Ok(Self {
            raw,
            speaks,
            id,
            topic: StrBytes::from(topic.to_owned()).into(),
            session: Session {
                producer: answer.producer_id.0,
                epoch: answer.producer_epoch,
                sequences: vec![0; partitions as usize],
            },
        })
    }

    /// As which producer it writes.
    pub(super) fn session(&self) -> Session {
        self.session.clone()
    }

    /// Writes as it did before, as if what it says now had been on the way since.
    pub(super) fn resume(&mut self, session: Session) {
        self.session = session;
    }

    /// Whether no marker of its last transaction is missing.
    pub(super) fn has_ended(&mut self) -> Result<bool> {
        let request = DescribeTransactionsRequest::default()
            .with_transactional_ids(vec![self.id.clone().into()]);
        let answer = self.raw.ask(&request, 0)?;
        let state = answer.transaction_states.first().context("a state")?;
        Ok(state.error_code == 0 && state.transaction_state.starts_with("Complete"))
    }

    /// AddPartitionsToTxn, which only old clients send.
    pub(super) fn add(&mut self, partition: u32) -> Result<ErrorCode> {
        let partition = i32::try_from(partition)?;
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(self.topic.clone())
            .with_partitions(vec![partition]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id.clone().into())
            .with_v3_and_below_producer_id(self.session.producer.into())
            .with_v3_and_below_producer_epoch(self.session.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let answer = self.raw.ask(&request, 3)?;
        let topic = answer.results_by_topic_v3_and_below.first().context("a topic")?;
        let partition = topic.results_by_partition.first().context("a partition")?;
        Ok(ErrorCode::from_code(partition.partition_error_code))
    }

    /// Produces one record, in the next sequence if it was accepted before.
    pub(super) fn produce(&mut self, partition: u32, value: &str) -> Result<ErrorCode> {
        self.send(partition, value)?;
        self.produced(partition)
    }

    /// Sends what [`RawProducer::produce`] does, and does not wait.
    pub(super) fn send(&mut self, partition: u32, value: &str) -> Result<()> {
        let sequence = self.session.sequences[partition as usize];
        let batch = BatchBuilder::new()
            .producer(self.session.producer, self.session.epoch, sequence)
            .transactional()
            .record(Clock::system().now_ms(), None, Some(value.as_bytes()))
            .build();
        let data = PartitionProduceData::default()
            .with_index(i32::try_from(partition)?)
            .with_records(Some(batch));
        let topic = TopicProduceData::default()
            .with_name(self.topic.clone())
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(self.id.clone().into()))
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![topic]);
        self.raw.send(&request, self.speaks.versions().produce)
    }

    /// The answer to what was sent.
    pub(super) fn produced(&mut self, partition: u32) -> Result<ErrorCode> {
        let answer = self.raw.answer::<ProduceRequest>(self.speaks.versions().produce)?;
        let topic = answer.responses.first().context("a topic")?;
        let answer = topic.partition_responses.first().context("a partition")?;
        let code = ErrorCode::from_code(answer.error_code);
        if code.is_none() {
            self.session.sequences[partition as usize] += 1;
        }
        Ok(code)
    }

    /// EndTxn. From version 2 on the answer brings the next transaction's epoch, in which sequences
    /// begin again.
    pub(super) fn end(&mut self, commit: bool) -> Result<ErrorCode> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id.clone().into())
            .with_producer_id(self.session.producer.into())
            .with_producer_epoch(self.session.epoch)
            .with_committed(commit);
        let answer = self.raw.ask(&request, self.speaks.versions().end)?;
        let code = ErrorCode::from_code(answer.error_code);
        if code.is_none() && self.speaks == Speaks::New {
            (self.session.producer, self.session.epoch) =
                (answer.producer_id.0, answer.producer_epoch);
            self.session.sequences.fill(0);
        }
        Ok(code)
    }

    /// AddOffsetsToTxn, which only old clients send.
    pub(super) fn add_group(&mut self, group: &str) -> Result<ErrorCode> {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.id.clone().into())
            .with_producer_id(self.session.producer.into())
            .with_producer_epoch(self.session.epoch)
            .with_group_id(StrBytes::from(group.to_owned()).into());
        Ok(ErrorCode::from_code(self.raw.ask(&request, 3)?.error_code))
    }

    /// TxnOffsetCommit of a group without members.
    pub(super) fn commit_offset(&mut self, group: &str, offset: i64) -> Result<ErrorCode> {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(0)
            .with_committed_offset(offset);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(self.topic.clone())
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id.clone().into())
            .with_group_id(StrBytes::from(group.to_owned()).into())
            .with_producer_id(self.session.producer.into())
            .with_producer_epoch(self.session.epoch)
            .with_topics(vec![topic]);
        let answer = self.raw.ask(&request, self.speaks.versions().offsets)?;
        let topic = answer.topics.first().context("a topic")?;
        let partition = topic.partitions.first().context("a partition")?;
        Ok(ErrorCode::from_code(partition.error_code))
    }

    /// Whether it speaks of version 1.
    pub(super) fn is_old(&self) -> bool {
        self.speaks == Speaks::Old
    }
}

/// Between two tries.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
/// Ten seconds: longer than a takeover.
const TRIES: usize = 100;

/// Asks again while the answer says that it may become another one.
pub(super) fn patiently<T>(
    mut ask: impl FnMut() -> Result<(ErrorCode, T)>,
) -> Result<(ErrorCode, T)> {
    let mut answer = ask()?;
    for _ in 0..TRIES {
        if !comes_again(answer.0) {
            break;
        }
        std::thread::sleep(PAUSE);
        answer = ask()?;
    }
    Ok(answer)
}

/// Whether a client would ask again upon this.
pub(super) fn comes_again(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UnknownTopicOrPartition
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::RequestTimedOut
            | ErrorCode::NetworkException
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator
            | ErrorCode::NotEnoughReplicas
            | ErrorCode::NotEnoughReplicasAfterAppend
            | ErrorCode::ConcurrentTransactions
            | ErrorCode::UnstableOffsetCommit
    )
}
