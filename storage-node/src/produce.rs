//! Produce: every batch is validated, numbered and handed to the front before the call returns.
//!
//! In: one hop request, in the order of its lane (R45).
//! Out: an answer once every batch is durable, or at the deadline (R28).
//! Never: an await before the last append; a definite error after it (R44).
//!
//! One exception: the first batch of a transaction in a partition, and those behind it, wait in the
//! partition until the transaction is verified (see [`crate::partition`]).

mod records;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use hop::{HopHeader, Response, expected_epoch};
use protocol::batch::{BatchError, BatchView, NO_TIMESTAMP, validate_produced};
use protocol::ids::{NodeId, PartitionId, TopicId};
use protocol::messages::produce_request::PartitionProduceData;
use protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse,
};
use protocol::messages::{BrokerId, ProduceRequest, ProduceResponse};
use protocol::{ErrorCode, StrBytes};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::acks::{Ack, Acks, Outcome};
use crate::limits::{FRONT_BRAKE_FROM, FRONT_BRAKE_FULL, FRONT_BRAKE_MAX};
use crate::metrics;
use crate::node::Node;
use crate::partition::{Append, AppendError, Appended, Partition, Placement, TxnSupport};
use crate::verifier::Check;

use self::records::RecordsRefused;

/// `acks` of a producer that wants no answer. All others wait for durability: 1 as well, for there
/// is nothing weaker to give (ADR 0001).
const NO_ANSWER: i16 = 0;

/// What a client is taken for whose version the gateway did not say.
const OLDEST_VERSION: i16 = 3;

const NOT_SERVED: AppendError = AppendError::Closed(ErrorCode::NotLeaderOrFollower);

/// Why one partition's batch was refused: always definite.
#[derive(Debug, Error)]
enum ProduceError {
    #[error("acks must be -1, 0 or 1")]
    RequiredAcks,
    #[error("no records")]
    NoRecords,
    #[error("this node does not own the partition")]
    NotOwned,
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error("batch of {bytes} bytes is larger than the topic's {max}")]
    TooLarge { bytes: usize, max: usize },
    #[error(transparent)]
    Records(#[from] RecordsRefused),
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// What became of one partition of the request.
struct Placed {
    index: i32,
    slot: usize,
    epoch: i32,
    fate: Fate,
    /// The partition, if there is one.
    partition: Option<Arc<Partition>>,
}

/// What became of a batch.
enum Fate {
    Told(Result<Appended, ProduceError>),
    /// It waits until its transaction is verified.
    Waits(oneshot::Receiver<Result<Appended, AppendError>>),
}

/// What all batches of a request have in common.
struct Terms {
    now_ms: i64,
    /// What its client knows of transactions, if this is one.
    transaction: Option<TxnSupport>,
}

/// Appends a request's batches; the future answers when they are durable.
pub(crate) fn produce(
    node: &Node,
    header: &HopHeader,
    request: ProduceRequest,
) -> BoxFuture<'static, Response> {
    let batches = request.topic_data.iter().map(|topic| topic.partition_data.len()).sum();
    let acks = Acks::new(batches);
    let answer_at_once = request.acks == NO_ANSWER;
    let refusal = refusal(&request);
    let version =
        hop::client_version::get(&request.unknown_tagged_fields).unwrap_or(OLDEST_VERSION);
    let transaction = request.transactional_id.as_ref().map(|_| TxnSupport::of(version));
    let terms = Terms { now_ms: node.clock().now_ms(), transaction };
    let mut checks = Vec::new();
    let mut slot = 0;
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let id = TopicId(topic.topic_id);
        let mut placed = Vec::with_capacity(topic.partition_data.len());
        for data in topic.partition_data {
            let partition = PartitionId::new(header.tenant, id, data.index);
            let ack = acks.ack(slot);
            placed.push(match refusal {
                Some(refusal) => refused(data.index, slot, refusal()),
                None => place(node, partition, data, slot, &terms, ack, &mut checks),
            });
            slot += 1;
        }
        topics.push((topic.name, id, placed));
    }
    if let (Some(id), Some(support)) = (&request.transactional_id, transaction) {
        node.verifier().verify(header.tenant, id, support, checks, header.deadline);
    }
    let brake = brake(node.front().usage().used_share());
    let (deadline, node_id) = (header.deadline, node.id());
    async move {
        let mut owned = false;
        // At the deadline the answer says of each batch what is known then.
        let _in_time = tokio::time::timeout(deadline, async {
            for (_, _, placed) in &mut topics {
                for placed in placed {
                    placed.verified().await;
                }
            }
            if answer_at_once {
                return;
            }
            // All partitions of a node share its front, so one proof is for all of them.
            let mut placed = topics.iter().flat_map(|(_, _, placed)| placed);
            let refused_by = placed.find_map(Placed::refused_by);
            let proof = async { owned = prove(refused_by).await };
            tokio::join!(acks.all_told(), hold(brake), proof);
        })
        .await;
        let responses = topics.into_iter().map(|(name, id, placed)| {
            let answers = placed.into_iter().map(|placed| {
                let outcome =
                    if answer_at_once { Outcome::Durable } else { acks.outcome(placed.slot) };
                answer(placed.unless_disowned(owned), outcome, node_id)
            });
            TopicProduceResponse::default()
                .with_name(name)
                .with_topic_id(id.0)
                .with_partition_responses(answers.collect())
        });
        Response::Produce(ProduceResponse::default().with_responses(responses.collect()))
    }
    .boxed()
}

