//! The transactional producer of the scenarios, and the host's part in its transactions.

use coordinator::{
    AddPartitions, Command, Marker, MarkersWritten, Producer, Reply, Token, TopicPartition,
    TransactionVersion,
};
use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::describe_transactions_response::TransactionState;
use protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use protocol::messages::{
    AddOffsetsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest, InitProducerIdRequest,
    ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId,
    TxnOffsetCommitRequest,
};

use super::{Client, GROUP, World, topic};

/// The first producer id that is given out.
pub(crate) const PRODUCER_IDS: i64 = 1_000;
/// The transactional id of producers unless told otherwise.
pub(crate) const TRANSACTIONAL_ID: &str = "txn";
pub(crate) const TRANSACTION_MS: i64 = 60_000;

/// A transactional producer as its client library sees it.
#[derive(Debug, Clone)]
pub(crate) struct TransactionalProducer {
    pub(crate) tenant: TenantId,
    pub(crate) id: &'static str,
    pub(crate) timeout_ms: i32,
    pub(crate) version: TransactionVersion,
    pub(crate) producer: Producer,
}

/// A partition of a topic of the scenarios.
pub(crate) fn partition(at: (u128, i32)) -> TopicPartition {
    TopicPartition { topic: topic(at.0), index: at.1 }
}

impl TransactionalProducer {
    /// One that was not initialised.
    pub(crate) fn new(id: &'static str, version: TransactionVersion) -> Self {
        let (timeout_ms, producer) = (TRANSACTION_MS as i32, Producer { id: -1, epoch: -1 });
        Self { tenant: TenantId::DEFAULT, id, timeout_ms, version, producer }
    }

    /// One that may begin a transaction.
    pub(crate) fn ready(world: &mut World, version: TransactionVersion) -> Self {
        let mut producer = Self::new(TRANSACTIONAL_ID, version);
        assert_eq!(producer.init(world), Ok(()));
        producer
    }

    fn transactional_id(&self) -> TransactionalId {
        StrBytes::from(self.id).into()
    }

    fn send(&self, world: &mut World, command: Command) -> Token {
        world.send_as(self.tenant, "producer", command)
    }

    /// InitProducerId as a producer that starts: whoever had the id before is fenced.
    pub(crate) fn init(&mut self, world: &mut World) -> Result<(), ErrorCode> {
        self.init_as(world, Producer { id: -1, epoch: -1 })
    }