/// Why nothing of this request can be appended.
fn refusal(request: &ProduceRequest) -> Option<fn() -> ProduceError> {
    (!matches!(request.acks, -1..=1)).then_some(|| ProduceError::RequiredAcks)
}

fn refused(index: i32, slot: usize, error: ProduceError) -> Placed {
    Placed { index, slot, epoch: -1, fate: Fate::Told(Err(error)), partition: None }
}

fn place(
    node: &Node,
    id: PartitionId,
    data: PartitionProduceData,
    slot: usize,
    terms: &Terms,
    ack: Ack,
    checks: &mut Vec<Check>,
) -> Placed {
    let index = data.index;
    let Some(partition) = node.partitions().find(id) else {
        return refused(index, slot, ProduceError::NotOwned);
    };
    let fate = append(&partition, data, terms, ack, checks).unwrap_or_else(|error| {
        tracing::debug!(partition = %id, %error, "batch refused");
        Fate::Told(Err(error))
    });
    Placed { index, slot, epoch: partition.epoch(), fate, partition: Some(partition) }
}

fn append(
    partition: &Arc<Partition>,
    data: PartitionProduceData,
    terms: &Terms,
    ack: Ack,
    checks: &mut Vec<Check>,
) -> Result<Fate, ProduceError> {
    let expected_epoch = expected_epoch::get(&data);
    let records = data.records.ok_or(ProduceError::NoRecords)?;
    let settings = partition.settings();
    if records.len() > settings.batch_bytes_max {
        let (bytes, max) = (records.len(), settings.batch_bytes_max);
        return Err(ProduceError::TooLarge { bytes, max });
    }
    let append = {
        let batch = match process::mutation::on("R59") {
            true => BatchView::whole(&records)?,
            false => validate_produced(&records, terms.transaction.is_some())?,
        };
        records::check(&batch, &settings, terms.now_ms)?;
        Append::new(records.clone(), &batch)
    };
    let fate = match terms.transaction {
        None => Fate::Told(Ok(partition.append(append, expected_epoch, terms.now_ms, ack)?)),
        Some(support) => {
            let now_ms = terms.now_ms;
            match partition.append_transactional(append, support, expected_epoch, now_ms, ack) {
                Placement::Told(result) => Fate::Told(Ok(result?)),
                Placement::Waits(told, guard) => {
                    let partition = || Arc::clone(partition);
                    checks.extend(guard.map(|guard| Check { partition: partition(), guard }));
                    Fate::Waits(told)
                }
            }
        }
    };
    metrics::produced(records.len());
    Ok(fate)
}

/// Whether this node may refuse for good.
async fn prove(refused_by: Option<&Partition>) -> bool {
    match refused_by {
        Some(partition) => partition.prove().await.is_ok(),
        None => true,
    }
}