    /// InitProducerId as one that was `producer` (KIP-360).
    pub(crate) fn init_as(
        &mut self,
        world: &mut World,
        producer: Producer,
    ) -> Result<(), ErrorCode> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.transactional_id()))
            .with_transaction_timeout_ms(self.timeout_ms)
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch);
        let token = self.send(world, Command::InitProducerId(request));
        let Reply::InitProducerId(response) = world.answer(token) else { panic!("not an id") };
        let code = ErrorCode::from_code(response.error_code);
        if code != ErrorCode::None {
            return Err(code);
        }
        self.producer = Producer { id: response.producer_id.0, epoch: response.producer_epoch };
        Ok(())
    }

    /// Asks until what is open has ended; the host writes the markers meanwhile.
    pub(crate) fn init_at_last(&mut self, world: &mut World) {
        while let Err(code) = self.init(world) {
            assert_eq!(code, ErrorCode::ConcurrentTransactions);
            world.write_markers();
        }
    }

    pub(crate) fn add(&self, world: &mut World, at: (u128, i32)) -> ErrorCode {
        self.ask_about(world, at, false)
    }

    pub(crate) fn verify(&self, world: &mut World, at: (u128, i32)) -> ErrorCode {
        self.ask_about(world, at, true)
    }

    fn ask_about(&self, world: &mut World, at: (u128, i32), verify_only: bool) -> ErrorCode {
        let request = AddPartitions {
            transactional_id: self.id.into(),
            producer: self.producer,
            verify_only,
            partitions: vec![partition(at)],
        };
        let token = self.send(world, Command::AddPartitions(request));
        match world.answer(token) {
            Reply::AddPartitions(codes) => codes[0],
            other => panic!("no outcomes: {other:?}"),
        }
    }

    pub(crate) fn add_offsets(&self, world: &mut World) -> ErrorCode {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(ProducerId(self.producer.id))
            .with_producer_epoch(self.producer.epoch)
            .with_group_id(StrBytes::from(GROUP).into());
        let token = self.send(world, Command::AddOffsetsToTxn(request));
        match world.answer(token) {
            Reply::AddOffsetsToTxn(response) => ErrorCode::from_code(response.error_code),
            other => panic!("not an outcome: {other:?}"),
        }
    }

    /// TxnOffsetCommit on behalf of a member of the group, or of nobody.
    pub(crate) fn commit_offset(
        &self,
        world: &mut World,
        member: &Client,
        at: (u128, i32),
        offset: i64,
    ) -> ErrorCode {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(at.1)
            .with_committed_offset(offset);
        let named = TxnOffsetCommitRequestTopic::default()
            .with_name(StrBytes::from(topic(at.0).simple_text()).into())
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_group_id(StrBytes::from(member.group).into())
            .with_producer_id(ProducerId(self.producer.id))
            .with_producer_epoch(self.producer.epoch)
            .with_generation_id(member.generation)
            .with_member_id(member.member_id.clone())
            .with_topics(vec![named]);
        let token = self.send(world, Command::TxnOffsetCommit(request));
        let Reply::TxnOffsetCommit(response) = world.answer(token) else { panic!("no commit") };
        ErrorCode::from_code(response.topics[0].partitions[0].error_code)
    }

    /// EndTxn without learning from the answer: a repetition sends the same again.
    pub(crate) fn send_end(&self, world: &mut World, commit: bool) -> Result<Producer, ErrorCode> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(ProducerId(self.producer.id))
            .with_producer_epoch(self.producer.epoch)
            .with_committed(commit);
        let token = self.send(world, Command::EndTxn(request, self.version));
        let Reply::EndTxn(response) = world.answer(token) else { panic!("not an end") };
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {
                Ok(Producer { id: response.producer_id.0, epoch: response.producer_epoch })
            }
            code => Err(code),
        }
    }

    /// EndTxn as a client of the producer's version goes on after it.
    pub(crate) fn end(&mut self, world: &mut World, commit: bool) -> Result<(), ErrorCode> {
        let told = self.send_end(world, commit)?;
        if self.version == TransactionVersion::V2 {
            self.producer = told;
        }
        Ok(())
    }

    pub(crate) fn describe(&self, world: &mut World) -> TransactionState {
        let request = DescribeTransactionsRequest::default()
            .with_transactional_ids(vec![self.transactional_id()]);
        let token = self.send(world, Command::DescribeTransactions(request));
        let Reply::DescribeTransactions(response) = world.answer(token) else { panic!("nothing") };
        response.transaction_states[0].clone()
    }

    pub(crate) fn state(&self, world: &mut World) -> String {
        self.describe(world).transaction_state.to_string()
    }
}

impl World {
    /// What a host does that always has producer ids.
    pub(super) fn bring_producer_ids(&mut self) {
        if self.no_producer_ids {
            return;
        }
        let wanted = self.coordinator.producer_ids_wanted() as i64;
        self.coordinator.take_producer_ids(self.next_producer_id..self.next_producer_id + wanted);
        self.next_producer_id += wanted;
    }

    /// Lets the host have no producer ids from now on.
    pub(crate) fn keep_producer_ids_away(&mut self) {
        self.no_producer_ids = true;
    }

    /// The host writes all markers that it was given: those of the internal partition come back
    /// here, the others are somebody else's. Then it says so.
    pub(crate) fn write_markers(&mut self) {
        for markers in std::mem::take(&mut self.markers) {
            let tenant = markers.key.tenant;
            if markers.partitions.iter().any(|at| at.topic == topic(999)) {
                let marker = Marker {
                    producer: markers.producer,
                    bumped: markers.bumped,
                    coordinator: 0,
                    coordinator_epoch: markers.coordinator_epoch,
                    commit: markers.commit,
                };
                assert_eq!(self.write_marker(tenant, marker), ErrorCode::None);
            }
            let written =
                MarkersWritten { transactional_id: markers.key.id, producer: markers.producer };
            self.send_as(tenant, "host", Command::MarkersWritten(written));
        }
    }

    pub(crate) fn write_marker(&mut self, tenant: TenantId, marker: Marker) -> ErrorCode {
        let token = self.send_as(tenant, "host", Command::WriteMarker(marker));
        match self.answer(token) {
            Reply::Marker(code) => *code,
            other => panic!("not the outcome of a marker: {other:?}"),
        }
    }

    pub(crate) fn list_transactions(
        &mut self,
        request: ListTransactionsRequest,
    ) -> ListTransactionsResponse {
        let command = Command::ListTransactions(request);
        let token = self.send_as(TenantId::DEFAULT, "admin", command);
        let Reply::ListTransactions(response) = self.answer(token) else { panic!("not a list") };
        response.clone()
    }
}