/// R28: from 70 % on producers are slowed down, the more the less room is left, so that uploads
/// catch up before the front has to refuse anybody.
///
/// The acknowledgement is held back, because a client stops at the requests it may have in flight
/// whatever its protocol version or manners. It is not a quota (KIP-219): what is short here is
/// durable space, and it is short for everybody.
fn brake(used_share: f64) -> Duration {
    let excess = (used_share - FRONT_BRAKE_FROM) / (FRONT_BRAKE_FULL - FRONT_BRAKE_FROM);
    FRONT_BRAKE_MAX.mul_f64(excess.clamp(0.0, 1.0))
}

async fn hold(brake: Duration) {
    if !brake.is_zero() {
        metrics::braked(brake);
        tokio::time::sleep(brake).await;
    }
}

fn answer(placed: Placed, outcome: Outcome, node: NodeId) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(placed.index);
    match placed.fate {
        Fate::Told(Ok(appended)) if outcome == Outcome::Durable => response
            .with_base_offset(appended.base_offset)
            .with_log_append_time_ms(appended.log_append_time_ms)
            .with_log_start_offset(appended.log_start_offset),
        Fate::Told(Ok(_)) | Fate::Waits(_) => response
            .with_error_code(ErrorCode::RequestTimedOut.code())
            .with_base_offset(-1)
            .with_log_append_time_ms(NO_TIMESTAMP)
            .with_log_start_offset(-1),
        Fate::Told(Err(error)) => {
            let code = error.code();
            let response = response
                .with_error_code(code.code())
                .with_record_errors(error.records().to_vec())
                .with_error_message(Some(StrBytes::from_string(error.to_string())))
                .with_base_offset(-1)
                .with_log_append_time_ms(NO_TIMESTAMP)
                .with_log_start_offset(-1);
            if code != ErrorCode::NotLeaderOrFollower || placed.epoch < 0 {
                return response;
            }
            // R49, KIP-951: the owner is still here, in another epoch than the sender thought.
            let leader = LeaderIdAndEpoch::default()
                .with_leader_id(BrokerId(node.0))
                .with_leader_epoch(placed.epoch);
            response.with_current_leader(leader)
        }
    }
}

impl Placed {
    /// Waits until it is known whether the batch is of an open transaction. Safe to cancel.
    async fn verified(&mut self) {
        if let Fate::Waits(told) = &mut self.fate {
            // Whoever verifies tells everybody; if it is gone, so is the incarnation.
            let result = told.await.unwrap_or(Err(NOT_SERVED));
            self.fate = Fate::Told(result.map_err(ProduceError::Append));
        }
    }

    /// The partition, if it refused the batch for its sequence. Such an answer is final for the client,
    /// so only the owner may give it (R6).
    fn refused_by(&self) -> Option<&Partition> {
        let by_sequence =
            matches!(self.fate, Fate::Told(Err(ProduceError::Append(AppendError::Sequence(_)))));
        self.partition.as_deref().filter(|_| by_sequence)
    }

    /// Without proof of ownership the sequence may be right for whoever owns the partition now.
    fn unless_disowned(self, owned: bool) -> Self {
        match self.refused_by() {
            Some(_) if !owned => refused(self.index, self.slot, ProduceError::NotOwned),
            _ => self,
        }
    }
}

impl ProduceError {
    /// The records that are to blame, if it is not the whole batch.
    fn records(&self) -> &[BatchIndexAndErrorMessage] {
        match self {
            Self::Records(error) => error.records(),
            _ => &[],
        }
    }

    /// What the producer is told. Definite, all of them (R44).
    fn code(&self) -> ErrorCode {
        match self {
            Self::RequiredAcks => ErrorCode::InvalidRequiredAcks,
            Self::NoRecords => ErrorCode::InvalidRecord,
            Self::NotOwned => ErrorCode::NotLeaderOrFollower,
            Self::Batch(error) => error.code(),
            Self::TooLarge { .. } => ErrorCode::MessageTooLarge,
            Self::Records(error) => error.code(),
            Self::Append(error) => error.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brake_begins_at_seventy_percent_and_is_full_where_producers_are_refused() {
        assert_eq!(brake(0.0), Duration::ZERO);
        assert_eq!(brake(0.7), Duration::ZERO);
        let half = brake(0.8);
        assert!(half > FRONT_BRAKE_MAX.mul_f64(0.49) && half < FRONT_BRAKE_MAX.mul_f64(0.51));
        assert_eq!(brake(0.9), FRONT_BRAKE_MAX);
        assert_eq!(brake(1.0), FRONT_BRAKE_MAX);
    }
}
